"""What the Markdown of a notebook becomes on its page."""

import re

import nbformat
import pytest

from tools.address import ROOT

CHAPTERS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(params=CHAPTERS, ids=lambda path: path.stem)
def chapter(request, soups):
    """A chapter: the cells of its notebook, and its page."""
    notebook = nbformat.read(request.param, as_version=4)
    return notebook.cells, soups[f"notebooks/{request.param.stem}"]


def prose(cells):
    return "\n\n".join(c.source for c in cells if c.cell_type == "markdown")


# --- Captions ----------------------------------------------------------------


def test_a_picture_and_the_words_under_it_are_one(sound):
    for number in (1, 2):
        figure = sound.find("figure", id=f"figure-2-{number}")
        assert figure.find("svg")
        caption = figure.find("figcaption").get_text().strip()
        assert caption.startswith(f"Figure 2.{number}.")
        assert "And on" not in caption
    assert "And on." in sound.get_text()


def test_every_caption_of_a_chapter_is_under_its_picture(chapter):
    cells, page = chapter
    written = re.findall(r"^\*\*Figure (\d+\.\d+)\.\*\*", prose(cells), re.M)
    assert written, "a chapter without a picture"
    ids = [figure["id"] for figure in page.select("figure.picture")]
    assert ids == [f"figure-{n.replace('.', '-')}" for n in written]


def test_figures_are_numbered_as_they_stand(chapter):
    _, page = chapter
    captions = page.select("figure.picture > figcaption")
    places = [int(c.parent["id"].rpartition("-")[2]) for c in captions]
    assert places == list(range(1, len(places) + 1))


def test_every_drawing_has_a_caption(chapter):
    _, page = chapter
    for drawing in page.select(".drawing"):
        assert drawing.find_parent("figure"), drawing.svg["aria-label"]


# --- Claims ------------------------------------------------------------------


def test_claims_are_a_list_of_sentences(sound):
    first, _ = sound.select("ul.claims")
    assert first.find_parent("pre") is None
    items = [item.get_text().strip() for item in first.find_all("li")]
    assert items == ["✓ it falls (60 → 0)", "✓ f(x) = y"]
    numbers = [n.get_text() for n in first.select(".claim-numbers")]
    assert numbers == [" (60 → 0)"]
    assert [code.get_text() for code in first.find_all("code")] == ["f(x)"]


def test_among_other_lines_the_claims_alone_are(sound):
    _, second = sound.select("ul.claims")
    assert second.select_one(".claim-numbers").get_text() == " (2 (of 3))"
    cell = second.find_parent(class_="cell")
    assert cell.select_one(".cell_output pre").get_text() == "epoch 1\n"


def test_what_only_mentions_the_mark_stays_as_it_is(sound):
    assert "no ✓ here" in [
        pre.get_text().strip() for pre in sound.select(".cell_output pre")
    ]


def test_every_claim_of_a_chapter_is_in_a_list(chapter):
    cells, page = chapter
    claimed = [
        line.replace("`", "")  # set as code
        for cell in cells
        if cell.cell_type == "code"
        for out in cell.outputs
        if out.output_type == "stream" and out.name == "stdout"
        for line in out.text.splitlines()
        if line.startswith("✓ ")
    ]
    shown = page.select("ul.claims > li > p")
    assert [p.get_text().replace("’", "'") for p in shown] == claimed
    assert claimed


# --- Predictions -------------------------------------------------------------


def test_a_prediction_is_a_card(sound):
    (card,) = sound.select(".predict")
    answers = card.select("ul > li.predict-answer")
    assert [a["data-letter"] for a in answers] == ["A", "B"]
    assert answers[0].get_text().strip() == "A. The same, always."
    assert card["data-answer"] == "B"
    label = sound.find(id=card["aria-labelledby"])
    assert label.get_text() == "Predict"
    assert "After the card." not in card.get_text()
    assert "After the card." in sound.get_text()


def test_without_a_script_what_happened_is_folded(sound):
    (happened,) = sound.select(".predict details")
    assert not happened.has_attr("open")
    assert happened.summary.get_text() == "What happened"
    assert "B. The draw differs." in happened.get_text()
    assert not sound.select(".predict button, .predict input")


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("one-answer", "two to four answers"),
        ("five-answers", "two to four answers"),
        ("no-letter", "letter of the one right answer"),
        ("two-letters", "letter of the one right answer"),
        ("unknown-letter", "letter of the one right answer"),
        ("no-fold", "<details>"),
        ("old-form", "a list of answers must follow"),
        ("no-picture", "No cell with a picture"),
        ("undescribed", "nobody described it"),
    ],
)
def test_what_has_not_the_form_is_a_warning(small, page, said):
    _, warnings = small
    (warning,) = warnings[page]
    assert said in warning


def test_every_prediction_of_a_chapter_is_a_card(chapter):
    cells, page = chapter
    asked = re.findall(r"^\*\*Predict\b", prose(cells), re.M)
    cards = page.select(".predict")
    assert len(cards) == len(asked) > 0
    for card in cards:
        letters = [a["data-letter"] for a in card.select(".predict-answer")]
        assert letters == list("ABCD"[: len(letters)])
        assert 2 <= len(letters) <= 4 and card["data-answer"] in letters


# --- Folds -------------------------------------------------------------------


def test_folded_code_says_what_it_does(sound):
    folds = sound.select("details.fold-code")
    said = [fold.summary.get_text() for fold in folds]
    assert said == ["Code: Imports", "Code: The rate"]
    for fold in folds:
        assert "@title" not in fold.get_text()
        assert not fold.has_attr("open")
    assert folds[0].pre.get_text().strip() == "import torch"


def test_folded_code_stands_under_what_it_drew(sound):
    fold = sound.select("details.fold-code")[1]
    assert "cell_output" in fold.find_previous_sibling("div")["class"]
    assert fold.find_next_sibling() is None


def test_every_folded_cell_of_a_chapter_says_what_it_does(chapter):
    cells, page = chapter
    hidden = [
        cell
        for cell in cells
        if cell.cell_type == "code"
        and "hide-input" in cell.metadata.get("tags", [])
    ]
    # A long listing has its output folded, too.
    twice = [c for c in hidden if "hide-output" in c.metadata["tags"]]
    said = [f.summary.get_text() for f in page.select("details.fold-code")]
    assert len(said) == len(hidden) + len(twice)
    assert all(words.startswith("Code: ") for words in said), said
    assert "@title" not in page.find("article").get_text()
