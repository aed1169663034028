"""Exercise 10.3: the best likelihood ever seen."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import distributions as D

from vae_course.exercises.chapter10.broken import brought_in
from vae_course.exercises.exercise import (
    Exercise,
    Mistake,
    trials_against,
)
from vae_course.museum.loss import broken_gaussian_nll, gaussian_nll

HALF_LOG_TAU = 0.5 * math.log(2 * math.pi)


def _by_distributions(x, mean, log_std):
    return -D.Normal(mean, log_std.exp()).log_prob(x)


def _inputs() -> Iterator[dict[str, Any]]:
    for shape, log_std, dtype in (
        ((1,), -1.0, torch.float32),
        ((2, 3), 0.7, torch.float32),
        ((4, 1, 2, 2), -0.4, torch.float64),
        ((5,), 0.0, torch.float32),
    ):
        yield {
            "x": torch.randn(shape, dtype=dtype),
            "mean": torch.randn(shape, dtype=dtype),
            "log_std": torch.tensor(log_std, dtype=dtype),
        }
    for log_std, spread in ((-6.0, 1e-3), (5.0, 300.0)):
        x, mean = spread * torch.randn(2, 3, 2)
        yield {"x": x, "mean": mean, "log_std": torch.tensor(log_std)}


def _error(x, mean, log_std):
    return 0.5 * ((x - mean) / log_std.exp()) ** 2


NORMALISER = Exercise(
    number="10.3",
    title="The best likelihood ever seen",
    prompt=brought_in(
        "free-fall",
        "Its densities do not add up to 1. Mend it, and let the gradient "
        "reach `log_std`.",
    ),
    solution=gaussian_nll,
    why="""\
A wide Gaussian is a low one: its height is 1/(σ√2π), and minus the logarithm
of that is log σ + ½ log 2π, both with a plus. That term is what keeps σ from
growing: more σ makes each error cheaper, and the density lower everywhere.
With the sign turned, σ is paid for growing, and the loss falls for ever.""",
    proved="your densities add up to 1 for every σ, and the gradient of σ "
    "has the sign that lets it settle.",
    hints=(
        "Give it a perfect prediction, x = mean. Should a wider Gaussian cost "
        "more there, or less?",
        "How high is a Gaussian at its centre? The loss is minus the "
        "logarithm of that.",
        "Of the three terms the first and the last are right.",
    ),
    trials=lambda: trials_against(
        _by_distributions, _inputs(), ["mean", "log_std"]
    ),
    mistakes=(
        Mistake(
            "the sign of log σ",
            broken_gaussian_nll,
            "log σ still has a minus: the wider, the cheaper.",
            "the logarithm of 1/σ has a minus, and the loss one more.",
        ),
        Mistake(
            "no log σ",
            lambda x, m, s: _error(x, m, s) + HALF_LOG_TAU,
            "log σ is gone. With σ fixed that is a constant; with σ learned, "
            "it is what holds it.",
            "many losses leave it out, rightly, because their σ is fixed.",
        ),
        Mistake(
            "no constant",
            lambda x, m, s: _error(x, m, s) + s,
            "½ log 2π is missing. It has no gradient, but without it the "
            "number is no density, and cannot be compared.",
            "training does not need it.",
        ),
        Mistake(
            "the constant without its half",
            lambda x, m, s: _error(x, m, s) + s + 2 * HALF_LOG_TAU,
            "It is ½ log 2π: the root of 2π stands under the fraction.",
            "log 2π is what one remembers.",
        ),
        Mistake(
            "half a log σ",
            lambda x, m, s: _error(x, m, s) + 0.5 * s + HALF_LOG_TAU,
            "½ log σ² is log σ; you have half of that.",
            "formulas with the variance have a ½ there.",
        ),
        Mistake(
            "twice log σ",
            lambda x, m, s: _error(x, m, s) + 2 * s + HALF_LOG_TAU,
            "2 log σ is log σ², and the formula has half of that.",
            "two rules for powers of a logarithm meet.",
        ),
        Mistake(
            "no half before the error",
            lambda x, m, s: 2 * _error(x, m, s) + s + HALF_LOG_TAU,
            "The error is divided by 2σ²; the 2 is missing.",
            "squared error is often written without it.",
        ),
        Mistake(
            "divided by σ once",
            lambda x, m, s: 0.5 * (x - m) ** 2 / s.exp() + s + HALF_LOG_TAU,
            "The squared error is divided by σ; it is σ².",
            "brackets: the square stands outside.",
        ),
        Mistake(
            "the logarithm turned round",
            lambda x, m, s: -gaussian_nll(x, m, s),
            "That is the log-density; the loss is minus it.",
            "the sign is what was wrong, so one turns it; the wrong one.",
        ),
        Mistake(
            "everything but the error turned round",
            lambda x, m, s: _error(x, m, s) - s - HALF_LOG_TAU,
            "Now both, log σ and ½ log 2π, have a minus. Both belong to the "
            "height of the Gaussian, and both have a plus.",
            "both should have the same sign, which is true.",
        ),
        Mistake(
            "summed",
            lambda x, m, s: gaussian_nll(x, m, s).sum(),
            "You return the sum; a loss for each number is asked for.",
            "an image is one event, in the end.",
        ),
        Mistake(
            "averaged",
            lambda x, m, s: gaussian_nll(x, m, s).mean(),
            "You return the mean; a loss for each number is asked for.",
            "losses mostly end in a mean.",
        ),
        Mistake(
            "no gradient to σ",
            lambda x, m, s: gaussian_nll(x, m, s.detach()),
            "The numbers are right, and σ gets no gradient.",
            "a detached σ cannot run away.",
        ),
    ),
    alternatives=(
        _by_distributions,
        lambda x, m, s: (
            0.5 * ((x - m) ** 2 * (-2 * s).exp() + 2 * s)
            + 0.5 * math.log(2 * math.pi)
        ),
    ),
)
