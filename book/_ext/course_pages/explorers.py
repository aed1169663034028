"""Explorers come when they are near: their scripts and pictures as files.

In a notebook an explorer is one output, which carries the weights of its
model along. On a page that would be half a megabyte before the first word is
seen, so its script lies in a file of its own, which ``course.js`` fetches
when the reader comes near, also from a folder on a disk.
"""

from __future__ import annotations

import base64
import re

from sphinx.application import Sphinx

from course_pages.finishing import Page, change

FOLDER = "_static/explorers"
EXPLORER = re.compile(
    r'<div class="vae-explorer" data-explorer="(?P<key>\w+)">'
    r"(?P<inside>(?:(?!<script).)*)<script>(?P<script>.*?)</script>",
    re.DOTALL,
)
PICTURE = re.compile(r'src="data:image/svg\+xml;base64,(?P<svg>[^"]+)"')


def apart(html: str, page: Page) -> str:
    """Every explorer of a page without its script and its picture."""
    folder = page.site / FOLDER

    def lay(match: re.Match) -> str:
        key, inside = match["key"], match["inside"]
        folder.mkdir(exist_ok=True)
        (folder / f"{key}.js").write_text(match["script"], "utf-8")
        here = f"{page.root}{FOLDER}/{key}"
        if picture := PICTURE.search(inside):
            svg = base64.b64decode(picture["svg"])
            (folder / f"{key}.svg").write_bytes(svg)
            inside = inside.replace(picture[0], f'src="{here}.svg"')
        opened = f'<div class="vae-explorer" data-explorer="{key}"'
        return f'{opened} data-script="{here}.js">{inside}'

    return EXPLORER.sub(lay, html)


def setup(app: Sphinx) -> None:
    """Registers the change."""
    change(apart)
