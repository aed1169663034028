"""``vae-course reconstruct``: images in, images and two numbers out."""

import re
import struct
import subprocess
import sys
import zlib

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
    printed = capsys.readouterr()
    assert "cat.png" in printed.out and "none.png" not in printed.out
    (line,) = printed.err.splitlines()  # errors keep out of the table
    assert "none.png cannot be read" in line
    assert (out / "cat.reconstructed.png").is_file()


def test_bad_weights_are_a_sentence(tmp_path, picture, capsys):
    wanted = ["reconstruct", str(picture), "--weights"]
    assert cli.main([*wanted, str(tmp_path / "none.ckpt")]) == 1
    assert "does not exist" in capsys.readouterr().err
    assert cli.main([*wanted, "x.ckpt", "--config", "sd7"]) == 1
    printed = capsys.readouterr().err
    assert "does not exist" in printed or "No preset" in printed


def test_two_images_of_one_name_are_named(tmp_path, weights, picture, capsys):
    other = tmp_path / "b"
    other.mkdir()
    twin = picture.rename(other / "CAT.png")
    picture.write_bytes(twin.read_bytes())
    out = tmp_path / "out"
    wanted = ["reconstruct", str(picture), str(twin), "--weights"]
    assert cli.main([*wanted, str(weights), "--out", str(out)]) == 1
    printed = capsys.readouterr()
    (line,) = printed.err.splitlines()
    assert str(picture) in line and str(twin) in line and "--out" in line
    assert printed.out.startswith("cat.png")
    assert [p.name for p in out.iterdir()] == ["cat.reconstructed.png"]


def test_old_results_are_replaced_only_by_force(
    tmp_path, weights, picture, capsys
):
    out = tmp_path / "out"
    old = out / "cat.reconstructed.png"
    out.mkdir()
    old.write_bytes(b"mine")
    wanted = ["reconstruct", str(picture), "--weights", str(weights)]
    wanted += ["--out", str(out)]
    assert cli.main(wanted) == 1
    assert old.read_bytes() == b"mine"
    printed = capsys.readouterr()
    assert "there already" in printed.err and "--force" in printed.err
    assert printed.out == ""
    assert cli.main([*wanted, "--force"]) == 0
    assert photos.read_image(old).shape == (3, 37, 61)
    assert [p.name for p in out.iterdir()] == ["cat.reconstructed.png"]


def enormous(path, width: int, height: int):
    """A PNG file that says it is of this size, and is cut off after that."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", len(header)) + chunk
    data += struct.pack(">I", zlib.crc32(chunk))
    path.write_bytes(data + struct.pack(">I", 9) + b"IDAT")
    return path


@pytest.mark.parametrize(
    "size, says",
    [
        ((20_000, 20_000), "too large"),  # 400 megapixels: Pillow's own limit
        ((12_000, 9_000), "108.0 megapixels"),
    ],
)
def test_an_enormous_picture_is_a_line_and_the_others_are_done(
    tmp_path, weights, picture, capsys, recwarn, size, says
):
    large = enormous(tmp_path / "large.png", *size)
    wanted = ["reconstruct", str(large), str(picture), "--weights"]
    wanted += [str(weights), "--out", str(tmp_path / "out")]
    # The small model's middle takes 8 maps of 32 channels at 1/16 the size.
    assert cli.main([*wanted, "--memory", "1"]) == 1
    printed = capsys.readouterr()
    (line,) = printed.err.splitlines()
    assert "large.png" in line and says in line
    assert printed.out.startswith("cat.png")
    assert not recwarn.list


def test_how_many_pixels_fit_is_said_before_the_work(
    tmp_path, weights, picture, capsys
):
    wanted = ["reconstruct", str(picture), "--weights", str(weights)]
    wanted += ["--out", str(tmp_path / "out"), "--memory"]
    # 37×61 pixels are 10×16 positions of 8·32·4 bytes; there are 141.
    assert cli.main([*wanted, str(141 * 1024 / 2**30)]) == 1
    line = capsys.readouterr().err
    assert "at most 0.0 fit" in line and "more memory" in line
    assert cli.main([*wanted, str(142 * 1024 / 2**30)]) == 0


def test_little_memory_gives_the_same_picture(tmp_path, weights, picture):
    found = []
    for memory in ("3", str(142 * 1024 / 2**30)):
        out = tmp_path / memory
        wanted = ["reconstruct", str(picture), "--weights", str(weights)]
        wanted += ["--out", str(out), "--memory", memory]
        assert cli.main(wanted) == 0
        found.append(photos.read_image(out / "cat.reconstructed.png").int())
    assert (found[0] - found[1]).abs().max() <= 1  # may round the other way


def test_a_machine_without_memory_is_a_line(
    tmp_path, weights, picture, capsys, monkeypatch
):
    def full(*_, **__):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr("vae_course.sd.strips.encode", full)
    wanted = ["reconstruct", str(picture), "--weights", str(weights)]
    assert cli.main([*wanted, "--out", str(tmp_path / "out")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "cat.png is not done" in line and "memory" in line


AFTERWARDS = """
import sys
from vae_course import cli
assert cli.main(sys.argv[1:]) == 0
import torch

def kept():
    lines = open("/proc/self/status").read().splitlines()
    (line,) = (line for line in lines if line.startswith("RssAnon"))
    return int(line.split()[1]) / 1024  # MiB

torch.ones(5 * 2**20)  # 20 MiB come and go, as a strip does
before = kept()
strips, notes = [], []
for _ in range(60):  # 180 MiB, and between them what stays
    strips.append(torch.ones(3 * 2**18))
    notes.append(torch.ones(64))
del strips
print(kept() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_of_strips_goes_back_to_the_machine(tmp_path, weights, picture):
    """What the C library keeps of them may come to more than the maps."""
    wanted = ["reconstruct", str(picture), "--weights", str(weights)]
    wanted += ["--out", str(tmp_path / "out")]
    command = [sys.executable, "-c", AFTERWARDS, *wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert float(done.stdout.splitlines()[-1]) < 20


def test_help_has_an_example_and_the_exit_codes(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["reconstruct", "--help"])
    assert stop.value.code == 0
    printed = capsys.readouterr().out
    assert "vae-course reconstruct photo.jpg --weights" in printed
    assert "exit codes:" in printed


@pytest.mark.parametrize("memory", ["0", "-1", "much", "nan"])
def test_memory_is_a_positive_number(capsys, memory):
    with pytest.raises(SystemExit) as stop:
        cli.main(["reconstruct", "x", "--weights", "y", "--memory", memory])
    assert stop.value.code == 2
    assert "--memory" in capsys.readouterr().err


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
    assert "pass config=" in capsys.readouterr().err
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
    printed = capsys.readouterr().err
    assert "taken cannot be made" in printed and "--out" in printed


def test_a_picture_that_cannot_be_written_is_named(
    tmp_path, weights, picture, capsys
):
    out = tmp_path / "out"
    (out / "cat.reconstructed.png").mkdir(parents=True)
    wanted = ["reconstruct", str(picture), "--weights", str(weights)]
    assert cli.main([*wanted, "--out", str(out), "--force"]) == 1
    assert "cannot be written" in capsys.readouterr().err
