"""``**Figure 2.1.** …`` right after a picture becomes its caption."""

from __future__ import annotations

import re

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

from course_pages.cells import (
    bold_start,
    bundles,
    is_cell,
    outputs,
    parents,
    starts_with,
    warn,
)
from course_pages.elements import element

NUMBER = re.compile(r"Figure (\d+)\.(\d+)\.?")


class Captions(SphinxTransform):
    """Joins each picture with the paragraph that says what to see in it."""

    default_priority = 710

    def apply(self, **kwargs) -> None:
        """Changes the page in place."""
        for parent in list(parents(self.document)):
            before = None
            for node in list(parent.children):
                match = NUMBER.fullmatch(starts_with(node))
                if match is not None:
                    self._join(node, before, f"figure-{match[1]}-{match[2]}")
                before = node

    def _join(self, words, before, name: str) -> None:
        """Moves the words under the last picture of the cell before them."""
        cell = before if before is not None and is_cell(before) else None
        shown = None if cell is None else outputs(cell)
        pictures = [] if shown is None else bundles(shown)
        if not pictures:
            warn(
                words,
                f"{starts_with(words)} No cell with a picture stands right "
                "before this caption.",
            )
            return
        words.parent.remove(words)
        bold_start(words)["classes"].append("figure-number")
        caption = element("figcaption", words)
        picture = pictures[-1]
        place = picture.parent.index(picture)
        picture.parent.remove(picture)
        figure = element(
            "figure",
            picture,
            caption,
            attributes={"id": name, "class": "picture"},
        )
        self.document.note_explicit_target(_named(figure, name))
        shown.insert(place, figure)


def _named(node: nodes.Element, name: str) -> nodes.Element:
    node["names"].append(name)
    return node


def setup(app: Sphinx) -> None:
    """Registers the transform."""
    app.add_transform(Captions)
