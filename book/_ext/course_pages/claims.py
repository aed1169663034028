"""Claims read like sentences: ``✓ the rate falls with β (61 → 0 nats)``."""

from __future__ import annotations

import re
from itertools import groupby

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

MARK = "✓ "
NUMBERS = re.compile(r"(?P<sentence>.*?)(?P<numbers> \(.*\))?")


class Claims(SphinxTransform):
    """Turns the lines of an output that are claims into a list."""

    default_priority = 720

    def apply(self, **kwargs) -> None:
        """Changes the page in place."""
        for block in list(self.document.findall(nodes.literal_block)):
            if {"output", "stream"} <= set(block["classes"]):
                parts = parts_of(block)
                if parts:  # and none takes over the block's classes
                    block.parent.replace(block, parts)


def parts_of(block: nodes.literal_block) -> list[nodes.Node]:
    """Lists of claims and what stands between; empty without claims."""
    lines = block.astext().rstrip("\n").split("\n")
    parts: list[nodes.Node] = []
    for are_claims, group in groupby(lines, lambda x: x.startswith(MARK)):
        some = list(group)
        if are_claims:
            parts.append(_list(some))
        elif "".join(some).strip():
            rest = block.deepcopy()
            text = "\n".join(some).strip("\n") + "\n"
            rest.rawsource = text  # else Sphinx does not highlight it
            rest.children = []
            rest.append(nodes.Text(text))
            parts.append(rest)
    found = any(isinstance(part, nodes.bullet_list) for part in parts)
    return parts if found else []


def _list(lines: list[str]) -> nodes.bullet_list:
    items = (nodes.list_item("", _claim(line)) for line in lines)
    return nodes.bullet_list("", *items, classes=["claims"])


def _claim(line: str) -> nodes.paragraph:
    match = NUMBERS.fullmatch(line.removeprefix(MARK))
    claim = nodes.paragraph("", "")
    claim += nodes.inline("", "✓", classes=["claim-mark"])
    claim += nodes.Text(" ")
    for place, part in enumerate(match["sentence"].split("`")):
        claim += nodes.literal("", part) if place % 2 else nodes.Text(part)
    if match["numbers"]:
        claim += nodes.inline("", match["numbers"], classes=["claim-numbers"])
    return claim


def setup(app: Sphinx) -> None:
    """Registers the transform."""
    app.add_transform(Claims)
