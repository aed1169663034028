"""Takes an attempt through the trials of an exercise; judges nothing yet."""

from __future__ import annotations

import copy
import linecache
import os
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn

from vae_course.exercises.engine.apart import Stopped
from vae_course.exercises.engine.describing import first_lines, kind
from vae_course.exercises.engine.results import (
    Flaw,
    Flawed,
    a_list,
    a_number,
    a_tensor,
    plain,
)
from vae_course.exercises.engine.sandbox import Sandbox
from vae_course.exercises.exercise import Exercise, Trial

VALUE = "value"  # what a bare result is called inside an outcome
TROUBLE = "trouble"  # what ended a trial early
LATE = "trouble with the gradients"  # the same, after the values


@dataclass
class Outcome:
    """What one trial gave: words → plain value, or the flaw in its place."""

    found: dict[str, Any]
    printed: str = ""


@dataclass
class Run:
    """The trials of an exercise, and the outcomes of those that are over.

    ``printed`` is what was printed in the trial that is not over.
    """

    trials: list[Trial] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    printed: str = ""

    def receive(self, what: Outcome | str) -> None:
        """Notes an outcome, or a text as it is printed."""
        if isinstance(what, str):
            self.printed += what
        else:
            self.outcomes.append(what)
            self.printed = ""


def slope(name: str) -> str:
    """The words for a gradient inside an outcome."""
    return f"gradient with respect to {name}"


def flaw(outcome: Outcome, of_kind: str) -> Flaw | None:
    """The flaw that ended a trial, if it is of this kind."""
    found = outcome.found.get(TROUBLE)
    return found if found is not None and found.kind == of_kind else None


def take_through(
    exercise: Exercise,
    trials: list[Trial],
    attempts: tuple,
    seed: int,
    sandbox: Sandbox,
    send: Callable[[Outcome], object],
) -> None:
    """Tries the attempt on every trial and sends the outcomes one by one.

    An attempt that turns out to be an empty stub is left alone after the
    first trial, and one that takes all memory after the first time.
    """
    if not exercise.value:
        attempts = tuple(sandbox.settling(each) for each in attempts)
    for position, trial in enumerate(trials):
        outcome = _try(trial, attempts, sandbox, 1000 * seed + position)
        sandbox.settle()
        outcome.printed = sandbox.printed.take()
        send(outcome)
        if position == 0 and flaw(outcome, "nothing"):
            return
        trouble = flaw(outcome, "raised")
        if trouble is not None and trouble.evidence == "MemoryError":
            return


def _try(
    trial: Trial, attempts: tuple, sandbox: Sandbox, seed: int
) -> Outcome:
    found: dict[str, Any] = {}
    given = copy.deepcopy(trial.arguments)
    versions = {name: _version(value) for name, value in given.items()}
    for words, step in (
        (TROUBLE, lambda: _measured(trial, attempts, given)),
        (TROUBLE, lambda: _compared(trial.arguments, given, versions)),
        (LATE, lambda: _slopes(trial, attempts[0], sandbox, seed)),
    ):
        sandbox.seed(seed)
        try:
            found |= step()
        except Stopped:
            raise
        except Flawed as error:
            found[words] = error.flaw
        except BaseException as error:  # an attempt may raise anything
            found[words] = _raised(error, sandbox)
        if words in found:
            break
    return Outcome(found)


def _measured(trial: Trial, attempts: tuple, given: dict[str, Any]) -> dict:
    if trial.measure is None:
        result = attempts[0](*given.values()) if given else attempts[0]
        return {VALUE: plain(_fitting(result, trial))}
    value = trial.measure(*attempts, *given.values())
    if not isinstance(value, dict):
        value = {VALUE: value}
    return {words: plain(each) for words, each in value.items()}


def _fitting(result: Any, trial: Trial) -> Any:
    """The result, once it is of the kind that the trial expects."""
    if isinstance(trial.expected, Tensor):
        like = None
        for value in trial.arguments.values():
            if isinstance(value, Tensor) and value.is_floating_point():
                like = value
                break
        return a_tensor(result, trial.expected.shape, like)
    if isinstance(trial.expected, list):
        return a_list(result)
    return a_number(result)


def _version(value: Any) -> int:
    """How often a tensor was written to; also where that changed no number."""
    return value._version if isinstance(value, Tensor) else 0


def _compared(
    before: dict[str, Any], after: dict[str, Any], versions: dict[str, int]
) -> dict:
    """Nothing, unless the attempt has written into what it was given."""
    for name, value in before.items():
        written = _version(after[name]) != versions[name]
        if written or not _unchanged(value, after[name]):
            raise Flawed(
                "mutated",
                f"Your code changes its input `{name}` in place, and so the "
                "caller's own data. Compute something new instead.",
                name,
            )
    return {}


def _unchanged(before: Any, after: Any) -> bool:
    if isinstance(before, nn.Module):
        return _unchanged(before.state_dict(), after.state_dict())
    if isinstance(before, dict):
        return before.keys() == after.keys() and all(
            _unchanged(value, after[name]) for name, value in before.items()
        )
    if isinstance(before, Tensor):
        return (
            before.shape == after.shape
            and before.dtype == after.dtype
            and torch.equal(before.detach(), after.detach())
        )
    return type(before) is type(after) and before == after


def _slopes(
    trial: Trial, attempt: Callable, sandbox: Sandbox, seed: int
) -> dict[str, Any]:
    """The gradients of the summed result, or the flaw where there is none."""
    if trial.slopes is None:
        return {}
    given = copy.deepcopy(trial.arguments)
    leaves = [given[name].requires_grad_() for name in trial.slopes]
    result = _fitting(attempt(*given.values()), trial)
    gradients: list[Tensor | None] = [None] * len(leaves)
    if result.requires_grad:
        gradients = torch.autograd.grad(
            result.sum(), leaves, allow_unused=True
        )
    missing = [
        name
        for name, each in zip(trial.slopes, gradients, strict=True)
        if each is None
    ]
    has_say = {
        name: _has_say(name, trial, attempt, result, sandbox, seed)
        for name in missing
    }
    cut = [name for name in missing if has_say[name]]
    return {
        slope(name): plain(each)
        if each is not None
        else _no_gradient(cut, name)
        if has_say[name]
        else _unused(name)
        for name, each in zip(trial.slopes, gradients, strict=True)
    }


def _has_say(
    name: str,
    trial: Trial,
    attempt: Callable,
    result: Tensor,
    sandbox: Sandbox,
    seed: int,
) -> bool:
    """Whether the result changes when this argument does."""
    given = copy.deepcopy(trial.arguments)
    given[name] = 1.1 * given[name] + 0.1
    sandbox.seed(seed)
    other = attempt(*given.values())
    same = isinstance(other, Tensor) and torch.equal(
        other.detach(), result.detach()
    )
    return not same


def _no_gradient(cut: list[str], name: str) -> Flaw:
    names = " and ".join(f"`{each}`" for each in cut)
    return Flaw(
        "no gradient",
        f"No gradient reaches {names}: on the way the result was cut off "
        "(by a detach, an item, a no_grad, a NumPy array), so nothing before "
        "it could be trained.",
        name,
    )


def _unused(name: str) -> Flaw:
    return Flaw("unused", f"`{name}` has no influence on your result.", name)


def _raised(error: BaseException, sandbox: Sandbox) -> Flaw:
    """What is said of an exception: its type and message, and the line."""
    name = kind(error, article=False)
    try:
        message = first_lines(str(error), lines=3, width=200)
    except BaseException:  # a stranger's __str__
        message = "its message cannot be shown"
    said = f"{name}: {message}" if message else f"{name}, without a message"
    # Asked of BaseException and of the type, for it may answer for itself.
    line = _own_line(BaseException.__traceback__.__get__(error))
    if issubclass(type(error), RecursionError):
        sentence = f"It calls itself without end ({said})."
    elif issubclass(type(error), SystemExit):
        sentence = f"It asks Python to quit ({said}). Return a result instead."
    elif issubclass(type(error), KeyboardInterrupt):
        sentence = f"It raised {said}, as Ctrl-C does."
    elif line or error is sandbox.raised:
        sentence = f"It raised {said}"
    else:
        sentence = f"What it returned could not be used ({said})."
    return Flaw("raised", sentence, name, (("Line", line),) if line else ())


_LIBRARIES = tuple(
    os.path.normcase(os.path.join(folder, ""))
    for folder in {
        *map(sysconfig.get_path, ("stdlib", "purelib", "platlib")),
        str(Path(torch.__file__).parent),
        str(Path(__file__).parent.parent),
    }
)


def _own_line(frames: TracebackType | None) -> str:
    """The innermost line that is the student's own, with its number."""
    found = ""
    while frames is not None:
        file = frames.tb_frame.f_code.co_filename
        if not os.path.normcase(file).startswith((*_LIBRARIES, "<frozen")):
            text = linecache.getline(file, frames.tb_lineno).strip()
            found = f"{frames.tb_lineno}: {text}".rstrip(": ")
        frames = frames.tb_next
    return found
