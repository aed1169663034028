"""Files of tensors: read without running code, written whole or not at all."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

PICKLES = (".ckpt", ".pt", ".pth", ".bin")
SUFFIXES = (".safetensors", *PICKLES)


class CheckpointError(RuntimeError):
    """A checkpoint that cannot be used; says why, and what to do."""


@dataclass(frozen=True)
class Weights:
    """Tensors in a file: names and shapes at once, numbers only when read."""

    path: Path
    shapes: dict[str, tuple[int, ...]]
    read: Callable[[str], Tensor]


@contextmanager
def open_weights(path: Path) -> Iterator[Weights]:
    """Yields the :class:`Weights` in a file, which may be of any kind.

    Raises:
        CheckpointError: it is missing, damaged, or more than plain tensors.
    """
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="pt") as file:
                names = file.keys()
                shapes = {
                    k: tuple(file.get_slice(k).get_shape()) for k in names
                }
                yield Weights(path, shapes, file.get_tensor)
        except (SafetensorError, OSError) as error:
            raise _damaged(path, error) from error
        return
    if path.suffix not in PICKLES:
        raise CheckpointError(
            f"{path}: weights end in .safetensors or in one of {PICKLES}."
        )
    if not zipfile.is_zipfile(path):
        raise CheckpointError(
            f"{path} was cut off, or comes from a torch before 1.6, whose "
            "files are not safe to read. Get it again, best as .safetensors."
        )
    try:
        found = torch.load(path, "cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} is damaged, or holds more than numbers, and reading it "
            "might run code that somebody put there. Nothing was run. Get the "
            "same weights as .safetensors."
        ) from error
    except Exception as error:  # torch has a dozen kinds for a damaged file
        raise _damaged(path, error) from error
    while isinstance(found, dict) and "state_dict" in found:
        found = found["state_dict"]  # beside it, what training needed
    items = found.items() if isinstance(found, dict) else ()
    tensors = {k: v for k, v in items if isinstance(v, Tensor)}
    shapes = {k: tuple(v.shape) for k, v in tensors.items()}
    yield Weights(path, shapes, tensors.__getitem__)


def _damaged(path: Path, error: Exception) -> CheckpointError:
    reason = str(error).splitlines()[0][:200] if str(error) else repr(error)
    return CheckpointError(
        f"{path} is damaged or no file of weights ({reason}). Nothing was "
        "loaded. Delete it and get it again."
    )


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yields a scratch file that becomes ``path`` when the block is done.

    If the block fails, or the machine stops, ``path`` is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield scratch
        with scratch.open("r+b") as file:
            os.fsync(file.fileno())  # on the disk before it has the name
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)
