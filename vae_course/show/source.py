"""Shows the package's own source, so that code is shown, never copied."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable


class Source:
    """The source of a class or function, highlighted wherever it is shown.

    It renders as a fenced Markdown block, which Jupyter, Colab, GitHub and the
    book each highlight in their own colours, light or dark; as plain text
    elsewhere.
    """

    def __init__(self, code: str, origin: str):
        self.code = code
        self.origin = origin

    def __repr__(self) -> str:
        return f"# {self.origin}\n{self.code}"

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        return {
            "text/markdown": f"```python\n{self!r}\n```",
            "text/plain": repr(self),
        }


def show_source(obj: type | Callable, docstring: bool = False) -> Source:
    """The source of a class or function, for the last line of a cell.

    Args:
        obj: the class or function.
        docstring: keep the docstrings; without them a listing is as short as
            the idea, and ``help(obj)`` still shows them.

    Raises:
        TypeError: the object has no Python source, as built-in ones have none.
    """
    try:
        code = textwrap.dedent(inspect.getsource(obj)).rstrip()
    except (OSError, TypeError) as error:
        raise TypeError(
            f"{obj!r} has no Python source to show; pass a class or a "
            "function that is defined in a file."
        ) from error
    if not docstring:
        code = _without_docstrings(code)
    return Source(code, obj.__module__.replace(".", "/") + ".py")


def _without_docstrings(code: str) -> str:
    """Drops every docstring together with the blank lines after it."""
    lines = code.splitlines()
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    for node in reversed(
        [n for n in ast.walk(ast.parse(code)) if isinstance(n, kinds)]
    ):
        first = node.body[0]
        if ast.get_docstring(node) is None or len(node.body) == 1:
            continue
        end = first.end_lineno
        while not lines[end].strip():
            end += 1
        lines[first.lineno - 1 : end] = []
    return "\n".join(lines)
