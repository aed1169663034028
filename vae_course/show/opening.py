"""A chapter's result, shown before the chapter has run.

The picture is what a later cell of the notebook draws, from models that the
notebook trains; ``python -m tools.notebooks`` stores it when it has run them.
What takes longer than a notebook may is stored by a command of its own.
"""

from __future__ import annotations

from importlib.resources import files
from xml.etree import ElementTree


class Picture:
    """An SVG that is there already, with its alt text."""

    def __init__(self, svg: str):
        self.svg = svg
        self.alt = ElementTree.fromstring(svg).get("aria-label")

    def __repr__(self) -> str:
        return self.alt

    def _repr_mimebundle_(self, include=None, exclude=None):
        return (
            {"image/svg+xml": self.svg, "text/plain": self.alt},
            {"image/svg+xml": {"alt": self.alt}},
        )


def stored(name: str) -> Picture:
    """A picture of the package, as a command has stored it.

    Args:
        name: of its file in ``openings``, without ``.svg``.

    Raises:
        FileNotFoundError: there is none of that name.
    """
    path = files("vae_course.show") / "openings" / f"{name}.svg"
    return Picture(path.read_text("utf-8"))


def opening(chapter: str) -> Picture:
    """The picture that a chapter opens with.

    Args:
        chapter: its number, as the notebook's name has it: ``"02"``.

    Raises:
        FileNotFoundError: no picture is stored for it.
    """
    return stored(chapter)
