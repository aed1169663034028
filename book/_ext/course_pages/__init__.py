"""How notebooks become pages: one module for each thing a page can do.

All of it happens when the book is built, on the parsed page, so that a page
is complete without JavaScript; ``book/_static/course.js`` only adds to it.

``folds``      code that only draws or imports, folded under its picture
``figures``    drawings as part of the page, their pixels as small files
``captions``   "**Figure 2.1.** …" under the figure before it
``claims``     "✓ …" as a list of sentences
``predict``    a question with answers to choose from
``quiz``       questions at a chapter's end, with a reason for each answer
``exercises``  a frame, hints, the solution, the way to Colab
``solutions``  the pages of solutions, and what ``exercises`` folds away
``status``     what each notebook was last seen to do
``links``      addresses of the published site as links within it
``proofs``     the derivation page: no two places with the same name
``formulas``   set by ``mathjax`` while the book is built; punctuation stays
``buttons``    over a page: Colab, report a mistake, download
``sharing``    description, picture and address; the list of pages; page 404

``finishing``  calls these with each page's HTML, once all files are there:
``icons``      drawn in the page
``explorers``  their scripts as files, which come when they are near
``loading``    scripts after the text, pictures with their sizes
``keyboard``   where the Tab key lands, and what things are called
``styles``     one sheet with the rules that can apply
"""

from __future__ import annotations

import sys
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config

ROOT = Path(__file__).resolve().parents[3]
if str(ROOT) not in sys.path:  # for tools/, which is not installed
    sys.path.append(str(ROOT))


def show_exercises_in_contents(app: Sphinx, config: Config) -> None:
    """A page's contents hold its subsections, which exercises are.

    Not in ``_config.yml``, where it would replace all of the theme's options.
    """
    config.html_theme_options.setdefault("show_toc_level", 2)


def setup(app: Sphinx) -> dict[str, bool]:
    """Registers every module, in the order in which they work."""
    from course_pages import (
        buttons,
        captions,
        claims,
        elements,
        exercises,
        explorers,
        figures,
        finishing,
        folds,
        formulas,
        icons,
        keyboard,
        links,
        loading,
        predict,
        proofs,
        quiz,
        sharing,
        solutions,
        status,
        styles,
    )

    for module in (
        elements,
        folds,
        figures,
        captions,
        claims,
        predict,
        quiz,
        exercises,
        solutions,
        status,
        links,
        proofs,
        formulas,
        buttons,
        sharing,
        icons,
        explorers,
        loading,
        keyboard,
        finishing,
        styles,
    ):
        module.setup(app)
    app.connect("config-inited", show_exercises_in_contents)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
