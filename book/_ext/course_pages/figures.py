"""Drawings become part of the page, in its ink and its typeface.

An SVG that a cell returned is written into the page itself, so that its
colours follow light and dark. The pictures in it become small files, which
are loaded when they come into view (see :mod:`course_pages.svg`).
"""

from __future__ import annotations

import hashlib
import os
import posixpath
from html import escape
from pathlib import Path
from urllib.parse import quote

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

from course_pages.cells import bundles, warn
from course_pages.elements import Element, element, nothing
from course_pages.svg import Drawing, Pixels, take_apart

SVG = "image/svg+xml"


class Picture(nodes.image):
    """Pixels under a drawing; an image, so that Sphinx takes it along."""


class InlineFigures(SphinxTransform):
    """Replaces each SVG file that a cell made by the drawing itself."""

    default_priority = 700

    def apply(self, **kwargs) -> None:
        """Changes the page in place; warns where a drawing is not sound."""
        count = 0
        for bundle in bundles(self.document):
            for form in bundle:
                images = list(form.findall(nodes.image))
                if form.get("mime_type") != SVG or len(images) != 1:
                    continue
                count += 1
                path = Path(self.app.srcdir, images[0]["uri"].lstrip("/"))
                source = path.read_text("utf-8")
                try:
                    drawing = take_apart(source, f"f{count}")
                except ValueError as error:
                    warn(bundle, f"{error}.")
                    continue
                form.children = []
                form.append(self._box(drawing, path.parent))
                for other in list(bundle):
                    if other is not form and list(other.findall(nodes.image)):
                        bundle.remove(other)  # pixels for other viewers

    def _box(self, drawing: Drawing, folder: Path) -> Element:
        """The drawing over its pictures, in a box that scrolls if it must."""
        vectors = nodes.raw("", drawing.markup, format="html")
        under = [self._picture(each, folder) for each in drawing.pixels]
        size = (
            f"--figure-width:{drawing.width:g};"
            f"--figure-height:{drawing.height:g};"
            f"--figure-text:{drawing.text:g}"
        )
        sheet = element("div", *under, vectors, attributes={"class": "sheet"})
        return element(
            "div", sheet, attributes={"class": "drawing", "style": size}
        )

    def _picture(self, pixels: Pixels, folder: Path) -> Picture:
        """Writes the file and says where the picture lies."""
        name = hashlib.sha256(pixels.content).hexdigest()[:20]
        path = folder / f"{name}.{pixels.kind}"
        path.write_bytes(pixels.content)
        uri = os.path.relpath(path, self.app.srcdir)
        place = {
            "left": pixels.left,
            "top": pixels.top,
            "width": pixels.width,
            "height": pixels.height,
        }
        style = ";".join(f"{k}:{v:.4g}%" for k, v in place.items())
        if pixels.pixelated:
            style += ";image-rendering:pixelated"
        return Picture(
            uri="/" + Path(uri).as_posix(), size=pixels.size, style=style
        )


def visit(translator, node: Picture) -> None:
    """An ``<img>`` that waits until it is near; the drawing describes it."""
    builder = translator.builder
    name = builder.images[node["uri"]]
    source = posixpath.join(builder.imgpath, quote(name))
    width, height = node["size"]
    translator.body.append(
        f'<img alt="" src="{escape(source)}" width="{width}" '
        f'height="{height}" loading="lazy" decoding="async" '
        f'style="{node["style"]}">'
    )


def setup(app: Sphinx) -> None:
    """Registers the transform and the pictures."""
    others = dict.fromkeys(("latex", "text", "man", "texinfo"), (nothing,) * 2)
    app.add_node(Picture, html=(visit, nothing), **others)
    app.add_transform(InlineFigures)
