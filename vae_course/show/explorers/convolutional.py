"""A latent image: paint on a convolutional code, and the picture follows."""

from __future__ import annotations

import torch
from torch import Tensor

from vae_course.sd.autoencoder import AutoencoderKL
from vae_course.show import plotting
from vae_course.show.explorers.packing import (
    as_packed,
    base64_of,
    pack,
    pack_pictures,
)
from vae_course.show.explorers.page import LiveExplorer

REACH = 4.0  # of the brush, in standard deviations on either side
STRONGER = 8  # a change is shown so many times as strong


@torch.no_grad()
def painting(model: AutoencoderKL, x: Tensor, shown: int = 6) -> LiveExplorer:
    """Paint on a channel of a code with the brush, and the decoder follows.

    Args:
        model: a small one. Its decoder's weights travel with 8 bits each.
        x: square images in [−1, 1], (N, 3, H, W). Mean and standard deviation
            of a channel are those of all their codes.
        shown: how many of them one can paint on.

    Raises:
        ValueError: the side of a code is no multiple of 4, as the page's
            convolutions want it, or codes are not square; or something stands
            between the code and the decoder.
    """
    if model.post_quant_conv is not None:
        raise ValueError(
            "The page runs a decoder alone; this model has a post_quant_conv "
            "before it."
        )
    codes = model.encode(x).mean  # (N, C, h, w)
    channels, side, width = codes.shape[1:]
    if side != width or side % 4:
        raise ValueError(
            f"Codes of {side}×{width}: the page paints on squares whose side "
            "is a multiple of 4."
        )
    std, mean = torch.std_mean(codes, dim=(0, 2, 3))
    x, codes = x[:shown], codes[:shown]
    data = {
        "title": "Paint on a latent image",
        "net": pack(model.decoder),
        "side": side,
        "size": x.shape[-1],
        "reach": REACH,
        "stronger": STRONGER,
        "mean": mean.tolist(),
        "std": std.tolist(),
        "pictures": [
            {
                "name": f"patch {i}",
                "given": pack_pictures((image + 1) / 2),
                "code": base64_of(code),
            }
            for i, (image, code) in enumerate(zip(x, codes, strict=True), 1)
        ],
    }
    # The still: the first picture, with one cell of its first channel painted.
    painted = codes[:1].clone()
    painted[0, 0, side // 2, side // 2] = mean[0] + REACH * std[0]
    before, after = (
        (model.decode(z).mean.clamp(-1, 1) + 1) / 2
        for z in (codes[:1], painted)
    )
    rounding = rounding_error(model, codes)
    words = (
        f"Each of {channels} channels of a code has {side}×{side} cells. Here "
        f"the cell in row {side // 2 + 1} and column {side // 2 + 1} of the "
        f"first channel was painted. The page has the decoder's weights with "
        f"8 bits each, which moves no pixel of these pictures by more than "
        f"{rounding:.3f}."
    )
    change = (after - before).abs()
    figure = plotting.panels(
        {
            "from its own code": before,
            "one cell painted": after,
            f"change, times {STRONGER}": (STRONGER * change).clamp(max=1),
        },
        title="One cell of a code, painted",
        alt="A patch of a photograph, decoded; the same with one cell of the "
        f"code painted; and where the two differ. {words}",
    )
    return LiveExplorer(
        "painting",
        data,
        figure,
        f"{words} Where scripts run, you can paint.",
    )


def rounding_error(model: AutoencoderKL, codes: Tensor) -> float:
    """How far 8 bits a weight move a value of these pictures, in [0, 1]."""
    exact, rounded = (
        net(codes).clamp(-1, 1) / 2
        for net in (model.decoder, as_packed(model.decoder))
    )
    return (exact - rounded).abs().max().item()
