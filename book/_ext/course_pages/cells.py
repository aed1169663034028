"""What the modules ask about a notebook's cells, once they are nodes."""

from __future__ import annotations

import json
from collections.abc import Iterator

from docutils import nodes
from sphinx.util import logging

logger = logging.getLogger(__name__)


def warn(node: nodes.Node, message: str) -> None:
    """A warning of the build, which fails where warnings are errors."""
    logger.warning(message, location=node, type="course", subtype="form")


def is_cell(node: nodes.Node) -> bool:
    """Whether a node is a code cell with its outputs."""
    return (
        isinstance(node, nodes.container)
        and node.get("nb_element") == "cell_code"
    )


def outputs(cell: nodes.Element) -> nodes.Element | None:
    """The part of a code cell that holds its outputs, if it has one."""
    return next(
        (c for c in cell if c.get("nb_element") == "cell_code_output"), None
    )


def bundles(node: nodes.Element) -> list[nodes.Element]:
    """What cells returned: each in all forms in which it can be shown."""
    return [
        bundle
        for bundle in node.findall(nodes.container)
        if bundle.get("nb_element") == "mime_bundle"
    ]


def bold_start(node: nodes.Node) -> nodes.strong | None:
    """The bold words with which a paragraph starts, if it does."""
    if isinstance(node, nodes.paragraph):
        for child in node:
            if isinstance(child, nodes.strong):
                return child
            if child.astext().strip():
                return None
    return None


def starts_with(node: nodes.Node) -> str:
    """The same as text; empty where there are none."""
    bold = bold_start(node)
    return "" if bold is None else bold.astext().strip()


def after_start(paragraph: nodes.paragraph) -> list[nodes.Node]:
    """What follows the bold words with which a paragraph starts."""
    first = paragraph.index(bold_start(paragraph)) + 1
    rest = paragraph.children[first:]
    if rest and isinstance(rest[0], nodes.Text):
        rest[0] = nodes.Text(rest[0].astext().lstrip())
    return rest


def parents(document: nodes.document) -> Iterator[nodes.Element]:
    """Every node that holds blocks, the page itself first."""
    yield document
    yield from document.findall(
        lambda n: isinstance(n, nodes.section | nodes.container)
    )


def read_notebook(source: str) -> dict | None:
    """A notebook's content, or None where the source is something else."""
    if not source.lstrip().startswith("{"):
        return None
    content = json.loads(source)
    return content if "cells" in content else None


def source_of(cell: dict) -> str:
    """A cell's source, which files may hold in one piece or in lines."""
    source = cell["source"]
    return source if isinstance(source, str) else "".join(source)
