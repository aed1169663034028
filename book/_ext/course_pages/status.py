"""The page of status: what each notebook was last seen to do, and where.

In the place of ``{status}`` stand two tables, from ``results/notebooks.json``
and ``results/colab.json``, so that no number stands twice.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from sphinx.application import Sphinx

TIMES, COLAB = "notebooks.json", "colab.json"
PLACE = re.compile(r"^```\{status\}\n```$", re.MULTILINE)
MEASURED = {
    "seconds": "Seconds",
    "cores": "Cores",
    "threads": "Threads",
    "python": "Python",
    "torch": "PyTorch",
    "data": "Data",
}
SEEN = {
    "green": "Last well in Colab's shoes",
    "where": "Where",
    "first_cell": "Seconds, first cell",
    "seconds": "Seconds, all",
}
NEVER = "not recorded yet"
HOSTED = "hosted"


def add_status(app: Sphinx, docname: str, text: list[str]) -> None:
    """Writes the tables where a page asks for it."""
    if not PLACE.search(text[0]):
        return
    results = Path(app.srcdir) / "results"
    for name in (TIMES, COLAB):
        app.env.note_dependency(str(results / name))
    written = "\n".join(tables(results))
    text[0] = PLACE.sub(lambda match: written, text[0])


def tables(results: Path) -> Iterator[str]:
    """Both tables and what they do not show, as Markdown."""
    times = json.loads((results / TIMES).read_text("utf-8"))["notebooks"]
    colab = {"notebooks": {}, "versions": {}}
    if (results / COLAB).is_file():
        colab = json.loads((results / COLAB).read_text("utf-8"))
    yield from _rows(MEASURED, times)
    yield from _rows(SEEN, {n: colab["notebooks"].get(n) for n in times})
    if colab["versions"]:
        versions = (f"{n} {v}" for n, v in sorted(colab["versions"].items()))
        yield f"Colab's shoes are {', '.join(versions)}.\n"
    runs = colab["notebooks"].values()
    hosted = [run["green"] for run in runs if run["where"] == HOSTED]
    if hosted:
        yield f"The last hosted run that was green: {max(hosted)}."
    else:
        yield (
            "**There has been no hosted run yet.** Every date above is of a "
            "run by hand."
        )


def _rows(columns: dict[str, str], entries: dict) -> Iterator[str]:
    """A table with a row a notebook; without an entry, a row says so."""
    yield _row(["Chapter", *columns.values()])
    yield _row(["---", *("---" for _ in columns)])
    for name, entry in sorted(entries.items()):
        cells = [NEVER, *("–" for _ in range(len(columns) - 1))]
        if entry is not None:
            cells = [str(entry[key]) for key in columns]
        yield _row([f"[{int(name[:2])}](../notebooks/{name}.ipynb)", *cells])
    yield ""


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def setup(app: Sphinx) -> None:
    """Registers the hook."""
    app.connect("source-read", add_status)
