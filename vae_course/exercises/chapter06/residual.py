"""Exercise 6.1: the residual block."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import nn
from torch.nn import functional as F

from vae_course.exercises.exercise import Exercise, Mistake, Trial
from vae_course.sd import ResnetBlock


def residual_block(x, norm1, conv1, norm2, conv2):
    """x plus what two rounds of norm, SiLU, convolution make of it.

    Args:
        x: activations, (B, C, H, W).
        norm1, norm2: group norms.
        conv1, conv2: 3×3 convolutions that keep the shape.

    Returns:
        The sum, (B, C, H, W).
    """
    h = conv1(F.silu(norm1(x)))
    h = conv2(F.silu(norm2(h)))
    return x + h


def _trials() -> Iterator[Trial]:
    for batch, channels, size, large, flat in (
        (1, 2, 1, 1, False),
        (2, 4, 3, 1, False),
        (3, 6, 5, 40, False),  # a clamp of x would show
        (2, 4, 3, 1, True),
    ):
        block = ResnetBlock(channels, channels, channels // 2)
        with torch.no_grad():
            for parameter in block.parameters():
                parameter.add_(0.3 * torch.randn_like(parameter))
            if flat:  # norm2 does not undo a factor that comes near its eps
                for parameter in block.conv1.parameters():
                    parameter.mul_(3e-3)
        x = large * torch.randn(batch, channels, size, size)
        exact = x.double().requires_grad_()
        expected = copy.deepcopy(block).double()(exact)
        (slope,) = torch.autograd.grad(expected.sum(), exact)
        yield Trial(
            {
                "x": x,
                "norm1": block.norm1,
                "conv1": block.conv1,
                "norm2": block.norm2,
                "conv2": block.conv2,
            },
            expected.detach(),
            slopes={"x": slope},
            shown=f"{batch} images of {channels}×{size}×{size}",
        )


def _in_place(x, norm1, conv1, norm2, conv2):
    h = conv2(F.silu(norm2(conv1(F.silu(norm1(x))))))
    with torch.no_grad():
        x += h
    return x


def _activated_in_place(x, norm1, conv1, norm2, conv2):
    with torch.no_grad():
        h = conv1(norm1(F.silu(x, inplace=True)))
    return x + conv2(F.silu(norm2(h)))


def _with(activation):
    def block(x, norm1, conv1, norm2, conv2):
        h = conv1(activation(norm1(x)))
        return x + conv2(activation(norm2(h)))

    return block


RESIDUAL = Exercise(
    number="6.1",
    title="The residual block",
    prompt="""\
Write the block that most of Stable Diffusion's autoencoder consists of. The
layers are given; the order is *norm, SiLU, convolution*, twice, and the input
is added at the end. The caller's `x` must stay as it is, and gradients must
come back to it.""",
    solution=residual_block,
    why="""\
Norm and activation stand *before* each convolution (the pre-activation order
of He et al. 2016), so nothing stands between one block's sum and the next: the
identity runs through the whole network untouched, and the gradient runs back
the same way.""",
    proved="your block equals the package's, values and gradients alike, and "
    "the package's equals Stable Diffusion's.",
    hints=(
        "Count the layers: two norms, two activations, two convolutions, one "
        "sum. What comes first?",
        "`F.silu(norm1(x))` goes into `conv1`. The same again with the second "
        "pair; the sum is the last line.",
        "From the inside out, each round reads: norm, `F.silu`, convolution. "
        "The second round takes what the first one gave. The sum at the end "
        "takes the x that came in, not the normalised one.",
    ),
    trials=_trials,
    mistakes=(
        Mistake(
            "no second activation",
            lambda x, norm1, conv1, norm2, conv2: (
                x + conv2(norm2(conv1(F.silu(norm1(x)))))
            ),
            "There is no SiLU between the second norm and the second "
            "convolution.",
            "it runs, trains, and looks the same in a diagram. Loaded with "
            "public weights, it gives mud.",
        ),
        Mistake(
            "no first activation",
            lambda x, norm1, conv1, norm2, conv2: (
                x + conv2(F.silu(norm2(conv1(norm1(x)))))
            ),
            "There is no SiLU between the first norm and the first "
            "convolution.",
            "the input comes out of another block, and seems activated "
            "already. It is a plain sum.",
        ),
        Mistake(
            "SELU for SiLU",
            _with(F.selu),
            "The activation is SELU. SiLU is x · sigmoid(x); one letter is "
            "another function.",
            "both are in torch, side by side, and both train.",
        ),
        Mistake(
            "ReLU for SiLU",
            _with(F.relu),
            "The activation is ReLU, which is zero for all negative numbers; "
            "SiLU, x · sigmoid(x), is not.",
            "ReLU is the habit of twenty years.",
        ),
        Mistake(
            "the sum is missing",
            lambda x, norm1, conv1, norm2, conv2: conv2(
                F.silu(norm2(conv1(F.silu(norm1(x)))))
            ),
            "The input is not added: without `x + …` it is an ordinary stack "
            "of layers.",
            "all the work is in the other branch.",
        ),
        Mistake(
            "the convolution first",
            lambda x, norm1, conv1, norm2, conv2: (
                x + F.silu(norm2(conv2(F.silu(norm1(conv1(x))))))
            ),
            "You convolve first and normalise afterwards. Here norm and SiLU "
            "come before each convolution.",
            "convolution, norm, activation is the order of the first "
            "residual networks, and of most code.",
        ),
        Mistake(
            "the activated input is added",
            lambda x, norm1, conv1, norm2, conv2: (
                F.silu(norm1(x))
                + conv2(F.silu(norm2(conv1(F.silu(norm1(x))))))
            ),
            "You add the normalised, activated input; the shortcut carries x "
            "itself.",
            "a variable was overwritten on the way: x = F.silu(norm1(x)).",
        ),
        Mistake(
            "GELU for SiLU",
            _with(F.gelu),
            "The activation is GELU, x · Φ(x). SiLU is x · sigmoid(x).",
            "the two look the same in a plot, and transformers have GELU.",
            also=(_with(lambda h: F.gelu(h, approximate="tanh")),),
        ),
        Mistake(
            "activated after the sum",
            lambda x, norm1, conv1, norm2, conv2: F.silu(
                residual_block(x, norm1, conv1, norm2, conv2)
            ),
            "You apply SiLU to the sum. Nothing stands behind it here, so "
            "that the identity runs through all blocks untouched.",
            "the first residual networks ended their blocks so.",
        ),
        Mistake(
            "the first layers twice",
            lambda x, norm1, conv1, norm2, conv2: residual_block(
                x, norm1, conv1, norm1, conv1
            ),
            "The second round uses the layers of the first. It has a norm "
            "and a convolution of its own.",
            "a line was copied, and a number in it stayed.",
            also=(
                lambda x, norm1, conv1, norm2, conv2: residual_block(
                    x, norm1, conv1, norm1, conv2
                ),
                lambda x, norm1, conv1, norm2, conv2: residual_block(
                    x, norm1, conv1, norm2, conv1
                ),
            ),
        ),
        Mistake(
            "the norms left out",
            lambda x, norm1, conv1, norm2, conv2: (
                x + conv2(F.silu(conv1(F.silu(x))))
            ),
            "Neither norm is used.",
            "on small activations it makes little difference.",
        ),
        Mistake(
            "the activation before the norm",
            lambda x, norm1, conv1, norm2, conv2: (
                x + conv2(norm2(F.silu(conv1(norm1(F.silu(x))))))
            ),
            "You activate first and normalise then. The order is norm, SiLU, "
            "convolution.",
            "two of three names change places easily.",
        ),
        Mistake(
            "x itself is changed",
            _in_place,
            "Your block writes into x, so the caller's tensor changes.",
            "`x += h`, or an activation with `inplace=True`, saves memory.",
            also=(_activated_in_place,),
        ),
    ),
    alternatives=(
        lambda x, norm1, conv1, norm2, conv2: (
            nn.Sequential(norm1, nn.SiLU(), conv1, norm2, nn.SiLU(), conv2)(x)
            + x
        ),
        _with(lambda a: a * torch.sigmoid(a)),
        lambda x, norm1, conv1, norm2, conv2: conv2(
            F.silu(norm2(conv1(F.silu(norm1(x)))))
        ).add(x),
    ),
)
