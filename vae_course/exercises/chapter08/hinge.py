"""Exercise 8.2: the critic's hinge loss."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from vae_course.exercises.exercise import Exercise, Mistake, trials_against
from vae_course.sd.critics import Verdict


def critic_loss(real, fake):
    """The critic's hinge loss.

    Args:
        real: scores of patches of photographs, (B, 1, h, w).
        fake: scores of patches of reconstructions, same shape.

    Returns:
        One number: the mean over both kinds of how far each score falls short
        of the right side of its margin, +1 for photographs and −1 for
        reconstructions. Scores beyond the margin cost nothing.
    """
    return 0.5 * (F.relu(1 - real).mean() + F.relu(1 + fake).mean())


def _scores() -> Iterator[dict[str, Tensor]]:
    yield {
        "real": torch.tensor([0.0, 3.0]).view(1, 1, 1, 2),
        "fake": torch.tensor([0.5, -2.0]).view(1, 1, 1, 2),
    }
    yield {
        "real": torch.full((1, 1, 1, 1), -41.3),
        "fake": torch.full((1, 1, 1, 1), 37.7),
    }
    for shape, dtype in (
        ((3, 1, 4, 2), torch.float32),
        ((2, 1, 3, 3), torch.float64),
    ):
        real = 2 * torch.randn(shape, dtype=dtype) + 0.5
        fake = 2 * torch.randn(shape, dtype=dtype) - 0.3
        yield {"real": real, "fake": fake}


def _hinge(real: Tensor, fake: Tensor) -> Tensor:
    short = torch.cat([1 - real, 1 + fake])
    return short.clamp_min(0).mean()


HINGE = Exercise(
    number="8.2",
    title="The critic's loss",
    prompt="""\
The critic gives each patch a score: positive says "photograph", negative
"reconstruction". Its loss asks for a margin: a photograph should score at
least 1, a reconstruction at most −1. Each score pays what it falls short, and
nothing beyond. Write the mean, with both kinds of equal weight.""",
    solution=critic_loss,
    why="""\
Two values of this loss are exact, and tell whether a critic works. If all its
scores are 0, every patch falls short by 1: the loss is 1, and the critic is
silent. If it is right everywhere by the margin, the loss is 0 and so is its
gradient: it has won, and nobody learns any more. A healthy critic stays
between the two.""",
    proved="your loss is 1 for a critic that is silent, 0 for one that has "
    "won, and has the gradient that moves the one that is neither.",
    hints=(
        "How much does a photograph with a score of 0.3 fall short of 1? And "
        "one with a score of 5?",
        "A shortfall below zero costs nothing: that is a ReLU. For a "
        "photograph it is of 1 minus its score; what is it for a "
        "reconstruction, which wants to be below −1?",
        "Two means, one a kind, each of `F.relu` of the shortfall, and half "
        "of their sum.",
    ),
    trials=lambda: trials_against(_hinge, _scores(), slopes=("real", "fake")),
    mistakes=(
        Mistake(
            "without the half",
            lambda real, fake: (
                F.relu(1 - real).mean() + F.relu(1 + fake).mean()
            ),
            "You add the two means; the mean over both kinds is half of that. "
            "A silent critic would read 2 instead of 1.",
            "in many papers the hinge loss has no ½. Then the exact values "
            "are 2 and 0.",
        ),
        Mistake(
            "sides exchanged",
            lambda real, fake: (
                0.5 * (F.relu(1 + real).mean() + F.relu(1 - fake).mean())
            ),
            "The sides are exchanged: your critic learns to call photographs "
            "reconstructions.",
            "which side is positive is a convention, and conventions differ.",
        ),
        Mistake(
            "no margin",
            lambda real, fake: (
                0.5 * (F.relu(-real).mean() + F.relu(fake).mean())
            ),
            "There is no margin: a score just on the right side of 0 costs "
            "nothing, and a critic that always says 0 has no loss at all.",
            "the right side of 0 is what accuracy counts.",
        ),
        Mistake(
            "no ReLU",
            lambda real, fake: 0.5 * ((1 - real).mean() + (1 + fake).mean()),
            "Nothing stops at the margin: your critic is paid for scores "
            "without end, and they will grow without end.",
            "a Wasserstein critic's loss looks like this, and has another "
            "brake.",
        ),
        Mistake(
            "cross-entropy",
            lambda real, fake: (
                0.5 * (F.softplus(-real).mean() + F.softplus(fake).mean())
            ),
            "This is the cross-entropy of the first GANs; the hinge loss has "
            "straight pieces. A silent critic would read 0.69.",
            "telling two kinds apart is a classification.",
        ),
        Mistake(
            "squared",
            lambda real, fake: (
                0.5
                * (
                    F.relu(1 - real).square().mean()
                    + F.relu(1 + fake).square().mean()
                )
            ),
            "You square the shortfall; each score pays what it falls short, "
            "not its square.",
            "least-squares GANs do.",
        ),
        Mistake(
            "summed over patches",
            lambda real, fake: (
                0.5 * (F.relu(1 - real).sum() + F.relu(1 + fake).sum())
            ),
            "You sum over patches and images: the exact values 1 and 0 become "
            "1 and 0 times their number.",
            "losses in this course are sums. The critic's is a mean, so that "
            "it says the same at every size.",
        ),
        Mistake(
            "one sign for both",
            lambda real, fake: (
                0.5 * (F.relu(1 - real).mean() + F.relu(1 - fake).mean())
            ),
            "Reconstructions are wanted at −1 or below, so their shortfall is "
            "1 *plus* the score; yours asks for high scores everywhere.",
            "the two terms look alike.",
        ),
    ),
    alternatives=(
        lambda real, fake: (
            Verdict(real.double(), fake.double()).loss.to(real)
            if real.dtype == torch.float32
            else _hinge(real, fake)
        ),
        lambda real, fake: (
            (
                torch.maximum(1 - real, torch.zeros_like(real)).mean()
                + (1 + fake).clamp(min=0).mean()
            )
            / 2
        ),
        lambda real, fake: (
            (F.relu(1 - real).sum() + F.relu(1 + fake).sum())
            / (real.numel() + fake.numel())
        ),
    ),
)
