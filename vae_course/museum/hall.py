"""A walk through the museum: symptoms and numbers first, the code last."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable

from vae_course.museum.exhibit import VERSIONS, Exhibit

ADDRESS = "https://vae-course.github.io/vae-course/"


class Hall:
    """Exhibits as a page shows them: what was found is folded.

    Args:
        exhibits: to show, in this order.
        first: number of the first.
    """

    def __init__(self, exhibits: Iterable[Exhibit], first: int = 1):
        self.exhibits, self.first = tuple(exhibits), first

    def __repr__(self) -> str:
        return "\n".join(
            f"{number}. {each.title}: {each.instrument}: "
            f"{short(each.measure('broken'))} "
            f"(healthy: {band(each)})"
            for number, each in self._numbered()
        )

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        cards = (card(n, each) for n, each in self._numbered())
        return {
            "text/markdown": "\n\n".join(cards),
            "text/plain": repr(self),
        }

    def _numbered(self) -> Iterable[tuple[int, Exhibit]]:
        return enumerate(self.exhibits, self.first)


def card(number: int, each: Exhibit) -> str:
    """One exhibit in Markdown: symptom and number, and the rest folded."""
    broken, mended = (short(each.measure(v)) for v in VERSIONS)
    return "\n\n".join(
        [
            f"**{number}. {each.title}.** {each.sees}",
            f"*Measured:* {each.instrument}: **{broken}**, where healthy is "
            f"{band(each)}.",
            "<details><summary>What it was</summary>",
            f"{each.fault} Mended, the number is {mended}.",
            f"```diff\n{difference(each)}\n```",
            f"*{each.lesson}* [The right version]({ADDRESS}{each.derived_in})",
            "</details>",
        ]
    )


def difference(each: Exhibit) -> str:
    """The code of the broken piece with its mend, line by line."""
    broken, mended = (each.source(v).code.splitlines() for v in VERSIONS)
    lines = difflib.ndiff(broken, mended)
    return "\n".join(line for line in lines if not line.startswith("?"))


def short(number: float) -> str:
    """A measurement in three digits; what is only rounding counts as 0."""
    return f"{number:.3g}" if abs(number) > 1e-6 else "0"


def band(each: Exhibit) -> str:
    """The healthy band in words."""
    low, high = each.healthy
    if math.isinf(high):
        return f"{low:g} and more" if low > 1e-3 else "above 0"
    if low == high or high - low < 0.02 * max(abs(low), abs(high)):
        return f"{(low + high) / 2:.3g}"
    if high < 1e-3:
        return "0"
    return f"{low:g} to {high:g}"
