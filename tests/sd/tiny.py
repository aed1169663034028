"""Runs that are small enough for tests: a tiny autoencoder on stripes.

As a program it is one process of a run:
``python tests/sd/tiny.py FOLDER '{"steps": 5}'``.
"""

import json
import sys

import torch

from vae_course.data import ImageSet
from vae_course.sd.perceptual import FeatureDistance
from vae_course.sd.recipe import Recipe

COMMON = {
    "size": 16,
    "batch": 8,
    "steps": 6,
    "perceptual": 0.1,
    "critic_start": 2,
    "critic_width": 8,
    "critic_layers": 1,
    "every": 2,
    "log_every": 1,
    "workers": 0,
}


def recipe(**changes) -> Recipe:
    return Recipe(**(COMMON | changes))


def stripes(count=20, seed=5, size=16) -> ImageSet:
    """Coloured waves, in [-1, 1]."""
    generator = torch.Generator().manual_seed(seed)
    place = torch.arange(size).view(1, 1, 1, size)
    speed, phase, tilt = torch.rand(3, count, 3, 1, 1, generator=generator)
    rows = torch.arange(size).view(1, 1, size, 1)
    waves = torch.sin(2 * speed * place + tilt * rows + 6 * phase)
    pixels = (127.5 + 120 * waves).round().to(torch.uint8)
    labels = torch.zeros(count).long()
    return ImageSet(pixels, labels, centred=True)


class Features(torch.nn.Module):
    """Random features with a ReLU: quicker than a real network's."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(7)
        weight = torch.randn(6, 3, 3, 3, generator=generator) / 5
        self.register_buffer("weight", weight)

    def forward(self, x):
        x = torch.nn.functional.conv2d(x, self.weight, padding=1)
        return [x.relu()]


def distance():
    return FeatureDistance(Features())


def run(folder, changes, resume=True):
    """A whole run; returns its Trainer."""
    from vae_course.train import train

    torch.set_num_threads(1)
    return train(
        recipe(**changes),
        stripes(),
        stripes(4, seed=6),
        folder=folder,
        resume=resume,
        progress=False,
        perceptual=distance(),
    )


if __name__ == "__main__":
    run(sys.argv[1], json.loads(sys.argv[2]))
