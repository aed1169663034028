"""The page of status: what each notebook was last seen to do, and where.

In the place of ``{status}`` stands a table, from ``results/notebooks.json``
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
HEAD = ("Notebook", "Runs in", "With", "Data", "In Colab's shoes")
NEVER = "not recorded yet"
HOSTED = "hosted"


def add_status(app: Sphinx, docname: str, text: list[str]) -> None:
    """Writes the table where a page asks for it."""
    if not PLACE.search(text[0]):
        return
    results = Path(app.srcdir) / "results"
    for name in (TIMES, COLAB):
        app.env.note_dependency(str(results / name))
    written = "\n".join(table(results))
    text[0] = PLACE.sub(lambda match: written, text[0])


def table(results: Path) -> Iterator[str]:
    """The table and what it does not show, as Markdown."""
    times = json.loads((results / TIMES).read_text("utf-8"))["notebooks"]
    colab = {"notebooks": {}, "versions": {}}
    if (results / COLAB).is_file():
        colab = json.loads((results / COLAB).read_text("utf-8"))
    yield _row(HEAD)
    yield _row("---" for _ in HEAD)
    for name, entry in sorted(times.items()):
        yield _row(
            [
                f"[{int(name[:2])}](../notebooks/{name}.ipynb)",
                f"{entry['seconds']} s",
                f"{entry['cores']} CPU cores, {entry['threads']} thread, "
                f"Python {entry['python']}, PyTorch {entry['torch']}",
                entry["data"],
                _seen(colab["notebooks"].get(name)),
            ]
        )
    yield ""
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


def _seen(run: dict | None) -> str:
    if run is None:
        return NEVER
    return (
        f"green on {run['green']}, {run['where']}: first cell "
        f"{run['first_cell']} s, {run['seconds']} s in all"
    )


def _row(cells) -> str:
    return f"| {' | '.join(cells)} |"


def setup(app: Sphinx) -> None:
    app.connect("source-read", add_status)
