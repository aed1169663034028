"""What a cell shows: claims, figures, source code."""

from vae_course.show import plotting
from vae_course.show.claims import claim
from vae_course.show.opening import opening
from vae_course.show.source import show_source

__all__ = ["claim", "opening", "plotting", "show_source"]
