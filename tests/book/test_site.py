"""The built book: complete, described, and sufficient unto itself."""

import re
from collections import Counter
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from bs4 import BeautifulSoup

from tools.address import ROOT, address

COLAB = "https://colab.research.google.com/"
LOADED = {
    "audio": ("src",),
    "embed": ("src",),
    "iframe": ("src", "srcdoc"),
    "image": ("href", "xlink:href"),
    "img": ("src", "srcset"),
    "input": ("src",),
    "link": ("href",),
    "object": ("data",),
    "script": ("src",),
    "source": ("src", "srcset"),
    "track": ("src",),
    "use": ("href", "xlink:href"),
    "video": ("src", "poster"),
}
FILE_NAME = re.compile(r"\.(png|svg|jpe?g|gif|webp)$")
BASE64 = re.compile(r'"[A-Za-z0-9+/]{60,}=*"')  # models, not addresses
OUTSIDE = re.compile(r"\s*(?:[a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)
IN_CSS = re.compile(
    r"""(?:url\(\s*|@import\s+)["']?\s*((?:https?:)?//[^"')\s]+)"""
)


def contents() -> list[str]:
    """The pages of _toc.yml, in order, without their endings."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))
    pages = [toc["root"]]
    for part in toc["parts"]:
        for chapter in part["chapters"]:
            below = chapter.get("sections", ())
            pages += [chapter["file"], *(page["file"] for page in below)]
    return pages


CONTENTS = contents()
PAGES = [*CONTENTS, "index", "search", "genindex", "404"]


@pytest.fixture(params=PAGES)
def page(request, soups) -> BeautifulSoup:
    assert request.param in soups, f"{request.param} was not built"
    return soups[request.param]


def test_the_site_has_the_pages_of_its_contents_and_no_others(soups):
    assert sorted(soups) == sorted(PAGES)


def test_every_picture_says_what_there_is_to_see(page):
    for image in page.find_all("img"):
        alt = image.get("alt", "").strip()
        if sheet := image.find_parent(class_="sheet"):  # part of a drawing
            assert alt == "" and sheet.find("svg", recursive=False)
            continue
        assert " " in alt, f"not described: {image}"
        assert not FILE_NAME.search(alt), f"described by a file: {image}"
    for drawing in page.select(".cell_output svg"):
        assert drawing.get("role") == "img"
        assert " " in drawing.get("aria-label", "").strip(), "not described"


def test_nothing_is_loaded_from_outside(page):
    for name, attributes in LOADED.items():
        for tag in page.find_all(name):
            if "canonical" in tag.get("rel", ()):  # an address, not a file
                continue
            for attribute in attributes:
                value = tag.get(attribute, "")
                if value.startswith("data:image/"):  # base64 has slashes
                    continue
                assert not OUTSIDE.match(value), tag
                assert not OUTSIDE.search(value, value.find(",") + 1), tag
    styles = [tag.string or "" for tag in page.find_all("style")]
    styles += [tag["style"] for tag in page.find_all(style=True)]
    for style in styles:
        assert not IN_CSS.search(style), style
    for script in page.find_all("script", src=False):
        code = BASE64.sub('""', script.string or "")
        assert "//" not in re.sub(r"//\s.*", "", code), script


def test_no_style_sheet_loads_from_outside(site):
    sheets = list(site.rglob("*.css"))
    assert sheets
    for sheet in sheets:
        found = IN_CSS.search(sheet.read_text("utf-8"))
        assert not found, f"{sheet.name} loads {found and found[1]}"


def test_the_fonts_of_formulas_are_here(site):
    folder = site / "_static" / "mathjax"
    assert (folder / "LICENSE").is_file()
    assert len(list(folder.glob("*.woff"))) == 23


def test_every_link_inside_the_site_leads_somewhere(site, soups):
    anchors = {
        name: {tag["id"] for tag in soup.find_all(id=True)}
        | {tag["name"] for tag in soup.find_all("a", attrs={"name": True})}
        for name, soup in soups.items()
    }
    for name, soup in soups.items():
        for tag in soup.find_all("a", href=True):
            link = urlsplit(tag["href"])
            if link.scheme or link.netloc or tag["href"] == "#":
                continue
            here = site / f"{name}.html"
            there = (here.parent / unquote(link.path)).resolve()
            there = there if link.path else here
            assert there.is_file(), f"{name}: {tag['href']}"
            target = there.relative_to(site.resolve()).with_suffix("")
            if link.fragment and there.suffix == ".html":
                known = anchors[target.as_posix()]
                assert unquote(link.fragment) in known, (
                    f"{name}: no {tag['href']}"
                )


def test_every_file_that_a_page_loads_is_there(site, soups):
    for name, soup in soups.items():
        for kind, attribute in (
            ("img", "src"),
            ("script", "src"),
            ("link", "href"),
        ):
            for tag in soup.find_all(kind, attrs={attribute: True}):
                link = urlsplit(tag[attribute])
                if link.path and not link.scheme:
                    path = site / f"{name}.html"
                    path = path.parent / unquote(link.path)
                    assert path.is_file(), f"{name}: {tag}"


def test_each_page_has_one_main_heading(page):
    headings = page.find_all("h1")
    on_paper = page.select("#jb-print-docs-body h1")  # hidden on screens
    assert len(headings) - len(on_paper) == 1


def test_no_two_pages_have_the_same_title(soups):
    titles = {name: soup.title.string.strip() for name, soup in soups.items()}
    # The root only leads to the first page, and carries the book's name.
    titles.pop("index")
    counts = Counter(titles.values())
    assert all(count == 1 for count in counts.values()), counts


def test_each_page_names_its_language(page):
    assert page.html["lang"] == "en"


def test_notebook_pages_open_in_colab_and_no_others_do(soups):
    for name, soup in soups.items():
        links = soup.find_all("a", href=lambda url: url.startswith(COLAB))
        if not name.startswith("notebooks/"):
            assert not links, name
            continue
        url = address().colab(f"{Path(name).name}.ipynb")
        assert {a["href"].partition("#")[0] for a in links} == {url}
        links = [a for a in links if a["href"] == url]
        assert [a for a in links if a.find_parent("article")], "no badge"
        buttons = [
            a for a in links if a.find_parent(class_="article-header-buttons")
        ]
        assert len(buttons) == 1, "no launch button"


def test_each_page_leads_to_its_source(soups):
    for name in CONTENTS:
        links = {a.get("href", "") for a in soups[name].find_all("a")}
        edit = f"{address().url}/edit/main/{name}.md"
        assert address().url in links
        # A notebook's file is no text that one would like to edit.
        assert (edit in links) != name.startswith("notebooks/"), name
        assert any("/issues/new?" in link for link in links), name


def test_search_knows_the_words_of_every_page(site):
    index = (site / "searchindex.js").read_text("utf-8")
    for name in CONTENTS:
        assert f'"{name}"' in index
    assert '"autoencod"' in index or "autoencod:" in index
