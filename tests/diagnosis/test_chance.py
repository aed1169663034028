"""Bands follow from the number of draws: five standard errors, no more."""

import math
import sys
from pathlib import Path

import pytest
import torch

from vae_course import diagnose
from vae_course.diagnosis import chance

sys.path.insert(0, str(Path(__file__).parent))
from patients import bars, trained

SEEDS = 60


@pytest.fixture(scope="module")
def readings():
    model, x = trained(), bars()
    reports = [
        diagnose(model, x, instruments=["noise"], seed=seed)
        for seed in range(SEEDS)
    ]
    assert all(r.healthy for r in reports)
    return reports


@pytest.mark.parametrize(
    ("what", "power"),
    [
        ("mean of", 1),
        ("spread of (z − μ)/σ", 1),
        ("growth of", 1),
        ("noise shared by images", 1 / 3),
        ("noise shared by latents", 1 / 3),
        ("noise shared by calls", 1 / 3),
    ],
)
def test_healthy_numbers_spread_over_a_fifth_of_their_band(
    readings, what, power
):
    places = []
    for report in readings:
        reading = report[what]
        low, high, value = (
            math.copysign(abs(v) ** power, v)
            for v in (reading.low, reading.high, reading.value)
        )
        places.append((value - (low + high) / 2) / ((high - low) / 2))
    places = torch.tensor(places) * chance.ERRORS  # in standard errors
    assert 0.7 < places.std() < 1.35  # ±4 standard errors of 60 draws
    assert places.mean().abs() < 4 / SEEDS**0.5


def test_kolmogorovs_distance_has_its_own_distribution(readings):
    found = torch.tensor([r["distance of"].value for r in readings])
    # Its mean is √(π/2) log 2 = 0.869, its deviation 0.260.
    assert (found.mean() - 0.869).abs() < 4 * 0.26 / SEEDS**0.5
    assert found.max() < 2.2


def test_bands_narrow_with_the_root_of_the_number_of_draws():
    assert chance.of_mean(400) == chance.of_mean(100) / 2
    low, high = chance.of_variance(10_000)
    assert low < 1 < high and high - 1 == pytest.approx(
        5 * (2 / 10_000) ** 0.5, rel=0.05
    )
    wide = chance.of_variance(100, worst_of=1000)
    assert wide[0] < chance.of_variance(100)[0]
    assert wide[1] > chance.of_variance(100)[1]


def test_a_band_is_left_once_in_a_million_readings():
    draws = torch.distributions.Chi2(40.0).sample((200_000,)) / 40
    low, high = chance.of_variance(40)
    assert ((draws < low) | (draws > high)).sum() <= 3
    three = chance.ERRORS - 2  # at three errors 0.27% leave it
    spread = 2 / (9 * 40)
    middle = [(1 - spread + s * three * spread**0.5) ** 3 for s in (-1, 1)]
    share = ((draws < middle[0]) | (draws > middle[1])).float().mean()
    assert share == pytest.approx(0.0027, abs=0.001)
