"""Checkpoints of both layouts are read and written; bad ones are refused."""

import contextlib
import json
import os
import pickle
import subprocess
import sys
import weakref
from dataclasses import replace
from pathlib import Path

import diffusers
import pytest
import torch
from diffusers_reference import CONFIGS, reference
from safetensors.torch import load_file, save_file

from vae_course import MLPVAE
from vae_course.sd import PRESETS, AutoencoderKL, Config, checkpoints
from vae_course.sd.checkpoints import CheckpointError, load, save
from vae_course.sd.weights import atomic

TINY = CONFIGS["tiny"]
WEIGHTS = "diffusion_pytorch_model.safetensors"


def model(config: Config = TINY, seed: int = 0) -> AutoencoderKL:
    torch.manual_seed(seed)
    return AutoencoderKL(config)


def same(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def to_compvis(state: dict, config: Config) -> dict:
    """The CompVis names, written down from that code's own structure."""
    out, levels = {}, len(config.block_out_channels)

    def put(new: str, old: str):
        for end in ("weight", "bias"):
            tensor = state[f"{old}.{end}"]
            out[f"{new}.{end}"] = tensor

    def residual(new: str, old: str):
        for name in ("norm1", "conv1", "norm2", "conv2"):
            put(f"{new}.{name}", f"{old}.{name}")
        if f"{old}.conv_shortcut.weight" in state:
            put(f"{new}.nin_shortcut", f"{old}.conv_shortcut")

    for side in ("encoder", "decoder"):
        put(f"{side}.conv_in", f"{side}.conv_in")
        put(f"{side}.norm_out", f"{side}.conv_norm_out")
        put(f"{side}.conv_out", f"{side}.conv_out")
        mid = f"{side}.mid_block"
        residual(f"{side}.mid.block_1", f"{mid}.resnets.0")
        residual(f"{side}.mid.block_2", f"{mid}.resnets.1")
        put(f"{side}.mid.attn_1.norm", f"{mid}.attentions.0.group_norm")
        for new, old in zip(
            ("q", "k", "v", "proj_out"),
            ("to_q", "to_k", "to_v", "to_out.0"),
            strict=True,
        ):
            put(f"{side}.mid.attn_1.{new}", f"{mid}.attentions.0.{old}")
            weight = f"{side}.mid.attn_1.{new}.weight"
            out[weight] = out[weight].unsqueeze(-1).unsqueeze(-1)
    for level in range(levels):
        up = levels - 1 - level  # CompVis counts from the image
        for block in range(config.layers_per_block):
            residual(
                f"encoder.down.{level}.block.{block}",
                f"encoder.down_blocks.{level}.resnets.{block}",
            )
        for block in range(config.layers_per_block + 1):
            residual(
                f"decoder.up.{up}.block.{block}",
                f"decoder.up_blocks.{level}.resnets.{block}",
            )
        if level < levels - 1:
            put(
                f"encoder.down.{level}.downsample.conv",
                f"encoder.down_blocks.{level}.downsamplers.0.conv",
            )
            put(
                f"decoder.up.{up}.upsample.conv",
                f"decoder.up_blocks.{level}.upsamplers.0.conv",
            )
    if config.use_quant_conv:
        put("quant_conv", "quant_conv")
    if config.use_post_quant_conv:
        put("post_quant_conv", "post_quant_conv")
    return out


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("safe", [True, False])
def test_a_reference_folder_loads(tmp_path, name, safe):
    torch.manual_seed(0)
    theirs = reference(CONFIGS[name])
    theirs.save_pretrained(tmp_path, safe_serialization=safe)
    ours = load(tmp_path)
    assert ours.config == CONFIGS[name]
    assert same(ours.state_dict(), theirs.state_dict())
    assert all(p.requires_grad for p in ours.parameters())


@pytest.mark.parametrize("name", CONFIGS)
def test_the_reference_loads_what_we_write(tmp_path, name):
    ours = model(CONFIGS[name])
    save(ours, tmp_path / "vae")
    theirs, info = diffusers.AutoencoderKL.from_pretrained(
        tmp_path / "vae", output_loading_info=True
    )
    assert not any(info.values()), info
    assert same(ours.state_dict(), theirs.state_dict())
    known = theirs.config
    assert all(
        list(known[k]) == list(v) if isinstance(v, tuple) else known[k] == v
        for k, v in vars(CONFIGS[name]).items()
    )


def test_a_pipelines_folder_is_searched(tmp_path):
    save(model(), tmp_path / "vae")
    (tmp_path / "model_index.json").write_text("{}")
    assert same(load(tmp_path).state_dict(), model().state_dict())


def test_a_half_precision_variant_loads_in_single_precision(tmp_path):
    save(model().half(), tmp_path)
    (tmp_path / WEIGHTS).rename(
        tmp_path / "diffusion_pytorch_model.fp16.safetensors"
    )
    state = load(tmp_path).state_dict()
    assert {v.dtype for v in state.values()} == {torch.float32}
    assert load(tmp_path, dtype=torch.bfloat16).prior.mean.dtype == (
        torch.bfloat16
    )


@pytest.mark.parametrize("name", CONFIGS)
def test_the_compvis_layout_is_written_and_read(tmp_path, name):
    config, path = CONFIGS[name], tmp_path / "vae.safetensors"
    ours = model(config)
    save(ours, path, layout="compvis")
    assert same(load_file(path), to_compvis(ours.state_dict(), config))
    assert same(load(path, config).state_dict(), ours.state_dict())


@pytest.mark.parametrize("wrapped", [True, False])
@pytest.mark.parametrize("ending", [".ckpt", ".safetensors"])
def test_a_whole_stable_diffusion_checkpoint_loads(tmp_path, ending, wrapped):
    config = CONFIGS["narrowing"]
    ours = model(config)
    inner = to_compvis(ours.state_dict(), config)
    inner["loss.logvar"] = torch.zeros(())
    inner["loss.discriminator.main.0.weight"] = torch.zeros(2, 2)
    whole = {f"first_stage_model.{k}": v for k, v in inner.items()}
    whole["model.diffusion_model.input_blocks.0.0.weight"] = torch.zeros(3)
    whole["cond_stage_model.encoder.conv_in.weight"] = torch.zeros(3)
    whole["betas"] = torch.zeros(5)
    path = tmp_path / f"sd{ending}"
    if ending == ".safetensors":
        save_file({k: v.contiguous() for k, v in whole.items()}, path)
    else:
        torch.save({"state_dict": whole} if wrapped else whole, path)
    assert same(load(path, config).state_dict(), ours.state_dict())


def test_the_discriminator_beside_a_lone_autoencoder_is_ignored(tmp_path):
    state = to_compvis(model().state_dict(), TINY)
    state["loss.perceptual_loss.lin0.model.1.weight"] = torch.zeros(1)
    state["model_ema.decay"] = torch.zeros(())
    torch.save({"state_dict": state, "global_step": 7}, tmp_path / "x.ckpt")
    assert same(
        load(tmp_path / "x.ckpt", TINY).state_dict(), model().state_dict()
    )


def test_the_old_names_of_attention_load(tmp_path):
    old = {"to_q": "query", "to_k": "key", "to_v": "value"}
    old["to_out.0"] = "proj_attn"
    save(model(), tmp_path)
    state = load_file(tmp_path / WEIGHTS)
    for new, name in old.items():
        state = {
            k.replace(f"0.{new}.", f"0.{name}."): v for k, v in state.items()
        }
    assert sum("proj_attn" in k for k in state) == 4
    save_file(state, tmp_path / WEIGHTS)
    assert same(load(tmp_path).state_dict(), model().state_dict())


@pytest.mark.parametrize(
    "part, chosen",
    [("cond_stage_model.x", "sd1"), ("conditioner.x", "sdxl")],
)
def test_a_lone_file_is_recognised_by_its_company(
    tmp_path, monkeypatch, part, chosen
):
    for name in ("sd1", "sdxl"):
        tiny = replace(TINY, scaling_factor=PRESETS[name].scaling_factor)
        monkeypatch.setitem(PRESETS, name, tiny)
    state = to_compvis(model().state_dict(), TINY)
    whole = {f"first_stage_model.{k}": v for k, v in state.items()}
    whole[part] = torch.zeros(1)
    torch.save(whole, tmp_path / "whole.ckpt")
    assert load(tmp_path / "whole.ckpt").config == PRESETS[chosen]
    torch.save(state, tmp_path / "alone.ckpt")
    with pytest.raises(CheckpointError, match=r"'sd1', 'sdxl'.*pass config="):
        load(tmp_path / "alone.ckpt")
    assert load(tmp_path / "alone.ckpt", "sdxl").config == PRESETS["sdxl"]


def test_a_lone_file_of_no_preset_asks_for_its_config(tmp_path):
    save(model(), tmp_path / "vae.safetensors", layout="compvis")
    with pytest.raises(CheckpointError, match="none of the presets"):
        load(tmp_path / "vae.safetensors")


@pytest.mark.parametrize("preset", PRESETS)
def test_configs_survive_the_way_through_a_file(tmp_path, preset):
    path = tmp_path / "config.json"
    config = PRESETS[preset]
    path.write_text(json.dumps(checkpoints.describe_config(config)))
    assert checkpoints.parse_config(path) == config


def test_an_old_config_has_the_references_defaults(tmp_path):
    path = tmp_path / "config.json"
    path.write_text('{"block_out_channels": [32, 64], "shift_factor": null}')
    with torch.device("meta"):
        theirs = diffusers.AutoencoderKL.from_config(
            {
                "block_out_channels": [32, 64],
                "down_block_types": ["DownEncoderBlock2D"] * 2,
                "up_block_types": ["UpDecoderBlock2D"] * 2,
            }
        )
    config = checkpoints.parse_config(path)
    assert config.layers_per_block == theirs.config.layers_per_block
    assert config.sample_size == theirs.config.sample_size
    assert config.scaling_factor == theirs.config.scaling_factor
    assert config.norm_num_groups == theirs.config.norm_num_groups


@pytest.mark.parametrize(
    "change, words",
    [
        ({"act_fn": "selu"}, "act_fn is 'selu'"),
        ({"mid_block_add_attention": False}, "mid_block_add_attention"),
        ({"_class_name": "AutoencoderTiny"}, "AutoencoderTiny"),
        ({"up_block_types": ["AttnUpDecoderBlock2D"]}, "up_block_types"),
        ({"norm_num_groups": 3}, "norm_num_groups=3"),
        ({"layers_per_block": "two"}, "layers_per_block"),
        ({"layers_per_block": 2.5}, "layers_per_block"),
        ({"sample_size": []}, "sample_size"),
        ({"shift_factor": [0.1]}, "shift_factor"),
        ({"scaling_factor": float("nan")}, "scaling_factor"),
        ({"use_quant_conv": 0}, "use_quant_conv"),
        ({"block_out_channels": None}, "describes no autoencoder"),
    ],
)
def test_a_config_of_another_model_is_refused(tmp_path, change, words):
    path = tmp_path / "config.json"
    found = checkpoints.describe_config(TINY) | change
    path.write_text(json.dumps(found))
    with pytest.raises(CheckpointError, match=words):
        checkpoints.parse_config(path)


def test_a_safetensors_file_cut_at_any_byte_is_refused(tmp_path):
    save(model(), tmp_path)
    whole = (tmp_path / WEIGHTS).read_bytes()
    cuts = {*range(0, len(whole), 7), *range(200), len(whole) - 1}
    for cut in cuts:
        (tmp_path / WEIGHTS).write_bytes(whole[:cut])
        with pytest.raises(CheckpointError, match="damaged"):
            load(tmp_path)


def test_a_pickle_cut_at_any_byte_is_refused(tmp_path):
    path = tmp_path / "vae.ckpt"
    torch.save(to_compvis(model().state_dict(), TINY), path)
    whole = path.read_bytes()
    cuts = {*range(0, len(whole), 997), len(whole) - 30, len(whole) - 1}
    for cut in cuts:
        path.write_bytes(whole[:cut])
        with pytest.raises(CheckpointError, match=r"cut off|damaged"):
            load(path, TINY)


@pytest.mark.parametrize("at", [0, 8, 40])
def test_a_damaged_header_is_refused(tmp_path, at):
    save(model(), tmp_path)
    content = bytearray((tmp_path / WEIGHTS).read_bytes())
    content[at] ^= 0xFF
    (tmp_path / WEIGHTS).write_bytes(content)
    with pytest.raises(CheckpointError):
        load(tmp_path)


def changed(tmp_path: Path, change) -> Path:
    """A saved model whose weights went through ``change``."""
    save(model(), tmp_path)
    state = load_file(tmp_path / WEIGHTS)
    change(state)
    save_file(state, tmp_path / WEIGHTS)
    return tmp_path


def test_a_renamed_key_is_named_on_both_sides(tmp_path):
    def change(state):
        name = "decoder.mid_block.resnets.1.conv1.bias"
        state["decoder.mid_block.resnets.7.conv1.bias"] = state.pop(name)

    with pytest.raises(CheckpointError) as caught:
        load(changed(tmp_path, change))
    message = str(caught.value)
    assert "missing (1): decoder.mid_block.resnets.1.conv1.bias" in message
    assert "unexpected (1): decoder.mid_block.resnets.7" in message


def test_a_wrong_shape_names_both_shapes(tmp_path):
    def change(state):
        state["decoder.conv_in.weight"] = torch.zeros(4, 16, 3, 3)

    with pytest.raises(
        CheckpointError,
        match=r"conv_in.weight \(4, 16, 3, 3\), expected \(4, 4, 3, 3\)",
    ):
        load(changed(tmp_path, change))


def test_kernels_in_the_order_of_another_framework_are_refused(tmp_path):
    def change(state):
        for name, tensor in state.items():
            if tensor.dim() == 4:  # (out, in, h, w) becomes (h, w, in, out)
                state[name] = tensor.permute(2, 3, 1, 0).contiguous()

    with pytest.raises(CheckpointError, match="wrong shape"):
        load(changed(tmp_path, change))


def test_a_long_list_of_differences_stays_short(tmp_path):
    save(model(), tmp_path)
    (tmp_path / "config.json").unlink()  # it would contradict the preset
    with pytest.raises(CheckpointError, match=r"missing \(\d\d+\)") as caught:
        load(tmp_path / WEIGHTS, PRESETS["small"])
    assert len(str(caught.value)) < 1500
    assert "more" in str(caught.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_none_is_refused(tmp_path, value):
    def change(state):
        state["encoder.conv_out.bias"][3] = value

    with pytest.raises(CheckpointError, match=r"encoder.conv_out.bias.*NaN"):
        load(changed(tmp_path, change))


@pytest.mark.parametrize("dtype", ["int8", "bool", "complex64"])
def test_what_is_no_floating_point_number_is_refused(tmp_path, dtype):
    if dtype == "complex64":  # older ones cannot write such a file
        pytest.importorskip("safetensors", minversion="0.6")

    def change(state):
        name = "encoder.conv_out.bias"
        state[name] = state[name].to(getattr(torch, dtype))

    with pytest.raises(CheckpointError, match=rf"conv_out.bias.*{dtype}"):
        load(changed(tmp_path, change))


class Bomb:
    """Unpickling this makes a folder: it stands for any code."""

    def __init__(self, target: Path):
        self.target = target

    def __reduce__(self):
        return Path.mkdir, (self.target,)


@pytest.mark.parametrize("ending", [".ckpt", ".bin", ".pth", ".pt"])
@pytest.mark.parametrize("write", [torch.save, "old torch", "pickle"])
def test_a_file_that_would_run_code_is_refused(tmp_path, ending, write):
    target, path = tmp_path / "it ran", tmp_path / f"x{ending}"
    content = {"state_dict": to_compvis(model().state_dict(), TINY)}
    content["callbacks"] = Bomb(target)
    if write == "pickle":
        path.write_bytes(pickle.dumps(content))
    elif write == "old torch":
        torch.save(content, path, _use_new_zipfile_serialization=False)
    else:
        torch.save(content, path)
    with pytest.raises(CheckpointError, match="safetensors"):
        load(path, TINY)
    assert not target.exists()
    pickle.loads(pickle.dumps(content["callbacks"]))
    assert target.exists()  # the bomb itself is live


@pytest.mark.parametrize(
    "content", [torch.zeros(3), [], {"a": 1}, {}, {"state_dict": 3}]
)
def test_a_file_of_something_else_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match="no autoencoder"):
        load(tmp_path / "x.pth", TINY)


def test_another_models_weights_are_refused(tmp_path):
    save_file(MLPVAE().state_dict(), tmp_path / "x.safetensors")
    with pytest.raises(CheckpointError, match=r"no autoencoder.*decoder\.0"):
        load(tmp_path / "x.safetensors")


def test_paths_that_lead_nowhere_are_named(tmp_path):
    with pytest.raises(CheckpointError, match="does not exist"):
        load(tmp_path / "none.safetensors")
    with pytest.raises(CheckpointError, match=r"config\.json"):
        load(tmp_path)
    (tmp_path / "x.zip").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"end in \.safetensors"):
        load(tmp_path / "x.zip", TINY)
    with pytest.raises(ValueError, match="No preset 'sd9'"):
        save(model(), tmp_path / "v") and load(tmp_path / "v", "sd9")


def test_saving_asks_for_a_fitting_path(tmp_path):
    with pytest.raises(ValueError, match=r"ends in \.safetensors"):
        save(model(), tmp_path / "folder", layout="compvis")
    with pytest.raises(ValueError, match="is a folder"):
        save(model(), tmp_path / "file.safetensors")
    with pytest.raises(ValueError, match="'ldm'"):
        save(model(), tmp_path, layout="ldm")


@pytest.mark.parametrize("layout", ["diffusers", "compvis"])
def test_a_save_that_fails_leaves_the_old_file(tmp_path, monkeypatch, layout):
    alone = layout == "compvis"
    path = tmp_path / "vae.safetensors" if alone else tmp_path
    save(model(seed=1), path, layout)
    files = sorted(p.name for p in tmp_path.iterdir())

    def half(state, path, **options):
        path.write_bytes(b"half")
        raise OSError("disk full")

    def stopped(*_):
        raise OSError("machine stopped")

    monkeypatch.setattr("safetensors.torch.save_file", half)
    with pytest.raises(OSError, match="disk full"):
        save(model(seed=2), path, layout)
    monkeypatch.undo()
    monkeypatch.setattr("os.replace", stopped)  # written, but not yet named
    with pytest.raises(OSError, match="machine stopped"):
        save(model(seed=2), path, layout)
    monkeypatch.undo()
    old = load(path, TINY).state_dict()
    assert same(old, model(seed=1).state_dict())
    assert sorted(p.name for p in tmp_path.iterdir()) == files


def test_what_is_written_is_on_the_disk_before_it_has_its_name(
    tmp_path, monkeypatch
):
    """A machine that stops would else leave a name of an empty file."""
    done, fsync, rename = [], os.fsync, os.replace

    def synced(number):
        done.append(("on the disk", os.fstat(number).st_ino))
        fsync(number)

    def renamed(source, target):
        done.append(("named", os.stat(source).st_ino))
        rename(source, target)

    monkeypatch.setattr("os.fsync", synced)
    monkeypatch.setattr("os.replace", renamed)
    save(model(), tmp_path / "vae")
    files = [number for what, number in done if what == "named"]
    assert len(files) == 2
    assert done == [
        (what, file) for file in files for what in ("on the disk", "named")
    ]


def test_two_processes_that_write_one_file_do_not_mix(tmp_path, monkeypatch):
    path = tmp_path / "x"
    with atomic(path) as ours:
        ours.write_text("ours")
        with monkeypatch.context() as other:
            other.setattr("os.getpid", lambda: -1)
            with atomic(path) as theirs:
                theirs.write_text("theirs")
        assert path.read_text() == "theirs"
        assert ours.read_text() == "ours"
    assert path.read_text() == "ours"


def test_loading_holds_one_copy_of_the_model(tmp_path, monkeypatch):
    save(model(PRESETS["small"]), tmp_path)
    alive, worst = weakref.WeakSet(), [0]
    original = checkpoints.open_weights

    @contextlib.contextmanager
    def watched(path):
        with original(path) as weights:

            def read(name):
                tensor = weights.read(name)
                alive.add(tensor)
                worst[0] = max(worst[0], len(alive))
                return tensor

            yield replace(weights, read=read)

    monkeypatch.setattr(checkpoints, "open_weights", watched)
    load(tmp_path)
    assert 1 <= worst[0] <= 2


def test_weights_do_not_depend_on_the_file_afterwards(tmp_path):
    save(model(seed=1), tmp_path)
    vae = load(tmp_path)
    path = tmp_path / WEIGHTS
    path.write_bytes(b"\0" * path.stat().st_size)
    assert same(vae.state_dict(), model(seed=1).state_dict())


def fake_hub(monkeypatch, folder: Path, inside: str):
    """A Hub whose one repository holds ``folder`` under ``inside``."""
    import huggingface_hub
    from huggingface_hub.errors import EntryNotFoundError

    def download(repository, name, local_files_only):
        assert repository == "someone/vae"
        if not name.startswith(inside) or "/" in name[len(inside) :]:
            raise EntryNotFoundError(f"no {name}")
        return str(folder / name.removeprefix(inside))

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    monkeypatch.setattr(checkpoints, "_reachable", lambda host: True)


@pytest.mark.parametrize("inside", ["", "vae/"])
def test_a_hub_id_downloads(tmp_path, monkeypatch, inside):
    pytest.importorskip("huggingface_hub")
    save(model(), tmp_path)
    fake_hub(monkeypatch, tmp_path, inside)
    assert same(load("someone/vae").state_dict(), model().state_dict())


def test_without_a_network_the_error_says_what_to_fetch(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(checkpoints, "_reachable", lambda host: False)
    with pytest.raises(CheckpointError) as caught:
        load("someone/no-such-vae-of-the-course")
    message = str(caught.value)
    for part in ("config.json", WEIGHTS, "/someone/no-such", "one folder"):
        assert part in message


def test_importing_checkpoints_needs_neither_hub_nor_diffusers():
    code = (
        "import sys, vae_course.sd.checkpoints; "
        "sys.exit('diffusers' in sys.modules or "
        "'huggingface_hub' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
