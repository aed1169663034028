"""Statements and proofs: one id each; where a proof starts and ends.

sphinx-proof gives the same id to all of them.
"""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform


class OneIdEach(SphinxPostTransform):
    """Takes away the ids that every statement and proof repeats."""

    default_priority = 400
    REPEATED = ("proof-content", "proof")

    def run(self, **kwargs) -> None:
        """Changes the page in place; labels stay."""
        for node in self.document.findall(nodes.Element):
            if node.get("ids"):
                kept = [i for i in node["ids"] if i not in self.REPEATED]
                node["ids"] = kept
        for proof in self.document.findall(nodes.admonition):
            first = proof.next_node(nodes.Text)
            if "proof" in proof["classes"] and first is not None:
                _set_apart(first)
                _end(proof)


def _set_apart(text: nodes.Text) -> None:
    """Puts a first "Proof." in italics."""
    if text.startswith("Proof."):
        rest = nodes.Text(text.removeprefix("Proof."))
        text.parent.replace(text, [nodes.emphasis("", "Proof."), rest])


def _end(proof: nodes.Element) -> None:
    """Puts the sign of the end where the proof ends."""
    sign = nodes.inline("", "∎", classes=["proof-end"])
    last = proof[-1]
    while isinstance(last, nodes.section | nodes.container) and len(last):
        last = last[-1]
    if isinstance(last, nodes.paragraph):
        last += [nodes.Text(" "), sign]
    else:  # after a formula or a list
        last.parent += nodes.paragraph("", "", sign)


def setup(app: Sphinx) -> None:
    """Registers the transform."""
    app.add_post_transform(OneIdEach)
