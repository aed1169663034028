"""The closed forms for a square, against exact integration."""

import numpy as np
import pytest

from vae_course.theory.gradients import square_variances

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(20)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


def variance(size, mean, std, baseline):
    """Of (f(z) − b) · score, by quadrature over the coordinate's own noise."""
    squares = (mean + std * NODES) ** 2
    a = WEIGHTS @ squares
    v = WEIGHTS @ squares**2 - a**2
    others = (size - 1) * a - baseline  # mean of the rest of f(z) − b
    spread = (size - 1) * v
    first = WEIGHTS @ ((others + squares) * NODES / std)
    second = WEIGHTS @ (((others + squares) ** 2 + spread) * NODES**2 / std**2)
    return second - first**2


@pytest.mark.parametrize("size", [1, 2, 20, 200])
@pytest.mark.parametrize(("mean", "std"), [(1.0, 0.5), (-0.3, 1.2), (0.0, 1)])
def test_the_variances_for_a_square_are_those_of_the_integrals(
    size, mean, std
):
    found = square_variances(size, mean, std)
    own = (2 * (mean + std * NODES)) ** 2
    assert found["pathwise"] == pytest.approx(WEIGHTS @ own - 4 * mean**2)
    assert found["score function"] == pytest.approx(
        variance(size, mean, std, 0.0)
    )
    assert found["with baseline"] == pytest.approx(
        variance(size, mean, std, size * (mean**2 + std**2))
    )
