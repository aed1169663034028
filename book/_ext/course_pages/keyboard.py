"""Where the keyboard lands, and what a screen reader calls things."""

from __future__ import annotations

import re

from sphinx.application import Sphinx

from course_pages.finishing import Page, change

SKIP = re.compile(r'(<div id="pst-skip-link"[^>]*><a href=")#main-content"')
ARTICLE = '<article class="bd-article">'
DRAWERS = {
    "primary-toggle": ("pst-primary-sidebar", "Course contents"),
    "secondary-toggle": ("pst-secondary-sidebar", "Contents of this page"),
}


def name_things(html: str, page: Page) -> str:
    """The skip link leads to the text, past the buttons over it."""
    if ARTICLE in html:  # the page of search has another
        html = SKIP.sub(r'\1#article"', html)
        html = html.replace(
            ARTICLE, '<article class="bd-article" id="article" tabindex="-1">'
        )
    for toggle, (drawer, name) in DRAWERS.items():
        html = re.sub(
            rf'(<button class="[^"]*\b{toggle}\b[^"]*") title="[^"]*"',
            rf'\1 type="button" title="{name}" aria-label="{name}" '
            rf'aria-controls="{drawer}" aria-expanded="false"',
            html,
        )
    return html


def setup(app: Sphinx) -> None:
    """Registers the change."""
    change(name_things)
