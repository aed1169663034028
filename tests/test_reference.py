"""The reference numbers: how they are kept, and that the prose agrees."""

import json
import re
from pathlib import Path

import pytest
import torch

from vae_course import reference
from vae_course.data import Digits, ImageSet, small_digits
from vae_course.reference import Setting, collect, main, measure, summarise

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results"
# A number in the prose with the place in results/ that it is quoted from:
# 12.3<!-- mnist models.vae.mean.nll -->. Readers never see the comment.
QUOTE = re.compile(r"([+−-]?\d[\d,]*(?:\.\d+)?)<!-- (\w+) ([\w.]+) -->")


@pytest.fixture
def digits():
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (40, 1, 4, 4), generator=generator)
    images = ImageSet(pixels.to(torch.uint8), torch.zeros(40).long())
    return Digits(images, images, "noise")


@pytest.fixture
def setting():
    return Setting(epochs=1, hidden=(8,), latent=3, nll_samples=5)


def kept(path, setting, digits, seeds, **options):
    return collect(
        path, setting, digits, seeds, command="x", progress=False, **options
    )


def test_a_run_is_measured_in_nats_and_is_reproducible(digits, setting):
    first, again = (
        measure("vae", setting, digits, 3, progress=False) for _ in range(2)
    )
    for name in reference.MEASURED:
        assert first[name] == again[name]
    total = first["distortion"] + first["rate"]
    assert first["elbo"] == pytest.approx(-total, abs=2e-4)
    assert 0 < first["nll"] <= total + 1  # the bound, up to its noise


def test_seeds_differ_and_so_do_the_objectives(digits, setting):
    elbos = {
        measure(name, setting, digits, seed, progress=False)["elbo"]
        for name in reference.OBJECTIVES
        for seed in (0, 1)
    }
    assert len(elbos) == 4


def test_the_file_holds_every_run_and_its_summary(tmp_path, digits, setting):
    path = tmp_path / "deep" / "numbers.json"
    content = kept(path, setting, digits, range(2))
    assert json.loads(path.read_text("utf-8")) == content
    for entry in content["models"].values():
        assert [run["seed"] for run in entry["runs"]] == [0, 1]
        a, b = (run["nll"] for run in entry["runs"])
        assert entry["mean"]["nll"] == pytest.approx((a + b) / 2, abs=1e-4)
        sd = abs(a - b) / 2**0.5
        assert entry["sd"]["nll"] == pytest.approx(sd, abs=1e-4)
    assert list(path.parent.iterdir()) == [path]  # no scratch file left


def test_a_stopped_collection_goes_on_where_it_ended(
    tmp_path, digits, setting, monkeypatch
):
    path = tmp_path / "numbers.json"
    runs = []

    def counted(name, setting, digits, seed, **options):
        if len(runs) == 3:
            raise KeyboardInterrupt
        runs.append((name, seed))
        return measure(name, setting, digits, seed, **options)

    monkeypatch.setattr(reference, "measure", counted)
    with pytest.raises(KeyboardInterrupt):
        kept(path, setting, digits, range(3))
    held = json.loads(path.read_text("utf-8"))["models"]
    assert sum(len(entry["runs"]) for entry in held.values()) == 3
    monkeypatch.setattr(reference, "measure", measure)
    resumed = kept(path, setting, digits, range(3))
    whole = kept(tmp_path / "other.json", setting, digits, range(3))
    for name in reference.OBJECTIVES:
        assert resumed["models"][name]["mean"] == whole["models"][name]["mean"]


def test_a_write_that_fails_leaves_the_old_file_whole(
    tmp_path, digits, setting, monkeypatch
):
    path = tmp_path / "numbers.json"
    before = kept(path, setting, digits, range(1))

    def full_disk(*_):
        raise OSError("no space left")

    monkeypatch.setattr("os.replace", full_disk)
    with pytest.raises(OSError, match="no space"):
        kept(path, setting, digits, range(2))
    assert json.loads(path.read_text("utf-8")) == before


def test_numbers_of_another_setting_are_not_mixed_in(
    tmp_path, digits, setting
):
    path = tmp_path / "numbers.json"
    kept(path, setting, digits, range(1))
    with pytest.raises(ValueError, match=r"another setting.*--out"):
        kept(path, Setting(epochs=2), digits, range(1))


def test_a_single_run_has_no_deviation(digits, setting):
    run = measure("vae", setting, digits, 0, progress=False)
    assert set(summarise([run])["sd"].values()) == {0.0}


def test_the_command_refuses_other_images(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(reference, "mnist", small_digits)
    assert main(["--out", str(tmp_path / "x.json")]) == 1
    assert "not at hand" in capsys.readouterr().out
    assert not (tmp_path / "x.json").exists()


def test_the_committed_numbers_are_complete_and_consistent():
    content = json.loads((RESULTS / "mnist.json").read_text("utf-8"))
    assert content["setting"] == json.loads(
        json.dumps(reference.asdict(Setting()))
    )
    for name in reference.OBJECTIVES:
        entry = content["models"][name]
        seeds = [run["seed"] for run in entry["runs"]]
        assert seeds == list(range(5))
        assert summarise(entry["runs"]) == {
            key: entry[key] for key in ("mean", "sd")
        }
        for run in entry["runs"]:
            assert run["nll"] < -run["elbo"]  # it is the tighter bound


def test_the_committed_numbers_reach_the_published_short_run():
    models = json.loads((RESULTS / "mnist.json").read_text("utf-8"))["models"]
    vae, iwae = (models[name]["mean"] for name in ("vae", "iwae_5"))
    assert vae["nll"] <= 99.95 and iwae["nll"] <= 98.04
    assert iwae["nll"] < vae["nll"] and iwae["elbo"] < vae["elbo"]
    assert iwae["active_units"] > vae["active_units"]


def prose():
    """(where, text) of every Markdown page and notebook cell."""
    pages = [ROOT / "README.md", *sorted((ROOT / "book").glob("**/*.md"))]
    for page in filter(Path.is_file, pages):
        yield page.name, page.read_text("utf-8")
    for notebook in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for cell in json.loads(notebook.read_text("utf-8"))["cells"]:
            if cell["cell_type"] == "markdown":
                yield notebook.name, "".join(cell["source"])


def drifted(text, results):
    """The quotes in a text that disagree with the file they name."""
    faults = []
    for shown, file, place in QUOTE.findall(text):
        value = json.loads((results / f"{file}.json").read_text("utf-8"))
        for key in place.split("."):
            value = value[key]
        digits = len(shown.partition(".")[2])
        plain = shown.replace(",", "").replace("−", "-")
        if f"{value:.{digits}f}" != plain.lstrip("+"):
            faults.append(f"{shown} is {value} at {file} {place}")
    return faults


def test_every_number_quoted_in_the_prose_is_the_one_in_results():
    faults = [
        f"{where}: {fault}"
        for where, text in prose()
        for fault in drifted(text, RESULTS)
    ]
    assert not faults


def test_a_comment_that_looks_like_a_quote_is_one():
    # A quote with a typing error would otherwise be no quote, and never fail.
    for where, text in prose():
        comments = re.findall(r"<!-- \w+ [\w.]+ -->", text)
        assert len(QUOTE.findall(text)) == len(comments), where


def test_a_drifted_quote_is_found(tmp_path):
    (tmp_path / "numbers.json").write_text('{"a": {"nll": 98.049}}')
    assert not drifted("98.0<!-- numbers a.nll -->", tmp_path)
    assert not drifted("98.05<!-- numbers a.nll -->", tmp_path)
    assert drifted("98.1<!-- numbers a.nll -->", tmp_path)
    with pytest.raises(KeyError):
        drifted("98.1<!-- numbers a.mean -->", tmp_path)
