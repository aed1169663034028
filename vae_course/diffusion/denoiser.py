"""A small U-Net that looks at a noised latent and says what was mixed.

Built from the blocks of Stable Diffusion's autoencoder; the one new line adds
what step it is, and what is asked for, to each residual block.

Sources: Ronneberger et al. 2015 (https://arxiv.org/abs/1505.04597), Ho et al.
2020 (https://arxiv.org/abs/2006.11239), appendix B.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vae_course.core import check_batch
from vae_course.sd.autoencoder import (
    Attention,
    Downsample,
    ResnetBlock,
    Upsample,
    silu,
)
from vae_course.sd.group_norm import GroupNorm


def waves(t: Tensor, width: int, slowest: float = 1e4) -> Tensor:
    """A number as sines and cosines of many lengths, (B,) → (B, width).

    Vaswani et al. 2017, section 3.5, for 1000 · t: a dense layer can read off
    waves how far the road is, and cannot from a single number.

    Args:
        t: shares of the road, (B,), in [0, 1].
        width: how many waves, an even number.
        slowest: the longest wave, in thousandths of the road, over 2π.
    """
    half = torch.arange(width // 2, device=t.device) / (width // 2)
    speed = torch.exp(-math.log(slowest) * half)  # 1 → 1/slowest
    angle = 1000 * t[:, None] * speed  # (B, width / 2)
    return torch.cat([angle.sin(), angle.cos()], dim=1)


class TimedBlock(ResnetBlock):
    """The residual block of the autoencoder with one line more.

    Args:
        channels: that come in.
        out_channels: that go out.
        groups: of the norms.
        width: of the embedding of step and class.
    """

    def __init__(
        self, channels: int, out_channels: int, groups: int, width: int
    ):
        super().__init__(channels, out_channels, groups)
        self.time = nn.Linear(width, out_channels)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        h = self.conv1(silu(self.norm1(x)))  # (B, out, h, w)
        h = h + self.time(embedding)[:, :, None, None]  # the line more
        h = self.conv2(silu(self.norm2(h)))
        return h + (self.conv_shortcut(x) if self.conv_shortcut else x)


class Denoiser(nn.Module):
    """(noised latent, share of the road, class) → what was asked for.

    A U: residual blocks while the latent halves from level to level, attention
    where it is smallest, and residual blocks on the way back, each level of
    which also sees what the same level sent down.

    Args:
        latent_shape: (C, h, w); h and w halve between levels.
        classes: what a picture may be asked to show.
        widths: channels of each level.
        groups: of every norm.

    Raises:
        ValueError: a latent's side cannot be halved that often.
    """

    def __init__(
        self,
        latent_shape: Sequence[int] = (4, 4, 4),
        classes: int = 10,
        widths: Sequence[int] = (32, 64),
        groups: int = 8,
    ):
        super().__init__()
        self.latent_shape = tuple(latent_shape)
        channels, *sides = self.latent_shape
        if any(side % 2 ** (len(widths) - 1) for side in sides):
            raise ValueError(
                f"Latents of {sides[0]}×{sides[1]} cannot be halved "
                f"{len(widths) - 1} times: give fewer widths."
            )
        first, last = widths[0], widths[-1]
        self.width = 2 * last  # of the embedding
        self.no_class = classes  # the label that says nothing
        self.time = nn.Sequential(
            nn.Linear(self.width, self.width),
            nn.SiLU(),
            nn.Linear(self.width, self.width),
        )
        self.classes = nn.Embedding(classes + 1, self.width)

        def block(a: int, b: int) -> TimedBlock:
            return TimedBlock(a, b, groups, self.width)

        self.conv_in = nn.Conv2d(channels, first, 3, padding=1)
        self.down = nn.ModuleList(
            block(a, b) for a, b in pairwise((first, *widths))
        )
        self.halvings = nn.ModuleList(Downsample(w) for w in widths[:-1])
        self.middle = nn.ModuleList(
            [block(last, last), Attention(last, groups), block(last, last)]
        )
        upward = (last, *widths[::-1])
        self.up = nn.ModuleList(block(a + b, b) for a, b in pairwise(upward))
        self.doublings = nn.ModuleList(Upsample(w) for w in widths[:0:-1])
        self.norm_out = GroupNorm(groups, first)
        self.conv_out = nn.Conv2d(first, channels, 3, padding=1)
        nn.init.zeros_(self.conv_out.weight)  # starts out silent: loss 1.0
        nn.init.zeros_(self.conv_out.bias)
        self.to(memory_format=torch.channels_last)

    def forward(self, z: Tensor, t: Tensor, labels: Tensor) -> Tensor:
        """What the network says, (B, C, h, w).

        Args:
            z: noised latents, (B, C, h, w).
            t: shares of the road to noise, (B,), in [0, 1].
            labels: classes, (B,); ``no_class`` where none is given.
        """
        check_batch(z, self.latent_shape, "latents")
        rhythm = waves(t.to(z), self.width)
        embedding = F.silu(self.time(rhythm) + self.classes(labels))
        h, sent = self.conv_in(z), []
        for level, block in enumerate(self.down):
            h = block(h, embedding)
            sent.append(h)
            if level < len(self.halvings):
                h = self.halvings[level](h)
        first, attention, second = self.middle
        h = second(attention(first(h, embedding)), embedding)
        for level, block in enumerate(self.up):
            h = block(torch.cat([h, sent.pop()], dim=1), embedding)
            if level < len(self.doublings):
                h = self.doublings[level](h)
        return self.conv_out(silu(self.norm_out(h)))
