"""The tool that puts a notebook in Colab's shoes; the shoes weigh 6 GB."""

import json
import os
import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_output

from tools import colab
from tools.address import ROOT, address
from tools.tidying import NotebookError

COURSE = "vae-course @ git+https://example.org/course@abc"
GREEN = colab.Run(4.21, 49.6, [], {COURSE})


def notebook_of(*said, tags=("nbval-check-output",)):
    cells = [
        new_code_cell(
            "claim()",
            id=f"c{number}",
            metadata={"tags": list(tags)},
            outputs=[new_output("stream", name="stdout", text=text)],
        )
        for number, text in enumerate(said)
    ]
    return nbformat.v4.new_notebook(cells=cells)


def test_claims_are_compared_by_their_sentences_alone():
    stored = colab.claims(notebook_of("✓ it falls (60 → 0)\n"))
    assert stored == colab.claims(notebook_of("✓ it falls (61 → 0)\n"))
    assert stored != colab.claims(notebook_of("✓ it rises (60 → 0)\n"))
    assert colab.claims(notebook_of("✓ it falls\n", tags=[])) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"changed": set()},  # the first cell installed nothing
        {"changed": {COURSE, "torch==2.6.0", "torch==2.7.0"}},
        {"changed": {"vae-course==1", COURSE}},
        {"wrong": ["c0: 'x' where 'y' is stored"]},
    ],
)
def test_green_means_that_claims_hold_and_only_the_course_came(changes):
    assert GREEN.green
    assert not GREEN._replace(**changes).green


def test_a_slow_first_cell_is_said_and_not_judged():
    slow = GREEN._replace(first_cell=31.0)
    assert slow.green and "the aim is 20" in colab.report("03_x", slow)
    assert "the aim" not in colab.report("03_x", GREEN)
    wrong = GREEN._replace(wrong=["c0: no"])
    assert "RED" in colab.report("03_x", wrong)
    assert "c0: no" in colab.report("03_x", wrong)


def test_the_public_address_leads_to_this_checkout(tmp_path):
    variables = {**os.environ, **colab._variables(tmp_path, ROOT)}
    said = subprocess.run(
        ["git", "ls-remote", address().url, "HEAD"],
        env=variables,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    here = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True
    )
    assert said.stdout.split()[:1] == here.stdout.split() != [], said.stderr
    there = "import google.colab as c, sys; print(c.__file__)"
    python = [sys.executable, "-c", there]
    assert subprocess.run(python, env=variables, cwd=tmp_path).returncode == 0


def test_a_green_run_is_kept_with_where_it_was(tmp_path, monkeypatch):
    path = tmp_path / "colab.json"
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    colab.remember("03_x", GREEN, path)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    colab.remember("10_y", GREEN, path)
    found = json.loads(path.read_text("utf-8"))
    assert found["versions"] == colab.COLAB
    by_hand, hosted = found["notebooks"]["03_x"], found["notebooks"]["10_y"]
    assert (by_hand["where"], hosted["where"]) == ("by hand", "hosted")
    assert (by_hand["first_cell"], by_hand["seconds"]) == (4.2, 50)


def test_a_notebook_that_fails_is_red_and_the_others_still_run(
    monkeypatch, capsys
):
    def run(path, python):
        if path.stem.startswith("03"):
            raise NotebookError("cell 5 failed")
        return GREEN

    monkeypatch.setattr(colab, "run", run)
    monkeypatch.setattr(colab, "make_room", lambda room, packages: room)
    kept = []
    monkeypatch.setattr(colab, "remember", lambda name, run: kept.append(name))
    with pytest.raises(SystemExit, match="03_"):
        colab.main(["03", "10"])
    assert kept == ["10_the_bug_museum"]
    assert "cell 5 failed" in capsys.readouterr().out
