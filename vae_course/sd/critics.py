"""The adversarial critic: a PatchGAN, its losses, and its weight.

A critic learns to tell photographs from reconstructions, patch by patch, and
the autoencoder learns to leave it nothing to tell them by. This file holds the
critic, the hinge loss of either side, and the rule that weighs the critic
against the other terms. Images are (B, 3, H, W) in [-1, 1].

Sources: Isola et al. 2017 (https://arxiv.org/abs/1611.07004), section 3.2.2;
Esser et al. 2021 (https://arxiv.org/abs/2012.09841), equation 7; Rombach et
al. 2022 (https://arxiv.org/abs/2112.10752), appendix G.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

NORMS = ("group", "batch")
HEAVIEST = 1e4  # the largest adaptive weight
SILENT, WON = 1.0, 0.0  # the hinge loss of a critic that says nothing; of
# one that is right everywhere, by the margin


class PatchGAN(nn.Module):
    """A critic that looks at patches: (B, 3, H, W) → scores (B, 1, h, w).

    Each score judges one patch of ``receptive_field`` pixels on a side:
    positive for "photograph", negative for "reconstruction". At the paper's
    width it has 2,765,633 parameters and sees patches of 70×70.

    Args:
        width: channels of the first layer; the next have 2, 4 and 8 times as
            many.
        layers: how many layers halve the image.
        norm: ``"group"`` takes the statistics of each image by itself, so the
            scores are the same on one device and on many. ``"batch"`` is the
            paper's. It takes them over the images that lie on one device:
            what an image scores then depends on its neighbours, on the size
            of the batch and on the number of devices (unless its layers are
            converted to ``nn.SyncBatchNorm``, which GPUs alone have).

    Raises:
        ValueError: an unknown norm, a width that 8 does not divide, or an
            image too small for one score.
    """

    def __init__(self, width: int = 64, layers: int = 3, norm: str = "group"):
        super().__init__()
        if norm not in NORMS:
            raise ValueError(f"norm={norm!r}: choose one of {NORMS}.")
        if width < 8 or width % 8 or layers < 1:
            raise ValueError(
                f"width={width}, layers={layers}: the width is a multiple of "
                "8, for the groups of its norms, and there is a layer at "
                "least."
            )
        self.norm = norm
        steps = [nn.Conv2d(3, width, 4, stride=2, padding=1)]
        steps.append(nn.LeakyReLU(0.2))
        channels = width
        for layer in range(1, layers + 1):
            out = width * min(2**layer, 8)
            stride = 2 if layer < layers else 1
            # No bias: the norm has one.
            steps += [
                nn.Conv2d(channels, out, 4, stride, padding=1, bias=False),
                nn.BatchNorm2d(out)
                if norm == "batch"
                else nn.GroupNorm(8, out),
                nn.LeakyReLU(0.2),
            ]
            channels = out
        steps.append(nn.Conv2d(channels, 1, 4, padding=1))
        self.layers = nn.Sequential(*steps)
        for module in self.modules():  # as the paper begins
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, 0.0, 0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.weight, 1.0, 0.02)

    def forward(self, x: Tensor) -> Tensor:
        if min(x.shape[-2:]) < self.smallest:
            raise ValueError(
                f"Images of {x.shape[-2]}×{x.shape[-1]} are too small for "
                f"this critic, which needs {self.smallest} pixels on a side. "
                "Take larger patches, or fewer layers."
            )
        return self.layers(x)

    @property
    def receptive_field(self) -> int:
        """The side of the patch that one score judges, in pixels."""
        side = 1
        for conv in reversed(self._convolutions):
            side = (side - 1) * conv.stride[0] + conv.kernel_size[0]
        return side

    @property
    def smallest(self) -> int:
        """The least side of an image that leaves one score."""
        side = 1
        for conv in reversed(self._convolutions):
            side = (side - 1) * conv.stride[0] + conv.kernel_size[0] - 2
        return side

    @property
    def _convolutions(self) -> list[nn.Conv2d]:
        return [m for m in self.layers if isinstance(m, nn.Conv2d)]


class Verdict(NamedTuple):
    """What a critic said of photographs and of their reconstructions."""

    real: Tensor  # scores of the photographs, (B, 1, h, w)
    fake: Tensor  # scores of the reconstructions, likewise

    @property
    def loss(self) -> Tensor:
        """The critic's hinge loss, a mean over patches.

        Lim & Ye 2017 (https://arxiv.org/abs/1705.02894). Two of its values are
        exact, and tell whether the critic works: 1 where all scores are 0, so
        it says nothing; 0 where every score is right by a margin of 1, so it
        has won and its gradient is zero.
        """
        real, fake = self.real.float(), self.fake.float()
        return 0.5 * (F.relu(1 - real).mean() + F.relu(1 + fake).mean())

    @property
    def accuracy(self) -> Tensor:
        """The share of patches on the right side of 0; ½ is guessing."""
        right = (self.real > 0).float().mean() + (self.fake < 0).float().mean()
        return right / 2


class Judge(nn.Module):
    """Shows a critic photographs and reconstructions in one call.

    One forward pass, so that what wraps the module on many devices sees all of
    it. With batch norm each of the two kinds has statistics of its own, as in
    the paper.
    """

    def __init__(self, critic: PatchGAN):
        super().__init__()
        self.critic = critic

    def forward(self, real: Tensor, fake: Tensor) -> Verdict:
        if self.critic.norm == "batch":
            return Verdict(self.critic(real), self.critic(fake))
        return Verdict(*self.critic(torch.cat([real, fake])).chunk(2))


def deception(scores: Tensor) -> Tensor:
    """The autoencoder's side: minus the mean score of its reconstructions."""
    return -scores.float().mean()


def adaptive_weight(
    others: Tensor, adversarial: Tensor, heaviest: float = HEAVIEST
) -> Tensor:
    """The factor that gives the critic as much to say as the other terms.

    Esser et al. 2021, equation 7: ‖∇others‖ / (‖∇adversarial‖ + 1e-4), both
    gradients with respect to the decoder's last weights. Where the critic's
    gradient nearly vanishes the factor explodes, so it is clamped.

    Args:
        others: gradient of all reconstruction terms, of any shape.
        adversarial: gradient of the adversarial term, of the same shape.
        heaviest: the upper end of the clamp.

    Returns:
        A number without a gradient, from 0 to ``heaviest``.
    """
    ratio = others.norm() / (adversarial.norm() + 1e-4)
    return ratio.clamp(0.0, heaviest).detach()
