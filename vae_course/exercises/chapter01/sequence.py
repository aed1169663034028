"""Exercise 1.1: a code of three numbers."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
import torch

from vae_course.exercises.engine.results import a_list
from vae_course.exercises.exercise import Exercise, Mistake, Trial


def compress(sequence):
    """A code of exactly three numbers, which `expand` can read.

    Args:
        sequence: one or more integers, each the one before it plus the same
            step (positive, negative or zero), such as [3, 5, 7, 9].

    Returns:
        A tuple of three numbers; which ones is up to you.
    """
    step = sequence[1] - sequence[0] if len(sequence) > 1 else 0
    return sequence[0], step, len(sequence)


def expand(code):
    """The whole sequence behind a code of `compress`, as a list of integers.

    Args:
        code: the three numbers.
    """
    first, step, length = code
    return [first + step * i for i in range(length)]


def _last_instead_of_length(sequence):
    step = sequence[1] - sequence[0] if len(sequence) > 1 else 1
    return sequence[0], sequence[-1], step


def _last_and_first(sequence):
    """The step from both ends, which divides by zero for a single number."""
    step = (sequence[-1] - sequence[0]) // (len(sequence) - 1)
    return sequence[0], step, len(sequence)


def _past_the_code() -> tuple[Callable, Callable]:
    """Both functions of a pair that shares a drawer."""
    drawer = {}

    def keep(sequence):
        drawer["sequence"] = list(sequence)
        return compress(sequence)

    return keep, lambda code: drawer["sequence"]


def _sequences() -> Iterator[Trial]:
    lengths = torch.randint(20, 60, (3,)).tolist()
    starts = torch.randint(-99, 99, (3,)).tolist()
    steps = torch.randint(2, 30, (3,)).tolist()
    sequences = [[3, 5, 7], [9, 6, 3, 0], [4, 4, 4], [7]] + [
        [a + b * i for i in range(n)]
        for a, b, n in zip(
            starts, (steps[0], -steps[1], 0), lengths, strict=True
        )
    ]
    sequences += [[-2, -1], [5, 5], [0], [-8], [90000, 50000, 10000, -30000]]
    for sequence in sequences:
        yield Trial(
            {"sequence": sequence},
            {"after the round trip": [float(item) for item in sequence]},
            _round_trip,
            shown=f"{sequence}"
            if len(sequence) < 9
            else (
                f"[{sequence[0]}, {sequence[1]}, …, {sequence[-1]}], "
                f"{len(sequence)} numbers"
            ),
        )


ANOTHER = [100, 90, 80, 70, 60]  # goes through in between


def _round_trip(compress: Callable, expand: Callable, sequence: list) -> dict:
    code = compress(sequence)
    a_list(code, "the code", length=3)
    sent = copy.deepcopy(code)  # nothing but its numbers is the code
    expand(compress(list(ANOTHER)))
    return {
        "after the round trip": a_list(expand(sent), "the expanded sequence")
    }


SEQUENCE = Exercise(
    number="1.1",
    title="A code of three numbers",
    prompt="""\
A sequence that has a rule is worth only its rule. Write an encoder and a
decoder for sequences of integers that go up or down by equal steps: `compress`
turns a sequence of any length into exactly **three numbers**, and `expand`
turns them back into the whole sequence. Nothing else passes between the two:
three numbers are the bottleneck.

Mind the sequences that fall, those that stand still, and the one with a single
number.""",
    solution=(compress, expand),
    why="""\
First, step and length are enough, because the rule is known to both sides. The
code is cheap for these sequences and for no others: every compressor bets on a
kind of data. Which three numbers you chose does not matter. A code means
something only to the decoder that was made for it; the autoencoders of this
chapter choose theirs by training.""",
    proved="sequences of any length pass unchanged through three numbers, "
    "because both sides know the rule.",
    hints=(
        "What do you have to tell a friend on the phone, so that they can "
        "write down 3, 5, 7, …, 99 without a mistake?",
        "Where it starts, how it goes on, and where it stops. To say where "
        "it stops, the length is safer than the last number: a sequence may "
        "stand still.",
        "The three numbers: the first one, the step, and how many there are. "
        "The step is the second number minus the first, where there is a "
        "second one. In `expand`, the number at place i lies i steps after "
        "the first: a list over `range(length)`.",
    ),
    trials=_sequences,
    mistakes=(
        Mistake(
            "the last number is lost",
            (
                _last_instead_of_length,
                lambda code: list(range(code[0], code[1], code[2])),
            ),
            "Your sequences come back without their last number.",
            "`range(first, last, step)` stops before `last`. It also refuses "
            "a step of zero, so keep the length instead.",
        ),
        Mistake(
            "the step of a sequence that falls",
            (
                lambda s: (
                    s[0],
                    abs(s[1] - s[0]) if len(s) > 1 else 0,
                    len(s),
                ),
                expand,
            ),
            "Your sequences always rise: the sign of the step is lost.",
            "a distance is never negative, but a step may be.",
        ),
        Mistake(
            "a sequence that stands still",
            (
                _last_instead_of_length,
                lambda code: [
                    code[0] + code[2] * i
                    for i in range((code[1] - code[0]) // code[2] + 1)
                ],
            ),
            "A step of zero breaks your code: from first, last and step "
            "nobody can tell how often 4 is repeated.",
            "for every sequence that moves, the last number says as much as "
            "the length.",
            also=(
                (
                    _last_instead_of_length,
                    lambda code: list(
                        range(
                            code[0],
                            code[1] + (1 if code[2] > 0 else -1),
                            code[2],
                        )
                    ),
                ),
            ),
        ),
        Mistake(
            "the sequence of one number",
            (lambda s: (s[0], s[1] - s[0], len(s)), expand),
            "A sequence with a single number has no second one to subtract "
            "from.",
            "it is the shortest input of all, and examples rarely show it.",
            also=((_last_and_first, expand),),
        ),
        Mistake(
            "one number too many",
            (
                compress,
                lambda c: [c[0] + c[1] * i for i in range(c[2] + 1)],
            ),
            "Your sequences come back with one number more than they had.",
            "the last number has to be reached, but `range(length)` counts "
            "from 0 and stops in time.",
        ),
        Mistake(
            "the first number is lost",
            (
                compress,
                lambda c: [c[0] + c[1] * (i + 1) for i in range(c[2])],
            ),
            "Your sequences begin one step too late.",
            "people count from 1; the number at place 0 lies no step after "
            "the first.",
        ),
        Mistake(
            "something passes beside the code",
            _past_the_code(),
            "`expand` does not read its code: it gives back what `compress` "
            "saw last, whichever code it gets.",
            "a global variable makes every round trip perfect. But whoever "
            "gets your code has only the three numbers.",
        ),
        Mistake(
            "nothing was compressed",
            (lambda sequence: tuple(sequence), list),
            "Your code is the sequence itself, and so as long as it.",
            "the round trip is perfect. Without a bottleneck it always is, "
            "and proves nothing.",
        ),
    ),
    alternatives=(
        (
            lambda s: (s[0], s[-1], len(s)),
            lambda c: [round(item) for item in np.linspace(*c).tolist()],
        ),
        (
            lambda s: torch.tensor(
                [len(s), s[0], next((b - a for a, b in pairwise(s)), 0)]
            ),
            lambda c: c[1] + c[2] * torch.arange(int(c[0])),
        ),
    ),
)
