"""A claim says what was found, and stops the notebook where it was not."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from vae_course.show import claim

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "truth", [True, np.bool_(True), np.array(True), torch.tensor(True)]
)
def test_a_claim_that_holds_is_said_with_its_numbers(truth, capsys):
    claim("the rate falls with β", truth, "60.7 nats → 0.0")
    assert capsys.readouterr().out == (
        "✓ the rate falls with β (60.7 nats → 0.0)\n"
    )


def test_numbers_may_be_left_out(capsys):
    claim("KL(q‖p) is zero at the prior", True)
    assert capsys.readouterr().out == "✓ KL(q‖p) is zero at the prior\n"


@pytest.mark.parametrize(
    "falsehood", [False, np.bool_(False), np.array(False), torch.tensor(False)]
)
def test_a_claim_that_does_not_hold_stops_with_its_sentence(falsehood, capsys):
    with pytest.raises(AssertionError, match=r"the rate falls \(1 → 2\)"):
        claim("the rate falls", falsehood, "1 → 2")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "condition",
    [
        [False],
        (False, "numbers"),
        1,
        "yes",
        None,
        0.0,
        torch.tensor([True]),
        torch.tensor(1),
        np.array([True, True]),
        np.float64(1.0),
        lambda: True,
    ],
)
def test_what_is_no_truth_value_is_refused(condition):
    with pytest.raises(TypeError, match="one truth value"):
        claim("a list counts as true", condition)


@pytest.mark.parametrize(
    ("sentence", "numbers"),
    [
        ("", ""),
        (" ", "1"),
        ("two\nlines", ""),
        ("one line", "1\n2"),
        ("brackets (like these) hide words from the comparison", ""),
    ],
)
def test_a_sentence_that_could_not_be_compared_is_refused(sentence, numbers):
    with pytest.raises(ValueError, match="one sentence on one line"):
        claim(sentence, True, numbers)


def sanitized(printed: str) -> str:
    """What nbval compares, by the course's own file."""
    rules = (ROOT / "notebooks" / "sanitize.cfg").read_text("ascii")
    found = re.findall(r"^regex: (.*)$\n^replace: (.*)$", rules, re.MULTILINE)
    assert found
    for regex, replacement in found:
        printed = re.sub(regex, replacement, printed)
    return printed


def test_the_comparison_ignores_numbers_and_nothing_else():
    stored = "✓ KL(q‖p) falls (3 → 2, f(x) = 1 (twice))\n✓ so does x (1)\n"
    assert sanitized(stored) == "✓ KL(q‖p) falls\n✓ so does x\n"
    for other in (
        "784 coins (or so)\n",
        "  ✓ set in (1)\n",
        "x ✓ inside (1)\n",
    ):
        assert sanitized(other) == other


def test_every_test_run_uses_that_comparison():
    settings = (ROOT / "pyproject.toml").read_text("utf-8")
    assert "--nbval-sanitize-with=notebooks/sanitize.cfg" in settings
