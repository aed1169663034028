"""Chapter 10's figures: what was claimed and measured, and what was drawn."""

from __future__ import annotations

import torch
from torch import Tensor

from vae_course.show import plotting
from vae_course.show.figure import Figure


def claims_and_measurements(
    claimed: dict[str, float], measured: dict[str, float]
) -> Figure:
    """Each model's own loss beside its −ELBO, the best model first.

    Args:
        claimed: letter of a model → its author's loss.
        measured: likewise, −ELBO in nats per image.
    """
    rows = sorted(measured, key=measured.get)
    figure = plotting.new_figure(
        plotting.WIDTH,
        4.4,
        "Nine models from the best down. "
        + "; ".join(
            f"{k} claims {claimed[k]:.1f} nats and is measured at "
            f"{measured[k]:.1f}"
            for k in rows
        )
        + ".",
    )
    axis = figure.subplots()
    for place, k in enumerate(rows):
        ends = [claimed[k], measured[k]]
        axis.plot(ends, [place, place], color=plotting.SOFT)
        axis.plot(ends[1], place, "s", color=plotting.BLUE, markersize=8)
        axis.plot(ends[0], place, "o", color=plotting.ORANGE, markersize=5)
    axis.plot([], [], "o", color=plotting.ORANGE, label="claimed")
    axis.plot([], [], "s", color=plotting.BLUE, label="measured")
    axis.legend(frameon=False, loc="center right")
    axis.set_yticks(range(len(rows)), rows)
    axis.invert_yaxis()
    axis.set(xlabel="loss, and −ELBO in nats per image", xlim=(-15, None))
    axis.grid(axis="x")
    figure.suptitle("The best model is not the one with the best loss")
    return figure


def draws_beside_the_bell(draws: dict[str, Tensor]) -> Figure:
    """Histograms of (z − μ)/σ, each with the density of N(0, 1).

    Args:
        draws: letter of a model → standardised draws, (N,).
    """
    figure = plotting.new_figure(
        plotting.WIDTH,
        4.6,
        "Histograms of (z minus mu) over sigma of three models, each with "
        "the bell curve of N(0, 1). "
        + "; ".join(
            f"{k}: mean {e.mean():.2f}, spread {e.std():.2f}"
            for k, e in draws.items()
        )
        + ". None follows the bell.",
    )
    axes = figure.subplots(len(draws), 1, sharex=True)
    grid = torch.linspace(-4, 4, 200)
    bell = torch.distributions.Normal(0.0, 1.0).log_prob(grid).exp()
    bins = {"bins": 80, "range": (-4, 4), "density": True}
    for axis, (letter, e) in zip(axes, draws.items(), strict=True):
        axis.hist(e.clamp(-4, 4).numpy(), color=plotting.ORANGE, **bins)
        axis.plot(grid, bell, color=plotting.INK)
        axis.set_title(f"model {letter}", loc="left")
        axis.set_yticks([])
    axes[-1].set_xlabel("(z − μ)/σ")
    figure.suptitle("What three models draw, and what they say")
    return figure
