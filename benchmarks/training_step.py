"""One training step of ours against the same losses around diffusers' model.

``python -m benchmarks.training_step`` runs one step of the autoencoder and one
of the critic, both of full sd1 size, with the same judges, the same weights
and the same images. It times both in turn in one process, measures the peak
memory of each in a process of its own, prints the table and writes it to
results/training_step.json. Memory is the peak above weights and optimizers, as
Linux counts it, and gradients belong to it; other systems get times alone.

The peer is written as public scripts are: each loss is computed on the
reconstruction, the adaptive weight takes two walks back to the last layer, and
one ``backward`` goes through everything.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.sd_vae import diffusers_model, finish, status
from vae_course.sd import AutoencoderKL
from vae_course.sd.critics import (
    Judge,
    PatchGAN,
    Verdict,
    adaptive_weight,
    deception,
)
from vae_course.sd.losses import Coder, generator_step
from vae_course.sd.perceptual import PerceptualDistance

RESULTS = Path(__file__).parent.parent / "results" / "training_step.json"
COMMAND = "python -m benchmarks.training_step"
BETA, PERCEPTUAL, ADVERSARIAL = 1e-6, 0.1, 0.5


def optimizers(*modules) -> list[torch.optim.Adam]:
    adam = {"lr": 1e-6, "betas": (0.5, 0.9)}
    return [torch.optim.Adam(m.parameters(), **adam) for m in modules]


def judges() -> tuple[PatchGAN, PerceptualDistance]:
    torch.manual_seed(1)
    return PatchGAN(), PerceptualDistance()


def ours(state: dict | None = None) -> Callable[[Tensor, Tensor], float]:
    """A step of ours: (images, noise) → the absolute error, per image."""
    torch.manual_seed(0)
    vae = AutoencoderKL("sd1")
    if state is not None:
        vae.load_state_dict(state)
    coder = Coder(vae)
    critic, perceptual = judges()
    judge = Judge(critic)
    first, second = optimizers(vae, critic)

    def run(x: Tensor, noise: Tensor) -> float:
        coded = coder(x, noise)
        step = generator_step(
            coder,
            coded,
            x,
            beta=BETA,
            perceptual=lambda y, x: perceptual(y, x, check=False),
            perceptual_weight=PERCEPTUAL,
            critic=critic,
            adversarial_weight=ADVERSARIAL,
        )
        step.loss.backward()
        first.step()
        first.zero_grad()
        judge(x, coded.image.detach()).loss.backward()
        second.step()
        second.zero_grad()
        return step.terms["error"].item()

    return run


def theirs(state: dict | None = None) -> Callable[[Tensor, Tensor], float]:
    """The same around diffusers' model, as it is usually written."""
    torch.manual_seed(0)
    vae = diffusers_model().train()
    if state is not None:
        vae.load_state_dict(state)
    critic, perceptual = judges()
    first, second = optimizers(vae, critic)
    last = vae.decoder.conv_out.weight

    def run(x: Tensor, noise: Tensor) -> float:
        posterior = vae.encode(x).latent_dist
        y = vae.decode(posterior.mean + posterior.std * noise).sample
        values = x[0].numel()
        error = (x - y).abs().sum(dim=(1, 2, 3)).mean()
        distance = perceptual(y, x, check=False).mean()
        others = error + PERCEPTUAL * values * distance
        critic.requires_grad_(False)
        fooled = deception(critic(y))
        weight = adaptive_weight(
            *(
                torch.autograd.grad(term, last, retain_graph=True)[0]
                for term in (others, fooled)
            )
        )
        loss = others + BETA * posterior.kl().mean()
        loss = loss + ADVERSARIAL * weight * fooled
        loss.backward()
        first.step()
        first.zero_grad()
        critic.requires_grad_(True)
        Verdict(critic(x), critic(y.detach())).loss.backward()
        second.step()
        second.zero_grad()
        return error.item()

    return run


STEPS = {"theirs": theirs, "ours": ours}


def example(size: int) -> tuple[Tensor, Tensor]:
    """One image in [-1, 1] of this side, and noise for its latent."""
    generator = torch.Generator().manual_seed(size)
    x = 2 * torch.rand(1, 3, size, size, generator=generator) - 1
    shape = (1, 4, size // 8, size // 8)
    return x, torch.randn(shape, generator=generator)


def print_peak(which: str, size: int) -> None:
    """Prints the peak memory of one step of this process, in MiB."""
    run = STEPS[which]()
    run(*example(64))  # the optimizers have their memory now
    inputs = example(size)
    before = status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    run(*inputs)
    print(status("VmHWM") - before)


def peak(which: str, size: int) -> float | None:
    """The peak memory of a step in a fresh process, in MiB."""
    if sys.platform != "linux":
        return None
    done = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.training_step"),
            *("--peak", which, str(size)),
        ],
        # Freed memory goes back at once, so the peak is what was in use.
        env={**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout.split()[-1])


def row(size: int, repeats: int, state: dict) -> dict:
    """Medians of both, measured in turn after one round to warm up."""
    runs = {name: make(state) for name, make in STEPS.items()}
    inputs = example(size)
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    errors: dict[str, float] = {}
    for number in range(1 + repeats):
        for name, run in runs.items():
            start = time.perf_counter()
            error = run(*inputs)
            seconds[name].append(time.perf_counter() - start)
            if number == 0:
                errors[name] = error  # before any weight has moved
    del runs
    entry: dict = {"size": size}
    for name in STEPS:
        entry[name] = {
            "seconds": round(statistics.median(seconds[name][1:]), 2),
            "MiB": peak(name, size),
            "error": round(errors[name], 2),
        }
    for unit, ratio in (("seconds", "time_ratio"), ("MiB", "memory_ratio")):
        a, b = entry["ours"][unit], entry["theirs"][unit]
        entry[ratio] = round(a / b, 3) if a and b else None
    return entry


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=[128, 256])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--peak", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--no-write", action="store_true")
    chosen = parser.parse_args()
    if chosen.peak:
        print_peak(chosen.peak[0], int(chosen.peak[1]))
        return
    torch.manual_seed(0)
    state = diffusers_model().state_dict()
    table = {}
    for size in chosen.sizes:
        table[str(size)] = entry = row(size, chosen.repeats, state)
        print(entry, flush=True)
    finish(RESULTS, COMMAND, table, write=not chosen.no_write)


if __name__ == "__main__":
    main()
