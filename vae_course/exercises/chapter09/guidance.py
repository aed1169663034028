"""Exercise 9.4: classifier-free guidance."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from vae_course.exercises.exercise import Exercise, Mistake, trials_against


def guided(with_class, without, weight):
    """What the sampler takes for the network's answer.

    Args:
        with_class: what the network says when it is told the class,
            (B, C, h, w).
        without: what it says when it is not, (B, C, h, w).
        weight: 0 ignores the class, 1 takes the answer with the class as it
            is, and more goes on beyond it in the same direction.

    Returns:
        The guided answer, (B, C, h, w).
    """
    return without + weight * (with_class - without)


def _truth(with_class: Tensor, without: Tensor, weight: float) -> Tensor:
    return weight * with_class - (weight - 1) * without


def _inputs() -> Iterator[dict[str, Any]]:
    yield {
        "with_class": torch.tensor([3.0, 0.0, 1.0, 2.0]).view(1, 4, 1, 1),
        "without": torch.tensor([1.0, 0.0, 2.0, 1.0]).view(1, 4, 1, 1),
        "weight": 2.0,
    }
    for batch, weight, size, dtype in (
        (2, 7.5, 1, torch.float32),
        (3, 0.0, 1, torch.float32),
        (2, 1.0, 1, torch.float64),
        (2, 3.0, 60, torch.float32),  # so large that a clamp would show
    ):
        said = size * torch.randn(2, batch, 4, 2, 2, dtype=dtype)
        yield {"with_class": said[0], "without": said[1], "weight": weight}


def _three_channels(with_class, without, weight):
    three = guided(with_class[:, :3], without[:, :3], weight)
    return torch.cat([three, with_class[:, 3:]], dim=1)


GUIDANCE = Exercise(
    number="9.4",
    title="Guidance",
    prompt="""\
The network answers twice: told the class, and not told. Their difference is
the direction that the class makes. Start from the answer *without* the class
and go `weight` times along it.""",
    solution=guided,
    why="""\
At weight 0 the class is ignored, at 1 nothing is changed, above 1 whatever
speaks for the class is exaggerated: Stable Diffusion's usual 7.5 means this
weight. The paper counts from the other end: its w is ours minus 1. All
channels are guided alike; code made for pictures of three channels, put in
front of a latent of four, forgets one.""",
    proved="your guidance is the model without a class at 0, the model as "
    "trained at 1, and goes on in a straight line.",
    hints=(
        "Which of the two answers must come out at weight 0, and which at 1?",
        "The line through two points: start at one, add a multiple of the "
        "difference.",
        "Check the first trial by hand: from 1 towards 3 with weight 2 is 5.",
    ),
    trials=lambda: trials_against(
        _truth, _inputs(), ("with_class", "without")
    ),
    mistakes=(
        Mistake(
            "the weight on the wrong branch",
            lambda with_class, without, weight: (
                with_class + weight * (without - with_class)
            ),
            "The two answers have changed places: your weight leads away from "
            "the class.",
            "the formula is symmetric to look at.",
        ),
        Mistake(
            "the paper's weight",
            lambda with_class, without, weight: (
                with_class + weight * (with_class - without)
            ),
            "You start from the answer with the class, so your weight is too "
            "large by 1. That is the paper's convention; here weight 1 "
            "changes nothing.",
            "both conventions are in use, under one name.",
        ),
        Mistake(
            "three channels of four",
            _three_channels,
            "The first three channels are guided and the fourth is not.",
            "pictures have three channels, and an old and much copied piece "
            "of code says `[:, :3]`. It was written for pictures.",
        ),
        Mistake(
            "the difference alone",
            lambda with_class, without, weight: (
                weight * (with_class - without)
            ),
            "You return the direction; the place to start from is missing.",
            "the difference is what it is all about.",
        ),
        Mistake(
            "a weight on one answer",
            lambda with_class, without, weight: without + weight * with_class,
            "You add the answer with the class; it is the difference of the "
            "two that is added.",
            "“more of the class” sounds like that.",
        ),
        Mistake(
            "a mix that stays in between",
            lambda with_class, without, weight: (
                (without + weight * with_class) / (1 + weight)
            ),
            "Yours is an average of the two answers, and never goes beyond "
            "the one with the class.",
            "weights are often divided by their sum.",
        ),
        Mistake(
            "guidance left out",
            lambda with_class, without, weight: with_class.clone(),
            "You return the answer with the class, whatever the weight.",
            "with weight 1 it is right.",
        ),
    ),
    alternatives=(
        _truth,
        lambda with_class, without, weight: torch.lerp(
            without, with_class, weight
        ),
        lambda with_class, without, weight: (
            with_class + (weight - 1) * (with_class - without)
        ),
    ),
)
