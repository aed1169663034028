"""A card shows symptom and number, and keeps what it was folded."""

import pytest

from vae_course.museum import FAMILIES, exhibit, exhibits, families
from vae_course.museum.hall import Hall, band, card, difference, short


@pytest.mark.parametrize("each", exhibits(), ids=lambda e: e.name)
def test_what_stands_open_is_symptom_and_number(each):
    shown, _, folded = card(7, each).partition("<details>")
    assert shown.startswith(f"**7. {each.title}.** {each.sees}")
    assert f"**{short(each.measure('broken'))}**" in shown
    assert each.fault not in shown and "```" not in shown
    assert each.fault in folded and each.lesson in folded
    assert folded.count("```") == 2 and folded.endswith("</details>")
    assert each.derived_in in folded


@pytest.mark.parametrize("each", exhibits(), ids=lambda e: e.name)
def test_the_difference_shows_the_fault_in_the_whole_piece(each):
    lines = difference(each).splitlines()
    for sign, version in ("-", "broken"), ("+", "mended"):
        code = [line[2:] for line in lines if line[0] in (sign, " ")]
        assert "\n".join(code) == each.source(version).code


def test_a_band_in_words():
    assert band(exhibit("mean-beside-sum")) == "1"
    assert band(exhibit("past-the-wrapper")) == "0.25"
    assert band(exhibit("seven-pixels")) == "0"
    assert band(exhibit("one-spread-for-all")) == "0.8 to 1.25"
    assert band(exhibit("judge-unheard")) == "above 0"
    assert band(exhibit("deaf-channel")) == "0.5 and more"
    assert short(3e-9) == "0" and short(783.9996) == "784"


def test_a_hall_numbers_its_exhibits_in_each_form():
    rooms = families()
    assert [*rooms] == [*FAMILIES]
    hall = Hall(rooms["sampling"], first=5)
    assert repr(hall).startswith("5. ")
    shown = hall._repr_mimebundle_()
    assert shown["text/plain"] == repr(hall)
    for number, each in enumerate(rooms["sampling"], 5):
        assert f"**{number}. {each.title}.**" in shown["text/markdown"]
