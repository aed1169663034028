"""Formulas are drawn before anybody opens the page."""

import re

import pytest
from course_pages.mathjax import Formula, FormulaError, typeset
from test_site import CONTENTS

from tools.address import ROOT


def test_every_formula_of_every_page_is_drawn(soups):
    count = 0
    for name in CONTENTS:
        assert not soups[name].find(re.compile("^tex-")), name
        for formula in soups[name].select(".math"):
            drawn = formula.find_all("mjx-container", recursive=False)
            assert len(drawn) == 1, (name, formula["data-tex"])
            assert drawn[0].select_one("mjx-assistive-mml > math"), formula
            assert not drawn[0].find("mjx-merror"), formula["data-tex"]
            count += 1
    assert count > 500


def test_the_pages_hold_the_formulas_of_their_sources(soups):
    source = (ROOT / "book" / "elbo.md").read_text("utf-8")
    asked = re.findall(r"(?<![$\\])\$([^$\n]+)\$(?!\$)", source)
    kept = {f["data-tex"] for f in soups["book/elbo"].select("span.math")}
    assert len(asked) > 100 and set(asked) <= kept


def test_letters_and_signs_of_a_formula_are_told_apart():
    (drawn, other), sheet = typeset(
        [Formula(r"\frac{1}{2} < \sigma", True), Formula(r"\sigma", False)]
    )
    assert 'display="true"' in drawn and 'display="true"' not in other
    assert "<mfrac>" in drawn and "&lt;" in drawn
    for sign in re.findall(r"mjx-c[0-9A-F]+", drawn):
        assert sign in sheet


@pytest.mark.parametrize("tex", [r"\sigmma", r"\frac{1}", r"x^{2", r"\end{a}"])
def test_a_slip_in_a_formula_stops_the_build(tex):
    with pytest.raises(FormulaError, match=re.escape(tex)):
        typeset([Formula("x", False), Formula(tex, False)])
