"""``vae-course reconstruct``: images in, images and two numbers out."""

import re

import pytest
import torch
from PIL import Image

from vae_course import cli
from vae_course.data import photos
from vae_course.metrics import psnr
from vae_course.sd import PRESETS, AutoencoderKL, checkpoints


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(0)
    checkpoints.save(AutoencoderKL("small"), tmp_path / "vae")
    return tmp_path / "vae"


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "cat.png"
    photo = photos.photographs()["flower"][:, 100:137, 200:261]
    Image.fromarray(photo.permute(1, 2, 0).numpy()).save(path)
    return path


def test_it_writes_and_measures(tmp_path, weights, picture, capsys):
    out = tmp_path / "out"
    wanted = ["reconstruct", str(picture), "--weights", str(weights)]
    code = cli.main([*wanted, "--out", str(out)])
    printed = capsys.readouterr().out
    assert code == 0
    written = photos.read_image(out / "cat.reconstructed.png")
    x = photos.read_image(picture)
    assert written.shape == x.shape == (3, 37, 61)
    vae = checkpoints.load(weights)
    with torch.no_grad():
        y = vae.reconstruct(2 * x[None].float() / 255 - 1, pad=True)
    y = ((y[0] + 1) * 127.5).round()
    assert (written - y).abs().max() <= 1  # strips may round the other way
    shown = float(re.search(r"PSNR +([\d.]+) dB +SSIM 0\.\d{4}", printed)[1])
    exact = psnr(x[None] / 255, written[None] / 255).item()
    assert shown == pytest.approx(exact, abs=0.006)


def test_a_bad_image_is_named_and_the_others_are_done(
    tmp_path, weights, picture, capsys
):
    out = tmp_path / "out"
    wanted = ["reconstruct", "none.png", str(picture), "--out", str(out)]
    code = cli.main([*wanted, "--weights", str(weights)])
    assert code == 1
    printed = capsys.readouterr().out
    assert "none.png cannot be read" in printed and "cat.png" in printed
    assert (out / "cat.reconstructed.png").is_file()


def test_bad_weights_are_a_sentence(tmp_path, picture, capsys):
    wanted = ["reconstruct", str(picture), "--weights"]
    assert cli.main([*wanted, str(tmp_path / "none.ckpt")]) == 1
    assert "does not exist" in capsys.readouterr().out
    assert cli.main([*wanted, "x.ckpt", "--config", "sd7"]) == 1
    printed = capsys.readouterr().out
    assert "does not exist" in printed or "No preset" in printed


def test_two_images_of_one_name_are_kept_apart(tmp_path, weights, capsys):
    assert (
        cli.main(
            ["reconstruct", "a/x.png", "b/x.jpg", "--weights", str(weights)]
        )
        == 1
    )
    assert "same name" in capsys.readouterr().out


def test_a_lone_file_takes_its_config_by_name(
    tmp_path, picture, capsys, monkeypatch
):
    monkeypatch.setitem(PRESETS, "sd1", PRESETS["small"])
    monkeypatch.setitem(PRESETS, "sdxl", PRESETS["small"])
    file = tmp_path / "vae.safetensors"
    checkpoints.save(AutoencoderKL("small"), file, layout="compvis")
    wanted = ["reconstruct", str(picture), "--weights", str(file)]
    wanted += ["--out", str(tmp_path)]
    assert cli.main(wanted) == 1
    assert "pass config=" in capsys.readouterr().out
    assert cli.main([*wanted, "--config", "sd1"]) == 0


@pytest.mark.parametrize("size", [(1, 1), (10, 40)])
def test_a_tiny_picture_has_no_ssim(tmp_path, weights, capsys, size):
    path = tmp_path / "dot.png"
    Image.new("RGB", size, "red").save(path)
    out = tmp_path / "out"
    wanted = ["reconstruct", str(path), "--weights", str(weights)]
    assert cli.main([*wanted, "--out", str(out)]) == 0
    assert re.search(r"PSNR +[\d.]+ dB +SSIM none", capsys.readouterr().out)
    with Image.open(out / "dot.reconstructed.png") as image:
        assert image.size == size


def test_a_folder_that_cannot_be_made_is_named(
    tmp_path, weights, picture, capsys
):
    (tmp_path / "taken").write_text("a file")
    wanted = ["reconstruct", str(picture), "--weights", str(weights)]
    out = tmp_path / "taken"
    assert cli.main([*wanted, "--out", str(out)]) == 1
    printed = capsys.readouterr().out
    assert "taken cannot be made" in printed and "--out" in printed


def test_a_picture_that_cannot_be_written_is_named(
    tmp_path, weights, picture, capsys
):
    out = tmp_path / "out"
    (out / "cat.reconstructed.png").mkdir(parents=True)
    wanted = ["reconstruct", str(picture), "--weights", str(weights)]
    assert cli.main([*wanted, "--out", str(out)]) == 1
    assert "cannot be written" in capsys.readouterr().out
