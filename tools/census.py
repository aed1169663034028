"""Counts what the notebooks and their pages are made of.

``python -m tools.census`` prints a row for each notebook: words, code that
stands open or folded, claims, and what should not be there. ``--pages
_build/html`` adds how high each page is and what fills it, measured in a
browser (Chromium, or what ``--browser`` names) in a window 1,280 wide.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from tools.address import ROOT

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
WIDTH, HEIGHT = 1280, 800
KINDS = ("prose", "open code", "figures", "other output", "exercises", "folds")

_BOOLEAN = re.compile(r"\b(?:True|False)\b")
_MEASURE = Path(__file__).with_name("census.js")


class CensusError(RuntimeError):
    """What could not be counted, and what to do."""


def count(notebook: NotebookNode) -> dict[str, int]:
    """What a notebook is made of, by name."""
    markdown = [c for c in notebook.cells if c.cell_type == "markdown"]
    code = [c for c in notebook.cells if c.cell_type == "code"]
    open_, folded, exercises = [], [], []
    for cell in code:
        tags = cell.metadata.get("tags", [])
        kind = exercises if "exercise" in tags else open_
        (folded if "hide-input" in tags else kind).append(cell)
    prose = "\n".join(cell.source for cell in markdown)
    return {
        "cells": len(notebook.cells),
        "words": len(prose.split()),
        "open lines": _lines(open_),
        "folded lines": _lines(folded),
        "longest open": max((_lines([c]) for c in open_), default=0),
        "claims": _calls(code, r"^\s*claim\("),
        "figures": sum(1 for c in code if _draws(c)),
        "predictions": len(re.findall(r"^\*\*Predict", prose, re.MULTILINE)),
        "exercises": len(exercises),
        "asserts": _calls(code, r"^\s*assert\b"),
        "booleans": sum(len(_BOOLEAN.findall(t)) for t in _printed(code)),
    }


def _lines(cells: list[NotebookNode]) -> int:
    return sum(
        bool(line.strip()) for c in cells for line in c.source.splitlines()
    )


def _calls(cells: list[NotebookNode], pattern: str) -> int:
    return sum(len(re.findall(pattern, c.source, re.M)) for c in cells)


def _draws(cell: NotebookNode) -> bool:
    return any(
        kind.startswith("image/")
        for output in cell.outputs
        for kind in output.get("data", {})
    )


def _printed(cells: list[NotebookNode]) -> Iterator[str]:
    """What cells print; what they show as source code does not count."""
    for cell in cells:
        for output in cell.outputs:
            if output.output_type == "stream":
                yield output.text
            elif not {"text/html", "text/markdown"} & {*output.data}:
                yield output.data.get("text/plain", "")


# --- Pages -------------------------------------------------------------------


def find_browser(named: str | None = None) -> str:
    """The browser's program: as named, or VAE_COURSE_BROWSER, or one found.

    Raises:
        CensusError: there is none.
    """
    named = named or os.environ.get("VAE_COURSE_BROWSER")
    for name in [named] if named else BROWSERS:
        if found := shutil.which(name):
            return found
    raise CensusError(
        "Pages are shown by Chromium, and none was found. Install it, or name "
        "another in VAE_COURSE_BROWSER."
    )


def measure(page: Path, browser: str) -> dict[str, int]:
    """Pixels of a built page, in all and by kind.

    Raises:
        CensusError: the page is missing, or the browser gave no answer.
    """
    if not page.is_file():
        raise CensusError(f"{page} is not there: run `make book` first.")
    # Beside the page, so that its styles and pictures are found.
    probe = page.with_name(f"{page.stem}.census.html")
    script = _MEASURE.read_text("utf-8")
    html = page.read_text("utf-8")
    try:
        probe.write_text(
            html.replace("</body>", f"<script>{script}</script></body>"),
            "utf-8",
        )
        with tempfile.TemporaryDirectory() as profile:
            dom = subprocess.run(
                [
                    browser,
                    "--headless",
                    "--no-sandbox",
                    "--disable-gpu",
                    "--disable-background-networking",
                    f"--user-data-dir={profile}",
                    f"--window-size={WIDTH},{HEIGHT}",
                    "--virtual-time-budget=20000",
                    "--dump-dom",
                    probe.resolve().as_uri(),
                ],
                capture_output=True,
                text=True,
                encoding="utf-8",
                timeout=120,
            ).stdout
    finally:
        probe.unlink(missing_ok=True)
    match = re.search(r'data-census="([^"]*)"', dom)
    if match is None:
        raise CensusError(f"{browser} could not measure {page.name}.")
    return json.loads(match[1].replace("&quot;", '"'))


def table(rows: dict[str, dict[str, object]]) -> Iterator[str]:
    """Rows of named numbers, as lines of text under a common head."""
    names = list(next(iter(rows.values())))
    first = max(map(len, rows))
    yield "  ".join([" " * first, *names])
    for row, values in rows.items():
        cells = [f"{values[n]:>{len(n)}}" for n in names]
        yield "  ".join([row.ljust(first), *cells])


def main(arguments: list[str] | None = None) -> None:
    """``python -m tools.census [--pages FOLDER] [--browser NAME]``."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.census", description=__doc__
    )
    parser.add_argument("--notebooks", type=Path, default=ROOT / "notebooks")
    parser.add_argument("--pages", type=Path, help="for instance _build/html")
    parser.add_argument("--browser", help=f"default: one of {BROWSERS}")
    options = parser.parse_args(arguments)
    paths = sorted(options.notebooks.glob("[0-9]*.ipynb"))
    counts = {
        path.stem: count(nbformat.read(path, as_version=4)) for path in paths
    }
    totals = {
        name: sum(row[name] for row in counts.values())
        for name in next(iter(counts.values()))
    }
    totals["longest open"] = max(c["longest open"] for c in counts.values())
    print("\n".join(table({**counts, "all": totals})))
    if options.pages is None:
        return
    try:
        browser = find_browser(options.browser)
        heights = {}
        for path in paths:
            page = options.pages / "notebooks" / f"{path.stem}.html"
            pixels = measure(page, browser)
            whole = sum(pixels[kind] for kind in KINDS)
            shares = {k: f"{100 * pixels[k] / whole:.0f}%" for k in KINDS}
            heights[path.stem] = {"pixels": pixels["page"], **shares}
        print("\n" + "\n".join(table(heights)))
    except CensusError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
