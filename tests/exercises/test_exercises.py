"""Every exercise: right solutions pass, mistakes get their own diagnosis."""

import ast
import contextlib
import dataclasses
import functools
import inspect
import math
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from vae_course.exercises import registry
from vae_course.exercises.engine import cells, checking
from vae_course.exercises.exercise import as_tuple

EXERCISES = registry.all_exercises()
# What stands in the catalogue ends by itself; without a limit it is quicker.
examine = functools.partial(checking.examine, trusted=True)
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
            assert verdict.mistakes == (mistake,), (seed, verdict)


@pytest.mark.parametrize(
    ("exercise", "mistake"), every(lambda exercise: exercise.mistakes)
)
def test_without_the_catalogue_a_mistake_is_still_wrong(exercise, mistake):
    ignorant = dataclasses.replace(exercise, mistakes=())
    verdict = examine(ignorant, as_tuple(mistake.wrong))
    assert verdict.status == "wrong"
    assert verdict.mistakes == ()
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


def bare(code):
    """Code without spaces; mathematics as code would say it."""
    for said, meant in (("−", "-"), ("·", "*"), ("²", "**2"), ("`", "")):
        code = code.replace(said, meant)
    return re.sub(r"\s", "", code)


def statements(exercise):
    """The solution's own lines of code, and what its returns return."""
    for solution in exercise.solutions:
        for node in ast.walk(ast.parse(cells.source(solution))):
            if isinstance(node, ast.Return):
                yield ast.unparse(node.value)
            elif isinstance(node, ast.Assign | ast.AugAssign | ast.Expr):
                yield ast.unparse(node)


def test_no_hint_holds_a_line_of_the_solution(exercise):
    # Nearly there: the student still has to put it together.
    lines = [bare(line) for line in statements(exercise)]
    assert lines
    for hint in exercise.hints:
        assert "def " not in hint
        for line in lines:
            # Shorter ones are names, or the only way to say it.
            assert len(line) < 12 or line not in bare(hint), line


def test_a_hint_put_into_the_stub_is_not_yet_right(exercise):
    if exercise.value or isinstance(exercise.solution, tuple | type):
        pytest.skip("no single function is asked for")
    arguments = inspect.signature(exercise.solution)
    names = vars(sys.modules[exercise.solution.__module__])
    for hint in exercise.hints:
        spans = [span for span in re.findall(r"`([^`]+)`", hint) if code(span)]
        for body in ([spans] if spans else []) + [[span] for span in spans]:
            if not isinstance(code(body[-1]), ast.Expr):
                continue
            lines = [*body[:-1], f"return {body[-1]}"]
            source = "\n    ".join([f"def attempt{arguments}:", *lines])
            found = {**names}
            exec(source, found)
            verdict = examine(exercise, (found["attempt"],))
            assert verdict.status != "correct", body


def code(span):
    """The one statement that a span of a hint is, or None."""
    try:
        (statement,) = ast.parse(span).body
    except (SyntaxError, ValueError):
        return None
    return statement


def test_no_hint_of_a_number_computes_it(exercise):
    if not exercise.value:
        pytest.skip("no number is asked for")
    answer = exercise.solution()
    for hint in exercise.hints:
        text = re.sub(r"log (\d+)", r"log(\1)", hint.replace(",", ""))
        text = text.replace("−", "-").replace("·", "*").replace("²", "**2")
        for found in re.findall(r"(?:log|[-\d.+*/() ])+", text):
            with contextlib.suppress(SyntaxError, NameError, TypeError):
                value = eval(found.strip(" ."), {"log": math.log})
                assert value != pytest.approx(answer, rel=1e-3), found


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
