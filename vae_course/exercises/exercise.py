"""What an author writes for one exercise: one object that holds everything."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


class AtMost(float):
    """A bar to stay under, in place of an expected number."""


@dataclass(frozen=True)
class Trial:
    """One thing to try: arguments, and what a right attempt makes of them.

    Args:
        arguments: by the names of the stub; the attempt gets copies, in this
            order.
        expected: what must come back: a tensor (compared in float64; it must
            have the dtype and the device of the first floating argument), a
            number, a list, or a dict of such values, each under the words
            that name it in an answer.
        measure: ``measure(*attempts, *arguments)`` gives what is compared
            with ``expected``; None calls the attempt itself.
        slopes: the gradients of the summed result with respect to the
            arguments so named, which must match, too.
        tolerance: the error allowed, in units of 1 + |expected|.
        likeness: the same, for taking two wrong results as one mistake.
        shown: the arguments in words, where their values would say little.
    """

    arguments: dict[str, Any]
    expected: Any
    measure: Callable[..., Any] | None = None
    slopes: dict[str, Tensor] | None = None
    # Single precision keeps seven digits, and sums over a few hundred pixels
    # lose two: 1e-4 forgives any order of summation and no forgotten factor.
    tolerance: float = 1e-4
    likeness: float = 1e-3
    shown: str | None = None


@dataclass(frozen=True)
class Mistake:
    """A plausible wrong solution and the answer it must receive.

    An attempt is recognised by what it computes, never by how it is written:
    its results on all trials are those of ``wrong``, or of one in ``also``.

    Args:
        name: a few words, unique within the exercise.
        wrong: the wrong solution; like the right one, a tuple for a pair.
        diagnosis: what is wrong, and by how much, to the student's face.
        tempting: why one falls into it; it goes on from a colon.
        also: the same mistake, written in ways that compute something else.
        upon: the mistake made on top of another solution, which it is given:
            ``upon(solution)`` is ``wrong``. With it, two mistakes at once are
            recognised; :func:`after` writes the usual ones.
    """

    name: str
    wrong: Any
    diagnosis: str
    tempting: str
    also: tuple = ()
    upon: Callable[[Callable], Callable] | None = None


@dataclass(frozen=True)
class Exercise:
    """Everything about one exercise.

    Args:
        number: chapter and place, as in ``"2.3"``.
        title: without the number.
        prompt: the task, in plain Markdown.
        solution: a function or class whose docstring says what is asked, or a
            tuple of them. The notebook's stub is made from its source.
        why: one paragraph that goes with the solution.
        proved: for a right attempt: “You have just shown that …”.
        hints: three, from a nudge to nearly there.
        trials: the trials, from the smallest input to the largest. They are
            made anew for each check, and may draw from torch's generator,
            which is seeded before.
        mistakes: at least three.
        alternatives: other right solutions, written differently.
        value: the student hands in what the solution returns (a number or a
            tensor), not a function.
        seconds: the time that an attempt may take.
    """

    number: str
    title: str
    prompt: str
    solution: Any
    why: str
    proved: str
    hints: tuple[str, str, str]
    trials: Callable[[], Iterable[Trial]]
    mistakes: tuple[Mistake, ...]
    alternatives: tuple
    value: bool = False
    seconds: float = 10.0

    @property
    def solutions(self) -> tuple:
        """The functions or classes that are asked for, in order."""
        return as_tuple(self.solution)

    @property
    def names(self) -> tuple[str, ...]:
        """Their names, as the stub has them."""
        return tuple(each.__name__ for each in self.solutions)

    @property
    def call(self) -> str:
        """The line that asks for the check."""
        return f'check("{self.number}", {", ".join(self.names)})'


def after(change: Callable) -> Callable[[Callable], Callable]:
    """A mistake that changes what comes out: ``after(lambda r: -r)``."""
    return lambda solution: lambda *given: change(solution(*given))


def before(change: Callable) -> Callable[[Callable], Callable]:
    """A mistake that changes what goes in: all arguments to a new tuple."""
    return lambda solution: lambda *given: solution(*change(*given))


def as_tuple(value: Any) -> tuple:
    """The value itself where it is a tuple, else a tuple of it alone."""
    return value if isinstance(value, tuple) else (value,)


def trials_against(
    truth: Callable[..., Tensor],
    inputs: Iterable[dict[str, Any]],
    slopes: Iterable[str] = (),
) -> list[Trial]:
    """Trials of a deterministic function against a truth in double precision.

    Args:
        truth: the same function by another road: a closed form, a library.
        inputs: arguments by name, the smallest first.
        slopes: the arguments whose gradients are compared, too.
    """
    trials = []
    for arguments in inputs:
        exact = {
            name: value.double().clone()
            if isinstance(value, Tensor) and value.is_floating_point()
            else value
            for name, value in arguments.items()
        }
        leaves = {name: exact[name].requires_grad_() for name in slopes}
        expected = truth(*exact.values())
        found = None
        if leaves:
            gradients = torch.autograd.grad(expected.sum(), [*leaves.values()])
            found = dict(zip(leaves, gradients, strict=True))
        trials.append(Trial(arguments, expected.detach(), slopes=found))
    return trials
