"""Exercise 2.3: the distortion of binary pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch import distributions as D
from torch.nn import functional as F

from vae_course.exercises.exercise import (
    Exercise,
    Mistake,
    after,
    trials_against,
)


def bernoulli_distortion(logits, x):
    """−log p(x|z) of each image under independent Bernoulli pixels.

    Args:
        logits: the decoder's output, any real numbers, (B, C, H, W); the
            sigmoid of a logit is the probability that the pixel is 1.
        x: binary images, each pixel 0 or 1, (B, C, H, W).

    Returns:
        The distortion of each image in nats, summed over its pixels, (B,).
    """
    bce = torch.nn.functional.binary_cross_entropy_with_logits
    nats = bce(logits, x, reduction="none")  # (B, C, H, W)
    return nats.flatten(1).sum(dim=1)


def bernoulli_of_torch(logits: Tensor, x: Tensor) -> Tensor:
    return -D.Bernoulli(logits=logits).log_prob(x).sum(dim=(1, 2, 3))


def _pictures() -> Iterator[dict[str, Tensor]]:
    for logits, x in (
        ([2.0, 0.5], [1.0, 0.0]),  # not 0, where stable forms have a kink
        ([1.0, -1.0], [0.0, 1.0]),
        ([200.0, -200.0], [0.0, 1.0]),
        ([200.0, -200.0], [1.0, 0.0]),
        ([-60.0, 9.0], [1.0, 0.0]),
    ):
        yield {
            "logits": torch.tensor(logits).view(1, 1, 1, 2),
            "x": torch.tensor(x).view(1, 1, 1, 2),
        }
    for size, dtype in (
        ((2, 1, 2, 2), torch.float32),
        ((5, 3, 6, 4), torch.float64),
        ((1, 3, 3, 3), torch.float64),
        ((4, 1, 1, 1), torch.float32),
        ((3, 3, 3, 3), torch.float64),
    ):
        # Each image has its own scale, so that each slip leaves a trace.
        scale = torch.tensor([0.5, 2.0, 5.0, 20.0, 70.0], dtype=dtype)
        scale = scale[: size[0]].view(-1, 1, 1, 1)
        yield {
            "logits": 2 * scale * torch.randn(size, dtype=dtype),
            "x": torch.bernoulli(torch.full(size, 0.4, dtype=dtype)),
        }


def kept_from_zero(eps: float, clamp: bool) -> Callable:
    """The logarithm of a probability that cannot be 0."""

    def distortion(logits: Tensor, x: Tensor) -> Tensor:
        p = logits.sigmoid()
        if clamp:
            p = p.clamp(eps, 1 - eps)
            white, black = p.log(), (1 - p).log()
        else:
            white, black = (p + eps).log(), (1 - p + eps).log()
        return -(x * white + (1 - x) * black).flatten(1).sum(dim=1)

    return distortion


DISTORTION = Exercise(
    number="2.3",
    title="The distortion of binary pixels",
    prompt="""\
The decoder gives a `logit` for each pixel: its sigmoid is the probability that
the pixel is 1. Write the distortion, $-\\log p(x\\mid z)$: for each pixel
minus the logarithm of the probability that it is what it is, summed over the
image. It has to stay finite for logits as large as ±200.""",
    solution=bernoulli_distortion,
    why="""\
The pixels are independent given z, so their log-probabilities add up: this is
the binary cross-entropy, summed over the pixels of an image and not over the
batch. Working on logits keeps it exact where a sigmoid would round to 0 or 1,
since log(1 + exp(−|a|)) never overflows.
`-D.Bernoulli(logits=logits).log_prob(x)` is the same number.""",
    proved="your distortion is minus the log-probability of the image, in "
    "nats, and stays exact where a sigmoid would overflow.",
    hints=(
        "A pixel that is 1 costs −log p, one that is 0 costs −log(1 − p). Is "
        "there a function in torch that does both, starting from logits?",
        "`torch.nn.functional.binary_cross_entropy_with_logits` does, and "
        'averages over everything unless it is told `reduction="none"`.',
        'With `reduction="none"` the result has the images\' shape: '
        "`flatten(1)` it and sum over `dim=1`.",
    ),
    trials=lambda: trials_against(
        bernoulli_of_torch, _pictures(), ("logits",)
    ),
    mistakes=(
        Mistake(
            "mean over the pixels",
            lambda logits, x: bernoulli_distortion(logits, x) / x[0].numel(),
            "You averaged over the pixels: on 28×28 of them the distortion "
            "is 784 times too small. Beside a summed rate, that is training "
            "with β = 784.",
            "averages look tidier than sums. But then the rate wins, and the "
            "codes say nothing about the images.",
            upon=lambda solution: (
                lambda logits, x: solution(logits, x) / x[0].numel()
            ),
        ),
        Mistake(
            "summed over the batch, too",
            lambda logits, x: bernoulli_distortion(logits, x).sum(),
            "You summed over the batch as well: one number is left, and it "
            "grows with the size of the batch.",
            '`reduction="sum"` is one word, and sums everything.',
            upon=after(lambda nats: nats.sum()),
        ),
        Mistake(
            "averaged over the batch",
            lambda logits, x: bernoulli_distortion(logits, x).mean(),
            "You averaged over the batch already; one number for each image "
            "is asked for.",
            "the loss needs that average in the end. Until then, the single "
            "numbers tell which images come out worst.",
            upon=after(lambda nats: nats.mean()),
        ),
        Mistake(
            "one mean for everything",
            lambda logits, x: F.binary_cross_entropy_with_logits(logits, x),
            "You averaged over pixels and images at once; one number is "
            "left, in nats per pixel.",
            "it is what the function does when nobody asks it for anything "
            "else.",
        ),
        Mistake(
            "the sign",
            lambda logits, x: -bernoulli_distortion(logits, x),
            "You returned log p(x|z), which is negative; the distortion is "
            "−log p(x|z).",
            "the log-likelihood is what one wants to be large; a loss is "
            "what one wants to be small.",
            upon=after(lambda nats: -nats),
        ),
        Mistake(
            "sigmoid twice",
            lambda logits, x: bernoulli_distortion(logits.sigmoid(), x),
            "The sigmoid was applied twice: once by you, and once inside the "
            "function that takes logits. No pixel can then be surer than "
            "0.73.",
            "decoders often end in a sigmoid, and `…_with_logits` brings one "
            "of its own.",
            upon=lambda solution: (
                lambda logits, x: solution(logits.sigmoid(), x)
            ),
        ),
        Mistake(
            "arguments swapped",
            lambda logits, x: bernoulli_distortion(x, logits),
            "The image and the logits have changed places.",
            "torch asks for the prediction first and the target second; many "
            "other libraries do it the other way round.",
        ),
        Mistake(
            "the logarithm of zero",
            lambda logits, x: (
                -(
                    x * logits.sigmoid().log()
                    + (1 - x) * (1 - logits.sigmoid()).log()
                )
                .flatten(1)
                .sum(dim=1)
            ),
            "It is right for small logits; for large ones the sigmoid rounds "
            "to 0 or 1, and the logarithm of 0 is not finite.",
            "it is the formula as the book has it. "
            "`torch.nn.functional.logsigmoid`, or a function that takes "
            "logits, does the same without the detour.",
            also=(
                lambda logits, x: (
                    -torch.where(
                        x == 1,
                        logits.sigmoid().log(),
                        (1 - logits.sigmoid()).log(),
                    )
                    .flatten(1)
                    .sum(dim=1)
                ),
            ),
        ),
        Mistake(
            "a probability kept from zero",
            lambda logits, x: (
                F.binary_cross_entropy(logits.sigmoid(), x, reduction="none")
                .flatten(1)
                .sum(dim=1)
            ),
            "It is right for small logits; for large ones the cost of a wrong "
            "pixel stops growing, and with it the gradient stops: a logit of "
            "200 on the wrong side costs 200 nats.",
            "a small number inside the logarithm, a clamp, or torch's own "
            "limit of 100 in `binary_cross_entropy` makes the infinity go "
            "away, and the truth with it. Work on logits instead.",
            also=tuple(
                kept_from_zero(eps, clamp)
                for eps in (1e-5, 1e-6, 1e-7, 1e-8, 1e-10, 1e-12)
                for clamp in (True, False)
            ),
        ),
        Mistake(
            "only the white pixels",
            lambda logits, x: (
                -(x * F.logsigmoid(logits)).flatten(1).sum(dim=1)
            ),
            "Only pixels that are 1 count in your sum; one that is 0 costs "
            "−log(1 − p).",
            "−Σ x log p is the cross-entropy of a choice among classes. Here "
            "each pixel is a choice of its own.",
        ),
    ),
    alternatives=(
        lambda logits, x: (
            -D.Independent(D.Bernoulli(logits=logits), 3).log_prob(x)
        ),
        lambda logits, x: torch.stack(
            [
                (F.softplus(a.double()) - a.double() * b).sum()
                for a, b in zip(logits, x, strict=True)
            ]
        ).to(logits.dtype),
        lambda logits, x: (
            -torch.einsum(
                "bchw->b",
                torch.where(
                    x > 0.5, F.logsigmoid(logits), F.logsigmoid(-logits)
                ),
            )
        ),
    ),
)
