"""What a cell shows: claims, figures, sliders, source code."""

from vae_course.show import plotting
from vae_course.show.claims import claim
from vae_course.show.opening import opening, stored
from vae_course.show.source import show_source
from vae_course.show.widgets import explore

__all__ = [
    "claim",
    "explore",
    "opening",
    "plotting",
    "show_source",
    "stored",
]
