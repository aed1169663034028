"""The tests beside the oldest packages that pyproject.toml allows.

``python -m tools.lowest [PYTEST'S ARGUMENTS]`` makes a virtual environment in
which each package has the series of its lower bound (``torch>=2.5`` becomes
the last of 2.5), once, and runs the package's tests there. Pages and notebooks
are left out: the book is built with today's tools, and ``make colab`` runs
notebooks beside older packages.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys

from tools.address import ROOT
from tools.room import RoomError, furnish

ROOM = ROOT / "_build" / "lowest"
EXTRAS = ("train", "test")
PACKAGE = "vae-course"
BOUND = re.compile(r"([\w-]+)>=([\d.]+)$")
# They drive browsers and print: tools of ours, no packages of a reader's.
TODAYS = ("axe-playwright-python", "playwright", "pypdf", "ruff")
# They ask the book's tools, which are today's.
OTHERS = (
    "tests/book",
    "tests/exercises/test_exercise_notebooks.py",
    "tests/exercises/test_kept_back.py",
)
TESTS = ["-n", "2", "--dist", "loadscope", "tests"]
TESTS += [f"--ignore={path}" for path in OTHERS]


def series(requirement: str) -> str:
    """``name>=1.23`` as the last of the series of that bound.

    Raises:
        ValueError: the requirement has no lower bound, or more than that.
    """
    found = BOUND.match(requirement)
    if not found:
        raise ValueError(f"{requirement!r} is not a name with a lower bound.")
    name, lowest = found.groups()
    start = ".".join(lowest.split(".")[:2])
    return f"{name}>={lowest},=={start}.*"


def wanted(requirements: list[str]) -> list[str]:
    """What pip installs: the dependencies and the extras of the tests.

    Args:
        requirements: as the package's metadata has them, a marker behind each
            that belongs to an extra.
    """
    asked = []
    for requirement in requirements:
        name, _, marker = requirement.partition(";")
        extra = re.search(r"extra == ['\"](\w+)", marker)
        if extra is None or extra[1] in EXTRAS:
            asked.append(name.strip())
    return [
        r if BOUND.sub(r"\1", r) in TODAYS else series(r)
        for r in dict.fromkeys(asked)
    ]


def main() -> None:
    """``python -m tools.lowest``."""
    packages = wanted(importlib.metadata.requires(PACKAGE))
    try:
        python = furnish(ROOM, packages, "the oldest")
    except RoomError as error:
        sys.exit(str(error))
    tests = sys.argv[1:] or TESTS
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    run = [python, "-m", "pytest", *tests]
    sys.exit(subprocess.run(run, cwd=ROOT, env=environment).returncode)


if __name__ == "__main__":
    main()
