"""Gaussian latents, for which the best denoiser is known in closed form."""

from dataclasses import dataclass

import torch
from torch import Tensor

from vae_course.diffusion import Schedule, target


@dataclass
class ExactDenoiser:
    """Answers what the best of all networks would, for N(mean, covariance).

    E[z_0 | z_t] by the rule for Gaussians; ε follows from it. Latents are
    (B, D) or (B, C, h, w), flattened to D numbers.
    """

    mean: Tensor  # (D,), float64
    covariance: Tensor  # (D, D), float64
    schedule: Schedule
    prediction: str = "noise"

    def __call__(self, z_t: Tensor, share: Tensor, labels=None) -> Tensor:
        t = int((share[0] * self.schedule.steps).round())
        a, s = self.schedule.signal[t], self.schedule.noise[t]
        identity = torch.eye(len(self.mean), dtype=torch.float64)
        seen = a**2 * self.covariance + s**2 * identity
        gain = a * self.covariance @ torch.linalg.inv(seen)
        flat = z_t.flatten(1).double()
        z = self.mean + (flat - a * self.mean) @ gain.T
        noise = (flat - a * z) / s
        said = target(self.prediction, self.schedule, z, noise, t)
        return said.view_as(z_t).to(z_t)


def two_by_two(seed: int = 0) -> tuple[Tensor, Tensor]:
    """A mean (4,) and a covariance (4, 4) that is not diagonal."""
    generator = torch.Generator().manual_seed(seed)
    how = {"generator": generator, "dtype": torch.float64}
    root = torch.randn(4, 4, **how) / 2
    return torch.randn(4, **how), root @ root.T + 0.05 * torch.eye(4)
