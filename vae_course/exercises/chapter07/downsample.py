"""Exercise 7.1: the asymmetric downsample."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from vae_course.exercises.exercise import Exercise, Mistake, trials_against


def downsample(x, weight, bias):
    """Half the height and width, as Stable Diffusion's encoder does it.

    Args:
        x: activations with even sides, (B, C, H, W).
        weight: of a 3×3 convolution, (D, C, 3, 3).
        bias: its bias, (D,).

    Returns:
        The convolution with stride 2 of x, padded by one column of zeros at
        the right and one row at the bottom, (B, D, H/2, W/2).
    """
    return F.conv2d(F.pad(x, (0, 1, 0, 1)), weight, bias, stride=2)


def _windows(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """The same, window by window."""
    wide = torch.zeros(
        *x.shape[:2], x.shape[2] + 1, x.shape[3] + 1, dtype=x.dtype
    )
    wide[:, :, :-1, :-1] = x
    windows = wide.unfold(2, 3, 2).unfold(3, 3, 2)  # (B, C, H/2, W/2, 3, 3)
    y = torch.einsum("bchwij,dcij->bdhw", windows, weight)
    return y + bias.view(1, -1, 1, 1)


def _inputs() -> Iterator[dict[str, Tensor]]:
    for batch, channels, out, height, width, size, dtype in (
        (1, 1, 1, 2, 2, 1, torch.float32),
        (2, 2, 3, 4, 6, 1, torch.float32),
        (1, 3, 2, 8, 4, 40, torch.float64),  # a clamp would show
        (3, 2, 1, 6, 2, 1, torch.float32),
    ):
        yield {
            "x": size
            * torch.randn(batch, channels, height, width, dtype=dtype),
            "weight": size * torch.randn(out, channels, 3, 3, dtype=dtype),
            "bias": size**2 * torch.randn(out, dtype=dtype),
        }


def _padded(pad, mode="constant"):
    return lambda x, weight, bias: F.conv2d(
        F.pad(x, pad, mode=mode), weight, bias, stride=2
    )


DOWNSAMPLE = Exercise(
    number="7.1",
    title="The asymmetric downsample",
    prompt="""\
Write the layer that halves an image in Stable Diffusion's encoder: a 3×3
convolution with stride 2, after a padding of zeros at the **right and the
bottom only**. It stands in the middle of a network: let the gradient through
to `x`.""",
    solution=downsample,
    why="""\
`F.pad` takes the sides from the last axis on: left, right, top, bottom. The
usual `padding=1` gives the same shape and another function: every window sits
one pixel further up and to the left. After three such layers the code looks
1 + 2 + 4 = 7 pixels away from where its decoder draws. Right and bottom is
where TensorFlow's padding "same" adds a missing pixel; from there the layer
was ported.""",
    proved="your layer pads where Stable Diffusion pads, at the right and at "
    "the bottom, and lets the gradient through.",
    hints=(
        "With an even height, stride 2 and a kernel of 3, how many rows are "
        "missing? Where are they added?",
        "`padding=` of a convolution is the same on both sides. `F.pad` takes "
        "each side by itself.",
        "F.pad(x, (left, right, top, bottom)), then F.conv2d with stride=2 "
        "and no padding.",
    ),
    trials=lambda: trials_against(_windows, _inputs(), ["x"]),
    mistakes=(
        Mistake(
            "padding on both sides",
            lambda x, weight, bias: F.conv2d(
                x, weight, bias, stride=2, padding=1
            ),
            "You pad on all four sides, or at the left and the top, which is "
            "the same where the sides are even. The shape is right, and every "
            "window sits one pixel too far up and left.",
            "`padding=1` is what a 3×3 convolution has everywhere else.",
            also=(
                _padded((1, 0, 1, 0)),
                lambda x, weight, bias: F.conv2d(x, weight, bias, padding=1)[
                    :, :, ::2, ::2
                ],
            ),
        ),
        Mistake(
            "one axis padded at its beginning",
            _padded((1, 0, 0, 1)),
            "One axis is padded at its beginning, left or top, or at both "
            "ends, which is the same where the side is even. It is the end "
            "alone: right and bottom.",
            "four numbers in a row are easily misplaced: left, right, top, "
            "bottom.",
            also=(
                _padded((0, 1, 1, 0)),
                _padded((1, 1, 0, 1)),
                _padded((0, 1, 1, 1)),
            ),
        ),
        Mistake(
            "the edge repeated",
            _padded((0, 1, 0, 1), "replicate"),
            "Your padding repeats pixels of the image; it is zero.",
            "repeating the edge is kinder to images, and was not what the "
            "weights were trained with.",
            also=(
                _padded((0, 1, 0, 1), "reflect"),
                _padded((0, 1, 0, 1), "circular"),
            ),
        ),
        Mistake(
            "the bias is forgotten",
            lambda x, weight, bias: F.conv2d(
                F.pad(x, (0, 1, 0, 1)), weight, stride=2
            ),
            "The bias is not added.",
            "many convolutions have none.",
        ),
        Mistake(
            "the padding is not zero",
            lambda x, weight, bias: F.conv2d(
                F.pad(x, (0, 1, 0, 1), value=1.0), weight, bias, stride=2
            ),
            "Your padding is 1; it is zero.",
            "padding has a value, and somebody has to choose it.",
        ),
        Mistake(
            "width and height exchanged",
            lambda x, weight, bias: F.conv2d(
                F.pad(x.transpose(2, 3), (0, 1, 0, 1)), weight, bias, stride=2
            ).transpose(2, 3),
            "Height and width have changed places under the kernel.",
            "after a transpose everything fits again.",
            also=(
                lambda x, weight, bias: F.conv2d(
                    F.pad(x, (0, 1, 0, 1)),
                    weight.transpose(2, 3),
                    bias,
                    stride=2,
                ),
            ),
        ),
        Mistake(
            "a kernel turned round",
            lambda x, weight, bias: F.conv2d(
                F.pad(x, (0, 1, 0, 1)), weight.flip(2, 3), bias, stride=2
            ),
            "You turned the kernel round, as convolution does in mathematics. "
            "In networks it is not turned.",
            "the word is the same.",
        ),
        Mistake(
            "no padding",
            lambda x, weight, bias: F.conv2d(x, weight, bias, stride=2),
            "Without padding a row and a column are lost.",
            "for odd sides it would fit.",
        ),
        Mistake(
            "pooled",
            lambda x, weight, bias: F.avg_pool2d(
                F.conv2d(x, weight, bias, padding=1), 2
            ),
            "You convolve at full size and average afterwards; the "
            "convolution itself takes steps of 2.",
            "pooling is the classic way to halve an image.",
        ),
    ),
    alternatives=(
        _windows,
        lambda x, weight, bias: F.conv2d(x, weight, bias, padding=1)[
            :, :, 1::2, 1::2
        ],
        lambda x, weight, bias: F.conv2d(
            torch.nn.ZeroPad2d((0, 1, 0, 1))(x), weight, bias, 2
        ),
    ),
)
