"""Pages of solutions: the exercises of a chapter, with all that is known.

Prompt, hints, solution, reasons and known mistakes are read from
``vae_course.exercises`` when the book is built, so nothing is written twice.
They are put together as Markdown, in the place of ``{solutions}`` and the
number of a chapter, before the page is parsed.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

from tools.address import address
from vae_course.exercises import asking, registry
from vae_course.exercises.engine.cells import source
from vae_course.exercises.exercise import Exercise

MISTAKES = "Known mistakes, and what the check answers"
PLACE = re.compile(r"^```\{solutions\} (\d+)\n```$", re.MULTILINE)


def add_solutions(app: Sphinx, docname: str, text: list[str]) -> None:
    """Writes the exercises of a chapter where a page asks for them."""

    def written(match: re.Match) -> str:
        chapter = int(match[1])
        if chapter not in registry.chapters():
            raise ExtensionError(
                f"{docname}: chapter {chapter} has no exercises."
            )
        return "\n".join(_page(app, chapter))

    text[0] = PLACE.sub(written, text[0])


def _page(app: Sphinx, chapter: int) -> Iterator[str]:
    if not asking.SHOW_SOLUTIONS:
        yield asking.KEPT_BACK
        return
    start = f"notebooks/{chapter:02d}_"
    found = [doc for doc in app.env.found_docs if doc.startswith(start)]
    for exercise in registry.exercises_of(chapter):
        for solution in exercise.solutions:
            app.env.note_dependency(inspect.getfile(solution))
        yield from _exercise(exercise, found[0] if found else None)


def help_for(exercise: Exercise) -> Iterator[str]:
    """Hints and solution of an exercise as Markdown, each folded."""
    about = f"for exercise {exercise.number}"
    for count, hint in enumerate(exercise.hints, 1):
        yield from folded(f"Hint {count}", about, hint)
    if not asking.SHOW_SOLUTIONS:
        return
    code = "\n\n\n".join(source(each) for each in exercise.solutions)
    solution = f"```python\n{code}\n```\n\n{exercise.why}"
    yield from folded("Solution", about, solution)


def folded(summary: str, about: str, markdown: str) -> Iterator[str]:
    """Markdown in a fold; ``about`` is for screen readers alone."""
    yield (
        f'<details class="fold"><summary>{summary}<span class="visually-'
        f'hidden"> {about}</span></summary>\n'
    )
    yield f"{markdown}\n"
    yield "</details>\n"


def _exercise(exercise: Exercise, page: str | None) -> Iterator[str]:
    number = exercise.number
    name = number.replace(".", "-")
    yield f"(solution-{name})="
    yield f"## Exercise {number}: {exercise.title}\n"
    yield f"{exercise.prompt}\n"
    if page:
        url = f"{address().site}{page}.html#exercise-{name}"
        yield f"[To the exercise in its chapter]({url})\n"
    yield from help_for(exercise)
    yield from folded(
        MISTAKES, f"for exercise {number}", "\n".join(_mistakes(exercise))
    )


def _mistakes(exercise: Exercise) -> Iterator[str]:
    yield "````{list-table}\n:header-rows: 1\n:widths: 25 75\n"
    yield "* - Mistake\n  - Answer"
    for mistake in exercise.mistakes:
        name = mistake.name[:1].upper() + mistake.name[1:]
        yield f"* - {name}"
        yield f"  - {mistake.diagnosis}\n"
        yield f"    Why it is tempting: {mistake.tempting}"
    yield "````"


def setup(app: Sphinx) -> None:
    """Registers the hook."""
    app.connect("source-read", add_solutions)
