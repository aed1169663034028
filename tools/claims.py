"""Finds claims that cannot fail, by reading them.

A claim is worth its sentence only if its condition could have come out false.
``empty_claims`` names those whose condition is settled before anything has
been computed: constants, comparisons of a thing with itself, numbers that are
never negative and are said not to be, and whatever follows from literals
alone.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nbformat import NotebookNode

# Functions that make literals of literals.
PURE = {
    *("abs", "all", "any", "bool", "dict", "enumerate", "float", "int", "len"),
    *("list", "max", "min", "range", "reversed", "round", "set", "sorted"),
    *("str", "sum", "tuple", "zip"),
}
NOT_NEGATIVE = {
    *("abs", "count_nonzero", "len", "norm", "numel", "square", "std", "var"),
}
WRAPPERS = {"bool", "all", "any"}
SAME = (ast.Eq, ast.LtE, ast.GtE, ast.Is)


def empty_claims(notebook: NotebookNode) -> Iterator[str]:
    """The sentences of a notebook's claims that cannot fail."""
    trees = [
        ast.parse(cell.source)
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]
    known = _assignments(trees)
    for tree in trees:
        for call in claims(tree):
            condition = _condition(call)
            if condition is None or _settled(condition, known):
                yield ast.unparse(call.args[0]) if call.args else "claim()"


def claims(tree: ast.AST) -> Iterator[ast.Call]:
    """The calls of ``claim`` in a cell."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _name(node.func) == "claim":
            yield node


def _condition(call: ast.Call) -> ast.expr | None:
    if len(call.args) > 1:
        return call.args[1]
    return next((k.value for k in call.keywords if k.arg == "holds"), None)


def _assignments(trees: list[ast.Module]) -> dict[str, ast.expr | None]:
    """name → the one expression it stands for; None where that is open."""
    known: dict[str, ast.expr | None] = {}
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and len(node.targets) == 1:
                target = node.targets[0]
                if isinstance(target, ast.Name):
                    again = target.id in known
                    known[target.id] = None if again else node.value
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                known.setdefault(node.id, None)
    for tree in trees:  # a name that changes stands for no one thing
        for node in ast.walk(tree):
            if isinstance(node, ast.AugAssign | ast.For):
                for name in ast.walk(node.target):
                    if isinstance(name, ast.Name):
                        known[name.id] = None
    return known


def _settled(node: ast.expr, known: dict) -> bool:
    """Whether a condition is true whatever has been computed."""
    if _literal(node, known, set()):
        return True
    if isinstance(node, ast.Name):
        value = known.get(node.id)
        return value is not None and _settled(value, {**known, node.id: None})
    if isinstance(node, ast.Tuple | ast.List | ast.Dict | ast.Lambda):
        return True  # true because it is there
    if isinstance(node, ast.BoolOp):
        each = [_settled(value, known) for value in node.values]
        return any(each) if isinstance(node.op, ast.Or) else all(each)
    if isinstance(node, ast.Call) and _name(node.func) in WRAPPERS:
        if isinstance(node.func, ast.Attribute) and not node.args:
            return _settled(node.func.value, known)  # (a < b).all()
        inner = node.args[0] if node.args else None
        if isinstance(inner, ast.GeneratorExp | ast.ListComp):
            return _settled(inner.elt, known)
        if isinstance(inner, ast.List | ast.Tuple):
            each = [_settled(e, known) for e in inner.elts]
            some = _name(node.func) == "any"
            return any(each) if some else all(each)
        return inner is None or (
            _name(node.func) == "bool" and _settled(inner, known)
        )
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        left, right = node.left, node.comparators[0]
        op = node.ops[0]
        if isinstance(op, SAME) and ast.dump(left) == ast.dump(right):
            # Two calls may differ: that they do not is worth a claim.
            return not any(isinstance(n, ast.Call) for n in ast.walk(left))
        if isinstance(op, ast.GtE | ast.Gt):
            return _never_below(left, right, isinstance(op, ast.GtE))
        if isinstance(op, ast.LtE | ast.Lt):
            return _never_below(right, left, isinstance(op, ast.LtE))
    return False


def _never_below(high: ast.expr, low: ast.expr, equal: bool) -> bool:
    """Whether a length, a square or a size is said not to be negative."""
    try:
        bound = ast.literal_eval(low)
    except ValueError:
        return False
    if not isinstance(bound, int | float):
        return False
    if bound > 0 or (bound == 0 and not equal):
        return False
    if isinstance(high, ast.BinOp) and isinstance(high.op, ast.Pow):
        return isinstance(high.right, ast.Constant) and high.right.value == 2
    while isinstance(high, ast.Call) and _name(high.func) in {
        *("item", "mean", "sum", "max", "min", "float", "int"),
    }:
        inside = (
            high.func.value
            if isinstance(high.func, ast.Attribute)
            else (high.args[0] if high.args else None)
        )
        if inside is None:
            return False
        high = inside
    return isinstance(high, ast.Call) and _name(high.func) in NOT_NEGATIVE


def _literal(node: ast.AST, known: dict, seen: set[str]) -> bool:
    """Whether nothing but literals stands behind an expression."""
    if isinstance(node, ast.Constant):
        return True
    if isinstance(node, ast.Name):
        value = known.get(node.id)
        if value is None or node.id in seen:
            return False
        return _literal(value, known, seen | {node.id})
    if isinstance(node, ast.Call):
        pure = (isinstance(node.func, ast.Name) and node.func.id in PURE) or (
            isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "math"
        )
        inside = [*node.args, *(k.value for k in node.keywords)]
        return pure and all(_literal(a, known, seen) for a in inside)
    if isinstance(node, ast.Attribute):
        return isinstance(node.value, ast.Name) and node.value.id == "math"
    parts = [
        child
        for child in ast.iter_child_nodes(node)
        if isinstance(child, ast.expr)
    ]
    if not parts or isinstance(node, ast.comprehension | ast.Lambda):
        return False
    return all(_literal(part, known, seen) for part in parts)


def _name(node: ast.expr) -> str:
    """The last part of a function's name."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
