"""Chapter 9's challenge: the best digits that 120 CPU seconds can draw.

    python -m vae_course.challenge my_entry.py

``my_entry.py`` has a function ``learn(images, labels, seed)`` that trains
whatever it likes and returns a function ``draw(labels)``, which gives images
(N, 1, 28, 28) in [0, 1]. When 120 seconds of the processor are spent, it is
interrupted as by Ctrl-C, which the course's training loop takes as the end of
the run. A judge that is always the same then looks at 2,000 drawn digits.

Without a file the course's own entry runs, which is the one to beat.
"""

from __future__ import annotations

import _thread
import argparse
import importlib.util
import json
import os
import platform
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from vae_course.data import Digits, ImageSet, mnist
from vae_course.diffusion import (
    Denoiser,
    Denoising,
    DigitAutoencoder,
    Latents,
    encoded,
    keep_scale,
    quality,
    sample,
    schedule,
)
from vae_course.sd.weights import atomic
from vae_course.training import train, warm_up_and_decay

Draw = Callable[[Tensor], Tensor]
Learn = Callable[[Tensor, Tensor, int], Draw]
BUDGET = 120.0  # CPU seconds, over all threads
GRACE = 1.25  # of the budget; then an entry that goes on is stopped for good
DRAWN = 2000
NUMBERS = ("agreement", "taught", "frechet", "nearest")


class BadEntry(ValueError):
    """An entry that cannot be run or judged; says what is missing."""


def first_stage(
    digits: ImageSet, beta: float = 0.1, seed: int = 0
) -> DigitAutoencoder:
    """The chapter's autoencoder after 20,000 digits, its scale measured."""
    torch.manual_seed(seed)
    vae = DigitAutoencoder()
    train(
        vae,
        digits,
        epochs=max(1, 20_000 // len(digits)),
        beta=beta,
        batch_size=64,
        lr=warm_up_and_decay(1e-2),
        seed=seed,
    )
    keep_scale(vae, digits)
    return vae


def second_stage(
    codes: Latents, objective: Denoising, seen: int = 80_000, seed: int = 0
) -> Denoiser:
    """The chapter's denoiser after as many codes as are to be seen."""
    torch.manual_seed(seed)
    model = Denoiser(codes.mean.shape[1:])
    train(
        model,
        codes,
        epochs=max(1, seen // len(codes)),
        objective=objective,
        batch_size=128,
        lr=warm_up_and_decay(3e-3, 0.1),
        seed=seed,
    )
    return model


def course_entry(images: Tensor, labels: Tensor, seed: int = 0) -> Draw:
    """Latent diffusion as in chapter 9, with its settings."""
    pixels = (255 * images).round().to(torch.uint8)
    digits = ImageSet(pixels, labels)
    road = schedule.cosine()
    vae = first_stage(digits, seed=seed)
    codes = encoded(vae, digits)
    model = second_stage(codes, Denoising(road, "v"), seed=seed)

    @torch.no_grad()
    def draw(labels: Tensor) -> Tensor:
        way = {"guidance": 1.25, "eta": 1.0, "seed": seed}
        z = sample(model, road, "v", labels, **way)
        return vae.decode(vae.unscale(z)).mean

    return draw


def split(digits: Digits) -> tuple[ImageSet, ImageSet]:
    """The training digits: a third for entries, two thirds for the judge."""
    third, train_set = len(digits.train) // 3, digits.train

    def part(index: slice) -> ImageSet:
        return replace(
            train_set,
            pixels=train_set.pixels[index],
            labels=train_set.labels[index],
        )

    return part(slice(third)), part(slice(third, None))


def judged(
    draw: Draw,
    judge: quality.Judge,
    learned: ImageSet,
    test: ImageSet,
    drawn: int = DRAWN,
) -> dict[str, float]:
    """The four numbers of chapter 9 for a function that draws digits.

    Args:
        draw: classes (N,) → images (N, 1, 28, 28) in [0, 1].
        judge: the classifier that says what it sees.
        learned: what the entry has learned from, to look for copies.
        test: digits that nobody has learned from.
        drawn: how many digits are drawn.

    Returns:
        ``agreement`` of the judge with the classes asked for, ``taught``, the
        accuracy on ``test`` of a classifier that has learned from the drawn
        digits alone, ``frechet``, their Fréchet distance to ``test``, and
        ``nearest``, the mean distance to the nearest digit learned from.

    Raises:
        BadEntry: what was drawn are no such images.
    """
    asked = torch.arange(drawn) % 10
    x = draw(asked)
    if not isinstance(x, Tensor) or x.shape != (drawn, 1, 28, 28):
        shape = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
        raise BadEntry(
            f"draw(labels) must give images ({drawn}, 1, 28, 28), got {shape}."
        )
    x = x.detach().float().cpu()
    if not (torch.isfinite(x).all() and x.min() >= 0 and x.max() <= 1):
        raise BadEntry(
            "draw(labels) must give images in [0, 1], got values from "
            f"{x.min():g} to {x.max():g}: clamp them."
        )
    student = quality.trained_judge(x, asked, seen=40_000)
    real = test[: min(drawn, len(test))]
    distance, _ = quality.nearest(x[:300], learned[:10_000])
    return {
        "agreement": quality.accuracy(judge, x, asked),
        "taught": quality.accuracy(student, test[:], test.labels),
        "frechet": quality.frechet_distance(judge, x, real),
        "nearest": distance.mean().item(),
    }


@contextmanager
def limited_to(budget: float, grace: float = GRACE) -> Iterator[None]:
    """Interrupts the main thread, as Ctrl-C does, when a budget is spent.

    Args:
        budget: CPU seconds of this process.
        grace: times the budget, after which the process ends.
    """
    start, over = time.process_time(), threading.Event()

    def watch() -> None:
        warned = False
        while not over.wait(0.05):
            spent = time.process_time() - start
            if spent > budget and not warned:
                warned = True
                _thread.interrupt_main()
            if spent > grace * budget:
                print(
                    f"Still learning after {grace * budget:.0f} CPU seconds: "
                    "stopped for good. End when you are interrupted.",
                    file=sys.stderr,
                )
                os._exit(2)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def run(
    learn: Learn,
    learned: ImageSet,
    seed: int = 0,
    budget: float = BUDGET,
) -> tuple[Draw, float]:
    """Lets an entry learn within the budget.

    Returns:
        What draws its digits, and the CPU seconds that learning took.

    Raises:
        BadEntry: it returned nothing that draws, or lost its work when it was
            interrupted.
    """
    start = time.process_time()
    try:
        with limited_to(budget):
            draw = learn(learned[:], learned.labels, seed)
    except KeyboardInterrupt:
        raise BadEntry(
            f"learn() was interrupted after {budget:g} CPU seconds and lost "
            "its work. Train with the course's train(), which ends its run "
            "when interrupted, or catch KeyboardInterrupt."
        ) from None
    if not callable(draw):
        raise BadEntry(
            "learn() must return a function draw(labels), got "
            f"{type(draw).__name__}."
        )
    return draw, time.process_time() - start


def load(path: Path) -> Learn:
    """The function ``learn`` of a student's file.

    Raises:
        BadEntry: there is no such file, or no such function in it.
    """
    if not path.is_file():
        raise BadEntry(f"There is no file {path}.")
    spec = importlib.util.spec_from_file_location("entry", path)
    if spec is None:
        raise BadEntry(f"{path} is no Python file: its name must end in .py.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not callable(getattr(module, "learn", None)):
        raise BadEntry(f"{path} has no function learn(images, labels, seed).")
    return module.learn


def report(numbers: dict[str, float]) -> str:
    """The four numbers in words."""
    return (
        f"agreement with the class asked for   {numbers['agreement']:7.1%}\n"
        f"accuracy of who has learned from it  {numbers['taught']:7.1%}\n"
        f"Fréchet distance to real digits      {numbers['frechet']:7.1f}\n"
        f"distance to the nearest known digit  {numbers['nearest']:7.1f}\n"
        f"CPU seconds to learn                 {numbers['seconds']:7.1f}"
    )


def keep(path: Path, runs: list[dict], command: str) -> None:
    """Writes runs, their means and deviations to a JSON file, whole."""
    columns = {k: [r[k] for r in runs] for k in NUMBERS}
    content = {
        "command": command,
        "drawn": DRAWN,
        "environment": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
        },
        "runs": runs,
        "mean": {k: round(statistics.mean(v), 4) for k, v in columns.items()},
        "sd": {
            k: round(statistics.stdev(v), 4) if len(v) > 1 else 0.0
            for k, v in columns.items()
        },
    }
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    with atomic(path) as scratch:
        scratch.write_text(text, encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0 when an entry was judged."""
    parser = argparse.ArgumentParser(
        prog="python -m vae_course.challenge",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, nargs="?")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--out", type=Path, help="JSON file for the numbers")
    options = parser.parse_args(arguments)
    try:
        learn = load(options.file) if options.file else course_entry
        digits = mnist()
        learned, apart = split(digits)
        judge = quality.trained_judge(apart[:], apart.labels)
        runs = []
        for seed in range(options.seeds):
            draw, seconds = run(learn, learned, seed)
            numbers = judged(draw, judge, learned, digits.test)
            numbers = {k: round(v, 4) for k, v in numbers.items()}
            runs.append({"seed": seed, **numbers, "seconds": round(seconds)})
            print(report(runs[-1]), flush=True)
            if options.out:
                words = sys.argv[1:] if arguments is None else arguments
                command = ["python -m vae_course.challenge", *words]
                keep(options.out, runs, " ".join(command))
    except BadEntry as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
