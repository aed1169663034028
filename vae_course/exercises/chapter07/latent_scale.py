"""Exercise 7.4: where 0.18215 comes from."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from vae_course.exercises.exercise import Exercise, Mistake, Trial


def latent_scale(z):
    """The one factor that gives latents unit variance.

    Args:
        z: latents drawn from q(z|x) for a batch of images, (B, C, h, w).

    Returns:
        1/std over all numbers of all latents; one number.
    """
    return 1 / z.std()


def _trials() -> Iterator[Trial]:
    for batch, channels, size, unit in (
        (2, 2, 16, 1.0),
        (8, 4, 12, 1.0),
        (1, 4, 20, 1e-3),
        (3, 16, 20, 200.0),
    ):
        # Channels of unlike mean and spread, as in a trained model; and
        # images and rows, so that none stands for all.
        spread = torch.linspace(1.0, 7.0, channels).view(1, -1, 1, 1)
        centre = torch.linspace(-4.0, 9.0, channels).view(1, -1, 1, 1)
        bright = torch.linspace(0.5, 1.5, batch).view(-1, 1, 1, 1)
        offset = torch.linspace(3.0, -5.0, batch).view(-1, 1, 1, 1)
        above = torch.linspace(-2.0, 4.0, size).view(1, 1, -1, 1)
        z = torch.randn(batch, channels, size, size) * spread * bright
        z = unit * (z + centre + offset + above)
        exact = 1 / z.double().std(correction=0).item()
        yield Trial(
            {"z": z},
            exact,
            tolerance=1e-3 * exact / (1 + exact),
            likeness=1e-3 * exact / (1 + exact),
            shown=f"{batch} latents of {channels}×{size}×{size}",
        )


LATENT_SCALE = Exercise(
    number="7.4",
    title="The latent scale",
    prompt="""\
A diffusion model expects inputs of about unit variance. Stable Diffusion
multiplies its latents by 0.18215 to get there. Write the recipe of its paper:
one number for all channels, positions and images together, from one batch of
latents.""",
    solution=latent_scale,
    why="""\
The standard deviation is taken over everything at once, about one common mean.
Channels keep their unlike sizes: one factor cannot even them out. The number
belongs to the weights, not to the architecture, which is why SDXL, with the
same layers trained again, has 0.13025; and for 16 channels with a mean that
matters, SD3 and Flux subtract a shift first.""",
    proved="multiplied by your number, the latents have unit variance.",
    hints=(
        "Should the number be large or small, for latents that are spread by "
        "about 5?",
        "One standard deviation over all numbers of all latents: `std` "
        "without a dimension.",
        "A factor c turns a spread of s into c · s, and that should be 1.",
    ),
    trials=_trials,
    mistakes=(
        Mistake(
            "the standard deviation itself",
            lambda z: z.std(),
            "This is the standard deviation. Multiplied by it, the latents "
            "become larger still: the factor is one over it.",
            "it is called a scale, and could go either way.",
        ),
        Mistake(
            "one over the variance",
            lambda z: 1 / z.var(),
            "You divide by the variance; a factor acts on the standard "
            "deviation.",
            "unit variance is the aim, so one reaches for the variance.",
        ),
        Mistake(
            "the mean is forgotten",
            lambda z: z.square().mean().rsqrt(),
            "You took the root of the mean square, without subtracting the "
            "mean first.",
            "for latents centred at 0 it would be the same.",
        ),
        Mistake(
            "each channel by itself",
            lambda z: 1 / z.std(dim=(0, 2, 3)).mean(),
            "You averaged the standard deviations of the channels; the recipe "
            "takes one over all numbers, so unlike means count as spread.",
            "normalising each channel is the better idea, and later models "
            "do it. This number is not that.",
            also=(
                lambda z: (1 / z.std(dim=(0, 2, 3))).mean(),
                lambda z: 1 / z.var(dim=(0, 2, 3)).mean().sqrt(),
            ),
        ),
        Mistake(
            "each image by itself",
            lambda z: 1 / z.std(dim=(1, 2, 3)).mean(),
            "You averaged the standard deviations of the images; it is one "
            "over all images.",
            "statistics are often kept for each image.",
            also=(
                lambda z: (1 / z.std(dim=(1, 2, 3))).mean(),
                lambda z: 1 / z.var(dim=(1, 2, 3)).mean().sqrt(),
            ),
        ),
        Mistake(
            "each position by itself",
            lambda z: 1 / z.std(dim=(0, 1)).mean(),
            "You averaged standard deviations over the positions; it is one "
            "over all numbers.",
            "`dim` has to be something, and two of four look like enough.",
            also=(
                lambda z: 1 / z.std(dim=(2, 3)).mean(),
                lambda z: 1 / z.std(dim=1).mean(),
            ),
        ),
        Mistake(
            "Stable Diffusion's own number",
            lambda z: 0.18215,
            "That is the number of one set of weights; the recipe computes "
            "it from the latents it is given.",
            "it stands in the text.",
        ),
        Mistake(
            "the mean absolute deviation",
            lambda z: 1 / (z - z.mean()).abs().mean(),
            "You averaged absolute deviations; the standard deviation is the "
            "root of the mean square.",
            "both measure a spread, and differ by a quarter for a Gaussian.",
        ),
        Mistake(
            "one over the range",
            lambda z: 1 / (z.max() - z.min()),
            "You divide by the range. Unit *variance* is wanted, and a range "
            "grows with the number of samples.",
            "images are scaled by their range.",
            also=(lambda z: 1 / z.abs().max(), lambda z: 1 / z.max()),
        ),
        Mistake(
            "one image alone",
            lambda z: 1 / z[0].std(),
            "Only the first latent counts in your number.",
            "one is quickly looked at.",
        ),
    ),
    alternatives=(
        lambda z: (z - z.mean()).square().mean().rsqrt(),
        lambda z: float(1 / np.std(z.numpy())),
        lambda z: 1 / torch.var_mean(z, correction=0)[0].sqrt(),
    ),
)
