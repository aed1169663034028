"""The bug museum: plausible pieces of code, each with one fault."""

from vae_course.museum.exhibit import (
    FAMILIES,
    VERSIONS,
    Exhibit,
    exhibit,
    exhibits,
    families,
)

__all__ = [
    "FAMILIES",
    "VERSIONS",
    "Exhibit",
    "exhibit",
    "exhibits",
    "families",
]
