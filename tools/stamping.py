"""What every notebook shares, written into each from here.

The link to Colab, the first code cell, the times to read and to run, how
cells are folded in each front end, and the picture that a chapter opens with.
"""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from tools.address import ROOT, address
from tools.tidying import NotebookError

OPENINGS = ROOT / "vae_course" / "show" / "openings"
FOLDED = "hide-input"  # Jupyter Book's own tag
OPENS = "opening-picture"  # the cell that draws what the chapter opens with
WORDS_A_MINUTE = 180
LINES_A_MINUTE = 20  # of code that stands open

_TITLE = re.compile(r"# @title (\S.*)")  # Colab's own, for folded cells
_STAMPED = ("**Measured time:**", "**Time:**")
_SVG = "image/svg+xml"
_BLANK = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1" '
    'aria-label="To come."/>'
)


def first_cell() -> str:
    """The source of the first code cell of every notebook."""
    template = Path(__file__).with_name("first_cell.py").read_text("utf-8")
    return template.replace("{repository}", address().url).rstrip("\n")


def colab_line(name: str) -> str:
    """The header's link to Colab, for the notebook ``name``."""
    return f"[Open in Colab]({address().colab(f'{name}.ipynb')})"


def time_line(measured: dict, minutes: int) -> str:
    """The line about time: to read, and to run.

    Args:
        measured: an entry of ``results/notebooks.json``.
        minutes: to read, from :func:`reading_minutes`.
    """
    minor = {
        key: ".".join(measured[key].split(".")[:2])
        for key in ("python", "torch")
    }
    threads = measured["threads"]
    return (
        f"**Time:** about {minutes} minutes to read; {measured['seconds']} "
        f"seconds to run from top to bottom, on {measured['cores']} CPU cores "
        f"with {threads} thread{'s' * (threads != 1)} (Python "
        f"{minor['python']}, PyTorch {minor['torch']}, data: "
        f"{measured['data']})."
    )


def reading_minutes(notebook: NotebookNode) -> int:
    """Minutes that the text and the open code take, in steps of five."""
    words = lines = 0
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            words += len(cell.source.split())
        elif not is_folded(cell):
            lines += len(cell.source.splitlines())
    minutes = words / WORDS_A_MINUTE + lines / LINES_A_MINUTE
    return max(5, 5 * round(minutes / 5))


def is_folded(cell: NotebookNode) -> bool:
    """Whether a cell's code is out of sight until a reader asks for it."""
    return FOLDED in cell.metadata.get("tags", [])


def stamp_first_cell(notebook: NotebookNode) -> None:
    """Puts the shared first code cell under the header."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if not code or code[0].get("id") != "install":
        code = [nbformat.v4.new_code_cell(id="install")]
        notebook.cells.insert(1, code[0])
    code[0].source = first_cell()
    code[0].metadata["tags"] = [FOLDED]


def stamp_folds(notebook: NotebookNode, name: str) -> None:
    """Folds the cells so marked in the book, in JupyterLab and in Colab.

    An exercise's cell also keeps its id where Colab looks for it, so that a
    link can lead there.

    Raises:
        NotebookError: a folded cell has no title.
    """
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        options = dict(cell.metadata.pop("mystnb", {}))
        for key in ("code_prompt_show", "code_prompt_hide"):
            options.pop(key, None)
        cell.metadata.pop("cellView", None)
        cell.metadata.pop("jupyter", None)
        if is_folded(cell):
            title = _TITLE.match(cell.source)
            if title is None:
                raise NotebookError(
                    f"{name}: the folded cell {cell.id} must begin with a "
                    "line '# @title …', which stands in its place."
                )
            options["code_prompt_show"] = f"Code: {title[1]}"
            options["code_prompt_hide"] = f"Code: {title[1]}"
            cell.metadata["cellView"] = "form"
            cell.metadata["jupyter"] = {"source_hidden": True}
        if options:
            cell.metadata["mystnb"] = options
        if "exercise" in cell.metadata.get("tags", []):
            cell.metadata["id"] = cell.id


def stamp_header(notebook: NotebookNode, name: str, measured: dict) -> None:
    """Writes the link to Colab under the title, and the times to the aims.

    Raises:
        NotebookError: the first cell is not Markdown with a title, or no cell
            tells the aims.
    """
    header = notebook.cells[0] if notebook.cells else None
    if (
        header is None
        or header.cell_type != "markdown"
        or not header.source.startswith("# ")
    ):
        raise NotebookError(
            f"{name}: the first cell must be Markdown that starts with "
            "'# N. Title'."
        )
    title, _, rest = header.source.partition("\n")
    body = _without(rest, ("[Open in Colab](", *_STAMPED))
    parts = [title, colab_line(name), body]
    header.source = "\n\n".join(part for part in parts if part)
    aims = [cell for cell in notebook.cells if cell.get("id") == "aims"]
    if len(aims) != 1:
        raise NotebookError(
            f"{name}: one Markdown cell with the id 'aims' must say what the "
            "reader will do."
        )
    body = _without(aims[0].source, _STAMPED)
    line = time_line(measured, reading_minutes(notebook))
    aims[0].source = f"{body}\n\n{line}"


def _without(text: str, starts: tuple[str, ...]) -> str:
    lines = [x for x in text.splitlines() if not x.startswith(starts)]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


# --- The picture at the top --------------------------------------------------


def opening_file(name: str) -> Path:
    """Where the picture lies that the notebook ``name`` opens with."""
    return OPENINGS / f"{name[:2]}.svg"


def prepare_opening(name: str) -> None:
    """Before the first run there is no picture yet: an empty one will do."""
    path = opening_file(name)
    if not path.is_file():
        path.parent.mkdir(exist_ok=True)
        path.write_text(_BLANK, "utf-8")


def stamp_opening(notebook: NotebookNode, name: str) -> str:
    """Shows at the top what a later cell has drawn.

    Returns:
        The picture, as SVG, for :func:`opening_file`.

    Raises:
        NotebookError: there is no cell for it at the top, or not exactly one
            that draws it.
    """
    drawn = [
        output
        for cell in notebook.cells
        if OPENS in cell.metadata.get("tags", [])
        for output in cell.outputs
        if _SVG in output.get("data", {})
    ]
    top = [cell for cell in notebook.cells if cell.get("id") == "opening"]
    if len(drawn) != 1 or len(top) != 1:
        raise NotebookError(
            f"{name}: a cell with the id 'opening' must stand at the top, and "
            f"one cell with the tag '{OPENS}' must draw its picture; found "
            f"{len(top)} and {len(drawn)}."
        )
    (output,) = top[0].outputs
    output.data = dict(drawn[0].data)
    output.metadata = dict(drawn[0].metadata)
    shown = drawn[0].metadata[_SVG]["alt"]
    top[0].metadata.setdefault("mystnb", {})["image"] = {
        "alt": " ".join(shown.split())
    }
    return "".join(drawn[0].data[_SVG])
