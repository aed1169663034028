"""The stored scores are what their lines add up to, and say it all."""

import json

import pytest

from tools.address import ROOT
from tools.scores import exhibits
from tools.scores.__main__ import PARTS, SEEDS, cases, examine, summary
from tools.scores.cases import Case, Patient
from tools.scores.healthy import HEALTHY
from vae_course.diagnosis import INSTRUMENTS
from vae_course.museum import exhibits as museum

STORED = json.loads((ROOT / "results" / "diagnosis.json").read_text("utf-8"))


def test_the_numbers_are_those_of_the_lines():
    assert summary(STORED["lines"]) == STORED["summary"]


@pytest.mark.parametrize("part", PARTS)
def test_every_case_was_examined_with_every_seed(part):
    lines = STORED["lines"][part]
    wanted = [
        (case.name, case.chapter, seed)
        for case in cases(part)
        for seed in range(SEEDS[part])
    ]
    found = [(x["name"], x.get("chapter", 0), x["seed"]) for x in lines]
    assert sorted(found) == sorted(wanted)


def test_no_instrument_failed_when_asked():
    lines = [line for part in STORED["lines"].values() for line in part]
    assert not [line["failed"] for line in lines if "failed" in line]


def test_what_was_expected_is_what_is_scored():
    for part in ("exhibits", "held_out"):
        for case in cases(part):
            assert case.expected and case.expected <= set(INSTRUMENTS)
            for line in STORED["lines"][part]:
                if line["name"] == case.name:
                    assert set(line["expected"]) == case.expected


def test_healthy_models_are_left_in_peace_and_exhibits_are_named():
    found = STORED["summary"]
    assert found["healthy"]["alarms"] == 0
    assert found["exhibits"]["named"] == found["exhibits"]["faults"] >= 16


def test_at_least_twelve_faults_were_held_out():
    assert STORED["summary"]["held_out"]["faults"] >= 12


def test_every_exhibit_is_examined_or_said_to_be_out_of_sight():
    seen = {case.name for case in exhibits.all_cases("broken")}
    hidden = set(exhibits.unseen())
    assert seen | hidden == {e.name for e in museum()} and not seen & hidden
    assert sorted(hidden) == sorted(STORED["cannot_be_seen_from_outside"])
    assert seen == set(exhibits.EXPECTED)


def test_every_chapter_has_a_healthy_model():
    assert {case.chapter for case in HEALTHY} == set(range(1, 10))


def test_a_fault_counts_only_if_every_seed_names_it():
    def line(seed, rang, name="a", expected=("noise",)):
        found = {"name": name, "seed": seed, "rang": rang}
        return found | ({"expected": list(expected)} if expected else {})

    lines = {
        "exhibits": [line(0, ["noise"]), line(1, ["bound"])],
        "held_out": [line(0, ["noise"]), line(1, ["noise", "bound"])],
        "healthy": [line(0, [], expected=()), line(1, ["shift"], expected=())],
        "mended": [],
    }
    found = summary(lines)
    assert (found["exhibits"]["named"], found["exhibits"]["noticed"]) == (0, 1)
    assert found["exhibits"]["missed"] == ["a"]
    assert found["held_out"]["named"] == 1
    assert found["healthy"]["alarms"] == 1
    assert found["healthy"]["of"] == ["a"]
    assert found["precision_of_bells"] == round(3 / 6, 3)


def test_a_line_says_which_instruments_rang_and_on_what():
    import torch

    from vae_course import MLPVAE

    x = (torch.rand(64, 1, 6, 6) < 0.3).float()
    model = MLPVAE((1, 6, 6), hidden=8, latent=2)

    def make(seed):
        return Patient(model, x, {"draw": lambda mean, log_var: mean})

    found = examine(Case("no noise", make, frozenset({"noise"})), 0)
    assert found["expected"] == ["noise"] and "noise" in found["rang"]
    assert any("spread" in what for what in found["what"])
