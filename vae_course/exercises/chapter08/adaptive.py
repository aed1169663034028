"""Exercise 8.3: the adaptive weight of the adversarial term."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from vae_course.exercises.exercise import Exercise, Mistake, Trial


def adaptive_weight(others, adversarial):
    """The weight of the adversarial term.

    Args:
        others: gradient of all other terms with respect to the weights of the
            decoder's last layer, (3, C, 3, 3).
        adversarial: gradient of the adversarial term there, same shape.

    Returns:
        One number: the ratio of their norms, with 1e-4 added to the one below
        the line, clamped to [0, 1e4].
    """
    ratio = others.norm() / (adversarial.norm() + 1e-4)
    return ratio.clamp(0, 1e4)


def _gradients() -> Iterator[dict[str, Tensor]]:
    yield {
        "others": torch.tensor([3.0, 4.0]),
        "adversarial": torch.tensor([0.0, 0.1]),
    }
    for scale, dtype in (
        (3e-3, torch.float32),
        (600.0, torch.float64),
        (0.0, torch.float32),  # a critic that has won says nothing
    ):
        size = 60 if scale > 1 else 2
        others = size * torch.randn(3, 4, 3, 3, dtype=dtype) + 0.1
        noise = torch.randn(3, 4, 3, 3, dtype=dtype)
        yield {"others": others, "adversarial": scale * noise}


def _trials() -> Iterator[Trial]:
    for arguments in _gradients():
        others, adversarial = (
            a.double().square().sum().sqrt() for a in arguments.values()
        )
        exact = min(1e4, (others / (adversarial + 1e-4)).item())
        yield Trial(arguments, exact, tolerance=3e-5, likeness=2e-3)


ADAPTIVE = Exercise(
    number="8.3",
    title="The adaptive weight",
    prompt="""\
How much should the critic have to say? No fixed weight is right for long: its
gradient changes by orders of magnitude while both sides learn. Esser et al.
2021 measure the gradients of both sides at one place that all terms pass, the
weights of the decoder's last layer, and make them equally long. Write the
weight.""",
    solution=adaptive_weight,
    why="""\
Multiplied by this weight the adversarial gradient is as long as that of the
others, whatever the units of either: that is why the critic's loss may be a
mean and the others sums. When the critic's gradient vanishes the ratio
explodes; 1e-4 and the clamp keep it finite. The weight is a number: no
gradient goes through it.""",
    proved="with your weight both gradients are equally long, and it stays "
    "finite when the critic falls silent.",
    hints=(
        "If the critic's gradient doubles, what should become of its weight?",
        "Both gradients have many numbers; `norm()` makes one of each, the "
        "root of the sum of squares.",
        "Others above the line, adversarial below it, where the 1e-4 is added "
        "after the norm is taken. Clamp last.",
    ),
    trials=_trials,
    mistakes=(
        Mistake(
            "upside down",
            lambda others, adversarial: (
                adversarial.norm() / (others.norm() + 1e-4)
            ).clamp(0, 1e4),
            "The ratio is upside down: the louder the critic, the more weight "
            "it gets.",
            "the weight belongs to the adversarial term, so its gradient "
            "seems to belong above the line.",
        ),
        Mistake(
            "not clamped",
            lambda others, adversarial: (
                others.norm() / (adversarial.norm() + 1e-4)
            ),
            "Your weight has no upper end: when the critic falls silent it "
            "is beyond 1e4.",
            "1e-4 below the line already prevents a division by zero.",
            also=(
                lambda others, adversarial: others.norm() / adversarial.norm(),
            ),
        ),
        Mistake(
            "clamped at 1",
            lambda others, adversarial: (
                others.norm() / (adversarial.norm() + 1e-4)
            ).clamp(0, 1),
            "You clamp at 1: the critic can only be made quieter. The upper "
            "end is 1e4.",
            "weights are often kept between 0 and 1.",
        ),
        Mistake(
            "squared norms",
            lambda others, adversarial: (
                others.square().sum() / (adversarial.square().sum() + 1e-4)
            ).clamp(0, 1e4),
            "You divide squared norms, so a gradient ten times as long counts "
            "a hundred times.",
            "a sum of squares is a norm without its root.",
        ),
        Mistake(
            "sums of absolute values",
            lambda others, adversarial: (
                others.abs().sum() / (adversarial.abs().sum() + 1e-4)
            ).clamp(0, 1e4),
            "You take sums of absolute values; the norm is the root of the "
            "sum of squares.",
            "it is a norm, too, and near the other in ratio.",
            also=(
                lambda others, adversarial: (
                    others.abs().mean() / (adversarial.abs().mean() + 1e-4)
                ).clamp(0, 1e4),
            ),
        ),
        Mistake(
            "sums with their signs",
            lambda others, adversarial: (
                others.sum() / (adversarial.sum() + 1e-4)
            ).clamp(0, 1e4),
            "You sum the gradients with their signs, so that they cancel.",
            "`sum()` makes one number of many.",
            also=(
                lambda others, adversarial: (
                    others.mean() / (adversarial.mean() + 1e-4)
                ).clamp(0, 1e4),
            ),
        ),
        Mistake(
            "one ratio a weight",
            lambda others, adversarial: (
                others.abs() / (adversarial.abs() + 1e-4)
            ).clamp(0, 1e4),
            "You divide number by number; one weight for the whole term is "
            "asked for.",
            "two tensors of one shape divide without complaint.",
        ),
    ),
    alternatives=(
        lambda others, adversarial: (
            torch.linalg.vector_norm(others)
            .div(torch.linalg.vector_norm(adversarial) + 1e-4)
            .clamp(max=1e4)
        ),
        lambda others, adversarial: min(
            float(others.flatten().dot(others.flatten())) ** 0.5
            / (float(adversarial.pow(2).sum()) ** 0.5 + 1e-4),
            1e4,
        ),
        lambda others, adversarial: torch.minimum(
            (others**2).sum().sqrt() / ((adversarial**2).sum().sqrt() + 1e-4),
            others.new_tensor(1e4),
        ),
    ),
)
