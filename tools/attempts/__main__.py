"""The command; see the package's own words."""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import inspect
import json
import sys
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import torch

from tools.address import ROOT
from tools.attempts.equality import differs
from tools.attempts.forms import Attempt, attempts, forms, home
from tools.attempts.reasons import reason
from vae_course.exercises import registry
from vae_course.exercises.engine.apart import OutOfTime, here
from vae_course.exercises.engine.checking import Verdict, examine
from vae_course.exercises.exercise import Exercise

RESULTS = ROOT / "results" / "attempts.json"
SECONDS = 3.0  # an attempt in a loop is wrong, and need not be waited for
MOST = 150  # attempts of one exercise, spread over all kinds of change
MOST_SLOW = 100  # where a check takes more than a second


def main() -> None:
    """Tries attempts and writes what became of them."""
    parser = argparse.ArgumentParser(prog="python -m tools.attempts")
    parser.add_argument("numbers", nargs="*", help="exercises; all if none")
    parser.add_argument("--survivors", action="store_true")
    parser.add_argument("--rejected", action="store_true")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    results = (
        json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    )
    table = results.get("exercises", {})
    everything = registry.all_exercises()
    for exercise in everything:
        if not given.numbers or exercise.number in given.numbers:
            start = time.monotonic()
            entry = tried(exercise, given.survivors, given.rejected)
            table[exercise.number] = entry
            seconds = time.monotonic() - start
            print(_row(exercise.number, entry), f"{seconds:.0f} s", flush=True)
            known = [each.number for each in everything]
            table = {n: table[n] for n in known if n in table}
            _write(RESULTS, table)


def tried(exercise: Exercise, survivors: bool, rejected: bool) -> dict:
    """What became of the attempts at one exercise."""
    counts: Counter = Counter()
    open_ends = []
    # What torch imports at its first use it imports here, unhurried: stopped
    # in the middle, the import would stay broken.
    right = forms(exercise)[0].build()
    if examine(exercise, right, trusted=True).status != "correct":
        raise AssertionError(f"{exercise.number}: its solution is refused")
    hasty = dataclasses.replace(exercise, seconds=SECONDS)
    for attempt in chosen(exercise):
        fate, said = _fate(hasty, attempt)
        if fate is None:
            continue
        counts["tried"] += 1
        counts[fate] += 1
        if fate == "survivor":
            why = reason(exercise.number, attempt.line)
            line = f"{attempt.line}; differs in: {said}"
            open_ends.append({"attempt": line, "reason": why})
            if survivors and not why:
                print(f"  {exercise.number} ACCEPTED {line}")
        elif rejected:
            print(f"  {exercise.number} {fate}: {attempt.line}\n      {said}")
    return {
        "fingerprint": fingerprint(exercise),
        "tried": counts["tried"],
        "rejected": counts["raised"] + counts["named"] + counts["unnamed"],
        "raised": counts["raised"],
        "named": counts["named"],
        "equal": counts["equal"],
        "survivors": open_ends,
    }


def chosen(exercise: Exercise) -> list[Attempt]:
    """The attempts that are tried: all, or evenly spread ones of many."""
    found = list(attempts(exercise))
    most = MOST_SLOW if exercise.seconds > 10 else MOST
    if len(found) <= most:
        return found
    step = len(found) / most
    return [found[int(i * step)] for i in range(most)]


def _fate(exercise: Exercise, attempt: Attempt) -> tuple[str | None, str]:
    try:
        parts, tools = attempt.build()
    except Exception as error:  # it does not even stand
        return "raised", type(error).__name__
    verdict = _verdict(exercise, parts)
    if verdict.status != "correct":
        return _kind(verdict), _said(verdict)
    if "__tools__" in attempt.line and not tools.used:
        return None, ""  # the change never came to bear
    where = differs(exercise, attempt.form.build(), parts)
    return ("survivor", where) if where else ("equal", "")


def _verdict(exercise: Exercise, parts: tuple) -> Verdict:
    found: list[Verdict] = []
    try:
        here(
            lambda send: send(examine(exercise, parts, trusted=True)),
            found.append,
            exercise.seconds,
        )
    except OutOfTime:
        return Verdict("wrong", "It was stopped: out of time.")
    return found[0]


def _kind(verdict: Verdict) -> str:
    if verdict.mistake is not None:
        return "named"
    return "raised" if "raised" in verdict.sentence else "unnamed"


def _said(verdict: Verdict) -> str:
    name = verdict.mistake.name if verdict.mistake else ""
    facts = "; ".join(f"{a}: {b}" for a, b in verdict.facts)
    return " | ".join(filter(None, (name, verdict.sentence, facts)))[:300]


def fingerprint(exercise: Exercise) -> str:
    """Changes when the module of an exercise, or of its solution, does."""
    solution = sys.modules[exercise.solutions[0].__module__]
    modules = dict.fromkeys((solution, home(exercise)))
    source = "".join(inspect.getsource(module) for module in modules)
    return hashlib.sha256(source.encode()).hexdigest()[:12]


def _row(number: str, entry: dict[str, Any]) -> str:
    left = sum(not each["reason"] for each in entry["survivors"])
    return (
        f"{number}: {entry['tried']} tried, {entry['rejected']} rejected "
        f"({entry['raised']} raised, {entry['named']} named), "
        f"{entry['equal']} equal, {len(entry['survivors'])} survivors, "
        f"{left} of them without a reason;"
    )


def _write(path: Path, table: dict[str, dict]) -> None:
    for number, entry in table.items():  # reasons may be newer than attempts
        for each in entry["survivors"]:
            each["reason"] = reason(number, each["attempt"])
    wrong = sum(e["tried"] - e["equal"] for e in table.values())
    passed = sum(
        not s["reason"] for e in table.values() for s in e["survivors"]
    )
    content = {
        "command": "python -m tools.attempts",
        "python": ".".join(map(str, sys.version_info[:3])),
        "torch": torch.__version__,
        "tried": sum(e["tried"] for e in table.values()),
        "wrong": wrong,
        "accepted": passed,
        "rate": passed / max(wrong, 1),
        "exercises": table,
    }
    text = json.dumps(content, indent=1, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
