"""Small models to examine, healthy until a test breaks one."""

from functools import lru_cache

import torch
from torch import nn

from vae_course import MLPVAE
from vae_course.data import ImageSet
from vae_course.sd import AutoencoderKL, Config
from vae_course.training import train

SHAPE = (1, 8, 8)
TINY = Config(
    block_out_channels=(8, 16),
    layers_per_block=1,
    norm_num_groups=4,
    use_quant_conv=False,
    use_post_quant_conv=False,
    scaling_factor=0.5,
    sample_size=16,
)


def bars(count=192, seed=3, shape=SHAPE) -> torch.Tensor:
    """Binary images, each with one bar here or there."""
    generator = torch.Generator().manual_seed(seed)
    c, h, w = shape
    x = torch.rand(count, c, h, w, generator=generator) < 0.15
    rows = torch.randint(h, (count,), generator=generator)
    upright = torch.rand(count, generator=generator) < 0.5
    for image, row, is_upright in zip(x, rows, upright, strict=True):
        if is_upright:
            image[:, :, row % w] = True
        else:
            image[:, row] = True
    return x.float()


def waves(count=24, seed=5, size=16) -> torch.Tensor:
    """Coloured waves in [−1, 1], (N, 3, size, size)."""
    generator = torch.Generator().manual_seed(seed)
    speed, tilt, phase = torch.rand(3, count, 3, 1, 1, generator=generator)
    place = torch.arange(size).float()
    return torch.sin(
        0.6 * speed * place + tilt * place.view(-1, 1) + 6 * phase
    )


def dense(**options) -> MLPVAE:
    torch.manual_seed(0)
    return MLPVAE(SHAPE, hidden=32, latent=4, **options)


@lru_cache
def _learned() -> dict:
    model = dense()
    train(model, bars(512, seed=4), epochs=40, lr=5e-3, progress=False)
    return model.state_dict()


def trained(kind=MLPVAE, **options) -> MLPVAE:
    """The dense model after a little training."""
    model = kind(SHAPE, hidden=32, latent=4, **options)
    model.load_state_dict(_learned())
    return model.eval()


def convolutional(kind=AutoencoderKL) -> AutoencoderKL:
    torch.manual_seed(0)
    return kind(TINY)


def as_set(images: torch.Tensor) -> ImageSet:
    pixels = (255 * images).round().to(torch.uint8)
    return ImageSet(pixels, torch.zeros(len(images)).long())


class Wrapped(nn.Module):
    """A layer, and something done to what comes out of it."""

    def __init__(self, layer, after):
        super().__init__()
        self.layer, self.after = layer, after

    def forward(self, x):
        return self.after(self.layer(x))


class Plain(nn.Module):
    """A VAE of plain functions, as tutorials write it, with a dropout."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(64, 32), nn.Tanh())
        self.drop = nn.Dropout(0.3)
        self.moments, self.outer = nn.Linear(32, 6), nn.Linear(3, 64)

    def encode(self, x):
        h = self.drop(self.inner(x.flatten(1)))
        return tuple(self.moments(h).chunk(2, dim=1))

    def decode(self, z):
        return self.outer(z).sigmoid().view(-1, *SHAPE)

    def objective(self, x):
        mean, log_var = self.encode(x)
        z = mean + (0.5 * log_var).exp() * torch.randn_like(mean)
        error = nn.functional.binary_cross_entropy(
            self.decode(z), x, reduction="sum"
        )
        kl = 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum()
        return (error + kl) / len(x)
