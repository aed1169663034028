"""What search engines and messengers show of a page, and lost readers.

A description, the address that counts and a picture for each page; a list of
all pages; and a page for addresses that lead nowhere.
"""

from __future__ import annotations

import re
from html import escape, unescape
from pathlib import Path

from sphinx.application import Sphinx

from course_pages.finishing import Page, change, pages
from tools.address import address

CARD = "_static/card.png"
TOUCH = "_static/touch-icon.png"
LONGEST = 160  # signs of a description; more is cut off anyway
NOT_LISTED = ("search", "genindex", "404", "index")
PARAGRAPH = re.compile(r"<p>(.*?)</p>", re.DOTALL)
TITLE = re.compile(r"<title>\s*(.*?)\s*</title>", re.DOTALL)
TAG = re.compile(r"<[^>]+>")


def describe(html: str, page: Page) -> str:
    """Adds the description, the address and the picture to the head."""
    if 'property="og:title"' in html or page.name in ("404", "index"):
        return html
    title = TITLE.search(html)
    site = address().site
    url = f"{site}{page.name}.html"
    book = "Variational Autoencoders, from MNIST to Stable Diffusion"
    name = unescape(title[1]).partition(" — ")[0] if title else book
    said = description(html) or book
    given = [
        f'<meta name="description" content="{escape(said)}">',
        f'<link rel="canonical" href="{escape(url)}">',
        f'<link rel="apple-touch-icon" href="{page.root}{TOUCH}">',
        '<meta name="twitter:card" content="summary_large_image">',
    ]
    for key, value in {
        "title": name,
        "description": said,
        "type": "article",
        "url": url,
        "site_name": book,
        "image": site + CARD,
        "image:alt": "An encoder, a bell curve and a decoder",
    }.items():
        given.append(f'<meta property="og:{key}" content="{escape(value)}">')
    return html.replace("</head>", "\n".join([*given, "</head>"]), 1)


def description(html: str) -> str:
    """A page's first real paragraph, as one or two whole sentences."""
    article = html.partition("<article")[2].partition("</article>")[0]
    for match in PARAGRAPH.finditer(article):
        words = unescape(TAG.sub("", match[1]))
        words = " ".join(words.split())
        if len(words) >= 60 and "\\(" not in words:
            return _cut(words)
    return ""


def _cut(words: str) -> str:
    """At the end of a sentence if one fits, else between two words."""
    if len(words) <= LONGEST:
        return words
    ends = [m.end() for m in re.finditer(r"[.!?](?= )", words[:LONGEST])]
    if ends and ends[-1] >= 50:
        return words[: ends[-1]]
    return words[: LONGEST - 1].rpartition(" ")[0] + "…"


def lists(app: Sphinx, error: Exception | None) -> None:
    """Writes the list of pages and the page for lost readers."""
    if error is not None or app.builder.format != "html":
        return
    out, site = Path(app.outdir), address().site
    names = [
        path.relative_to(out).with_suffix("").as_posix() for path in pages(out)
    ]
    lines = [
        f"<url><loc>{escape(site + name)}.html</loc></url>"
        for name in names
        if name not in NOT_LISTED
    ]
    sitemap = "\n".join(
        [
            '<?xml version="1.0" encoding="UTF-8"?>',
            '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">',
            *lines,
            "</urlset>\n",
        ]
    )
    (out / "sitemap.xml").write_text(sitemap, "utf-8")
    (out / "404.html").write_text(LOST.format(site=escape(site)), "utf-8")


# It is shown at any address, so all it names is named in full.
LOST = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>There is no such page</title>
<style>
:root {{ color-scheme: light dark; font: 1.1rem/1.6 system-ui, sans-serif; }}
main {{ margin: 12vh auto; max-width: 36rem; padding: 0 1.25rem; }}
</style>
</head>
<body>
<main>
<h1>There is no such page</h1>
<p>It was moved, or the address has a slip of the finger.</p>
<ul>
<li><a href="{site}book/intro.html">The course starts here</a>, with all
chapters at the left.</li>
<li><a href="{site}search.html">Search</a></li>
<li><a href="{site}book/glossary.html">Glossary</a></li>
</ul>
</main>
</body>
</html>
"""


def setup(app: Sphinx) -> None:
    """Registers the change and the hook."""
    change(describe)
    app.connect("build-finished", lists)
