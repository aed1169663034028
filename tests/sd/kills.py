"""Kills a training run at random moments and lets it go on, many times.

``python tests/sd/kills.py 50`` prints how many kills there were and whether
the metrics equal those of a run that nobody touched, to the last bit. Each
attempt is a fork of this process, so torch is imported once; Linux and macOS.
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

CHANGES = {"steps": 24, "every": 2, "keep": 2}


def metrics(folder: Path) -> list[dict]:
    """The lines of a run, without what a clock had a say in."""
    lines = (folder / "metrics.jsonl").read_text("utf-8").splitlines()
    lines = [json.loads(line) for line in lines]
    for line in lines:
        line.pop("images_per_second", None)
    return lines


def attempt(folder: Path) -> multiprocessing.Process:
    """A process that trains in the folder, going on with what is there."""

    def quietly():
        with contextlib.redirect_stdout(io.StringIO()):
            run(folder, CHANGES)

    process = multiprocessing.get_context("fork").Process(target=quietly)
    process.start()
    return process


def main(kills: int, seed: int = 0) -> bool:
    """Whether a run killed this often equals one that was not."""
    torch.set_num_threads(1)
    import accelerate  # noqa: F401  once, for all forks

    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as root:
        whole, killed = Path(root) / "whole", Path(root) / "killed"
        start = time.perf_counter()
        process = attempt(whole)
        process.join()
        assert process.exitcode == 0
        longest = time.perf_counter() - start
        done, resumed_from = 0, []
        while done < kills:
            process = attempt(killed)
            time.sleep(chance.uniform(0, longest * 1.2 / max(2, kills / 8)))
            if not process.is_alive():
                break  # it came to its end
            os.kill(process.pid, signal.SIGKILL)
            process.join()
            done += 1
            for path in (killed / "checkpoints").glob("step-*.pt"):
                torch.load(path, weights_only=True)  # each is whole
            steps = [
                int(p.stem.split("-")[1])
                for p in (killed / "checkpoints").glob("step-*.pt")
            ]
            resumed_from.append(max(steps, default=0))
        process = attempt(killed)
        process.join()
        assert process.exitcode == 0
        same = metrics(whole) == metrics(killed)
        print(
            f"{done} kills, resumed from {sorted(set(resumed_from))}; "
            f"{len(metrics(whole))} lines of metrics "
            f"{'equal' if same else 'DIFFER'}"
        )
        return same and done == kills


if __name__ == "__main__":
    sys.exit(not main(int(sys.argv[1])))
