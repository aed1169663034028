"""What a page loads, and when: text first, the rest once it is seen.

Scripts run after the page is there, pictures have their size before they
come and wait until they are near, and what no page uses is not loaded.
"""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as xml

from PIL import Image
from sphinx.application import Sphinx

from course_pages.finishing import Page, change

SCRIPT = re.compile(r'<script (?P<given>[^>]*\bsrc="[^"]*"[^>]*)>')
PRELOAD = re.compile(r'<link rel="preload" as="script"[^>]*>\s*')
# It asks for options before they are there, and nothing reads the answer.
PAGE_NAME = re.compile(
    r"\s*<script>DOCUMENTATION_OPTIONS\.pagename = [^<]*</script>"
)
VIEWPORT = re.compile(r'\s*<meta name="viewport"[^>]*>')
COPYING = re.compile(
    r'\s*<script [^>]*src="[^"]*(?:clipboard\.min|copybutton)\.js[^>]*>'
    "</script>"
)
IMAGE = re.compile(r"<img\b(?P<given>[^>]*?)\s*/?>")
SOURCE = re.compile(r'\bsrc="([^"]+)"')
FIRST_DRAWING = re.compile(r'<div class="drawing".*?<svg', re.DOTALL)


def scripts(html: str, page: Page) -> str:
    """Scripts wait for the page; those without a use are left out."""
    html = PRELOAD.sub("", PAGE_NAME.sub("", html))
    if 'class="highlight' not in html:
        html = COPYING.sub("", html)
    return SCRIPT.sub(_wait, html)


def _wait(match: re.Match) -> str:
    given = match["given"]
    if re.search(r"\b(?:defer|async)\b|type=\"module\"", given):
        return match[0]
    return f"<script defer {given}>"


def search(html: str, page: Page) -> str:
    """The search page gets our spellings before it gets the index."""
    index = re.search(r"\s*<script[^>]*searchindex\.js", html)
    if index is None or "searching.js" in html:
        return html
    ours = f'\n<script defer src="{page.root}_static/searching.js"></script>'
    return html[: index.start()] + ours + html[index.start() :]


def one_viewport(html: str, page: Page) -> str:
    """The theme and Sphinx say the same three times."""
    first = VIEWPORT.search(html)
    if first is None:
        return html
    rest = VIEWPORT.sub("", html[first.end() :])
    return html[: first.end()] + rest


def pictures(html: str, page: Page) -> str:
    """Every picture has its size; all but a page's first one can wait."""

    def mend(match: re.Match) -> str:
        given = match["given"]
        source = SOURCE.search(given)
        if source is None or source[1].startswith("data:"):
            return match[0]
        if not re.search(r"\bwidth=", given):
            width, height = size(page.file(source[1]))
            given += f' width="{width}" height="{height}"'
        if not re.search(r"\bloading=", given) and "logo" not in given:
            given += ' loading="lazy" decoding="async"'
        return f"<img{given}>"

    html = IMAGE.sub(mend, html)
    first = FIRST_DRAWING.search(html)
    if first is None:
        return html
    now = first[0].replace(' loading="lazy" decoding="async"', "")
    return html[: first.start()] + now + html[first.end() :]


def size(path: Path) -> tuple[int, int]:
    """Width and height of a picture's file, in pixels."""
    if path.suffix == ".svg":
        root = xml.fromstring(path.read_bytes())
        _, _, width, height = map(float, root.get("viewBox").split())
        return round(width), round(height)
    with Image.open(path) as picture:
        return picture.size


def setup(app: Sphinx) -> None:
    """Registers the changes."""
    for each in (scripts, search, one_viewport, pictures):
        change(each)
