"""Measurements of any VAE, written against its three distributions alone."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from vae_course.core import VAE, log_importance_weights


@torch.no_grad()
def negative_log_likelihood(
    vae: VAE,
    images,
    *,
    samples: int = 1000,
    decoded_at_once: int = 4096,
    seed: int = 0,
) -> Tensor:
    """−log p(x) of each image by importance sampling; (N,), in nats.

    Burda et al. 2015, equation 8, with many samples. The estimate is an upper
    bound in expectation, and falls to the truth as ``samples`` grows. Memory
    stays bounded: no more than ``decoded_at_once`` images are decoded at a
    time, however many samples are asked for. The caller's random state is left
    as it was.

    Args:
        vae: the model.
        images: an ImageSet or a float tensor (N, C, H, W).
        samples: draws of z for each image.
        decoded_at_once: the bound on K·B in one step.
        seed: of the draws.

    Raises:
        ValueError: there are no images, or a count is not positive.
    """
    if len(images) == 0 or samples < 1 or decoded_at_once < 1:
        raise ValueError(
            "Importance sampling needs images and positive counts, got "
            f"{len(images)} images, samples={samples}, "
            f"decoded_at_once={decoded_at_once}."
        )
    weight = next(vae.parameters())
    device, dtype = weight.device, weight.dtype
    was_training = vae.training
    vae.eval()
    draws = min(samples, decoded_at_once)  # at a time, for each image
    batch_size = max(1, decoded_at_once // draws)
    # One tensor for all, from the start: small ones kept from every step would
    # lie between the large ones that come and go, and fragment the memory.
    result = torch.empty(len(images), device=device, dtype=dtype)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for start in range(0, len(images), batch_size):
            x = images[start : start + batch_size].to(device)
            total = torch.full_like(result[: len(x)], -math.inf)  # of log w
            for done in range(0, samples, draws):
                k = min(draws, samples - done)
                log_weights = log_importance_weights(vae, x, k)  # (k, B)
                total = torch.logaddexp(total, log_weights.logsumexp(dim=0))
            result[start : start + len(x)] = math.log(samples) - total
    vae.train(was_training)
    return result


@torch.no_grad()
def posterior_means(vae: VAE, images, *, batch_size: int = 1000) -> Tensor:
    """The mean of q(z|x) of each image, (N, ...).

    Raises:
        ValueError: there are no images.
    """
    if len(images) == 0:
        raise ValueError("There are no images to encode.")
    device = next(vae.parameters()).device
    starts = range(0, len(images), batch_size)
    batches = (images[s : s + batch_size].to(device) for s in starts)
    return torch.cat([vae.encode(x).mean for x in batches])


def active_units(vae: VAE, images, *, threshold: float = 0.01) -> Tensor:
    """Which latent dimensions say something about the image; bool, (D,).

    A unit is active when the mean of q(z|x) moves with x: its variance over
    the images exceeds ``threshold`` (Burda et al. 2015, section 5.2).
    ``.sum()`` counts them.

    Args:
        vae: the model.
        images: at least two; an ImageSet or a float tensor (N, C, H, W).
        threshold: in units of the prior's variance, 1.

    Raises:
        ValueError: there are fewer than two images.
    """
    if len(images) < 2:
        raise ValueError(
            f"A variance needs two images or more, got {len(images)}."
        )
    return posterior_means(vae, images).var(dim=0) > threshold


@torch.no_grad()
def latent_scale(
    vae: VAE, images, *, batch_size: int = 16, seed: int = 0
) -> float:
    """1/std of the latents drawn for ``images``, over all their numbers.

    The factor that gives a diffusion model inputs of unit variance: one scalar
    for all channels and positions, measured on draws from q(z|x), not on its
    means (Rombach et al. 2022, https://arxiv.org/abs/2112.10752, appendix G).
    Nothing is changed by measuring; what keeps it is
    ``vae.config = replace(vae.config, scaling_factor=...)``.

    Args:
        vae: the model.
        images: an ImageSet or a float tensor (N, C, H, W), as the model takes
            them.
        batch_size: images encoded at a time.
        seed: of the draws; the caller's random state is left as it was.

    Raises:
        ValueError: there are no images.
    """
    if len(images) == 0:
        raise ValueError("There are no images to measure latents on.")
    device = next(vae.parameters()).device
    count, total, squares = 0, 0.0, 0.0
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for start in range(0, len(images), batch_size):
            x = images[start : start + batch_size].to(device)
            z = vae.encode(x).sample().cpu().double()
            count += z.numel()
            total += z.sum().item()
            squares += z.square().sum().item()
    return (squares / count - (total / count) ** 2) ** -0.5


def bits_per_dimension(nats: float | Tensor, image_shape: Sequence[int]):
    """Nats per image as bits per pixel value: nats / (C·H·W · log 2)."""
    return nats / (math.prod(image_shape) * math.log(2))


def psnr(x: Tensor, y: Tensor, data_range: float = 1.0) -> Tensor:
    """Peak signal-to-noise ratio of each pair of images, (B,), in decibels.

    10 · log10(range² / mean squared error); infinite where they are equal.

    Args:
        x: images, (B, C, H, W).
        y: images of the same shape.
        data_range: white minus black: 1 for [0, 1], 2 for [−1, 1].

    Raises:
        ValueError: the shapes differ.
    """
    _check_pair(x, y)
    error = (x - y).square().flatten(1).mean(dim=1)
    return 10 * torch.log10(data_range**2 / error)


def ssim(x: Tensor, y: Tensor, data_range: float = 1.0) -> Tensor:
    """Structural similarity of each pair of images, (B,); 1 where equal.

    Wang et al. 2004, "Image quality assessment", equation 13, averaged over
    positions and channels; windows are Gaussian, 11×11 with σ = 1.5, and lie
    wholly inside the image.

    Args:
        x: images, (B, C, H, W), at least 11 pixels high and wide.
        y: images of the same shape.
        data_range: white minus black: 1 for [0, 1], 2 for [−1, 1].

    Raises:
        ValueError: the shapes differ, or the images are smaller than a window.
    """
    _check_pair(x, y)
    if min(x.shape[-2:]) < 11:
        raise ValueError(
            f"SSIM looks through windows of 11×11; got {tuple(x.shape)}."
        )
    place = torch.arange(-5, 6, dtype=x.dtype, device=x.device)
    window = torch.softmax(-(place**2) / (2 * 1.5**2), dim=0)  # sums to 1

    def blurred(image: Tensor) -> Tensor:
        image = image.flatten(0, 1).unsqueeze(1)  # (B·C, 1, H, W)
        image = F.conv2d(image, window.view(1, 1, -1, 1))
        return F.conv2d(image, window.view(1, 1, 1, -1))

    mean_x, mean_y = blurred(x), blurred(y)
    var_x = blurred(x * x) - mean_x**2
    var_y = blurred(y * y) - mean_y**2
    covariance = blurred(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    similarity = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    similarity /= (mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2)
    return similarity.view(len(x), -1).mean(dim=1)


def _check_pair(x: Tensor, y: Tensor) -> None:
    if x.shape != y.shape or x.dim() != 4:
        raise ValueError(
            "Two batches of one shape (B, C, H, W) are compared, got "
            f"{tuple(x.shape)} and {tuple(y.shape)}."
        )


def pixel_entropy(images) -> Tensor:
    """The least cross-entropy that Bernoulli pixels can reach; (N,), in nats.

    A pixel x in [0, 1] costs −x log p − (1 − x) log(1 − p), and no p makes
    that smaller than its value at p = x, the entropy of x. It is zero for
    black and for white; for grey images it is a floor under the distortion
    that no decoder can break through.

    Args:
        images: an ImageSet or a float tensor (N, C, H, W) in [0, 1].

    Raises:
        ValueError: there are no images, or a pixel is outside [0, 1].
    """
    if len(images) == 0:
        raise ValueError("There are no images to take the entropy of.")
    x = images[:]
    if x.min() < 0 or x.max() > 1:
        raise ValueError(
            "The entropy needs pixels in [0, 1], got "
            f"[{x.min():g}, {x.max():g}]: undo their normalisation first."
        )
    return -(torch.xlogy(x, x) + torch.xlogy(1 - x, 1 - x)).flatten(1).sum(1)
