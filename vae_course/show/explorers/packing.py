"""Models and pictures as text that a page can carry."""

from __future__ import annotations

import base64
import copy
from typing import Any

import torch
from torch import Tensor, nn

LARGEST = 127  # of a weight in 8 bits; −128 stays unused
FEW = 4096  # weights of a layer that travel as they are


def base64_of(values: Tensor) -> str:
    """The bytes of a tensor, little-endian, as base64."""
    content = values.detach().cpu().contiguous().numpy()
    little = content.astype(content.dtype.newbyteorder("<"), copy=False)
    return base64.b64encode(little.tobytes()).decode("ascii")


def pack(decoder: nn.Sequential, *, sigmoid: bool) -> dict[str, Any]:
    """A dense network for ``network.js``: 8 bits a weight, a scale a row.

    Layers of at most ``FEW`` weights travel exactly.

    Args:
        decoder: linear layers with a ReLU between each two of them.
        sigmoid: whether the page applies one to the last layer's outputs, as
            for Bernoulli pixels.

    Raises:
        ValueError: there is another kind of layer.
    """
    layers = []
    for linear in linears(decoder):
        layer = {
            "shape": list(linear.weight.shape),
            "bias": base64_of(linear.bias.float()),
        }
        if linear.weight.numel() <= FEW:
            layer["exact"] = base64_of(linear.weight.float())
        else:
            integers, scale = _rounded(linear.weight)
            layer["weight"] = base64_of(integers)
            layer["scale"] = base64_of(scale.float())
        layers.append(layer)
    return {"layers": layers, "sigmoid": sigmoid}


def as_packed(decoder: nn.Sequential) -> nn.Sequential:
    """The same network with the weights that the page will have."""
    twin = copy.deepcopy(decoder)
    for linear in linears(twin):
        if linear.weight.numel() <= FEW:
            continue
        integers, scale = _rounded(linear.weight)
        rounded = integers.float() * scale[:, None].float()
        linear.weight.data.copy_(rounded)
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
    weight = weight.detach().cpu()
    largest = weight.abs().amax(dim=1).clamp_min(1e-12)
    scale = (largest / LARGEST).float()
    integers = (weight / scale[:, None]).round().clamp(-LARGEST, LARGEST)
    return integers.to(torch.int8), scale


def pack_pictures(images: Tensor) -> str:
    """Grey images (N, 1, H, W) in [0, 1], a byte a pixel."""
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
