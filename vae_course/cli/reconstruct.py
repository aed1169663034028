"""``vae-course reconstruct``: pictures through an autoencoder and back."""

from __future__ import annotations

import argparse
from pathlib import Path

from vae_course.cli.complaint import complain

RECONSTRUCT = """
Each picture goes through the autoencoder and comes back as
OUT/NAME.reconstructed.png, at its own size. A line on standard output says
what it cost: PSNR in decibels, and SSIM, which is 1 for equal pictures (and
which pictures of fewer than 11 pixels a side do not have). What cannot be done
is named on standard error, and the other pictures are done.
"""
THRESHOLD = -3  # M_MMAP_THRESHOLD of malloc.h: larger blocks stand alone
EXAMPLE = """
example:
  vae-course reconstruct photo.jpg --weights stabilityai/sd-vae-ft-mse

exit codes:
  0  every picture was done
  1  some were not, or the weights could not be loaded
  2  the command was not understood
"""


def add(commands) -> None:
    """The command and its options."""
    reconstruct_parser = commands.add_parser(
        "reconstruct",
        help="send images through an autoencoder and say what it cost them",
        description=RECONSTRUCT,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    option = reconstruct_parser.add_argument
    option(
        "images",
        nargs="+",
        metavar="IMAGE",
        type=Path,
        help="PNG, JPEG and what else Pillow reads, of any size and colour",
    )
    option(
        "--weights",
        required=True,
        help="a folder or file of weights, or an id on the Hugging Face Hub",
    )
    option(
        "--config",
        help="the model, where the weights do not say: sd1, sdxl, sd3, flux",
    )
    option(
        "--out",
        type=Path,
        default=Path("reconstructions"),
        help="where the PNG files go (default: %(default)s)",
    )
    option(
        "--force",
        action="store_true",
        help="replace results that are there already",
    )
    option(
        "--memory",
        type=_gibibytes,
        default=3.0,
        metavar="GIB",
        help="GiB that the maps inside the model may take (default: "
        "%(default)g, with which pictures of 12 megapixels are taken); the "
        "process itself takes more. What does not fit is computed several "
        "times, so more memory takes less time",
    )
    reconstruct_parser.set_defaults(run=reconstruct)


def _gibibytes(text: str) -> float:
    value = float(text)
    if not 0 < value < 2**20:
        raise ValueError(text)
    return value


def reconstruct(chosen: argparse.Namespace) -> int:
    """Writes each image as the model gives it back; prints PSNR and SSIM.

    Images of any size: they are padded, and cut back, and go through the model
    by strips. Returns 1 when an image was not done; the others are done all
    the same.
    """
    from vae_course.sd import checkpoints
    from vae_course.training import best_device

    try:
        vae = checkpoints.load(chosen.weights, chosen.config)
        chosen.out.mkdir(parents=True, exist_ok=True)
    except (checkpoints.CheckpointError, ValueError) as error:
        return complain(error)
    except OSError as error:
        return complain(
            f"{chosen.out} cannot be made ({error}). Choose another --out."
        )
    vae.to(best_device())
    _give_memory_back_at_once()
    width = max(len(path.name) for path in chosen.images)
    code, sources = 0, {}  # of the targets, whatever the file system's case
    for path in chosen.images:
        target = chosen.out / f"{path.stem}.reconstructed.png"
        first = sources.setdefault(target.name.casefold(), path)
        if first is not path:
            code = complain(
                f"{path} is not done: {first} has the same name, and both "
                f"would become {target}. Reconstruct it with another --out."
            )
        elif target.exists() and not chosen.force:
            code = complain(
                f"{path} is not done: {target} is there already. Add --force "
                "to replace it, or choose another --out."
            )
        else:
            try:
                found = _reconstructed(vae, path, target, chosen.memory)
                print(f"{path.name:<{width}}  {found}  {target}", flush=True)
            except _NotDone as error:
                code = complain(error)
    return code


def _give_memory_back_at_once() -> None:
    """Asks the C library for no store of freed memory, where it keeps one.

    The one of Linux holds on to blocks of up to 32 MiB, and strips are such
    blocks, of many sizes: what it keeps of them may exceed the maps.
    """
    import ctypes
    import sys

    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:  # as in glibc
            mallopt(THRESHOLD, 2**20)


class _NotDone(Exception):
    """Why a picture could not be done."""


def _reconstructed(vae, path: Path, target: Path, memory: float) -> str:
    """Does one picture; returns what it cost, in words."""
    from functools import partial

    import torch
    from PIL import Image

    from vae_course import metrics
    from vae_course.data import DataError, photos
    from vae_course.sd import strips
    from vae_course.sd.weights import atomic

    room = int(memory * 2**30)
    side = vae.config.factor
    most = room // strips.middle(vae, side, side) * side**2
    try:
        pixels = photos.read_image(path, most).unsqueeze(0)  # (1, 3, H, W)
    except DataError as error:
        raise _NotDone(error) from error
    except photos.TooLarge as error:
        raise _NotDone(
            f"{path} is not done: it has {error.pixels / 1e6:.1f} megapixels, "
            f"and with --memory {memory:g} at most {most / 1e6:.1f} fit. Make "
            "it smaller, or allow more memory."
        ) from error
    x = pixels / 255
    encode = partial(strips.encode, memory=room)
    decode = partial(strips.decode, memory=room)
    device = next(vae.parameters()).device
    try:
        with torch.no_grad():
            y = vae.reconstruct(2 * x.to(device) - 1, True, encode, decode)
    except (MemoryError, RuntimeError) as error:
        if "memory" not in f"{type(error)} {error}".lower():
            raise
        raise _NotDone(
            f"{path} is not done: this machine's memory is too small for it. "
            f"Make it smaller, or allow less than --memory {memory:g}."
        ) from error
    y = ((y.cpu() + 1) * 127.5).round().to(torch.uint8)
    try:
        with atomic(target) as scratch:
            image = Image.fromarray(y[0].permute(1, 2, 0).numpy())
            image.save(scratch, format="PNG")
    except OSError as error:
        raise _NotDone(f"{target} cannot be written ({error}).") from error
    y = y / 255
    wide = min(x.shape[-2:]) >= 11  # the side of SSIM's windows
    similar = f"{metrics.ssim(x, y).item():.4f}" if wide else "none"
    decibels = metrics.psnr(x, y).item()
    return f"PSNR {decibels:5.2f} dB  SSIM {similar:<6}"
