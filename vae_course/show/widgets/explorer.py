"""What explorers share: alive with a kernel, still without."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch import distributions as D

from vae_course.show.figure import Figure

if TYPE_CHECKING:
    from ipywidgets import Widget

MOST_IMAGES = 10  # to start from, or to compare
VIEW = "application/vnd.jupyter.widget-view+json"


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
        if self._live is None and can_live():
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


def can_live() -> bool:
    """Whether a kernel runs, to which ipywidgets can talk."""
    try:
        import ipywidgets  # noqa: F401
        from IPython import get_ipython
    except ImportError:
        return False
    return getattr(get_ipython(), "kernel", None) is not None


# --- Codes and images --------------------------------------------------------


def mean_of(p: D.Distribution | Tensor) -> Tensor:
    """What a deterministic model returns, or the mean of a distribution."""
    return p if isinstance(p, Tensor) else p.mean


def codes_of(model: nn.Module, x: Tensor) -> Tensor:
    """The codes of images, or the means of their distributions."""
    device = next(model.parameters()).device
    return mean_of(model.encode(x.to(device)))


def per_number(codes: Tensor) -> Tensor:
    """(N, D) as it is; (N, C, h, w) with every place as a code of its own."""
    if codes.dim() == 2:
        return codes
    return codes.movedim(1, -1).reshape(-1, codes.shape[1])


def black(x: Tensor | None) -> float:
    """The value of black: −1 where any pixel is negative, else 0."""
    return -1.0 if x is not None and x.min() < 0 else 0.0


def in_unit(images: Tensor, dark: float) -> Tensor:
    """Images whose black is ``dark`` in [0, 1], clamped, on the CPU."""
    return ((images - dark) / (1 - dark)).clamp(0, 1).cpu()
