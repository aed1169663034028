"""The directive ``solutions``: every exercise, from the object that checks it.

Prompt, hints, solution, reasons and known mistakes are read from
``vae_course.exercises`` when the book is built, so nothing is written twice.
The page is put together as Markdown and handed to the book's own parser.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from vae_course.exercises import registry
from vae_course.exercises.engine.cells import source
from vae_course.exercises.exercise import Exercise


class Solutions(SphinxDirective):
    """All exercises, chapter by chapter, with sections of their own."""

    def run(self) -> list[nodes.Node]:
        """The parsed sections."""
        markdown = "\n".join(self._page())
        lines = StringList(markdown.splitlines(), source="solutions")
        parent = nodes.section()
        self.state.nested_parse(lines, 0, parent, match_titles=True)
        return parent.children

    def _page(self) -> Iterator[str]:
        for chapter in registry.chapters():
            yield f"\n## Chapter {chapter}\n"
            yield from self._link(chapter)
            for exercise in registry.exercises_of(chapter):
                for solution in exercise.solutions:
                    self.env.note_dependency(inspect.getfile(solution))
                yield from _exercise(exercise)

    def _link(self, chapter: int) -> Iterator[str]:
        """A link to the notebook, once the book has it."""
        start = f"notebooks/{chapter:02d}_"
        for name in sorted(self.env.found_docs):
            if name.startswith(start):
                yield f"These belong to {{doc}}`/{name}`.\n"


def _exercise(exercise: Exercise) -> Iterator[str]:
    number = exercise.number
    yield f"(solution-{number.replace('.', '-')})="
    yield f"### Exercise {number}: {exercise.title}\n"
    yield f"{exercise.prompt}\n"
    for count, hint in enumerate(exercise.hints, 1):
        yield f"````{{dropdown}} Hint {count} for exercise {number}"
        yield f"{hint}\n````\n"
    yield "**A solution**\n"
    code = "\n\n\n".join(source(each) for each in exercise.solutions)
    yield f"```python\n{code}\n```\n"
    yield f"{exercise.why}\n"
    yield "**Known mistakes, and what the check answers**\n"
    yield "````{list-table}\n:header-rows: 1\n:widths: 25 75\n"
    yield "* - Mistake\n  - Answer"
    for mistake in exercise.mistakes:
        name = mistake.name[:1].upper() + mistake.name[1:]
        yield f"* - {name}"
        yield f"  - {mistake.diagnosis}\n"
        yield f"    Why it is tempting: {mistake.tempting}"
    yield "````\n"


def setup(app: Sphinx) -> dict[str, bool]:
    """Registers the directive."""
    app.add_directive("solutions", Solutions)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
