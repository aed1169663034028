"""A class's progress files, read into one table.

Each student keeps a file with ``progress(file="name.json")`` and hands it in;
``vae-course progress FOLDER`` reads them all.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from vae_course.exercises import registry
from vae_course.exercises.engine.record import Mark, RecordError, read


class Handed(NamedTuple):
    """One student's file: its name without the ending, and the marks."""

    name: str
    marks: dict[str, Mark]


def collect(folder: Path) -> tuple[list[Handed], list[str]]:
    """Every progress file in a folder and below it, in order of the names.

    Returns:
        What was read, and a sentence for each file that cannot be used.

    Raises:
        NotADirectoryError: there is no such folder.
        FileNotFoundError: no file in it ends in ``.json``.
    """
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is no folder.")
    files = sorted(f for f in folder.rglob("*.json") if f.is_file())
    if not files:
        raise FileNotFoundError(
            f"No file in {folder} ends in .json. Students keep theirs with "
            'progress(file="name.json").'
        )
    handed, troubles = [], []
    for file in files:
        name = file.relative_to(folder).with_suffix("").as_posix()
        try:
            handed.append(Handed(name, read(file)))
        except RecordError as error:
            troubles.append(str(error))
    return handed, troubles


def table(handed: list[Handed]) -> str:
    """A line a student: exercises done in each chapter, tries and hints."""
    chapters = registry.chapters()
    head = ["", *(f"ch. {n}" for n in chapters), "done", "tries", "hints"]
    lines = [head, *(_line(each, chapters) for each in handed)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            [line[0].ljust(widths[0])]
            + [
                cell.rjust(width)
                for cell, width in zip(line[1:], widths[1:], strict=True)
            ]
        ).rstrip()
        for line in lines
    )


def _line(one: Handed, chapters: list[int]) -> list[str]:
    parts = []
    for chapter in chapters:
        numbers = [each.number for each in registry.exercises_of(chapter)]
        done = sum(_mark(one, number).done for number in numbers)
        parts.append(f"{done}/{len(numbers)}")
    known = [_mark(one, each.number) for each in registry.all_exercises()]
    return [
        one.name,
        *parts,
        f"{sum(m.done for m in known)}/{len(known)}",
        str(sum(m.attempts for m in known)),
        str(sum(m.hints for m in known)),
    ]


def as_csv(handed: list[Handed]) -> str:
    """A row for each student and exercise, for a spreadsheet."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["student", "exercise", "done", "attempts", "hints"])
    writer.writerows(_rows(handed))
    return text.getvalue()


def _rows(handed: list[Handed]) -> Iterator[tuple]:
    for one in handed:
        for exercise in registry.all_exercises():
            mark = _mark(one, exercise.number)
            yield (
                _no_formula(one.name),
                exercise.number,
                int(mark.done),
                mark.attempts,
                mark.hints,
            )


def _no_formula(name: str) -> str:
    """A name that a spreadsheet shows, and does not compute."""
    return f"'{name}" if name[:1] in "=+-@" else name


def _mark(one: Handed, number: str) -> Mark:
    return one.marks.get(number, Mark())
