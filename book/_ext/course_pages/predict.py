"""A prediction becomes a card with answers to choose from.

In the notebook it is plain Markdown: a paragraph that starts with
``**Predict.**``, a list of answers that start with ``**A.**``, ``**B.**`` and
so on, and ``<details>`` whose text starts with the letter of the right one.
"""

from __future__ import annotations

import re

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

from course_pages.answers import (
    CLOSE,
    LETTER,
    NotTheForm,
    choices,
    is_html,
    letters_of,
)
from course_pages.cells import after_start, parents, starts_with, warn
from course_pages.elements import Element, element, fold

START = re.compile(r"Predict\b.*")
OPEN = re.compile(r"\s*<details>\s*<summary>\s*What happened\s*</summary>\s*")


class Predictions(SphinxTransform):
    """Gathers the parts of each prediction."""

    default_priority = 730

    def apply(self, **kwargs) -> None:
        """Changes the page in place; warns where the form is not kept."""
        count = 0
        for parent in list(parents(self.document)):
            for node in list(parent.children):
                if START.fullmatch(starts_with(node)):
                    count += 1
                    try:
                        _gather(parent, node, count)
                    except NotTheForm as error:
                        warn(node, f"Predict: {error}.")


def _gather(parent: nodes.Element, start: nodes.Node, count: int) -> None:
    """Replaces a prediction's nodes by its card.

    Raises:
        NotTheForm: something is missing, or there is too much.
    """
    after = parent.children[parent.index(start) :]
    question = [start]
    for node in after[1:]:
        if not isinstance(node, nodes.paragraph | nodes.math_block):
            break
        question.append(node)
    rest = after[len(question) :]
    answers = rest[0] if rest else None
    letters = letters_of(answers)
    happened = _folded(rest[1:])
    right = _right(happened, letters)
    for node in [*question[1:], answers, *happened, *_marks(rest[1:])]:
        parent.remove(node)
    place = parent.index(start)
    parent.remove(start)
    parent.insert(place, _card(question, answers, happened, right, count))


def _folded(after: list[nodes.Node]) -> list[nodes.Node]:
    """What stands between the opening of the fold and its end."""
    if not after or not is_html(after[0], OPEN):
        raise NotTheForm(
            "<details><summary>What happened</summary> must follow the answers"
        )
    ends = [i for i, node in enumerate(after) if is_html(node, CLOSE)]
    if not ends:
        raise NotTheForm("</details> must stand on a line of its own")
    return after[1 : ends[0]]


def _marks(after: list[nodes.Node]) -> list[nodes.Node]:
    """The two pieces of HTML that open and close the fold."""
    end = next(node for node in after if is_html(node, CLOSE))
    return [after[0], end]


def _right(happened: list[nodes.Node], letters: list[str]) -> str:
    """The letter of the right answer."""
    first = happened[0] if happened else None
    bold = [
        node.astext()
        for node in (first or [])
        if isinstance(node, nodes.strong)
        and LETTER.fullmatch(node.astext().strip())
    ]
    match = LETTER.fullmatch(starts_with(first)) if first else None
    if match is None or match[1] not in letters or len(bold) != 1:
        raise NotTheForm(
            "“What happened” must start with the letter of the one right "
            f"answer, in bold: one of {', '.join(letters)}"
        )
    return match[1]


def _card(question, answers, happened, right: str, count: int) -> Element:
    """The card; course.js makes buttons of its answers."""
    name = f"predict-{count}"
    head = nodes.paragraph("", "", *after_start(question[0]))
    label = element(
        "p",
        nodes.Text("Predict"),
        attributes={"class": "predict-label", "id": f"{name}-label"},
    )
    return element(
        "div",
        label,
        element(
            "div",
            head,
            *question[1:],
            attributes={"class": "predict-question"},
        ),
        choices(answers),
        fold("What happened", *happened, classes="fold predict-happened"),
        attributes={
            "class": "predict",
            "role": "group",
            "aria-labelledby": f"{name}-label",
            "data-answer": right,
        },
    )


def setup(app: Sphinx) -> None:
    """Registers the transform."""
    app.add_transform(Predictions)
