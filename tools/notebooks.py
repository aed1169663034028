"""Executes the notebooks in place and leaves no noise in them.

``python -m tools.notebooks [NAMES…]`` runs each notebook from a fresh kernel,
top to bottom, with one thread and a fixed hash seed. What it writes back is
the same to the byte as long as the results are: execution times, progress bars
and version numbers go; outputs, execution counts and cell ids stay. Three
things that every notebook shares are stamped from here: the link to Colab, the
measured time and the first code cell.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbformat import NotebookNode

from tools.address import ROOT, address

NOTEBOOKS = ROOT / "notebooks"
TIMES = ROOT / "results" / "notebooks.json"
COMMAND = "python -m tools.notebooks"
THREADS = 1
SUBSTITUTES = ("scikit-learn digits", "2 photographs")  # without a network
CELL_TIMEOUT = 600  # seconds; far above the budget, far below forever

# Outputs are those of a CPU with one thread, whatever the machine has.
ENVIRONMENT = {
    "OMP_NUM_THREADS": str(THREADS),
    "PYTHONHASHSEED": "0",
    "CUDA_VISIBLE_DEVICES": "-1",
}
METADATA = {
    "kernelspec": {
        "display_name": "Python 3",
        "language": "python",
        "name": "python3",
    },
    "language_info": {"name": "python", "pygments_lexer": "ipython3"},
}
WIDGET = "application/vnd.jupyter.widget-view+json"
IMAGES = ("image/png", "image/jpeg", "image/gif", "image/svg+xml")

_BAR = re.compile(r"\d+%\||\d+(\.\d+)?(it|step)s? \[")
_BLOB = re.compile(r"[A-Za-z0-9+/=]{200,}")  # base64 may spell anything
_PLACE = re.compile(
    r"(?<![\w.])/(?:home|Users|root|tmp|work|var/folders|content)/[\w./-]*"
    r"|\b[A-Z]:\\[\w.\\-]+"
)
_MEMORY = re.compile(r" at 0x[0-9a-fA-F]{6,}")


class NotebookError(RuntimeError):
    """A notebook that cannot be published; says which cell, and what to do."""


# --- What the notebooks share ------------------------------------------------


def first_cell() -> str:
    """The source of the first code cell of every notebook."""
    template = Path(__file__).with_name("first_cell.py").read_text("utf-8")
    return template.replace("{repository}", address().url).rstrip("\n")


def colab_line(name: str) -> str:
    """The header's link to Colab, for the notebook ``name``."""
    return f"[Open in Colab]({address().colab(f'{name}.ipynb')})"


def time_line(measured: dict) -> str:
    """The header's line about time, from an entry of :func:`read_times`."""
    minor = {
        key: ".".join(measured[key].split(".")[:2])
        for key in ("python", "torch")
    }
    threads = measured["threads"]
    return (
        f"**Measured time:** {measured['seconds']} seconds from top to "
        f"bottom on {measured['cores']} CPU cores with {threads} "
        f"thread{'s' * (threads != 1)} (Python {minor['python']}, PyTorch "
        f"{minor['torch']}, data: {measured['data']})."
    )


def read_times() -> dict[str, dict]:
    """What ``results/notebooks.json`` holds for each notebook, by name."""
    if not TIMES.is_file():
        return {}
    return json.loads(TIMES.read_text("utf-8"))["notebooks"]


def is_compared(cell: NotebookNode) -> bool:
    """Whether nbval compares the outputs of this cell."""
    return cell.source.lstrip().startswith(
        "# NBVAL_CHECK_OUTPUT\n"
    ) or "nbval-check-output" in cell.metadata.get("tags", [])


def stamp_first_cell(notebook: NotebookNode) -> None:
    """Puts the shared first code cell under the header."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if not code or code[0].get("id") != "install":
        code = [nbformat.v4.new_code_cell(id="install")]
        notebook.cells.insert(1, code[0])
    code[0].source = first_cell()
    code[0].metadata["tags"] = ["hide-input"]
    prompt = "{} the cell that installs the course's code where it is missing"
    code[0].metadata["mystnb"] = {
        "code_prompt_show": prompt.format("Show"),
        "code_prompt_hide": prompt.format("Hide"),
    }


def stamp_header(notebook: NotebookNode, name: str, measured: dict) -> None:
    """Writes the link to Colab and the measured time into the header.

    Raises:
        NotebookError: the first cell is not Markdown with a title.
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
    kept = [
        line
        for line in rest.splitlines()
        if not line.startswith(("[Open in Colab](", "**Measured time:**"))
    ]
    body = re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip()
    parts = [title, colab_line(name), body, time_line(measured)]
    header.source = "\n\n".join(part for part in parts if part)


# --- What does not belong in them --------------------------------------------


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
    """The outputs without tqdm's bars, as widgets or as text."""
    kept = []
    for output in outputs:
        if WIDGET in output.get("data", {}):
            continue
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
                "figure of vae_course.show.plotting, or write what there is to "
                "see into the cell's metadata: "
                '{"mystnb": {"image": {"alt": "…"}}}.'
            )
        options["image"] = {"alt": " ".join(alt.split())}
    if options:
        cell.metadata["mystnb"] = options


# --- Running them ------------------------------------------------------------


def execute(notebook: NotebookNode, name: str) -> float:
    """Runs a notebook from a fresh kernel; returns the seconds it took.

    Raises:
        NotebookError: a cell failed, ran too long, or killed the kernel.
    """
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=CELL_TIMEOUT,
        resources={"metadata": {"path": str(NOTEBOOKS)}},
        extra_arguments=["--log-level=ERROR"],
    )
    start = time.perf_counter()
    try:
        client.execute(env={**os.environ, **ENVIRONMENT})
    except (CellExecutionError, DeadKernelError, TimeoutError) as error:
        number, cell = _last_started(notebook)
        raise NotebookError(
            f"{name}: cell {number} ({cell.get('id', 'no id')}) failed; the "
            f"file is as it was.\n\n{cell.source}\n\n{_reason(cell, error)}"
        ) from error
    return time.perf_counter() - start


def _last_started(notebook: NotebookNode) -> tuple[int, NotebookNode]:
    started = [
        (number, cell)
        for number, cell in enumerate(notebook.cells, start=1)
        if cell.cell_type == "code" and "execution" in cell.metadata
    ]
    return started[-1] if started else (1, notebook.cells[0])


def _reason(cell: NotebookNode, error: Exception) -> str:
    for output in cell.get("outputs", []):
        if output.output_type == "error":
            colour = re.compile(r"\x1b\[[0-9;]*m")
            return colour.sub("", "\n".join(output.traceback))
    return f"{type(error).__name__}: {error}"


def measurement(notebook: NotebookNode, seconds: float) -> dict:
    """An entry of ``results/notebooks.json`` for a run on this machine."""
    return {
        "seconds": max(1, round(seconds)),
        "cores": _cores(),
        "threads": THREADS,
        "python": platform.python_version(),
        "torch": version("torch").split("+")[0],
        "data": data_at_hand(notebook),
    }


def data_at_hand(notebook: NotebookNode) -> str:
    """The images that a notebook saw here, or one of ``SUBSTITUTES``."""
    from vae_course.data.mnist import (
        find_mnist,  # torch: only when it is needed
    )
    from vae_course.data.photos import photographs

    code = [c.source for c in notebook.cells if c.cell_type == "code"]
    if any("photo_patches" in source for source in code):
        return f"{len(photographs())} photographs"
    return SUBSTITUTES[0] if find_mnist() is None else "MNIST"


def settled(old: dict | None, new: dict) -> dict:
    """The old measurement, unless the new one is really another.

    Two runs never take quite the same time; a figure that moves by less than a
    fifth is not worth a line in a diff.
    """
    same = old is not None and all(
        old[key] == new[key] for key in ("cores", "threads", "data")
    )
    if same and abs(new["seconds"] - old["seconds"]) <= 0.2 * old["seconds"]:
        return old
    return new


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def write_text(path: Path, text: str) -> bool:
    """Writes a file whole or not at all; says whether it changed."""
    content = text.encode("utf-8")
    if path.is_file() and path.read_bytes() == content:
        return False
    path.parent.mkdir(exist_ok=True)
    scratch = path.with_name(f".{path.name}.part")
    try:
        scratch.write_bytes(content)
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)
    return True


def write_times(times: dict[str, dict]) -> bool:
    """Writes ``results/notebooks.json``; says whether it changed."""
    content = {"command": COMMAND, "notebooks": times}
    return write_text(
        TIMES, json.dumps(content, indent=2, sort_keys=True) + "\n"
    )


def run(path: Path, times: dict[str, dict], only_stamp: bool = False) -> bool:
    """Executes and stamps one notebook; says whether its file changed."""
    name = path.stem
    notebook = nbformat.read(path, as_version=4)
    if only_stamp and name not in times:
        raise NotebookError(
            f"{name}: no time is known yet; run `{COMMAND} {name}` first."
        )
    stamp_first_cell(notebook)
    if not only_stamp:
        seconds = execute(notebook, name)
        tidy(notebook, name)
        times[name] = settled(times.get(name), measurement(notebook, seconds))
    stamp_header(notebook, name, times[name])
    nbformat.validate(notebook)
    changed = write_text(path, nbformat.writes(notebook) + "\n")
    if not only_stamp:
        note = "changed" if changed else "unchanged"
        print(f"{name}: {seconds:.0f} s, {note}", flush=True)
    return changed


def chosen(names: list[str]) -> list[Path]:
    """The notebooks that ``names`` mean: "01", "01_autoencoders" or a path.

    Raises:
        NotebookError: there is no such notebook.
    """
    every = sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))
    if not names:
        return every
    wanted = []
    for name in names:
        stem = Path(name).stem
        found = [p for p in every if p.stem == stem or p.stem.startswith(stem)]
        if len(found) != 1:
            known = ", ".join(p.stem for p in every) or "none yet"
            raise NotebookError(f"No notebook {name!r}. There are: {known}.")
        wanted += found
    return wanted


def main(arguments: list[str] | None = None) -> None:
    """``python -m tools.notebooks [--stamp] [NAMES…]``."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument(
        "names", nargs="*", help="for instance 01; default: all"
    )
    parser.add_argument(
        "--stamp",
        action="store_true",
        help="write the shared parts only; execute nothing",
    )
    options = parser.parse_args(arguments)
    try:
        times = read_times()
        for path in chosen(options.names):
            if not options.stamp:
                print(f"{path.stem}: running", flush=True)
            run(path, times, options.stamp)
            present = {p.stem for p in chosen([])}
            times = {k: v for k, v in times.items() if k in present}
            write_times(times)
    except NotebookError as error:
        sys.exit(f"\n{error}")
    total = sum(entry["seconds"] for entry in times.values())
    print(f"{len(times)} notebooks, {total} s in all (at most 900).")
    small = sorted({e["data"] for e in times.values()} & {*SUBSTITUTES})
    if small:
        print(
            f"Some outputs show {' and '.join(small)}, because MNIST or "
            "Kodak's photographs were not at hand. Do not publish them."
        )


if __name__ == "__main__":
    main()
