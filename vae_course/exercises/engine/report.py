"""How an answer looks: as HTML, and as text that reads well alone."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

# The line beside an answer stands out by 3:1 or more against white and against
# dark grey. Symbol and word say the same, so no meaning hangs on its colour.
_LOOKS = {
    "correct": ("✓", "correct", "#2e8b57"),
    "wrong": ("✗", "not right yet", "#d1495b"),
    "not attempted": ("○", "not attempted yet", "#808080"),
    "stopped": ("■", "stopped", "#808080"),
    "unknown": ("?", "no such exercise", "#808080"),
    "hint": ("→", "hint", "#808080"),
    "note": ("→", "note", "#808080"),
}


@dataclass(frozen=True)
class Fold:
    """What a card keeps folded; as text, its headings alone.

    Args:
        summary: the line that unfolds it.
        parts: (heading, facts); the facts as in a :class:`Card`.
    """

    summary: str
    parts: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]

    def as_html(self) -> str:
        """A ``<details>`` element."""
        parts = "".join(
            f'<p style="{_LINE}">{_inline(heading)}</p>{_list(facts)}'
            for heading, facts in self.parts
        )
        return (
            f'<details style="{_LINE}"><summary>{_inline(self.summary)}'
            f"</summary>{parts}</details>"
        )


@dataclass(frozen=True, repr=False)
class Card:
    """A short message with a headline, paragraphs and facts.

    As the last line of a cell it shows itself; elsewhere, ``print`` it. Within
    a sentence, text between backticks is code.

    Args:
        status: one of ``"correct"``, ``"wrong"``, ``"not attempted"``,
            ``"stopped"``, ``"unknown"``, ``"hint"``, ``"note"``.
        headline: without the symbol.
        paragraphs: sentences.
        facts: (words, text); the text is shown as it is, in a fixed-width
            font.
        closing: what to do next, last of all.
        folded: what is shown on demand, before the closing.
    """

    status: str
    headline: str
    paragraphs: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    closing: str = ""
    folded: Fold | None = None

    def __repr__(self) -> str:
        symbol, _, _ = _LOOKS[self.status]
        lines = [f"{symbol} {self.headline}", *self.paragraphs]
        width = max((len(words) for words, _ in self.facts), default=0)
        for words, text in self.facts:
            indent = "\n" + " " * (width + 2)
            lines.append(
                f"{words + ':':<{width + 2}}{text.replace(chr(10), indent)}"
            )
        if self.folded:
            lines.append(self.folded.summary)
            lines += (f"  {heading}" for heading, _ in self.folded.parts)
        if self.closing:
            lines.append(self.closing)
        return "\n".join(lines).replace("`", "")

    def _repr_html_(self) -> str:
        symbol, _, colour = _LOOKS[self.status]
        mark = f'<span aria-hidden="true">{symbol}</span>'
        rows = [f"{mark} <strong>{_inline(self.headline)}</strong>"]
        rows += map(_inline, self.paragraphs)
        parts = [f'<p style="{_LINE}">{row}</p>' for row in rows]
        parts.append(_list(self.facts))
        if self.folded:
            parts.append(self.folded.as_html())
        if self.closing:
            closing = _inline(self.closing)
            parts.append(f'<p style="{_LINE}">{closing}</p>')
        return (
            '<div class="exercise-answer" style="border-left:4px solid '
            f'{colour};padding:0 .8em;margin:.5em 0;max-width:48em">'
            f"{''.join(parts)}</div>"
        )

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        return {"text/html": self._repr_html_(), "text/plain": repr(self)}


@dataclass(frozen=True, repr=False)
class Answer(Card):
    """The answer to an attempt; true where the attempt is right.

    ``answer.status`` is ``"correct"``, ``"wrong"``, ``"not attempted"``,
    ``"stopped"`` or ``"unknown"``; ``answer.mistake`` is the name of the known
    mistake, two names joined by “and” where both were made, or None.
    """

    mistake: str | None = None

    def __bool__(self) -> bool:
        return self.status == "correct"


class Shown:
    """Markdown for a notebook, and the same as plain text."""

    def __init__(self, markdown: str, text: str):
        self.markdown = markdown
        self.text = text

    def __repr__(self) -> str:
        return self.text

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        return {"text/markdown": self.markdown, "text/plain": self.text}


def headline(number: str, title: str, status: str) -> str:
    """One line such as "Exercise 2.3, Title: correct."."""
    return f"Exercise {number}, {title}: {_LOOKS[status][1]}."


_LINE = "margin:.3em 0"
_GRID = (
    "display:grid;grid-template-columns:fit-content(60%) 1fr;gap:.2em .8em;"
    "margin:.3em 0"
)
_ENTRY = "margin:0;padding:0;width:auto;float:none"  # notebooks style these
_CODE = (
    '<code style="background:transparent;color:inherit;padding:0;border:0;'
    'white-space:pre-wrap;overflow-wrap:anywhere">{}</code>'
)


def _inline(text: str) -> str:
    escaped = html.escape(text, quote=False).replace("\n", "<br>")
    return re.sub(r"`([^`]+)`", lambda found: _CODE.format(found[1]), escaped)


def _list(facts: tuple[tuple[str, str], ...]) -> str:
    if not facts:
        return ""
    entries = "".join(_fact(words, text) for words, text in facts)
    return f'<dl style="{_GRID}">{entries}</dl>'


def _fact(words: str, text: str) -> str:
    code = _CODE.format(html.escape(text, quote=False))
    return (
        f'<dt style="{_ENTRY};font-weight:bold">{_inline(words)}</dt>'
        f'<dd style="{_ENTRY};min-width:0">{code}</dd>'
    )
