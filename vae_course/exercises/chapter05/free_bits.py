"""Exercise 5.4: free bits."""

from __future__ import annotations

import torch
from torch import Tensor

from vae_course.exercises.exercise import Exercise, Mistake, trials_against


def free_bits(rates, floor):
    """The rate in training when each dimension has some nats for nothing.

    Average the rate of each dimension over the batch; where that is below the
    floor, take the floor; then sum over the dimensions.

    Args:
        rates: KL of each image and dimension, (B, D), in nats.
        floor: nats that are free in each dimension, a number.

    Returns:
        One number, in nats per image.
    """
    return rates.mean(dim=0).clamp(min=floor).sum()


def _by_loop(rates, floor) -> Tensor:
    total = rates.new_zeros(())
    for column in rates.unbind(dim=1):
        mean = column.sum() / len(column)
        total = total + (
            mean if mean > floor else floor * torch.ones_like(mean)
        )
    return total


def _rates():
    inputs = [
        {
            "rates": torch.tensor([[0.1, 2.0, 0.0], [0.7, 4.0, 0.2]]),
            "floor": 0.5,
        }
    ] + [
        {
            "rates": torch.rand(batch, size, dtype=dtype) * torch.arange(size),
            "floor": floor,
        }
        for batch, size, dtype, floor in (
            (4, 6, torch.float32, 0.3),
            (7, 5, torch.float64, 0.4),
        )
    ]
    return trials_against(_by_loop, inputs, slopes=["rates"])


FREE_BITS = Exercise(
    number="5.4",
    title="Free bits",
    prompt="""\
A dimension that is about to collapse saves its whole rate. Kingma et al. 2016
take that reward away: below a floor, the rate costs the same however small it
is. Write their objective's rate.""",
    solution=free_bits,
    why="""\
Below the floor the clamp has no slope, so nothing pulls a quiet dimension
further down, and the distortion may wake it. The mean over the batch comes
first: a dimension that is silent for most images and loud for a few uses its
allowance on average, and should be left alone.""",
    proved="quiet dimensions feel no pull, and loud ones pay in full.",
    hints=(
        "Three operations: a mean, a maximum, a sum. Their order is the "
        "exercise.",
        "The mean is over the batch (dimension 0), the maximum with the floor "
        "is taken for each dimension of z, the sum is over those.",
        "`rates.mean(dim=0)` has one number for each dimension. "
        "`clamp(min=…)` is the maximum with a number, element by element; the "
        "sum comes after it.",
    ),
    trials=_rates,
    mistakes=(
        Mistake(
            "the floor before the mean",
            lambda rates, floor: rates.clamp(min=floor).mean(dim=0).sum(),
            "You clamp each image by itself. An image whose dimension happens "
            "to be quiet then costs the floor, even where the dimension "
            "speaks on average.",
            "loss code mostly averages over the batch at the very end.",
        ),
        Mistake(
            "one floor for the sum",
            lambda rates, floor: rates.mean(dim=0).sum().clamp(min=floor),
            "You compare the sum over the dimensions with the floor. A single "
            "loud dimension lifts it, and all the others may collapse.",
            "one speaks of a floor under the rate.",
            also=(
                lambda rates, floor: (
                    rates.mean(dim=0).sum().clamp(min=floor * rates.shape[1])
                ),
            ),
        ),
        Mistake(
            "a ceiling",
            lambda rates, floor: rates.mean(dim=0).clamp(max=floor).sum(),
            "You took the smaller of the two: a ceiling, above which rate is "
            "free.",
            "“at least the floor” is max, and max sounds like a ceiling.",
        ),
        Mistake(
            "the floor is subtracted",
            lambda rates, floor: (
                (rates.mean(dim=0) - floor).clamp(min=0).sum()
            ),
            "You subtracted the allowance. The gradient is the same, but the "
            "number is no longer a rate: D times the floor is missing.",
            "free means that one does not pay for it.",
        ),
        Mistake(
            "averaged over the dimensions",
            lambda rates, floor: rates.mean(dim=0).clamp(min=floor).mean(),
            "You averaged over the dimensions of z; the rate is their sum.",
            "one mean leads to the next.",
        ),
    ),
    alternatives=(
        _by_loop,
        lambda rates, floor: torch.maximum(
            rates.mean(0), torch.full_like(rates[0], floor)
        ).sum(),
    ),
)
