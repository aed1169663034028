"""Recognises known mistakes by what an attempt computes.

A mistake is named only when it explains the attempt: on every trial both give
the same, and wherever the attempt is off, it is nearer to the mistake than to
the truth. When none does alone, two at once are tried. When several do, none
is named: the trials cannot tell which it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from typing import Any

import torch
from torch import Tensor

from vae_course.exercises.engine.results import Flaw, close, meets, plain
from vae_course.exercises.engine.sandbox import Sandbox
from vae_course.exercises.engine.trying import (
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

NEARER = 0.5  # times the distance to the truth: an explanation is as near


def recognised(
    exercise: Exercise, run: Run, seed: int, sandbox: Sandbox
) -> tuple[Mistake, ...]:
    """The known mistakes behind an attempt: one, two at once, or none."""
    if all(flaw(outcome, "raised") for outcome in run.outcomes):
        return ()  # there is nothing to compare

    def explains(wrong: Any) -> bool:
        known = outcomes_of(exercise, wrong, run.trials, seed, sandbox)
        return alike(run.trials, known, run.outcomes)

    fitting = [
        (mistake,)
        for mistake in exercise.mistakes
        if any(map(explains, (mistake.wrong, *mistake.also)))
    ]
    if not fitting:
        fitting = [both for both, wrong in pairs(exercise) if explains(wrong)]
        fitting = [*{frozenset(both): both for both in fitting}.values()]
    return fitting[0] if len(fitting) == 1 else ()


_pairs: dict[str, list[tuple[tuple[Mistake, Mistake], Any]]] = {}


def pairs(exercise: Exercise) -> list[tuple[tuple[Mistake, Mistake], Any]]:
    """Two mistakes and the attempt that makes both."""
    if exercise.number not in _pairs:
        _pairs[exercise.number] = [
            ((first, second), second.upon(first.wrong))
            for first, second in permutations(exercise.mistakes, 2)
            if second.upon is not None
        ]
    return _pairs[exercise.number]


_outcomes: dict[tuple, list[Outcome]] = {}


def outcomes_of(
    exercise: Exercise,
    wrong: Any,
    trials: list[Trial],
    seed: int,
    sandbox: Sandbox,
) -> list[Outcome]:
    """The outcomes of a known solution; computed once in a session."""
    key = (exercise.number, wrong, seed)
    if key not in _outcomes:
        found: list[Outcome] = []
        take_through(
            exercise, trials, as_tuple(wrong), seed, sandbox, found.append
        )
        _outcomes[key] = found
    return _outcomes[key]


def alike(
    trials: list[Trial], known: list[Outcome], attempt: list[Outcome]
) -> bool:
    """Whether a known mistake explains the outcomes of an attempt."""
    return len(known) == len(attempt) and all(
        one.found.keys() == other.found.keys()
        and all(
            close(value, other.found[words], trial.likeness)
            and _explained(value, other.found[words], wanted, trial)
            for words, value, wanted in _beside(trial, one)
        )
        for trial, one, other in zip(trials, known, attempt, strict=True)
    )


def _beside(trial: Trial, outcome: Outcome) -> Iterator[tuple[str, Any, Any]]:
    """(words, value, what was wanted) of an outcome; None for no wish."""
    wanted = trial.expected
    if not isinstance(wanted, dict):
        wanted = {VALUE: wanted}
    slopes = {slope(name): it for name, it in (trial.slopes or {}).items()}
    wanted = {**wanted, **slopes}
    for words, value in outcome.found.items():
        yield words, value, wanted.get(words)


def _explained(mistake: Any, attempt: Any, wanted: Any, trial: Trial) -> bool:
    """Whether the attempt, where it is off, is nearer to the mistake."""
    wanted = plain(wanted)
    if isinstance(wanted, AtMost) or isinstance(attempt, Flaw):
        return True
    if meets(attempt, wanted, trial.tolerance):
        return True
    to_mistake = _distance(attempt, mistake)
    to_truth = _distance(attempt, wanted)
    if to_mistake is None or to_truth is None:
        return True
    return to_mistake <= NEARER * to_truth


def _distance(one: Any, other: Any) -> float | None:
    """The largest difference between finite numbers; None without any."""
    try:
        first, second = (
            each if isinstance(each, Tensor) else torch.tensor(each)
            for each in (one, other)
        )
    except (TypeError, ValueError, RuntimeError):  # words, or ragged lists
        return None
    if first.shape != second.shape or torch.bool in (
        first.dtype,
        second.dtype,
    ):
        return None
    apart = (first - second).abs()
    apart = apart[apart.isfinite()]
    return apart.max().item() if apart.numel() else None
