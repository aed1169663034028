"""A chapter's result, shown before the chapter has run.

The picture is what a later cell of the notebook draws, from models that the
notebook trains; ``python -m tools.notebooks`` stores it when it has run them.
What takes longer than a notebook may is stored by a command of its own.
"""

from __future__ import annotations

import base64
from importlib.resources import files
from xml.etree import ElementTree


class Picture:
    """An SVG that is there already, with its alt text.

    Args:
        svg: as text; its ``aria-label`` is the alt text.
        jpeg: the same in pixels, in base64, for viewers that show no SVG;
            None where the notebook's outputs hold them already.
    """

    def __init__(self, svg: str, jpeg: str | None = None):
        self.svg, self.jpeg = svg, jpeg
        self.alt = ElementTree.fromstring(svg).get("aria-label")

    def __repr__(self) -> str:
        return self.alt

    def _repr_mimebundle_(self, include=None, exclude=None):
        shown = {"image/svg+xml": self.svg, "image/jpeg": self.jpeg}
        shown = {kind: content for kind, content in shown.items() if content}
        return (
            {**shown, "text/plain": self.alt},
            {kind: {"alt": self.alt} for kind in shown},
        )


def stored(name: str) -> Picture:
    """A picture of the package, as a command has stored it.

    Args:
        name: of its file in ``openings``, without ``.svg``.

    Raises:
        FileNotFoundError: there is none of that name.
    """
    folder = files("vae_course.show") / "openings"
    svg = (folder / f"{name}.svg").read_text("utf-8")
    pixels = folder / f"{name}.jpg"
    if not pixels.is_file():
        return Picture(svg)
    return Picture(svg, base64.b64encode(pixels.read_bytes()).decode("ascii"))


def opening(chapter: str) -> Picture:
    """The picture that a chapter opens with.

    Args:
        chapter: its number, as the notebook's name has it: ``"02"``.

    Raises:
        FileNotFoundError: no picture is stored for it.
    """
    return stored(chapter)
