"""The four things that a student asks: check, hint, solution and progress."""

from __future__ import annotations

import os
from typing import Any

from vae_course.exercises import registry
from vae_course.exercises.engine import checking
from vae_course.exercises.engine.cells import source
from vae_course.exercises.engine.record import Mark, Record, RecordError
from vae_course.exercises.engine.report import (
    Answer,
    Card,
    Fold,
    Shown,
    headline,
)
from vae_course.exercises.exercise import Exercise
from vae_course.exercises.registry import NoSuchExercise

# A teacher's fork may say False: then neither ``solution`` nor the book shows
# any. They stand in the package all the same, for they are what checks.
SHOW_SOLUTIONS = True
KEPT_BACK = "The solutions are kept back here: ask who teaches the course."

_record = Record()


def check(number: str, *attempt: Any) -> Answer:
    """Tells whether an attempt is right, or which mistake it is.

    Make it the last line of a cell to see the answer; elsewhere, print it. An
    attempt may do what it likes: the answer is always a sentence, and the
    random state and the settings of the session are afterwards as they were.
    On Linux without a GPU an attempt runs in a copy of the session, so that it
    can be stopped whatever it does; elsewhere a single call that never comes
    back, such as ``sum(range(10**12))``, can only be ended with the kernel.

    Args:
        number: of the exercise, as in ``"2.3"``.
        attempt: the function, class or value that the exercise asks for; two
            where it asks for two.

    Returns:
        The answer; true when the attempt is right.
    """
    try:
        exercise = registry.find(number)
        verdict = checking.examine(exercise, attempt)
    except NoSuchExercise as error:
        return Answer("unknown", str(error))
    except KeyboardInterrupt:  # before or after the attempt itself was stopped
        return Answer("stopped", "You stopped the check. Nothing was decided.")
    _record.last = exercise.number
    mark = _record.mark(exercise.number)
    if verdict.status in ("correct", "wrong"):
        mark.attempts += 1
        mark.done = mark.done or verdict.status == "correct"
    trouble = _saved()
    return _answer(exercise, verdict, trouble)


def hint(number: str) -> Card:
    """A hint, one more at each call: from a nudge to nearly there."""
    try:
        exercise = registry.find(number)
    except NoSuchExercise as error:
        return Card("unknown", str(error))
    mark = _record.mark(exercise.number)
    mark.hints = min(mark.hints + 1, len(exercise.hints))
    taken = mark.hints
    closing = f'`hint("{exercise.number}")` gives the next.'
    if taken == len(exercise.hints):
        closing = "That was the last."
        if SHOW_SOLUTIONS:
            closing += (
                f' `solution("{exercise.number}")` shows one that is tested.'
            )
    given = tuple(
        f"{i}. {text}" for i, text in enumerate(exercise.hints[:taken], 1)
    )
    head = f"Exercise {exercise.number}, {exercise.title}: hint {taken} of 3."
    return Card("hint", head, (*given, *_saved()), closing=closing)


def solution(number: str) -> Shown | Card:
    """A tested solution of an exercise, and one paragraph of why it is one."""
    try:
        exercise = registry.find(number)
    except NoSuchExercise as error:
        return Card("unknown", str(error))
    if not SHOW_SOLUTIONS:
        return Card("note", KEPT_BACK)
    code = "\n\n\n".join(source(each) for each in exercise.solutions)
    title = f"Exercise {exercise.number}, {exercise.title}: a solution"
    return Shown(
        f"**{title}**\n\n```python\n{code}\n```\n\n{exercise.why}",
        f"{title}\n\n{code}\n\n" + exercise.why.replace("`", ""),
    )


def progress(
    chapter: int | None = None, *, file: str | os.PathLike | None = None
) -> Card:
    """What is done: one chapter in a line, the others folded.

    Args:
        chapter: its number; the chapter of the exercise that was checked last
            if none is given.
        file: where to keep the record from now on. What it already holds is
            read first. Without a file, the record ends with the session.
    """
    try:
        if file is not None:
            _record.keep_in(file)
        trouble = _saved()
    except RecordError as error:
        trouble = (str(error),)
    chapters = registry.chapters()
    if chapter is not None and chapter not in chapters:
        there = ", ".join(map(str, chapters))
        return Card(
            "unknown",
            "There is no such chapter with exercises.",
            (
                f"There are {there}: `progress({chapters[0]})`. A file is "
                'given by its name: `progress(file="progress.json")`.',
                *trouble,
            ),
        )
    if chapter is None and _record.last is not None:
        chapter = _record.last.split(".")[0]
    everything = registry.all_exercises()
    done = sum(_mark(each).done for each in everything)
    total = f"{done} of {len(everything)} exercises done"
    where = (
        f"Kept in {_record.file}."
        if _record.file
        else (
            'Kept until this session ends; `progress(file="progress.json")` '
            "keeps it."
        )
    )
    return Card(
        "note",
        _chapter_line(int(chapter)) if chapter is not None else f"{total}.",
        trouble,
        (),
        where,
        Fold(
            f"All chapters: {total}.",
            tuple((_chapter_line(n), _states(n)) for n in chapters),
        ),
    )


def _chapter_line(chapter: int) -> str:
    """A chapter in one line: what is done, and a sign for each exercise."""
    exercises = registry.exercises_of(chapter)
    signs = [
        f"{'✓' if _mark(each).done else '○'} {each.number}"
        for each in exercises
    ]
    done = sum(_mark(each).done for each in exercises)
    return (
        f"Chapter {chapter}: {done} of {len(exercises)} done: "
        f"{', '.join(signs)}"
    )


def _states(chapter: int) -> tuple[tuple[str, str], ...]:
    """The exercises of a chapter by name, each with how far it is."""
    return tuple(
        (f"{each.number} {each.title}", _state(_mark(each)))
        for each in registry.exercises_of(chapter)
    )


def _mark(exercise: Exercise) -> Mark:
    return _record.marks.get(exercise.number, Mark())


def _state(mark: Mark) -> str:
    if mark == Mark():
        return "not tried"
    times = {0: "not tried", 1: "tried once", 2: "tried twice"}
    words = [times.get(mark.attempts, f"tried {mark.attempts} times")]
    words.insert(0, "✓ done" if mark.done else "○ open")
    if mark.hints:
        words.append(f"{mark.hints} of 3 hints")
    return ", ".join(words)


def _saved() -> tuple[str, ...]:
    """Saves the record; a sentence where that fails."""
    try:
        _record.save()
    except RecordError as error:
        return (f"Your progress could not be saved: {error}",)
    return ()


def _answer(
    exercise: Exercise, verdict: checking.Verdict, notes: tuple
) -> Answer:
    number = exercise.number
    paragraphs = [verdict.sentence] if verdict.sentence else []
    closing = ""
    named = verdict.mistakes
    if len(named) == 1:
        paragraphs = [
            f"A known mistake, “{named[0].name}”: {named[0].diagnosis}",
            f"Why it is tempting: {named[0].tempting}",
            *paragraphs,
        ]
    elif named:
        paragraphs = [
            f"{count} “{mistake.name}”: {mistake.diagnosis}"
            for count, mistake in zip(
                ("Two known mistakes at once:", "And"), named, strict=True
            )
        ] + paragraphs
    if verdict.status == "correct":
        paragraphs = [f"You have just shown that {verdict.sentence}"]
    elif verdict.status == "wrong":
        taken = _record.mark(number).hints
        closing = f'Stuck? `hint("{number}")` gives hint {taken + 1} of 3.'
        if taken == len(exercise.hints):
            closing = (
                f'Stuck? `solution("{number}")` shows a solution.'
                if SHOW_SOLUTIONS
                else KEPT_BACK
            )
    elif verdict.status == "not attempted":
        paragraphs.append(_invitation(exercise))
    return Answer(
        verdict.status,
        headline(number, exercise.title, verdict.status),
        (*paragraphs, *notes),
        verdict.facts,
        closing,
        mistake=" and ".join(each.name for each in named) or None,
    )


def _invitation(exercise: Exercise) -> str:
    if exercise.value:
        return "Put your answer in the place of `...`, then run this cell."
    names = " and ".join(f"`{name}`" for name in exercise.names)
    return (
        f"Fill in {names}, then run this cell. (If that is done: is a "
        f"`return` missing?)"
    )
