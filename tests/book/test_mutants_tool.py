"""What is wrong on purpose is noticed, or listed."""

import json
import sys

import pytest

from tools.mutants import __main__ as tool
from tools.mutants import trials
from tools.mutants.changes import mutants

SOURCE = '''\
"""A module."""


def area(width: float, height: float = 2) -> float:
    """Of a rectangle."""
    if width < 0:
        raise ValueError(f"no width: {width - 1}")
    return width * max(height, 0)
'''


def test_each_rule_changes_one_thing():
    found = {mutant.what for mutant in mutants(SOURCE)}
    assert found == {
        "2 -> 3 in def area(width: float, height: float = 2) -> float:",
        "width < 0 -> width <= 0",
        "0 -> 1 in if width < 0:",
        "0 -> 1 in return width * max(height, 0)",
        "raise ValueError(f'no width: {width - 1}') -> pass",
        "return width * max(height, 0) -> pass",
        "width * max(height, 0) -> width / max(height, 0)",
        "max(height, 0) -> max(0, height)",
    }


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("f(a, b=1, c=2)", {"f(a, c=2)", "f(a, b=1)", "f(a, b=2, c=2)"}),
        ("x = a if b else c", {"x = a if not b else c"}),
        ("x = -a", {"x = a"}),
        ("x += a", {"x -= a", "pass"}),
        ("x = a and b", {"x = a or b"}),
        ("f(*a, b)", {"pass"}),
    ],
)
def test_what_is_made_of_a_line(line, wrong):
    made = {m.source.replace("(", "").replace(")", "") for m in mutants(line)}
    wanted = {text.replace("(", "").replace(")", "") for text in wrong}
    assert wanted <= made


def test_letters_of_many_bytes_do_not_move_the_place():
    (made,) = mutants('"ε→μ"; x = a + b')
    assert made.source == '"ε→μ"; x = (a - b)'


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A project of one module, whose test sees one side of it."""
    (tmp_path / "vae_course").mkdir()
    (tmp_path / "vae_course" / "__init__.py").touch()
    (tmp_path / "vae_course" / "areas.py").write_text(SOURCE, "utf-8")
    (tmp_path / "tests").mkdir()
    test = "from vae_course.areas import area\n\n\n"
    test += "def test_area():\n    assert area(3.0) == 6\n"
    (tmp_path / "tests" / "test_areas.py").write_text(test)
    (tmp_path / "results").mkdir()
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    monkeypatch.setattr(tool, "COPIED", ("vae_course", "tests"))
    monkeypatch.setattr(tool, "LOG", tmp_path / "_build" / "log.jsonl")
    monkeypatch.setattr(tool, "RESULTS", tmp_path / "results" / "m.json")
    monkeypatch.setattr(tool, "TESTS", {"areas": ["tests/test_areas.py"]})
    by_hand = [("areas", "width * max", "height * max")]
    monkeypatch.setattr(tool, "KNOWN", by_hand)
    key = ("areas", "width < 0")
    monkeypatch.setattr(tool, "REASONS", {key: "nobody asks for no width"})
    monkeypatch.setattr(trials, "OTHERS", ())  # it imports nothing
    return tmp_path


@pytest.mark.skipif(sys.platform == "win32", reason="no fork there")
def test_survivors_are_listed_and_a_second_run_goes_on(package, monkeypatch):
    assert tool.main([]) == 0
    result = json.loads((package / "results" / "m.json").read_text("utf-8"))
    found = result["modules"]["areas"]
    assert found["there are"] == found["tried"] == result["tried"]
    survivors = {each["what"]: each["reason"] for each in found["survivors"]}
    assert "return width * max(height, 0) -> pass" not in survivors
    assert "width * max -> height * max" not in survivors
    assert survivors["width < 0 -> width <= 0"] == "nobody asks for no width"
    assert survivors["max(height, 0) -> max(0, height)"] is None
    unnoticed = len(found["survivors"])
    assert found["killed"] == found["tried"] - unnoticed > 0

    def nothing(*_, **__):
        raise AssertionError("tried again")

    monkeypatch.setattr(tool, "Trials", nothing)
    assert tool.main(["areas"]) == 0
    with (package / "tests" / "test_areas.py").open("a") as file:
        file.write("\n\ndef test_flat():\n    assert area(0.0) == 0\n")
    with pytest.raises(AssertionError, match="tried again"):
        tool.main(["areas"])


def test_every_fault_by_hand_has_its_place():
    for module in tool.TESTS:
        for by, mutant in tool.chosen_mutants(module, 0.0, tool.ROOT):
            assert by == "hand"
            compile(mutant.source, module, "exec")
    assert {module for module, _, _ in tool.KNOWN} <= tool.TESTS.keys()


@pytest.mark.skipif(sys.platform == "win32", reason="no fork there")
def test_the_test_that_noticed_goes_first(package):
    with (package / "tests" / "test_areas.py").open("a") as file:
        file.write("\n\ndef test_height():\n    assert area(3, 5) == 15\n")
    asked = trials.Trials(package, ["tests/test_areas.py"])
    assert len(asked.seconds) == 2
    module = package / "vae_course" / "areas.py"
    module.write_text(SOURCE.replace("height, 0", "2, 0"), "utf-8")
    for first in (None, "tests/test_areas.py::test_height"):
        trial = asked.on_mutant(first)
        assert not trial.passed
        assert trial.noticed_by == "tests/test_areas.py::test_height"
    assert len(trial.seconds) == 1  # it alone was run
    module.write_text("import os\n\nos._exit(0)\n", "utf-8")
    assert not asked.on_mutant().passed
    with pytest.raises(RuntimeError, match="before anything is wrong"):
        trials.Trials(package, ["tests/test_areas.py"])
