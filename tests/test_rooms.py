"""The rooms of the package import one way."""

import ast
import re

import pytest

from tools.address import ROOT

PACKAGE = ROOT / "vae_course"
# A room may import itself and what stands before it on its line.
MAY_IMPORT = {
    "core": set(),
    "mlp": {"core"},
    "training": {"core"},
    "metrics": {"core"},
    "data": set(),
    "theory": {"core"},
    "sd": {"core", "training", "metrics", "data"},
    "diffusion": {"core", "training", "metrics", "sd"},
    "show": {"core", "training", "sd"},  # drawings walk through models
    "diagnosis": {
        "core",
        "mlp",
        "training",
        "metrics",
        "data",
        "theory",
        "sd",
        "diffusion",
        "show",
    },
    "museum": {
        "core",
        "mlp",
        "training",
        "theory",
        "sd",
        "diffusion",
        "show",
        "diagnosis",
    },
    "exercises": {
        "core",
        "mlp",
        "training",
        "metrics",
        "data",
        "theory",
        "sd",
        "diffusion",
        "museum",
    },
}
ANY = {"cli", "reference", "train", "challenge"}


def room(path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path) -> set[str]:
    """The rooms that a file imports when it is imported, or when it runs."""
    tree = ast.parse(path.read_text("utf-8"))
    found = set()
    only_types = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in only_types:
            continue
        names = []
        if isinstance(node, ast.ImportFrom) and node.module == "vae_course":
            names = [f"vae_course.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            if match := re.match(r"vae_course\.(\w+)", name):
                found.add(match[1])
    return found


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.name))
def test_imports_run_one_way(path):
    here = room(path)
    if here in ANY or path == PACKAGE / "__init__.py":
        return
    assert here in MAY_IMPORT, f"{here} is a new room: what may it import?"
    forbidden = imported(path) - MAY_IMPORT[here] - {here}
    assert not forbidden, f"{here} imports {forbidden}"


def test_there_are_no_circles():
    order = list(MAY_IMPORT)
    for number, name in enumerate(order):
        assert MAY_IMPORT[name] <= set(order[:number])
