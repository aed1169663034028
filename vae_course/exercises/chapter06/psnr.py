"""Exercise 6.4: the peak signal-to-noise ratio."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from vae_course import metrics
from vae_course.exercises.engine.results import a_list, a_tensor, something
from vae_course.exercises.engine.trying import VALUE
from vae_course.exercises.exercise import Exercise, Mistake, Trial


def psnr(x, y):
    """Peak signal-to-noise ratio of each pair of images, in decibels.

    Args:
        x: images in [−1, 1], (B, C, H, W).
        y: reconstructions of them, same shape.

    Returns:
        10 · log10(range² / mean squared error) for each image, (B,); the range
        is what lies between black and white.
    """
    error = (x - y).square().flatten(1).mean(dim=1)  # (B,)
    return 10 * torch.log10(2**2 / error)


def _pairs() -> Iterator[Trial]:
    first = {
        "x": torch.tensor([1.0, -1.0]).view(1, 1, 1, 2),
        "y": torch.tensor([0.8, -1.0]).view(1, 1, 1, 2),
    }
    yield _trial(first)
    yield _trial(  # white for black; then far outside, as a network may be
        {
            "x": torch.tensor([-1.0, -1.0, 1.0, -1.0]).view(2, 1, 1, 2),
            "y": torch.tensor([1.0, 1.0, 70.0, -90.0]).view(2, 1, 1, 2),
        }
    )
    for shape, small, dtype in (
        ((3, 3, 4, 4), -2, torch.float32),
        ((4, 1, 5, 3), -7, torch.float64),  # 140 decibels
        ((1, 2, 3, 2), -1, torch.float32),
    ):
        x = 2 * torch.rand(shape, dtype=dtype) - 1
        noise = torch.randn(shape, dtype=dtype)
        sizes = torch.logspace(small, -0.3, len(x), dtype=dtype)
        yield _trial({"x": x, "y": x + sizes.view(-1, 1, 1, 1) * noise})


def _trial(pair: dict[str, Tensor]) -> Trial:
    x, y = ((each.double() + 1) / 2 for each in pair.values())
    return Trial(pair, {VALUE: metrics.psnr(x, y, 1.0)}, _numbers)


def _numbers(attempt: Callable, x: Tensor, y: Tensor) -> Tensor:
    """One number an image: in a tensor, or a list. No gradient is needed."""
    found = something(attempt(x, y))
    if isinstance(found, Tensor):
        return a_tensor(found, (len(x),), x)
    return torch.tensor(a_list(found, length=len(x)), dtype=torch.float64)


def _mse(x: Tensor, y: Tensor) -> Tensor:
    return (x - y).square().flatten(1).mean(dim=1)


PSNR = Exercise(
    number="6.4",
    title="Decibels",
    prompt="""\
Papers on compression report the peak signal-to-noise ratio: ten times the
logarithm, to the base 10, of the squared range of a pixel over the mean
squared error. Write it for images in **[−1, 1]**, one number an image.""",
    solution=psnr,
    why="""\
The range is 2, from −1 to 1, so the same pair of images has the same PSNR
whether its pixels live in [0, 1], in [−1, 1] or in bytes. Forgetting that
shifts every result by 6.02 dB, as if the error had changed four times.""",
    proved="your PSNR is one number an image, and the same as if the pixels "
    "were in [0, 1].",
    hints=(
        "How far apart are black and white here?",
        "Flatten each image, and take the mean of its squared differences: "
        "(B,). The batch is not averaged.",
        "From −1 to 1 the range is 2. It enters squared, over the error of "
        "each image. `torch.log10` is the logarithm that is meant, and a "
        "decibel is a tenth of a bel: hence the 10.",
    ),
    trials=_pairs,
    mistakes=(
        Mistake(
            "a range of 1",
            lambda x, y: 10 * torch.log10(1 / _mse(x, y)),
            "You took 1 for the range; from −1 to 1 it is 2. Your numbers are "
            "6.02 dB too low.",
            "the formula is printed for pixels in [0, 1].",
        ),
        Mistake(
            "a range of 255",
            lambda x, y: 10 * torch.log10(255**2 / _mse(x, y)),
            "You took 255 for the range, as for bytes; here it is 2.",
            "255 stands in the formula wherever images are bytes.",
        ),
        Mistake(
            "2, not squared",
            lambda x, y: 10 * torch.log10(2 / _mse(x, y)),
            "The range is not squared, and the error is: your numbers are "
            "3.01 dB too low.",
            "for a range of 1 the square makes no difference.",
        ),
        Mistake(
            "averaged over the batch",
            lambda x, y: 10 * torch.log10(4 / (x - y).square().mean()),
            "You averaged the error over the whole batch: one number is left, "
            "and the worst image rules it.",
            "`mean()` without a dimension averages everything.",
            also=(lambda x, y: (10 * torch.log10(4 / _mse(x, y))).mean(),),
        ),
        Mistake(
            "the image's own peak",
            lambda x, y: 10 * torch.log10(x.max() ** 2 / _mse(x, y)),
            "You took the largest pixel of the images for the range. The "
            "range is what is possible, from −1 to 1, and the same for all.",
            "the P stands for *peak*.",
            also=(
                lambda x, y: (
                    10
                    * torch.log10(
                        x.flatten(1).max(dim=1).values ** 2 / _mse(x, y)
                    )
                ),
                lambda x, y: (
                    10 * torch.log10((x.max() - x.min()) ** 2 / _mse(x, y))
                ),
                lambda x, y: (
                    10
                    * torch.log10(
                        (
                            x.flatten(1).max(dim=1).values
                            - x.flatten(1).min(dim=1).values
                        )
                        ** 2
                        / _mse(x, y)
                    )
                ),
            ),
        ),
        Mistake(
            "upside down",
            lambda x, y: 10 * torch.log10(_mse(x, y) / 4),
            "The error stands above and the range below: your numbers have "
            "the wrong sign.",
            "a ratio can be taken two ways.",
        ),
        Mistake(
            "without the ten",
            lambda x, y: torch.log10(4 / _mse(x, y)),
            "Those are bels: ten decibels each.",
            "the logarithm is all that matters, up to a factor.",
        ),
        Mistake(
            "the absolute error",
            lambda x, y: (
                20 * torch.log10(2 / (x - y).abs().flatten(1).mean(dim=1))
            ),
            "You took the mean absolute error; it is the root of the mean "
            "squared one.",
            "with 20 in front the error enters unsquared.",
            also=(
                lambda x, y: (
                    10 * torch.log10(4 / (x - y).abs().flatten(1).mean(dim=1))
                ),
            ),
        ),
        Mistake(
            "twenty for ten",
            lambda x, y: 20 * torch.log10(4 / _mse(x, y)),
            "20 · log10 goes with the *root* of the error; with the mean "
            "squared error it is 10.",
            "both forms are in use, and look alike.",
        ),
        Mistake(
            "the root and ten",
            lambda x, y: 10 * torch.log10(2 / _mse(x, y).sqrt()),
            "You took the root of the error; then it is 20 · log10, and your "
            "numbers are half of what they should be.",
            "both forms are in use, and look alike.",
        ),
        Mistake(
            "the natural logarithm",
            lambda x, y: 10 * torch.log(4 / _mse(x, y)),
            "This is the logarithm to the base e; decibels go with 10.",
            "`torch.log` is the natural one.",
        ),
        Mistake(
            "summed over the pixels",
            lambda x, y: (
                10 * torch.log10(4 / (x - y).square().flatten(1).sum(dim=1))
            ),
            "The squared error is summed, not averaged, so larger images look "
            "worse.",
            "losses in this course are sums. This is not a loss.",
        ),
    ),
    alternatives=(
        lambda x, y: metrics.psnr(x, y, data_range=2.0),
        lambda x, y: (
            20
            * (
                math.log10(2)
                - 0.5 * (x - y).pow(2).mean(dim=(1, 2, 3)).log10()
            )
        ),
        lambda x, y: torch.stack(
            [
                -10 * ((a - b) / 2).square().mean().log10()
                for a, b in zip(x, y, strict=True)
            ]
        ),
    ),
)
