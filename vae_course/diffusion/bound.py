"""A diffusion model is a hierarchical VAE: its ELBO, term by term.

The encoder is fixed: it adds noise. The decoder is a chain of Gaussians, one a
step, each around what the denoiser makes of z_t. For Gaussian data the best
denoiser is known, and with it every term, the evidence and the gap: no
integral is left to estimate. The book's page on the ELBO has the proofs.

Sources: Sohl-Dickstein et al. 2015 (https://arxiv.org/abs/1503.03585), Ho et
al. 2020 (https://arxiv.org/abs/2006.11239), equation 5, Kingma et al. 2021
(https://arxiv.org/abs/2107.00630), equations 11 to 13.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch import distributions as D

from vae_course.diffusion.schedule import Schedule


@dataclass(frozen=True)
class DiffusionELBO:
    """What a diffusion model pays for each image, in nats, term by term."""

    prior: Tensor  # (B,)  KL(q(z_T|x) ‖ p(z_T)): what is left at the end
    denoising: Tensor  # (B, T − 1)  for the steps t = 2, …, T
    reconstruction: Tensor  # (B,)  −E log p(x|z_1)

    @property
    def value(self) -> Tensor:
        """The ELBO, (B,), in nats: a lower bound on log p(x)."""
        return -(self.prior + self.denoising.sum(dim=1) + self.reconstruction)


class GaussianDiffusion:
    """A diffusion model of Gaussian data, with the best denoiser there is.

    x ~ N(mean, covariance); z_t as the schedule says, with z_0 = x. The chain
    back has the variances of q(z_{t−1}|z_t, x), as DDPM's; its last step is
    p(x|z_1) = N(E[x|z_1], v I) with the v that costs least.

    Args:
        mean: of the data, (D,).
        covariance: of the data, (D, D).
        schedule: one that preserves the variance.
    """

    def __init__(self, mean: Tensor, covariance: Tensor, schedule: Schedule):
        self.data = D.MultivariateNormal(mean.double(), covariance.double())
        # Noise is the same in all directions, so along the principal axes
        # everything falls apart into single numbers.
        self.variances, self.axes = torch.linalg.eigh(covariance.double())
        self.centre = mean.double() @ self.axes  # (D,)
        self.schedule = schedule
        a, s = schedule.signal[1:, None], schedule.noise[1:, None]  # (T, 1)
        seen = a**2 * self.variances + s**2  # Var z_t, (T, D)
        self.gain = a * self.variances / seen  # of E[x|z_t] on z_t
        self.unknown = self.variances * s**2 / seen  # Var[x|z_t], (T, D)
        self.last_variance = self.unknown[0].mean()  # v

    def terms(self, x: Tensor) -> DiffusionELBO:
        """The ELBO of x, (B, D) or (B, C, H, W), in its terms; exact."""
        x = x.flatten(1).double() @ self.axes  # (B, D)
        a, s = self.schedule.signal[1:, None], self.schedule.noise[1:, None]
        # E (x − E[x|z_t])² for z_t ~ q(z_t|x): a bias and a spread.
        bias = (1 - a * self.gain) * (x - self.centre)[:, None]  # (B, T, D)
        error = (bias.square() + (s * self.gain).square()).sum(dim=2)  # (B, T)
        fall = -self.schedule.snr[1:].diff()  # of signal to noise, (T − 1,)
        end = D.kl_divergence(
            D.Normal(a[-1] * x, s[-1]), D.Normal(0.0 * x, 1.0)
        )
        v = self.last_variance
        logs = x.shape[1] * math.log(2 * math.pi * v)
        return DiffusionELBO(
            prior=end.sum(dim=1),
            denoising=0.5 * fall * error[:, 1:],
            reconstruction=0.5 * (error[:, 0] / v + logs),
        )

    def log_data(self, x: Tensor) -> Tensor:
        """log p(x) under the data's own Gaussian, (B,), in nats."""
        return self.data.log_prob(x.flatten(1).double())

    def log_evidence(self, x: Tensor) -> Tensor:
        """log p(x) under the chain, (B,), in nats: what the ELBO bounds.

        z_T ~ N(0, I) is carried down the chain; each step is affine.
        """
        mean = torch.zeros_like(self.centre)
        variance = torch.ones_like(self.centre)
        a, s = self.schedule.signal, self.schedule.noise
        for t in range(self.schedule.steps, 0, -1):
            gain = self.gain[t - 1]
            offset = self.centre * (1 - a[t] * gain)  # E[x|z_t] at z_t = 0
            if t > 1:
                added = s[t] ** 2 - (a[t] / a[t - 1]) ** 2 * s[t - 1] ** 2
                of_x = a[t - 1] * added / s[t] ** 2
                of_z = a[t] / a[t - 1] * s[t - 1] ** 2 / s[t] ** 2
                noise = s[t - 1] ** 2 * added / s[t] ** 2
            else:
                of_x, of_z, noise = 1.0, 0.0, self.last_variance
            slope = of_z + of_x * gain
            mean = slope * mean + of_x * offset
            variance = slope**2 * variance + noise
        x = x.flatten(1).double() @ self.axes
        return D.Normal(mean, variance.sqrt()).log_prob(x).sum(dim=1)

    def gaps(self) -> Tensor:
        """What E log p(x) − E ELBO consists of, (T + 1,), in nats.

        First for the last step back, then for t = 2, …, T, then for the prior:
        each the expected KL from the true way back q(z_{t−1}|z_t) to the
        model's. Theirs has more variance, in some directions more than others:
        it does not know x. The expectations are over the data.
        """
        fall = -self.schedule.snr[1:].diff()[:, None]  # (T − 1, 1)
        ratio = fall * self.unknown[1:]  # (T − 1, D), ≥ 0
        steps = 0.5 * (ratio - torch.log1p(ratio)).sum(dim=1)
        ratio = self.unknown[0] / self.last_variance
        first = 0.5 * (ratio - 1 - ratio.log()).sum()
        a, s = self.schedule.signal[-1], self.schedule.noise[-1]
        spread = (a**2 * self.variances + s**2).sqrt()
        end = D.kl_divergence(
            D.Normal(a * self.centre, spread), D.Normal(0.0 * spread, 1.0)
        )
        return torch.cat([first[None], steps, end.sum()[None]])
