"""Figures that describe themselves: each carries an alt text wherever it goes.

Every function returns a :class:`Figure`; as the last line of a cell it shows
itself, and the alt text goes with the picture into the page. Nothing here
touches pyplot's global state, so nothing is drawn twice and nothing leaks.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as MatplotlibFigure
from torch import Tensor

from vae_course.core import VAE

if TYPE_CHECKING:
    from vae_course.training import History

# Okabe & Ito's palette: tells the classes apart for colour-blind readers too.
COLOURS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#000000",
    "#999999",
    "#8C4A00",
    "#7A5195",
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">")
DOTS_PER_INCH = 110


class Figure(MatplotlibFigure):
    """A matplotlib figure with an alt text.

    It is drawn on white, so that it reads the same on a light page and on a
    dark one. ``alt`` says in one or two sentences what there is to see.
    """

    def __init__(self, *args, alt: str = "", **kwargs):
        kwargs = {"layout": "constrained", "facecolor": "white", **kwargs}
        super().__init__(*args, dpi=DOTS_PER_INCH, **kwargs)
        FigureCanvasAgg(self)
        self.alt = alt

    def __repr__(self) -> str:
        return self.alt

    def _repr_mimebundle_(self, include=None, exclude=None):
        if not self.alt.strip():
            raise ValueError("This figure has no alt text: set figure.alt.")
        buffer = BytesIO()
        # Without the version of matplotlib in it, the file changes only when
        # the picture does.
        self.savefig(buffer, format="png", metadata={"Software": None})
        png = base64.b64encode(buffer.getvalue()).decode("ascii")
        return (
            {"image/png": png, "text/plain": self.alt},
            {"image/png": {"alt": self.alt}},
        )


def new_figure(width: float, height: float, alt: str) -> Figure:
    """An empty figure of this size in inches, with its alt text."""
    with mpl.rc_context({"font.size": 10}):
        return Figure(figsize=(width, height), alt=alt)


def image_grid(
    images: Tensor,
    *,
    columns: int = 10,
    title: str = "",
    alt: str = "",
) -> Figure:
    """Images side by side, in rows of ``columns``.

    Args:
        images: (N, 1, H, W) or (N, 3, H, W), in [0, 1].
        columns: images a row.
        title: the figure's one message.
        alt: what there is to see; a plain count if empty.
    """
    rows = -(-len(images) // columns)
    columns = min(columns, len(images))
    alt = alt or f"{len(images)} images in a grid of {rows} by {columns}."
    figure = new_figure(0.75 * columns, 0.75 * rows + 0.35 * bool(title), alt)
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, image in zip(axes.flat, images, strict=False):
        _draw(axis, image)
    figure.suptitle(title, fontsize=11)
    return figure


def comparison(
    rows: dict[str, Tensor], *, title: str = "", alt: str = ""
) -> Figure:
    """Rows of images under each other, each with its name at the left.

    Originals and their reconstructions, say: column i of every row belongs
    together.

    Args:
        rows: name → images, (N, C, H, W) in [0, 1], the same N in every row.
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
    height = 0.75 * len(rows) + 0.35 * bool(title)
    figure = new_figure(0.75 * columns + 1.3, height, alt)
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for line, (name, images) in zip(axes, rows.items(), strict=True):
        for axis, image in zip(line, images, strict=True):
            _draw(axis, image)
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
        line[0].set_ylabel(
            name, rotation=0, ha="right", va="center", labelpad=8
        )
    figure.suptitle(title, fontsize=11)
    return figure


def panels(
    images: dict[str, Tensor],
    *,
    side: float = 2.2,
    title: str = "",
    alt: str = "",
) -> Figure:
    """A few images side by side, each under its name.

    Args:
        images: name → one image, (C, H, W) or (1, C, H, W), in [0, 1].
        side: width of each, in inches.
        title: the figure's one message.
        alt: what there is to see; the names if empty.
    """
    shown = {
        name: image.reshape(image.shape[-3:]) for name, image in images.items()
    }
    tallest = max(i.shape[1] / i.shape[2] for i in shown.values())
    alt = alt or f"Images side by side: {', '.join(shown)}."
    figure = new_figure(
        side * len(shown), side * tallest + 0.4 + 0.3 * bool(title), alt
    )
    row = figure.subplots(1, len(shown), squeeze=False)[0]
    for axis, (name, image) in zip(row, shown.items(), strict=True):
        _draw(axis, image)
        axis.set(title=name, xticks=[], yticks=[])
    figure.suptitle(title, fontsize=11)
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
    figure = new_figure(9, 3, alt)
    panels = figure.subplots(1, 3)
    names = ("total", "distortion", "rate")
    labels = ("distortion + rate = −ELBO", "distortion", "rate")
    for axis, name, label, colour in zip(
        panels, names, labels, COLOURS, strict=False
    ):
        for where, (style, halves) in shown.items():
            values = [getattr(h, name) for h in halves]
            axis.plot(epochs, values, style, color=colour, label=where)
        axis.set(xlabel="epoch", title=label)
        axis.grid(alpha=0.3)
        axis.legend()
    panels[0].set_ylabel("nats per image")
    figure.suptitle(title, fontsize=11)
    return figure


def latent_scatter(
    z: Tensor, labels: Tensor, *, title: str = "", alt: str = ""
) -> Figure:
    """Two-dimensional latents, one marker and colour for each class.

    Args:
        z: (N, 2).
        labels: classes from 0 to 9, (N,).
        title: the figure's one message.
        alt: what there is to see.

    Raises:
        ValueError: the latents are not two-dimensional.
    """
    if z.dim() != 2 or z.shape[1] != 2:
        raise ValueError(f"A scatter needs latents (N, 2), got {(*z.shape,)}.")
    z, labels = z.detach().cpu(), labels.cpu()
    classes = labels.unique().tolist()
    alt = alt or f"{len(z)} points in a plane, in {len(classes)} classes."
    figure = new_figure(6, 5.2, alt)
    axis = figure.subplots()
    for c in classes:
        points = z[labels == c]
        look = {"marker": MARKERS[c], "color": COLOURS[c], "label": str(c)}
        axis.scatter(*points.T, s=12, alpha=0.6, linewidths=0, **look)
        centre = points.median(dim=0).values
        axis.annotate(
            str(c),
            centre.tolist(),
            ha="center",
            va="center",
            fontweight="bold",
            bbox={"boxstyle": "circle", "fc": "white", "ec": COLOURS[c]},
        )
    axis.set(xlabel="z₁", ylabel="z₂")
    axis.set_aspect("equal", adjustable="datalim")
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5), markerscale=2)
    figure.suptitle(title, fontsize=11)
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
    c, h, w = images.shape[1:]
    tiles = images.view(steps, steps, c, h, w).permute(2, 0, 3, 1, 4)
    figure = new_figure(6, 6.2, alt)
    axis = figure.subplots()
    _draw(axis, tiles.reshape(c, steps * h, steps * w))
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
    figure.suptitle(title, fontsize=11)
    return figure


def bars(
    values: dict[str, float],
    *,
    unit: str,
    title: str = "",
    alt: str = "",
    colours: Sequence[str] = COLOURS,
) -> Figure:
    """Named numbers as horizontal bars, each with its value beside it."""
    labels = _short(list(values.values()))
    names = list(values)
    listed = ", ".join(map(" ".join, zip(names, labels, strict=True)))
    figure = new_figure(7, 0.45 * len(values) + 0.9, alt or f"Bars: {listed}.")
    axis = figure.subplots()
    drawn = axis.barh(names, list(values.values()), color=colours)
    axis.bar_label(drawn, labels, padding=4)
    axis.invert_yaxis()
    axis.margins(x=0.12)
    axis.spines[["top", "right"]].set_visible(False)
    axis.set(xlabel=unit)
    figure.suptitle(title, fontsize=11)
    return figure


def _short(values: Sequence[float]) -> list[str]:
    """Three digits of each number; ≈ 0 where it is too small to be seen."""
    least = 1e-4 * max(map(abs, values), default=0)
    return [
        "≈ 0" if 0 < abs(v) < least else f"{float(f'{v:.3g}'):,.10g}"
        for v in values
    ]


def _draw(axis, image: Tensor) -> None:
    """One image, (1, H, W) or (3, H, W) in [0, 1], on an axis."""
    pixels = np.clip(image.detach().cpu().float().numpy(), 0, 1)
    if len(pixels) == 1:
        axis.imshow(pixels[0], cmap="gray", vmin=0, vmax=1)
    else:
        axis.imshow(pixels.transpose(1, 2, 0))
