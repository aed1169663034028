"""Reads and writes weights in the two public layouts of the SD family.

*diffusers*: a folder with ``config.json`` and one file of weights, named as
our modules are. *CompVis*: one file, alone or inside a whole Stable Diffusion
checkpoint, with names of its own. Which of the two it is shows in the names.

Every name and shape is accounted for before a number is read, and a damaged or
foreign file leaves nothing behind.
"""

from __future__ import annotations

import json
import os
import re
import socket
from dataclasses import asdict, fields
from pathlib import Path
from urllib.request import getproxies

import torch

from vae_course.sd.autoencoder import (
    PRESETS,
    AutoencoderKL,
    Config,
    preset,
)
from vae_course.sd.weights import (
    SUFFIXES,
    CheckpointError,
    Weights,
    atomic,
    open_weights,
)

WEIGHTS = "diffusion_pytorch_model"  # what diffusers calls the file
# What a folder may hold, the best first: whole numbers before half ones, and
# files that cannot run code before those that could.
ENDINGS = (
    *(".safetensors", ".safetensors.index.json", ".fp16.safetensors"),
    *(".safetensors.index.fp16.json", ".fp16.safetensors.index.json"),
    *(".bin", ".bin.index.json", ".fp16.bin"),
)
# What may stand before the names: in a whole Stable Diffusion checkpoint, in
# an all-in-one file, in what a wrapper of several devices or a compiled model
# has saved.
PREFIXES = ("first_stage_model.", "vae.", "module.", "_orig_mod.", "")
# What else stands in a checkpoint tells which family its autoencoder is of.
FAMILY = {
    "cond_stage_model.": "sd1",
    "conditioner.": "sdxl",
    "model.diffusion_model.joint_blocks.": "sd3",
}
ATTENTION = {"to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
OLD_ATTENTION = {  # diffusers before version 0.18
    "to_q": "query",
    "to_k": "key",
    "to_v": "value",
    "to_out.0": "proj_attn",
}


def load(
    source: str | os.PathLike,
    config: Config | str | None = None,
    dtype: torch.dtype = torch.float32,
) -> AutoencoderKL:
    """The autoencoder in a file, in a folder, or on the Hugging Face Hub.

    Args:
        source: a diffusers folder (the autoencoder's own, or a pipeline's with
            ``vae/`` in it); a file in either layout; or a Hub id such as
            ``"stabilityai/sd-vae-ft-mse"``.
        config: a :class:`~vae_course.sd.Config` or a preset's name. Needed
            only where the file does not tell: a lone file has no config.json,
            and the scale of the latents stands nowhere in the weights.
        dtype: of the model; the file's own may be another.

    Raises:
        CheckpointError: the checkpoint is missing, damaged, of another model,
            or would run code. Nothing is loaded then.
    """
    path, described = _locate(source)
    if config is not None:
        config = preset(config)
    if described is not None:
        config = _agreed(described, config)
    with open_weights(path) as weights:
        config = config or _guess(weights)
        vae, names, problems = _match(weights, config)
        if problems:
            raise CheckpointError(
                f"{path} does not fit the model that was asked for. Nothing "
                f"was loaded.\n{problems}"
            )
        state = {}
        for name, blank in vae.state_dict().items():
            stored = weights.read(names[name]).reshape(blank.shape)
            if not stored.is_floating_point():
                raise CheckpointError(
                    f"{path}: {names[name]} holds {stored.dtype}, and weights "
                    "are floating-point numbers. Nothing was loaded."
                )
            # A copy even where nothing changes: the file may be mapped.
            state[name] = stored.to(dtype=dtype, copy=True)
            if not torch.isfinite(state[name]).all():
                raise CheckpointError(
                    f"{path}: {names[name]} holds NaN or infinity as {dtype}. "
                    "Nothing was loaded. Get the file again; if it is whole, "
                    "load it with dtype=torch.float32."
                )
    # The tensors become the parameters, so there is no second copy of them.
    vae.load_state_dict(state, assign=True)
    return vae.to(memory_format=torch.channels_last)


def save(
    vae: AutoencoderKL, path: str | os.PathLike, layout: str = "diffusers"
) -> Path:
    """Writes ``vae`` so that the world's programs can load it.

    Each file appears whole or not at all; an older one is replaced.

    Args:
        vae: the model.
        path: a folder for ``layout="diffusers"``, a ``.safetensors`` file for
            ``layout="compvis"``.
        layout: one of the two.

    Raises:
        ValueError: the layout is unknown, or the path does not suit it.
    """
    from safetensors.torch import save_file

    path = Path(path)
    if layout not in ("diffusers", "compvis"):
        raise ValueError(f"layout is 'diffusers' or 'compvis', not {layout!r}")
    if (layout == "compvis") != (path.suffix == ".safetensors"):
        raise ValueError(
            f"{path}: the layout 'diffusers' is a folder, and 'compvis' is a "
            f"file that ends in .safetensors; you asked for {layout!r}."
        )
    state = {k: v.detach().contiguous() for k, v in vae.state_dict().items()}
    if layout == "compvis":
        levels = len(vae.config.block_out_channels)
        state = {compvis_name(k, levels): v for k, v in state.items()}
        state = {  # what is linear here, in attention, is a 1×1 convolution
            k: v[..., None, None] if v.dim() == 2 else v
            for k, v in state.items()
        }
        with atomic(path) as scratch:
            save_file(state, scratch, metadata={"format": "pt"})
        return path
    path.mkdir(parents=True, exist_ok=True)
    with atomic(path / f"{WEIGHTS}.safetensors") as scratch:
        save_file(state, scratch, metadata={"format": "pt"})
    with atomic(path / "config.json") as scratch:
        described = json.dumps(describe_config(vae.config), indent=2)
        scratch.write_text(described + "\n", encoding="utf-8")
    return path


def compvis_name(name: str, levels: int) -> str:
    """A parameter's name in the CompVis layout, from its name here.

    The decoder's levels are counted from the image in one and from the latent
    in the other.
    """
    part = {"down_blocks": "down", "up_blocks": "up", "mid_block": "mid"}
    part |= {"resnets": "block", "conv_shortcut": "nin_shortcut"}
    part |= {"conv_norm_out": "norm_out", "group_norm": "norm"}
    if match := re.match(r"decoder\.up_blocks\.(\d+)", name):
        level = levels - 1 - int(match[1])
        name = f"decoder.up_blocks.{level}" + name[match.end() :]
    for ours, theirs in ATTENTION.items():
        name = name.replace(f"attentions.0.{ours}.", f"attentions.0.{theirs}.")
    name = re.sub(r"(up|down)samplers\.0", r"\1sample", name)
    name = name.replace("attentions.0", "attn_1")
    name = ".".join(part.get(word, word) for word in name.split("."))
    return re.sub(
        r"mid\.block\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", name
    )


def _agreed(described: Path, config: Config | None) -> Config:
    """The folder's own configuration, if nobody asked for another."""
    own = parse_config(described)
    if config is None:
        return own
    differ = [
        f"{f.name} is {getattr(own, f.name)!r} there and "
        f"{getattr(config, f.name)!r} here"
        for f in fields(Config)
        # The size of the training images is a note, and changes no number.
        if f.name != "sample_size"
        and getattr(own, f.name) != getattr(config, f.name)
    ]
    if differ:
        raise CheckpointError(
            f"{described} describes another model than the config that was "
            f"asked for: {'; '.join(differ)}. Nothing was loaded. Leave "
            "config out to take the folder's own."
        )
    return config


def parse_config(path: Path) -> Config:
    """Reads the ``config.json`` of diffusers.

    Raises:
        CheckpointError: it is damaged, or describes what this model is not.
    """
    try:
        # Some editors put a mark at the start, which utf-8-sig takes off.
        found = json.loads(path.read_text(encoding="utf-8-sig"))
        widths = tuple(found["block_out_channels"])
        levels = len(widths)
    except (
        *(OSError, ValueError, KeyError, TypeError),
        *(RecursionError, MemoryError),
    ) as error:
        raise CheckpointError(
            f"{path} is damaged, or describes no autoencoder: {error!r}."
        ) from error
    fixed = {
        "_class_name": "AutoencoderKL",
        "act_fn": "silu",
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "up_block_types": ["UpDecoderBlock2D"] * levels,
        "mid_block_add_attention": True,
        "latents_mean": None,
        "latents_std": None,
    }
    if found.get("act_fn") == "swish":  # another word for the same
        found["act_fn"] = "silu"
    for name, neutral in (("latents_mean", 0), ("latents_std", 1)):
        values = found.get(name)
        if isinstance(values, list) and all(v == neutral for v in values):
            found[name] = None  # a shift by nothing, a scale by one
    for name, value in fixed.items():
        if found.get(name, value) != value:
            raise CheckpointError(
                f"{path}: {name} is {found[name]!r}, and this model knows "
                f"{value!r} alone."
            )
    # What an older file leaves out has the value that diffusers gives it.
    values = {"layers_per_block": 1, "sample_size": 32}
    values |= {
        f.name: found[f.name] for f in fields(Config) if f.name in found
    }
    values["block_out_channels"] = widths
    if values.get("shift_factor") is None:
        values["shift_factor"] = 0.0
    match values["sample_size"]:
        case [height, *_]:
            values["sample_size"] = height
        case None:
            values["sample_size"] = 32
    try:
        return Config(**values)
    except (TypeError, ValueError, OverflowError) as error:
        raise CheckpointError(f"{path}: {error}") from error


def describe_config(config: Config) -> dict:
    """What stands in the ``config.json`` of diffusers for this model."""
    levels = len(config.block_out_channels)
    return {
        "_class_name": "AutoencoderKL",
        "act_fn": "silu",
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "up_block_types": ["UpDecoderBlock2D"] * levels,
        **asdict(config),
    }


def _guess(weights: Weights) -> Config:
    """The one preset that a file without a config.json can be of."""
    owners = {
        owner
        for part, owner in FAMILY.items()
        if any(name.startswith(part) for name in weights.shapes)
    }
    fits = [
        name
        for name in owners or PRESETS
        if not _match(weights, PRESETS[name])[2]
    ]
    if len(fits) == 1:
        return PRESETS[fits[0]]
    if not fits:
        raise CheckpointError(
            f"{weights.path} fits none of the presets {[*PRESETS]}. Say which "
            "model it is: pass its config."
        )
    raise CheckpointError(
        f"{weights.path} fits the presets {fits}. They differ in the scale of "
        "their latents alone, and nothing in the file tells which it is: pass "
        f"config={fits[0]!r}, say."
    )


def _match(
    weights: Weights, config: Config
) -> tuple[AutoencoderKL, dict[str, str], str]:
    """A model without numbers, its names → the file's, and what is wrong."""
    short = _short_names(weights)
    levels = len(config.block_out_channels)
    with torch.device("meta"):
        vae = AutoencoderKL(config)
    blank = vae.state_dict()
    if any(name.startswith("encoder.down.") for name in short):
        names = {name: compvis_name(name, levels) for name in blank}
    elif any(".attentions.0.query." in name for name in short):
        names = {name: _old_name(name) for name in blank}
    else:
        names = {name: name for name in blank}
    wanted = {names[k]: tuple(v.shape) for k, v in blank.items()}
    found = {k: weights.shapes[name] for k, name in short.items()}
    names = {k: short.get(name, name) for k, name in names.items()}
    return vae, names, _differences(wanted, found)


def _short_names(weights: Weights) -> dict[str, str]:
    """The autoencoder's names in a file, without and with their prefix."""
    first = "encoder.conv_in.weight"
    has = (p for p in PREFIXES if p + first in weights.shapes)
    prefix = next(has, "")
    # A CompVis file holds the discriminator too, and may hold averages.
    rest = ("loss.", "model_ema.")
    short = {
        name.removeprefix(prefix): name
        for name in weights.shapes
        if name.startswith(prefix)
        and not name.removeprefix(prefix).startswith(rest)
    }
    if first not in short:
        some = ", ".join(sorted(weights.shapes)[:3]) or "nothing"
        raise CheckpointError(
            f"{weights.path} holds no autoencoder of this family; among its "
            f"names are {some}."
        )
    return short


def _old_name(name: str) -> str:
    for ours, old in OLD_ATTENTION.items():
        name = name.replace(f"attentions.0.{ours}.", f"attentions.0.{old}.")
    return name


def _differences(
    wanted: dict[str, tuple[int, ...]], found: dict[str, tuple[int, ...]]
) -> str:
    """What is missing, unexpected or of the wrong shape; empty if nothing."""

    def wrong(name: str) -> bool:
        shape = wanted[name]  # what is linear here may be a 1×1 convolution
        also = (*shape, 1, 1) if len(shape) == 2 else shape
        return found[name] not in (shape, also)

    groups = {
        "missing": sorted(wanted.keys() - found.keys()),
        "unexpected": sorted(found.keys() - wanted.keys()),
        "wrong shape": [
            f"{n} {found[n]}, expected {wanted[n]}"
            for n in sorted(wanted.keys() & found.keys())
            if wrong(n)
        ],
    }
    lines = []
    for group, names in groups.items():
        more = f", and {len(names) - 3} more" if len(names) > 3 else ""
        if names:
            listed = "; ".join(names[:3])
            lines.append(f"  {group} ({len(names)}): {listed}{more}")
    return "\n".join(lines)


def _locate(source: str | os.PathLike) -> tuple[Path, Path | None]:
    """The file of weights, and its config.json where there is one."""
    path = Path(source)
    names = [f"{WEIGHTS}{end}" for end in ENDINGS]
    if path.is_file():
        beside = path.with_name("config.json")
        described = path.name in names and beside.is_file()
        return path, beside if described else None
    if path.is_dir():
        for folder in (path / "vae", path):
            config = folder / "config.json"
            for name in names:
                if config.is_file() and (folder / name).is_file():
                    return folder / name, config
        raise CheckpointError(
            f"{path} holds no autoencoder: a folder needs config.json and "
            f"{names[0]}, in it or in its vae/."
        )
    if path.suffix.lower() not in SUFFIXES and re.fullmatch(
        r"[\w.-]+/[\w.-]+", str(source)
    ):
        return _download(str(source))
    raise CheckpointError(f"{path} does not exist.")


def _download(repository: str) -> tuple[Path, Path]:
    """The two files of a Hub repository, from its cache or the network."""
    files = ("config.json", f"{WEIGHTS}.safetensors")
    try:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import EntryNotFoundError

        def get(folder: str) -> list[str]:
            return [
                hf_hub_download(
                    repository,
                    folder + file,
                    local_files_only=not _reachable("huggingface.co"),
                )
                for file in files
            ]

        try:
            config, weights = get("vae/")  # of a whole pipeline
        except EntryNotFoundError:
            config, weights = get("")
    except Exception as error:  # of the network, the Hub or a missing package
        reason = str(error).splitlines()[0] if str(error) else repr(error)
        raise CheckpointError(
            f"{repository} cannot be fetched from the Hugging Face Hub "
            f"({reason}). Where there is a network, get {files[0]} and "
            f"{files[1]} from https://huggingface.co/{repository} (in a whole "
            "pipeline they are under vae/), put both into one folder, and "
            "load that folder."
        ) from error
    return Path(weights), Path(config)


def _reachable(host: str) -> bool:
    """Whether a host answers; the Hub's own client asks for half a minute."""
    if getproxies():
        return True  # only the proxy knows
    try:
        socket.create_connection((host, 443), timeout=3).close()
    except OSError:
        return False
    return True
