"""Autoencoders of dense layers: the deterministic one, and the VAE."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch import distributions as D

from vae_course.core import (
    ELBO,
    VAE,
    Likelihood,
    check_batch,
    diagonal_gaussian,
    standard_normal,
)


def mlp(sizes: Sequence[int]) -> nn.Sequential:
    """Dense layers of the given sizes with a ReLU between each two of them.

    ``mlp([784, 20])`` is one linear map; ``mlp([784, 400, 20])`` has one
    hidden layer. The last layer stays linear, so that outputs may be any real
    number.
    """
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class Autoencoder(nn.Module):
    """A deterministic autoencoder: image → code → image.

    Args:
        image_shape: (C, H, W) of the images.
        latent: numbers in the code.
        hidden: width of the one hidden layer on either side, or None for a
            linear autoencoder, whose best solution is PCA (Baldi & Hornik
            1989).

    Raises:
        ValueError: ``encode`` was given images of another shape.
    """

    def __init__(
        self,
        image_shape: Sequence[int] = (1, 28, 28),
        latent: int = 20,
        hidden: int | None = None,
    ):
        super().__init__()
        self.image_shape = tuple(image_shape)
        self.latent = latent
        widths = [] if hidden is None else [hidden]
        pixels = math.prod(self.image_shape)
        self.encoder = mlp([pixels, *widths, latent])
        self.decoder = mlp([latent, *widths, pixels])

    def encode(self, x: Tensor) -> Tensor:
        """The codes of images x, (B, C, H, W) → (B, latent)."""
        check_batch(x, self.image_shape, "images")
        return self.encoder(x.flatten(1))

    def decode(self, z: Tensor) -> Tensor:
        """The images of codes z, (B, latent) → (B, C, H, W)."""
        check_batch(z, (self.latent,), "codes")
        return self.decoder(z).view(-1, *self.image_shape)

    def forward(self, x: Tensor) -> Tensor:
        """Reconstructions of images x, same shape."""
        return self.decode(self.encode(x))


def squared_error(
    autoencoder: Autoencoder, x: Tensor, beta: float = 0.0
) -> ELBO:
    """½‖x − x̂‖² of each image: the loss of a deterministic autoencoder.

    Up to a constant this is the distortion, in nats per image, of Gaussian
    pixels with σ = 1. A code without noise has no rate, so the rate is zero
    and ``beta`` has nothing to weigh; both are here to fit the training loop.

    Returns:
        Distortion and rate, (B,) each, in nats per image.
    """
    error = 0.5 * (x - autoencoder(x)).square().flatten(1).sum(dim=1)  # (B,)
    return ELBO(error, torch.zeros_like(error), beta)


class MLPVAE(VAE):
    """A VAE of dense layers (Kingma & Welling 2013, appendix C).

    Args:
        image_shape: (C, H, W) of the images, of any size.
        hidden: width of the hidden layer on either side, or the widths of
            several, in the encoder's order.
        latent: dimensions of z.
        likelihood: ``"bernoulli"``, ``"normal"`` or ``"laplace"``.
        likelihood_scale: see :class:`~vae_course.core.Likelihood`.

    Raises:
        ValueError: the likelihood is unknown, or ``encode`` was given images
            of another shape.
    """

    def __init__(
        self,
        image_shape: Sequence[int] = (1, 28, 28),
        hidden: int | Sequence[int] = 400,
        latent: int = 20,
        likelihood: str = "bernoulli",
        likelihood_scale: float | None = None,
    ):
        super().__init__()
        self.image_shape = tuple(image_shape)
        widths = [hidden] if isinstance(hidden, int) else list(hidden)
        pixels = math.prod(self.image_shape)
        # Twice as many numbers come out: the means and the log-variances.
        self.encoder = mlp([pixels, *widths, 2 * latent])
        self.decoder = mlp([latent, *widths[::-1], pixels])
        self.likelihood = Likelihood(likelihood, likelihood_scale)
        self.register_buffer("origin", torch.zeros(latent), persistent=False)

    def encode(self, x: Tensor) -> D.Independent:
        """q(z|x), a diagonal Gaussian: (B, C, H, W) → events (latent,)."""
        check_batch(x, self.image_shape, "images")
        moments = self.encoder(x.flatten(1))  # (B, 2 · latent)
        mean, log_var = moments.chunk(2, dim=1)  # (B, latent) each
        return diagonal_gaussian(mean, log_var)

    def decode(self, z: Tensor) -> D.Independent:
        """p(x|z), (B, latent) → events (C, H, W)."""
        check_batch(z, self.origin.shape, "latents")
        output = self.decoder(z).view(-1, *self.image_shape)  # (B, C, H, W)
        return self.likelihood(output)

    @property
    def prior(self) -> D.Independent:
        """p(z) = N(0, I) over (latent,)."""
        return standard_normal(self.origin)
