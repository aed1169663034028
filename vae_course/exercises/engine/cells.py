"""An exercise as cells of a notebook: the task, and the stub."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable

from vae_course.exercises.exercise import Exercise
from vae_course.exercises.registry import find


def stub(exercise: Exercise) -> str:
    """The source of the student's cell: signatures, docstrings, ``...``.

    Made from the solution's own source, so the two cannot drift apart. The
    last line asks for the check.
    """
    if exercise.value:
        words = inspect.getdoc(exercise.solution).splitlines()
        comment = [f"# {line}".rstrip() for line in words]
        line = f"{exercise.names[0]} = ..."
        return "\n".join([*comment, line, "", exercise.call])
    hollow = map(_hollow, exercise.solutions)
    return "\n\n\n".join([*hollow, exercise.call])


def solved(exercise: Exercise) -> str:
    """The same cell with the solution filled in."""
    parts = [source(each) for each in exercise.solutions]
    if exercise.value:
        name = exercise.names[0]
        parts.append(f"{name} = {name}()")
    return "\n\n\n".join([*parts, exercise.call])


def exercise_cells(number: str) -> list[dict]:
    """An exercise as a notebook stores it: the task's cell and the stub's.

    Raises:
        NoSuchExercise: there is no exercise of this number.
    """
    exercise = find(number)
    name = "exercise-" + number.replace(".", "-")
    return [
        {
            "cell_type": "markdown",
            "id": name + "-task",
            "metadata": {},
            "source": task(exercise),
        },
        {
            "cell_type": "code",
            "id": name,
            "metadata": {"tags": ["exercise"]},
            "execution_count": None,
            "outputs": [],
            "source": stub(exercise),
        },
    ]


def task(exercise: Exercise) -> str:
    """The Markdown above the stub."""
    heading = f"### Exercise {exercise.number}: {exercise.title}"
    return f"{heading}\n\n{exercise.prompt}"


def source(solution: Callable | type) -> str:
    """The source of a solution, docstring and all."""
    return textwrap.dedent(inspect.getsource(solution)).rstrip()


def _hollow(solution: Callable | type) -> str:
    """A function or class with ``...`` for the body of each function."""
    code = source(solution)
    lines = code.splitlines()
    tree = ast.parse(code).body[0]
    functions = [tree]
    if isinstance(tree, ast.ClassDef):
        functions = [
            node for node in tree.body if isinstance(node, ast.FunctionDef)
        ]
    for node in reversed(functions):
        first = node.body[0]
        kept = (
            first.end_lineno if ast.get_docstring(node) else first.lineno - 1
        )
        indent = " " * first.col_offset
        lines[kept : node.end_lineno] = [f"{indent}..."]
    return "\n".join(lines)
