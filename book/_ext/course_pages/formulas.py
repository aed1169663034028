"""Formulas, set when the book is built, and their punctuation.

The writer leaves each formula on its page as TeX. Once all pages are there
MathJax sets them together, so that a page needs no script for its formulas;
``book/_static/formulas.js`` only looks which are too wide for the window.
"""

from __future__ import annotations

import html
import re
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.transforms.post_transforms import SphinxPostTransform

from course_pages.finishing import Page, change, pages
from course_pages.mathjax import Formula, FormulaError, typeset

AFTER = re.compile(r"[.,;:!?)’”–]+")
BEFORE = re.compile(r"[(“‘]+$")
SHEET = "formulas.css"
UNSET = re.compile(
    r"<tex-(?P<how>inline|display)>(?P<tex>[^<]*)</tex-(?P=how)>"
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


# --- On the page -------------------------------------------------------------


def inline(writer, node: nodes.math) -> None:
    """A formula within a line of text."""
    tex = node.astext()
    writer.body.append(_opened(writer, node, "span", tex))
    writer.body.append(_unset("inline", tex) + "</span>")
    raise nodes.SkipNode


def display(writer, node: nodes.math_block) -> None:
    """A formula in a line of its own; its rows end with ``\\\\``."""
    tex = node.astext()
    writer.body.append(_opened(writer, node, "div", tex))
    if node["number"]:
        writer.body.append(f'<span class="eqno">({node["number"]})')
        writer.add_permalink_ref(node, "Link to this equation")
        writer.body.append("</span>")
    if r"\\" in tex and not node["nowrap"]:
        tex = rf"\begin{{split}}{tex}\end{{split}}"
    writer.body.append(_unset("display", tex) + "</div>\n")
    raise nodes.SkipNode


def _opened(writer, node: nodes.Element, tag: str, tex: str) -> str:
    """The tag around a formula; the search reads the TeX that it keeps."""
    given = {"CLASS": "math notranslate nohighlight", "data-tex": tex}
    return writer.starttag(node, tag, "", **given)


def _unset(how: str, tex: str) -> str:
    return f"<tex-{how}>{html.escape(tex, quote=False)}</tex-{how}>"


def _formula(match: re.Match) -> Formula:
    tex = html.unescape(match["tex"])
    return Formula(tex, match["how"] == "display")


def set_all(app: Sphinx, error: Exception | None) -> None:
    """Every page's formulas, drawn, and the style sheet for them.

    Raises:
        ExtensionError: a formula is no TeX.
    """
    if error is not None or app.builder.format != "html":
        return
    site = Path(app.outdir)
    texts = {path: path.read_text("utf-8") for path in pages(site)}
    asked = dict.fromkeys(
        _formula(match)
        for text in texts.values()
        for match in UNSET.finditer(text)
    )
    try:
        drawn, sheet = typeset(list(asked))
    except FormulaError as error:
        raise ExtensionError(str(error)) from error
    (site / "_static" / SHEET).write_text(sheet, "utf-8")
    found = dict(zip(asked, drawn, strict=True))
    for path, text in texts.items():
        after = UNSET.sub(lambda match: found[_formula(match)], text)
        if after != text:
            path.write_text(after, "utf-8")


def script(html: str, page: Page) -> str:
    """Where there is a formula, it is seen to that it fits."""
    if 'class="math ' not in html or "formulas.js" in html:
        return html
    ours = f'<script defer src="{page.root}_static/formulas.js"></script>\n'
    return html.replace("</head>", f"{ours}</head>", 1)


def setup(app: Sphinx) -> None:
    """Registers the transform, the writers, and what comes after them."""
    app.add_post_transform(KeepTogether)
    app.add_html_math_renderer(
        "set", inline_renderers=(inline, None), block_renderers=(display, None)
    )
    app.add_css_file(SHEET)
    app.connect("build-finished", set_all)
    change(script)
