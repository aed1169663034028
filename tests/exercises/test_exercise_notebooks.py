"""The notebooks hold the exercises just as their objects have them."""

import ast
import copy
import os
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from vae_course.exercises import registry
from vae_course.exercises.engine import cells

FOLDER = Path(__file__).parents[2] / "notebooks"
EXERCISES = registry.all_exercises()


def notebook_of(chapter):
    (path,) = FOLDER.glob(f"{chapter:02d}_*.ipynb")
    return nbformat.read(path, as_version=4)


def exercises_in(notebook):
    """id → cell, for the cells that belong to an exercise."""
    return {
        cell.id: cell
        for cell in notebook.cells
        if cell.id.startswith("exercise-")
        or "exercise" in cell.metadata.get("tags", [])
        or re.match(r"#+ Exercise\b", cell.source)
    }


@pytest.fixture(params=EXERCISES, ids=lambda exercise: exercise.number)
def exercise(request):
    return request.param


@pytest.fixture(params=registry.chapters())
def chapter(request):
    return request.param


def test_the_notebook_has_the_exercise_as_its_object_has_it(exercise):
    chapter = int(exercise.number.split(".")[0])
    found = exercises_in(notebook_of(chapter))
    for cell in cells.exercise_cells(exercise.number):
        there = found[cell["id"]]
        assert there.cell_type == cell["cell_type"]
        assert there.source == cell["source"]
        tags = cell["metadata"].get("tags", [])
        assert set(tags) <= set(there.metadata.get("tags", []))


def test_task_and_stub_stand_together_and_in_order(chapter):
    notebook = notebook_of(chapter)
    place = {cell.id: i for i, cell in enumerate(notebook.cells)}
    found = [
        place[cell["id"]]
        for exercise in registry.exercises_of(chapter)
        for cell in cells.exercise_cells(exercise.number)
    ]
    assert found == sorted(found)
    for task, stub in zip(found[::2], found[1::2], strict=True):
        assert stub == task + 1


def test_the_notebook_has_no_other_exercises(chapter):
    known = {
        cell["id"]
        for exercise in registry.exercises_of(chapter)
        for cell in cells.exercise_cells(exercise.number)
    }
    assert set(exercises_in(notebook_of(chapter))) == known


def test_what_an_answer_names_is_imported_before_it(chapter):
    # "Stuck? hint(…)" must not lead to a NameError.
    known = set()
    for cell in notebook_of(chapter).cells:
        if cell.id.startswith("exercise-"):
            break
        if cell.cell_type == "code":
            for node in ast.walk(ast.parse(cell.source)):
                if isinstance(node, ast.ImportFrom) and (
                    node.module == "vae_course.exercises"
                ):
                    known |= {alias.name for alias in node.names}
    assert known == {"check", "hint", "progress", "solution"}


def test_a_chapter_closes_with_its_progress(chapter):
    cells = notebook_of(chapter).cells
    last = max(i for i, c in enumerate(cells) if c.id.startswith("exercise-"))
    after = [c.source for c in cells[last + 1 :] if c.cell_type == "code"]
    assert f"progress({chapter})" in after


def test_stored_answers_say_that_nothing_was_attempted(exercise):
    chapter = int(exercise.number.split(".")[0])
    _, stub = cells.exercise_cells(exercise.number)
    assert (
        answer_in(exercises_in(notebook_of(chapter))[stub["id"]])
        .splitlines()[0]
        .endswith(f"{exercise.title}: not attempted yet.")
    )


def answer_in(cell):
    """The one answer among the outputs of a cell, as plain text."""
    (output,) = [out for out in cell.outputs if "data" in out]
    assert "text/html" in output.data
    return output.data["text/plain"]


def test_with_all_solutions_filled_in_the_notebook_runs_to_its_end(chapter):
    notebook = copy.deepcopy(notebook_of(chapter))
    found = exercises_in(notebook)
    for exercise in registry.exercises_of(chapter):
        _, stub = cells.exercise_cells(exercise.number)
        found[stub["id"]].source = cells.solved(exercise)
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=600,
        resources={"metadata": {"path": str(FOLDER)}},
    )
    client.execute(env={**os.environ, "OMP_NUM_THREADS": "1"})
    for exercise in registry.exercises_of(chapter):
        _, stub = cells.exercise_cells(exercise.number)
        first = answer_in(found[stub["id"]]).splitlines()[0]
        assert first.endswith(f"{exercise.title}: correct."), first
