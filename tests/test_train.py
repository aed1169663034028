"""The command: a folder with all kinds of files in it becomes a model."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from vae_course import cli, train
from vae_course.sd import checkpoints

OPTIONS = """
    --size 32 --batch 4 --steps 2 --every 2 --critic-start 1 --critic-width 8
    --critic-layers 1 --log-every 1 --held-out 0.3 --quiet
""".split()  # noqa: SIM905


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    chance = np.random.default_rng(0)
    for number in range(20):
        pixels = chance.integers(0, 256, (36, 40, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    (folder / "empty.png").touch()
    return folder


def test_a_folder_becomes_a_model_and_goes_on(photos, tmp_path, capsys):
    out = tmp_path / "run"
    command = ["train", "--images", str(photos), "--out", str(out)]
    assert cli.main([*command, *OPTIONS]) == 0
    printed = capsys.readouterr().out
    assert "your KL weight is β = 1e-06 per nat" in printed
    assert "1 skipped" in printed and "empty.png: it is empty" in printed
    assert checkpoints.load(out / "model").config.factor == 4
    lines = (out / "metrics.jsonl").read_text("utf-8").splitlines()
    first, second, held_out = map(json.loads, lines)
    assert "critic" not in first and "critic" in second
    assert held_out["kind"] == "held out" and held_out["step"] == 2
    # Without --resume nothing is touched; with it the recipe is the run's.
    assert cli.main([*command, *OPTIONS]) == 1
    assert "Go on with --resume" in capsys.readouterr().err
    more = ["--resume", "--steps", "3", "--quiet"]
    assert cli.main([*command, *more]) == 0
    assert "Going on after step 2" in capsys.readouterr().out
    assert json.loads((out / "recipe.json").read_text())["size"] == 32


@pytest.mark.parametrize(
    "options, words",
    [
        (["--images", "nowhere"], "no folder"),
        ([], "Say which images"),
        (["--batch", "99"], "more than the"),
        (["--size", "30"], "multiple of that"),
        (["--size", "64", "--critic-layers", "1"], "can be used"),
        (["--config", "nowhere.json"], "cannot be read"),
        (["--init", "nowhere.safetensors"], "does not exist"),
    ],
)
def test_nonsense_is_one_sentence_and_exit_code_1(
    photos, tmp_path, capsys, options, words
):
    given = OPTIONS + (["--images", str(photos)] if options else [])
    code = train.main(["--out", str(tmp_path / "run"), *given, *options])
    assert code == 1 and words in capsys.readouterr().err


def test_an_unknown_option_is_exit_code_2(tmp_path):
    with pytest.raises(SystemExit) as stopped:
        train.main(["--out", str(tmp_path), "--betta", "1"])
    assert stopped.value.code == 2


def test_options_win_over_the_file(tmp_path):
    path = tmp_path / "x.json"
    path.write_text('{"recipe": "sd1", "batch": 24, "beta": 0.5}')
    parser = train.argparse.ArgumentParser()
    train.add_options(parser)
    chosen = parser.parse_args(
        f"--out {tmp_path} --config {path} --batch 8 --no-flip".split()
    )
    recipe = train.settings(chosen)
    assert (recipe.batch, recipe.beta, recipe.flip) == (8, 0.5, False)
    assert recipe.preset == "sd1"


def test_without_accelerate_it_says_what_to_install(photos, tmp_path):
    program = (
        "import sys; sys.modules['accelerate'] = None;"
        "from vae_course.train import main; sys.exit(main(sys.argv[1:]))"
    )
    given = ["--images", str(photos), "--out", str(tmp_path / "run")]
    done = subprocess.run(
        [sys.executable, "-c", program, *given, *OPTIONS],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 1
    assert "pip install accelerate" in done.stderr
    assert "Traceback" not in done.stderr
