"""Prints the built book: as a whole, and a file for each chapter.

``python -m tools.pdf`` prints every page of ``_build/html`` in Chromium, as a
reader's browser would, and joins them in ``_build/pdf``: ``book.pdf`` with
every page in the order of the contents, and each chapter with its solutions.
Solutions stand at the back, and links lead to the place in the same file where
there is one, otherwise to the published page. Headings become bookmarks.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import yaml
from playwright.sync_api import Browser, sync_playwright
from pypdf import PdfReader, PdfWriter
from pypdf.generic import (
    ArrayObject,
    DictionaryObject,
    Fit,
    FloatObject,
    NameObject,
    NullObject,
    TextStringObject,
)

from tools.address import ROOT, address
from tools.census import CensusError, find_browser

SITE = ROOT / "_build" / "html"
OUT = ROOT / "_build" / "pdf"
SOLUTIONS = "book/solutions"
WHOLE = "book"
TITLE = "Variational Autoencoders, from MNIST to Stable Diffusion"

# Numbers go on from page to page of the book, so each begins where the one
# before it ended.
PAPER = """
@page {{
  size: A4;
  margin: 20mm 20mm 22mm;
  @bottom-center {{
    content: counter(page);
    font: 9pt sans-serif;
  }}
}}
html {{ counter-reset: page {before}; }}
"""
READY = '() => document.readyState === "complete"'
# What the page does when it is printed, done before, to wait for pictures and
# fonts; and what only a file for paper needs. Chromium keeps the places that
# some link of the page names, so all of them are named.
PREPARE = """async () => {
  const article = document.querySelector("article") ?? document.body;
  const path = location.pathname.match(/notebooks\\/(\\d\\d)_/);
  for (const fold of article.querySelectorAll(".exercise-help details")) {
    if (!path || !/^Solution/.test(fold.textContent.trim())) continue;
    const number = fold.textContent.match(/exercise\\s+(\\d+)\\.(\\d+)/);
    const link = document.createElement("a");
    link.href = `../book/solutions/chapter${path[1]}.html`
      + `#solution-${number[1]}-${number[2]}`;
    link.textContent = "Solution: at the back";
    fold.replaceWith(link);
  }
  dispatchEvent(new Event("beforeprint"));
  for (const place of article.querySelectorAll("[id]")) {
    if (place.closest("svg, mjx-container")) continue;
    const link = document.createElement("a");
    link.href = `#${place.id}`;
    link.hidden = true;
    article.append(link);
  }
  await document.fonts.ready;
  const pictures = [...document.querySelectorAll("article img")];
  await Promise.all(pictures.map(picture => picture.decode()));
  return [...document.querySelectorAll(".math")].filter(
    formula => !formula.querySelector("mjx-container")).length;
}"""
# Level, words and place of each heading; places are named after sections.
HEADINGS = """() => [...document.querySelectorAll("article :is(h1, h2, h3)")]
  .filter(heading => heading.checkVisibility())
  .map(heading => {
    const words = heading.cloneNode(true);
    for (const link of words.querySelectorAll(".headerlink")) link.remove();
    return [Number(heading.tagName[1]),
      words.textContent.replace(/\\s+/g, " ").trim(),
      heading.closest("section[id]")?.id ?? ""];
  })"""


class PdfError(RuntimeError):
    """What could not be printed, and what to do."""


class Part(NamedTuple):
    """A printed page of the site."""

    name: str  # as in _toc.yml
    paper: PdfReader
    headings: list[tuple[int, str, str]]  # level, words, place


def contents(toc: Path) -> tuple[list[str], list[str]]:
    """The book's pages as printed, and which of them are chapters.

    Solutions go to the back, in their order.
    """
    tree = yaml.safe_load(toc.read_text("utf-8"))
    pages, chapters = [tree["root"]], []

    def walk(entries: Iterable[dict]) -> Iterator[str]:
        for entry in entries:
            yield entry["file"]
            yield from walk(entry.get("sections", []))

    for part in tree["parts"]:
        for page in walk(part["chapters"]):
            pages.append(page)
            if part.get("caption") == "Chapters":
                chapters.append(page)
    answers = [page for page in pages if page.startswith(SOLUTIONS)]
    rest = [page for page in pages if page not in answers]
    return rest + answers, [c for c in chapters if c not in answers]


def printed(browser: Browser, site: Path, name: str, before: int) -> Part:
    """Prints a page of the site whose first number is ``before`` + 1.

    Raises:
        PdfError: it is missing, a script failed, or a formula stayed TeX.
    """
    path = site / f"{name}.html"
    if not path.is_file():
        raise PdfError(f"{path} is not there: run `make book` first.")
    tab = browser.new_page(color_scheme="light")
    errors = []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    try:
        tab.goto(path.resolve().as_uri())
        tab.wait_for_function(READY, timeout=120_000)
        tab.add_style_tag(content=PAPER.format(before=before))
        headings = [tuple(heading) for heading in tab.evaluate(HEADINGS)]
        if left := tab.evaluate(PREPARE):
            errors.append(f"{left} formulas were not set")
        paper = tab.pdf(prefer_css_page_size=True, print_background=True)
    finally:
        tab.close()
    if errors:
        raise PdfError(f"{name}: {'; '.join(errors)}.")
    return Part(name, PdfReader(BytesIO(paper)), headings)


# --- Joining -----------------------------------------------------------------


def joined(parts: list[Part], site: Path, title: str) -> PdfWriter:
    """The parts in one document, with bookmarks and links that lead on."""
    writer = PdfWriter()
    starts = {}
    for part in parts:
        starts[part.name] = len(writer.pages)
        writer.append(part.paper, import_outline=False)
    places = dict(_places(parts, starts))
    base = site.resolve().as_uri() + "/"
    for part in parts:
        first = starts[part.name]
        for page in writer.pages[first : first + len(part.paper.pages)]:
            for note in page.get("/Annots", []):
                _lead(writer, note.get_object(), part.name, places, base)
        _bookmark(writer, part, places)
    root = writer.root_object
    for key in ("/Dests", "/Names"):  # the same name in more than one part
        root.pop(NameObject(key), None)
    root[NameObject("/Lang")] = TextStringObject("en")
    root[NameObject("/PageMode")] = NameObject("/UseOutlines")
    writer.add_metadata({"/Title": title, "/Author": "vae-course"})
    writer.compress_identical_objects()
    return writer


def _places(parts: list[Part], starts: dict[str, int]):
    """(page's name, place in it) → (number of the sheet, height on it)."""
    for part in parts:
        yield (part.name, ""), (starts[part.name], None)
        for name, place in part.paper.named_destinations.items():
            sheet = part.paper.get_destination_page_number(place)
            where = (starts[part.name] + sheet, place.top)
            yield (part.name, unquote(name.removeprefix("/"))), where


def _bookmark(writer: PdfWriter, part: Part, places) -> None:
    """The headings of a part, one under another."""
    above = {}
    for level, words, place in part.headings:
        sheet, top = places.get((part.name, place)) or places[part.name, ""]
        over = [above[each] for each in sorted(above) if each < level]
        above = {each: above[each] for each in above if each < level}
        above[level] = writer.add_outline_item(
            title=words,
            page_number=sheet,
            parent=over[-1] if over else None,
            fit=Fit.xyz(top=top),
        )


def _lead(writer, note: DictionaryObject, name: str, places, base: str):
    """Makes a link to another page of the site lead there in this file."""
    if "/Dest" in note:
        target = (name, unquote(str(note["/Dest"]).removeprefix("/")))
    else:
        uri = str(note.get("/A", {}).get("/URI", ""))
        if not uri.startswith(base):
            return
        path = urlsplit(uri.removeprefix(base))
        target = (path.path.removesuffix(".html"), unquote(path.fragment))
        if (target[0], "") not in places:
            online = address().site + uri.removeprefix(base)
            note["/A"][NameObject("/URI")] = TextStringObject(online)
            return
    sheet, top = places.get(target) or places[target[0], ""]
    height = NullObject() if top is None else FloatObject(top)
    page = writer.pages[sheet].indirect_reference
    note.pop(NameObject("/A"), None)
    note[NameObject("/Dest")] = ArrayObject(
        [page, NameObject("/XYZ"), NullObject(), height, NullObject()]
    )


def files(parts: list[Part], chapters: list[str]) -> dict[str, list[Part]]:
    """The files to write, by name, and the parts of each."""
    by_name = {part.name: part for part in parts}
    found = {WHOLE: parts}
    for name in chapters:
        stem = Path(name).name
        number = stem[:2] if stem[:2].isdigit() else "none"
        answers = by_name.get(f"{SOLUTIONS}/chapter{number}")
        found[stem] = [by_name[name], *([answers] if answers else [])]
    return found


def print_book(browser: Browser, site: Path, toc: Path, out: Path):
    """Prints the site into ``out``; yields each file as it is written.

    Raises:
        PdfError: a page cannot be printed.
    """
    pages, chapters = contents(toc)
    parts, before = [], 0
    for name in pages:
        part = printed(browser, site, name, before)
        parts.append(part)
        before += len(part.paper.pages)
        print(f"{name}: {len(part.paper.pages)} sheets", flush=True)
    out.mkdir(parents=True, exist_ok=True)
    for stem, chosen in files(parts, chapters).items():
        title = TITLE if stem == WHOLE else chosen[0].headings[0][1]
        path = out / f"{stem}.pdf"
        joined(chosen, site, title).write(path)
        yield path


def main(arguments: list[str] | None = None) -> None:
    """``python -m tools.pdf [--site FOLDER] [--toc FILE] [--out FOLDER]``."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.pdf", description=__doc__
    )
    parser.add_argument("--site", type=Path, default=SITE)
    parser.add_argument("--toc", type=Path, default=ROOT / "_toc.yml")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(arguments)
    try:
        program = find_browser()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=program,
                args=["--no-sandbox", "--disable-gpu"],
            )
            for path in print_book(
                browser, options.site, options.toc, options.out
            ):
                print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
    except (CensusError, PdfError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
