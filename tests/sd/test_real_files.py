"""Files as the world has them, and files that somebody made to do harm."""

import collections
import json
import sys
import types
from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers_reference import CONFIGS
from safetensors.torch import save_file
from test_checkpoints import TINY, WEIGHTS, model, same, to_compvis

from vae_course.sd import PRESETS, Config
from vae_course.sd.checkpoints import CheckpointError, load, save

NAME = "diffusion_pytorch_model"


@pytest.fixture
def folder(tmp_path):
    """A diffusers folder of the tiny model."""
    return save(model(), tmp_path / "vae")


def rewrite(folder, **changes):
    path = folder / "config.json"
    config = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**config, **changes}), "utf-8")


# --- What the world has ------------------------------------------------------


def test_a_training_programs_notes_are_read_as_nothing(tmp_path, monkeypatch):
    """As sd-v1-4.ckpt: Lightning's callbacks, NumPy's scalars."""
    name = "pytorch_lightning.callbacks.model_checkpoint"
    ran = []

    class ModelCheckpoint:
        def __init__(self, best):
            self.best = best

        def __setstate__(self, state):
            ran.append(state)

    ModelCheckpoint.__module__ = name
    ModelCheckpoint.__qualname__ = "ModelCheckpoint"
    parts = name.split(".")
    for end in (1, 2, 3):
        part = ".".join(parts[:end])
        monkeypatch.setitem(sys.modules, part, types.ModuleType(part))
    sys.modules[name].ModelCheckpoint = ModelCheckpoint
    state = to_compvis(model().state_dict(), TINY)
    content = {
        "epoch": 3,
        "global_step": np.float64(470_000.0),
        "callbacks": {ModelCheckpoint: {"best": np.float32(0.1)}},
        "hook": ModelCheckpoint(3),
        "order": collections.OrderedDict(a=1),
        "state_dict": {f"first_stage_model.{k}": v for k, v in state.items()},
    }
    torch.save(content, tmp_path / "x.ckpt")
    monkeypatch.delitem(sys.modules, name)
    before = set(torch.serialization.get_safe_globals())
    found = load(tmp_path / "x.ckpt", TINY)
    assert same(found.state_dict(), model().state_dict())
    assert ran == []
    assert set(torch.serialization.get_safe_globals()) == before


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda s: {"model": s},
        lambda s: {"module": s, "optimizer": {"lr": 1.0}},
        lambda s: {"state_dict": {"model": s}},
        lambda s: {"epoch": 3, "params": s},
        lambda s: {f"vae.{k}": v for k, v in s.items()},
        lambda s: {f"module.{k}": v for k, v in s.items()},
        lambda s: {f"_orig_mod.{k}": v for k, v in s.items()},
        lambda s: {**s, 3: torch.zeros(1), None: "a note"},
    ],
)
def test_the_usual_wrappings_are_taken_off(tmp_path, wrapped):
    state = model().state_dict()
    torch.save(wrapped(state), tmp_path / "x.pt")
    assert same(load(tmp_path / "x.pt", TINY).state_dict(), state)


def test_an_all_in_one_file_holds_the_autoencoder_under_vae(tmp_path):
    state = to_compvis(model().state_dict(), TINY)
    named = {f"vae.{k}": v.contiguous() for k, v in state.items()}
    named["model.diffusion_model.out.weight"] = torch.zeros(2)
    save_file(named, tmp_path / "x.SAFETENSORS")
    found = load(tmp_path / "x.SAFETENSORS", TINY)
    assert same(found.state_dict(), model().state_dict())


def test_the_best_file_of_a_folder_is_taken(folder):
    """Whole numbers before half ones, and no pickle where it can be helped."""
    whole = model().state_dict()
    half = {k: v.half().contiguous() for k, v in whole.items()}
    other = {k: torch.zeros_like(v) for k, v in whole.items()}
    save_file(half, folder / f"{NAME}.fp16.safetensors")
    torch.save(other, folder / f"{NAME}.bin")
    assert same(load(folder).state_dict(), whole)
    (folder / WEIGHTS).unlink()
    found = load(folder).state_dict()
    assert same(found, {k: v.float() for k, v in half.items()})
    (folder / f"{NAME}.fp16.safetensors").unlink()
    assert same(load(folder).state_dict(), other)
    (folder / f"{NAME}.bin").rename(folder / f"{NAME}.fp16.bin")
    assert same(load(folder).state_dict(), other)


def shard(folder):
    state = model().state_dict()
    names = sorted(state)
    (folder / WEIGHTS).unlink()
    homes = {}
    for number, part in enumerate((names[::2], names[1::2]), 1):
        file = f"{NAME}-{number:05}-of-00002.safetensors"
        save_file({k: state[k].contiguous() for k in part}, folder / file)
        homes |= dict.fromkeys(part, file)
    index = folder / f"{WEIGHTS}.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": homes}))
    return index


@pytest.mark.parametrize("ending", [".index.json", ".index.fp16.json"])
def test_weights_in_several_files_are_put_together(folder, ending):
    shard(folder).rename(folder / f"{WEIGHTS}{ending}")
    assert same(load(folder).state_dict(), model().state_dict())


@pytest.mark.parametrize("fault", ["file", "name", "map", "json"])
def test_an_index_that_does_not_hold_what_it_says_is_refused(folder, fault):
    index = shard(folder)
    content = json.loads(index.read_text())
    if fault == "file":
        next(folder.glob("*-00001-*")).unlink()
    elif fault == "name":
        first = next(iter(content["weight_map"].values()))
        content["weight_map"]["no.such.weight"] = first
    elif fault == "map":
        content = {"weight_map": [1, 2]}
    index.write_text("{" if fault == "json" else json.dumps(content))
    with pytest.raises(CheckpointError, match=r"Get all of them|damaged"):
        load(folder)


@pytest.mark.parametrize(
    "change",
    [
        {"sample_size": None},
        {"sample_size": [64, 32]},
        {"act_fn": "swish"},
        {"latents_mean": [0.0] * 4},
        {"latents_std": [1.0] * 4},
        {"shift_factor": None},
    ],
)
def test_other_words_for_the_same_configuration(folder, change):
    rewrite(folder, **change)
    found = load(folder)
    assert same(found.state_dict(), model().state_dict())
    assert found.config.scaling_factor == TINY.scaling_factor


@pytest.mark.parametrize(
    "change", [{"latents_mean": [0.0, 0.1, 0.0, 0.0]}, {"latents_std": [2.0]}]
)
def test_latents_with_statistics_of_their_own_are_refused(folder, change):
    rewrite(folder, **change)
    with pytest.raises(CheckpointError, match=next(iter(change))):
        load(folder)


def test_a_mark_at_the_start_of_a_configuration_is_no_fault(folder):
    path = folder / "config.json"
    path.write_text(path.read_text("utf-8"), "utf-8-sig")
    assert load(folder).config == replace(TINY)


# --- Which model is it? ------------------------------------------------------


def test_a_folder_of_another_model_is_not_taken_for_the_one_asked(tmp_path):
    """An SDXL folder with config="sd1" would quietly scale by 0.18215."""
    other = replace(TINY, scaling_factor=0.13025)
    folder = save(model(other), tmp_path / "vae")
    with pytest.raises(CheckpointError) as refusal:
        load(folder, TINY)
    said = str(refusal.value)
    assert "scaling_factor" in said and "0.13025" in said
    assert str(TINY.scaling_factor) in said
    assert load(folder).config.scaling_factor == 0.13025


def test_a_folders_configuration_is_not_that_of_a_stranger_in_it(folder):
    other = replace(TINY, scaling_factor=0.5)
    path = save(model(other), folder / "other.safetensors", "compvis")
    assert load(path, other).config == other
    assert load(folder / WEIGHTS).config == TINY


def test_the_size_of_the_training_images_contradicts_nobody(folder):
    rewrite(folder, sample_size=999)
    asked = replace(TINY, sample_size=8)
    assert load(folder, asked).config == asked


# --- What is no file of weights ----------------------------------------------


@pytest.mark.parametrize("ending", [".safetensors", ".ckpt", ".bin"])
@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
        (b"\n<!DOCTYPE html><html>404</html>", "page of a web site"),
        (b"<html><body>Sign in</body></html>", "page of a web site"),
        (b"\xef\xbb\xbf<!doctype html>", "page of a web site"),
    ],
)
def test_what_was_downloaded_instead_is_named(tmp_path, ending, content, what):
    path = tmp_path / f"x{ending}"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=what):
        load(path, TINY)


def endless():
    content = {"state_dict": {}}
    content["state_dict"]["state_dict"] = content["state_dict"]
    return content


@pytest.mark.parametrize(
    "content",
    [
        endless(),
        {1: torch.zeros(2), 2: torch.zeros(3)},
        {(1, 2): torch.zeros(2)},
        {"encoder.conv_in.weight": torch.zeros(2, 2).to_sparse()},
        {"encoder.conv_in.weight": torch.zeros(2, device="meta")},
    ],
)
def test_odd_contents_are_a_sentence(tmp_path, content):
    torch.save(content, tmp_path / "x.pt")
    with pytest.raises(CheckpointError):
        load(tmp_path / "x.pt", TINY)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "{" * 3,
        '{"block_out_channels": [8, 8], "scaling_factor": 1' + "0" * 400 + "}",
        '{"block_out_channels": [8], "layers_per_block": 65535}',
        '{"block_out_channels": ' + str([8] * 99) + "}",
        '{"block_out_channels": [8], "latents_mean": 10}',
        '{"block_out_channels": null}',
        "3",
        "",
    ],
)
def test_odd_configurations_are_a_sentence(folder, text):
    (folder / "config.json").write_text(text)
    with pytest.raises(CheckpointError):
        load(folder)


def test_every_preset_is_within_the_limits():
    for config in (*PRESETS.values(), *CONFIGS.values()):
        assert isinstance(config, Config)
