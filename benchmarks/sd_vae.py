"""Our Stable Diffusion autoencoder against diffusers', side by side.

``python -m benchmarks.sd_vae`` times them in turn in one process, measures the
peak memory of each in a process of its own, prints the table and writes it to
results/sd_vae.json. Weights are random; the architecture is sd1 in full size.
diffusers runs twice: as it comes (``theirs``), and with its weights laid out
channels-last (``last``), which whoever knows of it would do. A ``step`` is
forward and backward through the whole autoencoder. Memory is the peak above
the weights, their gradients and the input, as Linux counts it, and above what
a model keeps between calls (ours: 36 MiB of doubled kernels, unless it is
trained); other systems get times alone.

A run that was stopped goes on where it was: each row waits in _build, and
counts on the same machine with the same packages.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

import torch
from torch import Tensor

from vae_course.sd import PRESETS, AutoencoderKL, strips

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "results" / "sd_vae.json"
WAITING = ROOT / "_build" / "sd_vae.jsonl"  # rows of a run that is not done
COMMAND = "python -m benchmarks.sd_vae"
LARGE = 1024
CODERS = ("theirs", "last", "ours", "strips", "tiles")
PEERS = CODERS[:2]


def diffusers_model():
    """diffusers' AutoencoderKL in the sd1 configuration."""
    import diffusers

    diffusers.logging.set_verbosity_error()
    return diffusers.AutoencoderKL(
        **vars(PRESETS["sd1"]),
        down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4,
    ).eval()


def coder(which: str, task: str, dtype: torch.dtype, state=None):
    """One way of encoding, decoding or both, as a function of one tensor."""
    torch.manual_seed(0)
    if which in (*PEERS, "tiles"):
        model = diffusers_model()
        if state is not None:
            model.load_state_dict(state)
        model.to(dtype)
        if which == "tiles":
            model.enable_tiling()
        if which == "last":
            model.to(memory_format=torch.channels_last)
        if task == "encode":
            return lambda x: model.encode(x).latent_dist.mean
        if task == "decode":
            return lambda z: model.decode(z).sample
        return step(
            lambda x: model.decode(model.encode(x).latent_dist.mean).sample
        )
    model = AutoencoderKL("sd1")
    if state is not None:
        model.load_state_dict(state)
    model.to(dtype)
    if task == "encode":
        return lambda x: model.encode(x).mean
    if which == "strips":
        return lambda z: strips.decode(model, z).mean
    if task == "decode":
        return lambda z: model.decode(z).mean
    return step(lambda x: model.decode(model.encode(x).mean).mean)


def step(reconstruct):
    """Forward and backward; gradients stay and add up, as memory does not."""

    def run(x: Tensor) -> Tensor:
        with torch.enable_grad():
            y = reconstruct(x)
            (x - y).abs().sum().backward()
        return y.detach()

    return run


def example(task: str, size: int, dtype: torch.dtype) -> Tensor:
    """One image, or the latent of one, of this side in pixels."""
    generator = torch.Generator().manual_seed(size)
    if task != "decode":
        x = torch.rand(1, 3, size, size, generator=generator)
        return (2 * x - 1).to(dtype)
    shape = (1, 4, size // 8, size // 8)
    return torch.randn(shape, generator=generator).to(dtype)


def in_turn(coders: dict, x: Tensor, repeats: int) -> dict[str, float]:
    """Median seconds of each, measured in turn after one round to warm up."""
    seconds: dict[str, list[float]] = {name: [] for name in coders}
    for _ in range(1 + repeats):
        for name, run in coders.items():
            start = time.perf_counter()
            run(x)
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(s[1:]) for name, s in seconds.items()}


def status(name: str) -> float:
    """A line of /proc/self/status, in MiB."""
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1024
    raise LookupError(name)


def print_peak(which: str, task: str, size: int, dtype: torch.dtype) -> None:
    """Prints the peak memory of one run of this process, in MiB."""
    run = coder(which, task, dtype)
    run(example(task, 64, dtype))  # libraries load, weights are laid out
    x = example(task, size, dtype)
    before = status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    run(x)
    print(status("VmHWM") - before)


def peak(which: str, task: str, size: int, dtype: str) -> float | None:
    """The peak memory above the weights in a fresh process, in MiB."""
    if sys.platform != "linux":
        return None
    arguments = ["--peak", which, task, str(size), dtype]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.sd_vae", *arguments],
        # Freed memory goes back at once, so the peak is what was in use.
        env={**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout.split()[-1])


def relative(a: Tensor, b: Tensor) -> float:
    """‖a − b‖ / ‖b‖."""
    return ((a - b).norm() / b.norm()).item()


@lru_cache(maxsize=1)
def coders_for(names: tuple[str, ...], task: str, dtype: str) -> dict:
    """The same weights behind each of these names."""
    torch.manual_seed(0)
    state = diffusers_model().state_dict()
    kind = getattr(torch, dtype)
    return {name: coder(name, task, kind, state) for name in names}


def row(
    names: tuple[str, ...], task: str, size: int, dtype: str, repeats: int
) -> dict:
    """One line of the table: the ratios are to the first of the coders."""
    coders = coders_for(names, task, dtype)
    x = example(task, size, getattr(torch, dtype))
    seconds = in_turn(coders, x, repeats)
    memory = {name: peak(name, task, size, dtype) for name in coders}
    images = {name: run(x).float() for name, run in coders.items()}
    first, *others = coders
    entry = {"task": task, "size": size, "dtype": dtype}
    for name in coders:
        entry[name] = {"seconds": round(seconds[name], 3)}
        if memory[name] is not None:
            entry[name]["MiB"] = round(memory[name])
    for name in others:
        entry[name]["time_ratio"] = round(seconds[name] / seconds[first], 3)
        if memory[name] is not None:
            ratio = memory[name] / memory[first]
            entry[name]["memory_ratio"] = round(ratio, 3)
        error = relative(images[name], images[first])
        entry[name]["difference"] = float(f"{error:.1e}")
    for what, key in (("time", "seconds"), ("memory", "MiB")):
        if key in entry["ours"]:
            better = min(entry[name][key] for name in PEERS)
            ratio = entry["ours"][key] / better
            entry["ours"][f"{what}_to_better_peer"] = round(ratio, 3)
    if "strips" in coders:
        ratio = seconds["strips"] / seconds["ours"]
        error = relative(images["strips"], images["ours"])
        entry["strips"]["time_to_ours"] = round(ratio, 3)
        entry["strips"]["difference_to_ours"] = float(f"{error:.1e}")
    return entry


def show(entry: dict) -> None:
    """Prints one entry of the table."""
    head = f"{entry['task']:<7}{entry['size']:>5}  {entry['dtype']:<9}"
    for name in CODERS:
        if name not in entry:
            continue
        cells = [
            f"{key.replace('_', ' ')} {value:g}"
            for key, value in entry[name].items()
            if value is not None
        ]
        print(f"{head}{name:<7}" + "  ".join(cells), flush=True)
        head = " " * len(head)


def machine() -> dict:
    """What a measurement depends on, beside the code."""
    return {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": version("torch"),
        "diffusers": version("diffusers"),
    }


def measured(name: str, repeats: int, how: tuple) -> dict:
    """A row that waits from a run before this one, or else a new one."""
    here = {"row": name, "repeats": repeats, "machine": machine()}
    lines = WAITING.read_text("utf-8") if WAITING.is_file() else ""
    for line in map(json.loads, lines.splitlines()):
        if here.items() <= line.items():
            return line["entry"]
    entry = row(*how)
    WAITING.parent.mkdir(exist_ok=True)
    with WAITING.open("a", encoding="utf-8") as file:
        file.write(json.dumps(here | {"entry": entry}) + "\n")
    return entry


def finish(path: Path, command: str, table: dict, *, write: bool) -> None:
    """Prints on what machine a table was made, and keeps both."""
    print(machine())
    if write:
        path.parent.mkdir(exist_ok=True)
        content = {"command": command, "machine": machine(), "table": table}
        path.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
        print(f"Written to {path.name}.")


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--sizes", type=int, nargs="*", default=[64, 128, 256, 512]
    )
    parser.add_argument(
        "--steps",
        type=int,
        nargs="*",
        default=[128, 256],
        help="sizes of the images of a training step",
    )
    parser.add_argument(
        "--large",
        type=int,
        nargs="*",
        default=[LARGE],
        help="sizes at which plain, strips and tiles are compared",
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--peak", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("--no-write", action="store_true")
    chosen = parser.parse_args()
    if chosen.peak:
        which, task, size, dtype = chosen.peak
        print_peak(which, task, int(size), getattr(torch, dtype))
        return
    few = (*PEERS, "ours")
    jobs = [
        (few, task, dtype, chosen.sizes, chosen.repeats)
        for dtype in ("float32", "bfloat16")
        for task in ("encode", "decode")
    ]
    jobs.append((few, "step", "float32", chosen.steps, chosen.repeats))
    jobs.append((CODERS, "decode", "float32", chosen.large, 1))
    table = {}
    for names, task, dtype, sizes, repeats in jobs:
        for size in sizes:
            name = f"{task}_{size}_{dtype}"
            name = name if names == few else f"{task}_large_{size}"
            how = names, task, size, dtype, repeats
            table[name] = measured(name, repeats, how)
            show(table[name])
    finish(RESULTS, COMMAND, table, write=not chosen.no_write)
    WAITING.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
