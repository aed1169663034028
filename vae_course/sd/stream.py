"""Which images a step sees: a function of the seed and the step alone.

The epochs, each in an order of its own, follow one another without a gap, and
the stream is cut into batches of one size. A batch may begin in one epoch and
end in the next, so each epoch sees every image once, no batch is smaller than
the others and none is dropped. Devices and parts take their shares of the same
batch. A run can go on from any step, with nothing to remember but its number.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Protocol

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from vae_course.data import ImageSet

Item = tuple[int, int]  # which image, and in which epoch


class Crops(Protocol):
    """What can be trained on: images in [-1, 1] by number and epoch."""

    def __len__(self) -> int: ...

    def crop(self, index: int, epoch: int = 0) -> Tensor: ...

    def fingerprint(self) -> str: ...


class Fixed:
    """An ImageSet as it is, without crops: every epoch sees the same.

    Raises:
        ValueError: its images are in [0, 1].
    """

    def __init__(self, images: ImageSet):
        if not images.centred:
            raise ValueError(
                "The Stable Diffusion family takes images in [-1, 1]: give "
                "dataclasses.replace(images, centred=True)."
            )
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def crop(self, index: int, epoch: int = 0) -> Tensor:
        """(3, H, W), the same in every epoch."""
        return self.images[index]

    def fingerprint(self) -> str:
        """What the images are, in few letters: nobody goes on with others."""
        pixels = self.images.pixels.cpu().contiguous()
        return f"{len(self)} {hashlib.sha256(pixels.numpy()).hexdigest()}"


def number(*parts) -> int:
    """A seed of 63 bits that follows from what it is for."""
    text = " ".join(map(str, parts)).encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big") >> 1


@lru_cache(maxsize=4)
def _order(seed: int, epoch: int, count: int) -> list[int]:
    generator = torch.Generator().manual_seed(number(seed, "order", epoch))
    return torch.randperm(count, generator=generator).tolist()


def batch(seed: int, step: int, size: int, count: int) -> list[Item]:
    """The images of a step, counted from 0, out of ``count``."""
    items = []
    for position in range(step * size, (step + 1) * size):
        epoch, place = divmod(position, count)
        items.append((_order(seed, epoch, count)[place], epoch))
    return items


def noise(seed: int, step: int, shape: Sequence[int]) -> Tensor:
    """ε of a step's whole batch, (batch, C, h, w), from N(0, I)."""
    generator = torch.Generator().manual_seed(number(seed, "noise", step))
    return torch.randn(tuple(shape), generator=generator)


def share(size: int, parts: int, part: int, processes: int, process: int):
    """The slice of a batch that one process takes in one of its parts."""
    each = size // (parts * processes)
    start = (part * processes + process) * each
    return slice(start, start + each)


class _Items(Dataset):
    def __init__(self, crops: Crops):
        self.crops = crops

    def __getitem__(self, item: Item) -> Tensor:
        return self.crops.crop(*item)


def loader(
    crops: Crops,
    seed: int,
    size: int,
    steps: range,
    *,
    parts: int = 1,
    processes: int = 1,
    process: int = 0,
    workers: int = 0,
) -> Iterator[Tensor]:
    """The shares of one process, part by part, step after step."""
    wanted = (
        batch(seed, step, size, len(crops))[
            share(size, parts, part, processes, process)
        ]
        for step in steps
        for part in range(parts)
    )
    return iter(
        DataLoader(
            _Items(crops),
            batch_sampler=_Once(wanted, len(steps) * parts),
            num_workers=workers,
            collate_fn=torch.stack,
            pin_memory=torch.cuda.is_available(),
        )
    )


class _Once:
    """An iterable of known length for a DataLoader."""

    def __init__(self, items: Iterator, length: int):
        self.items, self.length = items, length

    def __iter__(self) -> Iterator:
        return self.items

    def __len__(self) -> int:
        return self.length
