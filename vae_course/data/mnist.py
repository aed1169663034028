"""Handwritten digits: MNIST, or small ones where MNIST is out of reach.

``mnist()`` looks in the folder that VAE_COURSE_DATA names, then in the user's
cache, then downloads with torchvision; with no network it falls back to the
small digits that come with scikit-learn, and says so in one line.
"""

from __future__ import annotations

import gzip
import hashlib
import http.client
import os
import socket
import tempfile
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import NamedTuple
from urllib.error import URLError

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vae_course.data.images import (
    DATA_VARIABLE,
    DataError,
    ImageSet,
    cache_folder,
    search_folders,
)


class Digits(NamedTuple):
    """A data set of handwritten digits, (1, 28, 28) each."""

    train: ImageSet
    test: ImageSet
    name: str  # "MNIST", or "scikit-learn digits" where MNIST is out of reach


def find_mnist() -> Path | None:
    """The first of the search folders that holds all four MNIST files."""
    for root in search_folders():
        if all((_raw(root) / name).is_file() for name, _ in _mnist_files()):
            return root
    return None


def mnist(root: str | os.PathLike | None = None) -> Digits:
    """MNIST: 60,000 digits to train on, 10,000 to test on (LeCun et al. 1998).

    Args:
        root: the folder that holds ``MNIST/raw``, as torchvision lays it out.
            None looks in VAE_COURSE_DATA and in the cache, then downloads to
            the cache. Without a network, scikit-learn's digits take MNIST's
            place, and one printed line says so.

    Raises:
        FileNotFoundError: ``root`` is given and does not hold MNIST.
        DataError: a file is damaged, or the cache cannot be written.
    """
    found = find_mnist() if root is None else Path(root).expanduser()
    if found is None:
        found = cache_folder()
        try:
            _download_mnist(found)
        except _NoNetwork as reason:
            print(
                "MNIST is not on this machine and cannot be downloaded "
                f"({reason}): using the 1,797 digits of 8×8 pixels that come "
                "with scikit-learn, so the numbers differ from the text."
            )
            return small_digits()
    train_images, train_labels, test_images, test_labels = (
        _read_idx(_raw(found) / name, md5) for name, md5 in _mnist_files()
    )
    return Digits(
        ImageSet(train_images.unsqueeze(1), train_labels.long()),
        ImageSet(test_images.unsqueeze(1), test_labels.long()),
        "MNIST",
    )


def small_digits() -> Digits:
    """scikit-learn's 1,797 digits of 8×8 pixels, resized to 28×28.

    They need no network. Every sixth is for testing: 1,497 to train on, 300 to
    test on.
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    grey = (
        torch.from_numpy(bunch.images).float().unsqueeze(1) / 16
    )  # (N, 1, 8, 8)
    grey = F.interpolate(
        grey, size=(28, 28), mode="bilinear", align_corners=False
    )
    pixels = (255 * grey).round().to(torch.uint8)
    labels = torch.from_numpy(bunch.target).long()
    is_test = torch.arange(len(pixels)) % 6 == 0
    return Digits(
        ImageSet(pixels[~is_test], labels[~is_test]),
        ImageSet(pixels[is_test], labels[is_test]),
        "scikit-learn digits",
    )


class _NoNetwork(Exception):
    """No mirror of MNIST could be reached."""


def _raw(root: Path) -> Path:
    return root / "MNIST" / "raw"


def _mnist_files() -> list[tuple[str, str]]:
    """(name, md5) of training images, training labels, and the test ones."""
    from torchvision.datasets import MNIST

    return MNIST.resources


def _read_idx(path: Path, md5: str) -> Tensor:
    """The content of one compressed IDX file, once its md5 is right."""
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} does not exist. Give mnist() the folder that holds "
            "MNIST/raw, or call it without an argument to search and download."
        )
    compressed = path.read_bytes()
    found = hashlib.md5(compressed, usedforsecurity=False).hexdigest()
    if found != md5:
        raise DataError(
            f"{path} is damaged: its md5 is {found}, not {md5}. Delete this "
            "file; then the next call downloads it again."
        )
    content = gzip.decompress(compressed)
    axes = content[3]  # the magic number's last byte counts the axes
    shape = np.frombuffer(content, ">i4", count=axes, offset=4).tolist()
    values = np.frombuffer(content, np.uint8, offset=4 + 4 * axes)
    return torch.from_numpy(values.copy()).view(shape)


def _download_mnist(cache: Path) -> None:
    """Puts the four files into ``cache``, each whole or not at all."""
    from torchvision.datasets import MNIST

    try:
        _raw(cache).mkdir(parents=True, exist_ok=True)
        scratch = tempfile.TemporaryDirectory(
            dir=cache, ignore_cleanup_errors=True
        )
    except OSError as error:
        raise DataError(
            f"The cache {cache} cannot be written ({error.strerror}). Set "
            f"{DATA_VARIABLE} to a folder with MNIST/raw in it, or "
            "XDG_CACHE_HOME to a folder that you can write to."
        ) from error
    with scratch as folder:
        patience = socket.getdefaulttimeout()
        socket.setdefaulttimeout(
            20
        )  # a network that never answers counts as none
        try:
            with redirect_stdout(StringIO()):  # the bars on stderr say enough
                MNIST(folder, download=True)
        except (
            RuntimeError,
            URLError,
            TimeoutError,
            http.client.HTTPException,
        ) as e:
            if "corrupted" in str(e):
                raise DataError(
                    "MNIST arrived damaged: the download was cut off, or a "
                    "sign-in page took its place. Nothing was kept. Check the "
                    "connection and run this again."
                ) from e
            raise _NoNetwork(
                "no network" if isinstance(e, RuntimeError) else e
            ) from e
        finally:
            socket.setdefaulttimeout(patience)
        for name, _ in _mnist_files():
            os.replace(_raw(Path(folder)) / name, _raw(cache) / name)
