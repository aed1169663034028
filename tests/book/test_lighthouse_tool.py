"""The tool that asks Lighthouse, as far as it goes without Lighthouse."""

import gzip
import json
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tools import lighthouse


def report(**changes):
    """A report in Lighthouse's own form, of a page without a fault."""
    audits = {
        "first-contentful-paint": {"score": 0.9, "numericValue": 1504.5},
        "largest-contentful-paint": {"score": 0.8, "numericValue": 2255.0},
        "total-blocking-time": {"score": 1, "numericValue": 31.0},
        "total-byte-weight": {"score": 1, "numericValue": 291_604},
        "canonical": {"score": 1},
        "image-alt": {"score": 1},
        "hreflang": {"score": None},
        "structured-data": {"score": 0},
    }
    categories = {
        name: {"score": 1, "auditRefs": []} for name in lighthouse.CATEGORIES
    }
    categories["performance"]["score"] = 0.925
    categories["performance"]["auditRefs"] = [
        {"id": "first-contentful-paint", "weight": 10}
    ]
    categories["seo"]["auditRefs"] = [
        {"id": "canonical", "weight": 1},
        {"id": "hreflang", "weight": 1},
        {"id": "structured-data", "weight": 0},
    ]
    categories["accessibility"]["auditRefs"] = [
        {"id": "image-alt", "weight": 10}
    ]
    given = {"audits": audits, "categories": categories}
    return {**given, "lighthouseVersion": "12.8.2", **changes}


def test_a_report_becomes_a_few_numbers():
    found = lighthouse.scores(report())
    assert found == {
        "performance": 92,
        "accessibility": 100,
        "best-practices": 100,
        "seo": 100,
        "first_paint": 1.5,
        "largest_paint": 2.25,
        "blocked": 0.03,
        "bytes": 291_604,
        "below": [],
    }
    said = lighthouse.line("book/intro", "phone", {**found, "load": 0.1})
    assert "performance 92, accessibility 100" in said
    assert "first paint 1.5 s, 292 kB" in said and "lost" not in said


def test_what_costs_a_score_is_named():
    given = report()
    given["audits"]["canonical"]["score"] = 0
    given["categories"]["seo"]["score"] = 0.91
    found = lighthouse.scores(given)
    assert (found["seo"], found["below"]) == (91, ["canonical"])
    assert "lost by canonical" in lighthouse.line(
        "a", "desktop", {**found, "load": 0.1}
    )


def test_a_page_that_could_not_be_shown_has_no_scores():
    error = {"message": "The page did not paint any content."}
    with pytest.raises(lighthouse.LighthouseError, match="did not paint"):
        lighthouse.scores(report(runtimeError=error))


def test_what_is_missing_is_said_with_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit) as stopped:
        lighthouse.main(["book/intro"])
    said = str(stopped.value)
    assert said.startswith("No node and no lighthouse found: install Node")
    assert f"npm install --global lighthouse@{lighthouse.VERSION}" in said
    for name in ("node", "lighthouse"):
        program = tmp_path / name
        program.touch()
        program.chmod(0o755)
        if name == "node":
            with pytest.raises(lighthouse.LighthouseError, match="No light"):
                lighthouse.find_lighthouse()
    assert lighthouse.find_lighthouse() == str(tmp_path / "lighthouse")


@pytest.fixture
def tools_there(monkeypatch):
    monkeypatch.setattr(lighthouse, "find_lighthouse", lambda: "lighthouse")
    monkeypatch.setattr(lighthouse, "find_browser", lambda: "chromium")


def test_a_page_that_is_not_built_is_said(tools_there, tmp_path):
    with pytest.raises(SystemExit, match="make book"):
        lighthouse.main(["book/intro", "--site", str(tmp_path)])


def test_pages_come_compressed_as_from_a_host(tmp_path):
    text = "<p>" + "many words " * 500
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "page.html").write_text(text, "utf-8")
    (tmp_path / "picture.webp").write_bytes(b"RIFF" * 9)
    with lighthouse.served(tmp_path) as address:
        page = f"{address}/book/page.html?of=x"
        asked = Request(page, headers={"Accept-Encoding": "gzip, br"})
        with urlopen(asked) as answer:
            sent = answer.read()
            assert answer.headers["Content-Encoding"] == "gzip"
            assert answer.headers["Content-Type"].startswith("text/html")
        assert gzip.decompress(sent).decode() == text and len(sent) < 500
        with urlopen(page) as answer:  # by somebody who did not ask for it
            assert answer.read().decode() == text
        with urlopen(f"{address}/picture.webp") as answer:
            assert answer.headers["Content-Encoding"] is None
            assert answer.read() == b"RIFF" * 9
        with pytest.raises(HTTPError, match="404"):
            urlopen(f"{address}/absent.html")


def test_results_stay_when_a_page_fails(
    tools_there, monkeypatch, tmp_path, capsys
):
    results = tmp_path / "lighthouse.json"
    results.write_text(json.dumps({"pages": {"old": {}}}), "utf-8")
    (tmp_path / "a.html").touch()
    (tmp_path / "b.html").touch()
    asked = []

    def measure(program, browser, url, device):
        asked.append((url.rpartition("/")[2], device))
        if asked[-1] == ("a.html", "phone"):
            raise lighthouse.LighthouseError("It did not finish.")
        return report()

    monkeypatch.setattr(lighthouse, "measure", measure)
    given = ["--site", str(tmp_path), "--results", str(results)]
    with pytest.raises(SystemExit, match="a, phone: It did not finish"):
        lighthouse.main(["a", "b", *given])
    assert asked == [
        (f"{page}.html", device)
        for page in "ab"
        for device in ("desktop", "phone")
    ]
    written = json.loads(results.read_text("utf-8"))
    found = {name: set(page) for name, page in written["pages"].items()}
    assert found == {
        "old": set(),
        "a": {"desktop"},
        "b": {"desktop", "phone"},
    }
    result = written["pages"]["b"]["phone"]
    assert result["performance"] == 92 and result["load"] >= 0
    assert written["command"] == lighthouse.COMMAND
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_what_lighthouse_said_last_is_without_fault():
    """Speed is measured when the tool runs; what is wrong would stay so."""
    found = json.loads(lighthouse.RESULTS.read_text("utf-8"))["pages"]
    assert found
    for page, devices in found.items():
        for device, result in devices.items():
            for name in lighthouse.CATEGORIES[1:]:
                assert result[name] == 100, (page, device, result["below"])
