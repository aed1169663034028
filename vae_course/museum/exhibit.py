"""An exhibit: one plausible piece of code, one fault, and what exposes it.

Each exhibit holds two pieces that differ by the fault alone, and one
instrument: a function that takes either piece and gives a number. Whoever
looks at the number need not read the code.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import Any

import torch
from torch import nn

from vae_course.museum.vae import AssembledVAE
from vae_course.show.source import Source, show_source

FAMILIES = (
    "sampling",
    "loss",
    "network",
    "judging",
    "training",
    "diffusion",
)
VERSIONS = ("broken", "mended")


@dataclass(frozen=True)
class Exhibit:
    """One fault: what it looks like, what measures it, what it is.

    Args:
        name: short, for code: ``exhibit("one-sided-noise")``.
        title: what one notices, without the cause.
        sees: what its author sees, who thinks that all is well.
        instrument: what is measured, with its unit.
        healthy: the band in which the number of the right piece lies.
        wrong: the broken piece, a function or class.
        right: the piece without the fault.
        gauge: (piece, seed) → the instrument's number.
        fault: what is wrong, in a sentence.
        lesson: what to remember, in a line.
        derived_in: page and anchor where the right version is derived.
        slot: the part of an :class:`~vae_course.museum.vae.AssembledVAE` that
            the piece takes, if the fault can be seen from outside.
    """

    name: str
    title: str
    sees: str
    instrument: str
    healthy: tuple[float, float]
    wrong: Callable
    right: Callable
    gauge: Callable[[Any, int], float]
    fault: str
    lesson: str
    derived_in: str
    slot: str | None = None

    @property
    def family(self) -> str:
        """The room of the museum: one of ``FAMILIES``."""
        return inspect.unwrap(self.gauge).__module__.rpartition(".")[2]

    @property
    def visible(self) -> bool:
        """Whether a whole model with the fault can be looked at."""
        return self.slot is not None

    def piece(self, version: str) -> Callable:
        """The piece of a version, ``"broken"`` or ``"mended"``.

        Raises:
            ValueError: there is no such version.
        """
        if version not in VERSIONS:
            raise ValueError(
                f"version={version!r}: an exhibit is one of {VERSIONS}."
            )
        return self.wrong if version == "broken" else self.right

    def broken(self, **sizes) -> Any:
        """A model with the fault, untrained; or the broken piece."""
        return self._model("broken", sizes)

    def mended(self, **sizes) -> Any:
        """The same without the fault."""
        return self._model("mended", sizes)

    def measure(self, version: str, seed: int = 0) -> float:
        """The instrument's number for a version.

        The caller's random state is left as it was.
        """
        piece = self.piece(version)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return float(self.gauge(piece, seed))

    def is_healthy(self, number: float) -> bool:
        """Whether the number lies in the healthy band; NaN never does."""
        low, high = self.healthy
        return low <= number <= high

    def source(self, version: str) -> Source:
        """The code of a piece, as its author would show it.

        Under the right piece's name, because here the broken one says that it
        is broken. Of a layer it is the forward pass.
        """
        piece = self.piece(version)
        if inspect.isclass(piece) and issubclass(piece, nn.Module):
            piece = piece.forward
        shown = show_source(piece)
        names = self.wrong.__name__, self.right.__name__
        code = shown.code.replace(*names)
        return Source(code, shown.origin)

    def _model(self, version: str, sizes: dict) -> Any:
        piece = self.piece(version)
        if self.slot is None:
            if sizes:
                raise ValueError(
                    f"{self.name} is a piece without a model, so it takes no "
                    f"sizes, got {sorted(sizes)}."
                )
            return piece
        return AssembledVAE(**{self.slot: piece}, **sizes)


@lru_cache(maxsize=1)
def exhibits() -> tuple[Exhibit, ...]:
    """All exhibits, family by family."""
    rooms = (import_module(f"vae_course.museum.{room}") for room in FAMILIES)
    return tuple(each for room in rooms for each in room.EXHIBITS)


def exhibit(name: str) -> Exhibit:
    """The exhibit of this name.

    Raises:
        LookupError: there is none; lists those there are.
    """
    found = {each.name: each for each in exhibits()}
    if name not in found:
        raise LookupError(
            f"There is no exhibit {name!r}. There are: {', '.join(found)}."
        )
    return found[name]


def families() -> dict[str, tuple[Exhibit, ...]]:
    """The exhibits by their family, in order."""
    return {
        family: tuple(e for e in exhibits() if e.family == family)
        for family in FAMILIES
    }
