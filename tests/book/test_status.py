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
    return [line for line in status.table(results) if line.startswith("| [")]


def test_each_notebook_has_a_row_with_its_time_versions_and_data(results):
    first, second = rows(results)
    for words in ("45 s", "Python 3.11", "PyTorch 2.15.0", "MNIST"):
        assert words in first
    assert first.endswith(f"{status.NEVER} |")
    assert "green on 2030-01-02, by hand: first cell 4.2 s" in second


def test_a_run_by_hand_is_no_hosted_run(results):
    assert "no hosted run yet" in "\n".join(status.table(results))
    seen = json.loads((results / "colab.json").read_text("utf-8"))
    later = {**seen["notebooks"]["02_b"], "where": "hosted"}
    write(results / "colab.json", {"02_b": later})
    text = "\n".join(status.table(results))
    assert "no hosted run yet" not in text
    assert "hosted run that was green: 2030-01-02" in text


def test_without_any_run_nothing_is_called_green(results):
    (results / "colab.json").unlink()
    text = "\n".join(status.table(results))
    assert "green on" not in text and text.count(status.NEVER) == 2


def test_the_page_shows_every_notebook(soups):
    times = json.loads((RESULTS / "notebooks.json").read_text("utf-8"))
    page = soups["book/status"]
    shown = [row.get_text() for row in page.select("article tbody tr")]
    assert len(shown) == len(times["notebooks"])
    for row, entry in zip(shown, times["notebooks"].values(), strict=True):
        assert f"{entry['seconds']} s" in row and entry["data"] in row
