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
import platform
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tools.mutants.changes import Mutant, mutants
from tools.mutants.known import KNOWN
from tools.mutants.reasons import REASONS
from tools.mutants.trials import Trials

ROOT = Path(__file__).parent.parent.parent
LOG = ROOT / "_build" / "mutants.jsonl"
RESULTS = ROOT / "results" / "mutants.json"
COPIED = ("vae_course", "tests", "tools", "pyproject.toml", "notebooks")
CORE = ("core", "mlp", "importance_weighted")
METRICS = ("metrics", "image_metrics", "pixel_entropy", "importance_weighted")
TESTS = {
    "core": [f"tests/test_{name}.py" for name in CORE],
    "metrics": [f"tests/test_{name}.py" for name in METRICS],
    "training": ["tests/test_training.py"],
    "data.images": ["tests/data/test_data.py", "tests/data/test_photos.py"],
    "data.mnist": ["tests/data/test_data.py"],
    "data.photos": ["tests/data/test_photos.py"],
    "data.folders": ["tests/data/test_folders.py"],
    "data.shards": ["tests/data/test_shards.py"],
    "theory.conventions": ["tests/theory/test_conventions.py"],
    "theory.gradients": ["tests/theory/test_gradients.py"],
    "theory.linear_gaussian": ["tests/theory/test_linear_gaussian.py"],
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


def chosen_mutants(
    module: str, share: float, root: Path
) -> Iterator[tuple[str, Mutant]]:
    """Who made it, and the mutant; those written by hand come first.

    Raises:
        ValueError: what a mutant by hand replaces does not stand there once.
    """
    source = (root / path_of(module)).read_text("utf-8")
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
    content = _content(copy, tests)
    log = _log()
    tried = {line["print"] for line in log}
    noticed = {
        (line["module"], line["what"]): line.get("noticed by") for line in log
    }
    waiting = [
        (by, mutant, mark)
        for by, mutant in chosen_mutants(module, share, copy)
        if (mark := _print(mutant.source, content)) not in tried
    ]
    if not waiting:
        return
    trials = Trials(copy, tests)
    for by, mutant, mark in waiting:
        target.write_text(mutant.source, "utf-8")
        trial = trials.on_mutant(noticed.get((module, mutant.what)))
        target.write_text(source, "utf-8")
        found = {"module": module, "line": mutant.line, "what": mutant.what}
        found |= {"by": by, "survived": trial.passed, "print": mark}
        found |= {"noticed by": trial.noticed_by}
        with LOG.open("a", encoding="utf-8") as log:
            log.write(json.dumps(found, ensure_ascii=False) + "\n")
        outcome = "SURVIVED" if trial.passed else "killed"
        print(f"{module}:{mutant.line} {mutant.what}: {outcome}", flush=True)


def _content(root: Path, tests: list[str]) -> bytes:
    """Of the files of tests."""
    files = []
    for path in (root / name for name in tests):
        files += sorted(path.glob("*.py")) if path.is_dir() else [path]
    return b"".join(file.read_bytes() for file in files)


def _print(source: str, tests: bytes) -> str:
    """Of the wrong module and the tests that look at it."""
    return hashlib.sha256(source.encode() + tests).hexdigest()[:12]


def _log() -> list[dict]:
    lines = LOG.read_text("utf-8").splitlines() if LOG.exists() else []
    return [json.loads(line) for line in lines]


def write_score() -> None:
    """Those of the log that are mutants of the package as it stands."""
    log = {line["print"]: line for line in _log()}
    modules, by_hand = {}, []
    for module, tests in TESTS.items():
        content, marks = _content(ROOT, tests), {}
        for by, mutant in chosen_mutants(module, share=1.0, root=ROOT):
            mark = _print(mutant.source, content)
            if mark not in marks and by == "hand":
                by_hand.append(mark)
            marks[mark] = mutant  # two rules may make the same: it counts once
        survived = {m: log[m]["survived"] for m in marks if m in log}
        modules[module] = _score(module, marks, survived)
    result = {"command": "python -m tools.mutants"}
    result["python"] = platform.python_version()
    for count in ("there are", "tried", "killed", "equivalent", "open"):
        result[count] = sum(each[count] for each in modules.values())
    tried = [log[mark]["survived"] for mark in by_hand if mark in log]
    result["of these by hand"] = {
        "there are": len(by_hand),
        "tried": len(tried),
        "killed": tried.count(False),
    }
    files = sorted((ROOT / "vae_course").rglob("*.py"))
    package = {str(f.relative_to(ROOT).as_posix()) for f in files}
    result["modules that are not looked at"] = len(
        package - {path_of(module) for module in TESTS}
    )
    result["modules"] = modules
    text = json.dumps(result, indent=1, ensure_ascii=False)
    RESULTS.write_text(text + "\n", "utf-8")
    print(
        f"{result['killed']} of {result['tried']} that were tried, of "
        f"{result['there are']} that there are, were noticed; {RESULTS.name}"
    )


def _score(
    module: str, made: dict[str, Mutant], survived: dict[str, bool]
) -> dict:
    survivors = [
        {
            "line": mutant.line,
            "what": mutant.what,
            "reason": reason(module, mutant.what),
        }
        for mark, mutant in made.items()
        if survived.get(mark)
    ]
    unexplained = sum(each["reason"] is None for each in survivors)
    return {
        "there are": len(made),
        "tried": len(survived),
        "killed": len(survived) - len(survivors),
        "equivalent": len(survivors) - unexplained,
        "open": unexplained,
        "survivors": survivors,
    }


def reason(module: str, what: str) -> str | None:
    """Why a survivor is no fault; None where a test is missing."""
    fits = (
        why
        for (name, piece), why in REASONS.items()
        if name in (module, "any")
        and all(part in what for part in piece.split(" … "))
    )
    return next(fits, None)


if __name__ == "__main__":
    sys.exit(main())
