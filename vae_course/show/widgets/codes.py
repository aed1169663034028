"""One slider for each of a few numbers of a code."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from vae_course.core import VAE
from vae_course.show import plotting
from vae_course.show.figure import WIDTH, Figure, new_figure
from vae_course.show.widgets.explorer import (
    MOST_IMAGES,
    Explorer,
    black,
    codes_of,
    in_unit,
    mean_of,
    per_number,
)

if TYPE_CHECKING:
    from ipywidgets import Widget

MOST_SLIDERS = 6
SIDE = 224  # of the live picture, in CSS pixels
TILE = 96  # pixels across, at most, of a picture in the still
STEPS = 5  # columns of the still picture: the ends, the middle, and between
MAP_STEPS = 7  # likewise, for two numbers
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


class CodeExplorer(Explorer):
    """One slider for each of a few numbers of a code."""

    @torch.no_grad()
    def __init__(self, model, x=None, dims=None, *, names=None, title, alt):
        self.model, self.title, self.alt = model, title, alt
        self.black = black(x)
        prior = model.prior if isinstance(model, VAE) else None
        if x is None:
            if prior is None or len(prior.event_shape) != 1:
                raise ValueError(
                    "Give explore(model, x) images to start from: this "
                    "model's code has no middle to start in."
                )
            codes = prior.mean[None]  # (1, D)
        else:
            codes = codes_of(model, x)  # (N, D) or (N, C, h, w)
        self.starts = codes[:MOST_IMAGES].clone()
        self.is_map = codes.dim() > 2
        spread = per_number(codes).std(dim=0, correction=0)  # (D,) or (C,)
        if dims is None:
            most = spread.argsort(descending=True, stable=True)
            dims = sorted(most[:MOST_SLIDERS].tolist())
        wrong = [d for d in dims if not 0 <= d < len(spread)]
        if wrong or not dims:
            raise ValueError(
                f"dims={list(dims)} for a code of {len(spread)} numbers: name "
                f"some of 0 to {len(spread) - 1}."
            )
        self.dims = list(dims)
        stem = "channel " if self.is_map else "z"
        self.names = list(names or (_named(stem, d + 1) for d in self.dims))
        self.ends = self._ends(codes, spread, prior)

    def _ends(self, codes, spread, prior) -> list[tuple[float, float]]:
        """From where to where each slider goes."""
        if self.is_map:  # what is added to a channel
            reach = 3 * spread
            low, high = -reach, reach
        else:
            if prior is not None:
                low = prior.mean - 3 * prior.stddev
                high = prior.mean + 3 * prior.stddev
            else:  # where 98 of 100 codes are
                low, high = codes.quantile(codes.new_tensor([0.01, 0.99]), 0)
            low = torch.minimum(low, self.starts.amin(dim=0))
            high = torch.maximum(high, self.starts.amax(dim=0))
        same = high <= low
        low, high = (
            torch.where(same, low - 1, low),
            torch.where(same, high + 1, high),
        )
        return [(low[d].item(), high[d].item()) for d in self.dims]

    def begin(self, image: int = 0) -> list[float]:
        """Where the sliders stand for one of the images."""
        if self.is_map:
            return [0.0] * len(self.dims)
        return self.starts[image, self.dims].tolist()

    @torch.no_grad()
    def decode(self, values: Sequence[Sequence[float]], image: int = 0):
        """The pictures of some settings of the sliders, (N, C, H, W)."""
        chosen = self.starts.new_tensor(values)  # (N, sliders)
        z = self.starts[image].expand(len(chosen), *self.starts.shape[1:])
        z = z.clone()
        if self.is_map:
            z[:, self.dims] += chosen[:, :, None, None]
        else:
            z[:, self.dims] = chosen
        return in_unit(mean_of(self.model.decode(z)), self.black)

    def still(self) -> Figure:
        if len(self.dims) == 2 and not self.is_map:
            return self._still_map()
        return self._still_rows()

    def _still_rows(self) -> Figure:
        settings = []
        for place, (low, high) in enumerate(self.ends):
            for value in torch.linspace(low, high, STEPS).tolist():
                settings.append(self.begin())
                settings[-1][place] = value
        images = self.decode(settings)
        moving = "what is added to a channel" if self.is_map else "a number"
        ranges = ", ".join(
            f"{name} from {_round(low)} to {_round(high)}"
            for name, (low, high) in zip(self.names, self.ends, strict=True)
        )
        alt = self.alt or (
            f"Decoded pictures of one code in {len(self.dims)} rows of "
            f"{STEPS}. In each row {moving} goes from its lowest value at the "
            f"left to its highest at the right, and all else stays: {ranges}."
        )
        labels = [
            f"{name}\n{_round(low)} … {_round(high)}"
            for name, (low, high) in zip(self.names, self.ends, strict=True)
        ]
        heads = ["lowest", "", "middle", "", "highest"]
        return _table(images, STEPS, labels, heads, self.title, alt)

    def _still_map(self) -> Figure:
        (left, right), (bottom, top) = self.ends
        across = torch.linspace(left, right, MAP_STEPS).tolist()
        up = torch.linspace(top, bottom, MAP_STEPS).tolist()
        images = self.decode([[a, b] for b in up for a in across])
        first, second = self.names
        alt = self.alt or (
            f"Decoded pictures in a square of {MAP_STEPS} by {MAP_STEPS}: "
            f"{first} goes from {_round(left)} at the left to {_round(right)} "
            f"at the right, {second} from {_round(bottom)} at the bottom to "
            f"{_round(top)} at the top."
        )
        middle = MAP_STEPS // 2
        marks = {0, middle, MAP_STEPS - 1}
        figure = _table(
            images,
            MAP_STEPS,
            [_round(v) if i in marks else "" for i, v in enumerate(up)],
            [_round(v) if i in marks else "" for i, v in enumerate(across)],
            self.title,
            alt,
        )
        figure.axes[0].set(xlabel=first, ylabel=second)
        return figure

    def build(self) -> Widget:
        import ipywidgets as widgets

        look = {"style": {"description_width": "5.5em"}}
        sliders = [
            widgets.FloatSlider(
                value=value,
                min=low,
                max=high,
                step=(high - low) / 100,
                description=name,
                readout_format=".2f",
                **look,
            )
            for name, value, (low, high) in zip(
                self.names, self.begin(), self.ends, strict=True
            )
        ]
        chooser = widgets.IntSlider(
            value=1, min=1, max=len(self.starts), description="image", **look
        )
        picture = widgets.Image(format="png", width=SIDE)
        if picture.has_trait("tooltip"):  # its name, for screen readers
            picture.tooltip = "the picture that the sliders' code decodes to"
        setting = False

        def show() -> None:
            values = [slider.value for slider in sliders]
            picture.value = _png(self.decode([values], chooser.value - 1)[0])

        def moved(change: dict) -> None:
            if not setting:
                show()

        def chosen(change: dict) -> None:
            nonlocal setting
            setting = True  # six sliders move, one picture is decoded
            for slider, value in zip(
                sliders, self.begin(chooser.value - 1), strict=True
            ):
                slider.value = value
            setting = False
            show()

        for slider in sliders:
            slider.observe(moved, "value")
        chooser.observe(chosen, "value")
        show()
        several = [chooser] if len(self.starts) > 1 else []
        controls = widgets.VBox([*several, *sliders])
        layout = widgets.Layout(flex_flow="row wrap", align_items="center")
        return widgets.HBox([controls, picture], layout=layout)


def _named(stem: str, number: int) -> str:
    if stem == "z":
        return "z" + str(number).translate(_SUBSCRIPTS)
    return f"{stem}{number}"


def _round(value: float) -> str:
    """Two digits, with a true minus; zero without one."""
    text = f"{float(f'{value:.2g}'):g}"
    return text.replace("-", "−") if float(text) else "0"


def _table(
    images: Tensor,
    columns: int,
    rows: Sequence[str],
    heads: Sequence[str],
    title: str,
    alt: str,
) -> Figure:
    """Images in rows and columns that have names."""
    if images.shape[3] > TILE:
        size = [TILE * images.shape[2] // images.shape[3], TILE]
        images = F.interpolate(images, size, mode="area")
    canvas = plotting.tiled(images, columns)
    shape = canvas.shape[1] / canvas.shape[2]
    side = max(len(line) for row in rows for line in row.splitlines() or [""])
    width = WIDTH - 0.09 * side - 0.1
    figure = new_figure(WIDTH, width * shape + 0.35 + 0.3 * bool(title), alt)
    axis = figure.subplots()
    plotting.show_image(axis, canvas)
    h, w = images.shape[2:]
    for set_ticks, size, whole, words in (
        (axis.set_xticks, w, canvas.shape[2], heads),
        (axis.set_yticks, h, canvas.shape[1], rows),
    ):
        apart = (whole - size) / max(1, len(words) - 1)
        named = [i for i, word in enumerate(words) if word]
        places = [i * apart + (size - 1) / 2 for i in named]
        set_ticks(places, [words[i] for i in named])
    axis.tick_params(length=0)
    figure.suptitle(title)
    return figure


def _png(image: Tensor) -> bytes:
    """An image (C, H, W) in [0, 1] as PNG, enlarged without blur."""
    pixels = (image * 255).round().byte().numpy()
    drawn = Image.fromarray(
        pixels[0] if len(pixels) == 1 else np.moveaxis(pixels, 0, 2)
    )
    times = max(1, 2 * SIDE // drawn.width)
    drawn = drawn.resize(
        (times * drawn.width, times * drawn.height), Image.Resampling.NEAREST
    )
    out = BytesIO()
    drawn.save(out, format="PNG", compress_level=1)
    return out.getvalue()
