"""A quiz: questions whose answers say why they are right or wrong.

In the notebook it is plain Markdown under ``## Quiz``: a paragraph that
starts with ``**Question 1.**``, a list of answers that start with ``**A.**``,
``**B.**`` and so on, and ``<details>`` with the right letter in bold, its
reason, and a list of what speaks against each of the others. ``course.js``
makes buttons of the answers.
"""

from __future__ import annotations

import re

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

from course_pages.answers import (
    CLOSE,
    NotTheForm,
    badge,
    choices,
    is_html,
    letter_of,
    letters_of,
    span,
)
from course_pages.cells import after_start, parents, starts_with, warn
from course_pages.elements import Element, element, fold

START = re.compile(r"Question (\d+)\.")


class Quizzes(SphinxTransform):
    """Gathers the parts of each question."""

    default_priority = 735

    def apply(self, **kwargs) -> None:
        """Changes the page in place; warns where the form is not kept."""
        for parent in list(parents(self.document)):
            for node in list(parent.children):
                match = START.fullmatch(starts_with(node))
                if match is None:
                    continue
                try:
                    _gather(parent, node, match[1])
                except NotTheForm as error:
                    warn(node, f"Question {match[1]}: {error}.")


def _gather(parent: nodes.Element, start: nodes.Node, number: str) -> None:
    """Replaces a question's nodes by its card.

    Raises:
        NotTheForm: something is missing, or there is too much.
    """
    after = parent.children[parent.index(start) :]
    answers = after[1] if len(after) > 1 else None
    letters = letters_of(answers)
    opening = re.compile(
        rf"\s*<details>\s*<summary>\s*Answer to question {number}"
        r"\s*</summary>\s*"
    )
    ends = [i for i, node in enumerate(after) if is_html(node, CLOSE)]
    if len(after) < 3 or not is_html(after[2], opening) or not ends:
        raise NotTheForm(
            f"<details><summary>Answer to question {number}</summary> and "
            "</details> must follow the answers"
        )
    said = after[3 : ends[0]]
    right, reasons = _reasons(said, letters)
    card = _card(start, answers, right, reasons, number)
    place = parent.index(start)
    for node in after[: ends[0] + 1]:
        parent.remove(node)
    parent.insert(place, card)


def _reasons(
    said: list[nodes.Node], letters: list[str]
) -> tuple[str, dict[str, nodes.paragraph]]:
    """The right letter, and the reason of each."""
    paragraphs = []
    for node in said:
        if isinstance(node, nodes.bullet_list):
            paragraphs += [item[0] for item in node if len(item)]
        else:
            paragraphs.append(node)
    found = [letter_of(paragraph) for paragraph in paragraphs]
    first = said[0] if said else None
    if not isinstance(first, nodes.paragraph) or found[0] not in letters:
        raise NotTheForm(
            "the answer must start with the letter of the one right answer, "
            "in bold"
        )
    if "Right." not in first.astext() or any(
        "Right." in paragraph.astext() for paragraph in paragraphs[1:]
    ):
        raise NotTheForm(
            "“Right.” stands behind the letter of the one right answer alone"
        )
    if sorted(found) != letters:
        raise NotTheForm(
            "each answer needs one reason that starts with its letter; there "
            f"are answers {letters} and reasons {found}"
        )
    return found[0], dict(zip(found, paragraphs, strict=True))


def _card(start, answers, right, reasons, number) -> Element:
    """The card; course.js makes buttons of its answers."""
    name = f"question-{number}"
    why = [
        element(
            "p",
            badge(letter),
            nodes.Text(" "),
            span("quiz-reason", *after_start(reasons[letter])),
            attributes={"class": "quiz-why", "data-letter": letter},
        )
        for letter in sorted(reasons, key=lambda each: each != right)
    ]
    return element(
        "div",
        element(
            "p",
            nodes.Text(f"Question {number}"),
            attributes={"class": "predict-label", "id": name},
        ),
        nodes.paragraph("", "", *after_start(start)),
        choices(answers),
        fold(f"Answer to question {number}", *why),
        attributes={
            "class": "quiz",
            "role": "group",
            "aria-labelledby": name,
            "data-answer": right,
        },
    )


def setup(app: Sphinx) -> None:
    """Registers the transform."""
    app.add_transform(Quizzes)
