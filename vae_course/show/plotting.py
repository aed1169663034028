"""The figures that chapters share, on :mod:`vae_course.show.figure`.

Every function returns a :class:`~vae_course.show.figure.Figure`; as the last
line of a cell it shows itself, and its alt text goes with it. Nothing touches
pyplot's global state, so nothing is drawn twice and nothing leaks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from vae_course.core import VAE
from vae_course.show.figure import (
    AMBER,
    BLUE,
    BROWN,
    COLOURS,
    GREEN,
    INK,
    ORANGE,
    PAPER,
    PINK,
    PURPLE,
    SKY,
    SOFT,
    TEXT,
    WIDTH,
    Figure,
    label,
    new_figure,
)

if TYPE_CHECKING:
    from vae_course.training import History

__all__ = [
    "AMBER",
    "BLUE",
    "BROWN",
    "COLOURS",
    "GREEN",
    "INK",
    "MARKERS",
    "ORANGE",
    "PAPER",
    "PINK",
    "PURPLE",
    "SKY",
    "SOFT",
    "TEXT",
    "WIDTH",
    "Figure",
    "bars",
    "comparison",
    "image_grid",
    "label",
    "latent_map",
    "latent_scatter",
    "lines",
    "loss_curves",
    "new_figure",
    "panels",
    "show_image",
    "tiled",
]

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">")
POINTS = 1200  # of a scatter: enough to see a density, few enough to store
_ROW = 0.28  # inches that a line of words needs


def show_image(axis, image: Tensor) -> None:
    """One image, (1, H, W) or (3, H, W) in [0, 1], on an axis without ticks.

    A fourth channel is how much of each pixel there is: 0 shows the page.
    """
    pixels = np.clip(image.detach().cpu().float().numpy(), 0, 1)
    if len(pixels) == 1:
        axis.imshow(
            pixels[0], cmap="gray", vmin=0, vmax=1, interpolation="none"
        )
    else:
        axis.imshow(pixels.transpose(1, 2, 0), interpolation="none")
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)


def image_grid(
    images: Tensor,
    *,
    columns: int = 10,
    width: float = WIDTH,
    title: str = "",
    alt: str = "",
) -> Figure:
    """Images side by side, in rows of ``columns``.

    Args:
        images: (N, 1, H, W) or (N, 3, H, W), in [0, 1].
        columns: images a row.
        width: of the figure, in inches.
        title: the figure's one message.
        alt: what there is to see; a plain count if empty.
    """
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    alt = alt or f"{len(images)} images in a grid of {rows} by {columns}."
    canvas = tiled(images, columns)
    height = width * canvas.shape[1] / canvas.shape[2]
    figure = new_figure(width, height + _ROW * bool(title), alt)
    show_image(figure.subplots(), canvas)
    figure.suptitle(title)
    return figure


def comparison(
    rows: dict[str, Tensor],
    *,
    width: float = WIDTH,
    title: str = "",
    alt: str = "",
) -> Figure:
    """Rows of images under each other, each under its name.

    Originals and their reconstructions, say: column i of every row belongs
    together.

    Args:
        rows: name → images, (N, C, H, W) in [0, 1], the same N in every row.
        width: of the figure, in inches.
        title: the figure's one message.
        alt: what there is to see; the rows' names if empty.

    Raises:
        ValueError: the rows differ in length, or there are none.
    """
    lengths = {name: len(images) for name, images in rows.items()}
    if len(set(lengths.values())) != 1:
        raise ValueError(f"Rows must be of one length, got {lengths}.")
    (columns,) = set(lengths.values())
    alt = alt or f"Rows of {columns} images each: {', '.join(rows)}."
    strips = {name: tiled(row, columns) for name, row in rows.items()}
    height = sum(s.shape[1] / s.shape[2] for s in strips.values()) * width
    height += _ROW * (len(rows) + bool(title))
    figure = new_figure(width, height, alt)
    axes = figure.subplots(len(rows), 1, squeeze=False)[:, 0]
    for axis, (name, strip) in zip(axes, strips.items(), strict=True):
        show_image(axis, strip)
        axis.set_title(name, loc="left", pad=3)
    figure.suptitle(title)
    return figure


def panels(
    images: dict[str, Tensor],
    *,
    columns: int = 3,
    width: float = WIDTH,
    title: str = "",
    alt: str = "",
) -> Figure:
    """A few images side by side, each under its name.

    Args:
        images: name → one image, (C, H, W) or (1, C, H, W), in [0, 1].
        columns: images a row; their names have to fit above them.
        width: of the figure, in inches.
        title: the figure's one message.
        alt: what there is to see; the names if empty.
    """
    shown = {
        name: image.reshape(image.shape[-3:]) for name, image in images.items()
    }
    columns = min(columns, len(shown))
    rows = -(-len(shown) // columns)
    tallest = max(i.shape[1] / i.shape[2] for i in shown.values())
    alt = alt or f"Images side by side: {', '.join(shown)}."
    height = rows * (width / columns * tallest + _ROW) + _ROW * bool(title)
    figure = new_figure(width, height, alt)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
    for axis, (name, image) in zip(axes, shown.items(), strict=False):
        show_image(axis, image)
        axis.set_axis_on()
        axis.set_title(name, pad=3)
    figure.suptitle(title)
    return figure


def lines(
    x: Sequence[float],
    curves: dict[str, Sequence[float]],
    *,
    xlabel: str,
    ylabel: str,
    colours: Sequence[str] = COLOURS,
    height: float = 3.0,
    title: str = "",
    alt: str = "",
) -> Figure:
    """Curves over one axis, each with its name at its right end.

    Args:
        x: the points that all curves share.
        curves: name → values.
        xlabel: what x is, with its unit.
        ylabel: what the values are, with their unit.
        colours: one a curve.
        height: of the figure, in inches.
        title: the figure's one message.
        alt: what there is to see; the names and last values if empty.
    """
    ends = ", ".join(
        f"{name} ends at {y[-1]:.3g}" for name, y in curves.items()
    )
    figure = new_figure(WIDTH, height, alt or f"Curves: {ends}.")
    axis = figure.subplots()
    for (name, y), colour in zip(curves.items(), colours, strict=False):
        axis.plot(x, y, color=colour)
        label(axis, x[-1], y[-1], name, colour)
    axis.set(xlabel=xlabel, ylabel=ylabel)
    axis.grid()
    figure.suptitle(title)
    return figure


def loss_curves(history: History, *, title: str = "", alt: str = "") -> Figure:
    """Distortion, rate and their sum after each epoch, in nats per image.

    Solid lines are held-out images where there are any, dotted ones the
    training images.
    """
    runs = {"held out": ("-", history.held_out), "train": (":", history.train)}
    shown = {name: run for name, run in runs.items() if run[1]}
    epochs = range(1, len(history.train) + 1)
    alt = alt or (
        "Three panels over the epochs: the negative ELBO, the distortion and "
        f"the rate, in nats per image; lines for {' and '.join(shown)} images."
    )
    figure = new_figure(WIDTH, 4.8, alt)
    axes = figure.subplots(3, 1, sharex=True)
    names = ("total", "distortion", "rate")
    labels = ("distortion + rate = −ELBO", "distortion", "rate")
    for axis, name, heading, colour in zip(
        axes, names, labels, (INK, BLUE, ORANGE), strict=True
    ):
        for where, (style, halves) in shown.items():
            values = [getattr(h, name) for h in halves]
            axis.plot(epochs, values, style, color=colour, label=where)
        axis.set_title(heading, loc="left", color=colour)
        axis.grid()
    axes[0].legend(ncols=2, frameon=False)
    axes[1].set_ylabel("nats per image")
    axes[2].set_xlabel("epoch")
    figure.suptitle(title)
    return figure


def latent_scatter(
    z: Tensor, labels: Tensor, *, title: str = "", alt: str = ""
) -> Figure:
    """Two-dimensional latents, one marker and colour for each class.

    Args:
        z: (N, 2); the first 1,200 are drawn.
        labels: classes from 0 to 9, (N,).
        title: the figure's one message.
        alt: what there is to see.

    Raises:
        ValueError: the latents are not two-dimensional.
    """
    if z.dim() != 2 or z.shape[1] != 2:
        raise ValueError(f"A scatter needs latents (N, 2), got {(*z.shape,)}.")
    z, labels = z.detach().cpu()[:POINTS], labels.cpu()[:POINTS]
    classes = labels.unique().tolist()
    alt = alt or f"{len(z)} points in a plane, in {len(classes)} classes."
    figure = new_figure(WIDTH, 4.4, alt)
    axis = figure.subplots()
    for c in classes:
        points = z[labels == c]
        look = {"marker": MARKERS[c], "color": COLOURS[c]}
        axis.scatter(*points.T, s=9, alpha=0.6, linewidths=0, **look)
    for c in classes:
        label(
            axis,
            *z[labels == c].median(dim=0).values.tolist(),
            str(c),
            ha="center",
            xytext=(0, 0),
            fontweight="bold",
            bbox={"boxstyle": "circle", "fc": PAPER, "ec": COLOURS[c]},
        )
    axis.set(xlabel="z₁", ylabel="z₂")
    axis.set_aspect("equal", adjustable="datalim")
    figure.suptitle(title)
    return figure


@torch.no_grad()
def latent_map(
    vae: VAE, *, steps: int = 15, title: str = "", alt: str = ""
) -> Figure:
    """The images of a regular grid of two-dimensional latents.

    The grid is regular in probability, not in z: it lies at the prior's
    quantiles, so every tile stands for the same share of p(z) (Kingma &
    Welling 2013, figure 4).

    Raises:
        ValueError: the model's latents are not two-dimensional.
    """
    if tuple(vae.prior.event_shape) != (2,):
        shape = tuple(vae.prior.event_shape)
        raise ValueError(f"A map needs latents of shape (2,), got {shape}.")
    alt = alt or f"A map of {steps} by {steps} decoded images."
    origin = vae.prior.mean
    share = (torch.arange(steps) + 0.5) / steps  # centres of equal shares
    ticks = torch.distributions.Normal(0.0, 1.0).icdf(share).to(origin)
    rows, columns = torch.meshgrid(ticks.flip(0), ticks, indexing="ij")
    z = torch.stack([columns, rows], dim=-1).view(-1, 2)  # (steps², 2)
    images = vae.decode(z).mean.cpu()  # (steps², C, H, W)
    images = (31 * images).round() / 31  # five bits: no eye sees more here
    h, w = images.shape[2:]
    figure = new_figure(WIDTH, WIDTH, alt)
    axis = figure.subplots()
    show_image(axis, tiled(images, steps, gap=0))
    middle = steps // 2
    for set_ticks, size, values in (
        (axis.set_xticks, w, ticks),
        (axis.set_yticks, h, ticks.flip(0)),
    ):
        places = sorted({0, middle, steps - 1})
        set_ticks(
            [(i + 0.5) * size for i in places],
            [f"{values[i].item():.1f}" for i in places],
        )
    axis.set(xlabel="z₁", ylabel="z₂")
    figure.suptitle(title)
    return figure


def bars(
    values: dict[str, float],
    *,
    unit: str,
    title: str = "",
    alt: str = "",
    colours: Sequence[str] | str = BLUE,
) -> Figure:
    """Named numbers as horizontal bars, each with its value beside it."""
    labels = _short(list(values.values()))
    names = list(values)
    listed = ", ".join(map(" ".join, zip(names, labels, strict=True)))
    height = 0.42 * len(values) + 0.6 + _ROW * bool(title)
    figure = new_figure(WIDTH, height, alt or f"Bars: {listed}.")
    axis = figure.subplots()
    drawn = axis.barh(names, list(values.values()), color=colours)
    axis.bar_label(drawn, labels, padding=4)
    axis.invert_yaxis()
    axis.margins(x=0.16)
    axis.set(xlabel=unit)
    figure.suptitle(title)
    return figure


def tiled(images: Tensor, columns: int, gap: float = 0.07) -> Tensor:
    """One image of many, with gaps in which the page shows.

    Args:
        images: (N, C, H, W), in [0, 1].
        columns: images a row.
        gap: between two images, as a share of their width.

    Returns:
        (4, rows · (H + gap), columns · (W + gap)), or (C, …) without gaps.
    """
    images = images.detach().cpu().float()
    count, channels, height, width = images.shape
    rows = -(-count // columns)
    if gap:
        seen = images.new_ones(count, 1, height, width)
        colours = images.expand(-1, 3, -1, -1) if channels == 1 else images
        images, channels = torch.cat([colours, seen], dim=1), 4
    space = round(gap * width)
    tile_h, tile_w = height + space, width + space
    canvas = images.new_zeros(channels, rows * tile_h, columns * tile_w)
    for number, image in enumerate(images):
        top, left = number // columns * tile_h, number % columns * tile_w
        canvas[:, top : top + height, left : left + width] = image
    return canvas[:, : rows * tile_h - space, : columns * tile_w - space]


def _short(values: Sequence[float]) -> list[str]:
    """Three digits of each number; ≈ 0 where it is too small to be seen."""
    least = 1e-4 * max(map(abs, values), default=0)
    return [
        "≈ 0" if 0 < abs(v) < least else f"{float(f'{v:.3g}'):,.10g}"
        for v in values
    ]
