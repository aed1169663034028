"""Exercise 5.3: the absolute error."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch import distributions as D

from vae_course.exercises.exercise import (
    Exercise,
    Mistake,
    trials_against,
)


def laplace_distortion(x, mean, scale):
    """−log p(x|z) of Laplace pixels, whose density is exp(−|x − mean|/b) / 2b.

    Args:
        x: images, (B, C, H, W).
        mean: reconstructions, (B, C, H, W).
        scale: the noise b, a number.

    Returns:
        The distortion of each image, (B,), in nats.
    """
    error = (x - mean).abs().flatten(1).sum(dim=1)
    return error / scale + x[0].numel() * math.log(2 * scale)


def _laplace_of_torch(x, mean, scale) -> Tensor:
    return -D.Laplace(mean, scale).log_prob(x).sum(dim=(1, 2, 3))


def _scaled() -> Iterator[dict[str, Any]]:
    yield {
        "x": torch.tensor([1.0, 0.0]).view(1, 1, 1, 2),
        "mean": torch.tensor([0.5, 0.25]).view(1, 1, 1, 2),
        "scale": 0.4,
    }
    for batch, shape, scale, dtype in (
        (3, (1, 4, 5), 0.1, torch.float32),
        (1, (2, 1, 3), 2.0, torch.float32),
        # As many numbers as a small colour image has: their densities
        # multiply to more, and to less, than a number can be.
        (2, (3, 16, 12), 0.01, torch.float32),
        (2, (3, 16, 12), 50.0, torch.float64),
        (5, (3, 2, 2), 0.5, torch.float64),
    ):
        x = torch.rand(batch, *shape, dtype=dtype)
        error = scale * torch.randn(batch, *shape, dtype=dtype)
        yield {"x": x, "mean": x + error, "scale": scale}


LAPLACE = Exercise(
    number="5.3",
    title="The absolute error",
    prompt="""\
Stable Diffusion's autoencoder is trained on the absolute error. That, too, is
a likelihood: a Laplace, with noise $b$. Write its distortion, constant and
all.""",
    solution=laplace_distortion,
    why="""\
The absolute error over b, and log 2b for each number of the image. The first
term alone cannot tell a good b from a bad one: it shrinks for ever as b grows.
The logarithm is what b costs.""",
    proved="the absolute error is a likelihood, and its noise has a price: "
    "your distortion is PyTorch's for narrow noise and for broad.",
    hints=(
        "Take the logarithm of the density that the docstring gives, and turn "
        "its sign.",
        "Two terms: |x − mean| / b, and log 2b once for every number of the "
        "image.",
        "The first term: flatten the absolute differences, sum them image by "
        "image, divide by `scale`. The second is the same for all images: "
        "`math.log(2 * scale)`, as often as an image has numbers, "
        "`x[0].numel()`.",
    ),
    trials=lambda: trials_against(_laplace_of_torch, _scaled()),
    mistakes=(
        Mistake(
            "the constant is missing",
            lambda x, mean, scale: (
                (x - mean).abs().flatten(1).sum(dim=1) / scale
            ),
            "log 2b is missing. Without it the best b would be infinite.",
            "the error is what one sees in code; the constant is left out "
            "there.",
        ),
        Mistake(
            "the constant once",
            lambda x, mean, scale: (
                (x - mean).abs().flatten(1).sum(dim=1) / scale
                + math.log(2 * scale)
            ),
            "You counted log 2b once for an image; it belongs to every number "
            "in it.",
            "b is a single number, and so seems its logarithm.",
        ),
        Mistake(
            "a Gaussian",
            lambda x, mean, scale: (
                -D.Normal(mean, scale).log_prob(x).sum(dim=(1, 2, 3))
            ),
            "That is the distortion of a Gaussian with σ = b.",
            "it is the likelihood one writes without thinking.",
        ),
        Mistake(
            "half the error",
            lambda x, mean, scale: (
                0.5 * (x - mean).abs().flatten(1).sum(dim=1) / scale
                + x[0].numel() * math.log(2 * scale)
            ),
            "There is no half in the exponent of a Laplace.",
            "the Gaussian has one.",
        ),
        Mistake(
            "the product of densities",
            lambda x, mean, scale: (
                -torch.log(
                    (torch.exp(-(x - mean).abs() / scale) / (2 * scale))
                    .flatten(1)
                    .prod(dim=1)
                )
            ),
            "You multiply the densities of all pixels, and then take the "
            "logarithm. Of a few hundred, the product is 0 or ∞ to a "
            "computer: sum logarithms.",
            "it is what the definition says, letter by letter.",
        ),
        Mistake(
            "the squared error",
            lambda x, mean, scale: (
                (x - mean).square().flatten(1).sum(dim=1) / scale
                + x[0].numel() * math.log(2 * scale)
            ),
            "You squared the error; a Laplace has its absolute value.",
            "every other loss so far was a squared error.",
        ),
        Mistake(
            "log b for log 2b",
            lambda x, mean, scale: (
                laplace_distortion(x, mean, scale) - x[0].numel() * math.log(2)
            ),
            "Your constant is log b; it is log 2b, for the density has two "
            "sides.",
            "half of the density would be exp(−t/b)/b, a distribution of its "
            "own.",
        ),
        Mistake(
            "multiplied by the scale",
            lambda x, mean, scale: (
                (x - mean).abs().flatten(1).sum(dim=1) * scale
                + x[0].numel() * math.log(2 * scale)
            ),
            "You multiplied the error by b; it is measured in units of b.",
            "a weight in a loss multiplies.",
        ),
        Mistake(
            "the whole batch",
            lambda x, mean, scale: laplace_distortion(x, mean, scale).mean(),
            "You averaged or summed over the batch, too. One number for each "
            "image is asked for.",
            "losses are averaged over the batch.",
            also=(
                lambda x, mean, scale: laplace_distortion(
                    x, mean, scale
                ).sum(),
            ),
        ),
        Mistake(
            "averaged over the pixels",
            lambda x, mean, scale: (
                laplace_distortion(x, mean, scale) / x[0].numel()
            ),
            "You averaged over the pixels: nats per number, not per image.",
            "`F.l1_loss` does it by default.",
        ),
        Mistake(
            "the sign of the constant",
            lambda x, mean, scale: (
                (x - mean).abs().flatten(1).sum(dim=1) / scale
                - x[0].numel() * math.log(2 * scale)
            ),
            "log 2b has the wrong sign: a wide density is low, and a low "
            "density costs.",
            "one minus of two is easily lost.",
        ),
    ),
    alternatives=(
        _laplace_of_torch,
        lambda x, mean, scale: torch.sum(
            torch.abs(x - mean) / scale + math.log(2.0) + math.log(scale),
            dim=(1, 2, 3),
        ),
    ),
)
