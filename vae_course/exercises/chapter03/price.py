"""Exercise 3.4: what a slope costs where a function wiggles."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from vae_course.exercises.exercise import Exercise, Mistake, Trial


def samples_needed():
    """Pathwise samples that are worth one score-function sample.

    For f(z) = sin(40 z) in one dimension, z with the mean 1 and the standard
    deviation 0.5: the variance of the pathwise estimator of the gradient in
    the mean, divided by that of the score-function estimator without a
    baseline. A plain number.
    """
    frequency, std = 40.0, 0.5
    pathwise = frequency**2 / 2  # the mean of (40 cos(40 z))²
    score = 1 / (2 * std**2)  # the mean of (sin(40 z) · ε / σ)²
    return pathwise / score


def _ratio(
    mean: float = 1.0, std: float = 0.5, frequency: float = 40.0
) -> float:
    """The same by adding up a fine grid of ε."""
    noise = np.linspace(-9, 9, 200_001)
    weights = np.exp(-(noise**2) / 2)
    weights /= weights.sum()

    def variance(estimate: np.ndarray) -> float:
        centre = (weights * estimate).sum()
        return (weights * (estimate - centre) ** 2).sum()

    z = mean + std * noise
    pathwise = frequency * np.cos(frequency * z)
    return float(
        variance(pathwise) / variance(np.sin(frequency * z) * noise / std)
    )


def _one_number() -> Iterator[Trial]:
    yield Trial({}, 400.0, tolerance=0.011, likeness=1e-3)


PRICE = Exercise(
    number="3.4",
    title="When the slope costs more",
    prompt="""\
The path is not always the better way. Let $f(z) = \\sin(40 z)$, in one
dimension, and let $z$ have the mean 1 and the standard deviation 0.5: over its
spread $f$ goes up and down many times. Averaging over $S$ samples divides a
variance by $S$. How many pathwise samples give the gradient in the mean with
the precision of **one** score-function sample, without a baseline? On paper,
or by drawing many samples: 1 % off is near enough.""",
    solution=samples_needed,
    why="""\
The pathwise estimate is the slope, 40 cos(40 z). Over many periods the mean of
cos² is ½, so its variance is 40²/2 = 800. The score-function estimate is
sin(40 z) · ε/σ. The sine runs through all its phases while ε hardly changes,
so the mean of its square is ½ · 1/σ² = 2. (Both estimates have the mean
40 cos(40) e⁻²⁰⁰, which is nothing.) In general the ratio is (ωσ)², the
square of how many radians f turns within one standard deviation. The score
function sees values of f, which stay between −1 and 1; the path sees its
slopes. On a smooth f, such as the distortion of a trained decoder, it is the
other way round.""",
    proved="for this f, one score-function sample is worth 400 pathwise "
    "samples: where a function wiggles, values say more than slopes.",
    hints=(
        "The answer is a ratio of two variances. Write down what one sample "
        "of each estimator is.",
        "One is f′(z), the other f(z) · ε/σ. Both have a mean of nearly "
        "zero, so a variance is the mean of a square. What is the mean of "
        "cos² over many periods?",
        "The derivative brings a factor 40 out of the sine, and squaring "
        "squares it. In the other estimate ε has the mean square 1, and σ = "
        "0.5 stands below. Each has a mean of ½ from its sine or cosine.",
    ),
    trials=_one_number,
    mistakes=(
        Mistake(
            "upside down",
            1 / 400,
            "That is the price the other way round: score-function samples "
            "for one pathwise sample.",
            "in the rest of the chapter the path is the better way.",
            also=(0.0025,),
        ),
        Mistake(
            "a ratio of standard deviations",
            20.0,
            "That is the ratio of the standard deviations. Samples divide the "
            "variance.",
            "spreads are easier to picture than their squares.",
        ),
        Mistake(
            "σ is forgotten",
            1600.0,
            "σ is missing: the score is ε/σ, and its mean square 1/σ².",
            "with σ = 1 nothing would be missing.",
        ),
        Mistake(
            "twice too large",
            800.0,
            "Yours is twice the answer: you squared 40, and not σ; or the "
            "mean of cos² and sin², a half, stands in one of the two "
            "variances only.",
            "a factor of two has two places to get lost.",
        ),
        Mistake(
            "multiplied by σ",
            6400.0,
            "You multiplied by σ where the score divides by it: ε/σ has the "
            "mean square 1/σ² = 4.",
            "a σ changes sides easily on the way from (z − μ)/σ² to ε/σ.",
        ),
        Mistake(
            "divided by σ twice",
            100.0,
            "You divided by σ twice: (z − μ)/σ² is ε/σ, whose mean square is "
            "1/σ² = 4 and not 16.",
            "σ² stands below in the score, and squaring seems to make it σ⁴. "
            "But z − μ has the size σ.",
        ),
        Mistake(
            "the slope without its factor",
            0.25,
            "The derivative of sin(40 z) is 40 cos(40 z): the 40 is missing.",
            "the derivative of sin is cos, and the inner one is forgotten.",
        ),
        Mistake(
            "the factor, not its square",
            10.0,
            "The factor 40 is there once; a variance has its square.",
            "the slope is 40 times as large, but its variance is 1,600 times.",
        ),
    ),
    alternatives=(_ratio(), 400, 402.5, np.float32(397.0)),
    value=True,
)
