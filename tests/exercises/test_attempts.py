"""Attempts as students write them: the right pass, the wrong are told so.

``attempts/chapterNN.py`` holds them: right ones in odd styles, wrong ones
with the mistake that must be named, or None where any name would be false.
"""

import importlib.util
import json
from pathlib import Path

import pytest

from vae_course.exercises import registry
from vae_course.exercises.engine.checking import examine
from vae_course.exercises.exercise import as_tuple


def load(file):
    spec = importlib.util.spec_from_file_location(file.stem, file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FILES = sorted((Path(__file__).parent / "attempts").glob("chapter*.py"))
CHAPTERS = [load(file) for file in FILES]
NUMBERS = [number for chapter in CHAPTERS for number in chapter.RIGHT]
RIGHT = [
    pytest.param(number, attempt, id=f"{number}-{label}")
    for chapter in CHAPTERS
    for number, attempts in chapter.RIGHT.items()
    for label, attempt in attempts.items()
]
WRONG = [
    pytest.param(number, *attempt, id=f"{number}-{label}")
    for chapter in CHAPTERS
    for number, attempts in chapter.WRONG.items()
    for label, attempt in attempts.items()
]


@pytest.mark.parametrize("number", NUMBERS)
def test_each_exercise_has_enough_of_both(number):
    (chapter,) = (each for each in CHAPTERS if number in each.RIGHT)
    exercise = registry.find(number)
    assert len(chapter.RIGHT[number]) >= 6
    assert len(chapter.WRONG[number]) >= 20
    known = {mistake.name for mistake in exercise.mistakes}
    names = {name for _, name in chapter.WRONG[number].values()}
    assert names - {None} <= known


@pytest.mark.parametrize(("number", "attempt"), RIGHT)
def test_a_right_attempt_is_accepted(number, attempt):
    verdict = examine(registry.find(number), as_tuple(attempt))
    assert verdict.status == "correct", verdict


@pytest.mark.parametrize(("number", "attempt", "name"), WRONG)
def test_a_wrong_attempt_gets_its_name_or_none(number, attempt, name):
    verdict = examine(registry.find(number), as_tuple(attempt))
    assert verdict.status == "wrong"
    found = verdict.mistake.name if verdict.mistake else None
    assert found == name, verdict
    assert verdict.mistake or verdict.sentence or verdict.facts


def test_wrong_attempts_made_by_machine_are_refused_or_have_a_reason():
    root = Path(__file__).parents[2]
    text = (root / "results" / "attempts.json").read_text("utf-8")
    made = json.loads(text)["exercises"]
    assert list(made) == [each.number for each in registry.all_exercises()]
    for number, each in made.items():
        assert each["tried"] > 50, number
        assert all(one["reason"] for one in each["survivors"]), number
