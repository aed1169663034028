"""Known mistakes differ from each other and from the truth, or none is named.

A name is given for what an attempt computes. That is only fair where the
trials tell the mistakes of an exercise apart, whatever the random inputs.
"""

import dataclasses
import functools
import math

import pytest

from vae_course.exercises import registry
from vae_course.exercises.engine.checking import examine
from vae_course.exercises.engine.recognising import alike, outcomes_of
from vae_course.exercises.engine.sandbox import Sandbox
from vae_course.exercises.exercise import Trial, as_tuple

SLOW = {"2.9"}  # trains each mistake; its seeds are varied less
EXERCISES = registry.all_exercises()


@functools.cache
def outcomes(exercise, seed):
    """trials, and (name, outcomes) of the truth and of every known mistake."""
    right = exercise.solution() if exercise.value else exercise.solution
    rows = [("the truth", as_tuple(right))]
    for mistake in exercise.mistakes:
        for wrong in (mistake.wrong, *mistake.also):
            rows.append((mistake.name, as_tuple(wrong)))
    with Sandbox() as sandbox:
        sandbox.seed(seed)
        trials = list(exercise.trials())
        return trials, [
            (name, outcomes_of(exercise, wrong, trials, seed, sandbox))
            for name, wrong in rows
        ]


@pytest.mark.parametrize("seed", [0, 11])
@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda each: each.number)
def test_no_two_mistakes_look_the_same(exercise, seed):
    if exercise.number in SLOW and seed:
        pytest.skip("a training run for each")
    trials, rows = outcomes(exercise, seed)
    for name, known in rows:
        for other, attempt in rows:
            if name != other:
                assert not alike(trials, known, attempt), (name, other)


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda each: each.number)
def test_a_mistake_made_upon_the_solution_is_that_mistake(exercise):
    trials, rows = outcomes(exercise, 0)
    known = {}
    for name, found in rows:
        known.setdefault(name, []).append(found)
    with Sandbox() as sandbox:
        for mistake in exercise.mistakes:
            if mistake.upon is not None:
                wrong = as_tuple(mistake.upon(exercise.solution))
                found = outcomes_of(exercise, wrong, trials, 0, sandbox)
                assert any(
                    alike(trials, each, found) for each in known[mistake.name]
                ), mistake.name


def test_a_number_in_the_place_of_a_yes_or_no_ends_no_check():
    """There is no distance between them, and nothing to raise either."""
    known = registry.find("1.2")
    mistake = dataclasses.replace(
        known.mistakes[0], wrong=lambda: math.nan, also=()
    )
    trial = Trial({}, {"yes": True}, lambda attempt: {"yes": attempt()})
    exercise = dataclasses.replace(
        known, number="0.0", trials=lambda: [trial], mistakes=(mistake,)
    )
    verdict = examine(exercise, (lambda: math.nan,), trusted=True)
    assert verdict.mistakes == (mistake,)
