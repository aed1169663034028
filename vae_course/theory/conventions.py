"""Sum or mean? Translates a VAE's loss, as other code writes it, into β and σ.

Every loss of the form

    weight₁ · reduce(reconstruction error) + weight₂ · reduce(KL)

is proportional to error + ρ · KL, both summed over their dimensions. For a
Bernoulli likelihood ρ is β itself. For squared and absolute errors one and the
same loss may be read as a β at a given noise, or as the plain ELBO (β = 1) at
the noise that it implies (Rybkin et al. 2020, https://arxiv.org/abs/2006.13202
section 3): the two readings differ by a constant factor alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch import distributions as D
from torch.nn import functional as F

from vae_course.core import ELBO, VAE

# Error → c, where −log p(x|z) = error / (c · noise) + constant. The noise is
# σ² of a Gaussian, b of a Laplace; Bernoulli pixels have none.
ERRORS = {"bce": None, "mse": 2.0, "l1": 1.0}


class Effective(NamedTuple):
    """What a loss amounts to once both its terms are in nats per image."""

    beta: float  # weight of the rate, at the noise that was asked for
    scale: float | None  # noise (σ or b) at which β = 1; None for Bernoulli


@dataclass(frozen=True)
class LossConvention:
    """How some code reduces and weighs the two terms of its loss.

    Args:
        error: ``"bce"``, ``"mse"`` (squared error, no ½) or ``"l1"``.
        pixels: ``"sum"`` or ``"mean"`` of the error over an image's numbers.
        latents: ``"sum"`` or ``"mean"`` of the KL over latent dimensions.
        error_batch: ``"sum"`` or ``"mean"`` of the error over the batch.
        rate_batch: likewise, of the KL.
        error_weight: factor on the error.
        rate_weight: factor on the KL.

    Raises:
        ValueError: an unknown error or reduction, or a weight that is not
            positive.
    """

    error: str = "bce"
    pixels: str = "sum"
    latents: str = "sum"
    error_batch: str = "mean"
    rate_batch: str = "mean"
    error_weight: float = 1.0
    rate_weight: float = 1.0

    def __post_init__(self):
        if self.error not in ERRORS:
            raise ValueError(
                f"Unknown error {self.error!r}; choose one of {[*ERRORS]}."
            )
        for name in ("pixels", "latents", "error_batch", "rate_batch"):
            if getattr(self, name) not in ("sum", "mean"):
                raise ValueError(
                    f"{name}={getattr(self, name)!r}: a reduction is 'sum' or "
                    "'mean'."
                )
        for name in ("error_weight", "rate_weight"):
            weight = getattr(self, name)
            if not 0 < weight < math.inf:
                raise ValueError(
                    f"{name}={weight}: a weight is a positive number."
                )


def effective_beta(
    convention: LossConvention,
    image_shape: Sequence[int],
    latent: int,
    *,
    batch_size: int | None = None,
    scale: float = 1.0,
) -> Effective:
    """The β, and the noise, that a loss convention amounts to.

    Args:
        convention: how the loss is written.
        image_shape: (C, H, W): a mean over pixels divides by all of them,
            colours included.
        latent: dimensions of z.
        batch_size: needed only where one term is summed over the batch and the
            other averaged.
        scale: the noise (σ of ``"mse"``, b of ``"l1"``) at which to state β.

    Returns:
        β at that noise, and the noise at which the same loss has β = 1.

    Raises:
        ValueError: a size is not positive, or ``batch_size`` is needed and
            missing.
    """
    pixels = math.prod(image_shape)
    if pixels < 1 or latent < 1 or not scale > 0:
        raise ValueError(
            "Sizes and scale must be positive, got "
            f"image_shape={tuple(image_shape)}, latent={latent}, "
            f"scale={scale}."
        )
    mixed = convention.error_batch != convention.rate_batch
    if mixed and (batch_size is None or batch_size < 1):
        raise ValueError(
            "One term is summed over the batch and the other averaged, so β "
            f"depends on the batch: give batch_size, got {batch_size}."
        )
    ratio = convention.rate_weight / convention.error_weight  # this is ρ
    if convention.pixels == "mean":
        ratio *= pixels
    if convention.latents == "mean":
        ratio /= latent
    if mixed:
        ratio *= batch_size if convention.rate_batch == "sum" else 1
        ratio /= batch_size if convention.error_batch == "sum" else 1
    factor = ERRORS[convention.error]
    if factor is None:
        return Effective(ratio, None)
    # error / (c·noise) + β·KL ∝ error + c·noise·β·KL, so β = ρ / (c·noise).
    power = 2 if convention.error == "mse" else 1  # the noise is σ², or b
    beta = ratio / (factor * scale**power)
    return Effective(beta, (ratio / factor) ** (1 / power))


@dataclass(frozen=True)
class WrittenLoss(ELBO):
    """An ELBO in nats whose loss is computed as some other code writes it."""

    written: Tensor | None = None

    @property
    def loss(self) -> Tensor:
        """The other code's number, to minimise; not in nats."""
        return self.written


class AsWritten:
    """A training objective that follows a convention to the letter.

    Nothing is translated here: it reduces and weighs as the convention says,
    with the functions that such code calls. So it can prove or refute what
    :func:`effective_beta` predicts. Distortion and rate stay in nats, by the
    model's own likelihood.
    """

    def __init__(self, convention: LossConvention):
        self.convention = convention

    def __call__(self, vae: VAE, x: Tensor, beta: float = 1.0) -> WrittenLoss:
        """(model, images (B, C, H, W), β) → the loss, for the training loop.

        Raises:
            ValueError: β is not 1: the convention has its own weights.
        """
        if beta != 1:
            raise ValueError(
                f"The convention weighs its own terms, got beta={beta:g}."
            )
        c = self.convention
        q = vae.encode(x)
        p = vae.decode(q.rsample())
        function = {
            "bce": F.binary_cross_entropy,
            "mse": F.mse_loss,
            "l1": F.l1_loss,
        }[c.error]
        error = function(p.mean, x, reduction="none").flatten(1)
        error = getattr(torch, c.pixels)(error, dim=1)  # (B,)
        kl = D.kl_divergence(q.base_dist, D.Normal(0.0, 1.0)).flatten(1)
        kl = getattr(torch, c.latents)(kl, dim=1)  # (B,)
        written = c.error_weight * getattr(torch, c.error_batch)(error)
        written = written + c.rate_weight * getattr(torch, c.rate_batch)(kl)
        rate = D.kl_divergence(q, vae.prior)
        return WrittenLoss(-p.log_prob(x), rate, written=written)


class PublicLoss(NamedTuple):
    """A loss found in public code, with the sizes that the code uses."""

    name: str
    source: str  # repository and file, as read in the year given
    convention: LossConvention
    image_shape: tuple[int, int, int]
    latent: int

    @property
    def effective(self) -> Effective:
        """Its β (at noise 1) and the noise that it implies."""
        return effective_beta(self.convention, self.image_shape, self.latent)


_DIGITS = (1, 28, 28)

# Read from the sources, each at the revision or edition that is named. Several
# were changed later; what they teach is how little it takes.
#
# Keras's VAE example changed its loss several times in 2016. A pixel mean
# beside a summed KL, with noise of standard deviation 1, stood there from
# f6bcaffe4a until 257ace722c (pull request 3383), which put the number of
# pixels back. Versions with ``epsilon_std = 0.01`` are no β-VAE: their KL is
# that of a wider Gaussian than the one that z is drawn from.
PUBLIC_LOSSES = (
    PublicLoss(
        "PyTorch's VAE example",
        "pytorch/examples, vae/main.py",
        LossConvention("bce", error_batch="sum", rate_batch="sum"),
        _DIGITS,
        20,
    ),
    PublicLoss(
        "Keras's VAE example, summer of 2016",
        "keras-team/keras, examples/variational_autoencoder.py, from commit "
        "f6bcaffe4a until 257ace722c",
        LossConvention("bce", pixels="mean"),
        _DIGITS,
        2,
    ),
    PublicLoss(
        "Keras's VAE example, since 2020",
        "keras-team/keras-io, examples/generative/vae.py",
        LossConvention("bce"),
        _DIGITS,
        2,
    ),
    PublicLoss(
        "Hands-On Machine Learning, 2nd ed.",
        "ageron/handson-ml2, 17_autoencoders_and_gans.ipynb",
        LossConvention("bce", pixels="mean", rate_weight=1 / 784),
        _DIGITS,
        10,
    ),
    PublicLoss(
        "Hands-On Machine Learning, 3rd ed.",
        "ageron/handson-ml3, 17_autoencoders_gans_and_diffusion_models.ipynb",
        LossConvention("mse", pixels="mean", rate_weight=1 / 784),
        _DIGITS,
        10,
    ),
    PublicLoss(
        "Generative Deep Learning, 1st ed.",
        "davidADSP/GDL_code, models/VAE.py with r_loss_factor 1000",
        LossConvention("mse", pixels="mean", error_weight=1000.0),
        _DIGITS,
        2,
    ),
    PublicLoss(
        "Generative Deep Learning, 2nd ed.",
        "davidADSP/Generative_Deep_Learning_2nd_Edition, 02_vae_fashion",
        LossConvention("bce", pixels="mean", error_weight=500.0),
        (1, 32, 32),
        2,
    ),
    PublicLoss(
        "PyTorch-VAE, VanillaVAE",
        "AntixK/PyTorch-VAE, models/vanilla_vae.py with kld_weight 0.00025",
        LossConvention("mse", pixels="mean", rate_weight=0.00025),
        (3, 64, 64),
        128,
    ),
    PublicLoss(
        "Lightning Bolts, VAE",
        "Lightning-Universe/lightning-bolts, basic_vae_module.py",
        LossConvention("mse", pixels="mean", latents="mean", rate_weight=0.1),
        (3, 32, 32),
        256,
    ),
    PublicLoss(
        "Stable Diffusion's autoencoder",
        "CompVis/latent-diffusion, contperceptual.py, L1 and KL terms",
        LossConvention("l1", rate_weight=1e-6),
        (3, 256, 256),
        4 * 32 * 32,
    ),
)
