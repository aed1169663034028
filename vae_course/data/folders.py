"""Any folder of images as a data set: read, split, cropped, and accounted for.

Each file is read once when the set is opened. What cannot be used is left out
and listed with the reason; nothing is left out in silence. Whether an image is
for training or held out follows from its content alone, so the split stays as
it is when files are added, renamed or moved, and two copies of one picture
never lie on both sides.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from vae_course.data.images import DataError, cache_folder
from vae_course.data.photos import SUFFIXES, read_image
from vae_course.data.shards import SUFFIX, Source, members

# A file of more is refused before it is decoded: few bytes may unpack into
# more memory than there is.
MOST_PIXELS = 50_000_000
CACHE_BYTES = 2 * 2**30  # decoded images kept in memory, if all of them fit


class Photo(NamedTuple):
    """An image that can be used."""

    source: Source
    digest: str  # SHA-256 of its bytes
    height: int
    width: int

    @property
    def path(self) -> str:
        """Its name."""
        return self.source.path

    @property
    def place(self) -> float:
        """Where its content falls, evenly, in [0, 1)."""
        return int(self.digest[:12], 16) / 16**12


class Skipped(NamedTuple):
    """A file that cannot be used, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class Crops:
    """Square crops of photographs, in [-1, 1], the same for the same seed.

    A crop is a function of the seed, the epoch and the photograph alone, so a
    run that goes on after a stop, or is shared by several processes, sees the
    very same ones.

    Args:
        photos: the files.
        size: side of a crop, in pixels.
        shorter: bring the shorter side of each photograph to this length
            first; None cuts from the photograph as it is.
        flip: mirror every other crop, at random.
        seed: of places and flips.
        whole: take the middle of the photograph, unmirrored: for measuring.
    """

    photos: Sequence[Photo]
    size: int
    shorter: int | None = None
    flip: bool = True
    seed: int = 0
    whole: bool = False
    _kept: dict[int, Tensor] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.photos)

    def crop(self, index: int, epoch: int = 0) -> Tensor:
        """The crop of one photograph in this epoch, (3, size, size)."""
        pixels = self._kept.get(index)
        if pixels is None:
            pixels = self.decode(index)
        size = self.size
        rows, columns = (side - size for side in pixels.shape[1:])
        mirrored = False
        if self.whole:
            y, x = rows // 2, columns // 2
        else:
            chance = random.Random(f"{self.seed} {epoch} {index}")
            y, x = chance.randint(0, rows), chance.randint(0, columns)
            mirrored = self.flip and chance.random() < 0.5
        patch = pixels[:, y : y + size, x : x + size]
        patch = patch.flip(2) if mirrored else patch
        return patch.float() / 127.5 - 1

    def fingerprint(self) -> str:
        """What the files are, in few letters: nobody goes on with others."""
        text = " ".join(photo.digest for photo in self.photos)
        return f"{len(self)} {hashlib.sha256(text.encode()).hexdigest()}"

    def decode(self, index: int) -> Tensor:
        """One photograph as bytes, (3, H, W), no side shorter than a crop.

        Raises:
            DataError: the file has gone or changed since the set was opened.
        """
        photo = self.photos[index]
        try:
            content = photo.source.read()
        except OSError as error:
            raise DataError(
                f"{photo.path} cannot be read any more ({error})."
            ) from error
        pixels = read_image(photo.path, content=content)
        if tuple(pixels.shape[1:]) != (photo.height, photo.width):
            raise DataError(f"{photo.path} changed while it was in use.")
        return _resized(pixels, self.shorter) if self.shorter else pixels

    def keep(self, limit: int = CACHE_BYTES) -> bool:
        """Decodes all photographs into memory, if they fit; says whether."""
        needed = 0
        for photo in self.photos:
            sides = _sides(photo, self.shorter)
            needed += 3 * sides[0] * sides[1]
        if needed > limit:
            return False
        for index in range(len(self)):
            if index not in self._kept:
                self._kept[index] = self.decode(index)
        return True


class Folder(NamedTuple):
    """What a folder holds."""

    train: Crops
    held_out: Crops
    skipped: list[Skipped]

    def report(self, most: int = 10) -> str:
        """Counts, and the files that were skipped, with the reasons."""
        lines = [
            f"{len(self.train):,} images to train on, {len(self.held_out):,} "
            f"held out, {len(self.skipped):,} skipped"
        ]
        for path, reason in self.skipped[:most]:
            lines.append(f"  skipped {path}: {reason}")
        if len(self.skipped) > most:
            lines.append(f"  and {len(self.skipped) - most:,} more")
        return "\n".join(lines)


def open_folder(
    path: str | os.PathLike,
    size: int,
    *,
    shorter: int | None = None,
    held_out: float = 0.1,
    flip: bool = True,
    seed: int = 0,
    index: str | os.PathLike | None = None,
    most_pixels: int = MOST_PIXELS,
) -> Folder:
    """Opens a folder of images, nested or not, of mixed formats.

    Images in shards of WebDataset (:mod:`vae_course.data.shards`) count like
    files of their own.

    Args:
        path: the folder.
        size: side of a crop, in pixels.
        shorter: bring each photograph's shorter side to this length first.
            None cuts from the photograph as it is, and then photographs with a
            side shorter than a crop are skipped.
        held_out: the share of images that are never trained on.
        flip: mirror training crops at random.
        seed: of places and flips.
        index: a file that remembers what was found. Files whose size and time
            stand in it unchanged are not read again.
        most_pixels: larger files are refused before they are decoded.

    Raises:
        DataError: there is no such folder, no image in it that can be used, or
            none on one side of the split.
        ValueError: the size, the shorter side or the share makes no sense.
    """
    if size < 1 or (shorter is not None and shorter < size):
        raise ValueError(
            f"size={size}, shorter={shorter}: a crop has a pixel at least, "
            "and the shorter side is no shorter than a crop."
        )
    if not 0 < held_out < 1:
        raise ValueError(f"held_out={held_out} is a share between 0 and 1.")
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder.")
    sources, skipped = _sources(folder)
    if not sources and not skipped:
        raise DataError(
            f"There is no image in {folder}: names should end in one of "
            f"{', '.join(SUFFIXES)}, or in {SUFFIX} for shards."
        )
    photos, unfit = _look(sources, most_pixels, index and Path(index))
    skipped += unfit
    if shorter is None:
        small = [p for p in photos if min(p.height, p.width) < size]
        photos = [p for p in photos if min(p.height, p.width) >= size]
        skipped += [
            Skipped(
                p.path, f"{p.height}×{p.width}, less than a crop of {size}"
            )
            for p in small
        ]
        skipped.sort()
    if not photos:
        first = "; ".join(f"{s.path}: {s.reason}" for s in skipped[:3])
        raise DataError(f"Nothing that {folder} holds can be used. {first}")
    sides = (
        [p for p in photos if p.place >= held_out],
        [p for p in photos if p.place < held_out],
    )
    if not all(sides):
        places = sorted(p.place for p in photos)
        which, share = (
            ("held out", places[0])
            if sides[0]
            else (
                "to train on",
                places[-1],
            )
        )
        raise DataError(
            f"With held_out={held_out:g} none of the {len(photos)} images in "
            f"{folder} is {which}. It goes by their content; a share a little "
            f"{'above' if sides[0] else 'below'} {share:.3f} would do."
        )
    train, test = sides
    return Folder(
        Crops(train, size, shorter, flip, seed),
        Crops(test, size, shorter, False, seed, whole=True),
        skipped,
    )


def open_named(name: str, root: str | os.PathLike | None = None) -> Path:
    """The folder of a torchvision set, downloaded if need be.

    Args:
        name: one of ``NAMED``.
        root: where it is or goes to; None takes the course's cache.

    Raises:
        DataError: no such name, or it can be neither found nor fetched.
    """
    if name not in NAMED:
        raise DataError(f"No set {name!r}; choose one of {[*NAMED]}.")
    root = Path(root) if root else cache_folder()
    try:
        return NAMED[name](root)
    except Exception as error:  # of the network, the host or the archive
        raise DataError(
            f"The set {name!r} is not in {root} and cannot be fetched "
            f"({error}). Give a folder of images instead."
        ) from error


def _pets(root: Path) -> Path:
    from torchvision.datasets import OxfordIIITPet

    OxfordIIITPet(str(root), download=True)
    return root / "oxford-iiit-pet" / "images"


def _celeba(root: Path) -> Path:
    from torchvision.datasets import CelebA

    CelebA(str(root), split="all", download=True)
    return root / "celeba" / "img_align_celeba"


def _cifar10(root: Path) -> Path:
    """CIFAR-10 comes as arrays; each image becomes a file of its own."""
    from torchvision.datasets import CIFAR10

    folder, done = root / "cifar10-png", root / "cifar10-png" / ".complete"
    if not done.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        for train in (True, False):
            images = CIFAR10(str(root), train=train, download=True)
            part = "train" if train else "test"
            for number, (image, _) in enumerate(images):
                image.save(folder / f"{part}-{number:05d}.png")
        done.touch()
    return folder


NAMED: dict[str, Callable[[Path], Path]] = {
    "pets": _pets,
    "cifar10": _cifar10,
    "celeba": _celeba,
}


def _sources(folder: Path) -> tuple[list[Source], list[Skipped]]:
    """The images that a folder and its shards hold, by name."""
    sources, skipped = [], []
    for file in sorted(f for f in folder.rglob("*") if f.is_file()):
        suffix = file.suffix.lower()
        if suffix in SUFFIXES:
            sources.append(Source(str(file), str(file)))
        elif suffix == SUFFIX:
            try:
                sources += members(file, SUFFIXES)
            except (OSError, ValueError) as error:
                skipped.append(Skipped(str(file), str(error)))
    return sources, skipped


def _look(
    sources: list[Source], most_pixels: int, index: Path | None
) -> tuple[list[Photo], list[Skipped]]:
    """Reads every image once, several at a time; remembers what it found."""
    known = _read_index(index)

    def look(source: Source) -> list:
        try:
            stat = os.stat(source.file)
            stamp = [stat.st_size, stat.st_mtime_ns, most_pixels, source.start]
        except OSError as error:
            return [None, f"cannot be read ({error.strerror})"]
        found = known.get(source.path)
        if found and found[0] == stamp:
            return found
        return [stamp, _examine(source, most_pixels)]

    from PIL import Image

    with warnings.catch_warnings():
        # Large files are refused below, with their names.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            results = list(pool.map(look, sources))
    photos, skipped, remembered = [], [], {}
    for source, (stamp, found) in zip(sources, results, strict=True):
        if stamp is not None:
            remembered[source.path] = [stamp, found]
        if isinstance(found, str):
            skipped.append(Skipped(source.path, found))
        else:
            photos.append(Photo(source, *found))
    if index is not None and remembered != known:
        scratch = index.with_name(f".{index.name}.{os.getpid()}")
        scratch.write_text(json.dumps(remembered), encoding="utf-8")
        os.replace(scratch, index)
    return photos, skipped


def _read_index(index: Path | None) -> dict:
    """What an index file remembers; nothing if it is missing or damaged."""
    try:
        known = json.loads(index.read_text(encoding="utf-8")) if index else {}
        return {
            path: [list(stamp), found if isinstance(found, str) else [*found]]
            for path, (stamp, found) in known.items()
            if isinstance(found, str) or len(found) == 3
        }
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _examine(source: Source, most_pixels: int) -> list | str:
    """[digest, height, width] of an image that can be used, or why not."""
    from PIL import Image

    try:
        content = source.read()
        if not content:
            return "it is empty"
        with Image.open(io.BytesIO(content)) as image:
            width, height = image.size
        if width * height > most_pixels:
            return (
                f"{height}×{width} is {width * height / 1e6:.0f} megapixels; "
                f"more than {most_pixels / 1e6:.0f} are refused"
            )
        upright = read_image(source.path, content=content)
        height, width = upright.shape[1:]
    except DataError as error:
        return f"it is damaged ({error.__cause__})"
    except Image.UnidentifiedImageError:
        return "it is damaged, or no image of a known kind"
    except Image.DecompressionBombError:
        return f"more than {most_pixels / 1e6:.0f} megapixels are refused"
    except Exception as error:  # Pillow has many kinds for a broken file
        return f"it is damaged ({error})"
    return [hashlib.sha256(content).hexdigest(), height, width]


def _sides(photo: Photo, shorter: int | None) -> tuple[int, int]:
    """Height and width after resizing, as torchvision rounds them."""
    height, width = photo.height, photo.width
    if shorter is None:
        return height, width
    if height <= width:
        return shorter, int(shorter * width / height)
    return int(shorter * height / width), shorter


def _resized(pixels: Tensor, shorter: int) -> Tensor:
    from torchvision.transforms.functional import resize

    return resize(pixels, [shorter], antialias=True).contiguous()


def stack(crops: Crops, items: Sequence[tuple[int, int]]) -> Tensor:
    """The crops of (index, epoch) pairs as one batch, (B, 3, size, size)."""
    return torch.stack([crops.crop(index, epoch) for index, epoch in items])
