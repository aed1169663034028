"""Exercise 2.8: bits per dimension."""

from __future__ import annotations

import math

import numpy as np
import torch

from vae_course.exercises.exercise import Exercise, Mistake, Trial
from vae_course.metrics import bits_per_dimension


def bits():
    """Bits per dimension, at 98 nats for an image of 28×28 pixels."""
    return 98 / (28 * 28 * math.log(2))


BITS = Exercise(
    number="2.8",
    title="Bits per dimension",
    prompt="""\
Papers on images compare models in *bits per dimension*: the cost of one pixel
value, in bits instead of nats. A VAE pays 98 nats for a binary image of 28×28
pixels with one channel. How many bits per dimension is that? Three digits are
enough.""",
    solution=bits,
    why="""\
One bit is log 2 = 0.693 nats, so there are more bits than nats; and the price
of the image is shared by its 784 pixels. Sent pixel by pixel without a model,
each binary pixel would cost 1 bit, so this one compresses the images to less
than a fifth.""",
    proved="this VAE pays 0.180 bits for a pixel: less than a fifth of the "
    "one bit that it costs without a model.",
    hints=(
        "Two conversions: from a whole image to one of its numbers, and from "
        "nats to bits. Is a bit more or less than a nat?",
        "A fair coin carries 1 bit, which is log 2 = 0.693 nats. So divide "
        "by log 2 to turn nats into bits.",
        "An image has 28 · 28 = 784 numbers. Divide the 98 nats by both: by "
        "how many numbers there are, and by the nats in a bit.",
    ),
    trials=lambda: [
        # 0.1803; all that rounds to 0.180 is within 7.1e-4 · (1 + 0.1803).
        Trial({}, bits_per_dimension(98.0, (1, 28, 28)), tolerance=7.1e-4)
    ],
    mistakes=(
        Mistake(
            "nats for bits",
            98 / 784,
            "This is 98/784, in nats per dimension: divide by log 2 to turn "
            "nats into bits.",
            "the logarithm of most programs is the natural one, and nobody "
            "prints the unit.",
        ),
        Mistake(
            "log 2 on the wrong side",
            98 / 784 * math.log(2),
            "You multiplied by log 2, which turns bits into nats.",
            "one of the two directions has to be guessed. A bit is less than "
            "a nat, so there are more bits than nats.",
        ),
        Mistake(
            "the whole image",
            98 / math.log(2),
            "These are the bits of the whole image: divide by its 784 pixels.",
            "nats per image is the unit of this chapter, and only one step "
            "was taken.",
        ),
        Mistake(
            "one side of the image",
            98 / 28 / math.log(2),
            "You divided by 28, one side of the image; it has 28 · 28 pixels.",
            "28 is the number that is written down.",
        ),
        Mistake(
            "the inverse",
            784 * math.log(2) / 98,
            "Your fraction stands on its head: this is dimensions per bit.",
            "“per” says what is below, and the words come in another order.",
        ),
        Mistake(
            "the common logarithm",
            98 / 784 / math.log10(2),
            "You divided by the logarithm of 2 to the base 10; nats go with "
            "the natural one.",
            "on many calculators, and in some languages, `log` is the "
            "logarithm to the base 10.",
        ),
    ),
    alternatives=(
        0.18,
        torch.tensor(0.1803),
        np.float32(98 / 784 * math.log2(math.e)),
    ),
    value=True,
)
