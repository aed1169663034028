"""The directive ``solutions``: the exercises of a chapter, with solutions.

Prompt, hints, solution, reasons and known mistakes are read from
``vae_course.exercises`` when the book is built, so nothing is written twice.
They are put together as Markdown and handed to the book's own parser.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from tools.address import address
from vae_course.exercises import registry
from vae_course.exercises.engine.cells import source
from vae_course.exercises.exercise import Exercise

MISTAKES = "Known mistakes, and what the check answers"


class Solutions(SphinxDirective):
    """All exercises of one chapter, in sections of their own."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """The parsed sections; a warning where the chapter has none."""
        number = self.arguments[0]
        if number not in map(str, registry.chapters()):
            raise self.error(f"Chapter {number} has no exercises.")
        markdown = "\n".join(self._page(int(number)))
        lines = StringList(markdown.splitlines(), source="solutions")
        parent = nodes.section()
        self.state.nested_parse(lines, 0, parent, match_titles=True)
        return parent.children

    def _page(self, chapter: int) -> Iterator[str]:
        start = f"notebooks/{chapter:02d}_"
        found = [doc for doc in self.env.found_docs if doc.startswith(start)]
        for exercise in registry.exercises_of(chapter):
            for solution in exercise.solutions:
                self.env.note_dependency(inspect.getfile(solution))
            yield from _exercise(exercise, found[0] if found else None)


def help_for(exercise: Exercise) -> Iterator[str]:
    """Hints and solution of an exercise as Markdown, each folded."""
    about = f"for exercise {exercise.number}"
    for count, hint in enumerate(exercise.hints, 1):
        yield from folded(f"Hint {count}", about, hint)
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
    """Registers the directive."""
    app.add_directive("solutions", Solutions)
