"""An exercise in a frame of its own, with all that helps a fold away.

What helps comes from the object that checks the exercise: it is added to the
notebook when the book reads it, and stands in no file.
"""

from __future__ import annotations

import json
import re

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util.docutils import SphinxDirective

from course_pages.cells import is_cell, read_notebook
from course_pages.elements import Element, element
from course_pages.solutions import help_for
from tools.address import address
from vae_course.exercises import registry

CELL = re.compile(r"exercise-(\d+)-(\d+)")
TITLE = re.compile(r"Exercise (\d+)\.(\d+): .+")


def add_help(app: Sphinx, docname: str, source: list[str]) -> None:
    """Puts ``exercise-help`` after each exercise of a notebook."""
    notebook = read_notebook(source[0])
    if notebook is None:
        return
    cells = []
    for cell in notebook["cells"]:
        cells.append(cell)
        match = CELL.fullmatch(cell.get("id", ""))
        if match and cell["cell_type"] == "code":
            number = f"{match[1]}.{match[2]}"
            cells.append(
                {
                    "cell_type": "markdown",
                    "id": f"{cell['id']}-help",
                    "metadata": {},
                    "source": f"```{{exercise-help}} {number}\n```",
                }
            )
    notebook["cells"] = cells
    source[0] = json.dumps(notebook, ensure_ascii=False)


class ExerciseHelp(SphinxDirective):
    """The way to Colab, three hints and the solution of one exercise."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """The folds; a warning where there is no such exercise."""
        try:
            exercise = registry.find(self.arguments[0])
        except registry.NoSuchExercise as error:
            raise self.error(str(error)) from None
        notebook = f"{self.env.docname.rpartition('/')[2]}.ipynb"
        cell = f"exercise-{exercise.number.replace('.', '-')}"
        url = f"{address().colab(notebook)}#scrollTo={cell}"
        markdown = [f"[Open this cell in Colab]({url})", ""]
        markdown += help_for(exercise)
        lines = "\n".join(markdown).splitlines()
        parsed = nodes.container()
        self.state.nested_parse(
            StringList(lines, source=f"exercise {exercise.number}"), 0, parsed
        )
        given = {"class": "exercise-help"}
        return [element("div", *parsed.children, attributes=given)]


class Frames(SphinxTransform):
    """Frames each exercise; what follows it moves out of the frame."""

    default_priority = 740

    def apply(self, **kwargs) -> None:
        """Changes the page in place."""
        for section in list(self.document.findall(nodes.section)):
            title = section.next_node(nodes.title)
            match = title and TITLE.fullmatch(title.astext())
            last = _end(section) if match else None
            if last is None:
                continue
            section["classes"].append("exercise")
            name = f"exercise-{match[1]}-{match[2]}"
            section["ids"].insert(0, name)
            place = section.parent.index(section) + 1
            for node in reversed(section.children[last + 1 :]):
                section.remove(node)
                section.parent.insert(place, node)


def _end(section: nodes.section) -> int | None:
    """Where the exercise ends among the nodes of its section."""
    for place, node in enumerate(section):
        if is_cell(node) and "tag_exercise" in node["classes"]:
            after = section[place + 1 : place + 2]
            helped = after and _is_help(after[0])
            return place + bool(helped)
    return None


def _is_help(node: nodes.Node) -> bool:
    return (
        isinstance(node, Element)
        and node["attributes"].get("class") == "exercise-help"
    )


def setup(app: Sphinx) -> None:
    """Registers the hook, the directive and the transform."""
    app.connect("source-read", add_help)
    app.add_directive("exercise-help", ExerciseHelp)
    app.add_transform(Frames)
