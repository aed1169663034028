"""The size of a latent: in numbers, and in units of a diffusion model."""

from __future__ import annotations

import torch

from vae_course.diagnosis.bench import Bench
from vae_course.diagnosis.instruments.repeat import difference
from vae_course.diagnosis.reading import Reading


def scale(bench: Bench) -> list[Reading]:
    """How many numbers a code has, and the way there and back. Chapter 7.

    A code of more numbers than its image compresses nothing: the number is
    theirs over the image's, and healthy below 1. ``unscale(scale(z))`` is z
    again, to 1e-4 in units of z; a scale that is applied on one side alone
    shows here.
    """
    subject = bench.subject
    z, pixels = bench.codes, bench.x[0].numel()
    found = [
        Reading(
            "numbers in a code, over numbers in an image",
            z[0].numel() / pixels,
            high=1 - 1e-9,
            symptom="The code is as large as its image, or larger.",
            looks="Perfect reconstructions.",
            chapter=1,
        )
    ]
    if subject.scale is not None and subject.unscale is not None:
        with torch.no_grad():
            there = subject.scale(z.clone())
            back = subject.unscale(there.clone())
        found.append(
            Reading(
                "latents scaled and back: difference",
                difference(z, back),
                high=1e-4,
                symptom="scale and unscale do not undo each other: one of "
                "them is missing, or applied twice.",
                looks="Reconstructions are right, and what a diffusion model "
                "draws comes out pale or garish.",
                chapter=7,
            )
        )
        found.append(
            Reading("spread of scaled latents", there.std().item(), chapter=7)
        )
    return found
