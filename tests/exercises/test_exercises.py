"""Every exercise: right solutions pass, mistakes get their own diagnosis."""

import dataclasses
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from vae_course.exercises import registry
from vae_course.exercises.engine import cells
from vae_course.exercises.engine.checking import examine
from vae_course.exercises.exercise import as_tuple

EXERCISES = registry.all_exercises()
# Training runs take a second each; their seeds are varied less.
SLOW = {"2.9"}


def seeds(exercise):
    return range(1 if exercise.number in SLOW else 3)


def handed_in(exercise, attempt):
    """What a student hands in, from what the author wrote down."""
    if exercise.value and callable(attempt):
        attempt = attempt()
    return as_tuple(attempt)


def every(what):
    """Parameters (exercise, one of its …), with readable names."""
    found = []
    for exercise in EXERCISES:
        for position, each in enumerate(what(exercise)):
            name = getattr(each, "name", position)
            found.append(
                pytest.param(exercise, each, id=f"{exercise.number}-{name}")
            )
    return found


@pytest.fixture(params=EXERCISES, ids=lambda exercise: exercise.number)
def exercise(request):
    return request.param


def test_the_solution_is_right(exercise):
    for seed in seeds(exercise):
        attempt = handed_in(exercise, exercise.solution)
        verdict = examine(exercise, attempt, seed)
        assert verdict.status == "correct", (seed, verdict)
        assert verdict.sentence == exercise.proved


@pytest.mark.parametrize(
    ("exercise", "attempt"), every(lambda exercise: exercise.alternatives)
)
def test_a_right_answer_written_another_way_is_right(exercise, attempt):
    for seed in seeds(exercise):
        verdict = examine(exercise, handed_in(exercise, attempt), seed)
        assert verdict.status == "correct", (seed, verdict)


@pytest.mark.parametrize(
    ("exercise", "attempt"),
    every(lambda each: (each.solution, *each.alternatives)),
)
def test_right_answers_stay_right_in_double_precision(exercise, attempt):
    torch.set_default_dtype(torch.float64)
    try:
        verdict = examine(exercise, handed_in(exercise, attempt))
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    assert verdict.status == "correct", verdict


@pytest.mark.parametrize(
    ("exercise", "mistake"), every(lambda exercise: exercise.mistakes)
)
def test_a_mistake_gets_its_own_diagnosis(exercise, mistake):
    for wrong in (mistake.wrong, *mistake.also):
        for seed in seeds(exercise):
            verdict = examine(exercise, as_tuple(wrong), seed)
            assert verdict.status == "wrong"
            assert verdict.mistake is mistake, (seed, verdict)


@pytest.mark.parametrize(
    ("exercise", "mistake"), every(lambda exercise: exercise.mistakes)
)
def test_without_the_catalogue_a_mistake_is_still_wrong(exercise, mistake):
    ignorant = dataclasses.replace(exercise, mistakes=())
    verdict = examine(ignorant, as_tuple(mistake.wrong))
    assert verdict.status == "wrong"
    assert verdict.mistake is None
    assert verdict.sentence or {"Expected", "Got"} <= {
        words for words, _ in verdict.facts
    }


def test_the_stub_is_not_attempted(exercise):
    verdict = run(cells.stub(exercise), exercise)
    assert verdict.status == "not attempted", verdict


def test_the_stub_filled_in_is_right(exercise):
    verdict = run(cells.solved(exercise), exercise)
    assert verdict.status == "correct", verdict


def run(source, exercise):
    """Executes a cell; returns the verdict on what it hands to ``check``."""
    solution = exercise.solutions[0]
    verdicts = []

    def check(number, *attempts):
        assert number == exercise.number
        verdicts.append(examine(exercise, attempts))

    # What the notebook has imported by then: what the solution itself uses.
    module = vars(sys.modules[solution.__module__])
    names = {
        name: module[name]
        for name in ("torch", "math", "nn", "F", "elbo", "MLPVAE")
        if name in module
    }
    exec(compile(source, "<cell>", "exec"), {**names, "check": check})
    (verdict,) = verdicts
    return verdict


def test_an_exercise_has_all_its_parts(exercise):
    chapter, place = exercise.number.split(".")
    assert chapter.isdecimal() and place.isdecimal()
    for text in (
        exercise.title,
        exercise.prompt,
        exercise.why,
        exercise.proved,
        *exercise.hints,
    ):
        assert text.strip() == text != ""
    assert exercise.title[-1] not in ".:!"
    assert len(set(exercise.hints)) == len(exercise.hints) == 3
    assert len(exercise.mistakes) >= 3
    assert len(exercise.alternatives) >= 2
    names = [mistake.name for mistake in exercise.mistakes]
    assert len(set(names)) == len(names)
    diagnoses = [mistake.diagnosis for mistake in exercise.mistakes]
    assert len(set(diagnoses)) == len(diagnoses)
    for mistake in exercise.mistakes:
        assert mistake.diagnosis.endswith(".")
        assert mistake.tempting.endswith((".", ".)"))
    assert exercise.proved.endswith(".")
    for solution in exercise.solutions:
        assert solution.__doc__ and solution.__doc__.strip()


def test_the_last_hint_is_not_the_solution(exercise):
    # Nearly there: the student still has to put it together.
    for hint in exercise.hints:
        assert "def " not in hint


def test_numbers_are_unique_and_in_order():
    numbers = [tuple(map(int, e.number.split("."))) for e in EXERCISES]
    assert numbers == sorted(set(numbers))
    for chapter in registry.chapters():
        places = [place for number, place in numbers if number == chapter]
        assert places == list(range(1, len(places) + 1))


def test_chapters_1_and_2_have_enough_exercises():
    early = [e for e in EXERCISES if e.number[:2] in ("1.", "2.")]
    assert len(early) >= 8


def test_a_stub_is_short_enough_for_a_cell(exercise):
    assert len(cells.stub(exercise).splitlines()) <= 25


def test_a_stub_holds_nothing_of_the_solution(exercise):
    code = [
        line
        for line in cells.stub(exercise).splitlines()
        if line.strip() and not line.strip().startswith("#")
    ]
    assert code[-1] == exercise.call
    hollow = compile("\n".join(code), "<stub>", "exec")
    names = set(hollow.co_names)
    allowed = {"check", *exercise.names, "nn", "Module"}
    assert names <= allowed


@pytest.mark.skipif(
    shutil.which("ruff", path=str(Path(sys.executable).parent)) is None,
    reason="ruff is not installed",
)
def test_a_stub_is_formatted_like_any_cell(exercise):
    ruff = Path(sys.executable).with_name("ruff")
    source = cells.stub(exercise) + "\n"
    done = subprocess.run(
        [ruff, "format", "--line-length", "79", "-"],
        input=source,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert done.stdout == source


def test_the_cells_of_an_exercise(exercise):
    task, stub = cells.exercise_cells(exercise.number)
    assert task["cell_type"] == "markdown" and stub["cell_type"] == "code"
    number = exercise.number
    heading = f"### Exercise {number}: {exercise.title}\n\n"
    assert task["source"] == heading + exercise.prompt
    assert stub["metadata"]["tags"] == ["exercise"]
    assert stub["id"] == "exercise-" + number.replace(".", "-")
    assert stub["outputs"] == [] and stub["execution_count"] is None


def test_prompts_are_plain_markdown(exercise):
    for text in (exercise.prompt, exercise.why):
        assert "{" not in text.replace("\\lVert", "") or "$" in text
        assert ":::" not in text
        assert text.count("$") % 2 == 0
        assert text.count("`") % 2 == 0


def test_importing_the_engine_does_not_import_the_chapters():
    code = (
        "import sys, vae_course.exercises\n"
        "heavy = ('matplotlib', 'sklearn', 'torchvision', 'IPython',\n"
        "         'vae_course.exercises.chapter')\n"
        "print([m for m in sys.modules if m.startswith(heavy)])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
