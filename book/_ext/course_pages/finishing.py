"""The last look at the site's HTML, once all of its files are there.

The theme's templates write parts of a page that no event of Sphinx hands
out: icons, scripts before the text, the order of style sheets. A module that
mends such a part registers a change, text to text; the changes are made in
the order of their registration. Each looks for what is not mended yet, so a
page that an earlier build has finished stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from sphinx.application import Sphinx

NOT_PAGES = ("_static", "_sources")


class Page(NamedTuple):
    """What a change may ask about its page."""

    name: str  # without the ending: "book/intro"
    root: str  # the way to the site's top: "../", or "" at the top
    site: Path  # the folder of the whole site

    def file(self, source: str) -> Path:
        """The file that a ``src`` or ``href`` on this page names."""
        path = source.partition("?")[0].partition("#")[0]
        return (self.site / self.name).parent / path


Change = Callable[[str, Page], str]
_changes: list[Change] = []


def change(how: Change) -> None:
    """Registers a change of every page's HTML."""
    if how not in _changes:
        _changes.append(how)


def pages(site: Path) -> Iterator[Path]:
    """Every page's file, in order."""
    for path in sorted(site.rglob("*.html")):
        if path.relative_to(site).parts[0] not in NOT_PAGES:
            yield path


def finish(app: Sphinx, error: Exception | None) -> None:
    """Makes all changes on all pages."""
    if error is not None or app.builder.format != "html":
        return
    site = Path(app.outdir)
    for path in pages(site):
        before = path.read_text("utf-8")
        name = path.relative_to(site).with_suffix("").as_posix()
        page = Page(name, "../" * name.count("/"), site)
        after = before
        for each in _changes:
            after = each(after, page)
        if after != before:
            path.write_text(after, "utf-8")


def setup(app: Sphinx) -> None:
    """Registers the hook."""
    app.connect("build-finished", finish)
