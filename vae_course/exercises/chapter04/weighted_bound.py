"""Exercise 4.3: the importance-weighted bound."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vae_course.exercises.exercise import Exercise, Mistake, trials_against


def weighted_bound(log_weights):
    """The importance-weighted bound from the logarithms of the weights.

    Args:
        log_weights: log p(x, z) − log q(z|x) of K samples for each of B
            images, (K, B); values around −1000 are common.

    Returns:
        The bound of each image, (B,), in nats. Finite whenever its input is.
    """
    return torch.logsumexp(log_weights, dim=0) - math.log(len(log_weights))


def _by_shifting(log_weights) -> Tensor:
    largest = log_weights.max(dim=0).values
    return largest + (log_weights - largest).exp().mean(dim=0).log()


def _by_pairs(log_weights) -> Tensor:
    total = log_weights[0]
    for row in log_weights[1:]:
        total = torch.logaddexp(total, row)
    return total - math.log(log_weights.shape[0])


def _logs():
    inputs = [{"log_weights": torch.tensor([[0.0, -1.0], [1.0, -3.0]])}] + [
        {"log_weights": centre + scale * torch.randn(*size, dtype=dtype)}
        for centre, scale, size, dtype in (
            (-2.0, 1.0, (5, 3), torch.float32),
            (-800.0, 20.0, (10, 4), torch.float32),
            (-1000.0, 5.0, (50, 2), torch.float64),
        )
    ]
    return trials_against(_by_shifting, inputs, slopes=["log_weights"])


BOUND = Exercise(
    number="4.3",
    title="A logarithm of a mean",
    prompt="""\
The weights of a VAE on MNIST have logarithms around −100, on photographs
around −10,000. Write the importance-weighted bound $\\log \\frac{1}{K} \\sum_i
w_i$ so that it survives them.""",
    solution=weighted_bound,
    why="""\
`logsumexp` takes the largest logarithm out before it exponentiates, so that
the largest term is e⁰ = 1 and nothing that matters underflows. The mean
divides by K, which is −log K outside: it is forgotten easily, because without
it the bound still rises with K, only beyond the truth.""",
    proved="your bound is stable at any scale, has its −log K, and lets the "
    "gradient through the weights.",
    hints=(
        "exp(−800) is zero on a computer, and log 0 is −∞. Which operation "
        "can you do before the exponential, and undo after the logarithm?",
        "log Σ exp(aᵢ) = m + log Σ exp(aᵢ − m) for any m; take the largest. "
        "`torch.logsumexp` does that. And a mean is a sum over K.",
        "The sum over the samples, in logarithms, is `torch.logsumexp` over "
        "their axis. Dividing by K means subtracting its logarithm, and K is "
        "`len(log_weights)`.",
    ),
    trials=_logs,
    mistakes=(
        Mistake(
            "log K is not subtracted",
            lambda log_weights: torch.logsumexp(log_weights, dim=0),
            "Yours is the logarithm of the sum, too large by log K. With "
            "enough samples it exceeds log p(x).",
            "`logsumexp` does the hard part, and seems to do it all.",
        ),
        Mistake(
            "the mean of the logarithms",
            lambda log_weights: log_weights.mean(dim=0),
            "You averaged the logarithms. That is the ordinary ELBO from K "
            "samples: less noisy, and not tighter.",
            "mean and logarithm look exchangeable. Jensen's inequality is "
            "about just that.",
        ),
        Mistake(
            "underflow",
            lambda log_weights: log_weights.exp().mean(dim=0).log(),
            "The formula is right, and the computer cannot follow: exp(−800) "
            "is 0, and its logarithm −∞.",
            "it is what the formula says, letter by letter.",
            also=(
                lambda log_weights: torch.log(
                    torch.exp(log_weights).sum(0) / len(log_weights)
                ),
            ),
        ),
        Mistake(
            "over the images instead of the samples",
            lambda log_weights: (
                torch.logsumexp(log_weights, dim=1)
                - math.log(log_weights.shape[1])
            ),
            "You summed over the images of the batch; the samples are "
            "dimension 0.",
            "the batch usually comes first.",
        ),
        Mistake(
            "divided inside the exponential",
            lambda log_weights: torch.logsumexp(
                log_weights / len(log_weights), dim=0
            ),
            "You divided the logarithms by K. Dividing a weight by K "
            "subtracts log K from its logarithm.",
            "1/K stands next to the weights in the formula.",
        ),
        Mistake(
            "weights that are detached",
            lambda log_weights: (
                torch.logsumexp(log_weights, dim=0)
                - math.log(len(log_weights))
            ).detach(),
            "The value is right, but no gradient passes: nothing could be "
            "trained on it.",
            "weights are often held fixed in other estimators.",
        ),
    ),
    alternatives=(
        _by_shifting,
        _by_pairs,
        lambda log_weights: torch.logsumexp(
            log_weights - math.log(log_weights.shape[0]), dim=0
        ),
    ),
)
