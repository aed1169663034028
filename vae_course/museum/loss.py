"""Exhibits of the loss: each looks like the ELBO, and weighs otherwise."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from vae_course.core import PixelBernoulli
from vae_course.museum import vae
from vae_course.museum.exhibit import Exhibit


def broken_loss(x, logits, kl):
    error = F.binary_cross_entropy_with_logits(logits, x, reduction="none")
    return error.flatten(1).mean(dim=1).mean() + kl.sum(dim=1).mean()


def broken_loss_of_batch(x, logits, kl):
    error = F.binary_cross_entropy_with_logits(logits, x, reduction="none")
    return error.flatten(1).sum(dim=1).mean() + kl.sum(dim=1).sum()


class Posterior(nn.Module):
    """Mean and log-variance from the moments of an encoder.

    Args:
        latent: dimensions of z.
    """

    def __init__(self, latent: int):
        super().__init__()
        self.norm = nn.BatchNorm1d(latent)

    def forward(self, moments):
        mean, log_var = moments.chunk(2, dim=1)
        return mean, log_var


class BrokenPosterior(Posterior):
    def forward(self, moments):
        mean, log_var = moments.chunk(2, dim=1)
        return mean, self.norm(log_var)


def gaussian_nll(x, mean, log_std):
    """−log N(x; mean, σ²) of each number, in nats.

    Args:
        x: numbers of any shape.
        mean: of the Gaussian, the same shape.
        log_std: log σ, a number.

    Returns:
        The negative log-density, the shape of x.
    """
    error = 0.5 * ((x - mean) / log_std.exp()) ** 2
    return error + log_std + 0.5 * math.log(2 * math.pi)


def broken_gaussian_nll(x, mean, log_std):
    error = 0.5 * ((x - mean) / log_std.exp()) ** 2
    return error - log_std + 0.5 * math.log(2 * math.pi)


def broken_pixels(output):
    return PixelBernoulli(logits=torch.sigmoid(output))


def weighted_loss(loss):
    """Minus the importance-weighted bound, from the losses of K draws.

    Args:
        loss: −log [p(x|z) p(z) / q(z|x)] of each draw, (K, B), in nats.

    Returns:
        Minus the bound of each image, (B,), in nats.
    """
    bound = torch.logsumexp(-loss, dim=0) - math.log(len(loss))
    return -bound


def broken_weighted_loss(loss):
    bound = torch.logsumexp(loss, dim=0) - math.log(len(loss))
    return bound


def exchange_rate(loss: Callable, seed: int) -> float:
    """β: how much more one nat of KL weighs than one nat of distortion.

    By finite differences, with binary images of 784 pixels, 20 latents and a
    batch of 128. All arithmetic is in double precision.
    """
    x = torch.rand(128, 1, 28, 28).round().double()
    logits = torch.randn(128, 1, 28, 28).double()
    kl = torch.rand(128, 20).double()
    step = 1e-3

    def nats(logits):
        error = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
        return error / len(x)

    here = loss(x, logits, kl)
    worse = (1 - step) * logits
    a_nat_of_error = (loss(x, worse, kl) - here) / (nats(worse) - nats(logits))
    a_nat_of_rate = (loss(x, logits, kl + step) - here) / (20 * step)
    return (a_nat_of_rate / a_nat_of_error).item()


def neighbours(posterior: type, seed: int) -> float:
    """How far one image's code moves when its batch is another one.

    The largest change of mean or log-variance, while training.
    """
    head = posterior(8).train()
    mine, some, others = torch.randn(3, 16, 16).split(1)
    there = torch.cat([mine[0][:1], 3 * others[0]])
    here = torch.cat([mine[0][:1], some[0]])
    with torch.no_grad():
        pairs = zip(head(here), head(there), strict=True)
        return max((a[0] - b[0]).abs().max().item() for a, b in pairs)


def probability(nll: Callable, seed: int) -> float:
    """What all densities add up to: ∫ exp(−nll) dx, at a random σ below 1."""
    log_std = torch.empty((), dtype=torch.float64).uniform_(-2, -0.5)
    x = torch.linspace(-20, 20, 200_001, dtype=torch.float64)
    density = (-nll(x, torch.zeros_like(x), log_std)).exp()
    return torch.trapezoid(density, x).item()


def darkest(pixels: Callable, seed: int) -> float:
    """The least brightness that any output of a decoder can ask for."""
    output = 5 * torch.randn(4, 1, 28, 28)
    output[0, 0, 0, 0] = -50.0  # as black as can be
    return pixels(output).mean.min().item()


def climb(loss: Callable, seed: int) -> float:
    """What 50 draws win over one, in nats: never less than nothing."""
    losses = 100 + 3 * torch.randn(50, 500, dtype=torch.float64)
    alone = loss(losses[:1]).mean()
    return (alone - loss(losses).mean()).item()


EXHIBITS = (
    Exhibit(
        name="mean-beside-sum",
        title="A loss below 1",
        sees="The loss falls to 0.26 and stays there. The number is small and "
        "the curve is smooth.",
        instrument="β: one nat of KL in the loss over one nat of distortion",
        healthy=(0.999, 1.001),
        wrong=broken_loss,
        right=vae.loss,
        gauge=exchange_rate,
        fault="The cross-entropy is a mean over 784 pixels, the KL a sum over "
        "20 latents: a nat of rate weighs 784 times what it should, and the "
        "code stays empty.",
        lesson="Both terms are sums over one image, or the loss has a β that "
        "nobody chose.",
        derived_in="notebooks/05_rate_distortion.html#sum-or-mean",
        slot="loss",
    ),
    Exhibit(
        name="rate-of-the-batch",
        title="The larger the batch, the blurrier",
        sees="Reconstructions turn into the average digit, the sooner the "
        "larger the batch, and somebody says that VAEs are blurry.",
        instrument="β: one nat of KL in the loss over one nat of distortion",
        healthy=(0.999, 1.001),
        wrong=broken_loss_of_batch,
        right=vae.loss,
        gauge=exchange_rate,
        fault="The distortion is averaged over the batch and the KL summed "
        "over it: β is the size of the batch.",
        lesson="If a result depends on the batch size, look at what is "
        "reduced over the batch.",
        derived_in="notebooks/05_rate_distortion.html#sum-or-mean",
        slot="loss",
    ),
    Exhibit(
        name="normed-log-variance",
        title="A few nats short",
        sees="Training is stable from the first step, whatever the learning "
        "rate. The ELBO is some nats worse, which is put down to chance.",
        instrument="largest change of an image's code with another batch",
        healthy=(0.0, 1e-5),
        wrong=BrokenPosterior,
        right=Posterior,
        gauge=neighbours,
        fault="A batch norm sits on the log-variance. q(z|x) of an image then "
        "depends on the other images of its batch, and σ can no longer "
        "settle where the image wants it.",
        lesson="q(z|x) is a function of x: encode an image twice, in two "
        "batches, and compare.",
        derived_in="notebooks/06_convolutional_vae.html"
        "#group-norm-and-why-not-batch-norm",
        slot="posterior",
    ),
    Exhibit(
        name="free-fall",
        title="The best likelihood ever seen",
        sees="With a learned σ the loss falls, epoch after epoch, below every "
        "published number.",
        instrument="∫ exp(−loss) dx of one pixel: what its densities add up "
        "to",
        healthy=(0.999, 1.001),
        wrong=broken_gaussian_nll,
        right=gaussian_nll,
        gauge=probability,
        fault="The logarithm of σ has the wrong sign, so a larger σ is paid "
        "for and not charged. The loss has no floor, and nothing forces "
        "σ to fit.",
        lesson="Before you believe a likelihood, add it up: densities "
        "integrate to 1.",
        derived_in="notebooks/05_rate_distortion.html"
        "#likelihoods-for-grey-values",
    ),
    Exhibit(
        name="grey-world",
        title="Grey pictures",
        sees="It trains without complaint. The loss settles within an epoch, "
        "at some hundred nats, as losses of VAEs do; pictures are grey.",
        instrument="brightness of the darkest pixel that can be asked for",
        healthy=(0.0, 0.001),
        wrong=broken_pixels,
        right=vae.pixels,
        gauge=darkest,
        fault="The decoder ends in a sigmoid, and the likelihood applies one "
        "more: every pixel lies between 0.50 and 0.73.",
        lesson="Ask a decoder for black and for white before you train it.",
        derived_in="notebooks/02_mlp_vae.html#the-loss-what-it-costs-to-send"
        "-an-image",
        slot="pixels",
    ),
    Exhibit(
        name="worst-draw-wins",
        title="More samples, a worse bound",
        sees="The importance-weighted loss trains, and ends a little above "
        "the plain one; the paper's gain is said not to reproduce.",
        instrument="gain of 50 draws over one, in nats",
        healthy=(0.0, math.inf),
        wrong=broken_weighted_loss,
        right=weighted_loss,
        gauge=climb,
        fault="The weights are exp(+loss): the draw that explains the image "
        "worst gets all the weight. Their logarithm is minus the loss.",
        lesson="The bound rises with the number of draws, in expectation, or "
        "it is another bound.",
        derived_in="book/elbo.html#thm-iwae",
    ),
)
