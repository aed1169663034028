"""Exercise 4.4: how many samples count."""

from __future__ import annotations

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


def effective_samples(log_weights):
    """How many equally good samples the weighted ones are worth.

    With w̃ the weights of an image normalised to a sum of 1: 1 / Σ w̃².

    Args:
        log_weights: (K, B).

    Returns:
        A number from 1 to K for each image, (B,); with a gradient.
    """
    shares = torch.softmax(log_weights, dim=0)
    return 1 / shares.square().sum(dim=0)


def _by_two_sums(log_weights) -> Tensor:
    """(Σ w)² / Σ w², with both sums as logarithms."""
    one = torch.logsumexp(log_weights, dim=0)
    two = torch.logsumexp(2 * log_weights, dim=0)
    return torch.exp(2 * one - two)


def _more_logs() -> Iterator[Trial]:
    first = torch.tensor([[0.0, 0.0], [0.0, -2.0], [0.0, 1.0]])
    # Single precision has three digits left after the point at −10,000.
    for given, tolerance in (
        (first, 1e-4),
        (_drawn((6, 3), 1.0, (-2.0, 0.0, 1.0)), 1e-4),
        (_drawn((5, 1), 1.0, (-3.0,)), 1e-4),
        (_drawn((1, 2), 1.0, (-100.0, 3.0)), 1e-3),
        (_drawn((40, 4), 2.0, (-300.0, -290.0, 0.0, 20.0)).double(), 1e-4),
        (_drawn((10, 3), 2.0, (-100.0, -10_000.0, 500.0)), 1e-2),
        (_drawn((8, 2), 900.0, (-10_000.0, 0.0)).double(), 1e-4),
        (_drawn((60, 1), 0.3, (5.0,)), 1e-4),  # nearly all of them count
    ):
        (trial,) = trials_against(
            _by_two_sums, [{"log_weights": given}], ["log_weights"]
        )
        yield replace(trial, tolerance=tolerance, likeness=2 * tolerance)


def _drawn(size: tuple, spread: float, centres: tuple) -> Tensor:
    return spread * torch.randn(size) + torch.tensor(centres)


EFFECTIVE = Exercise(
    number="4.4",
    title="How many samples count",
    prompt="""\
A thousand weights of which one is a million times larger than the rest are one
sample. Write the effective sample size, the first thing to look at before an
importance-sampled number is believed. It must survive logarithms around
−10,000. Some train $q$ to raise it, so let the gradient through.""",
    solution=effective_samples,
    why="""\
Equal shares of 1/K give K; a single share of 1 gives 1. The softmax over the
samples is the normalisation, stable at any scale. A small value says that the
estimate of log p(x) hangs on a few draws: take more samples, or a q that is
closer to the posterior.""",
    proved="in your numbers equal weights count fully and one giant counts as "
    "one, at any scale, and a gradient passes.",
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
            "one centre for all images",
            lambda log_weights: (
                (log_weights - log_weights.max()).exp().sum(dim=0).square()
                / (log_weights - log_weights.max()).exp().square().sum(dim=0)
            ),
            "You took the largest of all logarithms out, over the images, "
            "too. For an image whose weights are far smaller than another's, "
            "every exponential is still 0.",
            "`max()` without a dimension is shorter, and one image alone "
            "shows no difference.",
            also=(
                lambda log_weights: (
                    1
                    / (
                        (log_weights - log_weights.max()).exp()
                        / (log_weights - log_weights.max()).exp().sum(dim=0)
                    )
                    .square()
                    .sum(dim=0)
                ),
            ),
        ),
        Mistake(
            "no gradient",
            lambda log_weights: effective_samples(log_weights).detach(),
            "The numbers are right, but no gradient passes.",
            "a diagnosis is only looked at, mostly.",
        ),
        Mistake(
            "the root of it",
            lambda log_weights: effective_samples(log_weights).sqrt(),
            "You took a root: 1 / Σ w̃² is a number of samples as it is.",
            "√(Σ w̃²) is a norm, and familiar.",
        ),
        Mistake(
            "the squares are not summed",
            lambda log_weights: (
                1 / (torch.softmax(log_weights, dim=0).sum(dim=0).square())
            ),
            "You summed first and squared afterwards: shares sum to 1, and "
            "so yours is always 1.",
            "Σ w̃² can be read two ways.",
        ),
        Mistake(
            "a mean for the sum",
            lambda log_weights: (
                1 / (torch.softmax(log_weights, dim=0).square().mean(dim=0))
            ),
            "You averaged the squares: yours is K times too large.",
            "a mean is at hand wherever there are samples.",
        ),
        Mistake(
            "a share of K",
            lambda log_weights: (
                effective_samples(log_weights) / len(log_weights)
            ),
            "You divided by K: that is the share of the samples that count, "
            "between 1/K and 1. Their number is asked for.",
            "a share compares better between different K.",
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
            also=(
                lambda log_weights: (
                    1 / torch.softmax(log_weights, dim=0).amax(dim=0)
                ),
            ),
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
