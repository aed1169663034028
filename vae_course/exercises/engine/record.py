"""What a student has done: in memory, or in a file that the student names."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

FORMAT = "vae-course progress 1"


class RecordError(Exception):
    """The progress file cannot be used; says why. Nothing is lost."""


@dataclass
class Mark:
    """One exercise: times tried, whether it is done, hints taken."""

    attempts: int = 0
    done: bool = False
    hints: int = 0

    def is_plausible(self) -> bool:
        """Whether a mark that was read from a file can be what it says."""
        types = [type(value) for value in asdict(self).values()]
        return (
            types == [int, bool, int]
            and self.attempts >= 0
            and 0 <= self.hints <= 3
        )

    def merged(self, other: Mark) -> Mark:
        """The further of the two in each respect."""
        return Mark(
            max(self.attempts, other.attempts),
            self.done or other.done,
            max(self.hints, other.hints),
        )


class Record:
    """The marks of all exercises, in memory and in :attr:`file`.

    :attr:`last` is the number of the exercise that was checked last in this
    session; it is not kept in the file.
    """

    def __init__(self):
        self.marks: dict[str, Mark] = {}
        self.file: Path | None = None
        self.last: str | None = None

    def mark(self, number: str) -> Mark:
        """The mark of an exercise, which the caller may change and save."""
        return self.marks.setdefault(number, Mark())

    def keep_in(self, file: str | os.PathLike) -> None:
        """Reads ``file`` where it exists, and keeps the record there from now
        on.

        Raises:
            RecordError: the file is damaged or cannot be written. It stays as
                it is, and so does the record.
        """
        previous = self.file
        self.file = Path(file).expanduser().absolute()
        try:
            self.save()
        except RecordError:
            self.file = previous
            raise

    def save(self) -> None:
        """Merges with what the file holds by now, then replaces the file at
        once.

        Another notebook may have written to it meanwhile; what is done stays
        done.

        Raises:
            RecordError: the file is damaged or cannot be written.
        """
        if self.file is None:
            return
        marks = dict(self.marks)
        for number, mark in read(self.file).items():
            marks[number] = mark.merged(marks.get(number, Mark()))
        _write(self.file, marks)
        self.marks = marks


def read(file: Path) -> dict[str, Mark]:
    """The marks in a progress file; none if there is no such file.

    Raises:
        RecordError: it cannot be read, or is no progress file.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(
            f"{file} cannot be read ({_reason(error)})."
        ) from error
    try:
        content = json.loads(text)
        if content["format"] != FORMAT:
            raise ValueError("it is in another format")
        marks = {
            number: Mark(**entry)
            for number, entry in content["exercises"].items()
        }
        for mark in marks.values():
            if not mark.is_plausible():
                raise ValueError("an entry cannot be right")
        return marks
    except (
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        RecursionError,
    ) as error:
        raise RecordError(
            f"{file} is damaged or was not written by this course, so it is "
            f"left as it is. Rename it, or name another file."
        ) from error


def _write(file: Path, marks: dict[str, Mark]) -> None:
    entries = {number: asdict(mark) for number, mark in sorted(marks.items())}
    text = json.dumps({"format": FORMAT, "exercises": entries}, indent=1)
    scratch = None
    try:
        handle, scratch = tempfile.mkstemp(dir=file.parent, prefix=file.name)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text + "\n")
        os.replace(scratch, file)
    except OSError as error:
        if scratch is not None:
            Path(scratch).unlink(missing_ok=True)
        raise RecordError(
            f"{file} cannot be written ({_reason(error)})."
        ) from error


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__
