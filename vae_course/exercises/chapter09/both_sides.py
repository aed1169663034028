"""Exercise 9.5: the scale, on both sides of the diffusion model."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch import distributions as D

from vae_course.exercises.engine.results import a_tensor
from vae_course.exercises.exercise import Exercise, Mistake, Trial


def diffusion_input(vae, x, scale, abar, noise):
    """What the denoiser is shown for images x.

    Args:
        vae: has encode(x), a distribution over latents, and decode(z), a
            distribution over images; take the mean of either.
        x: images, (B, 1, 4, 4).
        scale: one over the standard deviation of the latents.
        abar: ᾱ at the step in question, a number.
        noise: draws from N(0, 1), (B, C, 2, 2).

    Returns:
        The noised latents, (B, C, 2, 2).
    """
    z = scale * vae.encode(x).mean
    return abar**0.5 * z + (1 - abar) ** 0.5 * noise


def picture(vae, z, scale):
    """The images, (B, 1, 4, 4), of latents that a sampler has drawn."""
    return vae.decode(z / scale).mean


class _VAE(nn.Module):
    """A convolution there and one back, and no noise to speak of."""

    def __init__(self, channels: int):
        super().__init__()
        self.there = nn.Conv2d(1, channels, 2, stride=2)
        self.back = nn.ConvTranspose2d(channels, 1, 2, stride=2)

    def encode(self, x: Tensor) -> D.Normal:
        return D.Normal(5 * self.there(x), 0.01, validate_args=False)

    def decode(self, z: Tensor) -> D.Normal:
        return D.Normal(self.back(z), 1.0, validate_args=False)


def _on_both_sides(there, back, vae, x, scale, abar, noise, z):
    found = {
        "what the denoiser is shown": there(vae, x, scale, abar, noise),
        "the picture of a drawn latent": back(vae, z, scale),
    }
    shapes = (noise.shape, x.shape)
    return {
        what: a_tensor(result, shape, x, what)
        for (what, result), shape in zip(found.items(), shapes, strict=True)
    }


def _trials() -> Iterator[Trial]:
    for batch, channels, scale, abar in (
        (1, 4, 0.25, 0.64),
        (3, 4, 0.18215, 0.3),
        (2, 4, 0.5, 0.9),
    ):
        vae = _VAE(channels)
        x = torch.randn(batch, 1, 4, 4)
        z, noise = torch.randn(2, batch, channels, 2, 2)
        with torch.no_grad():
            clean = vae.encode(x).mean.mul(scale)
            shown = torch.lerp(
                torch.zeros_like(clean), clean, abar**0.5
            ) + noise.mul((1 - abar) ** 0.5)
            seen = vae.back(z.div(scale))
        yield Trial(
            {
                "vae": vae,
                "x": x,
                "scale": scale,
                "abar": abar,
                "noise": noise,
                "z": z,
            },
            {
                "what the denoiser is shown": shown,
                "the picture of a drawn latent": seen,
            },
            measure=_on_both_sides,
            shown=f"{batch} images, scale {scale}",
        )


def _unscaled_in(vae, x, scale, abar, noise):
    return diffusion_input(vae, x, 1.0, abar, noise)


def _unscaled_out(vae, z, scale):
    return vae.decode(z).mean


def _late(vae, x, scale, abar, noise):
    return scale * _unscaled_in(vae, x, scale, abar, noise)


def _in_pixels(vae, x, scale, abar, noise):
    drawn = noise.flatten(1).view_as(x)  # 4·2·2 numbers are 4·4
    return scale * vae.encode(abar**0.5 * x + (1 - abar) ** 0.5 * drawn).mean


BOTH_SIDES = Exercise(
    number="9.5",
    title="The scale on both sides",
    prompt="""\
Two functions stand between autoencoder and diffusion model. Write both: from
images to what the denoiser is shown in training, and from a drawn latent to
its picture.""",
    solution=(diffusion_input, picture),
    why="""\
Encode, scale, *then* noise: the schedule counts on a signal of unit variance,
and the noise belongs to the latent, never to the picture. On the way out the
scale is taken back before the decoder. Text-to-image needs the second function
alone: what it starts from is noise, and no image was ever encoded.""",
    proved="what goes in is scaled once, noised as a latent, and what comes "
    "out is unscaled once.",
    hints=(
        "Through which doors does a latent pass, and in which units is it on "
        "either side?",
        "The scale is one over a standard deviation, so multiplying makes the "
        "spread 1. The noise comes after that.",
        "In: encode, times the scale, then the two roots as in exercise 9.1. "
        "Out: over the scale, then decode.",
    ),
    trials=_trials,
    mistakes=(
        Mistake(
            "scale forgotten on the way in",
            (_unscaled_in, picture),
            "The latents go in unscaled: the signal is larger than the "
            "schedule thinks, and what it calls nearly all noise is not.",
            "training runs, and the loss is even lower.",
        ),
        Mistake(
            "scale forgotten on the way out",
            (diffusion_input, _unscaled_out),
            "Drawn latents reach the decoder still scaled; it has never seen "
            "any so small.",
            "the picture comes out all the same, pale.",
        ),
        Mistake(
            "scale forgotten on both sides",
            (_unscaled_in, _unscaled_out),
            "The scale is nowhere. What goes in comes out in the same units, "
            "so nothing looks wrong; but the schedule's signal-to-noise is "
            "off by the square of the spread.",
            "two mistakes that undo each other are hard to see.",
        ),
        Mistake(
            "scaled twice",
            (
                lambda vae, x, scale, abar, noise: diffusion_input(
                    vae, x, scale**2, abar, noise
                ),
                picture,
            ),
            "The latents are scaled twice on the way in.",
            "the data set has stored them scaled, or so one thinks.",
            also=(
                (
                    lambda vae, x, scale, abar, noise: diffusion_input(
                        vae, x, scale**2, abar, noise
                    ),
                    lambda vae, z, scale: vae.decode(z / scale**2).mean,
                ),
            ),
        ),
        Mistake(
            "multiplied on the way out",
            (
                diffusion_input,
                lambda vae, z, scale: vae.decode(z * scale).mean,
            ),
            "On the way out you multiply with the scale once more; it has to "
            "be divided by.",
            "the same line was right on the way in.",
        ),
        Mistake(
            "divided on the way in",
            (
                lambda vae, x, scale, abar, noise: diffusion_input(
                    vae, x, 1 / scale, abar, noise
                ),
                lambda vae, z, scale: vae.decode(z * scale).mean,
            ),
            "The two sides are exchanged: you divide where latents go in and "
            "multiply where they come out.",
            "normalising usually divides.",
            also=(
                (
                    lambda vae, x, scale, abar, noise: diffusion_input(
                        vae, x, 1 / scale, abar, noise
                    ),
                    picture,
                ),
            ),
        ),
        Mistake(
            "the noise is scaled, too",
            (_late, picture),
            "You noise first and scale afterwards, so the noise shrinks with "
            "the signal.",
            "the scale was added to the code last.",
        ),
        Mistake(
            "noise in pixel space",
            (_in_pixels, picture),
            "You noise the picture and encode what comes out. The noise "
            "belongs to the latent: the encoder has never seen noisy "
            "pictures, and what it makes of noise is no N(0, 1).",
            "diffusion models of pixels do just that.",
        ),
    ),
    alternatives=(
        (
            lambda vae, x, scale, abar, noise: (
                vae.encode(x).mean * (scale * abar**0.5)
                + noise * (1 - abar) ** 0.5
            ),
            lambda vae, z, scale: vae.decode(z * (1 / scale)).mean,
        ),
        (
            lambda vae, x, scale, abar, noise: torch.add(
                vae.encode(x).mean * scale * abar**0.5,
                noise,
                alpha=(1 - abar) ** 0.5,
            ),
            lambda vae, z, scale: vae.decode(torch.div(z, scale)).mean,
        ),
    ),
)
