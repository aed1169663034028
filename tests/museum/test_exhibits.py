"""Every exhibit: one fault, one instrument that tells it, and its mend."""

import ast
import difflib
import json
import re

import pytest
import torch

from tools.address import ROOT
from vae_course.museum import FAMILIES, VERSIONS, exhibit, exhibits
from vae_course.museum.exhibit import Exhibit

ALL = pytest.mark.parametrize("each", exhibits(), ids=lambda e: e.name)
SEEDS = range(5)


def differences(each: Exhibit) -> tuple[list[str], list[str]]:
    """The lines that only the broken piece has, and only the mended one."""
    codes = [each.source(v).code.splitlines() for v in VERSIONS]
    lines = [*difflib.ndiff(*codes)]
    return tuple([x[2:] for x in lines if x[0] == sign] for sign in "-+")


def test_there_are_exhibits_of_every_family():
    assert len(exhibits()) >= 16
    assert [*dict.fromkeys(e.family for e in exhibits())] == [*FAMILIES]
    assert len({e.name for e in exhibits()}) == len(exhibits())
    assert len({e.title for e in exhibits()}) == len(exhibits())


@ALL
def test_the_number_tells_broken_from_mended_for_five_seeds(each):
    for seed in SEEDS:
        broken = each.measure("broken", seed)
        mended = each.measure("mended", seed)
        assert not each.is_healthy(broken), broken
        assert each.is_healthy(mended), mended


@ALL
def test_a_measurement_follows_from_its_seed_and_leaves_no_trace(each):
    torch.manual_seed(7)
    before = torch.get_rng_state()
    first = each.measure("broken", 3)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(8)
    assert each.measure("broken", 3) == pytest.approx(first, rel=1e-4)


@ALL
def test_the_two_pieces_differ_by_the_fault_alone(each):
    broken, mended = differences(each)
    # A sign has two places; a decision, its condition and its body.
    assert len(broken) <= 2 and len(mended) <= 2, (broken, mended)
    assert broken or mended


@ALL
def test_the_code_is_shown_without_naming_the_fault(each):
    for version in VERSIONS:
        code = each.source(version).code
        ast.parse(code)
        assert "broken" not in code.lower()
        assert '"""' not in code
        assert len(code.splitlines()) <= 15


@ALL
def test_the_words_are_sentences(each):
    for words in (each.sees, each.fault, each.lesson):
        assert words.endswith(".") and len(words) > 20
        assert "  " not in words
    assert not each.title.endswith(".")
    assert not each.instrument.endswith(".")


def slug(heading: str) -> str:
    """The anchor that the book gives a heading."""
    ascii_only = re.sub(r"[^a-z0-9]+", "-", heading.strip().lower())
    return re.sub(r"^[\d-]+", "", ascii_only).strip("-")


@ALL
def test_where_the_right_version_is_derived_exists(each):
    page, _, anchor = each.derived_in.partition("#")
    notebook = ROOT / page.replace(".html", ".ipynb")
    if page.startswith("notebooks/"):
        if not notebook.exists():
            pytest.skip(f"{page} is not written yet")
        cells = json.loads(notebook.read_text("utf-8"))["cells"]
        text = "\n".join(
            "".join(c["source"]) for c in cells if c["cell_type"] == "markdown"
        )
        headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        assert anchor in map(slug, headings)
    else:
        text = (ROOT / page.replace(".html", ".md")).read_text("utf-8")
        assert f":label: {anchor}\n" in text


@pytest.mark.parametrize(
    "each", [e for e in exhibits() if e.visible], ids=lambda e: e.name
)
def test_a_visible_fault_is_in_a_whole_model(each):
    for model in (each.broken(hidden=16, latent=4), each.mended(latent=4)):
        x = torch.rand(6, 1, 28, 28).round()
        q = model.encode(x)
        assert q.sample().shape == (6, 4)
        assert model.decode(q.mean).log_prob(x).shape == (6,)
        assert model.claimed(x).dim() == 0


def test_what_cannot_be_is_refused():
    with pytest.raises(LookupError, match="one-sided-noise"):
        exhibit("two-headed-noise")
    with pytest.raises(ValueError, match="broken"):
        exhibit("one-sided-noise").measure("whole")
    with pytest.raises(ValueError, match="no sizes"):
        exhibit("open-curtain").broken(latent=3)
    assert not exhibit("one-sided-noise").is_healthy(float("nan"))
