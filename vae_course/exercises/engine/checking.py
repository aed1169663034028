"""Finds out what an attempt is: right, wrong, or a known mistake."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from vae_course.exercises.engine.describing import (
    brief,
    contrast,
    first_lines,
    kind,
    number,
)
from vae_course.exercises.engine.results import Flaw, close, differing, plain
from vae_course.exercises.engine.sandbox import Sandbox
from vae_course.exercises.engine.timelimit import OutOfTime, limited
from vae_course.exercises.engine.trying import (
    TROUBLE,
    VALUE,
    Outcome,
    Run,
    flaw,
    slope,
    take_through,
)
from vae_course.exercises.exercise import (
    AtMost,
    Exercise,
    Mistake,
    Trial,
    as_tuple,
)


@dataclass(frozen=True)
class Verdict:
    """What is to be said about an attempt.

    Args:
        status: ``"correct"``, ``"wrong"``, ``"not attempted"`` or
            ``"stopped"``.
        sentence: what happened, unless expected and got say it.
        mistake: the known mistake that computes the same.
        facts: (words, text) that show it: the input, expected, got, printed.
    """

    status: str
    sentence: str = ""
    mistake: Mistake | None = None
    facts: tuple[tuple[str, str], ...] = ()


_STOPPED = Verdict("stopped", "You stopped the check. Nothing was decided.")
_one_at_a_time = threading.Lock()


def examine(exercise: Exercise, attempts: tuple, seed: int = 0) -> Verdict:
    """The verdict on an attempt; never raises what the attempt raises.

    Args:
        exercise: what was asked.
        attempts: the function, class or value that was handed in; two where
            two were asked for.
        seed: of the random inputs and of the noise.
    """
    early = _refused(exercise, attempts)
    if early is not None:
        return early
    if not _one_at_a_time.acquire(blocking=False):
        return Verdict(
            "stopped",
            "Another check is still running, and two at a time would disturb "
            "each other. Does your code call `check` itself?",
        )
    try:
        return _examined(exercise, attempts, seed)
    except KeyboardInterrupt:
        return _STOPPED
    finally:
        _one_at_a_time.release()


def _examined(exercise: Exercise, attempts: tuple, seed: int) -> Verdict:
    run = Run()
    with Sandbox() as sandbox:
        try:
            limited(
                lambda: take_through(exercise, attempts, seed, sandbox, run),
                exercise.seconds,
            )
        except OutOfTime:
            return _out_of_time(exercise, run, sandbox)
        # Known mistakes are run again, in a thread that starts out clean.
        return limited(lambda: _judge(exercise, run, seed, sandbox), math.inf)


def _refused(exercise: Exercise, attempts: tuple) -> Verdict | None:
    """The verdict on what cannot be tried at all."""
    if len(attempts) != len(exercise.names):
        return Verdict(
            "wrong",
            f"After the number, this check takes {len(exercise.names)} of "
            f"your own and got {len(attempts)}: `{exercise.call}`.",
        )
    if any(each is None or each is ... for each in attempts):
        return Verdict("not attempted")
    if exercise.value:
        return None
    for asked, name, each in zip(
        exercise.solutions, exercise.names, attempts, strict=True
    ):
        is_class = isinstance(asked, type)
        built = is_class and issubclass(type(each), nn.Module)
        if built or not callable(each):
            return Verdict(
                "wrong",
                f"`{name}` should be the {'class' if is_class else 'function'}"
                f" itself, not {kind(each)}. Hand it over without calling it: "
                f"`{exercise.call}`.",
            )
    return None


def _out_of_time(exercise: Exercise, run: Run, sandbox: Sandbox) -> Verdict:
    facts = []
    if len(run.outcomes) < len(run.trials):
        facts += _input(exercise, run.trials[len(run.outcomes)])
    return Verdict(
        "wrong",
        f"It was stopped after {exercise.seconds:g} seconds, with no end in "
        "sight. Is there a loop whose condition never becomes false, or a "
        "tensor much larger than the task needs?",
        facts=(*facts, *_printed(sandbox.printed.take())),
    )


def _judge(
    exercise: Exercise, run: Run, seed: int, sandbox: Sandbox
) -> Verdict:
    """The verdict, from the outcomes alone."""
    if flaw(run.outcomes[0], "nothing"):
        return Verdict("not attempted")
    for trial, outcome in zip(run.trials, run.outcomes, strict=True):
        sentence, facts = _shortcoming(trial, outcome)
        if sentence or facts:
            return Verdict(
                "wrong",
                sentence,
                _recognised(exercise, run, seed, sandbox),
                (
                    *_input(exercise, trial),
                    *facts,
                    *_printed(outcome.printed),
                ),
            )
    return Verdict("correct", exercise.proved)


def _shortcoming(trial: Trial, outcome: Outcome) -> tuple[str, list]:
    """(sentence, facts) of the first thing that is wrong; empty if none is."""
    trouble = outcome.found.get(TROUBLE)
    if trouble is not None:
        return trouble.sentence, list(trouble.facts)
    expected = trial.expected
    if not isinstance(expected, dict):
        expected = {VALUE: expected}
    slopes = {slope(name): it for name, it in (trial.slopes or {}).items()}
    for words, want in {**expected, **slopes}.items():
        got = outcome.found[words]
        if isinstance(got, Flaw):
            return got.sentence, []
        if _meets(got, want, trial.tolerance):
            continue
        place = ""
        if isinstance(want, AtMost):
            texts = (f"at most {number(want)}", brief(got))
        else:
            wrong = None
            if isinstance(want, Tensor):
                wrong = differing(plain(want), got, trial.tolerance)
            *texts, place = contrast(plain(want), got, wrong)
        return "", [
            *([] if words == VALUE else [("Measured", words)]),
            *([("Where", place)] if place else []),
            ("Expected", texts[0]),
            ("Got", texts[1]),
        ]
    return "", []


def _meets(got: Any, want: Any, tolerance: float) -> bool:
    if isinstance(want, AtMost):
        return got <= want
    return close(plain(want), got, tolerance)


def _recognised(
    exercise: Exercise, run: Run, seed: int, sandbox: Sandbox
) -> Mistake | None:
    """The known mistake that does the same as the attempt on every trial."""
    if all(flaw(outcome, "raised") for outcome in run.outcomes):
        return None  # there is nothing to compare
    for mistake in exercise.mistakes:
        for wrong in (mistake.wrong, *mistake.also):
            known = _known(exercise, wrong, seed, sandbox)
            if len(known) == len(run.outcomes) and all(
                map(_alike, run.trials, known, run.outcomes)
            ):
                return mistake
    return None


_outcomes_of_mistakes: dict[tuple, list[Outcome]] = {}


def _known(
    exercise: Exercise, wrong: Any, seed: int, sandbox: Sandbox
) -> list[Outcome]:
    """The outcomes of a known wrong solution; computed once in a session."""
    key = (exercise.number, wrong, seed)
    if key not in _outcomes_of_mistakes:
        run = Run()
        take_through(exercise, as_tuple(wrong), seed, sandbox, run)
        _outcomes_of_mistakes[key] = run.outcomes
    return _outcomes_of_mistakes[key]


def _alike(trial: Trial, one: Outcome, other: Outcome) -> bool:
    return one.found.keys() == other.found.keys() and all(
        close(value, other.found[words], trial.likeness)
        for words, value in one.found.items()
    )


def _input(exercise: Exercise, trial: Trial) -> list[tuple[str, str]]:
    """The input of a trial, as a call that the student could repeat."""
    if not trial.arguments:
        return []
    inside = ", ".join(f"{k}={brief(v)}" for k, v in trial.arguments.items())
    return [("Input", trial.shown or f"{exercise.names[0]}({inside})")]


def _printed(text: str) -> list[tuple[str, str]]:
    return [("Printed", first_lines(text))] if text.strip() else []
