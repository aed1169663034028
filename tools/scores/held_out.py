"""Faults that the instruments were never tried on: mutants of the models.

Written when the instruments were frozen (the commit "The instruments,
frozen"), at the state of vae_course/diagnosis/instruments that git names
453a38ce122ffec7b59aa1a65f9d23c10274da8e. What was expected of each was said
before any was run, and nothing was tuned afterwards: what is missed here is
missed. Since then `weight` was made faster, with the same numbers, and two
links were changed; `weight` is not asked of a loss with noise of its own, nor
`parity` of a subclass that is meant to differ. Both ring for less than before,
and neither was changed for a fault below. When an instrument comes to ring for
more, these faults are held out no longer, and new ones are due.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import distributions as D
from torch import nn
from torch.nn import functional as F

from tools.scores.cases import Case, Patient, binary, grey, patches
from vae_course import MLPVAE, elbo
from vae_course.core import (
    ELBO,
    diagonal_gaussian,
    log_importance_weights,
)
from vae_course.sd import AutoencoderKL, GroupNorm, Upsample
from vae_course.training import train

STEPS = 80


def _dense(
    seed: int,
    kind: type = MLPVAE,
    *,
    is_grey: bool = False,
    objective: Callable = elbo,
    steps: int = STEPS,
    **options,
) -> Patient:
    """A dense VAE with a fault, trained shortly on the loss that it has."""
    seen, unseen = grey() if is_grey else binary()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = kind(hidden=100, latent=20, **options)
    how = {"batch_size": 100, "lr": 3e-3, "seed": seed, "progress": False}
    few = seen[: 100 * steps]
    train(model, few, epochs=1, objective=objective, **how)
    said = {"objective": objective, "train_images": seen}
    return Patient(model, unseen, said)


def _small(seed: int, **said) -> Patient:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = AutoencoderKL("small")
    return Patient(model, patches()[1], said)


# -- losses -----------------------------------------------------------------


def kl_without_half(vae, x, beta=1.0):
    q = vae.encode(x)
    p = vae.decode(q.rsample())
    kl = q.mean.square() + q.variance - 1 - q.variance.log()
    return ELBO(-p.log_prob(x), kl.sum(dim=1))


def kl_the_other_way(vae, x, beta=1.0):
    q = vae.encode(x)
    p = vae.decode(q.rsample())
    kl = D.kl_divergence(D.Normal(0.0, 1.0), q.base_dist).sum(dim=1)
    return ELBO(-p.log_prob(x), kl)


def target_cut_at_a_half(vae, x, beta=1.0):
    q = vae.encode(x)
    p = vae.decode(q.rsample())
    return ELBO(-p.log_prob((x > 0.5).float()), D.kl_divergence(q, vae.prior))


def log_var_without_gradient(vae, x, beta=1.0):
    q = vae.encode(x)
    p = vae.decode(q.rsample())
    fixed = diagonal_gaussian(q.mean, q.variance.detach().log())
    return ELBO(-p.log_prob(x), D.kl_divergence(fixed, vae.prior))


def mean_over_positions(seed: int) -> Patient:
    """A convolutional rate: summed over channels, averaged over places."""

    def objective(vae, x, beta=1.0):
        q = vae.encode(x)
        kl = D.kl_divergence(q.base_dist, D.Normal(0.0, 1.0))
        rate = kl.sum(dim=1).mean(dim=(1, 2))
        return ELBO(-vae.decode(q.rsample()).log_prob(x), rate, beta)

    return _small(seed, objective=objective, beta=1.0)


def log_count_forgotten(seed: int) -> Patient:
    patient = _dense(seed)

    def bound(x, samples):
        weights = log_importance_weights(patient.model, x, samples)
        return weights.logsumexp(dim=0)

    return Patient(patient.model, patient.images, {"bound": bound})


# -- draws ------------------------------------------------------------------


class DrawnByItself(D.Independent):
    """A posterior whose draws another function makes."""

    def __init__(self, q: D.Independent, function: Callable):
        super().__init__(q.base_dist, 1, validate_args=False)
        self.function = function

    def rsample(self, sample_shape=()):
        shape = (*sample_shape, *self.mean.shape)
        return self.function(self.mean.expand(shape), self.stddev)


class MeanAtEvaluation(MLPVAE):
    def encode(self, x):
        q = super().encode(x)

        def draw(mean, std):
            noise = torch.randn_like(mean) if self.training else 0.0
            return mean + std * noise

        return DrawnByItself(q, draw)


class SeededAtEveryStep(MLPVAE):
    def encode(self, x):
        q = super().encode(x)

        def draw(mean, std):
            noise = torch.randn(
                mean.shape, generator=torch.Generator().manual_seed(1)
            )
            return mean + std * noise.to(mean)

        return DrawnByItself(q, draw)


class HalfTheNoise(MLPVAE):
    def encode(self, x):
        def draw(mean, std):
            return mean + std * torch.randn_like(mean).mul(0.7)

        return DrawnByItself(super().encode(x), draw)


# -- networks ---------------------------------------------------------------


class NormInTheDecoder(MLPVAE):
    def __init__(self, **options):
        super().__init__(**options)
        self.decoder.insert(1, nn.BatchNorm1d(100))


class DropoutForEver(MLPVAE):
    def encode(self, x):
        return super().encode(F.dropout(x, 0.1, training=True))


class CentredInPlace(MLPVAE):
    def __init__(self, **options):
        super().__init__(likelihood="normal", **options)

    def encode(self, x):
        return super().encode(x.sub_(0.13).div_(0.31))


class LogitsCutOff(MLPVAE):
    def decode(self, z):
        logits = self.decoder(z).view(-1, *self.image_shape)
        return self.likelihood(logits.clamp(-1, 1))


class EndsInReLU(MLPVAE):
    def __init__(self, **options):
        super().__init__(likelihood="normal", **options)

    def decode(self, z):
        output = self.decoder(z).view(-1, *self.image_shape)
        return self.likelihood(0.25 + output.relu())


class HalfOfTheLatent(MLPVAE):
    def decode(self, z):
        half = z[:, :10]
        return super().decode(torch.cat([half, half], dim=1))


class AnotherPrior(MLPVAE):
    @property
    def prior(self):
        return D.Independent(D.Normal(self.origin, 2.0), 1)


def rate_to_standard_normal(vae, x, beta=1.0):
    q = vae.encode(x)
    kl = D.kl_divergence(q.base_dist, D.Normal(0.0, 1.0)).sum(dim=1)
    return ELBO(-vae.decode(q.rsample()).log_prob(x), kl)


class Smooth(Upsample):
    def forward(self, x):
        x = F.interpolate(x, scale_factor=2, mode="bilinear")
        return self.conv(x)


def smooth_upsampling(seed: int) -> Patient:
    patient = _small(seed)
    for layer in patient.model.modules():
        if type(layer) is Upsample:
            layer.__class__ = Smooth
    return patient


def one_group(seed: int) -> Patient:
    """Every norm over all channels at once."""
    patient = _small(seed)
    for layer in patient.model.modules():
        if isinstance(layer, GroupNorm):
            layer.num_groups = 1
    return patient


def sharper_attention(seed: int) -> Patient:
    """Scores that are not divided by the root of the width."""
    patient = _small(seed)
    for part in (patient.model.encoder, patient.model.decoder):
        attention = part.mid_block.attentions[0]
        root = attention.to_q.out_features**0.5
        attention.to_q = _Times(attention.to_q, root)
    patient.said["reference"] = _small(seed).model
    return patient


class _Times(nn.Module):
    def __init__(self, layer: nn.Module, factor: float):
        super().__init__()
        self.layer, self.factor = layer, factor

    def forward(self, x):
        return self.factor * self.layer(x)


# -- latents and data -------------------------------------------------------


def shift_the_same_way(seed: int) -> Patient:
    """A shift that is taken off on the way in, and off again on the way."""
    return _small(
        seed,
        scale=lambda z: (z - 0.0609) * 1.5305,
        unscale=lambda z: z / 1.5305 - 0.0609,
    )


def mirrored_leak(seed: int) -> Patient:
    """Held-out images whose mirror images were trained on."""
    patient = _dense(seed)
    seen = torch.cat([patient.images.flip(-1), binary()[0]])
    return Patient(
        patient.model, patient.images, patient.said | {"train_images": seen}
    )


def by_heart(seed: int) -> Patient:
    """Fifty images, eight hundred times."""
    seen, unseen = binary()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = MLPVAE(hidden=100, latent=20)
    how = {"batch_size": 50, "lr": 3e-3, "seed": seed, "progress": False}
    train(model, seen[:50], epochs=800, **how)
    return Patient(model, unseen, {"train_images": seen[:50]})


def _case(name: str, make: Callable, *expected: str) -> Case:
    return Case(name, make, frozenset(expected))


def _of_loss(objective: Callable, **options) -> Callable[[int], Patient]:
    return lambda seed: _dense(seed, objective=objective, **options)


def _of_kind(kind: type, **options) -> Callable[[int], Patient]:
    return lambda seed: _dense(seed, kind, **options)


HELD_OUT: tuple[Case, ...] = (
    _case("KL without ½", _of_loss(kl_without_half), "weight", "bound"),
    _case("KL the other way", _of_loss(kl_the_other_way), "weight", "bound"),
    _case(
        "target cut at a half",
        _of_loss(target_cut_at_a_half, is_grey=True),
        "weight",
        "bound",
    ),
    _case(
        "log-variance without gradient",
        _of_loss(log_var_without_gradient),
        "weight",
        "gradient",
    ),
    _case("mean over positions", mean_over_positions, "weight", "bound"),
    _case("log K forgotten", log_count_forgotten, "bound"),
    _case("the mean at evaluation", _of_kind(MeanAtEvaluation), "noise"),
    _case("seeded at every step", _of_kind(SeededAtEveryStep), "noise"),
    _case("0.7 of the noise", _of_kind(HalfTheNoise), "noise"),
    _case("batch norm in the decoder", _of_kind(NormInTheDecoder), "batch"),
    _case("dropout for ever", _of_kind(DropoutForEver), "repeat"),
    _case(
        "centred in place", _of_kind(CentredInPlace, is_grey=True), "repeat"
    ),
    _case("logits cut off", _of_kind(LogitsCutOff), "decoder"),
    _case("ends in a ReLU", _of_kind(EndsInReLU, is_grey=True), "decoder"),
    _case("half of the latent", _of_kind(HalfOfTheLatent), "posterior"),
    _case(
        "another prior",
        lambda seed: _dense(
            seed, AnotherPrior, objective=rate_to_standard_normal
        ),
        "weight",
        "bound",
    ),
    _case("smooth upsampling", smooth_upsampling, "parity"),
    _case("one group", one_group, "parity"),
    _case("sharper attention", sharper_attention, "parity"),
    _case("shift the same way", shift_the_same_way, "scale"),
    _case("mirrored leak", mirrored_leak, "heldout"),
    _case("by heart", by_heart, "heldout"),
)
