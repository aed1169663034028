"""Begins a chapter: a notebook in the course's form, and its place in the toc.

``python -m tools.chapter hierarchies "Hierarchies of latents"`` writes
``notebooks/NN_hierarchies.ipynb`` with the next number and enters it in
``_toc.yml``. Every place that wants words says so with "…".
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tools import stamping
from tools.address import ROOT

NAME = re.compile(r"[a-z][a-z0-9_]*")
IMPORTS = """\
# @title Imports
import torch

from vae_course.data import mnist
from vae_course.exercises import check, hint, progress, solution
from vae_course.show import claim, plotting"""
DRAWN = """\
# @title What it shows
plotting.lines([0, 1], {"…": [0, 1]}, xlabel="…", ylabel="…")"""
PREDICT = """\
**Predict.** …?

- **A.** …
- **B.** …

<details><summary>What happened</summary>

**A.** …

</details>"""
QUESTION = """\
**Question {number}.** …?

- **A.** …
- **B.** …

<details><summary>Answer to question {number}</summary>

**A.** Right. …

- **B.** …

</details>"""


class ChapterError(ValueError):
    """The chapter cannot be begun; says why. Nothing was written."""


def skeleton(number: int, name: str, title: str) -> NotebookNode:
    """The cells that every chapter has, in their order."""
    opening = f"""\
# @title The chapter in one picture
from vae_course.show import opening

opening("{number:02d}")"""
    folded = {"tags": [stamping.FOLDED]}
    stem = f"{number:02d}_{name}"
    quiz = "\n\n".join(QUESTION.format(number=n) for n in range(1, 6))
    cells = [
        new_markdown_cell(
            f"# {number}. {title}\n\n{stamping.colab_line(stem)}\n\n…",
            id="header",
        ),
        new_code_cell(opening, id="opening", metadata=folded),
        new_markdown_cell(
            f"**Figure {number}.1.** …\n\n**You will**\n\n- …\n\n"
            "**Prerequisites:** …\n\n**Time:** …",
            id="aims",
        ),
        new_code_cell(IMPORTS, id="imports", metadata=folded),
        new_markdown_cell("## …", id="first-section"),
        new_markdown_cell(PREDICT, id="first-predict"),
        new_code_cell(
            'claim("…", 1 < 2, "…")',
            id="first-claim",
            metadata={"tags": ["nbval-check-output"]},
        ),
        new_code_cell(
            DRAWN,
            id="first-figure",
            metadata={"tags": [stamping.FOLDED, stamping.OPENS]},
        ),
        new_markdown_cell(f"**Figure {number}.2.** …", id="first-caption"),
        new_markdown_cell(f"## Quiz\n\n{quiz}", id="quiz"),
        new_markdown_cell(
            "## Summary\n\n…\n\n## What the real one does differently\n\n…",
            id="end",
        ),
    ]
    notebook = new_notebook(cells=cells)
    stamping.stamp_first_cell(notebook)
    stamping.stamp_folds(notebook, stem)
    return notebook


def begin(name: str, title: str, root: Path = ROOT) -> Path:
    """Writes the notebook of a new chapter and enters it in ``_toc.yml``.

    Raises:
        ChapterError: the name or the title does not do.
    """
    if not NAME.fullmatch(name):
        raise ChapterError(
            f"NAME={name!r}: small letters, digits and underscores, as in "
            "NAME=hierarchies."
        )
    if not title.strip() or "\n" in title:
        raise ChapterError('TITLE wants a line: TITLE="Hierarchies".')
    there = sorted(path.stem for path in (root / "notebooks").glob("*.ipynb"))
    if any(stem[3:] == name for stem in there):
        raise ChapterError(f"There is a notebook {name} already.")
    number = int(there[-1][:2]) + 1
    contents = root / "_toc.yml"
    text = contents.read_text("utf-8")
    last = f"      - file: notebooks/{there[-1]}\n"
    if text.count(last) != 1:
        raise ChapterError(f"{contents} does not hold notebooks/{there[-1]}.")
    path = root / "notebooks" / f"{number:02d}_{name}.ipynb"
    nbformat.write(skeleton(number, name, title.strip()), path)
    line = f"      - file: notebooks/{path.stem}\n"
    contents.write_text(text.replace(last, last + line), encoding="utf-8")
    return path


def main(arguments: list[str] | None = None) -> int:
    """Begins the chapter; returns the exit code."""
    parser = argparse.ArgumentParser(prog="make chapter", description=__doc__)
    parser.add_argument("name")
    parser.add_argument("title")
    chosen = parser.parse_args(arguments)
    try:
        path = begin(chosen.name, chosen.title)
    except ChapterError as error:
        print(error, file=sys.stderr)
        return 2
    print(
        f"{path} is begun, and stands in _toc.yml. Fill in each “…”, then "
        f"`make notebooks NAMES={path.stem[:2]}`. CONTRIBUTING.md has the "
        "form; exercises go into vae_course/exercises/chapter"
        f"{path.stem[:2]}, and README names the chapter."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
