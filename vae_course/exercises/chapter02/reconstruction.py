"""Exercise 2.5: reconstruction."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vae_course.exercises.engine.results import a_tensor
from vae_course.exercises.exercise import Exercise, Mistake, Trial, after
from vae_course.mlp import MLPVAE


def reconstruct(vae, x):
    """The reconstruction of each image, without noise anywhere.

    Args:
        vae: a VAE with Bernoulli pixels; `vae.encode(x)` is q(z|x) and
            `vae.decode(z)` is p(x|z), and either has a `.mean`.
        x: images, (B, C, H, W).

    Returns:
        The mean image at the mean code, each pixel in [0, 1], (B, C, H, W).
    """
    return vae.decode(vae.encode(x).mean).mean


def small_vae(image_shape: tuple, latent: int) -> MLPVAE:
    """An untrained VAE, with weights large enough for vivid images."""
    vae = MLPVAE(image_shape, hidden=8, latent=latent)
    with torch.no_grad():
        for parameter in vae.parameters():
            parameter.mul_(3)
    return vae


def through(network: nn.Sequential, x: Tensor) -> Tensor:
    """The same network, in double precision and without the package's help."""
    x = x.detach().double().flatten(1)
    for layer in network:
        if isinstance(layer, nn.Linear):
            x = F.linear(x, layer.weight.double(), layer.bias.double())
        else:
            x = x.clamp(min=0)
    return x.detach()


def _reconstruction_trials() -> Iterator[Trial]:
    for image_shape, latent, images in (
        ((1, 1, 2), 2, 1),
        ((1, 6, 5), 3, 4),
        ((1, 6, 5), 3, 4),  # the same shape, and other images
    ):
        vae = small_vae(image_shape, latent)
        x = torch.bernoulli(torch.full((images, *image_shape), 0.5))
        mean = through(vae.encoder, x)[:, :latent]
        expected = through(vae.decoder, mean).sigmoid().view(x.shape)
        yield Trial(
            {"vae": vae, "x": x},
            {"the reconstruction": expected},
            images_of("the reconstruction", lambda vae, x: x.shape),
        )


def images_of(what: str, shape_of: Callable) -> Callable:
    """A measure that wants images of a certain shape from an attempt."""

    def measure(attempt: Callable, vae: MLPVAE, x: Tensor, *others) -> dict:
        result = attempt(vae, x, *others)
        return {what: a_tensor(result, shape_of(vae, x, *others), x, what)}

    return measure


RECONSTRUCT = Exercise(
    number="2.5",
    title="Reconstruction",
    prompt="""\
Show what the model keeps of an image. Encode it, take the **mean** of q(z|x)
as the code, decode it, and return the **mean** image: training needs the
noise, a reconstruction does not.""",
    solution=reconstruct,
    why="""\
`vae.encode(x)` is a distribution over codes, and its mean is the most likely
one; `vae.decode(z)` is a distribution over images, and its mean is the grey
image of the pixels' probabilities. Taking both means gives the same picture
every time and the clearest view of what the code holds.""",
    proved="your reconstruction is the mean image at the mean code, the same "
    "at every call.",
    hints=(
        "A VAE answers with distributions. What do you have to ask a "
        "distribution for, to get one code or one image out of it?",
        "`q = vae.encode(x)` and `p = vae.decode(z)`; each has a `.mean`.",
        "Two means, one after the other: the code is the mean of q(z|x), and "
        "the image is the mean of what `vae.decode` answers to that code.",
    ),
    trials=_reconstruction_trials,
    mistakes=(
        Mistake(
            "a sample from the prior",
            lambda vae, x: vae.decode(vae.prior.sample((len(x),))).mean,
            "Your images do not depend on x: you decoded codes drawn from "
            "the prior. Those are new samples, not reconstructions.",
            "it is the right thing to do for making new images, and the two "
            "lines look alike.",
            also=(
                lambda vae, x: (
                    vae.decode(torch.randn(len(x), len(vae.origin))).mean
                ),
                lambda vae, x: (
                    vae.decode(torch.randn_like(vae.encode(x).mean)).mean
                ),
            ),
        ),
        Mistake(
            "a sampled code",
            lambda vae, x: vae.decode(vae.encode(x).sample()).mean,
            "You decoded a sample of q(z|x): the reconstruction changes from "
            "call to call.",
            "training has to sample, so one gets used to it.",
        ),
        Mistake(
            "logits for probabilities",
            lambda vae, x: vae.decode(vae.encode(x).mean).base_dist.logits,
            "You returned logits: they are not in [0, 1]. The sigmoid, or "
            "`.mean`, is missing.",
            "logits are what the decoder's last layer gives, and a plot "
            "scales whatever it gets.",
            also=(
                lambda vae, x: vae.decoder(vae.encode(x).mean).view(x.shape),
            ),
        ),
        Mistake(
            "drawn pixels",
            lambda vae, x: vae.decode(vae.encode(x).mean).sample(),
            "You drew each pixel as 0 or 1: what you see is mostly the noise "
            "of the drawing.",
            "a sample of p(x|z) is what the model really says an image looks "
            "like. Its pixels are independent given z, hence the speckles.",
            also=(
                lambda vae, x: torch.bernoulli(
                    vae.decode(vae.encode(x).mean).mean
                ),
            ),
            upon=after(torch.bernoulli),
        ),
        Mistake(
            "sigmoid twice",
            lambda vae, x: vae.decode(vae.encode(x).mean).mean.sigmoid(),
            "The sigmoid was applied twice: `.mean` is a probability already. "
            "All your pixels lie between 0.5 and 0.73.",
            "most decoders return logits, and a sigmoid after them is a "
            "habit.",
            upon=after(torch.sigmoid),
        ),
        Mistake(
            "the image itself",
            lambda vae, x: 1 * x,
            "You returned x: the model had no part in it.",
            "no reconstruction is better.",
        ),
        Mistake(
            "rounded pixels",
            lambda vae, x: vae.decode(vae.encode(x).mean).mean.round(),
            "You rounded the pixels to 0 and 1; the mean image is grey where "
            "the model is not sure.",
            "the images of the data set are black and white, so the "
            "reconstructions might as well be.",
            also=(
                lambda vae, x: vae.decode(vae.encode(x).mean).base_dist.mode,
            ),
        ),
        Mistake(
            "a distribution for an image",
            lambda vae, x: vae.decode(vae.encode(x).mean),
            "You returned the distribution p(x|z) itself: ask it for its "
            "mean.",
            "in most programs `decode` returns pixels. Here it returns "
            "p(x|z), which can do more.",
        ),
        Mistake(
            "the code for the image",
            lambda vae, x: vae.encode(x).mean,
            "You returned the code; it still has to be decoded.",
            "half of the way is where the model's output gets small and "
            "interesting.",
        ),
    ),
    alternatives=(
        lambda vae, x: torch.cat(
            [vae.decode(vae.encode(image[None]).mean).mean for image in x]
        ),
        lambda vae, x: torch.sigmoid(
            vae.decoder(vae.encoder(x.flatten(1)).chunk(2, dim=1)[0])
        ).reshape(x.shape),
        lambda vae, x: (
            lambda q: vae.decode(q.base_dist.loc).base_dist.probs.detach()
        )(vae.encode(x)),
    ),
)
