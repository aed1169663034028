"""Exercise 3.4: the price of not differentiating."""

from __future__ import annotations

from vae_course.exercises.exercise import Exercise, Mistake, Trial


def samples_needed():
    """Score-function samples that are worth one pathwise sample.

    For f(z) = Σ z² in D = 20 dimensions, all means 1, all standard deviations
    0.5: the variance of one coordinate of the score-function estimator
    (without baseline) divided by that of the pathwise one. A plain number.
    """
    size, m, s = 20, 1.0, 0.5
    a = m**2 + s**2
    second = (
        (size - 1) ** 2 * a**2
        + (size - 1) * (2 * s**4 + 4 * m**2 * s**2 + 2 * a * (a + 2 * s**2))
        + m**4
        + 18 * m**2 * s**2
        + 15 * s**4
    ) / s**2
    return (second - 4 * m**2) / (4 * s**2)


def _by_quadrature() -> float:
    """The same by exact integration over one coordinate at a time."""
    import numpy as np

    nodes, weights = np.polynomial.hermite_e.hermegauss(20)
    weights = weights / weights.sum()
    m, s, size = 1.0, 0.5, 20
    u = (m + s * nodes) ** 2
    other, square = (weights * u).sum(), (weights * u**2).sum()
    total = (size - 1) * other
    total_square = (size - 1) * (square - other**2) + total**2
    second = sum(
        w * e**2 * (total_square + 2 * total * v + v**2)
        for w, e, v in zip(weights, nodes, u, strict=True)
    )
    return float((second / s**2 - (2 * m) ** 2) / (4 * s**2))


def _one_number():
    yield Trial({}, _by_quadrature(), tolerance=2e-4, likeness=1e-4)


PRICE = Exercise(
    number="3.4",
    title="The price of not differentiating",
    prompt="""\
Averaging over S samples divides a variance by S. How many score-function
samples give the precision of **one** pathwise sample, for $f(z) = \\sum_d
z_d^2$ in $D = 20$ dimensions with all means 1 and all standard deviations 0.5,
and no baseline? Both variances are in the proposition
[Variance of the two estimators for a square](https://vae-course.github.io/vae-course/book/elbo.html#prop-variance).
A number with a fraction is fine.""",
    solution=samples_needed,
    why="""\
Nearly all of it comes from the first term, (D − 1)² a² / σ²: the mean of the
other 19 squares, which has nothing to do with this coordinate, multiplies its
score. A baseline removes that mean, and the whole term. What it leaves are the
fluctuations of the others, which grow with D and not with its square.""",
    proved="for this f, one pathwise sample is worth 2,696 score-function "
    "samples without a baseline: the variance is 2,696 times as large, the "
    "standard deviation 52 times.",
    hints=(
        "The answer is a ratio of two variances.",
        "The pathwise variance is 4σ², which is 1 here. So the answer is the "
        "other variance, the one without a baseline: put D = 20, μ = 1, "
        "σ = 0.5, a = μ² + σ² = 1.25 and v = 1.125 into it.",
        "The first two terms are 19² · 1.5625 = 564.0625 and 19 · 5.5 = "
        "104.5; c holds μ and σ alone. Divide their sum by σ², and subtract "
        "the squared mean of the estimate, 4μ².",
    ),
    trials=_one_number,
    mistakes=(
        Mistake(
            "a ratio of standard deviations",
            samples_needed() ** 0.5,
            "That is the ratio of the standard deviations. Samples divide the "
            "variance.",
            "spreads are easier to picture than their squares.",
            also=(51.9, 52.0),
        ),
        Mistake(
            "the other dimensions left out",
            (1 + 18 * 0.25 + 15 * 0.0625) / 0.25 - 4,
            "That is the answer for a single dimension: the terms with D − 1 "
            "are missing.",
            "the gradient of one coordinate seems to be that coordinate's "
            "affair.",
        ),
        Mistake(
            "one dimension times twenty",
            20 * ((1 + 18 * 0.25 + 15 * 0.0625) / 0.25 - 4),
            "You multiplied the answer for one dimension by D. The variance "
            "grows with the square of D, because the mean of f, which grows "
            "with D, multiplies the score.",
            "most things in a sum over dimensions grow like D.",
        ),
        Mistake(
            "the mean is not subtracted",
            samples_needed() + 4.0,
            "You took the second moment for the variance: the squared mean, "
            "4μ², is still in it.",
            "the long fraction looks like the whole formula.",
        ),
        Mistake(
            "σ in place of σ²",
            (samples_needed() + 4.0) * 0.25 / 0.5 - 4.0,
            "You divided by σ. The score is ε/σ, and its square has σ² below.",
            "one power of σ gets lost on the way.",
        ),
    ),
    alternatives=(_by_quadrature(), round(samples_needed(), 1)),
    value=True,
)
