"""Small wrong changes of a module, made from its syntax tree."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass

SWAPS = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.And: ast.Or,
    ast.Or: ast.And,
}
DELETED = ast.Expr | ast.AugAssign | ast.Raise | ast.Return
# Where a change is no fault: types, and texts with holes, whose pieces have
# no place of their own before Python 3.12.
PASSED_OVER = ("annotation", "returns")


@dataclass(frozen=True)
class Mutant:
    """One change: its line, what it is in words, and the changed module."""

    line: int
    what: str
    source: str


def mutants(source: str) -> Iterator[Mutant]:
    """Every change of a module that these rules know, from top to bottom."""
    for node in _nodes(ast.parse(source)):
        for changed in _changed(node):
            made = _replaced(source, node, ast.unparse(changed))
            what = f"{_short(node)} -> {_short(changed)}"
            if isinstance(node, ast.Constant):  # which says little alone
                what += f" in {source.splitlines()[node.lineno - 1].strip()}"
            yield Mutant(node.lineno, what, made)


def _nodes(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that stand somewhere, each before what is inside it."""
    if isinstance(node, ast.JoinedStr):
        return
    if hasattr(node, "lineno"):
        yield node
    for name, value in ast.iter_fields(node):
        if name in PASSED_OVER:
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _nodes(child)


def _changed(node: ast.AST) -> Iterator[ast.AST]:
    """The node with one thing in it changed, in every way."""
    match node:
        case ast.Compare(ops=[operator]) | ast.BinOp(op=operator):
            yield from _swapped(node, operator)
        case ast.AugAssign(op=operator) | ast.BoolOp(op=operator):
            yield from _swapped(node, operator)
        case ast.UnaryOp(operand=operand):
            yield operand
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int() | float() as value):
            yield ast.Constant(value + 1)
        case ast.IfExp():
            yield _with(node, test=ast.UnaryOp(ast.Not(), node.test))
        case ast.Call():
            yield from _calls(node)
    if isinstance(node, DELETED) and not _is_docstring(node):
        yield ast.Pass()


def _swapped(node: ast.AST, operator: ast.AST) -> Iterator[ast.AST]:
    other = SWAPS.get(type(operator))
    if other is not None:
        compared = isinstance(node, ast.Compare)
        change = {"ops": [other()]} if compared else {"op": other()}
        yield _with(node, **change)


def _calls(node: ast.Call) -> Iterator[ast.AST]:
    """A call whose first arguments change places, or that loses a name."""
    first, *rest = node.args or [None]
    starred = any(isinstance(arg, ast.Starred) for arg in node.args)
    if rest and not starred:
        yield _with(node, args=[rest[0], first, *rest[1:]])
    for keyword in node.keywords:
        kept = [k for k in node.keywords if k is not keyword]
        yield _with(node, keywords=kept)


def _with(node: ast.AST, **change) -> ast.AST:
    changed = copy.copy(node)
    for name, value in change.items():
        setattr(changed, name, value)
    return changed


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _replaced(source: str, node: ast.AST, text: str) -> str:
    """The module with a node's text replaced; columns count bytes."""
    lines = [line.encode() for line in source.splitlines(keepends=True)]
    before = b"".join(lines[: node.lineno - 1])
    before += lines[node.lineno - 1][: node.col_offset]
    after = lines[node.end_lineno - 1][node.end_col_offset :]
    after += b"".join(lines[node.end_lineno :])
    bracketed = text if isinstance(node, ast.stmt) else f"({text})"
    return (before + bracketed.encode() + after).decode()


def _short(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 70 else f"{text[:67]}..."
