"""Two formulas by hand: reparameterization, and the bound with its gap."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch import distributions as D

from vae_course.show.explorers.page import LiveExplorer
from vae_course.show.figure import (
    BLUE,
    GREEN,
    ORANGE,
    WIDTH,
    label,
    new_figure,
)

LIVE = "Where scripts run, this picture has sliders."


def reparameterization(target: float = 1.5) -> LiveExplorer:
    """Sliders for μ, σ and ε: where z goes, and which slopes come back.

    The loss is ½(z − target)². Its slope at z is the slope at μ; times ε, it
    is the slope at σ.
    """
    mean, std, noise = -1.0, 0.6, 1.0
    z = mean + std * noise
    slope = z - target
    words = (
        f"With μ = {_plain(mean)}, σ = {std} and ε = {_plain(noise)}, "
        f"z is {_plain(z)}. The loss ½(z − {target})² has the slope "
        f"{_plain(slope)} at z and at μ, and ε times that, "
        f"{_plain(slope * noise)}, at σ."
    )
    alt = f"The density of z over a line. {words}"
    figure = new_figure(WIDTH, 2.1, alt=alt)
    axis = figure.subplots()
    place = torch.linspace(-4, 4, 200)
    axis.plot(place, D.Normal(mean, std).log_prob(place).exp(), color=BLUE)
    axis.plot([z], [0], "o", color=ORANGE, clip_on=False)
    axis.axvline(target, color=GREEN, ymax=0.25)
    label(axis, z, 0.1, "z", ORANGE)
    label(axis, target, 0.15, "target", GREEN)
    axis.set(yticks=[], ylim=(0, None), xlabel="z")
    axis.spines["left"].set_visible(False)
    title = "Reparameterization by hand"
    return LiveExplorer(
        "reparameterization",
        {"title": title, "target": target},
        figure,
        f"{words} {LIVE}",
    )


def terms(
    x: float, weight: float, noise: float, mean: Tensor, std: Tensor
) -> dict[str, Tensor]:
    """log p(x), ELBO and gap of q = N(mean, std²), in nats.

    The model has one latent number and one pixel: p(z) = N(0, 1) and
    p(x|z) = N(weight · z, noise²). The gap is KL(q ‖ posterior), computed as
    such, not as a difference.
    """
    marginal = D.Normal(0.0, math.hypot(weight, noise))
    variance = 1 / (1 + (weight / noise) ** 2)
    posterior = D.Normal(variance * weight * x / noise**2, variance**0.5)
    q, prior = D.Normal(mean, std), D.Normal(0.0, 1.0)
    distortion = -D.Normal(weight * mean, noise).log_prob(torch.tensor(x))
    distortion = distortion + (weight * std / noise) ** 2 / 2
    rate = D.kl_divergence(q, prior)
    return {
        "evidence": marginal.log_prob(torch.tensor(x)).expand_as(rate),
        "elbo": -distortion - rate,
        "gap": D.kl_divergence(q, posterior),
    }


def bound(
    x: float = 2.0, weight: float = 1.0, noise: float = 0.7
) -> LiveExplorer:
    """Sliders for q: the ELBO and its gap always add up to log p(x).

    Args:
        x: the one pixel.
        weight: of z in the mean of p(x|z).
        noise: the standard deviation of p(x|z).
    """
    mean, std = torch.tensor(0.0), torch.tensor(1.0)
    now = {k: v.item() for k, v in terms(x, weight, noise, mean, std).items()}
    variance = 1 / (1 + (weight / noise) ** 2)
    centre = variance * weight * x / noise**2
    words = (
        f"With q at the prior, the ELBO of {_plain(now['elbo'])} nats and "
        f"the gap of {_plain(now['gap'])} add up to log p(x), "
        f"{_plain(now['evidence'])}. With q at the posterior, of mean "
        f"{_plain(centre)} and standard deviation {_plain(variance**0.5)}, "
        "the gap is zero."
    )
    figure = new_figure(WIDTH, 1.6, alt=f"Three bars. {words}")
    axis = figure.subplots()
    bars = {
        "gap": (now["gap"], -now["evidence"], ORANGE),
        "−ELBO": (-now["elbo"], 0, BLUE),
        "−log p(x)": (-now["evidence"], 0, GREEN),
    }
    for name, (value, left, colour) in bars.items():
        axis.barh([name], [value], left=left, color=colour)
    axis.set_xlabel("nats")
    data = {
        "title": "The bound by hand",
        "x": x,
        "weight": weight,
        "noise": noise,
        "deepest": max(8.0, -2.0 * now["elbo"]),
    }
    return LiveExplorer("bound", data, figure, f"{words} {LIVE}")


def _plain(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")
