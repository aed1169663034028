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
from typing import Any

from torch import Tensor, nn

from vae_course.show.widgets.codes import CodeExplorer
from vae_course.show.widgets.explorer import Explorer
from vae_course.show.widgets.models import ModelExplorer

__all__ = ["explore"]


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
