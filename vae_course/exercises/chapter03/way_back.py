"""Exercise 3.2: the way back."""

from __future__ import annotations

import torch
from torch import Tensor

from vae_course.exercises.exercise import Exercise, Mistake, trials_against


def way_back(slope, log_var, noise):
    """The gradient with respect to mean and log_var, from the gradient at z.

    z was computed as mean + exp(½ log_var) · noise. Apply the chain rule by
    hand; autograd is not needed.

    Args:
        slope: gradient of the loss with respect to z, (B, D).
        log_var: (B, D).
        noise: the ε that was drawn, (B, D).

    Returns:
        Both gradients, the mean's first, (2, B, D).
    """
    half_std = 0.5 * torch.exp(0.5 * log_var)
    return torch.stack([slope, slope * half_std * noise])


def _autograd(slope: Tensor, log_var: Tensor, noise: Tensor) -> Tensor:
    mean = torch.zeros_like(log_var).requires_grad_()
    leaf = log_var.detach().clone().requires_grad_()
    z = mean + torch.exp(0.5 * leaf) * noise.detach()
    (z * slope.detach()).sum().backward()
    return torch.stack([mean.grad, leaf.grad])


def _slopes():
    inputs = [
        {
            "slope": torch.tensor([[1.0, -2.0]]),
            "log_var": torch.tensor([[0.0, 1.0]]),
            "noise": torch.tensor([[0.5, -1.5]]),
        }
    ] + [
        {
            name: torch.randn(batch, size, dtype=dtype)
            for name in ("slope", "log_var", "noise")
        }
        for batch, size, dtype in (
            (3, 4, torch.float32),
            (7, 2, torch.float64),
        )
    ]
    return trials_against(_autograd, inputs)


WAY_BACK = Exercise(
    number="3.2",
    title="The way back",
    prompt="""\
A loss has been computed from $z = \\mu + e^{\\frac{1}{2} \\log \\sigma^2}
\\odot \\epsilon$, and backpropagation has come as far as $z$: `slope` holds
the gradient there. Take it two steps further, to the encoder's two
outputs.""",
    solution=way_back,
    why="""\
The mean is added, so its gradient is the slope unchanged. The derivative of
exp(½ log_var) · ε in log_var is ½ exp(½ log_var) · ε: the half comes from the
inner derivative, and the noise stays as the factor that was drawn. A row whose
noise happens to be zero learns nothing about its spread in this step.""",
    proved="your two lines are what autograd does at the reparameterized "
    "sample.",
    hints=(
        "Two terms, two derivatives. How does z change when the mean grows by "
        "a little?",
        "The derivative of exp(a·t) in t is a·exp(a·t). Here a is ½.",
        "For `log_var`, three factors multiply the slope: the inner "
        "derivative ½, the exponential itself, and the noise. `torch.stack` "
        "puts the two gradients under each other, the mean's first.",
    ),
    trials=_slopes,
    mistakes=(
        Mistake(
            "the inner derivative is forgotten",
            lambda slope, log_var, noise: torch.stack(
                [slope, slope * torch.exp(0.5 * log_var) * noise]
            ),
            "The gradient of log_var is twice too large.",
            "exp is its own derivative; the ½ inside it is not.",
        ),
        Mistake(
            "the noise is forgotten",
            lambda slope, log_var, noise: torch.stack(
                [slope, slope * 0.5 * torch.exp(0.5 * log_var)]
            ),
            "Your gradient of log_var does not contain ε. Then every step "
            "would widen or narrow all dimensions together, whatever was "
            "drawn.",
            "ε is not trained, so it is easily taken for absent. It is a "
            "constant factor, and factors stay.",
        ),
        Mistake(
            "exp without the half",
            lambda slope, log_var, noise: torch.stack(
                [slope, slope * torch.exp(log_var) * noise]
            ),
            "You differentiated exp(log_var), the variance; z contains its "
            "root.",
            "the encoder's output is called log_var, and undoing a logarithm "
            "is exp.",
            also=(
                lambda slope, log_var, noise: torch.stack(
                    [slope, slope * 0.5 * torch.exp(log_var) * noise]
                ),
            ),
        ),
        Mistake(
            "the noise in the mean's gradient",
            lambda slope, log_var, noise: torch.stack(
                [slope * noise, slope * 0.5 * torch.exp(0.5 * log_var) * noise]
            ),
            "The gradient of the mean has a factor ε that does not belong "
            "there.",
            "both gradients come from the same product at first sight; only "
            "the spread is multiplied by the noise.",
        ),
        Mistake(
            "the wrong order",
            lambda slope, log_var, noise: torch.stack(
                [slope * 0.5 * torch.exp(0.5 * log_var) * noise, slope]
            ),
            "Both gradients are right, in the wrong order: the mean's comes "
            "first.",
            "one computes the harder one first.",
        ),
    ),
    alternatives=(
        lambda slope, log_var, noise: torch.stack(
            [slope, slope * (log_var.exp().sqrt() * noise) / 2]
        ),
        _autograd,
    ),
)
