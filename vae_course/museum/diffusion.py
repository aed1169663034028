"""Exhibits around the latent: what the second model is given, and gives."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor

from vae_course.diffusion.sampling import Predictor, guided
from vae_course.diffusion.schedule import stable_diffusion
from vae_course.museum.exhibit import Exhibit
from vae_course.sd.autoencoder import AutoencoderKL, Config


def decoded(vae, z):
    """The picture of a latent that a diffusion model made.

    Args:
        vae: an autoencoder with ``unscale`` and ``decode``.
        z: latents of about unit variance, (B, C, h, w).

    Returns:
        Images, (B, 3, H, W).
    """
    z = vae.unscale(z)
    return vae.decode(z).mean


def broken_decoded(vae, z):
    return vae.decode(z).mean


def broken_guided(
    model: Predictor, z_t: Tensor, t: Tensor, labels: Tensor, weight: float
) -> Tensor:
    if weight == 1:
        return model(z_t, t, labels)
    nothing = torch.full_like(labels, model.no_class)
    both = model(
        torch.cat([z_t, z_t]), torch.cat([t, t]), torch.cat([labels, nothing])
    )
    conditional, free = both.chunk(2)
    free[:, :3] += weight * (conditional - free)[:, :3]
    return torch.cat([free[:, :3], conditional[:, 3:]], dim=1)


def noised(z, noise, abar):
    """The latent at some step of the road to noise.

    Args:
        z: clean latents of unit variance, (B, C, h, w).
        noise: from N(0, I), the shape of z.
        abar: ᾱ, the share of the variance that is signal at that step, a
            number from 0 to 1.

    Returns:
        z and noise, mixed so that the variance stays 1, the shape of z.
    """
    return abar**0.5 * z + (1 - abar) ** 0.5 * noise


def broken_noised(z, noise, abar):
    return abar * z + (1 - abar) ** 0.5 * noise


def config():
    """An autoencoder for patches of 32×32 pixels in three colours."""
    return Config(
        block_out_channels=(16, 32, 32),
        latent_channels=4,
        norm_num_groups=8,
    )


def broken_config():
    return Config(
        block_out_channels=(16, 32, 32),
        latent_channels=64,
        norm_num_groups=8,
    )


def lesson_of(z, a, s):
    """What a denoiser is shown, and what it should say.

    Args:
        z: clean latents, (B, C, h, w).
        a: the factor of the latent at some step.
        s: the factor of the noise.

    Returns:
        The noised latent, and the noise in it.
    """
    noise = torch.randn_like(z)
    z_t = a * z + s * noise
    return z_t, noise


def broken_lesson_of(z, a, s):
    noise = torch.randn_like(z)
    z_t = a * z + s * torch.randn_like(z)
    return z_t, noise


@lru_cache(maxsize=1)
def _small_autoencoder() -> AutoencoderKL:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return AutoencoderKL(
            Config(
                block_out_channels=(8, 8),
                layers_per_block=1,
                norm_num_groups=4,
            )
        )


@torch.no_grad()
def road(decoded: Callable, seed: int) -> float:
    """How far a picture is from the plain copy, after a scale and back.

    Relative to the copy's norm.
    """
    vae = _small_autoencoder()
    z = vae.encode(torch.rand(2, 3, 16, 16) * 2 - 1).mean / 0.05
    plain = vae.decode(z).mean
    picture = decoded(vae, vae.scale(z))
    return ((picture - plain).norm() / plain.norm()).item()


def deafest(guided: Callable, seed: int) -> float:
    """How much the guidance's weight moves the channel it moves least."""

    def model(z, t, labels):
        return z + labels.view(-1, 1, 1, 1)

    model.no_class = 0
    z, t = torch.randn(2, 4, 4, 4), torch.full((2,), 0.5)
    labels = torch.ones(2, dtype=torch.long)
    moved = guided(model, z, t, labels, 3.0) - guided(model, z, t, labels, 2.0)
    return moved.abs().mean(dim=(0, 2, 3)).min().item()


def least_variance(noised: Callable, seed: int) -> float:
    """The variance of noised latents where it is least on the road."""
    schedule = stable_diffusion()
    z, noise = torch.randn(2, 500, 4, 4, 4)
    shares = schedule.abar[50::50].tolist()
    return min(noised(z, noise, abar).var().item() for abar in shares)


def size(config: Callable, seed: int) -> float:
    """Numbers in a code over numbers in its picture of 32×32."""
    c = config()
    side = 32 // c.factor
    return c.latent_channels * side**2 / (c.in_channels * 32**2)


def best_guess(lesson_of: Callable, seed: int) -> float:
    """The least squared error of a multiple of z_t, per number.

    Whoever says nothing pays 1, the variance of the noise.
    """
    half = math.sqrt(0.5)
    z_t, wanted = lesson_of(torch.randn(2000, 4, 2, 2), half, half)
    slope = (z_t * wanted).mean() / z_t.square().mean()
    return (wanted - slope * z_t).square().mean().item()


CHAPTER = "notebooks/09_latent_diffusion.html"

EXHIBITS = (
    Exhibit(
        name="one-way-scale",
        title="Pale pictures",
        sees="The diffusion model trains well, its loss is that of the paper. "
        "All its pictures are flat and grey.",
        instrument="distance from the plain copy after scaling and decoding, "
        "relative to it",
        healthy=(0.0, 1e-4),
        wrong=broken_decoded,
        right=decoded,
        gauge=road,
        fault="Latents are scaled on the way in and not unscaled on the way "
        "out: the decoder gets them 5.5 times too small.",
        lesson="A pair of functions that undo each other is tested as a pair.",
        derived_in=f"{CHAPTER}#exercise-9-5-the-scale-on-both-sides",
    ),
    Exhibit(
        name="deaf-channel",
        title="Colours that drift",
        sees="Guidance works: pictures follow the class more closely. At "
        "large weights colours drift.",
        instrument="change per unit of guidance, in the channel that moves "
        "least",
        healthy=(0.5, math.inf),
        wrong=broken_guided,
        right=guided,
        gauge=deafest,
        fault="Only the first three channels are guided, as if they were "
        "red, green and blue. A latent has four, and none is a colour.",
        lesson="Measure the effect of a knob in every channel: a mean hides "
        "the one that does not move.",
        derived_in=f"{CHAPTER}#guidance",
    ),
    Exhibit(
        name="root-forgotten",
        title="Easier than in the paper",
        sees="The denoiser trains, to a lower loss than in the paper, with "
        "the same network and schedule.",
        instrument="least variance of noised latents that began with 1",
        healthy=(0.97, 1.03),
        wrong=broken_noised,
        right=noised,
        gauge=least_variance,
        fault="The latent is multiplied by ᾱ and not by √ᾱ: the two squared "
        "factors no longer add up to 1.",
        lesson="A road that preserves the variance is checked by a variance.",
        derived_in=f"{CHAPTER}#the-way-to-noise",
    ),
    Exhibit(
        name="larger-than-life",
        title="Perfect copies",
        sees="Reconstructions are better than those of Stable Diffusion, "
        "after an hour on one device.",
        instrument="numbers in a code over numbers in its picture",
        healthy=(0.0, 0.5),
        wrong=broken_config,
        right=config,
        gauge=size,
        fault="The code has more numbers than the picture: 64 channels at a "
        "quarter of the side. It need not learn anything to copy.",
        lesson="Before you admire a copy, count what it was made from.",
        derived_in="notebooks/01_autoencoders.html#the-bottleneck",
    ),
    Exhibit(
        name="nothing-to-learn",
        title="A plateau at 1.0",
        sees="The loss falls quickly from 1.3 to 1.0 and then very slowly, "
        "so one trains longer, with a larger network.",
        instrument="squared error of the best multiple of z_t, per number",
        healthy=(0.0, 0.9),
        wrong=broken_lesson_of,
        right=lesson_of,
        gauge=best_guess,
        fault="Noise is drawn twice: once to mix in, once to ask for. What is "
        "asked for is not in the latent; the best answer is 0, and costs 1.",
        lesson="Know what an answer costs that has learned nothing; a "
        "plateau there is no plateau of the network.",
        derived_in=f"{CHAPTER}#one-loss",
    ),
)
