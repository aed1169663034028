"""Addresses of the published site are links within the book."""

from collections import Counter

import pytest

from tools.address import Address, address


def test_the_site_is_where_github_puts_it():
    site = Address("someone", "a-fork").site
    assert site == "https://someone.github.io/a-fork/"


def test_a_public_address_becomes_a_link_within(sound):
    links = {
        a.get_text(): (a["href"], a["class"])
        for a in sound.find_all("a", class_="reference")
    }
    assert links["nat"][0] == "index.html#term-nat"
    assert links["paper"][0] == "index.html#burda2015"
    assert links["gap"][0] == "index.html#thm-gap"
    assert links["this"][0] in ("", "#", "sound.html")
    assert links["root"][0] == "index.html"
    outside = [name for name, (_, c) in links.items() if "external" in c]
    assert outside == ["Open this cell in Colab"]


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("unknown-page", "no page notebooks/99.html"),
        ("unknown-place", "no place #term-gnat"),
        ("no-ending", "no page index"),
    ],
)
def test_a_link_that_leads_nowhere_is_a_warning(small, page, said):
    _, warnings = small
    (warning,) = warnings[page]
    assert said in warning


def test_no_page_leaves_the_site_for_the_site(soups):
    for name, soup in soups.items():
        if name == "404":  # shown at any address, so it names all in full
            continue
        for link in soup.find_all("a", href=True):
            assert not link["href"].startswith(address().site), (name, link)


def test_every_paper_can_be_named_by_its_key(soups):
    papers = soups["book/bibliography"].select(".citation")
    assert len(papers) > 10
    for paper in papers:
        assert paper["id"].isalnum() and paper["id"][-4:].isdigit(), paper


def test_no_two_places_of_a_page_have_the_same_name(soups):
    for name, soup in soups.items():
        counts = Counter(tag["id"] for tag in soup.find_all(id=True))
        twice = [place for place, count in counts.items() if count > 1]
        assert not twice, name


def test_statements_and_proofs_keep_their_names(small):
    soups, warnings = small
    assert warnings["index"] == []
    page = soups["index"]
    assert page.find(id="thm-gap") and page.find(id="thm-other")
    assert not page.find_all(id=["proof", "proof-content"])
    assert len([e for e in page.find_all("em") if e.text == "Proof."]) == 2
