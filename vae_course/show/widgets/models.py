"""One slider through trained models, and what each makes of images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import distributions as D

from vae_course.core import VAE
from vae_course.show import plotting
from vae_course.show.figure import BLUE, WIDTH, Figure, new_figure
from vae_course.show.widgets.explorer import (
    MOST_IMAGES,
    Explorer,
    black,
    in_unit,
    mean_of,
    per_number,
)

if TYPE_CHECKING:
    from ipywidgets import Widget


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
        dark = black(x)
        self.images = in_unit(x[:MOST_IMAGES], dark)
        self.copies, self.spreads, self.rates = {}, {}, {}
        for key, model in models.items():
            q = model.encode(x.to(next(model.parameters()).device))
            codes = mean_of(q)
            copies = mean_of(model.decode(codes[:MOST_IMAGES]))
            self.copies[key] = in_unit(copies, dark)
            spread = per_number(codes).std(dim=0, correction=0)
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
