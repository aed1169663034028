"""The healthy models of chapters 1 to 9, trained as there, but for less long.

Left out, because they do not fit the interface: chapter 4's posteriors of
their own for given images, which encode no others; chapter 7's full-size
model, whose weights are not the course's; chapter 9's denoisers, which are no
autoencoders. Chapter 5's β = 100 is left out because its code is empty, which
is what the chapter shows; so it is no healthy model.

Some bands were set on seed 0 of these models (E z², where copies lie), before
the instruments were frozen; seeds 1 and 2 were new to them.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import distributions as D

from tools.scores.cases import (
    Case,
    Patient,
    binary,
    digits,
    grey,
    healthy,
    patches,
)
from vae_course import MLPVAE, Autoencoder, mlp
from vae_course.core import (
    ELBO,
    averaged_elbo,
    elbo,
    importance_weighted_elbo,
)
from vae_course.diffusion import DigitAutoencoder
from vae_course.reference import glorot
from vae_course.sd import AutoencoderKL
from vae_course.theory import LinearGaussian
from vae_course.training import train, warm_up_and_decay

STEPS = 80


def _train(model, images, seed, *, steps=STEPS, batch=128, lr=3e-3, **how):
    epochs = max(1, round(steps * batch / len(images)))
    train(
        model,
        images,
        epochs=epochs,
        batch_size=batch,
        lr=lr,
        seed=seed,
        progress=False,
        **how,
    )
    return model


def _seeded(make, seed):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make()


def autoencoder(latent: int, hidden: int | None, seed: int) -> Patient:
    seen, unseen = grey()
    model = _seeded(lambda: Autoencoder(latent=latent, hidden=hidden), seed)
    _train(model, seen, seed, objective=mlp.squared_error)
    said = {"train_images": seen, "objective": mlp.squared_error}
    return Patient(model, unseen, said)


def dense(
    seed: int,
    *,
    beta: float = 1.0,
    objective=elbo,
    other_terms: bool = False,
    hidden=200,
    latent: int = 20,
    is_grey: bool = False,
    start=None,
    steps: int = STEPS,
    **options,
) -> Patient:
    seen, unseen = grey() if is_grey else binary()
    model = _seeded(
        lambda: MLPVAE(hidden=hidden, latent=latent, **options), seed
    )
    if start is not None:
        start(model)
    if steps:
        _train(model, seen, seed, beta=beta, objective=objective, steps=steps)
    said = {"train_images": seen, "beta": beta, "objective": objective}
    if other_terms:
        said["other_terms"] = True
    return Patient(model, unseen, said)


def elbo_with_free_bits(vae, x, beta=1.0, floor=0.5):
    """As in chapter 5: the rate is free below ``floor`` nats a latent."""
    q = vae.encode(x)
    distortion = -vae.decode(q.rsample()).log_prob(x)
    rates = D.kl_divergence(q.base_dist, D.Normal(0.0, 1.0))  # (B, D)
    rate = rates.mean(dim=0).clamp(min=floor).sum()
    return ELBO(distortion, rate.expand(len(x)), beta)


def exact(seed: int) -> Patient:
    """Probabilistic PCA of images that a model of its kind has drawn."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        source = LinearGaussian((1, 4, 4), latent=2, scale=0.5).double()
        with torch.no_grad():
            source.decoder.weight.mul_(torch.tensor([1.5, 3.0]))
            x = source.decode(source.prior.sample((2500,))).sample()
    model = LinearGaussian((1, 4, 4), latent=2).double().fit(x[:2000])
    return Patient(model, x[2000:], {"train_images": x[:2000]})


def learner(seed: int) -> Patient:
    """The same, found by the training loop."""
    patient = exact(seed)
    seen = patient.said["train_images"].float()
    model = _seeded(lambda: LinearGaussian((1, 4, 4), latent=2), seed)
    lr = warm_up_and_decay(0.03)
    _train(model, seen, seed, batch=100, steps=600, lr=lr)
    return Patient(model, patient.images.float(), {"train_images": seen})


def small(seed: int, *, peak: float = 2e-3, steps: int = 16) -> Patient:
    seen, unseen = patches()
    model = _seeded(lambda: AutoencoderKL("small"), seed)
    if steps:
        lr = warm_up_and_decay(peak, 0.1)
        _train(model, seen, seed, batch=16, steps=steps, beta=1e-6, lr=lr)
    said = {"train_images": seen, "beta": 1e-6, "objective": elbo}
    return Patient(model, unseen, said)


def with_critics(seed: int) -> Patient:
    """Chapter 8's training: absolute error, judges, a rate of weight 1e-6."""
    from vae_course.data import ImageSet
    from vae_course.sd.recipe import Recipe
    from vae_course.sd.trainer import Trainer

    seen, unseen = patches()
    pixels = ((seen + 1) * 127.5).round().to(torch.uint8)
    labels = torch.zeros(len(pixels)).long()
    recipe = Recipe(
        size=32,
        batch=8,
        ema=0.0,
        critic_width=16,
        critic_layers=2,
        critic_start=10,
        steps=20,
        lr=2e-3,
        seed=seed,
    )
    trainer = Trainer(recipe, ImageSet(pixels, labels, centred=True))
    for _ in range(recipe.steps):
        trainer.advance()
    said = {"train_images": seen, "beta": 1e-6, "objective": elbo}
    return Patient(trainer.vae, unseen, said)


def of_digits(seed: int) -> Patient:
    count = 12_000
    seen, unseen = digits().train[:count], digits().test[:512]
    model = _seeded(DigitAutoencoder, seed)
    lr = warm_up_and_decay(1e-2)
    _train(model, seen, seed, batch=64, steps=STEPS, beta=0.1, lr=lr)
    said = {"train_images": seen, "beta": 0.1, "objective": elbo}
    return Patient(model, unseen, said)


IWAE = {"hidden": (200, 200), "latent": 50, "start": glorot}
HEALTHY: tuple[Case, ...] = (
    healthy("linear, 6 numbers", 1, partial(autoencoder, 6, None)),
    healthy("bent, 6 numbers", 1, partial(autoencoder, 6, 256)),
    healthy("bent, 32 numbers", 1, partial(autoencoder, 32, 256)),
    healthy("bent, 2 numbers", 1, partial(autoencoder, 2, 256)),
    healthy("untrained", 2, partial(dense, hidden=400, steps=0)),
    healthy("20 latents", 2, partial(dense, hidden=400)),
    healthy("2 latents", 2, partial(dense, hidden=256, latent=2)),
    healthy("β = 0", 2, partial(dense, hidden=400, beta=0.0)),
    healthy("rsample", 3, partial(dense, hidden=400)),
    healthy("exact", 4, exact),
    healthy("exact, learned", 4, learner),
    healthy("VAE", 4, partial(dense, **IWAE)),
    healthy("5 samples", 4, partial(dense, objective=averaged_elbo, **IWAE)),
    healthy(
        "IWAE, 5 samples",
        4,
        partial(dense, objective=importance_weighted_elbo, **IWAE),
    ),
    *(
        healthy(f"β = {beta:g}", 5, partial(dense, beta=beta))
        for beta in (0.1, 0.4, 3.0, 10.0)
    ),
    *(
        healthy(
            name, 5, partial(dense, is_grey=True, likelihood=family, **scale)
        )
        for name, family, scale in (
            ("Gaussian, σ = 1", "normal", {"likelihood_scale": 1.0}),
            ("Gaussian, σ learned", "normal", {}),
            ("Laplace, b learned", "laplace", {}),
        )
    ),
    healthy(
        "free bits",
        5,
        partial(dense, objective=elbo_with_free_bits, other_terms=True),
    ),
    healthy("grey BCE", 5, partial(dense, is_grey=True)),
    healthy("untrained", 6, partial(small, steps=0)),
    healthy("patches", 6, small),
    healthy("patches, fast", 7, partial(small, peak=4e-3)),
    healthy("with critics", 8, with_critics),
    healthy("digits", 9, of_digits),
)
