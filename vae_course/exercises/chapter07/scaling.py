"""Exercise 7.5: scaling latents without touching them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from vae_course.exercises.exercise import Exercise, Mistake, trials_against


def scaled(z, scale, shift):
    """Latents as a diffusion model wants them.

    Args:
        z: latents as the encoder gives them, (B, C, h, w).
        scale: of the model, such as 0.3611 for Flux.
        shift: of the model, such as 0.1159 for Flux; 0 for SD1 and SDXL.

    Returns:
        The latents, shifted first and then scaled, (B, C, h, w).
    """
    return (z - shift) * scale


def _inputs() -> Iterator[dict[str, Any]]:
    yield {
        "z": torch.tensor([2.0, -1.0]).view(1, 2, 1, 1),
        "scale": 0.5,
        "shift": 1.0,
    }
    for scale, shift, dtype in (
        (0.3611, 0.1159, torch.float32),
        (1.5305, 0.0609, torch.float32),
        (0.18215, 0.0, torch.float64),
    ):
        z = 4 * torch.randn(2, 4, 3, 3, dtype=dtype)
        z[0, :, 0, 0] *= 30  # an outlier is scaled like the rest
        yield {"z": z, "scale": scale, "shift": shift}


def _in_place(z: Tensor, scale: float, shift: float) -> Tensor:
    with torch.no_grad():
        z -= shift
        z *= scale
    return z


SCALING = Exercise(
    number="7.5",
    title="Scale, and leave the latent alone",
    prompt="""\
Between autoencoder and diffusion model stand two numbers: a shift, which is
subtracted, and then a scale, which is multiplied. Write that step. Whoever
holds the latent `z` must find it unchanged afterwards.""",
    solution=scaled,
    why="""\
First the shift, then the scale; the way back is z / scale + shift. A new
tensor is returned: with `z *= scale` the latent of the caller changes, too,
and whoever scales it a second time, or decodes it without asking, gets a wrong
picture and no error.""",
    proved="your latents are scaled as SD1, SD3 and Flux scale theirs, and "
    "the caller's are as they were.",
    hints=(
        "Which comes first? The shift is the mean of the latents, in the "
        "encoder's own units.",
        "Subtract, then multiply; `-` and `*` make new tensors, `-=` and "
        "`*=` do not.",
        "Try yours on one number: with a shift of 0.1159, a latent of exactly "
        "0.1159 must become 0, whatever the scale. And afterwards `z` must be "
        "as it was.",
    ),
    trials=lambda: trials_against(
        lambda z, scale, shift: scale * z - scale * shift, _inputs()
    ),
    mistakes=(
        Mistake(
            "in place",
            _in_place,
            "Your code writes into the caller's latent.",
            "`z *= scale` is short and saves memory.",
        ),
        Mistake(
            "the shift is scaled twice",
            lambda z, scale, shift: (z - shift * scale) * scale,
            "You scaled the shift before subtracting it, and once more with "
            "the rest. It is in the units of the unscaled latent.",
            "scale belongs to everything, it seems.",
            also=(lambda z, scale, shift: z - shift * scale,),
        ),
        Mistake(
            "the scale is forgotten",
            lambda z, scale, shift: z - shift,
            "The shift is subtracted, and the scale left out.",
            "one of two numbers is quickly forgotten.",
        ),
        Mistake(
            "subtracted the wrong way round",
            lambda z, scale, shift: (shift - z) * scale,
            "You subtracted the latent from the shift: your latents have the "
            "wrong sign.",
            "“subtract the shift” names the shift alone.",
        ),
        Mistake(
            "statistics of the batch",
            lambda z, scale, shift: (z - z.mean()) / z.std(),
            "You standardised by mean and spread of this batch. The two "
            "numbers are the model's, the same for every batch.",
            "they were found so, once, before the model was trained.",
        ),
        Mistake(
            "scale first",
            lambda z, scale, shift: z * scale - shift,
            "You scale first and subtract afterwards; the shift is in the "
            "units of the unscaled latent.",
            "the config names the scale before the shift.",
        ),
        Mistake(
            "the shift added",
            lambda z, scale, shift: (z + shift) * scale,
            "The shift is added; on the way to the diffusion model it is "
            "subtracted.",
            "on the way back it is added.",
        ),
        Mistake(
            "the way back",
            lambda z, scale, shift: z / scale + shift,
            "This is the way back, from the diffusion model to the decoder.",
            "both lines stand in the same file.",
        ),
        Mistake(
            "divided",
            lambda z, scale, shift: (z - shift) / scale,
            "You divide by the scale; it is one over the standard deviation "
            "already.",
            "normalising usually divides.",
        ),
        Mistake(
            "no shift",
            lambda z, scale, shift: z * scale,
            "The shift is left out.",
            "Stable Diffusion 1 has none.",
        ),
    ),
    alternatives=(
        lambda z, scale, shift: z.sub(shift).mul(scale),
        lambda z, scale, shift: torch.stack(
            [(each - shift) * scale for each in z]
        ),
        lambda z, scale, shift: z.clone().sub_(shift).mul_(scale),
    ),
)
