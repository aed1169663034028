"""Large images in little memory, exactly: by strips, with the image's moments.

Large images are usually taken tile by tile, each tile by itself, and the seams
are blended. That is another function: group norm then divides by the
statistics of the tile, where the model was trained with those of the image.

But a group norm needs no more of the image than a mean and a variance for
each group, and these can be gathered strip by strip. Once they are known, a
row depends on its two neighbours at most. So every layer takes horizontal
strips, each with one row of overlap at either side, normalises by the moments
of the whole, and lets go of what is no longer needed.

A map that is too large to be kept is made again, strip by strip, as often as
somebody asks for it. That costs time and no digit.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from itertools import chain

import torch
from torch import Tensor, nn
from torch import distributions as D
from torch.nn import functional as F

from vae_course.sd.autoencoder import (
    AutoencoderKL,
    Downsample,
    ResnetBlock,
    laplace_pixels,
)
from vae_course.sd.doubling import doubled
from vae_course.sd.group_norm import GroupNorm, Moments

Strips = Iterator[Tensor]  # (B, C, rows, W) each, from top to bottom
SHARE = 64  # a strip takes this part of the memory, or less
IN_ATTENTION = 8  # maps that are alive there at once


@torch.no_grad()
def encode(
    vae: AutoencoderKL, x: Tensor, rows: int = 32, memory: int | None = None
) -> D.Independent:
    """q(z|x), equal to ``vae.encode(x)``, in less memory.

    Args:
        vae: the model.
        x: images, (B, 3, H, W).
        rows: height of a strip, in pixels of the layer at work. More rows, a
            little less time; fewer, a little less memory.
        memory: bytes that whole maps may take; those that do not fit are made
            several times. None keeps them all. It does not bound the middle of
            the model, where attention needs whole maps: see :func:`middle`.
            On Linux the C library keeps what strips free, and the process
            may take twice what the maps do; not so with
            ``MALLOC_MMAP_THRESHOLD_=1048576`` in its environment.

    Raises:
        ValueError: ``rows`` is not positive, or x is no image for ``vae``.
    """
    layers, stage = _Layers(rows, memory), vae.encoder

    def encoder(x: Tensor) -> Tensor:
        image = Map(tuple(x.shape), x.element_size(), deque([x]))
        made = layers.keep(layers.convolution(stage.conv_in, image))
        for layer in chain.from_iterable(stage.down_blocks):
            made = layers.keep(layers.layer(layer, made))
        whole = stage.mid_block(made.whole())
        return stage.conv_out(stage.conv_norm_out(whole, silu=True))

    return vae.encode(x, encoder)


@torch.no_grad()
def decode(
    vae: AutoencoderKL, z: Tensor, rows: int = 32, memory: int | None = None
) -> D.Independent:
    """p(x|z), equal to ``vae.decode(z)``, in less memory.

    With all maps kept it takes about two thirds at 1024×1024
    (``results/sd_vae.json``).

    Args:
        vae: the model.
        z: latents, (B, C, h, w).
        rows: as for :func:`encode`.
        memory: as for :func:`encode`.

    Raises:
        ValueError: ``rows`` is not positive, or z is no latent of ``vae``.
    """
    layers, stage = _Layers(rows, memory), vae.decoder
    x = stage.mid_block(stage.conv_in(vae.before_decoder(z)))
    made = Map(tuple(x.shape), x.element_size(), deque([x]))
    del x  # the map lets go of it when it is no longer needed
    for layer in chain.from_iterable(stage.up_blocks):
        made = layers.keep(layers.layer(layer, made))
    norm, conv = stage.conv_norm_out, stage.conv_out
    return laplace_pixels(layers.convolution(conv, made, norm).whole())


def middle(vae: AutoencoderKL, height: int, width: int) -> int:
    """Bytes for the maps in the model's middle, for an image of this size."""
    config, weight = vae.config, vae.decoder.conv_in.weight
    positions = -(-height // config.factor) * -(-width // config.factor)
    of_one = config.block_out_channels[-1] * weight.element_size()
    return IN_ATTENTION * positions * of_one


class Map:
    """What comes out of a layer, in strips: kept, or made when asked for.

    Args:
        shape: (B, C, H, W).
        item: bytes of a number.
        strips: a deque of them; or what makes them, a function that is told
            whether this is the last time, so that it may let go of its input.
        below: bytes of the kept maps that it is made from.
    """

    def __init__(self, shape: tuple, item: int, strips, below: int = 0):
        self.shape, self.item, self._strips = shape, item, strips
        self.bytes = math.prod(shape) * item
        self.is_kept = isinstance(strips, deque)
        self.held = self.bytes if self.is_kept else below
        self._moments: Moments | None = None

    def strips(self, last: bool = False) -> Strips:
        """Yields (B, C, rows, W), from top to bottom."""
        if not self.is_kept:
            yield from self._strips(last)
        elif not last:
            yield from self._strips
        else:
            while self._strips:
                yield self._strips.popleft()

    def moments(self, norm: GroupNorm) -> tuple[Tensor, Tensor]:
        """Of its groups; gathered at the first asking."""
        if self._moments is None:
            self._moments = Moments()
            for strip in self.strips():
                self._moments.add(strip)
        return self._moments.of(norm.num_groups, norm.eps)

    def keep(self, last: bool) -> Map:
        """The same map in memory, with its moments."""
        moments = Moments()
        strips = deque(moments.add(strip) for strip in self.strips(last))
        kept = Map(self.shape, self.item, strips)
        kept._moments = moments
        return kept

    def whole(self) -> Tensor:
        """All of it in one tensor; the map is empty afterwards."""
        return torch.cat([*self.strips(last=True)], dim=2)


class _Layers:
    """The model's layers, from map to map."""

    def __init__(self, rows: int, memory: int | None):
        if rows < 1:
            raise ValueError(
                f"A strip needs at least one row, got rows={rows}."
            )
        self.rows = rows
        self.memory = math.inf if memory is None else memory

    def keep(self, made: Map) -> Map:
        """The map in memory, in place of what it was made from, if it fits."""
        return made.keep(last=True) if made.bytes <= self.memory else made

    def layer(self, layer: nn.Module, x: Map) -> Map:
        """Any layer of a level."""
        if isinstance(layer, ResnetBlock):
            return self.residual(layer, x)
        if isinstance(layer, Downsample):
            return self.sampled(layer.conv, x, 1 / 2, _halved)
        return self.sampled(layer.conv, x, 2, _doubled)

    def sampled(self, conv: nn.Conv2d, x: Map, times: float, sample) -> Map:
        """x, a number of times as high and wide."""
        b, c, *size = x.shape
        shape = (b, c, *(int(times * side) for side in size))
        rows = self._rows(x, max(1, times**2) * c)
        rows += rows % 2  # of which two may make one

        def strips(last):
            return sample(conv, _cut(x.strips(last), rows))

        return Map(shape, x.item, strips, x.held)

    def convolution(self, conv: nn.Conv2d, x: Map, norm=None) -> Map:
        """A 3×3 convolution of x, or of SiLU of its norm."""
        b, _, *size = x.shape
        rows = self._rows(x, conv.out_channels)
        moments = x.moments(norm) if norm else None

        def strips(last):
            cut = _cut(x.strips(last), rows)
            cut = _normed(norm, moments, cut) if norm else cut
            return _convolved(conv, cut)

        return Map((b, conv.out_channels, *size), x.item, strips, x.held)

    def residual(self, block: ResnetBlock, x: Map) -> Map:
        """A residual block; what is inside it is kept only if it fits."""
        h = self.convolution(block.conv1, x, block.norm1)
        if h.bytes + x.held <= self.memory:
            h = h.keep(last=False)
        rows = self._rows(x, block.conv1.out_channels)
        first = x.moments(block.norm1)
        second = h.moments(block.norm2)
        shortcut = block.conv_shortcut or nn.Identity()

        def strips(last):
            carried = _cut(x.strips(last), rows)
            if h.is_kept:
                inside = h.strips(last)
            else:
                again, carried = _twice(carried)
                again = _normed(block.norm1, first, again)
                inside = _convolved(block.conv1, again)
            inside = _normed(block.norm2, second, inside)
            out = _convolved(block.conv2, inside)
            return map(lambda y, x: y.add_(shortcut(x)), out, carried)

        below = x.held + (h.bytes if h.is_kept else 0)
        return Map(h.shape, x.item, strips, below)

    def _rows(self, x: Map, channels: float) -> int:
        """Rows of x whose strip, with so many channels, is no large share."""
        b, c, _, width = x.shape
        row = b * max(c, channels) * width * x.item
        return max(1, int(min(self.rows, self.memory / SHARE / row)))


# What follows holds on to no strip that it has handed out: hence map(), which
# forgets its arguments, where a loop would remember them.


def _cut(strips: Strips, rows: int) -> Strips:
    """The same map in strips of so many rows; the last may have fewer."""
    held, height = [], 0
    for strip in strips:
        height += strip.shape[2]
        held.append(strip)
        del strip
        if height >= rows:
            whole = torch.cat(held, dim=2) if held[1:] else held[0]
            held = deque(whole.split(rows, dim=2))
            del whole
            while held and held[0].shape[2] == rows:
                yield held.popleft()
            held, height = [*held], height % rows
    if held:
        yield torch.cat(held, dim=2)


def _twice(strips: Strips) -> tuple[Strips, Strips]:
    """The same strips again, for one who follows the first."""
    waiting = deque()

    def note(strip):
        waiting.append(strip)
        return strip

    return map(note, strips), iter(waiting.popleft, None)


def _bordered(strips: Strips) -> Strips:
    """Each strip with the row above it and the row below; zeros outside."""
    made = [next(strips)]
    above = torch.zeros_like(made[0][:, :, :1])
    for following in chain(strips, [None]):
        current = made.pop()
        b, c, rows, width = current.shape
        strip = torch.empty(
            (b, c, rows + 2, width),
            dtype=current.dtype,
            device=current.device,
            memory_format=torch.channels_last,
        )
        strip[:, :, :1] = above
        strip[:, :, 1:-1] = current
        strip[:, :, -1:] = 0 if following is None else following[:, :, :1]
        above = current[:, :, -1:].clone()
        made = [following, strip]
        del current, following, strip
        yield made.pop()


def _normed(norm: GroupNorm, moments, strips: Strips) -> Strips:
    def normalise(strip):
        return norm.normalise(strip, moments, silu=True)

    return map(normalise, strips)


def _convolved(conv: nn.Conv2d, strips: Strips) -> Strips:
    def convolve(strip):
        return F.conv2d(strip, conv.weight, conv.bias, padding=(0, 1))

    return map(convolve, _bordered(strips))


def _halved(conv: nn.Conv2d, strips: Strips) -> Strips:
    """As :class:`~vae_course.sd.Downsample`, of strips of even height."""

    def halve(strip):
        strip = F.pad(strip[:, :, 1:], (0, 1, 0, 0))
        return F.conv2d(strip, conv.weight, conv.bias, stride=2)

    return map(halve, _bordered(strips))


def _doubled(conv: nn.Conv2d, strips: Strips) -> Strips:
    """As :class:`~vae_course.sd.Upsample`."""
    kernel = doubled(conv)

    def double(strip):
        y = F.conv_transpose2d(strip, kernel, conv.bias, stride=2, padding=1)
        return y[:, :, 2:-2]

    return map(double, _bordered(strips))
