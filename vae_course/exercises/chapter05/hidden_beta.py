"""Exercise 5.1: a stranger's loss."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from vae_course.exercises.engine.results import a_number
from vae_course.exercises.engine.trying import VALUE
from vae_course.exercises.exercise import Exercise, Mistake, Trial
from vae_course.theory.conventions import LossConvention, effective_beta


def hidden_beta():
    """The β of the stranger's loss: a plain number.

    Distortion and rate in nats per image, each the full sum over its
    dimensions; β is the weight of the rate where the weight of the distortion
    is one.
    """
    pixels = 3 * 32 * 32
    return 0.01 * pixels


def _translated() -> float:
    convention = LossConvention("bce", pixels="mean", rate_weight=0.01)
    return effective_beta(convention, (3, 32, 32), 128).beta


def _one_beta() -> Iterator[Trial]:
    beta = _translated()
    yield Trial(
        {},
        {VALUE: beta, "its logarithm to the base 10": math.log10(beta)},
        _in_numbers,
        tolerance=1e-3,
        likeness=1e-4,
    )


def _in_numbers(beta: Any) -> dict[str, float]:
    """The number and its size: a small one is not just any small one."""
    number = a_number(beta)
    size = math.log10(abs(number)) if number else -math.inf
    return {VALUE: number, "its logarithm to the base 10": size}


HIDDEN_BETA = Exercise(
    number="5.1",
    title="The β in a stranger's loss",
    prompt="""\
A stranger trains a VAE on 32 × 32 colour images, with 128 latents and batches
of 64:

    bce = F.binary_cross_entropy(x_hat, x)               # x: (64, 3, 32, 32)
    kl = -0.5 * (1 + log_var - mean**2 - log_var.exp())  # (64, 128)
    loss = bce + 0.01 * kl.sum(dim=1).mean()

"A small weight of 0.01 on the KL, so that nothing collapses." Which $\\beta$
is it?""",
    solution=hidden_beta,
    why="""\
`F.binary_cross_entropy` averages over everything by default: over the batch,
which both terms do, and over the 3 · 32 · 32 = 3,072 numbers of an image,
which only the first does. Multiply the whole loss by 3,072 and both terms are
in nats: the weight of the rate is then 30.72. The number of latents does not
enter, because the KL is summed over them.""",
    proved="the “small weight” asks for a rate thirty times as dear as the "
    "bound does.",
    hints=(
        "Over what does each of the two terms average, and over what does it "
        "sum?",
        "Multiply the loss by whatever turns the first term into nats per "
        "image, and look at what has become of the 0.01.",
        "The first term was averaged over 3 · 32 · 32 numbers. Multiplying "
        "the whole loss by as many turns that term into nats per image, and "
        "multiplies the 0.01, too.",
    ),
    trials=_one_beta,
    mistakes=(
        Mistake(
            "the weight itself",
            0.01,
            "That is the weight as written. The two terms are not in the same "
            "unit.",
            "it stands in front of the KL, where β stands in the papers.",
        ),
        Mistake(
            "the colours are forgotten",
            0.01 * 32 * 32,
            "You counted 32 · 32 pixels; the mean is over three numbers for "
            "each.",
            "one speaks of pixels and means places.",
        ),
        Mistake(
            "divided by the latents",
            0.01 * 3072 / 128,
            "You divided by the number of latents, but the KL is summed over "
            "them.",
            "other code averages there, too. One must read each line.",
        ),
        Mistake(
            "multiplied by the batch",
            0.01 * 3072 * 64,
            "You counted the batch. Both terms average over it, so it "
            "cancels.",
            "the default reduction divides by 64 · 3,072.",
            also=(0.01 * 64,),
        ),
        Mistake(
            "upside down",
            1 / 30.72,
            "That is the weight of the distortion where the rate's is one: "
            "1/β.",
            "a ratio can be taken two ways.",
            also=(0.033, 0.0326),
        ),
        Mistake(
            "divided by the pixels",
            0.01 / 3072,
            "You divided by the 3,072 numbers of an image. Where the "
            "distortion was divided, the rate must be multiplied to keep "
            "pace.",
            "a mean divides, and so one divides.",
        ),
        Mistake(
            "the 0.01 is forgotten",
            3072,
            "That is what the mean over the pixels does; the 0.01 still "
            "stands before the KL.",
            "3,072 is the surprising part.",
        ),
        Mistake(
            "multiplied by the latents",
            0.01 * 128,
            "You multiplied by the number of latents. The KL is summed over "
            "them already: it is in nats per image, as it should be.",
            "128 is a number that stands in the task.",
            also=(0.01 * 3072 * 128,),
        ),
        Mistake(
            "averaged over the latents alone",
            0.01 / 128,
            "You divided by the number of latents, and left the pixels out. "
            "It is the KL that is summed here, and the distortion that is "
            "averaged.",
            "one of the two terms is averaged. One must read which.",
        ),
    ),
    alternatives=(_translated(), 30.7),
    value=True,
)
