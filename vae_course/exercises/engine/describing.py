"""Short words for values of any kind; safe for objects that misbehave."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

LONGEST = 12  # numbers in a tensor or list that is still written out


def kind(value: Any, article: bool = True) -> str:
    """The type of a value: "a list", "an int"; or without the article."""
    name = str(type.__dict__["__name__"].__get__(type(value)))
    if not article:
        return name
    return f"an {name}" if name[:1].lower() in "aeiou" else f"a {name}"


def shape(value: Tensor | torch.Size | tuple) -> str:
    """A shape as this course writes it: ``(3, 20)``, ``(3,)``, ``()``."""
    return str(tuple(getattr(value, "shape", value)))


def number(value: float, digits: int = 4) -> str:
    """A number with so many significant digits, with a proper minus sign."""
    return f"{float(value):.{digits}g}".replace("-", "−")


def brief(value: Any, digits: int = 4) -> str:
    """A value on one short line.

    Only values of known types are asked what they look like; of any other
    object the type is named, because a stranger's ``__repr__`` may do
    anything.
    """
    if isinstance(value, bool) or value is None:
        return str(value)
    if type(value) is str:
        return repr(value if len(value) <= 60 else value[:57] + "…")
    if isinstance(value, int) and abs(value) >= 10**9:
        return "an int of ten digits or more"
    if isinstance(value, int | float):
        return number(value, 9 if isinstance(value, int) else digits)
    if isinstance(value, Tensor):
        return _tensor(value, digits)
    if type(value) in (list, tuple):
        if len(value) > LONGEST:
            return f"{kind(value)} of {len(value)}"
        inside = ", ".join(brief(item, digits) for item in value)
        return f"[{inside}]" if type(value) is list else f"({inside})"
    return kind(value)


def _tensor(value: Tensor, digits: int) -> str:
    if value.numel() > LONGEST or value.device.type == "meta":
        name = str(value.dtype).removeprefix("torch.")
        return f"a {name} tensor of shape {shape(value)}"
    return brief(value.detach().cpu().tolist(), digits)


def contrast(
    expected: Any, got: Any, wrong: Any = None
) -> tuple[str, str, str]:
    """Expected and got as texts that differ, and where to look.

    Args:
        expected: a tensor, number, bool, string or list.
        got: the same kind of thing.
        wrong: for tensors, which elements differ (bool, the same shape).

    Returns:
        (expected, got, place); the place is empty unless both are large
        tensors, of which only the first differing element is shown.
    """
    place = ""
    if isinstance(wrong, Tensor) and expected.numel() > LONGEST:
        index = tuple(wrong.nonzero()[0].tolist())
        place = (
            f"at [{', '.join(map(str, index))}] "
            f"({int(wrong.sum())} of {wrong.numel()} numbers differ)"
        )
        expected, got = expected[index].item(), got[index].item()
    for digits in (4, 7, 12, 17):
        texts = brief(expected, digits), brief(got, digits)
        if texts[0] != texts[1]:
            break
    return (*texts, place)


def first_lines(text: str, lines: int = 4, width: int = 72) -> str:
    """The beginning of a text that may be very long."""
    rows = text.rstrip().split("\n")
    kept = [
        row if len(row) <= width else row[: width - 1] + "…"
        for row in rows[:lines]
    ]
    return "\n".join([*kept, "…"] if len(rows) > lines else kept)
