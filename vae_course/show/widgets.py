"""Sliders for the numbers of a code, with the decoded picture beside them.

``explore(vae, images)`` is for the last line of a cell. With a kernel and
ipywidgets (7 or 8) it is alive: one slider a number, which the arrow keys move
as well, and each move decodes one code. Everywhere else, as on the pages of
the book, a still figure stands in its place: what the ends and the middle of
the sliders give.

Encoding happens once, when ``explore`` is called; a move costs one decoded
image, one small PNG and one message. For a 28×28 image of a dense VAE with 400
hidden units one core makes 130 pictures a second; 38 a second make the whole
way from the page to the kernel and back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch import distributions as D
from torch.nn import functional as F

from vae_course.core import VAE
from vae_course.show import plotting
from vae_course.show.figure import BLUE, WIDTH, Figure, new_figure

if TYPE_CHECKING:
    from ipywidgets import Widget

MOST_SLIDERS = 6
MOST_IMAGES = 10  # to start from, or to compare
SIDE = 224  # of the live picture, in CSS pixels
TILE = 96  # pixels across, at most, of a picture in the still
STEPS = 5  # columns of the still picture: the ends, the middle, and between
MAP_STEPS = 7  # likewise, for two numbers
VIEW = "application/vnd.jupyter.widget-view+json"
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def explore(
    model: nn.Module | Mapping[Any, nn.Module],
    x: Tensor | None = None,
    dims: Sequence[int] | None = None,
    *,
    names: Sequence[str] | None = None,
    label: str = "model",
    title: str = "",
    alt: str = "",
) -> Explorer:
    """Sliders for a code and its picture, or one slider through models.

    Args:
        model: anything with the course's ``encode`` and ``decode``: an
            :class:`~vae_course.mlp.Autoencoder` or any VAE. Or a dict of such
            models, by the value that tells them apart, as in ``{0.1: vae, 1.0:
            other}``; then the slider chooses the model and shows what becomes
            of the images, and how far each number of the code spreads.
        x: images (N, C, H, W), in [0, 1] or, if any is negative, in [−1, 1].
            The sliders start at the code of the first, or of another of the
            first ten; all of them decide which numbers get a slider. Only for
            a VAE whose code is one row of numbers can there be none: then the
            sliders start in the middle of the prior.
        dims: the numbers of the code (or the channels, where a code is a small
            image), counted from 0; the six that vary most over x if None. A
            channel's slider is what is added at all its places.
        names: one for each slider; z₁, z₂ or "channel 1" if None.
        label: what the keys of a dict of models are, such as ``"β"``.
        title: of the still picture.
        alt: of the still picture; its numbers in words if empty.

    Raises:
        ValueError: there are no images where they are needed, there is no
            model, or a dimension does not exist.
    """
    if isinstance(model, Mapping):
        return ModelExplorer(model, x, label=label, title=title, alt=alt)
    return CodeExplorer(model, x, dims, names=names, title=title, alt=alt)


class Explorer:
    """What :func:`explore` returns: alive with a kernel, still without."""

    _live: Widget | None = None

    def still(self) -> Figure:
        """The picture that stands where no kernel runs."""
        raise NotImplementedError

    def build(self) -> Widget:
        """A new live view."""
        raise NotImplementedError

    def live(self) -> Widget | None:
        """The live view, or None without a kernel or without ipywidgets."""
        if self._live is None and _can_live():
            self._live = self.build()
        return self._live

    def __repr__(self) -> str:
        return self.still().alt

    def _repr_mimebundle_(self, include=None, exclude=None):
        data, metadata = self.still()._repr_mimebundle_()
        live = self.live()
        if live is not None:
            # Both versions of ipywidgets speak version 2.0 of this format.
            data[VIEW] = {
                "version_major": 2,
                "version_minor": 0,
                "model_id": live.model_id,
            }
        return data, metadata


class CodeExplorer(Explorer):
    """One slider for each of a few numbers of a code."""

    @torch.no_grad()
    def __init__(self, model, x=None, dims=None, *, names=None, title, alt):
        self.model, self.title, self.alt = model, title, alt
        self.dark = -1.0 if x is not None and x.min() < 0 else 0.0
        prior = model.prior if isinstance(model, VAE) else None
        if x is None:
            if prior is None or len(prior.event_shape) != 1:
                raise ValueError(
                    "Give explore(model, x) images to start from: this "
                    "model's code has no middle to start in."
                )
            codes = prior.mean[None]  # (1, D)
        else:
            codes = _codes(model, x)  # (N, D) or (N, C, h, w)
        self.starts = codes[:MOST_IMAGES].clone()
        self.is_map = codes.dim() > 2
        spread = _per_number(codes).std(dim=0, correction=0)  # (D,) or (C,)
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
        shown = _mean(self.model.decode(z))
        return ((shown - self.dark) / (1 - self.dark)).clamp(0, 1).cpu()

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
        return _side_by_side(widgets.VBox([*several, *sliders]), picture)


class ModelExplorer(Explorer):
    """One slider through several trained models, and what each one does."""

    @torch.no_grad()
    def __init__(self, models, x, *, label, title, alt):
        if not models or x is None:
            raise ValueError(
                "Give explore({value: model, …}, images) at least one model, "
                "and images for all of them."
            )
        self.label, self.title, self.alt = label, title, alt
        dark = -1.0 if x.min() < 0 else 0.0

        def unit(images: Tensor) -> Tensor:
            return ((images - dark) / (1 - dark)).clamp(0, 1).cpu()

        self.images = unit(x[:MOST_IMAGES])
        self.copies, self.spreads, self.rates = {}, {}, {}
        for key, model in models.items():
            q = model.encode(x.to(_device(model)))
            codes = _mean(q)
            self.copies[key] = unit(_mean(model.decode(codes[:MOST_IMAGES])))
            spread = _per_number(codes).std(dim=0, correction=0)
            self.spreads[key] = spread.sort(descending=True).values.cpu()
            if isinstance(model, VAE):
                rate = D.kl_divergence(q, model.prior).mean().item()
                self.rates[key] = rate
        self._frames: dict[Any, str] = {}

    def name(self, key: Any) -> str:
        """What a model is called in a picture."""
        value = f"{key:g}" if isinstance(key, float | int) else str(key)
        if self.label == "model":
            return value
        return f"{self.label} = {value}"

    def heading(self, key: Any) -> str:
        """The name of a model with its rate, if it has one."""
        if key not in self.rates:
            return self.name(key)
        return f"{self.name(key)}: rate {self.rates[key]:.1f} nats"

    def still(self) -> Figure:
        said = "; ".join(
            f"{self.heading(key)}, widest spread {self.spreads[key][0]:.2f}"
            for key in self.copies
        )
        alt = self.alt or (
            f"{len(self.images)} originals, and below them what each of "
            f"{len(self.copies)} models makes of them, with bars for the "
            f"spread of each number of its code: {said}."
        )
        return self._drawn(list(self.copies), self.title, alt)

    def frame(self, key: Any) -> str:
        """The live picture for one model, as SVG; drawn once."""
        if key not in self._frames:
            alt = (
                f"Originals, and what they become with {self.heading(key)}; "
                f"the widest spread of a number is {self.spreads[key][0]:.2f}."
            )
            self._frames[key] = self._drawn([key], "", alt).svg()
        return self._frames[key]

    def _drawn(self, keys: list, title: str, alt: str) -> Figure:
        """The originals, and a strip and bars for each of these models."""
        count = len(self.images)
        beside = 3 * WIDTH / 4  # the strips; the bars get the last quarter
        strip = beside / count * self.images.shape[2] / self.images.shape[3]
        row = strip + 0.28
        figure = new_figure(
            WIDTH, row * (len(keys) + 1) + 0.35 + 0.3 * bool(title), alt
        )
        axes = figure.subplots(
            len(keys) + 1, 2, squeeze=False, width_ratios=[3, 1]
        )
        plotting.show_image(axes[0, 0], plotting.tiled(self.images, count))
        axes[0, 0].set_title("originals", loc="left", pad=3)
        axes[0, 1].set_axis_off()
        top = 1.05 * max(s[0].item() for s in self.spreads.values())
        for (picture, bars), key in zip(axes[1:], keys, strict=True):
            strips = plotting.tiled(self.copies[key], count)
            plotting.show_image(picture, strips)
            picture.set_title(self.heading(key), loc="left", pad=3)
            spread = self.spreads[key].numpy()
            bars.bar(range(len(spread)), spread, width=1, color=BLUE)
            bars.set(xticks=[], yticks=[int(10 * top) / 10], ylim=(0, top))
            bars.yaxis.tick_right()
            bars.spines[["left"]].set_visible(False)
        axes[-1, 1].set_xlabel("spread of\neach number")
        figure.suptitle(title)
        return figure

    def build(self) -> Widget:
        import ipywidgets as widgets

        keys = list(self.copies)
        slider = widgets.SelectionSlider(
            options=[(self.name(key), key) for key in keys],
            value=keys[0],
            description=self.label,
        )
        picture = widgets.HTML(value=self.frame(keys[0]))

        def moved(change: dict) -> None:
            picture.value = self.frame(change["new"])

        slider.observe(moved, "value")
        return widgets.VBox([slider, picture])


# --- Codes and pictures ------------------------------------------------------


def _mean(p: D.Distribution | Tensor) -> Tensor:
    """What a deterministic model returns, or the mean of a distribution."""
    return p if isinstance(p, Tensor) else p.mean


def _device(model: nn.Module) -> torch.device:
    return next(model.parameters()).device


def _codes(model: nn.Module, x: Tensor) -> Tensor:
    return _mean(model.encode(x.to(_device(model))))


def _per_number(codes: Tensor) -> Tensor:
    """(N, D) as it is; (N, C, h, w) with every place as a code of its own."""
    if codes.dim() == 2:
        return codes
    return codes.movedim(1, -1).reshape(-1, codes.shape[1])


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


# --- With and without a kernel -----------------------------------------------


def _can_live() -> bool:
    """Whether a kernel runs, to which ipywidgets can talk."""
    try:
        import ipywidgets  # noqa: F401
        from IPython import get_ipython
    except ImportError:
        return False
    return getattr(get_ipython(), "kernel", None) is not None


def _side_by_side(controls: Widget, picture: Widget) -> Widget:
    """Controls and picture; below each other where there is no room."""
    import ipywidgets as widgets

    layout = widgets.Layout(flex_flow="row wrap", align_items="center")
    return widgets.HBox([controls, picture], layout=layout)
