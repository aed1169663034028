"""Exercise 5.2: the noise that fits."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch import distributions as D

from vae_course.exercises.exercise import (
    Exercise,
    Mistake,
    trials_against,
)


def calibrated_distortion(x, mean):
    """−log N(x; mean, σ²) with the one σ that makes it smallest.

    Args:
        x: images, (B, C, H, W).
        mean: their reconstructions, (B, C, H, W).

    Returns:
        The distortion of each image, (B,), in nats. σ is one number, shared by
        all pixels of all images in the batch.
    """
    error = (x - mean).square()
    var = error.mean()
    logs = x[0].numel() * torch.log(2 * math.pi * var)
    return 0.5 * (error.flatten(1).sum(dim=1) / var + logs)


def _by_torch(x, mean) -> Tensor:
    std = (x - mean).square().mean().sqrt()
    return -D.Normal(mean, std).log_prob(x).flatten(1).sum(dim=1)


def _reconstructions() -> Iterator[dict[str, Tensor]]:
    yield {
        "x": torch.tensor([1.0, 0.0, 0.5, 0.0]).view(2, 1, 1, 2),
        "mean": torch.tensor([0.5, 0.25, 0.75, 0.0]).view(2, 1, 1, 2),
    }
    # Errors from a millionth to half a grey level of bytes, unlike for the
    # images of one batch, and with a mean of their own.
    for batch, shape, unit, dtype in (
        (3, (1, 4, 5), 1.0, torch.float32),
        (1, (2, 3, 3), 0.3, torch.float32),
        (4, (1, 3, 4), 1e-3, torch.float32),
        (3, (3, 2, 2), 60.0, torch.float32),
        (5, (3, 2, 2), 1e-6, torch.float64),
    ):
        x = torch.rand(batch, *shape, dtype=dtype)
        sizes = torch.linspace(0.5, 1.5, batch).view(-1, 1, 1, 1)
        error = unit * sizes * (0.3 + torch.randn(batch, *shape))
        yield {"x": x, "mean": x + error.to(dtype)}


CALIBRATED = Exercise(
    number="5.2",
    title="The noise that fits",
    prompt="""\
A Gaussian likelihood needs a $\\sigma_x$, and a bad one is a wrong $\\beta$.
Of all values shared by the whole batch, one makes the distortion smallest.
Find it on paper (set a derivative to zero), and code the distortion at it
(Rybkin et al. 2020).""",
    solution=calibrated_distortion,
    why="""\
The sum over all N numbers of ½ (error/σ² + log 2πσ²) has its minimum where σ²
is the mean squared error. With it, the loss becomes N/2 · log(mean squared
error) and a constant: no weight is left to choose. A squared-error loss with a
guessed weight on the rate is this one at another σ.""",
    proved="your σ² is the mean squared error, and no other shared σ costs "
    "less.",
    hints=(
        "Write the sum for one σ: Σ error / (2σ²) + N log σ + constant. "
        "Differentiate in σ.",
        "σ² = mean squared error over all numbers of the batch. It stays in "
        "the graph: gradients may pass through it.",
        "Two terms for each image: its summed squared error over the "
        "variance, and log(2π · variance) once for each of its `x[0].numel()` "
        "numbers. Half of their sum is the distortion.",
    ),
    trials=lambda: trials_against(_by_torch, _reconstructions()),
    mistakes=(
        Mistake(
            "a σ for each image",
            lambda x, mean: (
                0.5
                * x[0].numel()
                * (
                    1
                    + torch.log(
                        2
                        * math.pi
                        * (x - mean).square().flatten(1).mean(dim=1)
                    )
                )
            ),
            "You fitted a σ to each image. One for the whole batch is asked "
            "for: a likelihood may not know which image comes.",
            "the distortion is wanted for each image, and so everything is "
            "computed for each.",
        ),
        Mistake(
            "log 2π is missing",
            lambda x, mean: (
                calibrated_distortion(x, mean)
                - 0.5 * x[0].numel() * math.log(2 * math.pi)
            ),
            "log 2π is missing: 0.92 nats for each number of an image.",
            "it is a constant, and training does not need it. Bits per "
            "dimension do.",
        ),
        Mistake(
            "σ in place of σ²",
            lambda x, mean: (
                -D.Normal(mean, (x - mean).square().mean())
                .log_prob(x)
                .flatten(1)
                .sum(dim=1)
            ),
            "You used the mean squared error as the standard deviation; it is "
            "the variance.",
            "`Normal` takes a standard deviation, and the derivation ends "
            "with σ².",
        ),
        Mistake(
            "a σ for each pixel",
            lambda x, mean: (
                -D.Normal(mean, (x - mean).square().mean(dim=0).sqrt())
                .log_prob(x)
                .flatten(1)
                .sum(dim=1)
            ),
            "You fitted a σ to each pixel, over the batch. One for all pixels "
            "is asked for.",
            "`mean(dim=0)` is the mean over the batch, as in a loss.",
        ),
        Mistake(
            "the variance about the mean error",
            lambda x, mean: (
                -D.Normal(mean, (x - mean).std(correction=0))
                .log_prob(x)
                .flatten(1)
                .sum(dim=1)
            ),
            "You took the variance of the errors about their own mean. The "
            "Gaussian has its mean at the reconstruction, so an error that "
            "all pixels share counts, too.",
            "`std()` and `var()` are one call.",
            also=(
                lambda x, mean: (
                    -D.Normal(mean, (x - mean).std())
                    .log_prob(x)
                    .flatten(1)
                    .sum(dim=1)
                ),
            ),
        ),
        Mistake(
            "the half is missing",
            lambda x, mean: 2 * calibrated_distortion(x, mean),
            "Your distortion is twice too large: the ½ is missing.",
            "the minimum is at the same σ with the ½ and without it.",
        ),
        Mistake(
            "the constant once",
            lambda x, mean: (
                0.5
                * (x - mean).square().flatten(1).sum(dim=1)
                / (x - mean).square().mean()
                + 0.5 * torch.log(2 * math.pi * (x - mean).square().mean())
            ),
            "You counted ½ log 2πσ² once for an image; it belongs to every "
            "number in it.",
            "σ is a single number, and so seems its logarithm.",
        ),
        Mistake(
            "the whole batch",
            lambda x, mean: calibrated_distortion(x, mean).mean(),
            "You averaged or summed over the batch, too. One number for each "
            "image is asked for.",
            "σ is shared by the batch, and so one goes on with the batch.",
            also=(lambda x, mean: calibrated_distortion(x, mean).sum(),),
        ),
        Mistake(
            "averaged over the pixels",
            lambda x, mean: calibrated_distortion(x, mean) / x[0].numel(),
            "You averaged over the pixels: nats per number, not per image.",
            "σ² needs a mean, and one mean leads to the next.",
        ),
        Mistake(
            "σ = 1",
            lambda x, mean: (
                -D.Normal(mean, 1.0).log_prob(x).flatten(1).sum(dim=1)
            ),
            "You left σ at 1. For pixels between 0 and 1 that is much more "
            "noise than there is.",
            "½ (x − x̂)² looks like the Gaussian likelihood, and is it at σ = "
            "1.",
            also=(
                lambda x, mean: (
                    0.5 * (x - mean).square().flatten(1).sum(dim=1)
                ),
            ),
        ),
    ),
    alternatives=(
        _by_torch,
        lambda x, mean: (
            0.5
            * (
                (x - mean).pow(2) / (x - mean).pow(2).mean()
                + (x - mean).pow(2).mean().log()
                + math.log(2 * math.pi)
            ).sum(dim=(1, 2, 3))
        ),
    ),
)
