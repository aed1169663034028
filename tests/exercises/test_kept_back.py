"""One setting keeps the solutions back, in the notebook and in the book."""

import sys

import pytest

from tools.address import ROOT
from vae_course.exercises import asking, check, hint, registry, solution
from vae_course.exercises.engine.cells import source

sys.path.append(str(ROOT / "book" / "_ext"))
from course_pages import solutions as pages

EXERCISES = registry.all_exercises()


@pytest.fixture
def kept_back(monkeypatch):
    monkeypatch.setattr(asking, "SHOW_SOLUTIONS", False)
    monkeypatch.setattr(asking, "_record", asking.Record())


def everything(exercise):
    """What the book says of an exercise, under it and on its own page."""
    chapter = int(exercise.number.partition(".")[0])
    env = type("", (), {"found_docs": (), "note_dependency": str})()
    app = type("", (), {"env": env})()
    lines = [*pages.help_for(exercise), *pages._page(app, chapter)]
    return "\n".join(lines)


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda each: each.number)
def test_no_solution_is_shown_anywhere(exercise, kept_back):
    said = str(solution(exercise.number)) + everything(exercise)
    for _ in exercise.hints:
        said += str(hint(exercise.number))
    assert asking.KEPT_BACK in said
    assert "def " not in said and "class " not in said
    assert f'solution("{exercise.number}")' not in said
    assert exercise.why not in said and exercise.mistakes[0].name not in said
    assert exercise.hints[0] in everything(exercise)


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda each: each.number)
def test_otherwise_it_is_shown_in_all_of_them(exercise):
    for said in (str(solution(exercise.number)), everything(exercise)):
        assert source(exercise.solutions[0]) in said


def test_a_wrong_attempt_after_three_hints_is_not_led_to_it(kept_back):
    for _ in range(3):
        hint("1.1")
    answer = str(check("1.1", lambda *given: given[0] * 0))
    assert asking.KEPT_BACK in answer and "solution(" not in answer
