"""What a class handed in becomes a table; what is damaged is named."""

import csv
import io
import json

import pytest

from vae_course import cli
from vae_course.exercises import registry
from vae_course.exercises.engine.record import FORMAT

ALL = len(registry.all_exercises())


def hand_in(file, **marks):
    file.parent.mkdir(parents=True, exist_ok=True)
    entries = {
        number: {"attempts": tries, "done": done, "hints": hints}
        for number, (tries, done, hints) in marks.items()
    }
    file.write_text(json.dumps({"format": FORMAT, "exercises": entries}))


def collected(capsys, *arguments):
    code = cli.main(["progress", *map(str, arguments)])
    return code, *capsys.readouterr()


def test_a_line_a_student_counts_what_is_done(tmp_path, capsys):
    hand_in(
        tmp_path / "zoe.json", **{"1.1": (3, True, 1), "2.1": (4, False, 2)}
    )
    hand_in(tmp_path / "group" / "abe.json", **{"2.1": (1, True, 0)})
    code, table, errors = collected(capsys, tmp_path)
    assert (code, errors) == (0, "")
    head, abe, zoe = (line.split() for line in table.splitlines())
    assert head[:2] == ["ch.", "1"] and head[-3:] == ["done", "tries", "hints"]
    first, second = (len(registry.exercises_of(n)) for n in (1, 2))
    assert abe[:3] == ["group/abe", f"0/{first}", f"1/{second}"]
    assert zoe[:3] == ["zoe", f"1/{first}", f"0/{second}"]
    assert abe[-3:] == [f"1/{ALL}", "1", "0"]
    assert zoe[-3:] == [f"1/{ALL}", "7", "3"]


def test_the_csv_has_a_row_for_each_student_and_exercise(tmp_path, capsys):
    hand_in(tmp_path / "zoe.json", **{"2.1": (4, True, 2)})
    hand_in(tmp_path / "=1+1.json")
    code, text, _ = collected(capsys, tmp_path, "--csv")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert code == 0 and len(rows) == 2 * ALL
    assert {row["student"] for row in rows} == {"zoe", "'=1+1"}
    (done,) = [row for row in rows if row["done"] == "1"]
    assert done == {
        "student": "zoe",
        "exercise": "2.1",
        "done": "1",
        "attempts": "4",
        "hints": "2",
    }


@pytest.mark.parametrize(
    "damage",
    ["{", "[]", '{"format": "other", "exercises": {}}', "\udcff"],
)
def test_a_damaged_file_is_named_and_the_others_counted(
    tmp_path, capsys, damage
):
    hand_in(tmp_path / "zoe.json", **{"1.1": (1, True, 0)})
    bad = tmp_path / "bad.json"
    bad.write_bytes(damage.encode("utf-8", "surrogateescape"))
    before = bad.read_bytes()
    code, table, errors = collected(capsys, tmp_path)
    assert code == 1 and "bad.json" in errors
    assert table.splitlines()[-1].startswith("zoe") and "bad" not in table
    assert bad.read_bytes() == before


def test_no_folder_and_an_empty_one_are_said(tmp_path, capsys):
    code, table, errors = collected(capsys, tmp_path / "none")
    assert code == 1 and not table and "none is no folder" in errors
    code, table, errors = collected(capsys, tmp_path)
    assert code == 1 and not table and 'progress(file="name.json")' in errors
