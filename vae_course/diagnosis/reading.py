"""One number, the band it should lie in, and what it means if it does not."""

from __future__ import annotations

import math
from dataclasses import dataclass

ADDRESS = "https://vae-course.github.io/vae-course/"
CHAPTERS = {
    1: "notebooks/01_autoencoders.html",
    2: "notebooks/02_mlp_vae.html",
    3: "notebooks/03_reparameterization.html",
    4: "notebooks/04_elbo.html",
    5: "notebooks/05_rate_distortion.html",
    6: "notebooks/06_convolutional_vae.html",
    7: "notebooks/07_the_stable_diffusion_vae.html",
    8: "notebooks/08_training_it.html",
    9: "notebooks/09_latent_diffusion.html",
}


class NotAsked(Exception):
    """An instrument has nothing to measure here; the message says why."""


@dataclass(frozen=True)
class Reading:
    """What an instrument read off.

    Args:
        what: is measured, in a few words.
        value: the number.
        low: end of the healthy band.
        high: other end.
        symptom: said of a number outside the band; a sentence.
        looks: what its author sees meanwhile; a sentence.
        chapter: where the right version is derived.
        unit: of the number, empty for a ratio.
        instrument: who measured; filled in by the examination.
    """

    what: str
    value: float
    low: float = -math.inf
    high: float = math.inf
    symptom: str = ""
    looks: str = ""
    chapter: int = 2
    unit: str = ""
    instrument: str = ""

    @property
    def judged(self) -> bool:
        """Whether there is a band at all."""
        return math.isfinite(self.low) or math.isfinite(self.high)

    @property
    def healthy(self) -> bool:
        """Whether the number lies in its band; NaN never does."""
        return self.low <= self.value <= self.high

    @property
    def link(self) -> str:
        """The page where the right version is derived."""
        return ADDRESS + CHAPTERS.get(self.chapter, "")

    @property
    def band(self) -> str:
        """The healthy band in words."""
        if not self.judged:
            return "not judged"
        if math.isinf(self.low):
            return f"at most {short(self.high)}"
        if math.isinf(self.high):
            return f"at least {short(self.low)}"
        if self.low == self.high:
            return short(self.low)
        return f"{short(self.low)} to {short(self.high)}"

    @property
    def number(self) -> str:
        """The value with its unit."""
        return f"{short(self.value)} {self.unit}".strip()


def short(value: float) -> str:
    """A number in four digits, as a reader would write it."""
    return _digits(value).replace("-", "−")


def _digits(value: float) -> str:
    if value == int(value) if math.isfinite(value) else False:
        return f"{value:,.0f}" if abs(value) < 1e9 else f"{value:.1e}"
    return f"{value:,.4g}" if 1e-3 <= abs(value) < 1e6 else f"{value:.1e}"
