"""MathJax without a browser: TeX in, HTML and its style sheet out.

MathJax 3 lies in ``book/_ext/mathjax`` and runs in V8, Chromium's engine,
which ``mini-racer`` brings. A formula comes back as MathJax would have drawn
it in the page, with MathML inside for those who listen.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from py_mini_racer import MiniRacer

FOLDER = Path(__file__).resolve().parents[1] / "mathjax"
PARTS = (
    "startup.js",
    "core.js",
    "liteDOM.js",
    "input/tex.js",
    "output/chtml.js",
    "output/chtml/fonts/tex.js",
    "a11y/assistive-mml.js",
)
FONTS = "mathjax"  # in _static

# What a page's text is 1 em of, MathJax's letters are this much larger, so
# that a small x is as tall in both.
SCALE = 1.2

BEFORE = """
const window = globalThis;
var MathJax = {
  loader: {load: [], ready: () => {}},
  startup: {typeset: false, ready: () => {}},
};
"""
AFTER = """
const parts = MathJax._;
const adaptor = parts.adaptors.liteAdaptor.liteAdaptor();
parts.a11y["assistive-mml"].AssistiveMmlHandler(
  parts.handlers.html_ts.RegisterHTMLHandler(adaptor));
const page = parts.mathjax.mathjax.document("", {
  InputJax: new parts.input.tex_ts.TeX({
    packages: ["base", "ams"],
    formatError: (tex, error) => { throw error; },
  }),
  OutputJax: new parts.output.chtml_ts.CHTML({
    font: new parts.output.chtml.fonts.tex_ts.TeXFont({fontURL: "%(fonts)s"}),
    adaptiveCSS: false,
    matchFontHeight: false,
    scale: %(scale)s,
  }),
});
const set = ([tex, display]) => {
  try {
    return adaptor.outerHTML(page.convert(tex, {display}));
  } catch (error) {
    return {error: error.message};
  }
};
0
"""


class Formula(NamedTuple):
    """TeX, and whether it stands in a line of its own."""

    tex: str
    display: bool


class FormulaError(ValueError):
    """A formula that TeX does not understand, and why."""


def typeset(formulas: list[Formula]) -> tuple[list[str], str]:
    """The HTML of each formula, and the style sheet for all.

    Raises:
        FormulaError: one of them is no TeX.
    """
    with MiniRacer() as engine:
        engine.eval(BEFORE)
        for part in PARTS:
            engine.eval((FOLDER / part).read_text("utf-8") + ";0")
        engine.eval(AFTER % {"fonts": FONTS, "scale": SCALE})
        asked = json.dumps(json.dumps(formulas))
        drawn = json.loads(
            engine.eval(f"JSON.stringify(JSON.parse({asked}).map(set))")
        )
        sheet = engine.eval(
            "adaptor.textContent(page.outputJax.styleSheet(page))"
        )
    for formula, html in zip(formulas, drawn, strict=True):
        if isinstance(html, dict):
            raise FormulaError(f"{formula.tex}: {html['error']}")
    return drawn, sheet
