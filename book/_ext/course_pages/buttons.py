"""The buttons over a page: Colab, source, download; each does one thing.

The theme offers a menu with a single entry, a pencil that opens a notebook's
JSON, and a full screen. Here a notebook opens in Colab with one press, a
mistake is reported with its page named (and, by ``course.js``, its section),
Markdown pages can be edited, and a notebook is downloaded without outputs.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import quote

from docutils import nodes
from sphinx.application import Sphinx

from course_pages.finishing import Page, change
from tools.address import address

TOOLTIP = re.compile(r' data-bs-placement="\w+" data-bs-toggle="tooltip"')
NEW_TAB = re.compile(r'(<a href="[^"]*") target="_blank"')


def choose(
    app: Sphinx,
    page: str,
    template: str,
    context: dict,
    doctree: nodes.document | None,
) -> None:
    """Replaces the theme's buttons by ours."""
    if doctree is None:  # search, for instance
        context["header_buttons"] = []
        return
    notebook = context.get("page_source_suffix") == ".ipynb"
    pathto = context["pathto"]
    buttons = []
    if notebook:
        name = page.rpartition("/")[2]
        buttons.append(
            _link(
                address().colab(f"{name}.ipynb"),
                "Colab",
                "Open this chapter in Colab",
                "_static/images/logo_colab.png",
                "colab",
            )
        )
    buttons.append(
        _menu("Source", "fab fa-github", [*_source(page, notebook)])
    )
    downloads = [
        {
            "type": "javascript",
            "javascript": "window.print()",
            "text": "Print, or save as PDF",
            "icon": "fas fa-print",
            "label": "print",
        }
    ]
    if notebook:
        path = pathto(f"_sources/{page}.ipynb", 1)
        file = _link(path, "Notebook without outputs", None, "fas fa-file")
        downloads.insert(0, file)
    buttons.append(_menu("Download", "fas fa-download", downloads))
    context["header_buttons"] = buttons


def _source(page: str, notebook: bool):
    """What leads to the repository."""
    body = "What is wrong, and what it should be:\n\n"
    title = f"Mistake on page {page}"
    new = f"{address().url}/issues/new?title={quote(title)}"
    yield _link(
        f"{new}&body={quote(body)}",
        "Report a mistake",
        None,
        "fas fa-bug",
        "report",
    )
    if not notebook:
        edit = f"{address().url}/edit/main/{page}.md"
        yield _link(edit, "Edit this page", None, "fas fa-pencil", "edit")
    yield _link(address().url, "Repository", None, "fab fa-github")


def _link(url, text, tooltip, icon, label=None) -> dict:
    return {
        "type": "link",
        "url": url,
        "text": text,
        "tooltip": tooltip,
        "icon": icon,
        "label": label,
    }


def _menu(name: str, icon: str, entries: list[dict]) -> dict:
    return {
        "type": "group",
        "buttons": entries,
        "icon": icon,
        "tooltip": name,
        "label": f"{name.lower()}-buttons",
    }


def plain(html: str, page: Page) -> str:
    """Names by ``title``, not by a bubble; links stay in their tab."""
    start = html.find('<div class="bd-header-article')
    end = html.find("<article")
    if not 0 <= start < end:
        return TOOLTIP.sub("", html)
    head = NEW_TAB.sub(r"\1", html[start:end])
    head = head.replace("data-bs-title=", "title=")
    return TOOLTIP.sub("", html[:start] + head + html[end:])


def without_outputs(app: Sphinx, error: Exception | None) -> None:
    """What a reader downloads has no outputs, so it is small and fresh."""
    if error is not None or app.builder.format != "html":
        return
    for path in Path(app.outdir, "_sources").rglob("*.ipynb"):
        name = path.relative_to(Path(app.outdir, "_sources"))
        notebook = json.loads(Path(app.srcdir, name).read_text("utf-8"))
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                cell.update(outputs=[], execution_count=None)
        text = json.dumps(notebook, ensure_ascii=False, indent=1)
        path.write_text(text + "\n", "utf-8")


def setup(app: Sphinx) -> None:
    """Registers the hooks and the change."""
    app.connect("html-page-context", choose, priority=900)
    app.connect("build-finished", without_outputs)
    change(plain)
