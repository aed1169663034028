"""Exercise 2.6: from one image to another."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import Tensor

from vae_course.exercises.chapter02.reconstruction import (
    images_of,
    reconstruct,
    small_vae,
    through,
)
from vae_course.exercises.exercise import Exercise, Mistake, Trial
from vae_course.mlp import MLPVAE


def interpolate(vae, a, b, steps):
    """Images on the straight way from the code of a to the code of b.

    Args:
        vae: a VAE.
        a: the first image, (1, C, H, W).
        b: the last image, (1, C, H, W).
        steps: how many images, both ends included; at least 2.

    Returns:
        Mean images at evenly spaced codes, from the reconstruction of a to
        that of b, (steps, C, H, W).
    """
    start, end = vae.encode(a).mean, vae.encode(b).mean  # (1, D) each
    weight = torch.linspace(0, 1, steps).unsqueeze(1)  # (steps, 1)
    return vae.decode((1 - weight) * start + weight * end).mean


def _interpolation_trials() -> Iterator[Trial]:
    for image_shape, latent, steps in (
        ((1, 1, 2), 1, 3),
        ((1, 4, 4), 2, 2),
        ((2, 5, 3), 4, 7),
        ((2, 5, 3), 4, 7),  # the same shape, and other images
    ):
        vae = small_vae(image_shape, latent)
        a, b = torch.rand(2, 1, *image_shape)
        start = through(vae.encoder, a)[:, :latent]
        end = through(vae.encoder, b)[:, :latent]
        codes = torch.cat(
            [start + (end - start) * i / (steps - 1) for i in range(steps)]
        )
        expected = (
            through(vae.decoder, codes).sigmoid().view(steps, *image_shape)
        )
        yield Trial(
            {"vae": vae, "a": a, "b": b, "steps": steps},
            {"the images": expected},
            images_of(
                "the images", lambda vae, a, b, steps: (steps, *a.shape[1:])
            ),
        )


def _along(vae: MLPVAE, a: Tensor, b: Tensor, weight: Tensor) -> Tensor:
    start, end = vae.encode(a).mean, vae.encode(b).mean
    return vae.decode(start + weight.view(-1, 1) * (end - start)).mean


def _fade(a: Tensor, b: Tensor, steps: int) -> Tensor:
    weight = torch.linspace(0, 1, steps).view(-1, 1, 1, 1)
    return (1 - weight) * a + weight * b


INTERPOLATE = Exercise(
    number="2.6",
    title="From one image to another",
    prompt="""\
Walk from the image `a` to the image `b` **through the latent space**: take the
mean codes of both, put `steps` evenly spaced points on the straight line
between them, both ends included, and decode each to its mean image.""",
    solution=interpolate,
    why="""\
Fading one image into the other in pixel space shows two ghosts; the line
between two codes passes through codes that the decoder knows how to read,
because the rate pulled all codes close together around the origin. `linspace`
includes both ends, and broadcasting turns (steps, 1) and (1, D) into (steps,
D).""",
    proved="your images start at the reconstruction of a, end at that of b, "
    "and come from evenly spaced codes between them.",
    hints=(
        "What is mixed: pixels or codes? And in which proportions, for the "
        "first image and for the last?",
        "`torch.linspace(0, 1, steps)` gives the proportions. Shaped (steps, "
        "1), it multiplies codes of shape (1, D).",
        "The two ends are `vae.encode(a).mean` and `vae.encode(b).mean`. Each "
        "code takes the share `weight` from the end and the rest from the "
        "start. All of them go through the decoder as one batch; the images "
        "are the means of its answer.",
    ),
    trials=_interpolation_trials,
    mistakes=(
        Mistake(
            "fading the pixels",
            lambda vae, a, b, steps: _fade(a, b, steps),
            "You mixed the pixels of the two images; the model had no part "
            "in it.",
            "it takes one line and gives a smooth film. In the middle of it "
            "stand two half-transparent digits.",
        ),
        Mistake(
            "fading the reconstructions",
            lambda vae, a, b, steps: _fade(
                reconstruct(vae, a), reconstruct(vae, b), steps
            ),
            "You mixed the pixels of the two reconstructions: decode after "
            "mixing, not before.",
            "for a linear decoder both orders give the same, and for this "
            "one they do not.",
        ),
        Mistake(
            "mixed before encoding",
            lambda vae, a, b, steps: reconstruct(vae, _fade(a, b, steps)),
            "You mixed the pixels and reconstructed the mixtures: encode "
            "before mixing, not after.",
            "the model does take part in it. But it is shown double "
            "exposures, which it has never seen.",
        ),
        Mistake(
            "the first image is missing",
            lambda vae, a, b, steps: _along(
                vae, a, b, torch.arange(1, steps + 1) / steps
            ),
            "Your first image is one step on its way already; it should be "
            "the reconstruction of a.",
            "counted from 1, i / steps does reach the end, and skips the "
            "beginning.",
        ),
        Mistake(
            "the last image is missing",
            lambda vae, a, b, steps: _along(
                vae, a, b, torch.arange(steps) / steps
            ),
            "You stop one step short of b.",
            "i / steps for i in range(steps) never reaches 1; i / (steps − "
            "1) does.",
        ),
        Mistake(
            "both ends are missing",
            lambda vae, a, b, steps: _along(
                vae, a, b, torch.arange(1, steps + 1) / (steps + 1)
            ),
            "Both ends are missing: your first image is already on its way, "
            "and your last has not arrived.",
            "the points between two things are easily taken for all of them.",
        ),
        Mistake(
            "the wrong way round",
            lambda vae, a, b, steps: _along(
                vae, a, b, torch.linspace(1, 0, steps)
            ),
            "You walk from b to a.",
            "weight · start + (1 − weight) · end begins at the end.",
        ),
        Mistake(
            "sampled ends",
            lambda vae, a, b, steps: (
                lambda start, end: (
                    vae.decode(
                        torch.lerp(
                            start, end, torch.linspace(0, 1, steps).view(-1, 1)
                        )
                    ).mean
                )
            )(vae.encode(a).sample(), vae.encode(b).sample()),
            "You sampled the codes of the two ends: the way changes from "
            "call to call.",
            "`sample()` gives a code just as `.mean` does, and training uses "
            "it.",
        ),
        Mistake(
            "random codes",
            lambda vae, a, b, steps: (
                vae.decode(vae.prior.sample((steps,))).mean
            ),
            "Your images have nothing to do with a and b: their codes were "
            "drawn from the prior.",
            "it is how new images are made.",
            also=(
                lambda vae, a, b, steps: (
                    vae.decode(torch.randn(steps, len(vae.origin))).mean
                ),
            ),
        ),
    ),
    alternatives=(
        lambda vae, a, b, steps: torch.cat(
            [
                vae.decode(
                    vae.encode(a).mean * (1 - i / (steps - 1))
                    + vae.encode(b).mean * (i / (steps - 1))
                ).mean
                for i in range(steps)
            ]
        ),
        lambda vae, a, b, steps: (
            lambda codes, weights: (
                vae.decode(torch.einsum("sk,kd->sd", weights, codes)).mean
            )
        )(
            vae.encode(torch.cat([a, b])).mean,
            torch.stack(
                [torch.linspace(1, 0, steps), torch.linspace(0, 1, steps)], 1
            ),
        ),
        lambda vae, a, b, steps: (
            (vae := copy.deepcopy(vae).double())
            .decode(
                torch.lerp(
                    vae.encode(a.double()).mean,
                    vae.encode(b.double()).mean,
                    torch.linspace(0, 1, steps, dtype=torch.float64).view(
                        -1, 1
                    ),
                )
            )
            .mean.float()
        ),
    ),
)
