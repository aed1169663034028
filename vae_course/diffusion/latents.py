"""Latents to learn from: digits encoded once, and scaled.

A diffusion model never sees an image. The autoencoder encodes the whole set
once; what is kept are the mean and the σ of each q(z|x), so that every read
can draw anew. The scale that makes their variance 1 stays with the autoencoder
(:meth:`~vae_course.sd.autoencoder.AutoencoderKL.scale`), and what leaves the
diffusion model goes back through its ``unscale``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch import distributions as D
from torch.nn import functional as F

from vae_course.core import Likelihood, check_batch
from vae_course.diffusion.objective import Labelled
from vae_course.metrics import latent_scale
from vae_course.sd.autoencoder import AutoencoderKL, Config

# A digit of 28×28 gets a border of 2, as in LeCun et al. 1998, and is cut into
# patches of 8×8: 64 channels at 4×4. No convolution ever runs at full size.
PATCH, BORDER = 8, 2
DIGITS = Config(
    in_channels=PATCH**2,
    out_channels=PATCH**2,
    latent_channels=4,
    block_out_channels=(64,),
    layers_per_block=1,
    norm_num_groups=8,
    use_quant_conv=False,
    use_post_quant_conv=False,
    scaling_factor=1.0,
    sample_size=4,
)


class DigitAutoencoder(AutoencoderKL):
    """The autoencoder of chapter 7, in small, for digits cut into patches.

    Images are (B, 1, 28, 28) in [0, 1], their likelihood is Bernoulli, as in
    chapter 2; latents are (B, 4, 4, 4), 64 numbers in place of 784.
    """

    def __init__(self, config: Config = DIGITS):
        super().__init__(config)
        self.likelihood = Likelihood("bernoulli")

    def moments(self, x: Tensor, encoder=None) -> Tensor:
        """Means, then log-variances, of q(z|x): (B, 8, 4, 4)."""
        check_batch(x, (1, 28, 28), "images")
        x = F.pad(2 * x - 1, [BORDER] * 4, value=-1.0)  # (B, 1, 32, 32)
        x = F.pixel_unshuffle(x, PATCH)  # (B, 64, 4, 4)
        return super().moments(x, encoder)

    def decode(self, z: Tensor) -> D.Independent:
        """p(x|z), (B, 4, 4, 4) → Bernoulli pixels over (1, 28, 28)."""
        patches = self.decoder(self.before_decoder(z))  # (B, 64, 4, 4)
        logits = F.pixel_shuffle(patches, PATCH)  # (B, 1, 32, 32)
        return self.likelihood(logits[..., BORDER:-BORDER, BORDER:-BORDER])


@dataclass(frozen=True)
class Latents:
    """The latents of a set of images, near unit variance, and their labels.

    ``latents[i]`` draws from q(z|x), anew at each read.
    """

    mean: Tensor  # (N, C, h, w)
    std: Tensor  # (N, C, h, w)
    labels: Tensor  # (N,)

    def __len__(self) -> int:
        return len(self.mean)

    def __getitem__(self, index) -> Labelled:
        mean, std = self.mean[index], self.std[index]
        z = mean + std * torch.randn_like(mean)
        return Labelled(z, self.labels[index])

    def to(self, device: torch.device | str) -> Latents:
        """The same latents on another device."""
        columns = (self.mean, self.std, self.labels)
        return Latents(*(column.to(device) for column in columns))


@torch.no_grad()
def encoded(vae: AutoencoderKL, images, *, batch_size: int = 1000) -> Latents:
    """Encodes a set of images once, scaled as a diffusion model wants it.

    Measure the scale first, and keep it: :func:`keep_scale`.

    Args:
        vae: the autoencoder.
        images: an ImageSet in the autoencoder's range, with labels.
        batch_size: images encoded at a time.
    """
    device = next(vae.parameters()).device
    means, stds = [], []
    for start in range(0, len(images), batch_size):
        q = vae.encode(images[start : start + batch_size].to(device))
        means.append(vae.scale(q.mean))
        stds.append(vae.config.scaling_factor * q.stddev)  # no shift here
    return Latents(torch.cat(means), torch.cat(stds), images.labels.to(device))


def keep_scale(vae: AutoencoderKL, images) -> float:
    """Measures 1/std of the latents of images, and keeps it in the config."""
    scale = latent_scale(vae, images, batch_size=500)
    vae.config = replace(vae.config, scaling_factor=scale)
    return scale
