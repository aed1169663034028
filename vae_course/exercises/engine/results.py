"""What an attempt hands back, looked at from the outside in.

Kind, device, shape and type are judged before any value is touched, so that a
huge tensor, or an object that only looks like one, costs nothing. What passes
becomes plain data, which later steps compare without asking the attempt again.
"""

from __future__ import annotations

import inspect
import math
import numbers
import types
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vae_course.exercises.engine.describing import brief, kind, shape
from vae_course.exercises.exercise import AtMost

READ_WHOLE = 1_000_000  # numbers; larger results of a wrong shape stay unread


@dataclass(frozen=True)
class Flaw:
    """Something wrong with a result before its values are compared.

    Args:
        kind: one word for what it is: "raised", "shape", …
        sentence: what the student is told.
        evidence: what two attempts with the same flaw have in common.
        facts: (words, text) that go with the sentence.
    """

    kind: str
    sentence: str
    evidence: Any = None
    facts: tuple[tuple[str, str], ...] = ()


class Flawed(Exception):
    """Carries a :class:`Flaw` out of a measurement."""

    def __init__(self, kind: str, sentence: str, evidence: Any = None):
        super().__init__(sentence)
        self.flaw = Flaw(kind, sentence, evidence)


def something(result: Any, what: str = "the result") -> Any:
    """The result, unless it is None or ``...``, as an empty stub returns.

    Raises:
        Flawed: there is nothing.
    """
    if result is None or result is ...:
        word = "None" if result is None else "`...`"
        raise Flawed("nothing", f"{_start(what)} is {word}.")
    return result


def a_tensor(
    result: Any,
    wanted: Sequence[int],
    like: Tensor | None = None,
    what: str = "the result",
    weigh_values: bool = True,
) -> Tensor:
    """The result as an ordinary tensor, still attached to its graph.

    Args:
        result: what the attempt returned.
        wanted: the shape it must have.
        like: a tensor whose dtype and device it must have; None: any.
        what: its name in a sentence.
        weigh_values: two results of the same wrong shape are the same mistake
            only if their values agree, too; not so for random weights.

    Raises:
        Flawed: it is something else.
    """
    something(result, what)
    if not isinstance(result, Tensor):
        raise _of_wrong_kind(
            result, f"a tensor of shape {shape(wanted)}", what
        )
    if type(result) is not Tensor:  # a subclass may redefine anything
        with torch._C.DisableTorchFunctionSubclass():
            result = result.as_subclass(Tensor)
    if result.device.type == "meta":
        raise Flawed(
            "device",
            f"{_start(what)} is on the device 'meta', where tensors have a "
            "shape and no values.",
        )
    if result.layout is not torch.strided:
        raise Flawed(
            "layout",
            f"{_start(what)} has the layout {result.layout}; an ordinary, "
            "dense tensor is expected.",
        )
    if tuple(result.shape) != tuple(wanted):
        raise Flawed(
            "shape",
            f"{_start(what)} has shape {shape(result)}; expected "
            f"{shape(wanted)}.",
            _evidence(result) if weigh_values else shape(result),
        )
    if like is not None and result.device != like.device:
        raise Flawed(
            "device",
            f"{_start(what)} is on the device {str(result.device)!r}; the "
            f"input is on {str(like.device)!r}, and the result should be, "
            f"too.",
        )
    if like is not None and result.dtype != like.dtype:
        raise Flawed(
            "dtype",
            f"{_start(what)} holds {result.dtype}; the input holds "
            f"{like.dtype}, and the result should, too.",
            (str(result.dtype), _evidence(result)),
        )
    return result


def a_number(result: Any, what: str = "the result") -> float:
    """The result as a float: from a number of any kind, or one in a tensor.

    Raises:
        Flawed: it is something else.
    """
    something(result, what)
    if isinstance(result, Tensor):
        one = (1,) * result.ndim if result.numel() == 1 else ()
        result = a_tensor(result, one, what=what).detach().item()
    if type(result) is np.ndarray and result.size == 1:
        result = result.item()
    if not isinstance(result, numbers.Real | Decimal) or (
        isinstance(result, bool)
    ):
        raise _of_wrong_kind(result, "a number", what)
    try:
        return float(result)
    except OverflowError:  # an int of more than 308 digits
        return math.inf if result > 0 else -math.inf


def a_list(
    result: Any, what: str = "the result", length: int | None = None
) -> list[float]:
    """The result as numbers: from a list, tuple, range, array or tensor.

    An entry may be any number that :func:`a_number` takes.

    Raises:
        Flawed: it is something else, or of another length.
    """
    something(result, what)
    if not isinstance(result, list | tuple | range | np.ndarray | Tensor):
        raise _of_wrong_kind(result, "a list of numbers", what)
    if isinstance(result, Tensor | np.ndarray) and result.ndim != 1:
        raise Flawed(
            "shape",
            f"{_start(what)} has shape {shape(result)}; one row of numbers is "
            "expected.",
        )
    if length is not None and len(result) != length:
        raise Flawed(
            "length",
            f"{_start(what)} has {len(result)} entries; expected {length}.",
            len(result),
        )
    if len(result) > READ_WHOLE:
        raise Flawed(
            "length",
            f"{_start(what)} has {len(result)} entries: far too many.",
        )
    return [a_number(item, f"an entry of {what}") for item in result]


def plain(value: Any) -> Any:
    """The value cut off from what made it; tensors as float64 on the CPU."""
    if isinstance(value, Tensor):
        value = value.detach()
        wide = torch.complex128 if value.is_complex() else torch.float64
        return value.to("cpu", wide, copy=True)
    return value


def close(first: Any, second: Any, tolerance: float) -> bool:
    """Whether two plain values agree within ``tolerance`` · (1 + |first|)."""
    if isinstance(first, Flaw) and isinstance(second, Flaw):
        same_kind = first.kind == second.kind
        return same_kind and close(first.evidence, second.evidence, tolerance)
    if isinstance(first, Tensor) and isinstance(second, Tensor):
        same_shape = first.shape == second.shape
        return same_shape and not differing(first, second, tolerance).any()
    if isinstance(first, list | tuple) and isinstance(second, list | tuple):
        return len(first) == len(second) and all(
            close(a, b, tolerance) for a, b in zip(first, second, strict=True)
        )
    if isinstance(first, bool) or isinstance(second, bool):
        return first is second
    if isinstance(first, int | float) and isinstance(second, int | float):
        one, other = torch.tensor([first, second], dtype=torch.float64)
        return not differing(one, other, tolerance)
    return type(first) is type(second) and first == second


def meets(got: Any, want: Any, tolerance: float) -> bool:
    """Whether a plain value is what was wanted."""
    if isinstance(want, AtMost):
        return got <= want
    return close(plain(want), got, tolerance)


def differing(first: Tensor, second: Tensor, tolerance: float) -> Tensor:
    """Which elements differ by more than ``tolerance`` · (1 + |first|)."""
    if first.is_complex() != second.is_complex():
        return torch.ones(first.shape, dtype=torch.bool)
    near = (first - second).abs() <= tolerance * (1 + first.abs())
    alike = (first == second) | (first.isnan() & second.isnan())  # and inf
    return ~(near & first.isfinite() | alike)


def _of_wrong_kind(result: Any, wanted: str, what: str) -> Flawed:
    name = kind(result)
    advice = ""
    if isinstance(result, types.CoroutineType):
        result.close()  # or Python warns that nobody awaited it
        advice = " A function defined with `async` has to be awaited."
    elif inspect.isgenerator(result):
        advice = " A function with `yield` returns a generator; use `return`."
    elif inspect.isroutine(result) or isinstance(result, type | nn.Module):
        advice = " Was it meant to be called?"
    elif isinstance(result, np.ndarray):
        advice = " Stay with torch from start to end, or gradients are lost."
    elif isinstance(result, torch.distributions.Distribution):
        advice = " Ask the distribution for what you need: a mean, a sample, …"
    elif isinstance(result, bool | int | float | str):
        name += f" ({brief(result)})"
    sentence = f"{_start(what)} is {name}; expected {wanted}.{advice}"
    return Flawed("kind", sentence, name)


def _start(what: str) -> str:
    return what[:1].upper() + what[1:]


def _evidence(result: Tensor) -> Any:
    """The values of a result, where they are few; else its shape."""
    return shape(result) if result.numel() > READ_WHOLE else plain(result)
