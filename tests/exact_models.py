"""Models whose numbers are known exactly, for several test modules."""

import math

import torch
from torch import distributions as D

from vae_course.core import VAE, standard_normal


class LinearGaussian(VAE):
    """A VAE whose log p(x) is known exactly: x = Wz + noise, z ~ N(0, I).

    q(z|x) is the true posterior, moved by ``shift`` in every dimension.
    """

    def __init__(self, pixels=6, latent=2, sigma=0.5, shift=0.0):
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        weights = torch.randn(pixels, latent, generator=generator)
        self.register_buffer("weights", weights.double())
        self.register_buffer("origin", torch.zeros(latent).double())
        self.offset = torch.nn.Parameter(torch.tensor(shift).double())
        self.sigma = sigma
        self.image_shape = (1, 1, pixels)

    def encode(self, x):
        w, var = self.weights, self.sigma**2
        precision = torch.eye(w.shape[1]).double() + w.T @ w / var
        covariance = torch.linalg.inv(precision)
        mean = x.flatten(1) @ w @ covariance / var + self.offset
        return D.MultivariateNormal(mean, covariance)

    def decode(self, z):
        mean = (z @ self.weights.T).view(-1, *self.image_shape)
        return D.Independent(D.Normal(mean, self.sigma), 3)

    @property
    def prior(self):
        latent = len(self.origin)
        return D.MultivariateNormal(self.origin, torch.eye(latent).double())

    def log_evidence(self, x):
        """log p(x), (B,): x is Gaussian with covariance WWᵀ + σ²I."""
        w = self.weights
        covariance = w @ w.T + self.sigma**2 * torch.eye(len(w)).double()
        return D.MultivariateNormal(
            torch.zeros(len(w)).double(), covariance
        ).log_prob(x.flatten(1))

    def draw(self, count):
        """Images from the model itself, (count, 1, 1, pixels)."""
        with torch.no_grad():
            return self.decode(self.prior.sample((count,))).sample()


class NoisyCode(VAE):
    """q(z|x) = N(x, s²) and p(x|z) = N(z, 1) in one dimension: all by hand."""

    def __init__(self, std=0.5):
        super().__init__()
        self.std = std
        self.register_buffer("origin", torch.zeros(1))
        self.unused = torch.nn.Parameter(torch.zeros(1))

    def encode(self, x):
        return D.Independent(D.Normal(x.flatten(1), self.std), 1)

    def decode(self, z):
        return D.Independent(D.Normal(z.view(-1, 1, 1, 1), 1.0), 3)

    @property
    def prior(self):
        return standard_normal(self.origin)

    def expected_distortion(self):
        """E ½(x − z)² + ½ log 2π over z ~ N(x, s²)."""
        return 0.5 * self.std**2 + 0.5 * math.log(2 * math.pi)
