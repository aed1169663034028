"""Trains the course's reference models and writes their numbers down.

    python -m vae_course.reference

A VAE and an importance-weighted autoencoder with K = 5 samples, five seeds
each, on MNIST binarized anew at every read, in short runs: 13 epochs, where
Burda et al. 2015 (https://arxiv.org/abs/1509.00519) train for 3,280. The
numbers go to results/mnist.json, after each seed; a run that was stopped goes
on where it ended. The prose quotes that file, and tests/test_reference.py
finds any quote that drifted.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch
from torch import nn

from vae_course.core import elbo, importance_weighted_elbo
from vae_course.data import Digits, mnist
from vae_course.metrics import active_units, negative_log_likelihood
from vae_course.mlp import MLPVAE
from vae_course.sd.weights import atomic
from vae_course.training import best_device, evaluate, train

OBJECTIVES = {
    "vae": elbo,
    "iwae_5": partial(importance_weighted_elbo, samples=5),
}
MEASURED = ("elbo", "distortion", "rate", "nll", "active_units")


@dataclass(frozen=True)
class Setting:
    """Everything that the numbers depend on, apart from the seed.

    The architecture is that of Burda et al. 2015, section 5.1, with one
    stochastic layer, but for ReLU in place of tanh: in so short a run it ends
    with a lower NLL, in the same time.
    """

    epochs: int = 13
    batch_size: int = 100
    lr: float = 1e-3
    optimizer: str = "Adam, β₁ = 0.9, β₂ = 0.99, constant rate"
    hidden: tuple[int, ...] = (200, 200)
    latent: int = 50
    activation: str = "ReLU"
    initial_weights: str = "Glorot uniform, biases zero"
    training_images: str = "MNIST, binarized anew at every read"
    test_images: str = "MNIST, binarized once with seed 0"
    nll_samples: int = 500


def glorot(model: nn.Module) -> None:
    """Draws every dense layer's weights anew, its biases are zero.

    Glorot & Bengio 2010, equation 16, as Burda et al. 2015 do. PyTorch's own
    default draws smaller weights, and more latents fall silent at the start.
    """
    for layer in model.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)


def build(setting: Setting, image_shape: Sequence[int], seed: int) -> MLPVAE:
    """The untrained model of this setting and seed."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = MLPVAE(image_shape, setting.hidden, setting.latent)
        glorot(model)
    return model


def measure(
    name: str,
    setting: Setting,
    digits: Digits,
    seed: int,
    *,
    progress: bool = True,
) -> dict[str, float]:
    """Trains one model and measures it on the test images.

    Args:
        name: one of :data:`OBJECTIVES`.
        setting: see :class:`Setting`.
        digits: grey images; they are binarized here.
        seed: of the weights, the shuffling and the noise.
        progress: show a bar.

    Returns:
        ``elbo`` (from one sample of each z), ``distortion``, ``rate`` and
        ``nll``, in nats per image, ``active_units``, and the seconds taken.
    """
    model = build(setting, digits.train.image_shape, seed)
    test = digits.test.binarized(seed=0)
    start = time.perf_counter()
    train(
        model,
        digits.train.binarized(),
        epochs=setting.epochs,
        objective=OBJECTIVES[name],
        batch_size=setting.batch_size,
        lr=setting.lr,
        seed=seed,
        progress=progress,
    )
    trained = time.perf_counter()
    halves = evaluate(model, test)
    nll = negative_log_likelihood(model, test, samples=setting.nll_samples)
    return {
        "seed": seed,
        "elbo": round(-halves.total, 4),
        "distortion": round(halves.distortion, 4),
        "rate": round(halves.rate, 4),
        "nll": round(nll.double().mean().item(), 4),
        "active_units": int(active_units(model, test).sum()),
        "training_seconds": round(trained - start, 1),
        "measuring_seconds": round(time.perf_counter() - trained, 1),
    }


def summarise(runs: Sequence[dict[str, float]]) -> dict[str, dict]:
    """Mean and standard deviation over the seeds of everything measured.

    The deviation is the sample's, with n − 1, and 0 for a single seed.
    """
    columns = {name: [run[name] for run in runs] for name in MEASURED}
    return {
        "mean": {k: round(statistics.mean(v), 4) for k, v in columns.items()},
        "sd": {
            k: round(statistics.stdev(v), 4) if len(v) > 1 else 0.0
            for k, v in columns.items()
        },
    }


def collect(
    path: Path,
    setting: Setting,
    digits: Digits,
    seeds: Sequence[int],
    *,
    command: str,
    progress: bool = True,
) -> dict:
    """Measures what ``path`` does not hold yet and keeps the file whole.

    Args:
        path: the JSON file; written after each seed, never half.
        setting: of all runs in it.
        digits: the images.
        seeds: of the runs.
        command: that makes the file, to stand in it.
        progress: show bars and one line a run.

    Returns:
        What the file then holds.

    Raises:
        ValueError: the file was made with another setting.
    """
    wanted = json.loads(json.dumps(asdict(setting)))  # tuples become lists
    content = {
        "command": command,
        "setting": wanted,
        "environment": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "device": str(best_device()),
            "threads": torch.get_num_threads(),
        },
        "models": {name: {"runs": []} for name in OBJECTIVES},
    }
    if path.exists():
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["setting"] != wanted:
            raise ValueError(
                f"{path} holds the numbers of another setting. Move it away "
                "to begin anew, or name another file with --out."
            )
    for seed in seeds:
        for name in OBJECTIVES:
            entry = content["models"][name]
            if any(run["seed"] == seed for run in entry["runs"]):
                continue
            run = measure(name, setting, digits, seed, progress=progress)
            entry["runs"].append(run)
            entry.update(summarise(entry["runs"]))
            text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
            with atomic(path) as scratch:  # a reader never sees a half
                scratch.write_text(text, encoding="utf-8")
            if progress:
                print(f"{name}, seed {seed}: {run}", flush=True)
    return content


def table(content: dict) -> str:
    """The means ± standard deviations as lines of text."""
    lines = ["model    " + "".join(f"{name:>16}" for name in MEASURED)]
    for name, entry in content["models"].items():
        cells = [
            f"{entry['mean'][k]:.2f} ± {entry['sd'][k]:.2f}" for k in MEASURED
        ]
        lines.append(f"{name:<9}" + "".join(f"{cell:>16}" for cell in cells))
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0 when the file is complete."""
    parser = argparse.ArgumentParser(
        prog="python -m vae_course.reference", description=__doc__
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=Setting.epochs)
    parser.add_argument("--samples", type=int, default=Setting.nll_samples)
    parser.add_argument(
        "--out", type=Path, default=Path("results") / "mnist.json"
    )
    options = parser.parse_args(arguments)
    digits = mnist()
    if digits.name != "MNIST":
        print("The reference numbers are of MNIST, which is not at hand.")
        return 1
    content = collect(
        options.out,
        Setting(epochs=options.epochs, nll_samples=options.samples),
        digits,
        range(options.seeds),
        command=" ".join(
            ["python -m vae_course.reference", *(arguments or sys.argv[1:])]
        ),
    )
    print(table(content))
    return 0


if __name__ == "__main__":
    sys.exit(main())
