"""What one encoder for all images costs: a q of its own for each image.

The gap of the ELBO has two parts (Cremer et al. 2018,
https://arxiv.org/abs/1801.03558). The amortisation gap is what an image's own
best q would gain over the encoder's; the approximation gap is what is left.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch import distributions as D

from vae_course.core import VAE, diagonal_gaussian, elbo


class OwnPosteriors(VAE):
    """A trained model whose encoder is replaced by one q for each image.

    Each q is a Gaussian with independent dimensions, a mean and a log-variance
    of its own. They start as the encoder's. The model itself does not move.

    Args:
        vae: the model; its q(z|x) is a diagonal Gaussian.
        x: the images, (B, C, H, W).
    """

    def __init__(self, vae: VAE, x: Tensor):
        super().__init__()
        with torch.no_grad():
            q = vae.encode(x)
        self.vae, self.images = vae, x
        self.mean = nn.Parameter(q.mean.clone())  # (B, D)
        self.log_var = nn.Parameter(2 * q.stddev.log())  # (B, D)

    def encode(self, x: Tensor) -> D.Independent:
        """The q of each image; ``x`` are the images it was made for.

        Raises:
            ValueError: there are more or fewer of them.
        """
        if len(x) != len(self.mean):
            raise ValueError(
                f"There is one q for each of {len(self.mean)} images, got "
                f"{len(x)} images."
            )
        return diagonal_gaussian(self.mean, self.log_var)

    def decode(self, z: Tensor) -> D.Distribution:
        """The model's p(x|z)."""
        return self.vae.decode(z)

    @property
    def prior(self) -> D.Distribution:
        """The model's p(z)."""
        return self.vae.prior

    def fit(self, steps: int = 400, lr: float = 0.03) -> OwnPosteriors:
        """Raises the ELBO of each image in its own q alone; returns itself."""
        own = [self.mean, self.log_var]  # the model's weights get no gradient
        optimizer = torch.optim.Adam(own, lr)
        decay = torch.optim.lr_scheduler.LinearLR(optimizer, 1, 0, steps)
        for _ in range(steps):
            loss = -elbo(self, self.images).value.sum()
            slopes = torch.autograd.grad(loss, own)
            for parameter, slope in zip(own, slopes, strict=True):
                parameter.grad = slope
            optimizer.step()
            decay.step()
        return self
