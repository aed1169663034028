"""Files of tensors: read without running code, written whole or not at all."""

from __future__ import annotations

import json
import os
import pickle
import pickletools
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

PICKLES = (".ckpt", ".pt", ".pth", ".bin")
SUFFIXES = (".safetensors", *PICKLES)
# Around the numbers, training programs leave notes of their own: callbacks,
# settings, NumPy's scalars. They are read as empty stand-ins, so that nothing
# of these packages is imported or run.
NOTES = (
    *("argparse", "collections", "datetime", "numpy", "pathlib", "omegaconf"),
    *("lightning", "lightning_fabric", "lightning_utilities"),
    *("ldm", "pytorch_lightning", "sgm"),
)
WRAPPERS = ("state_dict", "model", "module", "params", "weights")
# What stands in place of weights when a download went wrong.
INSTEAD = {
    b"version https://git-lfs": "a pointer of git-lfs: run `git lfs pull`",
    b"<!doctype html": "a page of a web site: download the file itself",
    b"<html": "a page of a web site: download the file itself",
}


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
    _look_at_the_start(path)
    if ".index." in path.name and path.suffix == ".json":
        with _shards(path) as weights:
            yield weights
        return
    suffix = path.suffix.lower()
    if suffix == ".safetensors":
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
    if suffix not in PICKLES:
        raise CheckpointError(
            f"{path}: weights end in .safetensors or in one of {PICKLES}."
        )
    tensors = _tensors(_unpickled(path))
    for name, tensor in tensors.items():
        if tensor.layout != torch.strided or tensor.device.type != "cpu":
            raise CheckpointError(
                f"{path}: {name} is a tensor without numbers of its own "
                f"({tensor.layout}, {tensor.device}). Nothing was loaded."
            )
    shapes = {k: tuple(v.shape) for k, v in tensors.items()}
    yield Weights(path, shapes, tensors.__getitem__)


@contextmanager
def _shards(index: Path) -> Iterator[Weights]:
    """The weights that an index finds in several files beside it."""
    try:
        homes = json.loads(index.read_text("utf-8"))["weight_map"]
        files = sorted({index.with_name(Path(f).name) for f in homes.values()})
    except (
        *(OSError, ValueError, KeyError, TypeError, AttributeError),
        RecursionError,
    ) as error:
        raise _damaged(index, error) from error
    with ExitStack() as stack:
        shards = [stack.enter_context(open_weights(file)) for file in files]
        owners = {name: shard for shard in shards for name in shard.shapes}
        if missing := sorted(homes.keys() - owners.keys()):
            raise CheckpointError(
                f"{index} names {missing[0]}, which is in none of its files. "
                "Nothing was loaded. Get all of them again."
            )
        yield Weights(
            index,
            {name: owners[name].shapes[name] for name in homes},
            lambda name: owners[name].read(name),
        )


def _look_at_the_start(path: Path) -> None:
    """Names what is no file of weights at all, whatever its ending says."""
    try:
        with path.open("rb") as file:
            start = file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    except OSError as error:
        raise _damaged(path, error) from error
    for mark, what in INSTEAD.items():
        if start.startswith(mark):
            raise CheckpointError(
                f"{path} holds no weights but {what}. Nothing was loaded."
            )


def _unpickled(path: Path) -> object:
    """What a file of torch.save holds, its notes as stand-ins."""
    if not zipfile.is_zipfile(path):
        raise CheckpointError(
            f"{path} was cut off, or comes from a torch before 1.6, whose "
            "files are not safe to read. Get it again, best as .safetensors."
        )
    try:
        stand_ins = [_stand_in(name) for name in _notes(path)]
        with torch.serialization.safe_globals(stand_ins):
            return torch.load(path, "cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} is damaged, or holds more than numbers, and reading it "
            "might run code that somebody put there. Nothing was run. Get the "
            "same weights as .safetensors."
        ) from error
    except Exception as error:  # torch has a dozen kinds for a damaged file
        raise _damaged(path, error) from error


def _notes(path: Path) -> set[str]:
    """The names, among those that a pickle asks for, that are notes."""
    with zipfile.ZipFile(path) as archive:
        (data,) = (n for n in archive.namelist() if n.endswith("data.pkl"))
        pickled = archive.read(data)
    asked, strings = set(), []
    for operation, argument, _ in pickletools.genops(pickled):
        if operation.name == "GLOBAL":
            asked.add(argument.replace(" ", "."))
        elif operation.name == "STACK_GLOBAL":
            asked.add(".".join(strings[-2:]))
        elif isinstance(argument, str):
            strings.append(argument)
    known = torch.serialization.get_safe_globals()
    safe = {f"{each.__module__}.{each.__qualname__}" for each in known}
    return {
        name
        for name in asked - safe - {"collections.OrderedDict"}
        if name.split(".")[0] in NOTES
    }


def _stand_in(name: str) -> type:
    """An empty class of another's name, which takes anything it is given."""
    body = {
        "__new__": lambda cls, *args, **kwargs: object.__new__(cls),
        "__init__": lambda self, *args, **kwargs: None,
        "__setstate__": lambda self, state: None,
    }
    module, _, last = name.rpartition(".")
    stand_in = type(last, (), {**body, "__module__": module})
    stand_in.__qualname__ = last
    return stand_in


def _tensors(found: object) -> dict[str, Tensor]:
    """The named tensors in what was read, out of the usual wrappings."""
    seen = set()
    while isinstance(found, dict) and id(found) not in seen:
        seen.add(id(found))
        inner = [found[k] for k in WRAPPERS if isinstance(found.get(k), dict)]
        if not inner:
            break
        found = inner[0]
    items = found.items() if isinstance(found, dict) else ()
    return {
        k: v for k, v in items if isinstance(k, str) and isinstance(v, Tensor)
    }


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
