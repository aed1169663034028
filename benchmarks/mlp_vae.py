"""The 784-400-20 VAE on grey MNIST: the course's loop against the usual one.

``python -m benchmarks.mlp_vae`` trains the model of the PyTorch examples twice
in one run. Once with their recipe: Adam at 1e-3 for ten epochs, fed by a
DataLoader with a ToTensor for each image, the test set measured after each
epoch. Once with the course's: images in memory, and a learning rate that rises
and falls. It prints epochs, seconds and test −ELBO of both, and writes them to
results/mlp_vae.json.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import ToTensor

from vae_course.core import elbo
from vae_course.data import Digits, ImageSet, mnist
from vae_course.mlp import MLPVAE
from vae_course.training import evaluate, train, warm_up_and_decay

RESULTS = Path(__file__).parents[1] / "results" / "mlp_vae.json"
BATCH = 128  # of the usual recipe
TARGET = 105.2  # nats an image: what the reference reaches in ten epochs


class Run(NamedTuple):
    """One training run: how long, and how good on the test images."""

    epochs: int
    seconds: float
    test: float  # −ELBO, nats an image


class ImageByImage(Dataset):
    """The usual way: one PIL image at a time, through ToTensor."""

    def __init__(self, images: ImageSet):
        self.pixels = images.pixels.squeeze(1).numpy()
        self.transform = ToTensor()

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.transform(Image.fromarray(self.pixels[index]))


def usual(digits: Digits, epochs: int = 10) -> Run:
    """The usual loop, as in the PyTorch examples."""
    torch.manual_seed(0)
    vae = MLPVAE()
    optimizer = torch.optim.Adam(vae.parameters(), lr=1e-3)
    seen, unseen = ImageByImage(digits.train), ImageByImage(digits.test)
    train_loader = DataLoader(seen, batch_size=BATCH, shuffle=True)
    test_loader = DataLoader(unseen, batch_size=BATCH)
    start = time.perf_counter()
    for epoch in range(1, epochs + 1):
        vae.train()
        for x in train_loader:
            optimizer.zero_grad()
            loss = elbo(vae, x).loss
            loss.backward()
            loss.item()
            optimizer.step()
        vae.eval()
        with torch.no_grad():
            total = sum(elbo(vae, x).loss.item() * len(x) for x in test_loader)
        print(f"  usual, epoch {epoch}: {total / len(unseen):.1f}", flush=True)
    seconds = time.perf_counter() - start
    return Run(epochs, seconds, evaluate(vae, digits.test).total)


def ours(digits: Digits, epochs: int = 3) -> Run:
    """The course's loop, with a start at the mean image."""
    start = time.perf_counter()
    torch.manual_seed(0)
    vae = MLPVAE()
    mean = digits.train[:].mean(dim=0).flatten().clamp(0.005, 0.995)
    vae.decoder[-1].bias.data = torch.logit(mean)
    lr = warm_up_and_decay(8e-3)
    train(vae, digits.train, epochs=epochs, batch_size=100, lr=lr)
    test = evaluate(vae, digits.test).total
    return Run(epochs, time.perf_counter() - start, test)


def interleaved(
    digits: Digits, rounds: int, runs: dict[str, Callable[[Digits], Run]]
) -> dict[str, Run]:
    """Each run in turn, ``rounds`` times; of each the one of median time."""
    results: dict[str, list[Run]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            results[name].append(run(digits))
    return {
        name: min(each, key=lambda r: abs(r.seconds - _median(each)))
        for name, each in results.items()
    }


def _median(runs: list[Run]) -> float:
    return statistics.median(run.seconds for run in runs)


def main() -> None:
    """Runs the comparison, prints its table and writes it to results/."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    digits = mnist()
    if digits.name != "MNIST":
        raise SystemExit(
            "This benchmark needs MNIST; see `vae-course doctor`."
        )
    results = interleaved(digits, rounds, {"usual": usual, "ours": ours})
    print(f"{'':<8}{'epochs':>8}{'seconds':>10}{'test −ELBO':>12}")
    for name, run in results.items():
        print(f"{name:<8}{run.epochs:>8}{run.seconds:>10.1f}{run.test:>12.2f}")
    ratio = results["ours"].seconds / results["usual"].seconds
    print(f"ours takes {ratio:.3f} of the usual time; target {TARGET} nats")
    record = {
        "command": "python -m benchmarks.mlp_vae",
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__.split("+")[0],
        "rounds": rounds,
        "ratio": round(ratio, 3),
        "runs": {
            name: {**run._asdict(), "seconds": round(run.seconds, 1)}
            for name, run in results.items()
        },
    }
    RESULTS.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
