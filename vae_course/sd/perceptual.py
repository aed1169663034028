"""How different two images look: distances between a network's features.

A network that was trained to name what is in photographs has features that
stay where a viewer sees no change and move where one does. The distance
between two images is measured between their features (Zhang et al. 2018,
https://arxiv.org/abs/1801.03924; Johnson et al. 2016,
https://arxiv.org/abs/1603.08155).

:class:`PerceptualDistance` needs no network connection: the first four stages
of EfficientNet-Lite0 lie in this package. It takes images in [-1, 1] and
nothing else, and it is made for training: the gradient reaches the images, and
never the weights. ``vae_course.sd.lpips`` has the distance that Stable
Diffusion's autoencoder learned by, with the same interface.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vae_course.sd.weights import CheckpointError, open_weights

STAGES = Path(__file__).with_name("efficientnet_lite0") / "stages.safetensors"
# Stage → (expansion, kernel, stride of its first block, channels, blocks).
# Tan & Le 2019 (https://arxiv.org/abs/1905.11946), table 1; "Lite" leaves out
# squeeze-and-excitation and clips activations at 6.
LITE0 = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
)


class ConvNorm(nn.Module):
    """A convolution and a batch norm with fixed statistics, as one map.

    With its statistics fixed, a batch norm is a scale and a shift for each
    channel, so it is multiplied into the kernel. The padding is TensorFlow's
    "same": at stride 2 on an even side, more at the right and bottom.
    """

    EPS = 1e-3  # as the network was trained; PyTorch's own is 1e-5

    def __init__(
        self, channels: int, out: int, kernel: int, stride=1, groups=1
    ):
        super().__init__()
        self.kernel, self.stride, self.groups = kernel, stride, groups
        shape = (out, channels // groups, kernel, kernel)
        self.weight = nn.Parameter(torch.empty(shape))
        self.norm_weight = nn.Parameter(torch.empty(out))
        self.norm_bias = nn.Parameter(torch.empty(out))
        self.register_buffer("mean", torch.empty(out))
        self.register_buffer("var", torch.empty(out))

    def forward(self, x: Tensor) -> Tensor:
        scale = self.norm_weight * (self.var + self.EPS).rsqrt()
        weight = self.weight * scale.view(-1, 1, 1, 1)
        shift = self.norm_bias - self.mean * scale
        pads = []
        for side in (x.shape[-1], x.shape[-2]):  # F.pad begins with the width
            reach = (-(-side // self.stride) - 1) * self.stride + self.kernel
            short = max(0, reach - side)
            pads += [short // 2, short - short // 2]
        padding = 0
        if pads[0] == pads[1] == pads[2] == pads[3]:
            padding = pads[0]  # the convolution pads evenly by itself
        else:
            x = F.pad(x, pads)
        return F.conv2d(
            x, weight, shift, self.stride, padding, groups=self.groups
        )


class MobileBlock(nn.Module):
    """Widen, look around in each channel by itself, narrow again.

    Sandler et al. 2018 (https://arxiv.org/abs/1801.04381), figure 4d. Where
    the shape allows it, the input is added.
    """

    def __init__(self, channels, out, expansion, kernel, stride):
        super().__init__()
        wide = channels * expansion
        self.expand = ConvNorm(channels, wide, 1) if expansion > 1 else None
        self.depthwise = ConvNorm(wide, wide, kernel, stride, groups=wide)
        self.project = ConvNorm(wide, out, 1)
        self.residual = stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu6(self.expand(x)) if self.expand else x
        h = self.project(F.relu6(self.depthwise(h)))
        return x + h if self.residual else h


class EfficientNetStages(nn.Module):
    """The first stages of EfficientNet-Lite0, trained on ImageNet, frozen.

    Images (B, 3, H, W) in [-1, 1] → four maps: (B, 16, H/2, W/2), (B, 24,
    H/4, W/4), (B, 40, H/8, W/8) and (B, 80, H/16, W/16), sides rounded up.

    Args:
        weights: a file of their tensors. None takes those in this package,
            whose origin and licence stand beside them.

    Raises:
        CheckpointError: the file is missing or damaged, or of another network.
    """

    def __init__(self, weights: str | os.PathLike | None = None):
        super().__init__()
        self.stem = ConvNorm(3, 32, 3, stride=2)
        self.stages = nn.ModuleList()
        channels = 32
        for expansion, kernel, stride, out, count in LITE0:
            stage = nn.Sequential()
            for block in range(count):
                step = stride if block == 0 else 1
                stage.append(
                    MobileBlock(channels, out, expansion, kernel, step)
                )
                channels = out
            self.stages.append(stage)
        load_frozen(self, Path(weights or STAGES))

    def forward(self, x: Tensor) -> list[Tensor]:
        # The network was trained on (byte − 127)/128, and byte is 127.5·(x+1).
        x = F.relu6(self.stem((127.5 * x + 0.5) / 128))
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features


class FeatureDistance(nn.Module):
    """A distance between images, measured between their features.

    At each position the features of both images are brought to length 1, so
    that what counts is their direction. The squares of the differences are
    added over channels (with a weight for each, if ``weights`` are given),
    averaged over positions, and added over stages.

    Args:
        features: images (B, 3, H, W) in [-1, 1] → a list of maps.
        weights: one tensor (C,) a map, not negative; None counts all channels
            alike.
    """

    EPS = 1e-10

    def __init__(
        self, features: nn.Module, weights: Sequence[Tensor] | None = None
    ):
        super().__init__()
        self.features = features
        self.count = 0 if weights is None else len(weights)
        for number, weight in enumerate(weights or ()):
            self.register_buffer(f"weight{number}", weight.view(1, -1, 1, 1))
        self.requires_grad_(False).eval()

    def forward(self, x: Tensor, target: Tensor, check: bool = True) -> Tensor:
        """The distance of each pair, (B,); 0 where they are equal.

        Args:
            x: images, (B, 3, H, W), in [-1, 1] or a little outside, as a
                decoder leaves them.
            target: what they should look like, (B, 3, H, W) in [-1, 1].
            check: look at the range of ``target``. Leave it on unless you
                know the range, and have images without a dark pixel.

        Raises:
            ValueError: the shapes differ, or ``target`` is not in [-1, 1].
        """
        if x.shape != target.shape or x.dim() != 4 or x.shape[1] != 3:
            raise ValueError(
                "Two batches of one shape (B, 3, H, W) are compared, got "
                f"{tuple(x.shape)} and {tuple(target.shape)}."
            )
        if check:
            check_range(target)
        with torch.no_grad():
            wanted = [unit_length(f, self.EPS) for f in self.features(target)]
        total = x.new_zeros(len(x), dtype=torch.float32)
        for number, (f, g) in enumerate(
            zip(self.features(x), wanted, strict=True)
        ):
            difference = (unit_length(f, self.EPS) - g).square()
            if self.count:
                difference = difference * getattr(self, f"weight{number}")
            total = total + difference.sum(dim=1).flatten(1).mean(dim=1)
        return total  # (B,)

    def train(self, mode: bool = True) -> FeatureDistance:
        """Stays in evaluation mode: it judges, and does not learn."""
        return super().train(False)


class PerceptualDistance(FeatureDistance):
    """The course's distance: four stages of EfficientNet-Lite0, all alike.

    The same on every machine, since its 253,984 weights come with the package.
    It is no LPIPS: the network is another, and no weights were fitted to
    people's judgements. Compare its numbers with one another alone.
    """

    def __init__(self):
        super().__init__(EfficientNetStages())
        self.to(memory_format=torch.channels_last)  # faster on CPU and GPU


def unit_length(features: Tensor, eps: float = 1e-10) -> Tensor:
    """Features (B, C, H, W), brought to length 1 at each position.

    eps stands inside the root. Outside, as in ``f / (norm + eps)``, the value
    is fine at f = 0 and the gradient is not: the root's slope there is
    infinite, and infinity times zero is NaN.
    """
    features = features.float()  # squares of half precision would overflow
    return features * (features.square().sum(1, keepdim=True) + eps).rsqrt()


def check_range(images: Tensor) -> None:
    """Refuses images that are not in [-1, 1].

    Raises:
        ValueError: a value lies outside, or none below 0: then they are in
            [0, 1], or have no pixel darker than middle grey.
    """
    low, high = images.min().item(), images.max().item()
    found = f"got [{low:.3g}, {high:.3g}]"
    if not (low >= -1.001 and high <= 1.001):  # NaN is refused as well
        raise ValueError(
            f"A perceptual distance takes images in [-1, 1], {found}. Bytes "
            "become that by x.float() / 127.5 - 1."
        )
    if low >= 0:
        raise ValueError(
            f"A perceptual distance takes images in [-1, 1], {found}: not one "
            "pixel is darker than middle grey, so these are in [0, 1]. Give "
            "2 * x - 1. If they are that bright, pass check=False."
        )


def load_frozen(
    module: nn.Module,
    path: Path | None,
    prefix: str = "",
    state: dict[str, Tensor] | None = None,
) -> None:
    """Every tensor of ``module`` from a file or a dict; then it is frozen."""

    def take(shapes: dict, read) -> dict[str, Tensor]:
        for name, blank in module.state_dict().items():
            found = shapes.get(prefix + name)
            if found != tuple(blank.shape):
                raise CheckpointError(
                    f"{path}: {prefix + name} is {found}, and this network "
                    f"needs {tuple(blank.shape)}. Nothing was loaded."
                )
        return {k: read(prefix + k).float() for k in module.state_dict()}

    if path is None:
        shapes = {k: tuple(v.shape) for k, v in state.items()}
        module.load_state_dict(take(shapes, state.__getitem__))
    else:
        with open_weights(path) as file:
            module.load_state_dict(take(file.shapes, file.read))
    module.requires_grad_(False)
