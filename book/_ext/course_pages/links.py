"""Addresses of the published site become links within the book.

Notebooks name pages by their public address, which Jupyter and Colab open. In
the book the same link stays on the site, also offline, and has to lead
somewhere: an unknown page or place is a warning.
"""

from __future__ import annotations

from urllib.parse import unquote

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import NoUri
from sphinx.transforms.post_transforms import SphinxPostTransform

from course_pages.cells import warn
from tools.address import address


class InternalLinks(SphinxPostTransform):
    """Makes links to the course's own site relative."""

    default_priority = 300
    formats = ("html",)

    def run(self, **kwargs) -> None:
        """Changes the page's links in place."""
        site = address().site
        for link in list(self.document.findall(nodes.reference)):
            target = link.get("refuri", "")
            if (target + "/").startswith(site):
                self._mend(link, target[len(site) :])

    def _mend(self, link: nodes.reference, target: str) -> None:
        """One link, given what follows the address of the site."""
        path, _, anchor = target.partition("#")
        page = path.removesuffix(".html") or self.config.root_doc
        if page not in self.env.found_docs or path == page:
            warn(link, f"the book has no page {path}: a link leads there.")
            return
        anchor = unquote(anchor)
        if anchor and anchor not in places(self.env, page):
            warn(link, f"{path} has no place #{anchor}: a link leads there.")
            return
        try:
            there = self.app.builder.get_relative_uri(self.env.docname, page)
        except NoUri:
            return
        link["refuri"] = there + (f"#{anchor}" if anchor else "")
        link["internal"] = True
        link["classes"] = [c for c in link["classes"] if c != "external"]


def places(env: BuildEnvironment, page: str) -> set[str]:
    """The places on a page to which a link may lead."""
    known = env.temp_data.setdefault("course_places", {})
    if page not in known:
        tree = env.get_doctree(page)
        known[page] = {
            name
            for node in tree.findall(nodes.Element)
            for name in node.get("ids", ())
        } | {
            citation.citation_id
            for citation in env.get_domain("cite").citations
            if citation.bibliography_key.docname == page
        }
    return known[page]


def setup(app: Sphinx) -> None:
    """Registers the transform."""
    app.add_post_transform(InternalLinks)
