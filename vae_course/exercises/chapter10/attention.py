"""Exercise 10.5: it knows the next word."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from vae_course.exercises.chapter10.broken import brought_in
from vae_course.exercises.exercise import Exercise, Mistake, trials_against
from vae_course.museum.network import (
    attend,
    broken_attend,
    broken_attend_before,
)


def _by_library(q, k, v):
    return F.scaled_dot_product_attention(q, k, v, is_causal=True)


def _inputs() -> Iterator[dict[str, Tensor]]:
    for batch, count, channels, dtype in (
        (1, 2, 2, torch.float32),
        (2, 5, 4, torch.float32),
        (3, 4, 9, torch.float64),
        (2, 1, 3, torch.float32),
    ):
        q, k, v = torch.randn(3, batch, count, channels, dtype=dtype)
        yield {"q": 2 * q, "k": k, "v": v}
    # Scores far below −100, where a mask of −100 would hide nothing, and
    # values of unlike size.
    q, k, v = 8 * torch.randn(3, 2, 4, 3)
    q[:, 0] = -4 * k[:, 0]
    yield {"q": q, "k": k, "v": v * torch.tensor([0.01, 1.0, 9.0])}
    q, k, v = torch.randn(3, 1, 5, 3)
    yield {"q": 40 * q, "k": k / 20, "v": 40 * v}


def _with(
    hidden: Callable = lambda s: torch.ones_like(s).triu(1).bool(),
    scale: Callable = math.sqrt,
    over: int = -1,
    fill: float = -1e9,
) -> Callable:
    """Attention with another mask, scale or axis."""

    def wrong(q, k, v):
        scores = q @ k.transpose(1, 2) / scale(q.shape[-1])
        scores = scores.masked_fill(hidden(scores), fill)
        return scores.softmax(dim=over) @ v

    return wrong


def _after(q, k, v):
    scores = q @ k.transpose(1, 2) / math.sqrt(q.shape[-1])
    return scores.softmax(dim=-1).tril() @ v


ATTENTION = Exercise(
    number="10.5",
    title="It knows the next word",
    prompt=brought_in(
        "open-curtain",
        "Each position hears of later ones. Mend it: it hears itself and what "
        "came before. No position, not even the first, may give NaN.",
    ),
    solution=attend,
    why="""\
Methods without an underscore at their end return a new tensor and leave the
old one alone; a line that only calls one does nothing. Nothing fails, and the
training loss is splendid, because the next word is there to be read off. The
gradient shows it at once: what is hidden must have none.""",
    proved="in your attention each position hears itself and those before "
    "it, the first only itself, and none hears of the future.",
    hints=(
        "Print the scores before and after the line with the mask.",
        "What does `masked_fill` return, and where does it go?",
        "`masked_fill` without an underscore leaves its tensor as it was: "
        "give its result a name, that of the tensor.",
    ),
    trials=lambda: trials_against(_by_library, _inputs(), ["q", "k", "v"]),
    mistakes=(
        Mistake(
            "no mask",
            broken_attend,
            "Nothing is hidden: the mask has no effect.",
            "the line is there, and it is the right line.",
        ),
        Mistake(
            "itself hidden",
            broken_attend_before,
            "Each position is hidden from itself as well: the mask begins on "
            "the diagonal. The first then sees nothing, and hears all alike.",
            "`triu` begins on the diagonal unless told otherwise.",
        ),
        Mistake(
            "the past hidden",
            _with(lambda s: torch.ones_like(s).tril(-1).bool()),
            "You hide what came before, and show what comes after.",
            "rows ask and columns answer; it is easily turned round.",
        ),
        Mistake(
            "one too few hidden",
            _with(lambda s: torch.ones_like(s).triu(2).bool()),
            "The next position can still be heard: the mask begins two off "
            "the diagonal.",
            "off by one.",
        ),
        Mistake(
            "hidden after the softmax",
            _after,
            "You hide after the softmax: the rest of a row no longer adds up "
            "to 1, and the future has a say in how far.",
            "a weight of zero hides, too.",
        ),
        Mistake(
            "filled with zeros",
            _with(fill=0.0),
            "A score of 0 is not nothing: after the softmax its weight is as "
            "good as any. What is hidden gets a score of −∞, or nearly.",
            "zero means nothing nearly everywhere.",
        ),
        Mistake(
            "no scale",
            _with(scale=lambda size: 1.0),
            "The scores are not divided by √C.",
            "it only makes weights softer.",
        ),
        Mistake(
            "divided by C",
            _with(scale=float),
            "The scores are divided by C; it is its root.",
            "a mean of products divides by their number.",
        ),
        Mistake(
            "softmax over those who ask",
            _with(over=1),
            "The softmax runs over the positions that ask; what each of them "
            "hears should add up to 1.",
            "both axes are as long.",
        ),
    ),
    alternatives=(
        _by_library,
        _with(fill=-1e30),
    ),
)
