"""The right solutions of an exercise, as syntax trees that can be changed."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from tools.attempts.changes import Tools, changes
from vae_course.exercises.exercise import Exercise, as_tuple


@dataclass(frozen=True)
class Form:
    """One right solution.

    Args:
        name: "solution", or "alternative 2".
        parts: a tree for each function or class that is handed in.
        module: the names among which they were written.
        value: the parts are functions whose value is handed in.
    """

    name: str
    parts: tuple[ast.AST, ...]
    module: dict[str, Any]
    value: bool = False

    def build(self) -> tuple:
        """What a student would hand in."""
        tools = Tools()
        return tuple(self._made(part, tools) for part in self.parts)

    def _made(self, part: ast.AST, tools: Tools) -> Any:
        return made(part, self.module, tools, self.value)


@dataclass(frozen=True)
class Attempt:
    """A right solution with one thing changed.

    Args:
        form: where it comes from.
        what: the kind of change, in a word or two.
        place: which part was changed.
        tree: that part, changed.
    """

    form: Form
    what: str
    place: int
    tree: ast.AST

    def build(self) -> tuple[tuple, Tools]:
        """What a student would hand in, and the tools inside it."""
        tools = Tools()
        parts = list(self.form.parts)
        parts[self.place] = self.tree
        form = self.form
        return tuple(
            made(part, form.module, tools, form.value) for part in parts
        ), tools

    @property
    def line(self) -> str:
        """The lines that the change touches, as source code."""
        before = ast.unparse(self.form.parts[self.place]).splitlines()
        after = ast.unparse(self.tree).splitlines()
        while before and after and before[0] == after[0]:
            before, after = before[1:], after[1:]
        while before and after and before[-1] == after[-1]:
            before, after = before[:-1], after[:-1]
        text = " / ".join(line.strip() for line in after) or "(a line less)"
        return f"{self.form.name}, {self.what}: {text}"


def made(part: ast.AST, module: dict, tools: Tools, value: bool) -> Any:
    """The function, class or value that a tree stands for."""
    names = {**module, Tools.name: tools}
    if isinstance(part, ast.expr):
        tree = ast.fix_missing_locations(ast.Expression(deepcopy(part)))
        found = eval(compile(tree, "<attempt>", "eval"), names)
    else:
        tree = ast.Module([deepcopy(part)], [])
        ast.fix_missing_locations(tree)
        exec(compile(tree, "<attempt>", "exec"), names)
        found = names[part.name]
    return found() if value else found


def home(exercise: Exercise) -> ModuleType:
    """The module that makes an exercise; chapters only collect them.

    Raises:
        LookupError: it is made nowhere.
    """
    for name, module in list(sys.modules.items()):
        if name.startswith("vae_course.exercises.chapter"):
            is_chapter = hasattr(module, "__path__")
            if not is_chapter and exercise in vars(module).values():
                return module
    raise LookupError(f"exercise {exercise.number} is made in no module")


def forms(exercise: Exercise) -> list[Form]:
    """The solution, and those alternatives that stand beside the exercise."""
    module = home(exercise)
    tree = ast.parse(inspect.getsource(module))
    there = {
        node.name: node
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    }
    names = vars(module)
    # A solution may be a piece of the package that the module imports.
    for each in as_tuple(exercise.solution):
        other = sys.modules[each.__module__]
        if other is not module:
            names = {**vars(other), **names}
            (node,) = ast.parse(inspect.getsource(each)).body
            there[node.name] = node
    keywords = _keywords(tree, exercise.number)
    found = [("solution", keywords["solution"])]
    for place, each in enumerate(
        getattr(keywords["alternatives"], "elts", ())
    ):
        found.append((f"alternative {place + 1}", each))
    return [
        Form(name, parts, names, exercise.value)
        for name, node in found
        if (parts := _parts(node, there))
        and len(parts) == len(as_tuple(exercise.solution))
    ]


def attempts(exercise: Exercise) -> Iterator[Attempt]:
    """Every right solution with every one change, each text once."""
    for form in forms(exercise):
        for place, part in enumerate(form.parts):
            seen = {ast.unparse(part)}
            for what, tree in changes(part):
                text = ast.unparse(tree)
                if text not in seen:
                    seen.add(text)
                    yield Attempt(form, what, place, tree)


def _keywords(tree: ast.Module, number: str) -> dict[str, ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            found = {word.arg: word.value for word in node.keywords}
            if getattr(found.get("number"), "value", None) == number:
                return found
    raise LookupError(f"exercise {number} is not made in its own module")


def _parts(node: ast.expr, there: dict) -> tuple[ast.AST, ...]:
    """The trees behind a name, a lambda or a tuple; empty if none."""
    if isinstance(node, ast.Tuple):
        each = [_parts(inner, there) for inner in node.elts]
        return tuple(part for parts in each for part in parts)
    if isinstance(node, ast.Name) and node.id in there:
        return (_without_docstrings(there[node.id]),)
    return (node,) if isinstance(node, ast.Lambda) else ()


def _without_docstrings(tree: ast.AST) -> ast.AST:
    tree = deepcopy(tree)
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.FunctionDef | ast.ClassDef)
            and ast.get_docstring(node)
            and len(node.body) > 1
        ):
            node.body = node.body[1:]
    return tree
