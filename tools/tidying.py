"""What a stored notebook holds: results, and nothing that changes by itself.

Execution times, progress bars and version numbers go; outputs, execution
counts and cell ids stay. Every picture carries its text.
"""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from tools.address import ROOT

METADATA = {
    "kernelspec": {
        "display_name": "Python 3",
        "language": "python",
        "name": "python3",
    },
    "language_info": {"name": "python", "pygments_lexer": "ipython3"},
}
WIDGET = "application/vnd.jupyter.widget-view+json"
IMAGES = ("image/svg+xml", "image/png", "image/jpeg", "image/gif")

_BAR = re.compile(r"\d+%\||\d+(\.\d+)?(it|step)s? \[")
_BLOB = re.compile(r"[A-Za-z0-9+/=]{200,}")  # base64 may spell anything
_PLACE = re.compile(
    r"(?<![\w.])/(?:home|Users|root|tmp|work|var/folders|content)/[\w./-]*"
    r"|\b[A-Z]:\\[\w.\\-]+"
)
_MEMORY = re.compile(r" at 0x[0-9a-fA-F]{6,}")


class NotebookError(RuntimeError):
    """A notebook that cannot be published; says which cell, and what to do."""


def is_compared(cell: NotebookNode) -> bool:
    """Whether nbval compares the outputs of this cell."""
    return cell.source.lstrip().startswith(
        "# NBVAL_CHECK_OUTPUT\n"
    ) or "nbval-check-output" in cell.metadata.get("tags", [])


def tidy(notebook: NotebookNode, name: str) -> None:
    """Removes what differs from run to run, and gives every picture its text.

    Raises:
        NotebookError: a cell shows what cannot be published: a picture
            without alternative text, a path of this machine, a memory
            address.
    """
    notebook.metadata.clear()
    notebook.metadata.update(nbformat.from_dict(METADATA))
    for number, cell in enumerate(notebook.cells, start=1):
        where = f"{name}: cell {number} ({cell.get('id', 'no id')})"
        for noise in ("execution", "ExecuteTime", "collapsed", "scrolled"):
            cell.metadata.pop(noise, None)
        if cell.cell_type != "code":
            continue
        if not cell.source.strip():
            raise NotebookError(f"{where} is empty: delete it.")
        outputs = _merged(cell.outputs)
        cell.outputs = _without_bars(outputs)
        if cell.outputs != outputs and is_compared(cell):
            raise NotebookError(
                f"{where} draws a progress bar and is marked for comparison. "
                "A bar never reads the same twice: print the facts in a cell "
                "of their own."
            )
        text = published_text(cell)
        if path := machine_path(text):
            raise NotebookError(
                f"{where} shows a path of this machine, {path}: print less."
            )
        if address_in_memory := _MEMORY.search(text):
            raise NotebookError(
                f"{where} shows '{address_in_memory[0].strip()}', which "
                "differs at every run: end the cell with something worth "
                "reading."
            )
        _describe_picture(cell, where)


def published_text(cell: NotebookNode) -> str:
    """All text among a cell's outputs, without pictures and encoded data."""
    parts = []
    for output in cell.outputs:
        if output.output_type == "stream":
            parts.append(output.text)
        for mime, content in output.get("data", {}).items():
            if mime.startswith("image/") and mime != "image/svg+xml":
                continue
            is_text = isinstance(content, str)
            parts.append(content if is_text else json.dumps(content))
    return _BLOB.sub("", "\n".join(parts))


def machine_path(text: str) -> str | None:
    """The first path in ``text`` that only exists on some machine, or None."""
    folders = (Path.home(), ROOT, Path(tempfile.gettempdir()))
    for folder in map(str, folders):
        if len(folder) > 1 and re.search(
            rf"(?<![\w.]){re.escape(folder)}(?!\w)", text
        ):
            return folder
    match = _PLACE.search(text)
    return match[0] if match else None


def _merged(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Joins neighbouring pieces of a stream, which arrive cut at random."""
    merged: list[NotebookNode] = []
    for output in outputs:
        last = merged[-1] if merged else None
        if (
            last is not None
            and output.output_type == last.output_type == "stream"
            and output.name == last.name
        ):
            last.text += output.text
        else:
            merged.append(output)
    return merged


def _without_bars(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """The outputs without tqdm's bars, as widgets or as text.

    Of a widget that has a still picture beside it, the picture stays.
    """
    kept = []
    for output in outputs:
        data = output.get("data", {})
        if WIDGET in data and not set(IMAGES) & set(data):
            continue
        if WIDGET in data:
            still = {mime: data[mime] for mime in data if mime != WIDGET}
            output = NotebookNode(output, data=NotebookNode(still))
        if output.output_type == "stream" and output.name == "stderr":
            lines = re.split(r"(?<=[\r\n])", output.text)
            lines = [line for line in lines if not _BAR.search(line)]
            if not "".join(lines).strip():
                continue
            output = NotebookNode(output, text="".join(lines))
        kept.append(output)
    return kept


def pictures(cell: NotebookNode) -> list[tuple[NotebookNode, str]]:
    """The outputs of a cell that are pictures, each with its kind."""
    found = []
    for output in cell.outputs:
        kinds = [mime for mime in IMAGES if mime in output.get("data", {})]
        found += [(output, kind) for kind in kinds[:1]]
    return found


def _describe_picture(cell: NotebookNode, where: str) -> None:
    """Copies a picture's text to where the book's builder looks for it."""
    options = dict(cell.metadata.pop("mystnb", {}))
    known = options.pop("image", {}).get("alt", "")
    shown = pictures(cell)
    if len(shown) > 1:
        raise NotebookError(
            f"{where} shows {len(shown)} pictures. One picture a cell: split "
            "it."
        )
    for output, kind in shown:
        alt = output.metadata.get(kind, {}).get("alt") or known
        if not alt.strip():
            raise NotebookError(
                f"{where} shows a picture without alternative text. Return a "
                "figure of vae_course.show.plotting, or write what there is "
                "to see into the cell's metadata: "
                '{"mystnb": {"image": {"alt": "…"}}}.'
            )
        options["image"] = {"alt": " ".join(alt.split())}
    if options:
        cell.metadata["mystnb"] = options
