"""Latent diffusion: which codes are pictures, learned by a second model."""

from vae_course.diffusion.denoiser import Denoiser, TimedBlock, waves
from vae_course.diffusion.latents import (
    DigitAutoencoder,
    Latents,
    encoded,
    keep_scale,
)
from vae_course.diffusion.objective import (
    PREDICTIONS,
    Denoising,
    Labelled,
    forward_process,
    recovered,
    target,
)
from vae_course.diffusion.sampling import guided, sample, step, times, travel
from vae_course.diffusion.schedule import Schedule

__all__ = [
    "PREDICTIONS",
    "Denoiser",
    "Denoising",
    "DigitAutoencoder",
    "Labelled",
    "Latents",
    "Schedule",
    "TimedBlock",
    "encoded",
    "forward_process",
    "guided",
    "keep_scale",
    "recovered",
    "sample",
    "step",
    "target",
    "times",
    "travel",
    "waves",
]
