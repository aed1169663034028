"""A VAE about which everything is known: probabilistic PCA.

p(z) = N(0, I) and p(x|z) = N(Wz + c, σₓ²I). Then p(x) is a Gaussian, too, and
so is the true posterior: no integral is left to estimate, in any bound.
Chapter 4 and the tests hold the general code against this model.

Sources: Tipping & Bishop 1999 (https://doi.org/10.1111/1467-9868.00196),
Lucas et al. 2019 (https://arxiv.org/abs/1911.02469).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch import distributions as D

from vae_course.core import (
    ELBO,
    VAE,
    check_batch,
    diagonal_gaussian,
    standard_normal,
)


class LinearGaussian(VAE):
    """Probabilistic PCA with the interface of a VAE, and the truth beside it.

    p(z) = N(0, I), p(x|z) = N(Wz + c, σₓ²I), q(z|x) = N(μ, diag(σ²)) with μ
    linear in x and the same σ for every image. ``decoder`` holds W and c,
    ``encoder`` the weights and biases of μ; all are trained, and so are σ
    (``log_var``) and σₓ (``log_scale``).

    Args:
        image_shape: (C, H, W) of the images.
        latent: dimensions of z, fewer than pixels.
        scale: the σₓ to start from, in units of a pixel's value.

    Raises:
        ValueError: the latents are as many as the pixels or more, or the
            scale is not positive.
    """

    def __init__(
        self,
        image_shape: Sequence[int] = (1, 4, 4),
        latent: int = 2,
        scale: float = 1.0,
    ):
        super().__init__()
        self.image_shape = tuple(image_shape)
        pixels = math.prod(self.image_shape)
        if not 0 < latent < pixels or not scale > 0:
            raise ValueError(
                "A linear-Gaussian model needs 0 < latent < pixels and a "
                f"positive scale, got latent={latent}, pixels={pixels}, "
                f"scale={scale}."
            )
        self.encoder = nn.Linear(pixels, latent)
        self.log_var = nn.Parameter(torch.zeros(latent))
        self.decoder = nn.Linear(latent, pixels)
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale)))
        self.register_buffer("origin", torch.zeros(latent), persistent=False)

    def encode(self, x: Tensor) -> D.Independent:
        """q(z|x), a diagonal Gaussian: (B, C, H, W) → events (latent,)."""
        check_batch(x, self.image_shape, "images")
        mean = self.encoder(x.flatten(1))  # (B, latent)
        return diagonal_gaussian(mean, self.log_var.expand_as(mean))

    def decode(self, z: Tensor) -> D.Independent:
        """p(x|z) = N(Wz + c, σₓ²I), (B, latent) → events (C, H, W)."""
        check_batch(z, self.origin.shape, "latents")
        mean = self.decoder(z).view(-1, *self.image_shape)  # (B, C, H, W)
        normal = D.Normal(mean, self.log_scale.exp(), validate_args=False)
        return D.Independent(normal, 3, validate_args=False)

    @property
    def prior(self) -> D.Independent:
        """p(z) = N(0, I) over (latent,)."""
        return standard_normal(self.origin)

    @property
    def precision(self) -> Tensor:
        """Of the true posterior, the same for every x: I + WᵀW/σₓ²."""
        weight = self.decoder.weight  # (pixels, latent)
        identity = torch.eye(len(self.origin)).to(weight)
        return identity + weight.T @ weight / self.log_scale.exp() ** 2

    def log_evidence(self, x: Tensor) -> Tensor:
        """log p(x) = log N(x; c, WWᵀ + σₓ²I), exactly; (B,), in nats."""
        check_batch(x, self.image_shape, "images")
        weight = self.decoder.weight
        noise = self.log_scale.exp() ** 2 * torch.eye(len(weight)).to(weight)
        covariance = weight @ weight.T + noise  # (pixels, pixels)
        evidence = D.MultivariateNormal(self.decoder.bias, covariance)
        return evidence.log_prob(x.flatten(1))

    def posterior(self, x: Tensor) -> D.MultivariateNormal:
        """The true p(z|x), events (latent,), by completing the square."""
        check_batch(x, self.image_shape, "images")
        centred = x.flatten(1) - self.decoder.bias  # (B, pixels)
        projected = centred @ self.decoder.weight / self.log_scale.exp() ** 2
        covariance = torch.linalg.inv(self.precision)
        return D.MultivariateNormal(projected @ covariance, covariance)

    def mean_field(self, x: Tensor) -> D.Independent:
        """The best q(z|x) with independent dimensions.

        Its mean is the posterior's; its variances are one over the diagonal of
        the posterior's *precision*, which is not the diagonal of its
        covariance (Bishop 2006, section 10.1.2).
        """
        mean = self.posterior(x).mean
        return diagonal_gaussian(
            mean, -self.precision.diagonal().log().expand_as(mean)
        )

    def mean_field_gap(self) -> Tensor:
        """What independence costs: KL(mean_field(x) ‖ posterior(x)), in nats.

        ½ (Σ log Λ_dd − log det Λ) for the posterior's precision Λ: zero when Λ
        is diagonal, and the same for every image.
        """
        precision = self.precision
        logs = precision.diagonal().log().sum() - torch.logdet(precision)
        return 0.5 * logs

    def gap(self, x: Tensor, q: D.Distribution) -> Tensor:
        """KL(q ‖ p(z|x)), (B,), in nats: what the ELBO lacks to log p(x)."""
        return D.kl_divergence(_with_covariance(q), self.posterior(x))

    def exact_elbo(
        self, x: Tensor, q: D.Distribution | None = None, beta: float = 1.0
    ) -> ELBO:
        """The ELBO with both expectations done by hand: nothing is sampled.

        Args:
            x: images, (B, C, H, W).
            q: any Gaussian over (latent,), one for each image; None takes
                ``encode(x)``.
            beta: weight of the rate.

        Returns:
            Distortion and rate, (B,) each, in nats per image.
        """
        q = _with_covariance(self.encode(x) if q is None else q)
        variance = self.log_scale.exp() ** 2
        weight = self.decoder.weight
        # E ‖x − Wz − c‖² = ‖x − Wμ − c‖² + tr(WᵀW Σ) for z ~ N(μ, Σ).
        error = (x.flatten(1) - self.decoder(q.mean)).square().sum(dim=1)
        spread = (weight.T @ weight * q.covariance_matrix).sum(dim=(-2, -1))
        logs = len(weight) * torch.log(2 * math.pi * variance)
        distortion = 0.5 * ((error + spread) / variance + logs)  # (B,)
        prior = _with_covariance(self.prior)
        return ELBO(distortion, D.kl_divergence(q, prior), beta)

    @torch.no_grad()
    def fit(self, x: Tensor) -> LinearGaussian:
        """Sets every parameter to the optimum for images x; returns itself.

        W, c and σₓ maximise the likelihood (Tipping & Bishop 1999, equations 7
        and 8, without their rotation): the leading eigenvectors of the
        covariance, lengthened, and the mean of the eigenvalues that are left.
        W's columns are then orthogonal, so the true posterior is diagonal, the
        encoder can equal it, and the ELBO has no gap (Lucas et al. 2019,
        section 4).

        Raises:
            ValueError: the images hold less variance than the model needs.
        """
        check_batch(x, self.image_shape, "images")
        latent = len(self.origin)
        centred = x.flatten(1) - x.flatten(1).mean(dim=0)
        covariance = centred.T @ centred / len(x)  # (pixels, pixels)
        values, vectors = torch.linalg.eigh(covariance)  # ascending
        variance = values[:-latent].mean()
        if not variance > 0 or len(x) < 2:
            raise ValueError(
                f"{len(x)} images with {latent} latents leave no noise to "
                "estimate: give more images, or fewer latents."
            )
        kept = values[-latent:]
        lengths = (kept - variance).clamp(min=0).sqrt()
        self.decoder.weight.copy_(vectors[:, -latent:] * lengths)
        self.decoder.bias.copy_(x.flatten(1).mean(dim=0))
        self.log_scale.copy_(0.5 * variance.log())
        shrink = self.decoder.weight / kept  # (pixels, latent)
        self.encoder.weight.copy_(shrink.T)
        self.encoder.bias.copy_(-self.decoder.bias @ shrink)
        self.log_var.copy_(variance.log() - kept.log())
        return self

    @torch.no_grad()
    def em_step(self, x: Tensor) -> LinearGaussian:
        """One turn of EM on images x; returns itself.

        E: q(z|x) is the posterior under the parameters as they are. M: W, c
        and σₓ move to where the ELBO of all images is largest while q stays, a
        regression of x on z (Tipping & Bishop 1999, appendix B). The encoder
        is left as it was.
        """
        flat, q = x.flatten(1), self.posterior(x)  # (B, pixels)
        z = torch.cat([q.mean, torch.ones_like(q.mean[:, :1])], dim=1)
        second = z.T @ z  # Σ E[(z, 1)(z, 1)ᵀ], but for the covariance of z
        second[:-1, :-1] += q.covariance_matrix.sum(dim=0)
        solved = torch.linalg.solve(second, z.T @ flat)  # (latent + 1, pixels)
        error = flat.square().sum() - (solved * (z.T @ flat)).sum()
        self.decoder.weight.copy_(solved[:-1].T)
        self.decoder.bias.copy_(solved[-1])
        self.log_scale.copy_(0.5 * torch.log(error / flat.numel()))
        return self


def _with_covariance(q: D.Distribution) -> D.MultivariateNormal:
    """A diagonal Gaussian as one with a full covariance; others unchanged."""
    if isinstance(q, D.MultivariateNormal):
        return q
    return D.MultivariateNormal(q.mean, scale_tril=q.stddev.diag_embed())
