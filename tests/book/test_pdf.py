"""The book on paper: a small site, printed and joined."""

import re
import shutil

import pytest
from course_pages.formulas import SHEET
from course_pages.mathjax import Formula, typeset
from pypdf import PdfReader

from tools import pdf
from tools.address import ROOT, address

STATIC = ROOT / "book" / "_static"
TEX = Formula(r"\frac{a}{b} + \mu", display=False)
TOC = """
root: book/intro
parts:
  - caption: Chapters
    chapters:
      - file: notebooks/01_first
      - file: notebooks/02_second
      - file: book/solutions
        sections:
          - file: book/solutions/chapter02
  - caption: Look it up
    chapters:
      - file: book/glossary
"""
PAGE = """<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>t</title>
<link rel="stylesheet" href="{up}_static/formulas.css">
<script>DOCUMENTATION_OPTIONS = {{}};</script>
<body><article class="bd-article">{body}</article>
<script src="{up}_static/formulas.js"></script>
<script src="{up}_static/course.js"></script></body></html>"""
PAGES = {
    "book/intro": "<h1>Intro</h1><p>Welcome.</p>",
    "notebooks/01_first": """<section id="one"><h1>1. First<a
      class="headerlink" href="#one">#</a></h1><p>Codes
      <span class="math">FORMULA</span> are short.</p>
      <p style="break-before: page"><a href="02_second.html#deep">deep</a>
      <a href="../book/absent.html#x">absent</a></p></section>""",
    "notebooks/02_second": """<section id="two"><h1>2. Second</h1>
      <p>A table.</p><section id="deep" style="break-before: page">
      <h2>Deep <em>water</em></h2><p>Down here.</p>
      <div class="exercise-help"><details><summary>Hint 1 for exercise 2.1
      </summary>Look.</details><details><summary>Solution<span> for exercise
      2.1</span></summary>The answer is 42.</details></div>
      </section></section>""",
    "book/solutions": "<h1>Solutions</h1><p>Try first.</p>",
    "book/solutions/chapter02": """<h1>Solutions to chapter 2</h1>
      <h2 id="solution-2-1" style="break-before: page">Exercise 2.1</h2>
      <details><summary>Solution</summary>The answer is 42.</details>""",
    "book/glossary": "<h1>Glossary</h1><p>Nat, a unit.</p>",
}
# The order on paper, and the sheet that each page begins on.
STARTS = {
    "Intro": 1,
    "1. First": 2,
    "2. Second": 4,
    "Glossary": 6,
    "Solutions": 7,
    "Solutions to chapter 2": 8,
}


def write(site, name, body):
    path = site / f"{name}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    up = "../" * name.count("/")
    path.write_text(PAGE.format(body=body, up=up), "utf-8")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    site = tmp_path_factory.mktemp("site")
    shutil.copytree(STATIC, site / "_static")
    (drawn,), sheet = typeset([TEX])
    (site / "_static" / SHEET).write_text(sheet, "utf-8")
    for name, body in PAGES.items():
        write(site, name, body.replace("FORMULA", drawn))
    (site / "toc.yml").write_text(TOC, "utf-8")
    return site


@pytest.fixture(scope="module")
def papers(chromium, site, tmp_path_factory):
    """Each printed file by its name."""
    out = tmp_path_factory.mktemp("pdf")
    paths = list(pdf.print_book(chromium, site, site / "toc.yml", out))
    return {path.stem: PdfReader(path) for path in paths}


def lines(paper):
    return [sheet.extract_text() for sheet in paper.pages]


def links(paper, sheet):
    """Where the links of a sheet lead: a sheet's number, or an address."""
    found = []
    for note in paper.pages[sheet - 1].get("/Annots", []):
        note = note.get_object()
        if "/Dest" in note:
            page = note["/Dest"][0].get_object()
            found.append(paper.get_page_number(page) + 1)
        else:
            found.append(note["/A"]["/URI"])
    return found


def bookmarks(paper, outline=None, depth=0):
    for item in paper.outline if outline is None else outline:
        if isinstance(item, list):
            yield from bookmarks(paper, item, depth + 1)
        else:
            sheet = paper.get_destination_page_number(item) + 1
            yield depth, item.title, sheet


def test_there_is_the_whole_and_a_file_for_each_chapter(papers):
    assert sorted(papers) == ["01_first", "02_second", "book"]
    sheets = {name: len(paper.pages) for name, paper in papers.items()}
    assert sheets == {"book": 9, "01_first": 2, "02_second": 4}


def test_every_page_is_printed_and_solutions_stand_at_the_back(papers):
    text = lines(papers["book"])
    for words, sheet in [
        ("Welcome.", 1),
        ("are short.", 2),
        ("A table.", 4),
        ("Down here.", 5),
        ("Nat, a unit.", 6),
        ("Try first.", 7),
        ("The answer is 42.", 9),
    ]:
        found = [n for n, sheet in enumerate(text, 1) if words in sheet]
        assert found == [sheet], words
    assert "Hint 1" in text[4] and "Look." in text[4]
    assert "Solution: at the back" in text[4]
    assert "The answer is 42." in lines(papers["02_second"])[3]


def test_sheets_are_numbered_through_and_a_chapter_keeps_its_numbers(papers):
    for name, first in [("book", 1), ("01_first", 2)]:
        for number, text in enumerate(lines(papers[name]), first):
            assert str(number) in text.split(), (name, number)


def fonts(sheet):
    """The kinds of fonts on a sheet; those of formulas are outlines alone."""
    return {f["/Subtype"] for f in sheet["/Resources"]["/Font"].values()}


def test_a_formula_is_set(papers):
    text = lines(papers["book"])[1]
    assert "Codes" in text and "\\" not in text and "frac" not in text
    assert "/Type3" in fonts(papers["book"].pages[1])
    assert "/Type3" not in fonts(papers["book"].pages[5])


def test_each_page_is_a_bookmark_and_its_sections_stand_below(papers):
    found = list(bookmarks(papers["book"]))
    tops = {title: sheet for depth, title, sheet in found if depth == 0}
    assert tops == STARTS
    assert (1, "Deep water", 5) in found


def test_links_lead_on_in_the_same_file_or_online(papers):
    online = address().site
    absent = f"{online}book/absent.html#x"
    assert links(papers["book"], 3) == [5, absent]
    deep = f"{online}notebooks/02_second.html#deep"
    assert links(papers["01_first"], 2) == [deep, absent]
    assert links(papers["book"], 5) == [9]
    assert links(papers["02_second"], 2) == [4]


def test_a_formula_that_stays_tex_is_an_error(chromium, site, tmp_path):
    shutil.copytree(site, tmp_path / "site")
    write(tmp_path / "site", "book/intro", PAGES["notebooks/01_first"])
    with pytest.raises(pdf.PdfError, match="formula"):
        pdf.printed(chromium, tmp_path / "site", "book/intro", 0)


def test_a_script_that_fails_is_an_error(chromium, site, tmp_path):
    shutil.copytree(site, tmp_path / "site")
    write(tmp_path / "site", "book/intro", "<script>lost()</script>")
    with pytest.raises(pdf.PdfError, match="lost is not defined"):
        pdf.printed(chromium, tmp_path / "site", "book/intro", 0)


def test_a_missing_page_says_what_to_do(chromium, site):
    with pytest.raises(pdf.PdfError, match="make book"):
        pdf.printed(chromium, site, "book/none", 0)


def test_the_books_chapters_and_their_order_come_from_its_contents():
    pages, chapters = pdf.contents(ROOT / "_toc.yml")
    assert pages[0] == "book/intro" and len(pages) == len(set(pages))
    back = [page.startswith("book/solutions") for page in pages]
    assert back == sorted(back) and sum(back) == 11
    numbers = [re.match(r"notebooks/(\d\d)_", name) for name in chapters]
    assert [int(n[1]) for n in numbers if n] == list(range(1, 11))
    assert "book/elbo" in chapters
