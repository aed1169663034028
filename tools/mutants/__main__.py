"""``python -m tools.mutants [MODULE ...]``: which wrong lines go unnoticed?

Each mutant is a copy of the package with one wrong line. The tests of its
module run on it; if they all pass, it has survived. What has been tried is
kept line by line in _build/mutants.jsonl, so a run may be stopped and goes on
where it was; the score and the survivors go into results/mutants.json.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import platform
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tools.mutants.changes import Mutant, mutants
from tools.mutants.known import KNOWN
from tools.mutants.reasons import REASONS

ROOT = Path(__file__).parent.parent.parent
LOG = ROOT / "_build" / "mutants.jsonl"
RESULTS = ROOT / "results" / "mutants.json"
COPIED = ("vae_course", "tests", "tools", "pyproject.toml", "notebooks")
METRICS = ("metrics", "image_metrics", "pixel_entropy", "importance_weighted")
TESTS = {
    "core": ["tests/test_core.py"],
    "metrics": [f"tests/test_{name}.py" for name in METRICS],
    "training": ["tests/test_training.py"],
    "data.images": ["tests/data/test_data.py", "tests/data/test_photos.py"],
    "data.mnist": ["tests/data/test_data.py"],
    "data.photos": ["tests/data/test_photos.py"],
    "data.folders": ["tests/data/test_folders.py"],
    "data.shards": ["tests/data/test_shards.py"],
    "theory.conventions": ["tests/theory/test_conventions.py"],
    "theory.gradients": ["tests/theory/test_gradients.py"],
    "theory.linear_gaussian": ["tests/theory"],
    "sd.group_norm": ["tests/sd/test_group_norm.py"],
    "sd.strips": ["tests/sd/test_strips.py"],
    "sd.weights": [
        "tests/sd/test_checkpoints.py",
        "tests/sd/test_real_files.py",
    ],
    "sd.checkpoints": [
        "tests/sd/test_checkpoints.py",
        "tests/sd/test_real_files.py",
    ],
    "sd.autoencoder": ["tests/sd/test_autoencoder.py"],
    "diffusion.schedule": ["tests/diffusion/test_schedule.py"],
    "diffusion.objective": ["tests/diffusion/test_objective.py"],
    "diffusion.sampling": ["tests/diffusion/test_sampling.py"],
    "diffusion.bound": ["tests/diffusion/test_bound.py"],
    "show.plotting": ["tests/show/test_plotting.py"],
    "show.claims": ["tests/show/test_claims.py"],
}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("modules", nargs="*", help=f"of {', '.join(TESTS)}")
    parser.add_argument(
        "--share",
        type=float,
        default=1.0,
        help="of the mutants made by rules; the same ones every time",
    )
    parser.add_argument(
        "--by-hand", action="store_true", help="only those written by hand"
    )
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.modules) - TESTS.keys():
        parser.error(f"no tests are known for {', '.join(sorted(unknown))}")
    share = 0.0 if chosen.by_hand else chosen.share
    LOG.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in COPIED:
            _copy(ROOT / name, copy / name)
        for module in chosen.modules or TESTS:
            _examine(module, copy, share)
    write_score()
    return 0


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        unwanted = shutil.ignore_patterns("__pycache__", ".*")
        shutil.copytree(source, target, ignore=unwanted)
    else:
        shutil.copy(source, target)


def path_of(module: str) -> str:
    return f"vae_course/{module.replace('.', '/')}.py"


def chosen_mutants(module: str, share: float) -> Iterator[tuple[str, Mutant]]:
    """Who made it, and the mutant; those written by hand come first.

    Raises:
        ValueError: what a mutant by hand replaces does not stand there once.
    """
    source = (ROOT / path_of(module)).read_text("utf-8")
    for name, old, new in KNOWN:
        if name == module:
            if source.count(old) != 1:
                raise ValueError(f"{module} does not hold this once: {old}")
            line = source[: source.index(old)].count("\n") + 1
            words = f"{_one_line(old)} -> {_one_line(new) or 'nothing'}"
            yield "hand", Mutant(line, words, source.replace(old, new))
    dice = random.Random(module)
    for mutant in mutants(source):
        if dice.random() < share:
            yield "rule", mutant


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _examine(module: str, copy: Path, share: float) -> None:
    """Tries the mutants of a module that were not tried before."""
    target = copy / path_of(module)
    source = target.read_text("utf-8")
    tests = TESTS[module]
    tried = {line["print"] for line in _log()}
    waiting = [
        (by, mutant, mark)
        for by, mutant in chosen_mutants(module, share)
        if (mark := _print(mutant.source, tests)) not in tried
    ]
    if not waiting:
        return
    started = time.monotonic()
    if not _passes(copy, tests, limit=3600):
        raise SystemExit(f"{module}: its tests fail before anything is wrong.")
    limit = 30 + 5 * (time.monotonic() - started)
    for by, mutant, mark in waiting:
        target.write_text(mutant.source, "utf-8")
        survived = _passes(copy, tests, limit)
        target.write_text(source, "utf-8")
        found = {"module": module, "line": mutant.line, "what": mutant.what}
        found |= {"by": by, "survived": survived, "print": mark}
        with LOG.open("a", encoding="utf-8") as log:
            log.write(json.dumps(found, ensure_ascii=False) + "\n")
        outcome = "SURVIVED" if survived else "killed"
        print(f"{module}:{mutant.line} {mutant.what}: {outcome}", flush=True)


def _passes(copy: Path, tests: list[str], limit: float) -> bool:
    """Whether the tests pass on the copy, within ``limit`` seconds."""
    # Forked, because importing torch takes longer than most tests.
    import torch  # noqa: F401

    child = multiprocessing.get_context("fork").Process(
        target=_test, args=(copy, tests)
    )
    child.start()
    child.join(limit)
    if child.is_alive():  # it hangs, which the tests' user would see
        child.kill()
        child.join()
    return child.exitcode == 0


def _test(copy: Path, tests: list[str]) -> None:
    os.chdir(copy)
    sys.dont_write_bytecode = True
    os.environ |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(copy)}
    roots = {"", str(ROOT)}
    sys.path[:] = [str(copy), *(p for p in sys.path if p not in roots)]
    ours = ("vae_course", "tools", "tests", "conftest")
    for name in [n for n in sys.modules if n.split(".")[0] in ours]:
        del sys.modules[name]  # the copy's own are imported
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    import pytest

    os._exit(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *tests]))


def _print(source: str, tests: list[str]) -> str:
    """Of the wrong module and the tests that look at it."""
    seen = hashlib.sha256(source.encode())
    for name in tests:
        path = ROOT / name
        for file in sorted(path.glob("*.py")) if path.is_dir() else [path]:
            seen.update(file.read_bytes())
    return seen.hexdigest()[:12]


def _log() -> list[dict]:
    lines = LOG.read_text("utf-8").splitlines() if LOG.exists() else []
    return [json.loads(line) for line in lines]


def write_score() -> None:
    """Those of the log that are mutants of the package as it stands."""
    log = {line["print"]: line for line in _log()}
    modules = {}
    for module, tests in TESTS.items():
        made = list(chosen_mutants(module, share=1.0))
        marks = {_print(mutant.source, tests): mutant for _, mutant in made}
        found = [log[mark] for mark in marks if mark in log]
        if found:
            modules[module] = _score(module, found, len(marks))
    tried = sum(each["tried"] for each in modules.values())
    killed = sum(each["killed"] for each in modules.values())
    result = {
        "command": "python -m tools.mutants",
        "python": platform.python_version(),
        "tried": tried,
        "killed": killed,
        "modules": modules,
    }
    text = json.dumps(result, indent=1, ensure_ascii=False)
    RESULTS.write_text(text + "\n", "utf-8")
    print(f"{killed} of {tried} were noticed; see {RESULTS.name}")


def _score(module: str, found: list[dict], there_are: int) -> dict:
    survivors = [
        {
            "line": line["line"],
            "what": line["what"],
            "reason": reason(module, line["what"]),
        }
        for line in found
        if line["survived"]
    ]
    killed = len(found) - len(survivors)
    return {
        "there are": there_are,
        "tried": len(found),
        "killed": killed,
        "survivors": survivors,
    }


def reason(module: str, what: str) -> str | None:
    """Why a survivor is no fault; None where a test is missing."""
    fits = (
        why
        for (name, piece), why in REASONS.items()
        if name == module and piece in what
    )
    return next(fits, None)


if __name__ == "__main__":
    sys.exit(main())
