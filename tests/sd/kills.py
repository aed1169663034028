"""Kills a training run at random moments and lets it go on, many times.

``python tests/sd/kills.py 50`` prints how many kills there were, the steps
that the run went on from, and whether the metrics equal those of a run that
nobody touched, to the last bit. Every third attempt lives until it has written
a checkpoint, so that the run gets on between its deaths. Each attempt is a
fork of this process, so torch is imported once; Linux and macOS.
"""

import contextlib
import io
import json
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import torch
from tiny import run

EVERY = 2  # steps between checkpoints


def metrics(folder: Path) -> list[dict]:
    """The lines of a run, without what a clock had a say in."""
    lines = (folder / "metrics.jsonl").read_text("utf-8").splitlines()
    lines = [json.loads(line) for line in lines]
    for line in lines:
        line.pop("images_per_second", None)
    return lines


def attempt(folder: Path, steps: int) -> multiprocessing.Process:
    """A process that trains in the folder, going on with what is there."""
    changes = {"steps": steps, "every": EVERY, "keep": 2}

    def quietly():
        with contextlib.redirect_stdout(io.StringIO()):
            run(folder, changes)

    process = multiprocessing.get_context("fork").Process(target=quietly)
    process.start()
    return process


def latest(folder: Path) -> int:
    """The step of the newest checkpoint, each of which has to be whole."""
    paths = [*(folder / "checkpoints").glob("step-*.pt")]
    for path in paths:
        torch.load(path, weights_only=True)
    return max((int(path.stem.split("-")[1]) for path in paths), default=0)


def main(kills: int, seed: int = 0) -> bool:
    """Whether a run killed this often equals one that was not."""
    torch.set_num_threads(1)
    import accelerate  # noqa: F401  once, for all forks

    chance = random.Random(seed)
    advances = -(-kills // 3)
    steps = EVERY * (2 * advances + 3)  # enough for each to write two
    with tempfile.TemporaryDirectory() as root:
        whole, killed = Path(root) / "whole", Path(root) / "killed"
        start = time.perf_counter()
        process = attempt(whole, steps)
        process.join()
        assert process.exitcode == 0
        pause = (time.perf_counter() - start) * EVERY / steps
        resumed_from = []
        for number in range(kills):
            before = latest(killed)
            process = attempt(killed, steps)
            if number % 3 == 0:
                checkpoints = killed / "checkpoints"
                while process.is_alive() and not any(
                    int(path.stem.split("-")[1]) > before
                    for path in checkpoints.glob("step-*.pt")
                ):
                    time.sleep(0.002)
            time.sleep(chance.uniform(0, pause))
            os.kill(process.pid, signal.SIGKILL)
            process.join()
            assert process.exitcode == -signal.SIGKILL, "it had ended by then"
            resumed_from.append(latest(killed))
        process = attempt(killed, steps)
        process.join()
        assert process.exitcode == 0
        same = metrics(whole) == metrics(killed)
        places = sorted(set(resumed_from))
        print(
            f"{kills} kills, resumed from {places}; "
            f"{len(metrics(whole))} lines of metrics "
            f"{'equal' if same else 'DIFFER'}"
        )
        return same and len(places) >= advances and places[-1] > 0


if __name__ == "__main__":
    sys.exit(not main(int(sys.argv[1])))
