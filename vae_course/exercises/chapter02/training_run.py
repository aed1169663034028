"""Exercise 2.9: train one yourself."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch import distributions as D

from vae_course.core import elbo
from vae_course.exercises.engine.results import Flawed
from vae_course.exercises.exercise import AtMost, Exercise, Mistake, Trial
from vae_course.mlp import MLPVAE
from vae_course.training import evaluate


def train_vae(images):
    """Trains a VAE on small binary images, from scratch, within a few seconds.

    Args:
        images: binary images of 4×4 pixels, (N, 1, 4, 4).

    Returns:
        The trained VAE, such as an `MLPVAE`.
    """
    vae = MLPVAE(image_shape=(1, 4, 4), hidden=64, latent=4)
    optimizer = torch.optim.Adam(vae.parameters(), lr=1e-2)
    for _ in range(400):
        loss = elbo(vae, images).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return vae


ROW = 0.25  # the probability that a row of pixels is white
BAR = 4.5  # nats per image
# The entropy of the rows, 4 · 0.562 = 2.25, less what 4,000 images vary.
FLOOR = 2.1
TRAINED = "nats per image on new images"
POSSIBLE = "no less than the 2.25 nats that no model of them can beat"


def _rows(count: int) -> Tensor:
    """Images of four rows, each white or black as a whole."""
    return torch.bernoulli(torch.full((count, 1, 4, 1), ROW)).expand(
        -1, -1, -1, 4
    )


def _training_trials() -> Iterator[Trial]:
    yield Trial(
        {"images": _rows(256).clone(), "new": _rows(4000).clone()},
        {TRAINED: AtMost(BAR), POSSIBLE: True},
        _trained,
        likeness=math.inf,  # how it went wrong matters, not the exact number
        shown="256 images of 4 rows, each row white with probability ¼; "
        "measured on 4,000 new ones",
    )


def _trained(train: Callable, images: Tensor, new: Tensor) -> dict:
    vae = train(images)
    if vae is None or vae is ...:
        raise Flawed("nothing", f"The function returned {vae}.")
    if not all(hasattr(vae, name) for name in ("encode", "decode", "prior")):
        raise Flawed(
            "kind",
            "The function should return the trained VAE: something with "
            "`encode`, `decode` and `prior`.",
        )
    halves = evaluate(vae, new)
    if not math.isfinite(halves.total):
        looks = "not a number"
    elif halves.total < FLOOR:
        looks = "a density"
    elif evaluate(vae, images).total < BAR < halves.total:
        looks = "overfitted"
    elif halves.distortion > 15:
        looks = "uphill"
    elif halves.distortion < 1.5 and halves.rate > 6:
        looks = "no rate"
    elif halves.rate < 0.5:
        looks = "untrained" if halves.distortion > 10.3 else "collapsed"
    else:
        looks = "half-way"
    possible = not halves.total < FLOOR
    return {TRAINED: halves.total, POSSIBLE: possible, "looks": looks}


def _training(loss_of: Callable, step: bool = True) -> Callable:
    """A training run like the solution's with another loss."""

    def train(images: Tensor) -> MLPVAE:
        vae = MLPVAE((1, 4, 4), hidden=64, latent=4)
        optimizer = torch.optim.Adam(vae.parameters(), lr=1e-2)
        for _ in range(400):
            loss = loss_of(vae, images)
            optimizer.zero_grad()
            loss.backward()
            if step:
                optimizer.step()
        return vae

    return train


def _gaussian_pixels(images: Tensor) -> MLPVAE:
    """Binary pixels under a density with a small scale."""
    vae = MLPVAE(
        (1, 4, 4),
        hidden=64,
        latent=4,
        likelihood="normal",
        likelihood_scale=0.02,
    )
    optimizer = torch.optim.Adam(vae.parameters(), lr=1e-2)
    for _ in range(400):
        loss = elbo(vae, images).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return vae


def _in_small_batches(images: Tensor) -> MLPVAE:
    """Another road: shuffled batches, two hidden layers, another optimizer."""
    vae = MLPVAE((1, 4, 4), hidden=(32, 32), latent=5)
    optimizer = torch.optim.AdamW(vae.parameters(), lr=5e-3)
    for _ in range(100):
        for x in images[torch.randperm(len(images))].split(64):
            optimizer.zero_grad()
            elbo(vae, x).loss.backward()
            nn.utils.clip_grad_norm_(vae.parameters(), 5.0)
            optimizer.step()
    return vae


def _in_double(images: Tensor) -> MLPVAE:
    """Another: the loss written out, in double precision."""
    vae = MLPVAE((1, 4, 4), hidden=64, latent=4).double()
    optimizer = torch.optim.RMSprop(vae.parameters(), lr=3e-3)
    x = images.double()
    for _ in range(300):
        q = vae.encode(x)
        loss = D.kl_divergence(q, vae.prior) - vae.decode(
            q.rsample()
        ).log_prob(x)
        optimizer.zero_grad()
        loss.mean().backward()
        optimizer.step()
    return vae.float()


TRAIN = Exercise(
    number="2.9",
    title="Train one yourself (optional)",
    prompt="""\
Write a training run from nothing: make a small VAE (`MLPVAE` will do), an
optimizer, and a loop, and return the trained model. The images have four rows,
each white or black as a whole: 16 pixels that answer only four yes-or-no
questions, each row white with probability ¼. Without any training a VAE with
Bernoulli pixels pays about 11 nats for one image; no model can pay less than
2.25; **get below 4.5 nats** on new images. A second or two is enough; after 60
seconds the check gives up.""",
    solution=train_vae,
    why="""\
Each step takes the whole set as one batch, computes the loss, clears the old
gradients, finds the new ones and moves the weights. No code can be cheaper
than the data's entropy, here 4 · 0.562 = 2.25 nats; the rest is the gap
between the Gaussian codes of the model and the four yes-or-no answers that it
has to transmit.""",
    proved="your training run brings a VAE from 11 nats below 4.5, close to "
    "the 2.25 nats that no model can beat.",
    hints=(
        "Four things happen in each step: a loss, cleared gradients, new "
        "gradients, a move. A few hundred steps on all images at once will "
        "do.",
        "`MLPVAE` takes `image_shape=(1, 4, 4)` and two sizes, `hidden` and "
        "`latent`; 64 and 4 are enough. `torch.optim.Adam` with a learning "
        "rate of 1e-2 makes the moves. `elbo(vae, images)` has a `.loss`.",
        "The loop's four lines: take the loss, call the optimizer's "
        "`zero_grad`, call the loss's `backward`, call the optimizer's "
        "`step`. After the loop, hand back the model.",
    ),
    trials=_training_trials,
    mistakes=(
        Mistake(
            "nothing moves",
            _training(lambda vae, x: elbo(vae, x).loss, step=False),
            "Your model is as it was before training: it pays 11 nats, the "
            "price of 16 coins, for every image.",
            "`loss.backward()` only computes gradients. `optimizer.step()` "
            "is what moves the weights.",
        ),
        Mistake(
            "a collapsed code",
            _training(
                lambda vae, x: (
                    elbo(vae, x).distortion.mean() / 16
                    + elbo(vae, x).rate.mean()
                )
            ),
            "Your rate is zero: the code says nothing about the image, and "
            "the decoder always returns the average one.",
            "when the distortion is averaged over the pixels and the rate is "
            "summed, saying nothing is the cheapest thing to do. That is β = "
            "16.",
            also=(
                _training(
                    lambda vae, x: (
                        elbo(vae, x).distortion.mean()
                        + 30 * elbo(vae, x).rate.mean()
                    )
                ),
            ),
        ),
        Mistake(
            "no rate in the loss",
            _training(lambda vae, x: elbo(vae, x).distortion.mean()),
            "Your reconstructions are almost perfect, and the rate is huge: "
            "nothing in your loss keeps the codes cheap.",
            "the reconstruction error is what one wants to see fall. In "
            "nats, the whole bill counts.",
        ),
        Mistake(
            "a density for a probability",
            _gaussian_pixels,
            "Your model pays less than 2.25 nats, which no model of these "
            "images can: its pixels are Gaussian, and a density, unlike a "
            "probability, may exceed 1. Pixels of 0 and 1 need "
            '`likelihood="bernoulli"`.',
            "the loss goes below zero and looks wonderful. Nats of a density "
            "and nats of a probability do not compare.",
        ),
        Mistake(
            "uphill",
            _training(
                lambda vae, x: elbo(vae, x).value.mean().clamp(min=-1e5)
            ),
            "Your model pays far more than before training. Either it was "
            "trained to make the ELBO small instead of large, or its steps "
            "were far too long.",
            "the ELBO is to be maximised, and every optimizer minimises. "
            "`.loss` is its negative.",
        ),
    ),
    alternatives=(_in_small_batches, _in_double),
    seconds=60.0,
)
