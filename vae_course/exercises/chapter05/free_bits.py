"""Exercise 5.4: free bits."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch

from vae_course.exercises.exercise import Exercise, Mistake, Trial


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


def _by_loop(rates, floor) -> float:
    total = 0.0
    for column in rates.T.tolist():
        total += max(math.fsum(column) / len(column), floor)
    return total


def _rates() -> Iterator[Trial]:
    first = torch.tensor([[0.1, 2.0, 0.0], [0.7, 4.0, 0.2]])
    given = [(first, 0.5)]
    given += [
        (loud * torch.rand(batch, size, dtype=dtype) ** 2, floor)
        for batch, size, loud, floor, dtype in (
            (4, 6, torch.arange(6) / 2, 0.3, torch.float32),
            (3, 4, torch.tensor(0.05), 0.5, torch.float32),  # all quiet
            (2, 3, torch.tensor([9.0, 0.01, 0.1]), 4.0, torch.float32),
            (1, 5, torch.tensor(2.0), 0.4, torch.float32),
            (6, 1, torch.tensor(3.0), 0.25, torch.float32),
            (7, 5, torch.arange(5) * 40.0, 20.0, torch.float64),
            (5, 4, torch.tensor(3.0), 0.0, torch.float64),  # nothing is free
            (4, 3, torch.tensor(0.02), 1e-3, torch.float32),  # all are tiny
        )
    ]
    for rates, floor in given:
        yield Trial({"rates": rates, "floor": floor}, _by_loop(rates, floor))


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
    proved="in your rate a dimension that is quiet on average costs the "
    "floor, however quiet it is, and a loud one costs its rate in full.",
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
            "no floor",
            lambda rates, floor: rates.mean(dim=0).sum(),
            "That is the plain rate: the floor has no effect.",
            "`clamp` returns a new tensor. Called on a line by itself it "
            "changes nothing.",
        ),
        Mistake(
            "summed over the batch",
            lambda rates, floor: rates.sum(dim=0).clamp(min=floor).sum(),
            "You summed over the batch; the rate of a dimension is its mean "
            "over the images.",
            "one sum leads to the next.",
            also=(lambda rates, floor: rates.clamp(min=floor).sum(),),
        ),
        Mistake(
            "the floor for each image",
            lambda rates, floor: rates.sum(dim=1).clamp(min=floor).mean(),
            "You compare the rate of each image with the floor; it is the "
            "rate of each dimension, over the batch.",
            "rates come image by image.",
            also=(
                lambda rates, floor: rates.mean(dim=1).clamp(min=floor).sum(),
            ),
        ),
        Mistake(
            "quiet dimensions cost nothing",
            lambda rates, floor: (
                rates.mean(dim=0) * (rates.mean(dim=0) > floor)
            ).sum(),
            "You drop the quiet dimensions: below the floor yours costs "
            "nothing. The objective has the floor there; as it is, a step at "
            "the floor, where a little less rate saves it all.",
            "free means that one does not pay for it.",
        ),
        Mistake(
            "the floor is added",
            lambda rates, floor: (rates.mean(dim=0) + floor).sum(),
            "You added the floor to every dimension.",
            "a minimum charge and a fixed charge sound alike.",
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
