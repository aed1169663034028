"""Explorers that live in the page: plain JavaScript, no kernel, no network.

Each function here returns an output that is alive in the book, in Jupyter, in
Colab and in an HTML export, and a still picture with words where no script
runs. The mathematics is in the ``.js`` files beside this one, one a subject,
on top of ``kit.js`` (sliders, canvas, keyboard, words), ``network.js`` and
``convolution.js`` (dense and convolutional models that
:func:`~vae_course.show.explorers.packing.pack` exports).

To write another: a ``NAME.js`` with ``export function start(root, data)``,
which builds on ``kit.js``, and a function that returns a
:class:`~vae_course.show.explorers.page.LiveExplorer` with the data and a
still figure.
"""

from vae_course.show.explorers.by_hand import bound, reparameterization
from vae_course.show.explorers.convolutional import painting
from vae_course.show.explorers.trained import beta, latent, noise

__all__ = [
    "beta",
    "bound",
    "latent",
    "noise",
    "painting",
    "reparameterization",
]
