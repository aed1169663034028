"""Exercise 4.4: how many samples count."""

from __future__ import annotations

import torch
from torch import Tensor

from vae_course.exercises.exercise import Exercise, Mistake, trials_against


def effective_samples(log_weights):
    """How many equally good samples the weighted ones are worth.

    With w̃ the weights of an image normalised to a sum of 1: 1 / Σ w̃².

    Args:
        log_weights: (K, B).

    Returns:
        A number from 1 to K for each image, (B,).
    """
    shares = torch.softmax(log_weights, dim=0)
    return 1 / shares.square().sum(dim=0)


def _by_two_sums(log_weights) -> Tensor:
    """(Σ w)² / Σ w², with both sums as logarithms."""
    one = torch.logsumexp(log_weights, dim=0)
    two = torch.logsumexp(2 * log_weights, dim=0)
    return torch.exp(2 * one - two)


def _more_logs():
    inputs = [
        {"log_weights": torch.tensor([[0.0, 0.0], [0.0, -2.0], [0.0, 1.0]])}
    ] + [
        {"log_weights": centre + scale * torch.randn(*size, dtype=dtype)}
        for centre, scale, size, dtype in (
            (-2.0, 1.0, (6, 3), torch.float32),
            (-300.0, 2.0, (40, 4), torch.float64),
            (-1000.0, 2.0, (10, 4), torch.float32),  # exp gives zeros
        )
    ]
    return trials_against(_by_two_sums, inputs)


EFFECTIVE = Exercise(
    number="4.4",
    title="How many samples count",
    prompt="""\
A thousand weights of which one is a million times larger than the rest are one
sample. Write the effective sample size, the first thing to look at before an
importance-sampled number is believed.""",
    solution=effective_samples,
    why="""\
Equal shares of 1/K give K; a single share of 1 gives 1. The softmax over the
samples is the normalisation, stable at any scale. A small value says that the
estimate of log p(x) hangs on a few draws: take more samples, or a q that is
closer to the posterior.""",
    proved="equal weights count fully, and one giant counts as one.",
    hints=(
        "First the shares: what turns K logarithms into K numbers that sum to "
        "one?",
        "`torch.softmax` over dimension 0. Then square, sum, and invert.",
        "The shares are a softmax over the samples' axis. What you return is "
        "one over the sum of their squares, along the same axis.",
    ),
    trials=_more_logs,
    mistakes=(
        Mistake(
            "the weights are not normalised",
            lambda log_weights: 1 / log_weights.exp().square().sum(dim=0),
            "You squared the weights themselves, not their shares: the result "
            "depends on the scale of p(x).",
            "1 / Σ w² is the formula, once w are shares.",
        ),
        Mistake(
            "underflow",
            lambda log_weights: (
                log_weights.exp().sum(dim=0).square()
                / log_weights.exp().square().sum(dim=0)
            ),
            "The formula is right, and the computer cannot follow: exp(−1000) "
            "is 0, and the shares become 0/0.",
            "for a handful of small logarithms it works.",
            also=(
                lambda log_weights: (
                    1
                    / (log_weights.exp() / log_weights.exp().sum(dim=0))
                    .square()
                    .sum(dim=0)
                ),
            ),
        ),
        Mistake(
            "shares over the images",
            lambda log_weights: (
                1 / torch.softmax(log_weights, dim=1).square().sum(dim=1)
            ),
            "Your shares sum to one over the batch; every image has weights "
            "of its own.",
            "softmax is mostly taken over the last dimension.",
            also=(
                lambda log_weights: (
                    1 / torch.softmax(log_weights, dim=1).square().sum(dim=0)
                ),
            ),
        ),
        Mistake(
            "not inverted",
            lambda log_weights: (
                torch.softmax(log_weights, dim=0).square().sum(dim=0)
            ),
            "That is Σ w̃², between 1/K and 1. The number of samples is its "
            "inverse.",
            "the sum of squares is the hard part.",
        ),
        Mistake(
            "the largest share alone",
            lambda log_weights: (
                1 / torch.softmax(log_weights, dim=0).max(dim=0).values
            ),
            "You inverted the largest share. It agrees for equal weights and "
            "for a giant, but not in between.",
            "both extremes come out right.",
        ),
        Mistake(
            "the exponential of the entropy",
            lambda log_weights: torch.exp(
                -(
                    torch.softmax(log_weights, dim=0)
                    * torch.log_softmax(log_weights, dim=0)
                ).sum(dim=0)
            ),
            "That is the perplexity of the shares: another count of the same "
            "kind, and a larger one.",
            "it has the same extremes, 1 and K.",
        ),
    ),
    alternatives=(
        _by_two_sums,
        lambda log_weights: (
            torch.log_softmax(log_weights, 0).mul(2).logsumexp(0).neg().exp()
        ),
    ),
)
