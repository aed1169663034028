"""Exercise 1.2: half the squared error."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch import distributions as D

from vae_course.exercises.exercise import (
    Exercise,
    Mistake,
    after,
    trials_against,
)


def squared_error(x, reconstruction):
    """Half the squared error of each image, summed over its pixels.

    Args:
        x: images, (B, C, H, W).
        reconstruction: what came out of the decoder, (B, C, H, W).

    Returns:
        ½‖x − x̂‖² of each image, (B,).
    """
    return 0.5 * (x - reconstruction).square().flatten(1).sum(dim=1)


def _log_likelihood_ratio(x: Tensor, reconstruction: Tensor) -> Tensor:
    """The same from Gaussian pixels with σ = 1: log p(x̂|x̂) − log p(x|x̂)."""
    cost = D.Normal(reconstruction, 1.0).log_prob(reconstruction)
    cost = cost - D.Normal(reconstruction, 1.0).log_prob(x)
    return cost.sum(dim=(1, 2, 3))


def _image_pairs() -> Iterator[dict[str, Tensor]]:
    yield {  # here no two of the usual slips give the same number
        "x": torch.tensor([0.0, 1.0, 0.0]).view(1, 1, 1, 3),
        "reconstruction": torch.tensor([1.0, 0.0, 3.0]).view(1, 1, 1, 3),
    }
    yield {
        "x": torch.tensor([0.0, 1.0, 1.0, 1.0]).view(2, 1, 1, 2),
        "reconstruction": torch.tensor([1.0, 1.0, 1.0, 4.0]).view(2, 1, 1, 2),
    }
    for size, dtype in (
        ((5, 1, 28, 28), torch.float32),
        ((3, 3, 4, 6), torch.float64),
        ((4, 1, 1, 1), torch.float32),
        ((1, 2, 3, 5), torch.float64),
        ((6, 6, 6, 6), torch.float64),
    ):
        # Each image has its own scale, from tiny to far outside of [0, 1].
        scale = torch.logspace(-2, 2, size[0], dtype=dtype)
        scale = scale.view(-1, 1, 1, 1)
        yield {
            "x": torch.rand(size, dtype=dtype) * scale,
            "reconstruction": torch.randn(size, dtype=dtype) * scale,
        }


SQUARED_ERROR = Exercise(
    number="1.2",
    title="Half the squared error",
    prompt="""\
An autoencoder is trained to bring its input back. Write the loss of each
image: the squared differences of all pixels, **summed** over the image and
halved, $\\tfrac12\\lVert x-\\hat x\\rVert^2$. One number for each image, so
`(B, C, H, W)` becomes `(B,)`. Whether to sum or to average, and whether to
keep the ½, looks like a matter of taste, and as long as this is the whole
loss, it is one. From chapter 2 on there is a second term beside it, and
chapter 5 shows that the factor then decides what the model learns.""",
    solution=squared_error,
    why="""\
The pixels of one image belong together, so they are summed; the images of a
batch do not, so they stay apart until the training loop averages them. With
the ½, the number is minus the log-likelihood, in nats and up to a constant, of
Gaussian pixels with σ = 1: the same unit as everything in the next
chapters.""",
    proved="your loss is, up to a constant, the negative log-likelihood of "
    "Gaussian pixels, in nats per image.",
    hints=(
        "Which axes belong to one image, and which one counts the images? "
        "Only the first axis may survive.",
        "Square the difference, then `flatten(1)` turns (B, C, H, W) into "
        "(B, C·H·W), with one row for each image.",
        "After `flatten(1)` there is one row for each image. What is left is "
        "a sum along the rows, which keeps the batch, and the half.",
    ),
    trials=lambda: trials_against(
        _log_likelihood_ratio, _image_pairs(), ("reconstruction",)
    ),
    mistakes=(
        Mistake(
            "mean over the pixels",
            lambda x, r: 0.5 * (x - r).square().flatten(1).mean(dim=1),
            "You averaged over the pixels: on 28×28 pixels your loss is 784 "
            "times too small.",
            "most losses of most libraries average by default. Alone that "
            "only rescales the learning rate; beside a second term, as in "
            "chapter 2, it changes the model.",
            also=(lambda x, r: (x - r).square().flatten(1).mean(dim=1),),
        ),
        Mistake(
            "the mean over the batch",
            lambda x, r: squared_error(x, r).mean(),
            "You averaged over the images already; one number for each image "
            "is asked for.",
            "the training loop needs that mean in the end. Until then, the "
            "single numbers tell which images come out worst.",
            also=(lambda x, r: 2 * squared_error(x, r).mean(),),
            upon=after(lambda nats: nats.mean()),
        ),
        Mistake(
            "summed, then squared",
            lambda x, r: 0.5 * (x - r).flatten(1).sum(dim=1).square(),
            "You summed the differences first and squared the sum: errors of "
            "opposite sign cancel.",
            "square of the sum, sum of the squares: both have the same words.",
            also=(lambda x, r: (x - r).flatten(1).sum(dim=1).square(),),
        ),
        Mistake(
            "the sign",
            lambda x, r: -squared_error(x, r),
            "Your loss is negative: training would make the error large.",
            "the log-likelihood has the minus, and its negative is the loss.",
            upon=after(lambda nats: -nats),
        ),
        Mistake(
            "summed over the batch, too",
            lambda x, r: 0.5 * (x - r).square().sum(),
            "You summed over everything: the images' losses are gone, and "
            "the total grows with the size of the batch.",
            "`.sum()` without `dim` is the shortest thing to write.",
            also=(lambda x, r: (x - r).square().sum(),),
            upon=after(lambda nats: nats.sum()),
        ),
        Mistake(
            "one mean for everything",
            lambda x, r: (x - r).square().mean(),
            "You averaged over pixels and images at once; one number is left "
            "of the whole batch.",
            "it is what `mse_loss(reconstruction, x)` does when nobody "
            "asks it for anything else.",
            also=(lambda x, r: 0.5 * (x - r).square().mean(),),
        ),
        Mistake(
            "no half",
            lambda x, r: (x - r).square().flatten(1).sum(dim=1),
            "The ½ is missing: every loss is twice what it should be.",
            "the best reconstruction is the same with and without it. The ½ "
            "makes the number a log-likelihood with σ = 1 rather than σ = "
            "0.707.",
            upon=after(lambda nats: 2 * nats),
        ),
        Mistake(
            "the absolute error",
            lambda x, r: 0.5 * (x - r).abs().flatten(1).sum(dim=1),
            "You did not square the differences: this is the absolute error.",
            "it measures a distance as well, and belongs to another "
            "likelihood, the Laplace distribution, which chapter 5 meets.",
            also=(lambda x, r: (x - r).abs().flatten(1).sum(dim=1),),
        ),
        Mistake(
            "the length, not its square",
            lambda x, r: 0.5 * (x - r).flatten(1).norm(dim=1),
            "You took the root of the sum: ‖x − x̂‖, where ‖x − x̂‖² is "
            "asked for.",
            "`norm` has the two bars of the formula, and hides that the "
            "square is still to come.",
            also=(lambda x, r: (x - r).flatten(1).norm(dim=1),),
        ),
    ),
    alternatives=(
        lambda x, r: torch.einsum("bchw,bchw->b", x - r, x - r) / 2,
        lambda x, r: torch.stack(
            [
                torch.dist(a.double(), b.double()) ** 2 / 2
                for a, b in zip(x, r, strict=True)
            ]
        ).to(x.dtype),
        lambda x, r: (
            nn.functional.mse_loss(r, x, reduction="none")
            .sum((1, 2, 3))
            .mul(0.5)
        ),
    ),
)
