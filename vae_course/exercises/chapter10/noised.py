"""Exercise 10.8: easier than in the paper."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch

from vae_course.exercises.chapter10.broken import brought_in
from vae_course.exercises.exercise import Exercise, Mistake, trials_against
from vae_course.museum.diffusion import broken_noised, noised


def _by_angle(z, noise, abar):
    """The same as a turn: a² + s² = 1 makes them cosine and sine."""
    angle = math.acos(math.sqrt(abar))
    return math.cos(angle) * z + math.sin(angle) * noise


def _inputs() -> Iterator[dict[str, Any]]:
    for abar, size, dtype in (
        (0.36, (1, 1, 1, 2), torch.float32),
        (0.7, (2, 4, 2, 2), torch.float32),
        (0.11, (3, 4, 2, 2), torch.float64),
        (0.995, (2, 1, 3, 3), torch.float32),
    ):
        z, noise = torch.randn(2, *size, dtype=dtype)
        yield {"z": z, "noise": noise, "abar": abar}
    z, noise = 40 * torch.randn(2, 2, 2, 2, 2)  # where a clamp would show
    yield {"z": z, "noise": noise, "abar": 0.5}


def _mix(factors: Callable) -> Callable:
    """z and noise with other factors of ᾱ."""

    def wrong(z, noise, abar):
        a, s = factors(abar)
        return a * z + s * noise

    return wrong


NOISED = Exercise(
    number="10.8",
    title="Easier than in the paper",
    prompt=brought_in(
        "root-forgotten",
        "On the way the variance of the latents dips by a quarter. Mend it: "
        "latents of unit variance keep it.",
    ),
    solution=noised,
    why="""\
Variances add, and factors count squared: a² + s² = 1 is what keeps a variance
of 1, so with s = √(1 − ᾱ) the other factor is √ᾱ. With ᾱ itself the denoiser
is trained on another road than the sampler takes, and its better loss is that
of an easier task: the less signal, the easier the noise is to see.""",
    proved="your latents keep their unit variance at every step.",
    hints=(
        "What is the variance of a·z + s·noise, if both have variance 1?",
        "Variances add with squared factors: a² + s² should be 1. What are "
        "the two squares in your code?",
        "One of the two factors is a root already; the other must become one.",
    ),
    trials=lambda: trials_against(_by_angle, _inputs(), ["z"]),
    mistakes=(
        Mistake(
            "ᾱ for its root",
            broken_noised,
            "The latent is still multiplied by ᾱ.",
            "papers write q(z_t|z_0) with a mean and a variance, and one of "
            "them has a root.",
        ),
        Mistake(
            "no root at all",
            _mix(lambda abar: (abar, 1 - abar)),
            "Now neither factor is a root: that adds up to 1, but it is the "
            "squares that should.",
            "a mixture of two adds up to 1, mostly.",
        ),
        Mistake(
            "the roots exchanged",
            _mix(lambda abar: (abar, (1 - abar**2) ** 0.5)),
            "This keeps the variance, on another road: yours has ᾱ² where ᾱ "
            "should be.",
            "mending the second factor works, too, for the variance.",
        ),
        Mistake(
            "the noise without its root",
            _mix(lambda abar: (abar**0.5, 1 - abar)),
            "The latent's factor is right, and the noise lost its root.",
            "one root moved instead of a second one made.",
        ),
        Mistake(
            "one minus the root",
            _mix(lambda abar: (abar**0.5, 1 - abar**0.5)),
            "The noise has 1 − √ᾱ; it is √(1 − ᾱ).",
            "brackets.",
        ),
        Mistake(
            "exchanged",
            _mix(lambda abar: ((1 - abar) ** 0.5, abar**0.5)),
            "The factors are exchanged: yours starts as noise, and ends as "
            "the latent.",
            "both are roots, and both are between 0 and 1.",
        ),
        Mistake(
            "the noise in full",
            _mix(lambda abar: (abar**0.5, 1.0)),
            "The noise is added in full, whatever ᾱ is.",
            "noise is what is added.",
        ),
        Mistake(
            "no noise",
            _mix(lambda abar: (abar**0.5, 0.0)),
            "There is no noise in it.",
            "the mean of q(z_t|z_0) is not a draw from it.",
        ),
        Mistake(
            "the noise subtracted",
            _mix(lambda abar: (abar**0.5, -((1 - abar) ** 0.5))),
            "You subtract the noise. That is as likely, and not what a "
            "denoiser is then asked for.",
            "on the way back it is subtracted.",
        ),
        Mistake(
            "the way back",
            lambda z, noise, abar: (z - (1 - abar) ** 0.5 * noise) / abar**0.5,
            "This is the way back, from a noised latent to a clean one.",
            "both formulas stand on one page.",
        ),
    ),
    alternatives=(
        _by_angle,
        lambda z, noise, abar: (
            math.sqrt(abar) * z + math.sqrt(1 - abar) * noise
        ),
    ),
)
