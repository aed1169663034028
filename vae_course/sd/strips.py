"""Decoding in little memory, exactly: by strips, with the image's statistics.

Large images are usually decoded tile by tile, each tile by itself, and the
seams are blended. That is another function: group norm then divides by the
statistics of the tile, where the model was trained with those of the image.

But a group norm needs no more of the image than a mean and a variance for
each group. Once these are known it is a scale and a shift for each channel,
and the layers between two norms look one row up and one row down at most. So
each layer is computed in horizontal strips, with one row of overlap at either
side, from the whole image's statistics, and written over what is no longer
needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import torch
from torch import Tensor, nn
from torch import distributions as D
from torch.nn import functional as F

from vae_course.sd.autoencoder import (
    AutoencoderKL,
    ResnetBlock,
    laplace_pixels,
    silu,
)

Affine = tuple[Tensor, Tensor]  # a scale and a shift, (B, C, 1, 1) each


@torch.no_grad()
def decode(vae: AutoencoderKL, z: Tensor, rows: int = 32) -> D.Independent:
    """p(x|z), equal to ``vae.decode(z)``, in less memory.

    At 1024×1024 it takes about two thirds of it (``results/sd_vae.json``).

    Args:
        vae: the model.
        z: latents, (B, C, h, w).
        rows: height of a strip, in pixels of the layer at work. More rows, a
            little less time; fewer, a little less memory.

    Raises:
        ValueError: ``rows`` is not positive, or z is no latent of ``vae``.
    """
    if rows < 1:
        raise ValueError(f"A strip needs at least one row, got rows={rows}.")
    decoder = vae.decoder
    # At the latent's own size memory is no concern, and attention needs all
    # positions at once: up to here the plain decoder.
    x = decoder.mid_block(decoder.conv_in(vae.before_decoder(z)))
    for layer in chain.from_iterable(decoder.up_blocks):
        residual = isinstance(layer, ResnetBlock)
        x = _residual(layer, x, rows) if residual else layer(x)
    affine = decoder.conv_norm_out.scale_and_shift(x, rows)
    strips = overlapping(x, rows)
    out = [_convolve(decoder.conv_out, affine, *s) for _, *s in strips]
    return laplace_pixels(torch.cat(out, dim=2))


def overlapping(x: Tensor, rows: int) -> Iterator[tuple]:
    """Yields x in strips, each with its neighbouring row above and below.

    The row above is a copy, so rows that were handed out may be overwritten.

    Yields:
        The rows that the strip stands for, the strip itself with the row above
        and the row below, and how many of these two are missing because the
        image ends there: (above, below).
    """
    height, above = x.shape[2], x[:, :, :0]
    for start in range(0, height, rows):
        end = min(start + rows, height)
        strip = torch.cat([above, x[:, :, start : end + 1]], dim=2)
        above = x[:, :, end - 1 : end].clone()
        yield slice(start, end), strip, (start == 0, end == height)


def _convolve(
    conv: nn.Conv2d, affine: Affine, strip: Tensor, missing: tuple[bool, bool]
) -> Tensor:
    """conv(SiLU(norm(·))) of a strip that brings its neighbouring rows."""
    scale, shift = affine
    h = silu(torch.addcmul(shift, strip, scale))
    if any(missing):  # zeros go after norm and SiLU, as in the convolution
        h = F.pad(h, (0, 0, *missing))
    return F.conv2d(h, conv.weight, conv.bias, padding=(0, 1))


def _residual(block: ResnetBlock, x: Tensor, rows: int) -> Tensor:
    """``block(x)``; overwrites x where the widths allow it."""
    b, _, height, width = x.shape
    affine = block.norm1.scale_and_shift(x, rows)
    h = torch.empty(
        (b, block.conv1.out_channels, height, width),
        dtype=x.dtype,
        device=x.device,
        memory_format=torch.channels_last,
    )
    for at, *strip in overlapping(x, rows):
        h[:, :, at] = _convolve(block.conv1, affine, *strip)
    affine = block.norm2.scale_and_shift(h, rows)
    shortcut = block.conv_shortcut
    out = h if shortcut else x
    for at, *strip in overlapping(h, rows):
        y = _convolve(block.conv2, affine, *strip)
        y += shortcut(x[:, :, at]) if shortcut else x[:, :, at]
        out[:, :, at] = y
    return out
