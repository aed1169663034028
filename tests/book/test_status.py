"""The page of status says what the results say."""

import json

import pytest
from course_pages import status

from tools.address import ROOT

RESULTS = ROOT / "results"


@pytest.fixture
def results(tmp_path):
    """Two notebooks, of which one was seen in Colab's shoes."""
    entry = {"seconds": 45, "cores": 2, "threads": 1, "python": "3.11"}
    entry |= {"torch": "2.15.0", "data": "MNIST"}
    write(tmp_path / "notebooks.json", {"01_a": entry, "02_b": entry})
    seen = {"green": "2030-01-02", "where": "by hand"}
    seen |= {"first_cell": 4.2, "seconds": 50}
    write(tmp_path / "colab.json", {"02_b": seen})
    return tmp_path


def write(path, notebooks):
    content = {"notebooks": notebooks, "versions": {"torch": "2.6.0"}}
    path.write_text(json.dumps(content), "utf-8")


def rows(results):
    return [line for line in status.tables(results) if line.startswith("| [")]


def test_each_notebook_has_a_row_with_its_time_versions_and_data(results):
    shown = [line.strip("| ").split(" | ") for line in rows(results)]
    measured = ["45", "2", "1", "3.11", "2.15.0", "MNIST"]
    assert [row[1:] for row in shown] == [
        measured,
        measured,
        [status.NEVER, "–", "–", "–"],
        ["2030-01-02", "by hand", "4.2", "50"],
    ]
    assert "01_a.ipynb" in shown[0][0] and "02_b.ipynb" in shown[3][0]


def test_a_run_by_hand_is_no_hosted_run(results):
    assert "no hosted run yet" in "\n".join(status.tables(results))
    seen = json.loads((results / "colab.json").read_text("utf-8"))
    later = {**seen["notebooks"]["02_b"], "where": "hosted"}
    write(results / "colab.json", {"02_b": later})
    text = "\n".join(status.tables(results))
    assert "no hosted run yet" not in text
    assert "hosted run that was green: 2030-01-02" in text


def test_without_any_run_nothing_is_called_green(results):
    (results / "colab.json").unlink()
    text = "\n".join(status.tables(results))
    assert text.count(status.NEVER) == 2 and "by hand |" not in text


def test_the_page_shows_every_notebook(soups):
    times = json.loads((RESULTS / "notebooks.json").read_text("utf-8"))
    page = soups["book/status"]
    measured, seen = page.select("article table")
    shown = [row.get_text() for row in measured.select("tbody tr")]
    assert len(shown) == len(times["notebooks"])
    assert len(seen.select("tbody tr")) == len(shown)
    for row, entry in zip(shown, times["notebooks"].values(), strict=True):
        assert str(entry["seconds"]) in row and entry["data"] in row
