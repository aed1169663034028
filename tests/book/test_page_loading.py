"""What pages load, how large it is, and what is said about them."""

import gzip
import json
import re
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree as xml

import pytest
from course_pages import icons, loading, sharing, styles
from test_site import CONTENTS

from tools.address import ROOT, address

NOTEBOOKS = [name for name in CONTENTS if name.startswith("notebooks/")]


def test_nothing_but_style_stands_before_the_first_paint(soups):
    for name in CONTENTS:
        head = soups[name].head
        sheets = head.find_all("link", rel="stylesheet")
        assert len(sheets) == 1, name
        waits = head.find_all("script", src=True)
        assert all("defer" in s.attrs for s in waits), name


def test_pages_without_a_formula_load_nothing_for_them(soups):
    for name in CONTENTS:
        has = bool(soups[name].select(".math"))
        script = soups[name].find("script", src=re.compile("formulas"))
        assert bool(script) == has, name
    assert not soups["book/intro"].select(".math")


def test_a_page_weighs_less_than_its_budget(site, soups):
    """900 kB compressed, before a reader scrolls to what is lazy."""
    for name in CONTENTS:
        soup = soups[name]
        here = site / f"{name}.html"
        paths = {here}
        for kind, key in (("img", "src"), ("script", "src"), ("link", "href")):
            for tag in soup.find_all(kind, attrs={key: True}):
                path = unquote(tag[key].partition("?")[0])
                if tag.get("loading") == "lazy":
                    continue
                if kind == "link" and "stylesheet" not in tag.get("rel", ()):
                    continue
                if not path.startswith(("data:", "http")):
                    paths.add((here.parent / path).resolve())
        weight = sum(len(gzip.compress(p.read_bytes())) for p in paths)
        assert weight < 900_000, f"{name}: {weight:,} bytes"


def test_every_picture_has_its_size_and_only_the_first_comes_at_once(soups):
    for name in CONTENTS:
        article = soups[name].article
        for image in soups[name].find_all("img"):
            assert image.get("width") and image.get("height"), image
        drawings = article.select(".drawing")
        for count, drawing in enumerate(drawings):
            for image in drawing.find_all("img"):
                assert (image.get("loading") == "lazy") == (count > 0), name


def test_no_icon_needs_a_script_or_a_font(soups):
    for soup in soups.values():
        assert not soup.find("script", src=re.compile("fontawesome"))
        assert not soup.select("i[class*=fa-], span[class*=fa-]")


def test_an_icon_that_the_theme_does_not_have_is_an_error():
    with pytest.raises(Exception, match="no-such-icon"):
        icons.drawn("fa-solid fa-no-such-icon")


# --- One sheet ---------------------------------------------------------------


def test_a_rule_stays_if_its_names_occur():
    css = """
    .seen, .gone { color: red }
    @media print { .gone { a: b } .seen:not(.gone) { c: "x ; { y" } }
    #gone > p { d: e }
    html[data-theme="dark"] .seen { f: url("data:image/svg+xml;{") }
    @font-face { font-family: A; src: url(a.woff) }
    @media print { .gone { g: h } }
    """
    kept = styles.kept(css, {"seen"})
    assert ".seen{color: red}" in kept
    assert ".seen:not(.gone)" in kept and '"x ; { y"' in kept
    assert "#gone" not in kept and "g: h" not in kept
    assert "svg+xml;{" in kept and "@font-face" in kept
    assert kept.count("@media") == 1


def test_the_sheet_keeps_what_scripts_may_add(site):
    sheet = (site / "_static" / styles.SHEET).read_text("utf-8")
    for name in ("collapsing", "dropdown-menu.show", "predict-verdict"):
        assert name in sheet, name
    assert len(gzip.compress(sheet.encode())) < 40_000
    for path in re.findall(r'url\("([^"]+)"\)', sheet):
        if not path.startswith(("data:", "#")):
            assert (site / "_static" / path).is_file(), path


def test_a_script_that_waits_already_is_left_alone():
    page = None
    for tag in ('<script defer src="a">', '<script async src="a">'):
        assert loading.scripts(tag, page) == tag
    assert loading.scripts('<script src="a">', page) == (
        '<script defer src="a">'
    )


# --- What others show --------------------------------------------------------


def test_every_page_says_what_it_is_about_and_where_it_lives(soups):
    said = set()
    for name in CONTENTS:
        head = soups[name].head
        about = head.find("meta", attrs={"name": "description"})["content"]
        assert 50 <= len(about) <= 160, (name, about)
        said.add(about)
        (url,) = [t["href"] for t in head.find_all("link", rel="canonical")]
        assert url == f"{address().site}{name}.html"
        cards = {
            tag["property"]: tag["content"]
            for tag in head.find_all("meta", property=re.compile("^og:"))
        }
        assert cards["og:image"] == address().site + sharing.CARD
        assert cards["og:description"] == about
    assert len(said) == len(CONTENTS), "two pages say the same"


def test_the_pictures_that_others_show_are_there(site):
    assert loading.size(site / sharing.CARD) == (1200, 630)
    assert loading.size(site / sharing.TOUCH) == (180, 180)


def test_a_description_ends_with_a_sentence():
    long = "A sentence of sixty signs has about so many words in it, see? "
    assert sharing.description(f"<article><p>{long * 4}</p></article>") == (
        (long * 2).strip()
    )


def test_the_list_of_pages_is_the_contents(site):
    root = xml.parse(site / "sitemap.xml").getroot()
    found = {loc.text for loc in root.iter() if loc.tag.endswith("loc")}
    assert found == {f"{address().site}{name}.html" for name in CONTENTS}


def test_lost_readers_are_led_back(site):
    page = (site / "404.html").read_text("utf-8")
    for link in re.findall(r'href="([^"]+)"', page):
        assert link.startswith(address().site)
        assert (site / link.removeprefix(address().site)).is_file()


# --- Buttons -----------------------------------------------------------------


def test_a_mistake_is_reported_with_its_page(soups):
    for name in CONTENTS:
        (link,) = soups[name].select(".bd-header-article a.btn-report")
        assert f"Mistake on page {name}" in unquote(link["href"])


def test_the_notebook_to_download_has_no_outputs(site, soups):
    for name in NOTEBOOKS:
        (link,) = [
            a
            for a in soups[name].select(".bd-header-article a")
            if a["href"].endswith(".ipynb") and "_sources" in a["href"]
        ]
        path = ((site / name).parent / link["href"]).resolve()
        cells = json.loads(path.read_text("utf-8"))["cells"]
        original = ROOT / f"{name}.ipynb"
        stored = json.loads(original.read_text("utf-8"))["cells"]
        assert [c["source"] for c in cells] == [c["source"] for c in stored]
        for cell in cells:
            assert not cell.get("outputs")


def test_every_proof_ends_with_its_sign(soups):
    proofs = [
        proof
        for proof in soups["book/elbo"].select("div.proof")
        if proof.get_text().lstrip().startswith("Proof")
    ]
    assert len(proofs) > 5
    for proof in proofs:
        assert proof.get_text().rstrip().endswith("∎")


def test_a_formula_keeps_its_comma(soups):
    text = str(soups["book/elbo"].article)
    assert 'class="together"' in text
    assert "</mjx-container></span>," in text
    apart = r"</mjx-container></span>[.,;:](?!</span>)"
    assert re.findall(apart, text) == []


def test_the_site_holds_no_file_of_a_script_that_is_gone(site):
    names = {path.name for path in Path(site).rglob("*.js")}
    assert "startup.js" not in names and "formulas.js" in names
