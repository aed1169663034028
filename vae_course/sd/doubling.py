"""The kernel that doubles an image and convolves it, in one.

Repeating each pixel 2×2 is a transposed convolution of stride 2 with a 2×2
kernel of ones. Followed by a 3×3 convolution it is one transposed convolution
of stride 2, whose 4×4 weights are sums of the nine.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vae_course.sd.group_norm import looked_into

# Layer → its kernel, and the print of the weights that it was made from.
_made: WeakKeyDictionary[nn.Conv2d, tuple[Tensor, Tensor]]
_made = WeakKeyDictionary()


def doubled(conv: nn.Conv2d) -> Tensor:
    """Weights (in, out, 4, 4) that do what repeating and ``conv`` do.

    On small images making them takes longer than using them. So on a CPU they
    are kept from one call to the next, unless a gradient has to pass: 36 MiB
    for the 320 MiB of Stable Diffusion's autoencoder. They are
    made anew as soon as the weights are others, by whatever way these were
    changed; the layer's state and its copies know nothing of it.
    """
    weight = conv.weight
    learned = torch.is_grad_enabled() and weight.requires_grad
    if learned or weight.device.type != "cpu" or looked_into():
        _made.pop(conv, None)
        return doubled_kernel(weight)
    # Numbers made in inference mode could not serve a gradient later.
    with torch.inference_mode(False), torch.no_grad():
        seen = _print(weight)
        kernel, made_from = _made.get(conv, (None, seen))
        same = kernel is not None and kernel.dtype == weight.dtype
        if not same or not torch.equal(seen, made_from):
            kernel = doubled_kernel(weight)
            _made[conv] = kernel, seen
    return kernel


def doubled_kernel(weight: Tensor) -> Tensor:
    """The 4×4 kernel, (in, out, 4, 4), of 3×3 weights, (out, in, 3, 3)."""
    w = weight.permute(1, 2, 3, 0).flip(1, 2)  # (in, 3, 3, out), turned
    w = F.pad(w, (0, 0, 1, 1, 1, 1))
    w = w[:, 1:] + w[:, :-1]  # with (1, 1) along the height
    w = w[:, :, 1:] + w[:, :, :-1]  # and along the width: (in, 4, 4, out)
    return w.permute(0, 3, 1, 2)  # channels-last, as what it will meet


def _print(weight: Tensor) -> Tensor:
    """Each output channel's weights times the same random numbers, (out,).

    Sees any change that is larger than rounding. A tensor's own count of its
    changes does not see those that go through ``.data``.
    """
    rows = weight.detach().permute(0, 2, 3, 1).flatten(1)
    rows = rows.to(torch.promote_types(weight.dtype, torch.float32))
    generator = torch.Generator().manual_seed(0)
    times = torch.randn(rows.shape[1], generator=generator, dtype=rows.dtype)
    return rows @ times
