"""A node that is one HTML element; other formats show what is inside it."""

from __future__ import annotations

from html import escape

from docutils import nodes
from sphinx.application import Sphinx

Attributes = dict[str, str | None]


class Element(nodes.General, nodes.Element):
    """An HTML element around its children; made by :func:`element`."""


def element(
    tag: str, *children: nodes.Node, attributes: Attributes | None = None
) -> Element:
    """``<tag …>children</tag>``.

    Args:
        tag: the element's name.
        children: what is inside.
        attributes: those of the element; None leaves one out. An ``id`` is a
            target for links.
    """
    given = {k: v for k, v in (attributes or {}).items() if v is not None}
    node = Element("", *children, tag=tag, attributes=given)
    if "id" in given:
        node["ids"].append(given["id"])
    return node


def fold(
    summary: str, *children: nodes.Node, classes: str = "fold", about: str = ""
) -> Element:
    """A closed ``<details>``; ``about`` is for screen readers alone."""
    said: list[nodes.Node] = [nodes.Text(summary)]
    if about:
        hidden = {"class": "visually-hidden"}
        said.append(
            element("span", nodes.Text(f" {about}"), attributes=hidden)
        )
    return element(
        "details",
        element("summary", *said),
        *children,
        attributes={"class": classes},
    )


def visit(translator, node: Element) -> None:
    """Writes the opening tag."""
    given = "".join(
        f' {name}="{escape(value)}"'
        for name, value in node["attributes"].items()
    )
    translator.body.append(f"<{node['tag']}{given}>")


def depart(translator, node: Element) -> None:
    """Writes the closing tag."""
    translator.body.append(f"</{node['tag']}>")


def nothing(translator, node: nodes.Node) -> None:
    """Writes nothing of its own."""


def setup(app: Sphinx) -> None:
    """Registers the node."""
    others = dict.fromkeys(("latex", "text", "man", "texinfo"), (nothing,) * 2)
    app.add_node(Element, html=(visit, depart), **others)
