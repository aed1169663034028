"""One change to a right solution: each looks like a slip of a student."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from copy import deepcopy

import torch
from torch import Tensor

from tools.attempts.cousins import ARGUMENTS, COUSINS, NOISE, WRAPS


class Tools:
    """What changed code calls; notes whether it changed anything at all."""

    name = "__tools__"

    def __init__(self):
        self.used = False
        self.kept: dict = {}

    def wrap(self, which: str, value):
        """``value`` with a change of :data:`WRAPS`, where it is a tensor."""
        if not isinstance(value, Tensor):
            return value
        self.used = True
        return WRAPS[which](value)

    def argument(self, which: str, value):
        """The same for what comes in."""
        if not isinstance(value, Tensor) or not value.is_floating_point():
            return value
        self.used = True
        return ARGUMENTS[which](value)

    def noise(self, which: str, value):
        """Noise that is shared, or not quite normal."""
        if not isinstance(value, Tensor) or value.ndim == 0:
            return value
        self.used = True
        return NOISE[which](value)

    def first(self, key: str, value):
        """The value of the first call, kept for as long as shapes agree."""
        self.used = True
        shape = getattr(value, "shape", type(value))
        return self.kept.setdefault((key, shape), value)

    def seeded(self) -> None:
        """A seed inside the function."""
        self.used = True
        torch.manual_seed(0)


def changes(part: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """(what, changed tree) for every change of one place."""
    nodes = list(ast.walk(part))
    parents = {
        inner: (node, field)
        for node in nodes
        for field, value in ast.iter_fields(node)
        for inner in (value if isinstance(value, list) else [value])
        if isinstance(inner, ast.AST)
    }
    for place, node in enumerate(nodes):
        for what, new in _of_node(node, *parents.get(node, (None, ""))):
            yield what, _replaced(part, place, new)
    yield from _of_statements(part)
    yield from _of_functions(part)


def _replaced(part: ast.AST, place: int, new: ast.AST) -> ast.AST:
    tree = deepcopy(part)
    target = list(ast.walk(tree))[place]
    if target is tree:
        return new

    class Replace(ast.NodeTransformer):
        def visit(self, node):
            return new if node is target else self.generic_visit(node)

    return Replace().visit(tree)


def _of_node(
    node: ast.AST, parent: ast.AST | None, field: str
) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(node, ast.Constant):
        yield from _of_constant(node)
    elif isinstance(node, ast.BinOp):
        yield from _of_operation(node)
    elif isinstance(node, ast.UnaryOp):
        yield "sign", node.operand
    elif isinstance(node, ast.Compare):
        for other in (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq):
            if not isinstance(node.ops[0], other):
                new = deepcopy(node)
                new.ops[0] = other()
                yield "comparison", new
    elif isinstance(node, ast.IfExp):
        yield "no condition", node.body
        yield "no condition", node.orelse
    elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
        yield "no index", node.value
        yield from _of_slice(node)
    elif isinstance(node, ast.Call):
        yield from _of_call(node)
    elif isinstance(node, ast.Attribute) and field != "func":
        for other in COUSINS.get(node.attr, ()):
            yield "cousin", ast.Attribute(node.value, other, node.ctx)
    is_value = isinstance(node, ast.BinOp | ast.Call) or (
        isinstance(node, ast.Name | ast.Attribute)
        and isinstance(node.ctx, ast.Load)
        and isinstance(parent, ast.BinOp)
    )
    if is_value and field in ("value", "left", "right", "args", "body"):
        for factor in (-1, 2, 0.5):
            yield (
                "factor",
                ast.BinOp(ast.Constant(factor), ast.Mult(), deepcopy(node)),
            )
        yield (
            "plus one",
            ast.BinOp(deepcopy(node), ast.Add(), ast.Constant(1)),
        )
        for which in WRAPS:
            yield f"wrapped: {which}", _tool("wrap", which, node)


def _of_constant(node: ast.Constant) -> Iterator[tuple[str, ast.AST]]:
    value = node.value
    if isinstance(value, bool):
        yield "flag", ast.Constant(not value)
    elif isinstance(value, int | float):
        for new in (value + 1, value - 1, -value, 2 * value, value / 2, 0):
            new = int(new) if new == int(new) else new
            if new != value:
                yield "constant", ast.Constant(new)
    elif value == "none":
        yield "reduction", ast.Constant("mean")
        yield "reduction", ast.Constant("sum")


def _of_operation(node: ast.BinOp) -> Iterator[tuple[str, ast.AST]]:
    others = {
        ast.Add: (ast.Sub, ast.Mult),
        ast.Sub: (ast.Add,),
        ast.Mult: (ast.Div, ast.Add),
        ast.Div: (ast.Mult, ast.FloorDiv),
        ast.MatMult: (ast.Mult,),
        ast.Pow: (ast.Mult,),
        ast.Mod: (ast.FloorDiv,),
        ast.FloorDiv: (ast.Div, ast.Mod),
    }
    for other in others.get(type(node.op), ()):
        yield "operator", ast.BinOp(node.left, other(), node.right)
    yield "dropped", node.left
    yield "dropped", node.right
    if not isinstance(node.op, ast.Add | ast.Mult):
        yield "swapped", ast.BinOp(node.right, node.op, node.left)


def _of_slice(node: ast.Subscript) -> Iterator[tuple[str, ast.AST]]:
    inner = node.slice
    one = ast.Constant(1)
    if isinstance(inner, ast.Slice):
        for lower, upper in (
            (inner.upper, inner.lower),
            (None, inner.upper),
            (inner.lower, None),
            (inner.lower or one, inner.upper),
            (
                inner.lower,
                inner.upper and ast.BinOp(inner.upper, ast.Sub(), one),
            ),
        ):
            yield (
                "slice",
                ast.Subscript(
                    node.value, ast.Slice(lower, upper, inner.step), node.ctx
                ),
            )
    elif not isinstance(inner, ast.Tuple):
        for op in (ast.Add, ast.Sub):
            yield (
                "index",
                ast.Subscript(
                    node.value, ast.BinOp(inner, op(), one), node.ctx
                ),
            )


def _of_call(node: ast.Call) -> Iterator[tuple[str, ast.AST]]:
    name = getattr(node.func, "attr", getattr(node.func, "id", ""))
    for other in COUSINS.get(name, ()):
        func = deepcopy(node.func)
        if isinstance(func, ast.Attribute):
            func.attr = other
        else:
            func.id = other
        yield "cousin", ast.Call(func, node.args, node.keywords)
    if isinstance(node.func, ast.Attribute):
        yield "not called", node.func.value
    for position, inner in enumerate(node.args):
        yield "argument alone", inner
        rest = [*node.args[:position], *node.args[position + 1 :]]
        yield "argument dropped", ast.Call(node.func, rest, node.keywords)
    if len(node.args) > 1:
        swapped = [node.args[1], node.args[0], *node.args[2:]]
        yield "arguments swapped", ast.Call(node.func, swapped, node.keywords)
    for position, word in enumerate(node.keywords):
        rest = [*node.keywords[:position], *node.keywords[position + 1 :]]
        yield "keyword dropped", ast.Call(node.func, node.args, rest)
        if word.arg == "dim":
            for axis in (0, 1, 2, -1):
                new = [*rest, ast.keyword("dim", ast.Constant(axis))]
                yield "axis", ast.Call(node.func, node.args, new)
    if name in ("sum", "mean", "amax", "max", "std", "var"):
        keep = [*node.keywords, ast.keyword("keepdim", ast.Constant(True))]
        yield "keepdim", ast.Call(node.func, node.args, keep)
    if name == "range":
        for op in (ast.Add, ast.Sub):
            last = ast.BinOp(node.args[-1], op(), ast.Constant(1))
            yield "range", ast.Call(node.func, [*node.args[:-1], last], [])
        if len(node.args) == 1:
            yield (
                "range",
                ast.Call(node.func, [ast.Constant(1), *node.args], []),
            )
    if name.startswith(("rand", "rsample", "sample", "normal", "bernoulli")):
        for which in NOISE:
            yield f"noise: {which}", _tool("noise", which, node)
    if name == "exp":
        yield from _fragile_exp(node)
    if name == "log":
        what = node.args[0] if node.args else node.func.value
        eps = ast.BinOp(deepcopy(what), ast.Add(), ast.Constant(1e-2))
        new = deepcopy(node)
        if node.args:
            new.args[0] = eps
        else:
            new.func.value = eps
        yield "eps inside", new


def _fragile_exp(node: ast.Call) -> Iterator[tuple[str, ast.AST]]:
    """exp(½ a) as exp(a) ** ½, which overflows first."""
    what = node.args[0] if node.args else node.func.value
    if isinstance(what, ast.BinOp) and isinstance(what.op, ast.Mult | ast.Div):
        for inner, power in ((what.left, what.right), (what.right, what.left)):
            if isinstance(power, ast.Constant):
                new = deepcopy(node)
                if node.args:
                    new.args[0] = inner
                else:
                    new.func.value = inner
                yield "fragile", ast.BinOp(new, ast.Pow(), power)


def _of_statements(part: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    for place, node in enumerate(ast.walk(part)):
        body = getattr(node, "body", None)
        if not isinstance(body, list) or len(body) < 2:
            continue
        for position in range(len(body)):
            tree = deepcopy(part)
            del list(ast.walk(tree))[place].body[position]
            yield "line dropped", tree


def _of_functions(part: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Changes at the door: what comes in, what goes out, what stays behind."""
    functions = [
        place
        for place, node in enumerate(ast.walk(part))
        if isinstance(node, ast.FunctionDef) or node is part
    ]
    for place in functions:
        node = list(ast.walk(part))[place]
        if isinstance(node, ast.ClassDef):
            continue
        names = [arg.arg for arg in node.args.args if arg.arg != "self"]
        for name in names:
            for which in ARGUMENTS:
                value = _tool("argument", which, ast.Name(name, ast.Load()))
                yield f"input {which}", _begun(part, place, name, value)
            for other in names:
                if other != name:
                    value = ast.Name(other, ast.Load())
                    yield "wrong name", _begun(part, place, name, value)
        yield "seeded inside", _ended(part, place, "seeded")
        yield "first result kept", _ended(part, place, "first")


def _begun(part: ast.AST, place: int, name: str, value: ast.expr) -> ast.AST:
    """The function with ``name = value`` in front."""
    tree = deepcopy(part)
    node = list(ast.walk(tree))[place]
    if isinstance(node, ast.Lambda):
        new = ast.NamedExpr(ast.Name(name, ast.Store()), value)
        node.body = ast.Subscript(
            ast.Tuple([new, node.body], ast.Load()),
            ast.Constant(1),
            ast.Load(),
        )
    else:
        node.body.insert(0, ast.Assign([ast.Name(name, ast.Store())], value))
    return ast.fix_missing_locations(tree)


def _ended(part: ast.AST, place: int, which: str) -> ast.AST:
    """The function that seeds, or keeps its first result."""
    tree = deepcopy(part)
    node = list(ast.walk(tree))[place]
    tools = ast.Name(Tools.name, ast.Load())
    if which == "seeded":
        call = ast.Call(ast.Attribute(tools, "seeded", ast.Load()), [], [])
        if isinstance(node, ast.Lambda):
            node.body = ast.BoolOp(ast.Or(), [call, node.body])
        else:
            node.body.insert(0, ast.Expr(call))
        return ast.fix_missing_locations(tree)
    key = ast.Constant(getattr(node, "name", "lambda"))
    for inner in [node] if isinstance(node, ast.Lambda) else ast.walk(node):
        field = "body" if isinstance(inner, ast.Lambda) else "value"
        if isinstance(inner, ast.Return) or inner is node:
            old = getattr(inner, field, None)
            if isinstance(old, ast.expr):
                keep = ast.Attribute(tools, "first", ast.Load())
                setattr(inner, field, ast.Call(keep, [key, old], []))
    return ast.fix_missing_locations(tree)


def _tool(method: str, which: str, node: ast.expr) -> ast.Call:
    tools = ast.Name(Tools.name, ast.Load())
    return ast.Call(
        ast.Attribute(tools, method, ast.Load()),
        [ast.Constant(which), deepcopy(node)],
        [],
    )
