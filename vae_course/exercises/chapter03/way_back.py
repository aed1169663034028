"""Exercise 3.2: the way back."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from vae_course.exercises.engine.results import Flawed, a_tensor
from vae_course.exercises.exercise import Exercise, Mistake, Trial


def way_back(slope, log_var, noise):
    """The gradient with respect to mean and log_var, from the gradient at z.

    z was computed as mean + exp(½ log_var) · noise. Apply the chain rule by
    hand; autograd is not needed.

    Args:
        slope: gradient of the loss with respect to z, (B, D).
        log_var: (B, D).
        noise: the ε that was drawn, (B, D).

    Returns:
        Both gradients, the mean's first, (2, B, D); or a pair of (B, D).
    """
    half_std = 0.5 * torch.exp(0.5 * log_var)
    return torch.stack([slope, slope * half_std * noise])


def _autograd(slope: Tensor, log_var: Tensor, noise: Tensor) -> Tensor:
    mean = torch.zeros_like(log_var).requires_grad_()
    leaf = log_var.detach().clone().requires_grad_()
    z = mean + torch.exp(0.5 * leaf) * noise.detach()
    (z * slope.detach()).sum().backward()
    return torch.stack([mean.grad, leaf.grad])


_MEAN, _LOG_VAR = "the mean's gradient", "log_var's gradient"


def _both(
    attempt: Callable, slope: Tensor, log_var: Tensor, noise: Tensor
) -> dict[str, Tensor]:
    """Both gradients, from one tensor or from a pair."""
    found = attempt(slope, log_var, noise)
    if isinstance(found, tuple | list) and len(found) == 2:
        pair = [
            a_tensor(each, slope.shape, slope, words)
            for each, words in zip(found, (_MEAN, _LOG_VAR), strict=True)
        ]
    elif isinstance(found, tuple | list):
        raise Flawed(
            "length",
            f"The result has {len(found)} parts; two gradients are expected.",
            len(found),
        )
    else:
        pair = a_tensor(found, (2, *slope.shape), slope).unbind()
    return dict(zip((_MEAN, _LOG_VAR), pair, strict=True))


def _slopes() -> Iterator[Trial]:
    inputs = [
        [[[1.0, -2.0]], [[-0.5, 1.0]], [[0.5, -1.5]]],
        # Far out, where a clamp would act; and one row, and one column.
        [[[0.3, 70.0, -40.0]], [[-12.0, 12.0, 30.0]], [[1e3, 0.7, -1e-3]]],
    ]
    given = [torch.tensor(each) for each in inputs]
    given += [
        torch.randn(3, batch, size, dtype=dtype)
        for batch, size, dtype in (
            (3, 4, torch.float32),
            (5, 1, torch.float32),
            (7, 2, torch.float64),
        )
    ]
    # In double precision exp(½ · ±60) is no trouble.
    far = torch.randn(3, 2, 2, dtype=torch.float64)
    far[1] = torch.tensor([[-60.0, 60.0], [-35.0, 25.0]])
    far[2] *= torch.exp(-0.5 * far[1])  # or the smallest would not be seen
    for each in (*given, far):
        slope, log_var, noise = each.unbind()
        truth = _autograd(slope.double(), log_var.double(), noise.double())
        yield Trial(
            {"slope": slope, "log_var": log_var, "noise": noise},
            {_MEAN: truth[0], _LOG_VAR: truth[1]},
            _both,
        )


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
            "the chain rule stopped at σ",
            lambda slope, log_var, noise: torch.stack([slope, slope * noise]),
            "You stopped at σ: slope · ε is its gradient. The encoder's "
            "output is log σ², and one more factor leads there.",
            "z = μ + σ ⊙ ε has σ in it, and the line that makes σ is easily "
            "left out.",
        ),
        Mistake(
            "the slope is forgotten",
            lambda slope, log_var, noise: torch.stack(
                [slope, 0.5 * torch.exp(0.5 * log_var) * noise]
            ),
            "Your gradient of log_var is the derivative of z alone. The chain "
            "rule multiplies it by the slope that has come as far as z.",
            "the derivative is the hard part, and the product comes after it.",
            also=(
                lambda slope, log_var, noise: torch.stack(
                    [
                        torch.ones_like(slope),
                        0.5 * torch.exp(0.5 * log_var) * noise,
                    ]
                ),
            ),
        ),
        Mistake(
            "divided by σ",
            lambda slope, log_var, noise: torch.stack(
                [slope, slope * 0.5 * noise * torch.exp(-0.5 * log_var)]
            ),
            "σ divides where it should multiply: the derivative of exp is "
            "exp.",
            "to divide by σ is the way back from z to ε. This way leads from "
            "a gradient to a gradient.",
        ),
        Mistake(
            "averaged over the batch",
            lambda slope, log_var, noise: (
                way_back(slope, log_var, noise) / len(slope)
            ),
            "You divided by the number of rows. Each row has a gradient of "
            "its own; if the loss is a mean, `slope` knows it already.",
            "losses are averaged over the batch.",
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
