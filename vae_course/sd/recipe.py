"""Every choice of a training run in one place, with its unit.

A :class:`Recipe` is plain data: it can be written to a file, read back, and
compared. :data:`RECIPES` holds two, one that a laptop trains in minutes and
that of Stable Diffusion v1 (Rombach et al. 2022, https://arxiv.org/abs/
2112.10752, appendix G, and its public configuration).

The loss of an image is a sum of terms in nats, each summed over the image:

    Σ|x − x̂| + perceptual · values · distance + β · rate + adversarial term
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from vae_course.sd.autoencoder import PRESETS
from vae_course.sd.critics import NORMS, PatchGAN

PRECISIONS = ("no", "bf16", "fp16")
SCHEDULES = ("constant", "cosine")
PARTS = ("all", "decoder")
DISTANCES = ("efficientnet", "lpips")
# What may differ between a run and the one that goes on with it.
FREE = ("steps", "every", "keep", "log_every", "workers")


class RecipeError(ValueError):
    """A recipe that makes no sense; says what to change."""


@dataclass(frozen=True)
class Recipe:
    """How an autoencoder of the Stable Diffusion family is trained.

    Raises:
        RecipeError: values that make no sense, alone or together.
    """

    preset: str = "small"  # of the model, one of sd.PRESETS
    size: int = 64  # side of a training crop, in pixels
    shorter: int | None = None  # length of a photograph's shorter side
    held_out: float = 0.1  # share of the photographs
    flip: bool = True
    # Images a step, over all devices and parts: the same run, however many
    # there are of either.
    batch: int = 16
    accumulate: int = 1  # parts that a step's images are taken in, one by one
    steps: int = 2000
    # The terms.
    # Per value of an image, as in the paper: there LPIPS with weight 1. The
    # course's own distance is about ten times as large.
    perceptual: float = 0.1
    distance: str = "efficientnet"  # or "lpips", whose weights must be had
    beta: float = 1e-6  # weight of one nat of the rate
    # Divide the error by a learned scale b, and pay log(2b) a value for it: a
    # Laplace likelihood, with which β = 1 is the ELBO if no other term is on.
    learned_scale: bool = False
    adversarial: float = 0.5  # relative to the other terms: see ``adaptive``
    critic_start: int = 1000  # the step at which the critic sets in
    critic_width: int = 32
    critic_layers: int = 3
    critic_norm: str = "group"
    # Weigh the critic by the ratio of gradients at the decoder's last layer.
    adaptive: bool = True
    # How the weights move.
    lr: float = 1e-3
    lr_per_image: bool = False  # multiply lr by the batch
    schedule: str = "constant"
    warm_up: int = 0  # steps in which lr rises from 0
    adam_betas: tuple[float, float] = (0.5, 0.9)
    clip: float | None = None  # largest norm of the gradient, if any
    ema: float = 0.999  # share of the average that a step keeps; 0 turns off
    precision: str = "no"  # of activations; weights stay in single precision
    # Where it begins, and what it may change.
    init: str | None = None  # weights to begin from, as checkpoints.load takes
    train: str = (
        "all"  # or the decoder alone, so that latents stay as they are
    )
    seed: int = 0
    # What is written.
    every: int = 500  # steps between two validations, each with a checkpoint
    keep: int = 3  # checkpoints kept, beside the best
    log_every: int = 10  # steps between two lines of metrics
    workers: int = 0  # processes that read images, where memory is too small

    def __post_init__(self):
        object.__setattr__(self, "adam_betas", tuple(self.adam_betas))
        for name, choices in (
            ("preset", tuple(PRESETS)),
            ("critic_norm", NORMS),
            ("schedule", SCHEDULES),
            ("precision", PRECISIONS),
            ("train", PARTS),
            ("distance", DISTANCES),
        ):
            if getattr(self, name) not in choices:
                raise RecipeError(
                    f"{name}={getattr(self, name)!r}: choose one of {choices}."
                )
        for name in ("size", "batch", "accumulate", "steps", "every", "keep"):
            self._check(name, whole=True, least=1)
        self._check("log_every", whole=True, least=1)
        for name in ("flip", "learned_scale", "adaptive", "lr_per_image"):
            if type(getattr(self, name)) is not bool:
                raise RecipeError(f"{name}={getattr(self, name)!r}: a bool.")
        for name in ("critic_start", "warm_up", "workers", "seed"):
            self._check(name, whole=True, least=0)
        for name in ("perceptual", "beta", "adversarial", "ema"):
            self._check(name, least=0)
        if not (self._number(self.lr) and self.lr > 0):
            raise RecipeError(f"lr={self.lr!r} is not a positive number.")
        if self.clip is not None and not (
            self._number(self.clip) and self.clip > 0
        ):
            raise RecipeError(f"clip={self.clip!r}: a positive number.")
        if not self.ema < 1:
            raise RecipeError(f"ema={self.ema}: it lies in [0, 1).")
        if not 0 < self.held_out < 1:
            raise RecipeError(f"held_out={self.held_out}: between 0 and 1.")
        if len(self.adam_betas) != 2 or not all(
            self._number(b) and 0 <= b < 1 for b in self.adam_betas
        ):
            raise RecipeError(f"adam_betas={self.adam_betas}: two in [0, 1).")
        factor = PRESETS[self.preset].factor
        if self.size % factor:
            near = max(factor, factor * round(self.size / factor))
            raise RecipeError(
                f"size={self.size}: the model {self.preset!r} shrinks images "
                f"{factor} times, so a crop's side is a multiple of that, "
                f"such as {near}."
            )
        if self.shorter is not None and (
            type(self.shorter) is not int or self.shorter < self.size
        ):
            raise RecipeError(
                f"shorter={self.shorter!r} must not be less than the crop, "
                f"{self.size}."
            )
        if self.batch % self.accumulate:
            raise RecipeError(
                f"batch={self.batch} cannot be taken in {self.accumulate} "
                "equal parts."
            )
        if self.has_critic:
            try:
                critic = PatchGAN(
                    self.critic_width, self.critic_layers, self.critic_norm
                )
            except (ValueError, TypeError) as error:
                raise RecipeError(f"The critic: {error}") from error
            if self.size < critic.smallest:
                raise RecipeError(
                    f"size={self.size}: a critic of {self.critic_layers} "
                    f"layers needs crops of {critic.smallest} pixels."
                )

    @staticmethod
    def _number(value) -> bool:
        return type(value) in (int, float) and math.isfinite(value)

    def _check(self, name: str, least: float, whole: bool = False) -> None:
        value = getattr(self, name)
        if whole and type(value) is not int:
            raise RecipeError(f"{name}={value!r} is not a whole number.")
        if not self._number(value) or value < least:
            raise RecipeError(f"{name}={value!r}: at least {least}.")

    @property
    def values(self) -> int:
        """How many numbers a crop has: 3 · size²."""
        return 3 * self.size**2

    @property
    def has_critic(self) -> bool:
        """Whether the critic ever sets in."""
        return self.adversarial > 0 and self.critic_start < self.steps

    @property
    def peak_lr(self) -> float:
        """The learning rate between warm-up and decay."""
        return self.lr * (self.batch if self.lr_per_image else 1)

    def lr_at(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        rate = self.peak_lr
        if step < self.warm_up:
            return rate * (step + 1) / self.warm_up
        if self.schedule == "cosine":
            length = max(1, self.steps - self.warm_up)
            done = (step - self.warm_up) / length
            rate *= 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
        return rate

    def describe(self, processes: int = 1) -> str:
        """What was decided, the units first."""
        config = PRESETS[self.preset]
        side = self.size // config.factor
        beta = f"your KL weight is β = {self.beta:g} per nat"
        if self.learned_scale:
            beta += ", beside errors divided by a learned scale b"
        else:
            beta += ", beside absolute errors whose scale is fixed at b = 1"
        lines = [
            "Losses are in nats per image: sums over its "
            f"{self.values:,} values and {config.latent_channels * side**2:,} "
            "latent numbers.",
            f"  rate         {beta}",
            f"  perceptual   {self.perceptual * self.values:,.10g} nats for a "
            "distance of 1"
            + (f" ({self.perceptual:g} a value)" if self.perceptual else ""),
        ]
        if self.has_critic:
            how = (
                f"{self.adversarial:g} of the other terms' gradient at the "
                "decoder's last layer"
                if self.adaptive
                else f"{self.adversarial:g} nats for a score of 1"
            )
            lines.append(
                f"  adversarial  {how}, from step {self.critic_start:,} on"
            )
            if processes > 1 and self.critic_norm == "batch":
                lines.append(
                    "               its batch norms see the images of all "
                    "devices (SyncBatchNorm)"
                )
        else:
            lines.append("  adversarial  none")
        each = self.batch // (self.accumulate * processes)
        rate = f"learning rate {self.peak_lr:g}"
        if self.lr_per_image:
            rate += f" = {self.lr:g} × batch {self.batch}"
        if self.warm_up:
            rate += f", after {self.warm_up:,} steps of warm-up"
        lines += [
            f"{processes} process{'es' * (processes > 1)} × "
            f"{self.accumulate} part{'s' * (self.accumulate > 1)} × {each} "
            f"images = {self.batch} images a step, {self.steps:,} steps",
            f"{rate}, {self.schedule}; precision "
            f"{'single' if self.precision == 'no' else self.precision}; "
            f"EMA {self.ema:g}; seed {self.seed}",
        ]
        if self.train == "decoder":
            lines.append("The encoder is frozen: latents stay as they are.")
        return "\n".join(lines)

    def save(self, path: str | os.PathLike) -> None:
        """Writes the recipe as JSON, for ``--config``."""
        text = json.dumps(asdict(self), indent=2)
        Path(path).write_text(text + "\n", encoding="utf-8")

    def differences(self, other: Recipe) -> list[str]:
        """Where two recipes are not of one run; ``FREE`` may differ."""
        ours, theirs = asdict(self), asdict(other)
        return [
            f"{name}: {ours[name]!r}, and {theirs[name]!r} in the run"
            for name in ours
            if name not in FREE and ours[name] != theirs[name]
        ]


RECIPES = {
    # Patches of photographs on a CPU.
    "small": Recipe(),
    # As CompVis trained it on OpenImages, but for two things that would differ
    # between machines: the distance is the course's, the critic's norm group.
    "sd1": Recipe(
        preset="sd1",
        size=256,
        shorter=256,
        batch=12,
        steps=400_000,
        critic_start=50_001,
        critic_width=64,
        lr=4.5e-6,
        lr_per_image=True,
        every=5_000,
        log_every=50,
        workers=8,
    ),
}


def from_dict(values: dict, where: str = "the recipe") -> Recipe:
    """A recipe from plain values; ``"recipe"`` names the one to begin from.

    Raises:
        RecipeError: an unknown name, or values that make no sense.
    """
    if not isinstance(values, dict):
        raise RecipeError(f"{where} holds no table of settings.")
    values = dict(values)
    base = values.pop("recipe", "small")
    if base not in RECIPES:
        raise RecipeError(f"No recipe {base!r}; choose one of {[*RECIPES]}.")
    names = [f.name for f in fields(Recipe)]
    unknown = [name for name in values if name not in names]
    if unknown:
        raise RecipeError(
            f"{where}: there is no setting {unknown[0]!r}; there are "
            f"{', '.join(names)}."
        )
    try:
        return replace(RECIPES[base], **values)
    except TypeError as error:
        raise RecipeError(f"{where}: {error}") from error


def read(path: str | os.PathLike) -> dict:
    """The settings in a JSON file.

    Raises:
        RecipeError: it is missing or damaged.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecipeError(f"{path} cannot be read ({error}).") from error
