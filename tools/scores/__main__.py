"""Scores the instruments and writes results/diagnosis.json.

    python -m tools.scores

Three numbers: exhibits named, of those that can be seen from outside; held-out
faults named, which were written after the instruments were frozen; false
alarms over the healthy models of chapters 1 to 9 and the museum's mended
pieces. A fault is named if an instrument rings of which that was said before;
it is noticed if any rings.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from tools.address import ROOT
from tools.scores import exhibits
from tools.scores.cases import Case, digits
from tools.scores.healthy import HEALTHY
from vae_course.sd.weights import atomic

SEEDS = {"held_out": 3, "healthy": 3, "exhibits": 3, "mended": 1}
PARTS = tuple(SEEDS)
# Humbatova et al. 2025, the best general tool on real faults.
FIELD = {"recall": 0.55, "precision": 0.37}


def cases(part: str) -> list[Case]:
    """What a part of the table examines."""
    if part == "healthy":
        return list(HEALTHY)
    if part == "mended":
        return exhibits.all_cases("mended")
    if part == "exhibits":
        return exhibits.all_cases("broken")
    try:
        from tools.scores.held_out import HELD_OUT
    except ImportError:
        return []
    return list(HELD_OUT)


def examine(case: Case, seed: int) -> dict:
    """One line of the table: which instruments rang, and on what."""
    started = time.perf_counter()
    patient = case.make(seed)
    made = time.perf_counter()
    report = patient.examined(seed)
    failed = {
        name: reason
        for name, reason in report.unasked.items()
        if name in report.failed
    }
    return {
        "name": case.name,
        **({"chapter": case.chapter} if case.chapter else {}),
        "seed": seed,
        **({"expected": sorted(case.expected)} if case.expected else {}),
        "rang": list(report.named),
        "what": [f"{r.what}: {r.number}" for r in report.findings],
        **({"failed": failed} if failed else {}),
        "seconds_to_make": round(made - started, 1),
        "seconds": round(report.seconds, 1),
    }


def summary(lines: dict[str, list[dict]]) -> dict:
    """The three numbers, and what stands beside them.

    A fault counts as named if it is in every seed.
    """
    found: dict = {}
    right = wrong = 0
    for part in ("exhibits", "held_out"):
        by_name: dict[str, list[dict]] = {}
        for line in lines.get(part, []):
            by_name.setdefault(line["name"], []).append(line)
        named = [
            name
            for name, group in by_name.items()
            if all(set(x["rang"]) & set(x["expected"]) for x in group)
        ]
        noticed = [
            name
            for name, group in by_name.items()
            if all(x["rang"] for x in group)
        ]
        found[part] = {
            "faults": len(by_name),
            "named": len(named),
            "noticed": len(noticed),
            "missed": sorted(set(by_name) - set(named)),
        }
        for line in lines.get(part, []):
            right += len(set(line["rang"]) & set(line["expected"]))
            wrong += len(set(line["rang"]) - set(line["expected"]))
    for part in ("healthy", "mended"):
        quiet = lines.get(part, [])
        alarms = [line for line in quiet if line["rang"]]
        found[part] = {
            "models": len({(x["name"], x.get("chapter")) for x in quiet}),
            "examinations": len(quiet),
            "alarms": len(alarms),
            "of": sorted({x["name"] for x in alarms}),
        }
        wrong += sum(len(x["rang"]) for x in alarms)
    # Of the bells that rang, those that named the fault; the others rang on
    # what follows from it, or on nothing.
    found["precision_of_bells"] = round(right / max(1, right + wrong), 3)
    found["best_general_tool_on_real_faults"] = FIELD
    return found


def _place(line: dict) -> tuple:
    return line["name"], line.get("chapter", 0), line["seed"]


def _written(path: Path, lines: dict[str, list[dict]]) -> dict:
    """Writes what there is so far, whole; returns it."""
    content = {
        "command": "python -m tools.scores",
        "environment": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
            "digits": digits().name,
        },
        "summary": summary(lines),
        "cannot_be_seen_from_outside": exhibits.unseen(),
        "lines": lines,
    }
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    with atomic(path) as scratch:
        scratch.write_text(text, encoding="utf-8")
    return content


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0 when the file is written."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.scores", description=__doc__
    )
    parser.add_argument("--seeds", type=int, help="fewer than three")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument(
        "--resume",
        action="store_true",
        help="keep what the file holds, and go on where it ends",
    )
    parser.add_argument("--only", help="cases whose name holds this")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "results" / "diagnosis.json"
    )
    options = parser.parse_args(arguments)
    lines: dict[str, list[dict]] = {part: [] for part in PARTS}
    if options.resume and options.out.exists():
        lines |= json.loads(options.out.read_text("utf-8"))["lines"]
    todo = [
        (seed, part, case)
        for seed in range(max(SEEDS.values()))
        for part in options.parts
        for case in cases(part)
        if seed < (options.seeds or SEEDS[part])
        and (not options.only or options.only in case.name)
    ]
    for seed, part, case in todo:
        place = (case.name, case.chapter, seed)
        if any(_place(line) == place for line in lines[part]):
            continue
        line = examine(case, seed)
        print(part, json.dumps(line, ensure_ascii=False), flush=True)
        order = {c.name: i for i, c in enumerate(cases(part))}
        lines[part].append(line)
        lines[part].sort(
            key=lambda x: (x.get("chapter", 0), order[x["name"]], x["seed"])
        )
        _written(options.out, lines)  # whole after every line
    content = _written(options.out, lines)
    print(json.dumps(content["summary"], indent=1, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
