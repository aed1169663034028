"""Group norm whose statistics stay exact on large images.

Source: Wu & He 2018 (https://arxiv.org/abs/1803.08494), equations 1 to 3.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class GroupNorm(nn.GroupNorm):
    """Gives each group of channels of each image mean 0 and variance 1.

    As :class:`torch.nn.GroupNorm`, with two differences. Its eps is 1e-6, as
    everywhere in the Stable Diffusion family, not 1e-5. And the statistics of
    large maps on a CPU are taken in strips and added up in double precision.
    There PyTorch takes the variance of a channels-last map as E[x²] − E[x]²,
    from sums in single precision, and is left with about four right digits at
    1024×1024. Maps of up to ``LARGE`` positions are left to PyTorch.
    """

    LARGE = 64 * 64  # positions

    def __init__(self, groups: int, channels: int):
        super().__init__(groups, channels, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        single = x.dtype == torch.float32 and x.device.type == "cpu"
        if not single or x[0, 0].numel() <= self.LARGE:
            return super().forward(x)
        scale, shift = self.scale_and_shift(x)
        return torch.addcmul(shift, x, scale)

    def scale_and_shift(
        self, x: Tensor, rows: int = 32
    ) -> tuple[Tensor, Tensor]:
        """What the norm does to this x, as a scale and a shift.

        Args:
            x: activations, (B, C, H, W).
            rows: height of the strips in which the moments are taken.

        Returns:
            Two tensors (B, C, 1, 1): the norm is x · scale + shift.
        """
        b, c, height, _ = x.shape
        # On the CPU, because Apple's GPUs know no float64.
        mean, square = torch.zeros(2, b, c, dtype=torch.float64)
        for strip in x.split(rows, dim=2):
            share = strip.shape[2] / height
            # Sums in bfloat16 would be too coarse.
            strip = strip.to(torch.promote_types(x.dtype, torch.float32))
            m = strip.mean(dim=(2, 3), keepdim=True)
            # In this memory format torch.var_mean takes twenty times as long.
            v = (strip - m).square().mean(dim=(2, 3)).cpu().double()
            m = m.flatten(1).cpu().double()
            mean = mean + share * m
            square = square + share * (v + m.square())
        groups = (b, self.num_groups, -1)
        mean = mean.view(groups).mean(dim=2, keepdim=True)  # (B, groups, 1)
        square = square.view(groups).mean(dim=2, keepdim=True)
        inverse_std = (square - mean.square() + self.eps).rsqrt()
        weight, bias = (
            p.cpu().double().view(1, self.num_groups, -1)
            for p in (self.weight, self.bias)
        )
        scale = weight * inverse_std
        shift = bias - mean * scale
        return scale.view(b, c, 1, 1).to(x), shift.view(b, c, 1, 1).to(x)
