"""Images in memory, and the folders in which data is looked for."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

DATA_VARIABLE = "VAE_COURSE_DATA"


class DataError(RuntimeError):
    """Damaged data or a folder that cannot be used; says what to do."""


@dataclass(frozen=True)
class ImageSet:
    """Images and their labels, as tensors in memory.

    ``images[i]``, with any index that a tensor takes, gives float images: the
    conversion happens on the fly, for the whole batch at once.

    Args:
        pixels: bytes, (N, C, H, W).
        labels: classes, (N,).
        stochastic: draw each grey pixel as 0 or 1, with its brightness as the
            probability of 1, anew at every read (see :meth:`binarized`).
        centred: hand out images in [−1, 1] instead of [0, 1], as the models of
            chapters 6 and 7 take them.

    Raises:
        ValueError: there are no images, or the shapes or types do not fit.
    """

    pixels: Tensor
    labels: Tensor
    stochastic: bool = False
    centred: bool = False

    def __post_init__(self):
        if self.pixels.dim() != 4 or self.pixels.dtype != torch.uint8:
            raise ValueError(
                "pixels must be bytes (torch.uint8) of shape (N, C, H, W), "
                f"got {self.pixels.dtype} of shape {tuple(self.pixels.shape)}."
            )
        if len(self.pixels) == 0 or len(self.pixels) != len(self.labels):
            raise ValueError(
                "An ImageSet needs at least one image and a label for each, "
                f"got {len(self.pixels)} images and {len(self.labels)} labels."
            )

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index) -> Tensor:
        """Float32 images, (B, C, H, W) for a slice or a list, in [0, 1]."""
        images = self.pixels[index].float() / 255
        images = torch.bernoulli(images) if self.stochastic else images
        return 2 * images - 1 if self.centred else images

    @property
    def image_shape(self) -> torch.Size:
        """(C, H, W)."""
        return self.pixels.shape[1:]

    def binarized(self, seed: int | None = None) -> ImageSet:
        """The same images with every pixel 0 or 1.

        Without a seed the binarization is stochastic: each read draws the
        pixels anew, so an encoder never sees quite the same image twice (Burda
        et al. 2015, section 5). With a seed it is fixed: drawn once, the same
        at every read, as test numbers need.
        """
        if seed is None:
            return replace(self, stochastic=True)
        generator = torch.Generator().manual_seed(seed)
        grey = self.pixels.cpu().float() / 255
        drawn = torch.bernoulli(grey, generator=generator)
        pixels = (255 * drawn).to(torch.uint8).to(self.pixels.device)
        return replace(self, pixels=pixels, stochastic=False)

    def to(self, device: torch.device | str) -> ImageSet:
        """The same images on another device."""
        return replace(
            self, pixels=self.pixels.to(device), labels=self.labels.to(device)
        )


def cache_folder() -> Path:
    """Where downloads are kept: vae-course in $XDG_CACHE_HOME or ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base).expanduser() / "vae-course"


def search_folders() -> list[Path]:
    """The folders in which data is looked for, in this order."""
    named = os.environ.get(DATA_VARIABLE)
    return (
        [Path(named).expanduser(), cache_folder()]
        if named
        else [cache_folder()]
    )
