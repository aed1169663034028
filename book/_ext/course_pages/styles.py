"""One style sheet for the site, with the rules that its pages can use.

The theme and its neighbours bring ten sheets, one inside another, half a
megabyte in all, and a page is not painted before the last of them is there.
They become one file. A rule stays when every class and id that it asks for
stands somewhere on a page or as a word in a script, so what scripts add
later keeps its looks.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from sphinx.application import Sphinx

from course_pages.finishing import pages

SHEET = "pages.css"
LINK = re.compile(r'\s*<link\b[^>]*\brel="stylesheet"[^>]*>')
HREF = re.compile(r'href="(?:\.\./)*_static/(?P<name>[^"?]+)[^"]*"')
OURS = re.compile(re.escape(SHEET) + r"(?:\?v=\w+)?\"")
IMPORT = re.compile(r"@import\s+(?:url\()?[\"']([^\"']+)[\"']\)?\s*;")
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
URL = re.compile(r"url\(\s*([\"']?)(?!data:|#|[a-z]+:)([^\"')]+)\1\s*\)")
NAMED = re.compile(r'\b(?:class|id)="([^"]*)"')
WORD = re.compile(r"[A-Za-z_][\w-]*")
ASKED = re.compile(r"[.#](-?[A-Za-z_](?:[\w-]|\\.)*)")
INSIDE = re.compile(r"\((?:[^()]|\([^()]*\))*\)")
NOT_READ = ("fontawesome", "locales")


def bundle(app: Sphinx, error: Exception | None) -> None:
    """Writes the sheet and makes it the only one of every page."""
    if error is not None or app.builder.format != "html":
        return
    site = Path(app.outdir)
    texts = {path: path.read_text("utf-8") for path in pages(site)}
    names = list(
        dict.fromkeys(
            match["name"]
            for text in texts.values()
            for link in LINK.findall(text)
            for match in [HREF.search(link)]
            if match and match["name"] != SHEET
        )
    )
    if not names:  # nothing was written, or another theme
        return
    known = words(texts.values(), site / "_static")
    css = "".join(_read(site / "_static", name) for name in names)
    (site / "_static" / SHEET).write_text(kept(css, known), "utf-8")
    digest = hashlib.sha256(css.encode()).hexdigest()[:8]
    for path, text in texts.items():
        if LINK.search(text):
            path.write_text(_linked(text, digest), "utf-8")


def _linked(html: str, digest: str) -> str:
    """A page with one link in the place of its first."""
    first = LINK.search(html)
    root = re.search(r'href="((?:\.\./)*)_static/', first[0])
    if root is None:
        return html
    href = f"{root[1]}_static/{SHEET}?v={digest}"
    link = f'\n<link rel="stylesheet" href="{href}">'
    rest = LINK.sub("", html[first.end() :])
    return html[: first.start()] + link + rest


def words(texts, static: Path) -> set[str]:
    """Every class and id of the pages, and every word of the scripts."""
    found: set[str] = set()
    for text in texts:
        for match in NAMED.finditer(text):
            found.update(match[1].split())
        found.update(WORD.findall(" ".join(_inline(text))))
    for path in static.rglob("*.js"):
        if not any(part in path.as_posix() for part in NOT_READ):
            found.update(WORD.findall(path.read_text("utf-8")))
    return found


def _inline(html: str) -> list[str]:
    return re.findall(r"<script\b[^>]*>([^<]+)</script>", html)


def _read(static: Path, name: str) -> str:
    """A sheet with what it imports, its addresses seen from ``_static``."""
    css = COMMENT.sub("", (static / name).read_text("utf-8-sig"))
    css = re.sub(r'@charset "[^"]*";', "", css)
    folder = posixpath.dirname(name)

    def there(path: str) -> str:
        return posixpath.normpath(posixpath.join(folder, path))

    css = URL.sub(lambda m: f'url("{there(m[2])}")', css)
    return IMPORT.sub(lambda m: _read(static, there(m[1])), css) + "\n"


# --- Rules -------------------------------------------------------------------


def kept(css: str, known: set[str]) -> str:
    """The rules that can apply where only ``known`` names occur."""
    written = []
    for head, body in _rules(css):
        if body is None:
            written.append(f"{head};")
        elif head.startswith(("@media", "@supports", "@layer", "@container")):
            inside = kept(body, known)
            if inside:
                written.append(f"{head}{{{inside}}}")
        elif head.startswith("@"):
            written.append(f"{head}{{{_tight(body)}}}")
        else:
            selectors = [s for s in _split(head) if _applies(s, known)]
            if selectors and body.strip():
                written.append(f"{','.join(selectors)}{{{_tight(body)}}}")
    return "\n".join(written)


def _applies(selector: str, known: set[str]) -> bool:
    """Whether each class and id outside brackets is known."""
    while INSIDE.search(selector):
        selector = INSIDE.sub("", selector)
    asked = ASKED.findall(re.sub(r"\[[^\]]*\]", "", selector))
    return all(re.sub(r"\\(.)", r"\1", name) in known for name in asked)


def _rules(css: str) -> Iterator[tuple[str, str | None]]:
    """Pairs of what stands before and between braces, at the outer level."""
    start = depth = opened = 0
    for place, sign in _signs(css):
        if sign == "{":
            if depth == 0:
                opened = place
            depth += 1
        elif sign == "}":
            depth -= 1
            if depth == 0:
                head = " ".join(css[start:opened].split())
                yield head, css[opened + 1 : place]
                start = place + 1
        elif sign == ";" and depth == 0:
            head = " ".join(css[start:place].split())
            if head:
                yield head, None
            start = place + 1


def _signs(css: str) -> Iterator[tuple[int, str]]:
    """Braces and semicolons outside strings and addresses."""
    pattern = r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|url\([^\"')]*\)|[{};]"
    for match in re.finditer(pattern, css):
        if match[0] in "{};":
            yield match.start(), match[0]


def _split(head: str) -> list[str]:
    """A list of selectors at its commas, but not those in brackets."""
    found, depth, start = [], 0, 0
    for place, sign in enumerate(head):
        depth += (sign in "([") - (sign in ")]")
        if sign == "," and depth == 0:
            found.append(head[start:place].strip())
            start = place + 1
    return [*found, head[start:].strip()]


def _tight(body: str) -> str:
    """Declarations without needless space, strings as they are."""
    body = body.strip()
    pieces = re.split(r"(\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')", body)
    pieces[::2] = [re.sub(r"\s+", " ", piece) for piece in pieces[::2]]
    return re.sub(r"\s*;\s*", ";", "".join(pieces[:1])) + "".join(pieces[1:])


def setup(app: Sphinx) -> None:
    """Registers the hook; it comes after the pages are finished."""
    app.connect("build-finished", bundle, priority=900)
