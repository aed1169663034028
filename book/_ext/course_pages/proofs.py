"""Statements and proofs: sphinx-proof gives all of them the same id."""

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


def setup(app: Sphinx) -> None:
    """Registers the transform."""
    app.add_post_transform(OneIdEach)
