"""Folded code says what it does: "Code: The map of the latent space".

The words are those of the cell's first line, ``# @title …``, which Colab and
JupyterLab fold by; the page shows the code without it, under what it drew.
"""

from __future__ import annotations

import json
import re
from html import escape

from myst_nb.sphinx_ import HideCodeCellNode
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

from course_pages.cells import is_cell, outputs, read_notebook, source_of
from course_pages.elements import nothing

TITLE = re.compile(r"# @title (?P<title>.*\S)[^\n]*(?:\n|\Z)")


def take_titles(app: Sphinx, docname: str, source: list[str]) -> None:
    """Moves each ``# @title`` from the code into the words of its fold."""
    notebook = read_notebook(source[0])
    if notebook is None:
        return
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        code = source_of(cell)
        match = TITLE.match(code)
        if match is None:
            continue
        words = f"Code: {match['title']}"
        options = cell["metadata"].setdefault("mystnb", {})
        options.update(code_prompt_show=words, code_prompt_hide=words)
        cell["source"] = code[match.end() :].lstrip("\n")
    source[0] = json.dumps(notebook, ensure_ascii=False)


class PictureFirst(SphinxPostTransform):
    """Puts folded code under what it shows, once it is folded."""

    default_priority = 210  # after myst-nb has folded it, at 199
    formats = ("html",)

    def run(self, **kwargs) -> None:
        """Changes the page's cells in place."""
        for fold in list(self.document.findall(HideCodeCellNode)):
            cell = fold.parent
            if is_cell(cell) and outputs(cell) is not None:
                cell["classes"].append("picture-first")
                cell.remove(fold)
                cell.append(fold)


def visit(translator, node: HideCodeCellNode) -> None:
    """One quiet line, which opens the code."""
    words = escape(node["prompt_show"])
    translator.body.append(
        f'<details class="fold fold-code"><summary>{words}</summary>\n'
    )


def depart(translator, node: HideCodeCellNode) -> None:
    """Ends what :func:`visit` began."""
    translator.body.append("</details>\n")


def setup(app: Sphinx) -> None:
    """Registers the hook and the look of a fold."""
    app.connect("source-read", take_titles)
    app.add_post_transform(PictureFirst)
    app.add_node(
        HideCodeCellNode,
        override=True,
        html=(visit, depart),
        latex=(nothing, nothing),
    )
