"""Models and pictures as text that a page can carry."""

from __future__ import annotations

import base64
import copy
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from vae_course.sd.autoencoder import (
    Attention,
    Decoder,
    ResnetBlock,
    Upsample,
)

LARGEST = 127  # of a weight in 8 bits; −128 stays unused
FEW = 4096  # weights of a layer that travel as they are


def base64_of(values: Tensor) -> str:
    """The bytes of a tensor, little-endian, as base64."""
    content = values.detach().cpu().contiguous().numpy()
    little = content.astype(content.dtype.newbyteorder("<"), copy=False)
    return base64.b64encode(little.tobytes()).decode("ascii")


def pack(
    decoder: nn.Sequential | Decoder, *, sigmoid: bool = False
) -> dict[str, Any]:
    """A decoder for the page: 8 bits a weight, a scale a row.

    Layers of at most ``FEW`` weights travel exactly, and so do norms and
    biases. ``network.js`` runs dense ones, ``convolution.js`` those of
    :class:`~vae_course.sd.autoencoder.Decoder`.

    Args:
        decoder: linear layers with a ReLU between each two of them, or the
            decoder of an :class:`~vae_course.sd.AutoencoderKL`.
        sigmoid: whether the page applies one to the last layer's outputs, as
            for Bernoulli pixels; for dense ones alone.

    Raises:
        ValueError: there is another kind of layer.
    """
    if isinstance(decoder, Decoder):
        return {
            "channels": decoder.conv_in.in_channels,
            "steps": [
                *_steps(decoder.conv_in),
                *_steps(decoder.mid_block.resnets[0]),
                *_steps(decoder.mid_block.attentions[0]),
                *_steps(decoder.mid_block.resnets[1]),
                *chain.from_iterable(
                    map(_steps, chain.from_iterable(decoder.up_blocks))
                ),
                _norm(decoder.conv_norm_out, silu=True),
                *_steps(decoder.conv_out),
            ],
        }
    layers = [_weights(linear) for linear in linears(decoder)]
    return {"layers": layers, "sigmoid": sigmoid}


def _steps(layer: nn.Module | None) -> list[dict[str, Any]]:
    """What ``convolution.js`` does for a layer of such a decoder."""
    match layer:
        case None:
            return []
        case nn.Conv2d():
            return [{"kind": "convolution", **_weights(layer)}]
        case Upsample():
            return [{"kind": "doubled"}, *_steps(layer.conv)]
        case ResnetBlock():
            inside = [
                _norm(layer.norm1, silu=True),
                *_steps(layer.conv1),
                _norm(layer.norm2, silu=True),
                *_steps(layer.conv2),
            ]
            beside = _steps(layer.conv_shortcut)
            return [{"kind": "residual", "inside": inside, "beside": beside}]
        case Attention():
            parts = {
                "query": layer.to_q,
                "key": layer.to_k,
                "value": layer.to_v,
                "after": layer.to_out[0],
            }
            step = {name: _weights(part) for name, part in parts.items()}
            before = _norm(layer.group_norm, silu=False)
            return [{"kind": "attention", "before": before, **step}]
    raise ValueError(f"The page cannot run {type(layer).__name__}.")


def _norm(norm: nn.GroupNorm, silu: bool) -> dict[str, Any]:
    return {
        "kind": "norm",
        "groups": norm.num_groups,
        "eps": norm.eps,
        "scale": base64_of(norm.weight.float()),
        "shift": base64_of(norm.bias.float()),
        "silu": silu,
    }


def _weights(layer: nn.Linear | nn.Conv2d) -> dict[str, Any]:
    """A layer's weights, exactly or in 8 bits, and its bias."""
    described = {
        "shape": list(layer.weight.shape),
        "bias": base64_of(layer.bias.float()),
    }
    if layer.weight.numel() <= FEW:
        return {**described, "exact": base64_of(layer.weight.float())}
    integers, scale = _rounded(layer.weight)
    return {
        **described,
        "weight": base64_of(integers),
        "scale": base64_of(scale.float()),
    }


def as_packed(decoder: nn.Module) -> nn.Module:
    """The same decoder with the weights that the page will have."""
    twin = copy.deepcopy(decoder)
    for layer in twin.modules():
        if not isinstance(layer, nn.Linear | nn.Conv2d):
            continue
        if layer.weight.numel() <= FEW:
            continue
        integers, scale = _rounded(layer.weight)
        rounded = integers.float() * scale[:, None].float()
        layer.weight.data.copy_(rounded.view_as(layer.weight))
    return twin


@torch.no_grad()
def within(decoder: nn.Sequential, reach: float) -> nn.Sequential:
    """The same function of codes between −reach and reach, with fewer units.

    A hidden unit that is off in all corners of that box is off all over it,
    and goes. Those that are on in all corners add up to one linear map of the
    code, which one unit for each of its numbers can carry. Only units that
    bend inside the box stay. A network with more than one hidden layer is
    returned as it is.
    """
    layers = linears(decoder)
    if len(layers) != 2:
        return decoder
    first, last = (layer.double() for layer in copy.deepcopy(layers))
    swing = reach * first.weight.abs().sum(dim=1)
    on, off = first.bias > swing, first.bias < -swing
    bends = ~on & ~off
    latent = first.in_features
    # z = relu(z + reach) − reach, as no number of z is below −reach.
    through = last.weight[:, on] @ first.weight[on]  # (pixels, latent)
    fewer = nn.Linear(latent, int(bends.sum()) + latent)
    out = nn.Linear(fewer.out_features, last.out_features)
    eye = torch.eye(latent, dtype=torch.float64)
    fewer.weight.data = torch.cat([first.weight[bends], eye]).float()
    shift = torch.full((latent,), reach, dtype=torch.float64)
    fewer.bias.data = torch.cat([first.bias[bends], shift]).float()
    out.weight.data = torch.cat([last.weight[:, bends], through], 1).float()
    constant = last.weight[:, on] @ first.bias[on] - through @ shift
    out.bias.data = (last.bias + constant).float()
    return nn.Sequential(fewer, nn.ReLU(), out)


def linears(decoder: nn.Sequential) -> list[nn.Linear]:
    """The linear layers of a dense network.

    Raises:
        ValueError: something else than linear layers with ReLUs between.
    """
    kinds = [type(layer).__name__ for layer in decoder]
    wanted = ["Linear" if i % 2 == 0 else "ReLU" for i in range(len(kinds))]
    if kinds != wanted or len(kinds) % 2 == 0:
        raise ValueError(
            "The page can only run linear layers with a ReLU between each "
            f"two of them; this network has {', '.join(kinds) or 'none'}."
        )
    return list(decoder[::2])


def _rounded(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Integers in 8 bits, (rows, columns), and the scale of each row."""
    weight = weight.detach().cpu().flatten(1)
    largest = weight.abs().amax(dim=1).clamp_min(1e-12)
    scale = (largest / LARGEST).float()
    integers = (weight / scale[:, None]).round().clamp(-LARGEST, LARGEST)
    return integers.to(torch.int8), scale


def pack_pictures(images: Tensor) -> str:
    """Images (N, C, H, W) in [0, 1], a byte a value."""
    return base64_of((255 * images.clamp(0, 1)).round().to(torch.uint8))


def pack_small_pictures(images: Tensor) -> str:
    """The same in half the room: sixteen greys, two pixels a byte.

    Raises:
        ValueError: an image has an odd number of pixels.
    """
    if images[0].numel() % 2:
        raise ValueError(
            f"Images of {images[0].numel()} pixels: two share a byte, so "
            "their number must be even."
        )
    grey = (15 * images.clamp(0, 1)).round().to(torch.uint8).flatten(1)
    return base64_of(16 * grey[:, ::2] + grey[:, 1::2])
