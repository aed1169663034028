"""The report: for people, for machines, on the command line."""

import json
import sys
from pathlib import Path

import pytest
import torch
from bs4 import BeautifulSoup
from PIL import Image
from safetensors.torch import save_file
from torch import nn

import vae_course
from tools.address import ROOT
from vae_course import MLPVAE, cli, diagnose
from vae_course.diagnosis import INSTRUMENTS, Reading, Report, Subject
from vae_course.diagnosis.panel import needle
from vae_course.diagnosis.reading import CHAPTERS
from vae_course.sd import checkpoints

sys.path.insert(0, str(Path(__file__).parent))
from patients import as_set, bars, convolutional, dense, trained, waves

X = bars()


def uniform(mean, log_var):
    return mean + (0.5 * log_var).exp() * torch.rand_like(mean)


@pytest.fixture(scope="module")
def sick():
    return diagnose(trained(), X, draw=uniform)


@pytest.fixture(scope="module")
def sound():
    return diagnose(trained(), X)


def test_diagnose_is_a_name_of_the_package():
    assert vae_course.diagnose is diagnose
    assert "diagnose" in vae_course.__all__


def test_a_finding_has_symptom_number_band_looks_and_chapter(sick):
    assert sick.named[0] == "noise" and not sick.healthy
    said = str(sick)
    first = sick.findings[0]
    for part in (first.symptom, first.number, first.band, first.looks):
        assert part and part in said
    assert f"Chapter {first.chapter}: https://" in said
    assert "uniform" in first.symptom
    assert first.value == pytest.approx(0.5, abs=0.03)


def test_a_healthy_report_is_short_and_says_what_was_not_asked(sound):
    assert sound.healthy and sound.findings == () and sound.named == ()
    assert "all inside it" in str(sound)
    assert "Not asked: shift" in str(sound)
    assert len(str(sound).splitlines()) < 6


def test_every_instrument_is_used_or_says_why_not(sound):
    assert set(sound.used) | set(sound.unasked) == set(INSTRUMENTS)
    assert not set(sound.used) & set(sound.unasked)


def test_json_there_and_back_loses_nothing(sick, sound):
    for report in (sick, sound):
        again = Report.from_json(report.to_json())
        assert str(again) == str(report)
        assert again.to_json() == report.to_json()
        content = json.loads(report.to_json())
        assert content["healthy"] is report.healthy
        assert all(
            r["link"].startswith("https://") for r in content["readings"]
        )


def test_json_of_nan_and_open_bands_is_json():
    reading = Reading("a", float("nan"), high=1.0, symptom="It is not.")
    report = Report("X", (reading,))
    assert "NaN" not in report.to_json() and "Infinity" not in report.to_json()
    again = Report.from_json(report.to_json())
    assert not again.healthy and again.findings[0].high == 1.0


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"readings": [{}]}'])
def test_what_is_no_report_is_refused(text):
    with pytest.raises(ValueError, match="no report"):
        Report.from_json(text)


def test_html_is_whole_escaped_and_has_a_heading_for_each_column(sick):
    reading = Reading("<b>", 2.0, 0, 1, "<script>", "&", 2, "", "noise")
    html = Report("<i>", (reading,))._repr_html_()
    assert "<script>" not in html and "<i>" not in html
    page = BeautifulSoup(sick._repr_html_(), "html.parser")
    assert len(page.find_all("th", scope="col")) == 4
    assert len(page.find_all("tr")) == 1 + len(sick.readings)
    assert all(a["href"].startswith("https://") for a in page.find_all("a"))


def test_the_panel_says_in_words_what_it_shows(sick, sound):
    figure = sick.figure()
    assert figure.svg().startswith("<svg")
    assert "noise:" in figure.alt and "outside" in figure.alt
    assert "outside" not in sound.figure().alt.split(".", 1)[1]


def test_the_panel_counts_needles_and_says_why_a_row_has_none():
    report = Report(
        "VAE",
        (
            Reading("a", 9.0, 0, 1, instrument="repeat"),
            Reading("b", 0.5, 0, 1, instrument="noise"),
            Reading("c", 0.5, instrument="posterior"),  # without a band
        ),
        {"shift": "there is nothing to move"},
    )
    figure = report.figure()
    assert "1 of 2 instruments ring" in figure.svg()
    assert "posterior: no band here" in figure.alt
    assert "shift: not asked" in figure.alt


def test_needles_stand_in_the_green_exactly_where_readings_are_healthy():
    for value in (-50.0, -1.0, 0.0, 0.4, 1.0, 1.5, 2.0, 2.01, 1e9):
        for low, high in ((0.0, 2.0), (-9e99, 2.0), (0.5, 9e99), (1.0, 1.0)):
            low = -float("inf") if low == -9e99 else low
            high = float("inf") if high == 9e99 else high
            reading = Reading("a", value, low, high)
            assert (abs(needle(reading)) <= 1) is reading.healthy
    assert needle(Reading("a", float("nan"), 0, 1)) == 3


def test_examining_leaves_the_model_and_the_random_state_as_they_were():
    model = dense().train()
    model.encoder[0].requires_grad_(False)
    model.decoder[0].weight.grad = torch.ones_like(model.decoder[0].weight)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    torch.manual_seed(7)
    wanted = torch.rand(3)
    torch.manual_seed(7)
    diagnose(model, X)
    assert torch.equal(torch.rand(3), wanted)
    assert model.training and all(m.training for m in model.modules())
    assert all(
        torch.equal(before[k], v) for k, v in model.state_dict().items()
    )
    assert all(p.dtype == torch.float32 for p in model.parameters())
    assert not model.encoder[0].weight.requires_grad
    assert (model.decoder[0].weight.grad == 1).all()
    assert model.encoder[-1].weight.grad is None


def test_running_statistics_are_put_back():
    model = dense()
    model.encoder[1] = nn.Sequential(nn.BatchNorm1d(32), nn.ReLU())
    before = model.encoder[1][0].running_mean.clone()
    report = diagnose(model, X)
    assert "batch" in report.named
    assert torch.equal(model.encoder[1][0].running_mean, before)
    assert model.encoder[1][0].num_batches_tracked == 0


def test_the_same_seed_gives_the_same_report():
    first, second = (diagnose(dense(), X, seed=3) for _ in range(2))
    assert [r.value for r in first.readings] == [
        r.value for r in second.readings
    ]


def test_plain_functions_are_asked_what_they_can_answer():
    model = trained()

    def encode(x):
        return model.encoder(x.flatten(1)).chunk(2, dim=1)

    def decode(z):
        return model.decoder(z).sigmoid().view(-1, 1, 8, 8)

    subject = Subject(encode=encode, decode=decode, likelihood="bernoulli")
    report = diagnose(subject, X)
    assert report.healthy, str(report)
    assert {"noise", "posterior", "bound", "batch"} <= set(report.used)
    assert report.unasked["gradient"] == "it shows no parameters"
    broken = diagnose(subject, X, draw=uniform)
    assert "noise" in broken.named


def test_sets_of_images_are_taken_as_well_as_tensors():
    assert diagnose(dense(), as_set(X)).images == len(X)


def test_a_subject_that_fails_is_said_and_the_others_are_asked():
    class Fixed(MLPVAE):
        def decode(self, z):
            if len(z) != 7:
                raise RuntimeError("only seven")
            return super().decode(z)

    model = Fixed((1, 8, 8), hidden=8, latent=4)
    report = diagnose(model, X)
    assert "noise" in report.used
    assert "only seven" in report.unasked["decoder"]
    assert "failed" in str(report)


@pytest.mark.parametrize(
    ("model", "images", "said", "error", "words"),
    [
        (nn.Linear(2, 2), X, {}, TypeError, "encode and decode"),
        (dense(), X[:1], {}, ValueError, "two images"),
        (dense(), X[:, 0], {}, ValueError, r"\(N, C, H, W\)"),
        (dense(), X.byte(), {}, ValueError, "floating"),
        (dense(), X / 0, {}, ValueError, "NaN or infinity"),
        (dense(), X, {"bet": 1}, TypeError, "holds no bet"),
        (dense(), X, {"instruments": ["nose"]}, ValueError, "nose"),
    ],
)
def test_errors_say_what_to_do(model, images, said, error, words):
    with pytest.raises(error, match=words):
        diagnose(model, images, **said)


# -- the command line -------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("images")
    for number, image in enumerate(waves(20)):
        pixels = ((image + 1) * 127.5).round().byte().permute(1, 2, 0)
        Image.fromarray(pixels.numpy()).save(path / f"{number}.png")
    return path


def run(capsys, *arguments):
    code = cli.main(["diagnose", *map(str, arguments)])
    caught = capsys.readouterr()
    return code, caught.out, caught.err


def test_the_command_examines_a_folder_of_weights(capsys, tmp_path, folder):
    checkpoints.save(convolutional(), tmp_path / "model")
    code, out, err = run(capsys, tmp_path / "model", folder, "--json")
    report = Report.from_json(out)
    assert code == 0 and not err and report.healthy
    assert report.subject == "AutoencoderKL" and report.images == 20


def test_the_command_examines_a_dense_vae_and_finds_what_is_wrong(
    capsys, tmp_path, folder
):
    path = tmp_path / "dense.safetensors"
    save_file(dense().state_dict(), path)
    code, out, _ = run(capsys, path, folder, "--all")
    assert code == 0 and "noise shared by" in out
    code, out, _ = run(capsys, path, folder, "--train", folder)
    assert code == 1 and "What is called held out was trained on." in out


def test_the_command_says_in_a_sentence_what_it_cannot_use(
    capsys, tmp_path, folder
):
    path = tmp_path / "dense.safetensors"
    save_file(dense().state_dict(), path)
    odd = tmp_path / "odd.safetensors"
    save_file({"encoder.0.weight": torch.zeros(3, 5)}, odd)
    evil = tmp_path / "evil.pt"
    torch.save({"encoder.0.weight": Path("x")}, evil)
    for arguments, words in (
        ((tmp_path / "none", folder), "does not exist"),
        ((path, tmp_path / "empty"), "no image"),
        ((path, folder, "--size", 9), "leave --size out"),
        ((odd, folder), "not those of a VAE"),
        ((evil, folder), "evil.pt"),
        ((path, folder, "--beta", "-1"), "weight"),
    ):
        code, out, err = run(capsys, *arguments)
        assert code == 3 and words in err and not out, (arguments, err)
        assert "Traceback" not in err and len(err.splitlines()) == 1


def test_the_command_explains_its_exit_codes(capsys):
    with pytest.raises(SystemExit):
        cli.main(["diagnose", "--help"])
    out = capsys.readouterr().out
    assert "exit codes" in out and "could not be used" in out


def test_every_reading_links_to_a_chapter_that_there_is(sick, sound):
    for reading in (*sick.readings, *sound.readings):
        assert reading.chapter in CHAPTERS
    for page in CHAPTERS.values():
        assert (ROOT / page.replace(".html", ".ipynb")).is_file(), page
