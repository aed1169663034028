"""Runs notebooks in Colab's shoes: alone, beside Colab's older packages.

``python -m tools.colab [NAMES…]`` makes a virtual environment with versions
that Colab has shipped and without the course's package, once. Each notebook is
copied alone into an empty folder and run there unchanged, so its first cell
installs the course: the public address leads to what is committed here. It is
green when every cell runs, the compared claims hold, and the first cell
changed nothing but ``vae-course``. Seconds are reported, never judged.
"""

from __future__ import annotations

import argparse
import configparser
import datetime
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import nbformat
from nbformat import NotebookNode

from tools.address import ROOT, address
from tools.notebooks import NOTEBOOKS, THREADS, chosen, execute, write_text
from tools.room import RoomError, furnish
from tools.tidying import NotebookError

COMMAND = "python -m tools.colab"
ROOM = ROOT / "_build" / "colab"
RESULTS = ROOT / "results" / "colab.json"
PACKAGE = "vae-course"
KERNEL = "vae-course-colab"
COMPARED = "nbval-check-output"
FIRST_CELL_SECONDS = 20  # the aim
# Older than the course's own; what the first cell has to leave alone.
COLAB = {
    "torch": "2.6.0",
    "torchvision": "0.21.0",
    "numpy": "2.0.2",
    "ipython": "7.34.0",
    "ipywidgets": "7.7.1",
    "ipykernel": "6.17.1",
    "matplotlib": "3.10.0",
    "scikit-learn": "1.6.1",
    "pillow": "11.1.0",
    "safetensors": "0.5.3",
    "tqdm": "4.67.1",
    "accelerate": "1.5.2",
}


class ColabError(RoomError):
    """What stands in the way of a run, and what to do."""


class Run(NamedTuple):
    """What became of one notebook."""

    first_cell: float  # seconds
    seconds: float  # in all
    wrong: list[str]  # a sentence for each claim that is not as stored
    changed: set[str]  # lines of `pip freeze` that came or went

    @property
    def green(self) -> bool:
        """Whether all claims held and only the course was installed."""
        ours = [line for line in self.changed if line.startswith(PACKAGE)]
        return not self.wrong and len(ours) == len(self.changed) == 1


def make_room(room: Path, packages: dict[str, str]) -> Path:
    """A virtual environment with these packages, and a kernel that Jupyter
    finds; returns its Python. One that is there already is used again.

    Raises:
        RoomError: pip could not install them.
    """
    wanted = [f"{name}=={version}" for name, version in packages.items()]
    python = furnish(room, wanted, "Colab's")
    kernel = room / "jupyter" / "kernels" / KERNEL
    kernel.mkdir(parents=True, exist_ok=True)
    start = [str(python), "-m", "ipykernel_launcher", "-f"]
    spec = {"argv": [*start, "{connection_file}"], "language": "python"}
    text = json.dumps({**spec, "display_name": "Colab"})
    (kernel / "kernel.json").write_text(text)
    os.environ["JUPYTER_PATH"] = str(room / "jupyter")
    return python


def freeze(python: Path) -> set[str]:
    """What is installed, a line a package."""
    said = subprocess.run(
        [python, "-m", "pip", "freeze", "--all"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(said.stdout.splitlines())


def run(path: Path, python: Path, checkout: Path = ROOT) -> Run:
    """Runs a notebook alone, in a folder that is empty but for it.

    Raises:
        NotebookError: a cell failed.
        ColabError: the course's package cannot be taken away before.
    """
    uninstall = ["-m", "pip", "uninstall", "--quiet", "--yes", PACKAGE]
    subprocess.run([python, *uninstall], check=True, capture_output=True)
    before = freeze(python)
    if any(line.startswith(PACKAGE) for line in before):
        raise ColabError(f"{PACKAGE} is still in {python.parent.parent}.")
    notebook = nbformat.read(path, as_version=4)
    stored = claims(notebook)
    with tempfile.TemporaryDirectory() as scratch:
        content = Path(scratch, "content")
        content.mkdir()
        shutil.copy(path, content)
        variables = _variables(Path(scratch), checkout)
        execute(notebook, path.stem, KERNEL, content, variables)
    times = [seconds(c) for c in notebook.cells if c.cell_type == "code"]
    wrong = [
        f"{name}: {now!r} where {then!r} is stored"
        for (name, now), (_, then) in zip(
            claims(notebook), stored, strict=True
        )
        if now != then
    ]
    return Run(times[0], sum(times), wrong, before ^ freeze(python))


def claims(notebook: NotebookNode) -> list[tuple[str, str]]:
    """Name and output of each compared cell, without numbers in brackets."""
    settings = configparser.ConfigParser(interpolation=None)
    settings.read(NOTEBOOKS / "sanitize.cfg", "utf-8")
    rules = [
        (part["regex"], part["replace"])
        for part in settings.values()
        if "regex" in part
    ]
    found = []
    for cell in notebook.cells:
        if COMPARED not in cell.metadata.get("tags", []):
            continue
        text = "".join(
            output.text
            if output.output_type == "stream"
            else output.data["text/plain"]
            for output in cell.outputs
            if output.get("name") != "stderr"
        )
        for pattern, replacement in rules:
            text = re.sub(pattern, replacement, text)
        found.append((cell.id, text))
    return found


def seconds(cell: NotebookNode) -> float:
    """How long a cell ran, by the kernel's own messages."""
    began, ended = (
        datetime.datetime.fromisoformat(cell.metadata.execution[key])
        for key in ("iopub.execute_input", "shell.execute_reply")
    )
    return (ended - began).total_seconds()


def _variables(scratch: Path, checkout: Path) -> dict[str, str]:
    """Variables under which the kernel sees what it would see there."""
    # Colab's own package, of which code may ask whether it is there.
    google = scratch / "packages" / "google" / "colab"
    google.mkdir(parents=True)
    (google / "__init__.py").touch()
    return {
        "PYTHONPATH": str(scratch / "packages"),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # three lines of warning
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{checkout.resolve().as_uri()}.insteadOf",
        "GIT_CONFIG_VALUE_0": address().url,
    }


def remember(name: str, found: Run, path: Path = RESULTS) -> None:
    """Writes a green run into ``results/colab.json``."""
    known = {}
    if path.is_file():
        known = json.loads(path.read_text("utf-8"))["notebooks"]
    hosted = os.environ.get("GITHUB_ACTIONS") == "true"
    known[name] = {
        "green": datetime.date.today().isoformat(),
        "where": "hosted" if hosted else "by hand",
        "first_cell": round(found.first_cell, 1),
        "seconds": max(1, round(found.seconds)),
        "threads": THREADS,
        "python": platform.python_version(),
    }
    content = {"command": COMMAND, "versions": COLAB, "notebooks": known}
    write_text(path, json.dumps(content, indent=2, sort_keys=True) + "\n")


def report(name: str, found: Run) -> str:
    """What one reads of a run."""
    late = f" (the aim is {FIRST_CELL_SECONDS})"
    first = f"first cell {found.first_cell:.1f} s"
    first += late if found.first_cell > FIRST_CELL_SECONDS else ""
    changed = ", ".join(sorted(found.changed)) or "nothing"
    lines = [
        f"{name}: {'green' if found.green else 'RED'}, {first}, "
        f"{found.seconds:.0f} s in all; changed: {changed}",
        *found.wrong,
    ]
    return "\n  ".join(lines)


def main(arguments: list[str] | None = None) -> None:
    """``python -m tools.colab [NAMES…]``."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("names", nargs="*", help="as 03; default: all")
    parser.add_argument("--room", type=Path, default=ROOM)
    options = parser.parse_args(arguments)
    red = []
    try:
        notebooks = chosen(options.names)
        python = make_room(options.room, COLAB)
    except (RoomError, NotebookError) as error:
        sys.exit(f"\n{error}")
    for path in notebooks:
        print(f"{path.stem}: running", flush=True)
        try:
            found = run(path, python)
        except (ColabError, NotebookError) as error:
            print(f"{path.stem}: RED\n{error}", flush=True)
            red.append(path.stem)
            continue
        print(report(path.stem, found), flush=True)
        if found.green:
            remember(path.stem, found)
        else:
            red.append(path.stem)
    if red:
        sys.exit(f"Not as on Colab: {', '.join(red)}.")


if __name__ == "__main__":
    main()
