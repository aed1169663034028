"""Exercise 4.3: the importance-weighted bound."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from vae_course.exercises.exercise import (
    Exercise,
    Mistake,
    Trial,
    trials_against,
)


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


def _logs() -> Iterator[Trial]:
    first = torch.tensor([[0.0, -1.0, 0.5], [1.0, -3.0, 0.25]])
    yield from trials_against(_by_shifting, [{"log_weights": first}])
    for size, spread, centres, dtype in (
        ((5, 3), 1.0, (-2.0, 1.0, 0.0), torch.float32),
        ((1, 2), 1.0, (-100.0, 3.0), torch.float32),
        ((10, 4), 20.0, (-800.0, -100.0, -90.0, -1000.0), torch.float32),
        # Images far apart, as one digit and one photograph; and one alone.
        ((7, 3), 2.0, (-100.0, -10_000.0, 500.0), torch.float32),
        ((6, 1), 2.0, (-10_000.0,), torch.float64),
        ((50, 2), 5.0, (-1000.0, 800.0), torch.float64),
    ):
        noise = spread * torch.randn(size, dtype=dtype)
        given = {"log_weights": torch.tensor(centres, dtype=dtype) + noise}
        yield _strictly(given)
    # Samples far apart, the largest at the end, and at the beginning.
    ladder = -1000.0 * torch.arange(9.0)
    yield _strictly({"log_weights": torch.stack([ladder, ladder.flip(0)], 1)})


def _strictly(given: dict[str, Tensor]) -> Trial:
    (trial,) = trials_against(_by_shifting, [given])
    # Relative to 10,000, a nat is little: less is forgiven.
    return replace(trial, tolerance=1e-5, likeness=3e-5)


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
    proved="your bound has its −log K, and holds for weights of e⁸⁰⁰ and of "
    "e⁻¹⁰⁰⁰⁰ in one batch.",
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
            "one centre for all images",
            lambda log_weights: (
                (log_weights - log_weights.max()).exp().mean(dim=0).log()
                + log_weights.max()
            ),
            "You took the largest of all logarithms out, over the images, "
            "too. For an image whose weights are far smaller than another's, "
            "every exponential is still 0.",
            "`max()` without a dimension is shorter, and one image alone "
            "shows no difference.",
        ),
        Mistake(
            "not the largest taken out",
            lambda log_weights: (
                (log_weights - log_weights.mean(dim=0)).exp().mean(dim=0).log()
                + log_weights.mean(dim=0)
            ),
            "Before the exponential you took out a mean, a median or another "
            "value from the middle. What lies far above it overflows; the "
            "largest is what to take out.",
            "centring is subtracting the mean, everywhere else.",
            also=(
                lambda log_weights: (
                    (log_weights - log_weights.min(dim=0).values)
                    .exp()
                    .mean(dim=0)
                    .log()
                    + log_weights.min(dim=0).values
                ),
            ),
        ),
        Mistake(
            "log K added",
            lambda log_weights: (
                torch.logsumexp(log_weights, dim=0)
                + math.log(len(log_weights))
            ),
            "You added log K: a mean divides by K, so it is subtracted.",
            "K is the number of samples, and more of them give more.",
        ),
        Mistake(
            "divided by K outside",
            lambda log_weights: (
                torch.logsumexp(log_weights, dim=0) / len(log_weights)
            ),
            "You divided the logarithm of the sum by K. Dividing the sum by K "
            "subtracts log K from its logarithm.",
            "1/K stands in front of the sum, and the logarithm in front of "
            "both.",
        ),
        Mistake(
            "the number of images for K",
            lambda log_weights: (
                torch.logsumexp(log_weights, dim=0)
                - math.log(log_weights.shape[1])
            ),
            "You subtracted the logarithm of the number of images; K, the "
            "number of samples, is dimension 0.",
            "`shape[1]` and `shape[0]` are one character apart.",
        ),
        Mistake(
            "the largest alone",
            lambda log_weights: log_weights.max(dim=0).values,
            "You return the largest logarithm. The others count, too, each "
            "by its exponential.",
            "it is the first step of the stable form.",
        ),
        Mistake(
            "averaged over the images",
            lambda log_weights: weighted_bound(log_weights).mean(),
            "You averaged over the images, too. One bound for each is asked "
            "for.",
            "a loss is averaged over the batch.",
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
