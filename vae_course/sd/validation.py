"""What a held-out set says of an autoencoder in training."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch import distributions as D

from vae_course import metrics
from vae_course.sd.autoencoder import AutoencoderKL
from vae_course.sd.critics import Verdict
from vae_course.sd.losses import absolute_error
from vae_course.sd.stream import Crops


@torch.no_grad()
def measure(
    vae: AutoencoderKL,
    crops: Crops,
    *,
    batch_size: int = 16,
    perceptual: Callable[[Tensor, Tensor], Tensor] | None = None,
    critic: Callable[[Tensor], Tensor] | None = None,
    accelerator=None,
) -> dict[str, float]:
    """Means over all crops; on many devices each measures its share.

    Reconstructions are from the mean of q(z|x), clamped.

    Args:
        vae: the model.
        crops: images in [-1, 1], by number.
        batch_size: images at a time.
        perceptual: (x̂, x) → distances (B,), or None.
        critic: images → scores, or None.
        accelerator: of Hugging Face, where there are several processes.

    Returns:
        ``error`` (Σ|x − x̂|), ``psnr`` in dB, ``ssim`` (of crops of 11 pixels
        and more), ``bits`` (the rate, per image), ``perceptual`` and
        ``critic_accuracy`` if asked for, ``latent_std`` of draws from q(z|x),
        and ``active_channels``: those whose mean has a variance above 0.01, in
        units of the prior's.
    """
    rank, processes = 0, 1
    if accelerator is not None:
        rank, processes = accelerator.process_index, accelerator.num_processes
    device = next(vae.parameters()).device
    sums: dict[str, Tensor] = {}
    # Over images and positions: how many, sum of means, sum of their squares.
    channels = torch.zeros(3, vae.config.latent_channels, dtype=torch.float64)
    drawn = torch.zeros(3, dtype=torch.float64)  # likewise, of draws
    numbers = range(rank, len(crops), processes)
    for start in range(0, len(numbers), batch_size):
        chosen = numbers[start : start + batch_size]
        x = torch.stack([crops.crop(i) for i in chosen]).to(device)
        q = vae.encode(x)
        y = vae.decode(q.mean).mean.clamp(-1, 1)
        found = {
            "error": absolute_error(x, y),
            "psnr": metrics.psnr(x, y, data_range=2.0),
            "bits": D.kl_divergence(q, vae.prior) / math.log(2),
        }
        if min(x.shape[-2:]) >= 11:
            found["ssim"] = metrics.ssim(x, y, data_range=2.0)
        if perceptual is not None:
            found["perceptual"] = perceptual(y, x)
        if critic is not None:
            of_each = [  # the same number of patches in each image
                Verdict(r, f).accuracy
                for r, f in zip(critic(x), critic(y), strict=True)
            ]
            found["critic_accuracy"] = torch.stack(of_each)
        for name, values in found.items():
            sums[name] = sums.get(name, 0) + values.cpu().double().sum()
        mean, variance = q.mean.cpu().double(), q.variance.cpu().double()
        ones = torch.ones_like(mean)
        for row, values in enumerate((ones, mean, mean.square())):
            channels[row] += values.sum(dim=(0, 2, 3))
        second = (mean.square() + variance).sum()  # E z² of a draw
        drawn += torch.stack([ones.sum(), mean.sum(), second])
    if processes > 1:
        names = _all_names(perceptual, critic, crops)
        packed = torch.stack(
            [torch.as_tensor(sums.get(n, 0.0)) for n in names]
        )
        packed = torch.cat([packed.double(), channels.flatten(), drawn])
        packed = accelerator.reduce(packed.to(device), "sum").cpu()
        sums = dict(zip(names, packed, strict=False))
        channels = packed[len(names) : -3].view(3, -1)
        drawn = packed[-3:]
    line = {name: (total / len(crops)).item() for name, total in sums.items()}
    first, second = channels[1] / channels[0], channels[2] / channels[0]
    active = (second - first.square()) > 0.01
    center = drawn[1] / drawn[0]
    line["latent_std"] = (drawn[2] / drawn[0] - center**2).sqrt().item()
    line["active_channels"] = int(active.sum())
    return line


def _all_names(perceptual, critic, crops: Crops) -> list[str]:
    """What is measured, also by a process that has no image of its own."""
    names = ["error", "psnr", "bits"]
    names += ["ssim"] if min(crops.crop(0).shape[-2:]) >= 11 else []
    names += ["perceptual"] if perceptual is not None else []
    return names + (["critic_accuracy"] if critic is not None else [])
