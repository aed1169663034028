"""Formulas: their script where there are some, and their punctuation.

A page without a formula loads nothing for them. On the others
``book/_static/formulas.js`` sets those that are near first, with MathJax.
"""

from __future__ import annotations

import re

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

from course_pages.finishing import Page, change

AFTER = re.compile(r"[.,;:!?)’”–]+")
BEFORE = re.compile(r"[(“‘]+$")
MATHJAX = re.compile(
    r"\s*<script>window\.MathJax = [^<]*</script>"
    r'|\s*<script\b[^>]*src="[^"]*mathjax/[^>]*></script>'
)


class KeepTogether(SphinxPostTransform):
    """A formula and the sign that touches it stay on one line."""

    default_priority = 500
    formats = ("html",)

    def run(self, **kwargs) -> None:
        """Changes the page in place."""
        for formula in list(self.document.findall(nodes.math)):
            together = [formula]
            parent, place = formula.parent, formula.parent.index(formula)
            if place > 0 and (found := _end(parent[place - 1], BEFORE)):
                _cut(parent[place - 1], -len(found))
                together.insert(0, nodes.Text(found))
            after = parent[place + 1 : place + 2]
            if after and (found := _start(after[0], AFTER)):
                _cut(after[0], len(found))
                together.append(nodes.Text(found))
            if len(together) > 1:
                place = parent.index(formula)
                parent.remove(formula)
                kept = nodes.inline("", "", *together, classes=["together"])
                parent.insert(place, kept)


def _start(node: nodes.Node, pattern: re.Pattern) -> str:
    match = pattern.match(node) if isinstance(node, nodes.Text) else None
    return match[0] if match else ""


def _end(node: nodes.Node, pattern: re.Pattern) -> str:
    match = pattern.search(node) if isinstance(node, nodes.Text) else None
    return match[0] if match else ""


def _cut(text: nodes.Text, count: int) -> None:
    """Takes signs from the start of a text, or from its end if negative."""
    rest = text[count:] if count > 0 else text[:count]
    text.parent.replace(text, nodes.Text(rest))


def script(html: str, page: Page) -> str:
    """MathJax is left to ``formulas.js``, where there is a formula."""
    if not MATHJAX.search(html):
        return html
    html = MATHJAX.sub("", html)
    if 'class="math ' not in html:
        return html
    ours = f'<script defer src="{page.root}_static/formulas.js"></script>\n'
    return html.replace("</head>", f"{ours}</head>", 1)


def setup(app: Sphinx) -> None:
    """Registers the transform and the change."""
    app.add_post_transform(KeepTogether)
    change(script)
