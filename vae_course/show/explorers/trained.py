"""Explorers of trained models: a plane of codes, β, and noise and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from vae_course.core import VAE, elbo
from vae_course.show import plotting
from vae_course.show.explorers.packing import (
    as_packed,
    pack,
    pack_pictures,
    pack_small_pictures,
    within,
)
from vae_course.show.explorers.page import LiveExplorer
from vae_course.show.figure import WIDTH, new_figure

ACROSS = 7  # pictures on a side of the still map
LIVE = "Where scripts run, you can move over the plane."


@torch.no_grad()
def latent(
    models: Mapping[str, nn.Module], x: Tensor, labels: Tensor
) -> LiveExplorer:
    """Move over the plane of codes, and each model's decoder draws.

    Args:
        models: by name; dense models with two latent numbers. Their weights
            travel with 8 bits each.
        x: grey test images in [0, 1], (N, 1, H, W), which are shown where
            each model has its code.
        labels: their digits, (N,).

    Raises:
        ValueError: a model has other layers, or another latent than two.
    """
    described, rounding = [], 0.0
    for name, model in models.items():
        codes = _means(model, x)
        if codes.shape[1:] != (2,):
            raise ValueError(
                f"{name!r} has {codes.shape[1]} latent numbers; a plane has 2."
            )
        reach = float(f"{1.05 * codes.abs().max().item():.2g}")
        described.append(
            {
                "name": name,
                "net": pack(
                    within(model.decoder, reach),
                    sigmoid=isinstance(model, VAE),
                ),
                "reach": reach,
                "draws": isinstance(model, VAE),
                "codes": [[round(v, 2) for v in c] for c in codes.tolist()],
            }
        )
        rounding = max(rounding, rounding_error(model, reach))
    words = (
        f"What {' and '.join(models)} draw over their planes, each as far as "
        f"the codes of {len(x)} test images reach. The page has the weights "
        f"with 8 bits each, which moves no pixel by more than {rounding:.3f}."
    )
    figure = _maps(models, described, x.shape[-1], words)
    data = {
        "title": "Walk through the latent plane",
        "models": described,
        "labels": labels.tolist(),
        "thumbs": pack_small_pictures(x),
        "side": x.shape[-1],
    }
    return LiveExplorer("latent", data, figure, f"{words} {LIVE}")


def _means(model: nn.Module, x: Tensor) -> Tensor:
    """Codes, or the means of their distributions."""
    q = model.encode(x)
    return q if isinstance(q, Tensor) else q.mean


def grid(reach: float, across: int) -> Tensor:
    """Places in the plane, rows from the top, (across², 2)."""
    axis = torch.linspace(-reach, reach, across)
    up, right = torch.meshgrid(axis.flip(0), axis, indexing="ij")
    return torch.stack([right.flatten(), up.flatten()], dim=1)


def rounding_error(model: nn.Module, reach: float, across: int = 25) -> float:
    """How far 8 bits a weight move a pixel, at most, over a grid."""
    z = grid(reach, across)
    packed = as_packed(within(model.decoder, reach))
    outputs = [net(z) for net in (model.decoder, packed)]
    if isinstance(model, VAE):
        outputs = [output.sigmoid() for output in outputs]
    exact, rounded = (output.clamp(0, 1) for output in outputs)
    return (exact - rounded).abs().max().item()


def _maps(models, described, side: int, words: str):
    """Each model's pictures over a grid of its plane, side by side."""
    high = WIDTH / len(models) + 0.4
    figure = new_figure(WIDTH, high, alt=f"Maps of decoded digits. {words}")
    axes = figure.subplots(1, len(models), squeeze=False)[0]
    for axis, (name, model), each in zip(
        axes, models.items(), described, strict=True
    ):
        p = model.decode(grid(each["reach"], ACROSS))
        images = (p if isinstance(p, Tensor) else p.mean).clamp(0, 1)
        small = nn.functional.avg_pool2d(images, 2) if side > 16 else images
        plotting.show_image(axis, plotting.tiled(small, ACROSS))
        axis.set_title(name)
    return figure


@torch.no_grad()
def beta(
    models: Mapping[float, VAE], x: Tensor, shown: int = 8
) -> LiveExplorer:
    """A slider through models trained with several β.

    Args:
        models: by β, all of one architecture.
        x: grey test images in [0, 1], (N, 1, H, W); rate, distortion and
            spreads are means over all of them, in nats an image.
        shown: how many are reconstructed.
    """
    described: list[dict[str, Any]] = []
    for value, model in models.items():
        codes = _means(model, x)
        measured = elbo(model, x)
        spreads = codes.std(dim=0, correction=0).sort(descending=True).values
        images = model.decode(codes[:shown]).mean
        described.append(
            {
                "beta": value,
                "rate": round(measured.rate.mean().item(), 2),
                "distortion": round(measured.distortion.mean().item(), 2),
                "spreads": [round(s, 3) for s in spreads.tolist()],
                "images": pack_pictures(images),
            }
        )
    words = "; ".join(
        f"β = {m['beta']:g}: rate {m['rate']:.1f} nats, distortion "
        f"{m['distortion']:.1f}"
        for m in described
    )
    rows = len(models) + 1
    figure = new_figure(
        WIDTH,
        rows * WIDTH / shown + 0.2,
        alt=f"Test images, and below them each model's copies. {words}.",
    )
    axes = figure.subplots(rows, 1)
    plotting.show_image(axes[0], plotting.tiled(x[:shown], shown))
    for axis, model in zip(axes[1:], models.values(), strict=True):
        copies = model.decode(_means(model, x[:shown])).mean
        plotting.show_image(axis, plotting.tiled(copies, shown))
    data = {
        "title": "β by hand",
        "models": described,
        "originals": pack_pictures(x[:shown]),
        "side": x.shape[-1],
        "start": min(2, len(described) - 1),
    }
    return LiveExplorer(
        "beta", data, figure, f"{words}. Where scripts run, β is a slider."
    )


def noise(
    given: Mapping[int, Tensor],
    drawn: Mapping[int, Tensor],
    signal: Mapping[int, float],
) -> LiveExplorer:
    """A slider from clean to noise: pictures on their way there and back.

    Args:
        given: by step t, decoded latents of given images, (N, 1, H, W) in
            [0, 1].
        drawn: by the same steps, those that a sampler meets on its way.
        signal: √ᾱ_t by the same steps.

    Raises:
        ValueError: the three do not have the same steps, or not as many
            pictures at each.
    """
    steps = sorted(given)
    if not sorted(drawn) == sorted(signal) == steps:
        raise ValueError("All three need the same steps.")
    shapes = {x.shape for way in (given, drawn) for x in way.values()}
    if len(shapes) != 1:
        raise ValueError(f"Pictures of different shapes: {shapes}.")
    count, *_, side = shapes.pop()
    stops = [
        {
            "t": t,
            "signal": round(signal[t], 4),
            "given": pack_pictures(given[t]),
            "drawn": pack_pictures(drawn[t]),
        }
        for t in steps
    ]
    shown = [steps[0], steps[len(steps) // 2], steps[-1]]
    words = (
        f"Above, {count} given digits at t = {shown[0]}, {shown[1]} and "
        f"{shown[2]}, on their way to noise; below, drawn ones at the same "
        "steps, on their way out of it."
    )
    figure = new_figure(WIDTH, 6 * WIDTH / count + 0.2, alt=words)
    axes = figure.subplots(6, 1)
    rows = [way[t] for way in (given, drawn) for t in shown]
    for axis, row in zip(axes, rows, strict=True):
        plotting.show_image(axis, plotting.tiled(row, count))
    data = {
        "title": "Noise and back",
        "side": side,
        "last": steps[-1],
        "stops": stops,
    }
    return LiveExplorer(
        "noise", data, figure, f"{words} Where scripts run, t is a slider."
    )
