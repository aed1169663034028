"""Executes the notebooks in place and leaves no noise in them.

``python -m tools.notebooks [NAMES…]`` runs each notebook from a fresh kernel,
top to bottom, with one thread and a fixed hash seed. What it writes back is
the same to the byte as long as the results are (:mod:`tools.tidying`). What
every notebook shares is stamped (:mod:`tools.stamping`).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import sys
import time
from importlib.metadata import version
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbformat import NotebookNode

from tools import stamping
from tools.address import ROOT
from tools.tidying import NotebookError, tidy

NOTEBOOKS = ROOT / "notebooks"
TIMES = ROOT / "results" / "notebooks.json"
COMMAND = "python -m tools.notebooks"
THREADS = 1
SUBSTITUTES = ("scikit-learn digits", "2 photographs")  # without a network
SECONDS_EACH, SECONDS_IN_ALL = 120, 900  # the budget
CELL_TIMEOUT = 600  # seconds; far above the budget, far below forever

# Outputs are those of a CPU with one thread, whatever the machine has.
ENVIRONMENT = {
    "OMP_NUM_THREADS": str(THREADS),
    "PYTHONHASHSEED": "0",
    "CUDA_VISIBLE_DEVICES": "-1",
}


def read_times() -> dict[str, dict]:
    """What ``results/notebooks.json`` holds for each notebook, by name."""
    if not TIMES.is_file():
        return {}
    return json.loads(TIMES.read_text("utf-8"))["notebooks"]


def execute(
    notebook: NotebookNode,
    name: str,
    kernel: str = "python3",
    folder: Path = NOTEBOOKS,
    variables: dict[str, str] | None = None,
) -> float:
    """Runs a notebook from a fresh kernel; returns the seconds it took.

    Args:
        kernel: the kernel's name, as Jupyter knows it.
        folder: where it runs.
        variables: what its environment has beside the usual.

    Raises:
        NotebookError: a cell failed, ran too long, or killed the kernel.
    """
    client = NotebookClient(
        notebook,
        kernel_name=kernel,
        timeout=CELL_TIMEOUT,
        resources={"metadata": {"path": str(folder)}},
        extra_arguments=["--log-level=ERROR"],
    )
    start = time.perf_counter()
    try:
        client.execute(env={**os.environ, **ENVIRONMENT, **(variables or {})})
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
    if any("photos.bundled" in source for source in code):
        return "the 2 bundled photographs"  # whatever else is at hand
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


def remember(name: str, measured: dict) -> None:
    """Writes a measurement into ``results/notebooks.json``.

    The file is read just before, since two runs may go on side by side; names
    of notebooks that are no more go.
    """
    times = read_times()
    times[name] = settled(times.get(name), measured)
    present = {path.stem for path in chosen([])}
    times = {key: times[key] for key in times if key in present}
    content = {"command": COMMAND, "notebooks": times}
    write_text(TIMES, json.dumps(content, indent=2, sort_keys=True) + "\n")


def run(path: Path, only_stamp: bool = False) -> bool:
    """Executes and stamps one notebook; says whether its file changed."""
    name = path.stem
    notebook = nbformat.read(path, as_version=4)
    if only_stamp and name not in read_times():
        raise NotebookError(
            f"{name}: no time is known yet; run `{COMMAND} {name}` first."
        )
    stamping.stamp_first_cell(notebook)
    if not only_stamp:
        stamping.prepare_opening(name)
        seconds = execute(notebook, name)
        tidy(notebook, name)
        picture = stamping.stamp_opening(notebook, name)
        write_text(stamping.opening_file(name), picture)
        remember(name, measurement(notebook, seconds))
    stamping.stamp_folds(notebook, name)
    stamping.stamp_header(notebook, name, read_times()[name])
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
        for path in chosen(options.names):
            if not options.stamp:
                print(f"{path.stem}: running", flush=True)
            run(path, options.stamp)
    except NotebookError as error:
        sys.exit(f"\n{error}")
    times = read_times()
    total = sum(entry["seconds"] for entry in times.values())
    print(f"{len(times)} notebooks, {total} s in all (aim: {SECONDS_IN_ALL}).")
    slow = [n for n, e in times.items() if e["seconds"] > SECONDS_EACH]
    if slow:
        print(
            f"Over {SECONDS_EACH} s: {', '.join(slow)}. On two idle cores of "
            "the usual kind each must take less."
        )
    small = sorted({e["data"] for e in times.values()} & {*SUBSTITUTES})
    if small:
        print(
            f"Some outputs show {' and '.join(small)}, because MNIST or "
            "Kodak's photographs were not at hand. Do not publish them."
        )


if __name__ == "__main__":
    main()
