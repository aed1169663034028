"""Icons as drawings in the page, instead of a script that draws them.

The theme brings a font's 2,000 icons as one script of 1.5 MB that has to run
before a page is seen. The page needs the shapes of a dozen, which are read
from that script when the book is built.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pydata_sphinx_theme
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

from course_pages.finishing import Page, change

SOURCE = (
    Path(pydata_sphinx_theme.__file__).parent
    / "theme/pydata_sphinx_theme/static/scripts/fontawesome.js"
)
ICON = re.compile(
    r'<(?P<tag>i|span) class="(?P<classes>[^"]*\bfa-[a-z-]+[^"]*)"'
    r"(?P<rest>[^>]*)></(?P=tag)>"
)
SCRIPT = re.compile(
    r"\s*(?:<!-- So that users can add custom icons -->\s*)?"
    r'<script src="[^"]*fontawesome\.js[^"]*"></script>'
)
_NOT_NAMES = {"fa-solid", "fa-brands", "fa-regular", "fa-lg", "fa-fw"}
# The names of older versions, which the theme still uses.
_RENAMED = {"pencil-alt": "pencil"}


@cache
def _script() -> str:
    return SOURCE.read_text("utf-8")


@cache
def shape(name: str) -> tuple[int, int, str]:
    """Width, height and outline of an icon.

    Raises:
        ExtensionError: the theme's script has none of that name.
    """
    match = re.search(
        rf'[{{,]"?{re.escape(_RENAMED.get(name, name))}"?:'
        r'\[(\d+),(\d+),\[[^\]]*\],"[^"]*","([^"]+)"\]',
        _script(),
    )
    if match is None:
        raise ExtensionError(
            f"The theme has no icon named {name!r} in {SOURCE.name}."
        )
    return int(match[1]), int(match[2]), match[3]


def drawn(classes: str, rest: str = "") -> str:
    """An icon as SVG; its classes stay, for the theme's rules."""
    names = [
        each.removeprefix("fa-")
        for each in classes.split()
        if each.startswith("fa-") and each not in _NOT_NAMES
    ]
    width, height, path = shape(names[0])
    rest = re.sub(r'\s*title="[^"]*"', "", rest)  # the button has a name
    kept = " ".join(classes.split())
    return (
        f'<svg class="icon {kept}"{rest} viewBox="0 0 {width} {height}" '
        'aria-hidden="true" focusable="false">'
        f'<path fill="currentColor" d="{path}"/></svg>'
    )


def draw_icons(html: str, page: Page) -> str:
    """Every icon of a page, and no script for them."""
    html = SCRIPT.sub("", html)
    return ICON.sub(lambda m: drawn(m["classes"], m["rest"]), html)


def setup(app: Sphinx) -> None:
    """Registers the change."""
    change(draw_icons)
