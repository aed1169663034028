"""What is examined to score the instruments, and what is true of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from torch import Tensor

from vae_course.data import Digits, mnist, photo_patches
from vae_course.diagnosis import Report, diagnose


@dataclass(frozen=True)
class Patient:
    """A model on the examiner's table.

    Args:
        model: whatever ``diagnose`` takes.
        images: held out.
        said: what else its author says: ``beta``, ``objective``, …
    """

    model: Any
    images: Any
    said: dict[str, Any] = field(default_factory=dict)

    def examined(self, seed: int) -> Report:
        """The report of all instruments."""
        return diagnose(self.model, self.images, seed=seed, **self.said)


@dataclass(frozen=True)
class Case:
    """Something to examine, for any seed.

    Args:
        name: in the table.
        make: seed → patient.
        expected: the instruments that name the fault; empty if it is healthy.
        chapter: whose model it is.
    """

    name: str
    make: Callable[[int], Patient]
    expected: frozenset[str] = frozenset()
    chapter: int = 0


def healthy(name: str, chapter: int, make: Callable[[int], Patient]) -> Case:
    """A case without a fault."""
    return Case(name, make, chapter=chapter)


@lru_cache
def digits() -> Digits:
    """MNIST, or the small digits where it is out of reach."""
    return mnist()


@lru_cache
def binary() -> tuple[Tensor, Tensor]:
    """Binarized digits: (training images, held-out images)."""
    found = digits()
    return (
        found.train.binarized(0)[:12_000],
        found.test.binarized(0)[:512],
    )


@lru_cache
def grey() -> tuple[Tensor, Tensor]:
    """Grey digits, likewise."""
    return digits().train[:12_000], digits().test[:512]


@lru_cache
def patches() -> tuple[Tensor, Tensor]:
    """Patches of two photographs or more, 32×32, in [−1, 1], likewise."""
    found = photo_patches(32, train=1000, test=100)
    return 2 * found.train[:] - 1, 2 * found.test[:48] - 1
