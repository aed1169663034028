"""Photographs: read from any image file, and cut into patches.

Two photographs come with scikit-learn, so nothing has to be downloaded; a
folder ``kodak`` among the data folders adds Kodak's 24. A folder of anyone's
images makes a data set of its own.
"""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from vae_course.data.images import DataError, ImageSet, search_folders

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
HELD_OUT = 4  # one part in four of each photograph is never trained on


class Patches(NamedTuple):
    """Square patches of photographs, (3, size, size) each."""

    train: ImageSet
    test: ImageSet  # from parts of the photographs that ``train`` never saw
    name: str  # which photographs they are from


class TooLarge(Exception):
    """An image of more pixels than were asked for."""

    def __init__(self, pixels: int):
        super().__init__(f"{pixels:,} pixels")
        self.pixels = pixels


def read_image(
    path: str | os.PathLike,
    most: int | None = None,
    content: bytes | None = None,
) -> Tensor:
    """An image file as bytes, (3, H, W), as a viewer would show it.

    Turned as its EXIF data says; grey, palette, 16-bit and CMYK images become
    RGB; what is transparent lies on white; of an animation the first frame.

    Args:
        path: the file.
        most: pixels to take; None takes as many as Pillow holds for harmless.
        content: its bytes, where somebody has read them already.

    Raises:
        DataError: the file is missing, damaged, or no image; or, without
            ``most``, so large that Pillow suspects an attack.
        TooLarge: it has more than ``most`` pixels, none of which was read.
    """
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            if most is not None:  # what follows looks at the size itself
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            file = path if content is None else io.BytesIO(content)
            with Image.open(file) as image:
                pixels = image.width * image.height
                if most is not None and pixels > most:
                    raise TooLarge(pixels)
                image.load()
                upright = ImageOps.exif_transpose(image)
    except Image.DecompressionBombError as error:
        raise DataError(
            f"{path} is too large ({error}). Make it smaller."
        ) from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise DataError(
            f"{path} cannot be read as an image ({error}). Check the path, or "
            "save the picture again as PNG or JPEG."
        ) from error
    return image_bytes(upright)


def image_bytes(image: Image.Image) -> Tensor:
    """A Pillow image of any mode as RGB bytes, (3, H, W)."""
    from PIL import Image

    if image.mode.startswith(("I", "F")):  # 16 or 32 bits of grey
        image = Image.fromarray(_eight_bits(image))
    if image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or (
        "transparency" in image.info
    ):
        image = image.convert("RGBA")
        paper = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(paper, image)
    pixels = np.array(image.convert("RGB"))  # (H, W, 3)
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def _eight_bits(image: Image.Image) -> np.ndarray:
    """Grey of more than eight bits, scaled so that white stays white."""
    grey = np.asarray(image).astype(np.float64)
    white = 65535.0  # 16 bits, also where Pillow widened them to "I"
    if image.mode == "F":  # no rule for these: [0, 1], or else bytes
        white = 1.0 if grey.max(initial=0) <= 1 else 255.0
    return (np.clip(grey / white, 0, 1) * 255).round().astype(np.uint8)


def bundled() -> dict[str, Tensor]:
    """Name → bytes (3, H, W): two photographs, the same on every machine."""
    from sklearn.datasets import load_sample_image

    return {
        name: torch.tensor(load_sample_image(f"{name}.jpg")).permute(2, 0, 1)
        for name in ("china", "flower")
    }


def photographs() -> dict[str, Tensor]:
    """The two of :func:`bundled`, and Kodak's where they are."""
    photos = bundled()
    kodak = (folder / "kodak" for folder in search_folders())
    folder = next((path for path in kodak if path.is_dir()), None)
    for path in sorted(folder.glob("*.png")) if folder else ():
        photos[path.stem] = read_image(path)
    return photos


def photo_patches(
    size: int = 64,
    train: int = 2000,
    test: int = 200,
    seed: int = 0,
    photos: dict[str, Tensor] | None = None,
) -> Patches:
    """Random patches of photographs, to train on and to test on.

    The right quarter of every photograph is kept for the test; no patch lies
    across the border. The same seed cuts the same patches.

    Args:
        size: side of a patch, in pixels.
        train: how many to train on.
        test: how many to test on.
        seed: of the places.
        photos: name → bytes (3, H, W); None takes :func:`photographs`.

    Raises:
        ValueError: a photograph is too small, or there are none.
    """
    photos = photographs() if photos is None else photos
    if not photos:
        raise ValueError("There are no photographs to cut patches from.")
    lefts, rights = [], []
    for name, photo in photos.items():
        height, width = photo.shape[1:]
        border = width - width // HELD_OUT
        if min(height, border, width - border) < size:
            raise ValueError(
                f"The photograph {name} is {height}×{width}; patches of "
                f"{size} need a height of {size} and a width of "
                f"{HELD_OUT * size}. Choose a smaller size."
            )
        lefts.append(photo[:, :, :border])
        rights.append(photo[:, :, border:])
    generator = torch.Generator().manual_seed(seed)
    return Patches(
        _cut(lefts, size, train, generator),
        _cut(rights, size, test, generator),
        ", ".join(photos),
    )


def _cut(
    photos: Sequence[Tensor], size: int, count: int, generator
) -> ImageSet:
    """``count`` patches, as many from each photograph as from any other."""
    patches = torch.empty(count, 3, size, size, dtype=torch.uint8)
    labels = torch.arange(count) % len(photos)
    for patch, label in zip(patches, labels.tolist(), strict=True):
        photo = photos[label]
        room = [side - size + 1 for side in photo.shape[1:]]
        y, x = (torch.randint(n, (), generator=generator).item() for n in room)
        patch.copy_(photo[:, y : y + size, x : x + size])
    return ImageSet(patches, labels)


def image_folder(path: str | os.PathLike, size: int) -> ImageSet:
    """All images in a folder and below, as squares of ``size`` pixels.

    The shorter side is resized to ``size`` (antialiased) and the middle kept.

    Raises:
        DataError: the folder holds no image, or one of them is damaged.
    """
    from torchvision.transforms.functional import center_crop, resize

    folder = Path(path).expanduser()
    files = sorted(
        f for f in folder.rglob("*") if f.suffix.lower() in SUFFIXES
    )
    if not files:
        raise DataError(
            f"There is no image in {folder}: names should end in one of "
            f"{', '.join(SUFFIXES)}."
        )
    images = [
        center_crop(resize(read_image(f), size, antialias=True), size)
        for f in files
    ]
    return ImageSet(torch.stack(images), torch.zeros(len(files)).long())
