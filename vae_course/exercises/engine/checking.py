"""Finds out what an attempt is: right, wrong, or a known mistake."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from vae_course.exercises.engine.apart import Ended, OutOfTime, apart
from vae_course.exercises.engine.describing import (
    brief,
    contrast,
    first_lines,
    kind,
    number,
)
from vae_course.exercises.engine.recognising import recognised
from vae_course.exercises.engine.results import Flaw, differing, meets, plain
from vae_course.exercises.engine.sandbox import Sandbox
from vae_course.exercises.engine.trying import (
    LATE,
    TROUBLE,
    VALUE,
    Outcome,
    Run,
    flaw,
    slope,
    take_through,
)
from vae_course.exercises.exercise import AtMost, Exercise, Mistake, Trial


@dataclass(frozen=True)
class Verdict:
    """What is to be said about an attempt.

    Args:
        status: ``"correct"``, ``"wrong"``, ``"not attempted"`` or
            ``"stopped"``.
        sentence: what happened, unless expected and got say it.
        mistakes: the known mistake that computes the same, or two at once.
        facts: (words, text) that show it: the input, expected, got, printed.
    """

    status: str
    sentence: str = ""
    mistakes: tuple[Mistake, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()

    @property
    def mistake(self) -> Mistake | None:
        """The first of them, if any."""
        return self.mistakes[0] if self.mistakes else None


_STOPPED = Verdict("stopped", "You stopped the check. Nothing was decided.")
_one_at_a_time = threading.Lock()


def examine(
    exercise: Exercise, attempts: tuple, seed: int = 0, trusted: bool = False
) -> Verdict:
    """The verdict on an attempt; never raises what the attempt raises.

    Args:
        exercise: what was asked.
        attempts: the function, class or value that was handed in; two where
            two were asked for.
        seed: of the random inputs and of the noise.
        trusted: the attempt ends by itself and changes nothing, so it runs
            without a limit, which is quicker.
    """
    early = _refused(exercise, attempts)
    if early is not None:
        return early
    if not _one_at_a_time.acquire(blocking=False):
        return Verdict(
            "stopped",
            "Another check is still running, perhaps around this one. Nothing "
            "was decided.",
        )
    try:
        return _examined(exercise, attempts, seed, trusted)
    except KeyboardInterrupt:
        return _STOPPED
    finally:
        _one_at_a_time.release()


def _examined(
    exercise: Exercise, attempts: tuple, seed: int, trusted: bool
) -> Verdict:
    run = Run()
    with Sandbox() as sandbox:
        sandbox.seed(seed)
        run.trials.extend(exercise.trials())

        def task(send: Callable) -> None:
            sandbox.printed.echo = send
            take_through(exercise, run.trials, attempts, seed, sandbox, send)

        try:
            if trusted or exercise.value:
                task(run.receive)
            else:
                apart(task, run.receive, exercise.seconds)
        except OutOfTime:
            return _out_of_time(exercise, run)
        except Ended as error:
            return _ended(exercise, run, error)
        return _judge(exercise, run, seed, sandbox)


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


def _out_of_time(exercise: Exercise, run: Run) -> Verdict:
    return Verdict(
        "wrong",
        f"It was stopped after {exercise.seconds:g} seconds, with no end in "
        "sight. Is there a loop whose condition never becomes false, or a "
        "tensor much larger than the task needs?",
        facts=(*_unfinished(exercise, run), *_printed(run.printed)),
    )


def _ended(exercise: Exercise, run: Run, error: Ended) -> Verdict:
    return Verdict(
        "wrong",
        f"It ended the Python that ran it (exit code {error}), as too much "
        "memory or a quit without an exception does. Yours was a copy, so "
        "this notebook goes on.",
        facts=(*_unfinished(exercise, run), *_printed(run.printed)),
    )


def _unfinished(exercise: Exercise, run: Run) -> list[tuple[str, str]]:
    """The input of the trial that did not come to its end."""
    if len(run.outcomes) < len(run.trials):
        return _input(exercise, run.trials[len(run.outcomes)])
    return []


def _judge(
    exercise: Exercise, run: Run, seed: int, sandbox: Sandbox
) -> Verdict:
    """The verdict, from the outcomes alone: values first, then gradients."""
    if flaw(run.outcomes[0], "nothing"):
        return Verdict("not attempted")
    for shortcoming in (_wrong_value, _wrong_slope):
        for trial, outcome in zip(run.trials, run.outcomes, strict=False):
            sentence, facts = shortcoming(trial, outcome)
            if sentence or facts:
                mistakes = recognised(exercise, run, seed, sandbox)
                shown = (*_input(exercise, trial), *facts)
                shown += tuple(_printed(outcome.printed))
                return Verdict("wrong", sentence, mistakes, shown)
    return Verdict("correct", exercise.proved)


def _wrong_value(trial: Trial, outcome: Outcome) -> tuple[str, list]:
    """(sentence, facts) of the first value that is wrong; empty if none is."""
    expected = trial.expected
    if not isinstance(expected, dict):
        expected = {VALUE: expected}
    return _first_wrong(trial, outcome, TROUBLE, expected)


def _wrong_slope(trial: Trial, outcome: Outcome) -> tuple[str, list]:
    """The same for the gradients."""
    slopes = {slope(name): it for name, it in (trial.slopes or {}).items()}
    return _first_wrong(trial, outcome, LATE, slopes)


def _first_wrong(
    trial: Trial, outcome: Outcome, trouble: str, expected: dict[str, Any]
) -> tuple[str, list]:
    flaw = outcome.found.get(trouble)
    if flaw is not None:
        return flaw.sentence, list(flaw.facts)
    for words, want in expected.items():
        got = outcome.found[words]
        if isinstance(got, Flaw):
            return got.sentence, []
        if meets(got, want, trial.tolerance):
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


def _input(exercise: Exercise, trial: Trial) -> list[tuple[str, str]]:
    """The input of a trial, as a call that the student could repeat."""
    if not trial.arguments:
        return []
    inside = ", ".join(f"{k}={brief(v)}" for k, v in trial.arguments.items())
    return [("Input", trial.shown or f"{exercise.names[0]}({inside})")]


def _printed(text: str) -> list[tuple[str, str]]:
    return [("Printed", first_lines(text))] if text.strip() else []
