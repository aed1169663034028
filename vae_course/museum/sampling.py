"""Exhibits of drawing: the loss is right, and z is not what it says."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import distributions as D

from vae_course.museum import vae
from vae_course.museum.exhibit import Exhibit


def broken_draw(mean, log_var):
    std = torch.exp(0.5 * log_var)
    noise = torch.rand_like(mean)
    return mean + std * noise


def broken_draw_of_batch(mean, log_var):
    std = torch.std(0.5 * log_var)
    noise = torch.randn_like(mean)
    return mean + std * noise


def broken_draw_by_variance(mean, log_var):
    std = torch.exp(log_var)
    noise = torch.randn_like(mean)
    return mean + std * noise


def broken_rate(moments, z):
    mean, log_var = z.chunk(2, dim=1)
    return 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(dim=1)


def _standardised(draw: Callable) -> torch.Tensor:
    """(z − μ)/σ of many draws; N(0, 1) if they are drawn as they say."""
    mean = torch.randn(64, 8)
    log_var = torch.empty(64, 8).uniform_(-4, 0)
    std = (0.5 * log_var).exp()
    return torch.stack(
        [(draw(mean, log_var) - mean) / std for _ in range(200)]
    )


def centre(draw: Callable, seed: int) -> float:
    """The mean of (z − μ)/σ."""
    return _standardised(draw).mean().item()


def spread(draw: Callable, seed: int) -> float:
    """The widest spread of (z − μ)/σ over what it should be, in any latent.

    Measured latent by latent, and the one furthest from 1 is given.
    """
    std = _standardised(draw).std(dim=0).flatten()
    return std[std.log().abs().argmax()].item()


def claimed_rate(rate: Callable, seed: int) -> float:
    """The claimed rate over the true KL, for codes as trained VAEs have them.

    The truth comes from ``torch.distributions``.
    """
    mean = 2 * torch.randn(256, 8)
    log_var = torch.empty(256, 8).uniform_(-8, -2)
    q = D.Normal(mean, (0.5 * log_var).exp())
    truth = D.kl_divergence(q, D.Normal(0.0, 1.0)).sum()
    claimed = rate(torch.cat([mean, log_var], dim=1), q.sample()).sum()
    return (claimed / truth).item()


EXHIBITS = (
    Exhibit(
        name="one-sided-noise",
        title="Too good too soon",
        sees="The loss falls faster than with the textbook's line, and ends "
        "well below it.",
        instrument="mean of (z − μ)/σ over many draws",
        healthy=(-0.05, 0.05),
        wrong=broken_draw,
        right=vae.draw,
        gauge=centre,
        fault="The noise is uniform on [0, 1]: `rand` for `randn`. All codes "
        "lie on one side of their mean, within one σ.",
        lesson="Noise has a mean, a spread and a shape: measure them on the "
        "draw itself, not on the picture.",
        derived_in="notebooks/02_mlp_vae.html#a-code-with-an-error-bar",
        slot="draw",
    ),
    Exhibit(
        name="one-spread-for-all",
        title="Better than every table",
        sees="A loss that beats every table, within minutes, with a rate of a "
        "few nats.",
        instrument="spread of (z − μ)/σ in the latent where it is furthest "
        "from 1",
        healthy=(0.8, 1.25),
        wrong=broken_draw_of_batch,
        right=vae.draw,
        gauge=spread,
        fault="`torch.std` measures how much the numbers of a batch differ; "
        "it does not turn a log-variance into a σ. One number multiplies all "
        "noise.",
        lesson="A function whose name contains “std” need not compute the σ "
        "that you mean: test it on a log-variance of 0, where σ is 1.",
        derived_in="notebooks/02_mlp_vae.html#a-code-with-an-error-bar",
        slot="draw",
    ),
    Exhibit(
        name="variance-for-deviation",
        title="A bargain",
        sees="A better loss than with the textbook's line. All latents are "
        "active, and reconstructions are as good as any.",
        instrument="spread of (z − μ)/σ in the latent where it is furthest "
        "from 1",
        healthy=(0.8, 1.25),
        wrong=broken_draw_by_variance,
        right=vae.draw,
        gauge=spread,
        fault="exp(log σ²) is σ², not σ: the ½ is missing. Where σ is below 1 "
        "the noise is too small, and the rate is computed for another "
        "Gaussian than the one drawn from.",
        lesson="A draw and a KL must be of one and the same distribution; "
        "otherwise their sum bounds nothing.",
        derived_in="notebooks/03_reparameterization.html#z",
        slot="draw",
    ),
    Exhibit(
        name="moments-of-the-sample",
        title="A rate that costs nothing",
        sees="A claimed rate of a few nats, and reconstructions as sharp as "
        "those of an autoencoder: the best of both worlds.",
        instrument="claimed rate over the true KL of the same codes",
        healthy=(0.99, 1.01),
        wrong=broken_rate,
        right=vae.rate,
        gauge=claimed_rate,
        fault="Mean and log-variance are cut out of the sampled latent, not "
        "out of the encoder's moments. The halves of z are punished as if "
        "they were a mean and a log-variance; σ is not in the loss at all.",
        lesson="Compare each term of a loss with the same term from a library "
        "once: on the same input they agree, or one is wrong.",
        derived_in="book/elbo.html#prop-kl",
        slot="rate",
    ),
)
