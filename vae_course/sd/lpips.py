"""LPIPS on VGG16, with the interface of the course's own distance.

Zhang et al. 2018 (https://arxiv.org/abs/1801.03924). Its weights are two
files that have to be had: those of VGG16, and one number for each of its
channels, fitted to what people call similar. Images are in [-1, 1].
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from vae_course.sd.perceptual import FeatureDistance, load_frozen
from vae_course.sd.weights import CheckpointError, Weights, open_weights

# Stage → (channels, convolutions). Simonyan & Zisserman 2014, configuration D
# (https://arxiv.org/abs/1409.1556).
VGG_STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))

# lpips/weights/v0.1/vgg.pth of the package lpips 0.1.4.
LINEAR_SHA256 = (
    "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868"
)


class VGGStages(nn.Module):
    """VGG16 up to the last ReLU of each of its five stages, frozen.

    Args:
        weights: a file of torchvision's ``vgg16``, or None to let torchvision
            look in its cache and then download it (528 MB).
    """

    MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of [0, 1]

    def __init__(self, weights: str | os.PathLike | None = None):
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for stage, (width, count) in enumerate(VGG_STAGES):
            layers += [nn.MaxPool2d(2)] if stage else []
            for _ in range(count):
                conv = nn.Conv2d(channels, width, 3, padding=1)
                layers += [conv, nn.ReLU()]
                channels = width
        self.layers = nn.Sequential(*layers)  # numbered as torchvision's
        state = _fetch_vgg() if weights is None else None
        load_frozen(self.layers, weights and Path(weights), "features.", state)
        statistics = torch.tensor([self.MEAN, self.STD]).view(2, 3, 1, 1)
        self.register_buffer("statistics", statistics, persistent=False)
        self.requires_grad_(False)

    def forward(self, x: Tensor) -> list[Tensor]:
        mean, std = self.statistics
        x = ((x + 1) / 2 - mean) / std
        features = []
        for layer in self.layers:
            if isinstance(layer, nn.MaxPool2d):
                features.append(x)
            x = layer(x)
        return [*features, x]


class LPIPS(FeatureDistance):
    """LPIPS 0.1 on VGG16, the distance that SD's autoencoder learned by.

    Zhang et al. 2018, equation 1. Equal to the package ``lpips`` but for the
    eps, which stands inside the root here, so that the gradient stays finite
    where all features of a position vanish.

    Args:
        vgg: torchvision's VGG16 as a file; None asks torchvision for it.
        linear: the weights of the channels, ``lpips/weights/v0.1/vgg.pth`` of
            the package ``lpips``; None looks whether it is installed.

    Raises:
        CheckpointError: one of the two cannot be had.
    """

    def __init__(
        self,
        vgg: str | os.PathLike | None = None,
        linear: str | os.PathLike | None = None,
    ):
        if linear is None:
            spec = importlib.util.find_spec("lpips")
            if spec is None:
                raise CheckpointError(
                    "LPIPS needs the weights of its channels, which come with "
                    "the package lpips: python -m pip install --no-deps lpips "
                    "(or give the file vgg.pth from it as linear=). "
                    "PerceptualDistance needs neither."
                )
            folder = Path(spec.origin).parent / "weights" / "v0.1"
            linear = folder / "vgg.pth"
        with _open_linear(Path(linear)) as file:
            names = [f"lin{i}.model.1.weight" for i in range(5)]
            wanted = {
                name: (1, width, 1, 1)
                for name, (width, _) in zip(names, VGG_STAGES, strict=True)
            }
            if any(file.shapes.get(k) != v for k, v in wanted.items()):
                raise CheckpointError(
                    f"{linear} does not hold the weights of LPIPS on VGG16."
                )
            weights = [file.read(name).clone() for name in names]
        super().__init__(VGGStages(vgg), weights)


@contextmanager
def _open_linear(path: Path) -> Iterator[Weights]:
    """The channels' weights; the package's own file is of an old kind.

    Files of that kind are not safe to read in general. This one is known, and
    is taken if it is that to the last byte.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error}).") from error
    if hashlib.sha256(content).hexdigest() != LINEAR_SHA256:
        with open_weights(path) as file:
            yield file
        return
    state = torch.load(io.BytesIO(content), "cpu", weights_only=True)
    shapes = {name: tuple(value.shape) for name, value in state.items()}
    yield Weights(path, shapes, state.__getitem__)


def _fetch_vgg() -> dict[str, Tensor]:
    """torchvision's VGG16, from its cache or the network."""
    from torchvision.models import VGG16_Weights

    try:
        return VGG16_Weights.IMAGENET1K_V1.get_state_dict(check_hash=True)
    except Exception as error:  # of the network or the cache
        raise CheckpointError(
            "LPIPS needs torchvision's VGG16, and it is neither on this "
            f"machine nor to be fetched ({error}). Give its file as vgg=, or "
            "take PerceptualDistance, which needs none."
        ) from error
