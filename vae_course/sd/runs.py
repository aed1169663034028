"""The folder of a training run: checkpoints, metrics, samples, the model.

    run/recipe.json        what was decided
    run/metrics.jsonl      a line for every few steps and every validation
    run/checkpoints/       step-00001000.pt: all that is needed to go on
    run/samples/           held-out photographs above their reconstructions
    run/model/             the averaged weights, in the layout of diffusers

Each file but the metrics appears whole or not at all. The metrics are cut back
to the checkpoint that a run goes on from, so they read like those of a run
that never stopped.
"""

from __future__ import annotations

import errno
import json
import os
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from vae_course.sd.weights import atomic

FORMAT = 1


class RunError(RuntimeError):
    """A run that cannot begin or go on; says why, and what is safe."""


class Run:
    """A run's folder.

    Args:
        folder: where it is; made if it is not there.

    Raises:
        RunError: it cannot be made.
    """

    def __init__(self, folder: str | os.PathLike):
        self.folder = Path(folder).expanduser()
        self.checkpoints = self.folder / "checkpoints"
        self.metrics = self.folder / "metrics.jsonl"
        try:
            for path in (self.checkpoints, self.folder / "samples"):
                path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(
                f"{self.folder} cannot be made ({error}). Choose another."
            ) from error

    def steps(self) -> list[int]:
        """The steps of which there is a checkpoint, in order."""
        return sorted(
            int(path.stem.split("-")[1])
            for path in self.checkpoints.glob("step-*.pt")
        )

    def path(self, step: int) -> Path:
        """The checkpoint of a step."""
        return self.checkpoints / f"step-{step:08d}.pt"

    def save(self, state: dict, keep: int) -> None:
        """Writes a checkpoint; then removes all but the last and the best.

        Raises:
            RunError: it cannot be written; the ones before are as they were.
        """
        step = state["step"]
        with (
            self.guarded(),
            atomic(self.path(step)) as scratch,
            scratch.open("wb") as file,
        ):
            torch.save({"format": FORMAT, **state}, file)
        best = self.best()
        for old in self.steps()[:-keep]:
            if old != best:
                self.path(old).unlink(missing_ok=True)

    def load(self) -> dict | None:
        """The newest checkpoint; None if there is none.

        What a process that was killed left half-written is removed.

        Raises:
            RunError: it cannot be read. It was whole when it was written, so
                the disk is at fault; delete it to go on from the one before.
        """
        for scratch in self.checkpoints.glob(".step-*"):
            scratch.unlink(missing_ok=True)
        if not self.steps():
            return None
        path = self.path(self.steps()[-1])
        try:
            state = torch.load(path, "cpu", weights_only=True)
            known = state["format"] == FORMAT
        except (OSError, RuntimeError, KeyError, EOFError, ValueError) as e:
            reason = (str(e).splitlines() or [repr(e)])[0]
            raise self._unreadable(path, reason) from e
        except pickle.UnpicklingError as error:
            raise self._unreadable(path, "it is no checkpoint") from error
        if not known:
            raise self._unreadable(path, f"its format is {state['format']}")
        return state

    @staticmethod
    def _unreadable(path: Path, reason: str) -> RunError:
        return RunError(
            f"{path} cannot be read ({reason}). Delete it; then --resume goes "
            "on from the checkpoint before it."
        )

    def write(self, line: dict) -> None:
        """Adds a line to the metrics.

        Raises:
            RunError: it cannot be written.
        """
        with self.guarded(), self.metrics.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def lines(self) -> list[dict]:
        """The metrics; a last line that was cut off is left out."""
        found = []
        if self.metrics.is_file():
            for text in self.metrics.read_text("utf-8").splitlines():
                try:
                    found.append(json.loads(text))
                except ValueError:
                    break
        return found

    def cut_back(self, step: int) -> None:
        """Forgets what was measured after this step."""
        kept = [line for line in self.lines() if line["step"] <= step]
        text = "".join(json.dumps(line) + "\n" for line in kept)
        with self.guarded(), atomic(self.metrics) as scratch:
            scratch.write_text(text, encoding="utf-8")

    def best(self) -> int | None:
        """The step with a checkpoint whose validation was the best.

        The least perceptual distance, or else the highest PSNR.
        """
        there = set(self.steps())
        scores = {
            line["step"]: line.get("perceptual", -line.get("psnr", 0.0))
            for line in self.lines()
            if line["kind"] == "held out" and line["step"] in there
        }
        return min(scores, key=scores.get) if scores else None

    def sheet(self, step: int, images: Tensor, copies: Tensor) -> Path:
        """Photographs above their reconstructions, (B, 3, H, W), as a PNG."""
        from PIL import Image

        rows = torch.stack([images, copies])  # (2, B, 3, H, W)
        rows = (rows.clamp(-1, 1) * 127.5 + 127.5).round().to(torch.uint8)
        _, count, _, height, width = rows.shape
        rows = rows.permute(0, 3, 1, 4, 2)  # (2, H, B, W, 3)
        pixels = rows.reshape(2 * height, count * width, 3).numpy()
        path = self.folder / "samples" / f"step-{step:08d}.png"
        with (
            self.guarded(),
            atomic(path) as scratch,
            scratch.open("wb") as file,
        ):
            Image.fromarray(pixels).save(file, format="PNG")
        return path

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Turns a disk that is full, or gone, into a clear error."""
        try:
            yield
        except (OSError, RuntimeError) as error:
            if isinstance(error, RunError):
                raise
            cause = error.__context__ or error
            full = errno.ENOSPC in (
                getattr(error, "errno", None),
                getattr(cause, "errno", None),
            )
            reason = "the disk is full" if full else str(error)
            steps = self.steps()
            safe = (
                f"{self.path(steps[-1])} is whole: make room, and go on from "
                "it with --resume."
                if steps
                else "There is no checkpoint yet: make room and begin again."
            )
            raise RunError(
                f"Nothing more can be written to {self.folder} ({reason}). "
                f"{safe}"
            ) from error
