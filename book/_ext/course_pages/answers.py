"""Lettered answers, of which one is right: predictions and quizzes."""

from __future__ import annotations

import re

from docutils import nodes

from course_pages.cells import after_start, starts_with
from course_pages.elements import Element, element

LETTER = re.compile(r"([A-Z])\.")
CLOSE = re.compile(r"\s*</details>\s*")
_LETTERS = "ABCD"


class NotTheForm(Exception):
    """A question that does not have the form; says what is missing."""


def letters_of(answers: nodes.Node | None) -> list[str]:
    """The letters of the list that follows a question.

    Raises:
        NotTheForm: there is no list, or its items are not A to B, C or D.
    """
    if not isinstance(answers, nodes.bullet_list):
        raise NotTheForm("a list of answers must follow the question")
    letters = [letter_of(item) for item in answers]
    if not 2 <= len(letters) <= 4 or letters != [*_LETTERS[: len(letters)]]:
        raise NotTheForm(
            "two to four answers must start with **A.**, **B.** and so on; "
            f"they start with {letters}"
        )
    return letters


def letter_of(node: nodes.Element) -> str:
    """The letter with which an answer or a reason starts; else empty."""
    if isinstance(node, nodes.list_item):
        if not node.children:
            return ""
        node = node[0]
    match = LETTER.fullmatch(starts_with(node))
    return match[1] if match else ""


def is_html(node: nodes.Node, pattern: re.Pattern) -> bool:
    """Whether it is a piece of HTML of this form."""
    return isinstance(node, nodes.raw) and bool(
        pattern.fullmatch(node.astext())
    )


def choices(answers: nodes.bullet_list) -> Element:
    """The answers as a list of which ``course.js`` makes buttons."""
    items = []
    for item in answers:
        letter = letter_of(item)
        items.append(
            element(
                "li",
                badge(letter),
                nodes.Text(" "),
                span("predict-text", *after_start(item[0])),
                attributes={"class": "predict-answer", "data-letter": letter},
            )
        )
    return element("ul", *items, attributes={"class": "predict-answers"})


def badge(letter: str) -> Element:
    """A letter in its circle."""
    return span("predict-letter", nodes.Text(f"{letter}."))


def span(kind: str, *children: nodes.Node) -> Element:
    """A span of a class."""
    return element("span", *children, attributes={"class": kind})
