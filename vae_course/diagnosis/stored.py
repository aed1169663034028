"""A checkpoint and a folder of images, as ``vae-course diagnose`` takes them.

Files are read by :mod:`vae_course.sd.weights`, which runs nothing that is in
them.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor

from vae_course.core import VAE
from vae_course.data.photos import image_folder
from vae_course.mlp import MLPVAE
from vae_course.sd import checkpoints
from vae_course.sd.weights import SUFFIXES, CheckpointError, open_weights

LARGEST = 64  # side of the images, if nothing else is asked for


def load_model(source: str, config: str | None = None) -> VAE:
    """The model in a checkpoint: of the Stable Diffusion family, or dense.

    A dense model is a file of the state of an
    :class:`~vae_course.mlp.MLPVAE`; its sizes are read off its weights.

    Raises:
        CheckpointError: it is missing, damaged, of another model, or would run
            code.
        ValueError: there is no such configuration.
    """
    path = Path(source)
    if path.is_file() and path.suffix.lower() in SUFFIXES:
        with open_weights(path) as weights:
            if "encoder.0.weight" in weights.shapes:
                return _dense(weights)
    return checkpoints.load(source, config)


def _dense(weights) -> MLPVAE:
    shapes = {
        name: shape
        for name, shape in weights.shapes.items()
        if len(shape) == 2 and name.startswith(("encoder.", "decoder."))
    }
    inward = sorted(
        (int(n.split(".")[1]), s)
        for n, s in shapes.items()
        if n.startswith("encoder.") and n.split(".")[1].isdigit()
    )
    pixels = inward[0][1][1]
    side = math.isqrt(pixels)
    if side * side != pixels or inward[-1][1][0] % 2:
        raise CheckpointError(
            f"{weights.path} holds dense layers, but not those of a VAE on "
            f"square grey images: {pixels} numbers go in, and "
            f"{inward[-1][1][0]} come out of the encoder."
        )
    widths = [out for _, (out, _) in inward[:-1]]
    # A likelihood with a scale stores it; of which family it is, no file says.
    scaled = "likelihood.log_scale" in weights.shapes
    model = MLPVAE(
        (1, side, side),
        widths,
        inward[-1][1][0] // 2,
        "normal" if scaled else "bernoulli",
    )
    state = model.state_dict()
    wrong = [
        name
        for name, tensor in state.items()
        if weights.shapes.get(name) != tuple(tensor.shape)
    ]
    wrong += sorted(set(weights.shapes) - set(state))
    if wrong:
        raise CheckpointError(
            f"{weights.path} does not fit a dense VAE: look at "
            f"{', '.join(wrong[:3])}. Nothing was loaded."
        )
    model.load_state_dict({name: weights.read(name).float() for name in state})
    return model.eval()


def load_images(folder: str, model: VAE, size: int | None = None) -> Tensor:
    """The images of a folder as the model takes them, (N, C, H, W).

    The middle square of each, resized; in [−1, 1] and in colour for the Stable
    Diffusion family, in [0, 1] and grey for a dense model.

    Raises:
        DataError: the folder holds no image, or one of them is damaged.
        ValueError: the size does not fit the model.
    """
    if isinstance(model, MLPVAE):
        side = model.image_shape[-1]
        if size not in (None, side):
            raise ValueError(
                f"This model takes images of {side}×{side}; leave --size out."
            )
        return image_folder(folder, side)[:].mean(dim=1, keepdim=True)
    factor = model.config.factor
    side = size or max(factor, min(LARGEST, model.config.sample_size))
    if side % factor:
        raise ValueError(
            f"--size {side} is no multiple of {factor}, by which this model "
            "shrinks its images."
        )
    return 2 * image_folder(folder, side)[:] - 1


def few(images: Tensor, model: torch.nn.Module) -> Tensor:
    """As many images as a model of this size looks at in a minute or so."""
    large = sum(p.numel() for p in model.parameters()) > 20_000_000
    return images[:16] if large else images
