"""The command ``vae-course``.

``doctor`` says whether all is well; ``reconstruct`` sends images through an
autoencoder of the Stable Diffusion family.
"""

from __future__ import annotations

import argparse
import importlib
import platform
import sys
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

# What the package cannot do without: distribution → module.
NEEDED = {
    "torch": "torch",
    "torchvision": "torchvision",
    "numpy": "numpy",
    "safetensors": "safetensors",
    "scikit-learn": "sklearn",
    "matplotlib": "matplotlib",
    "tqdm": "tqdm",
    "ipython": "IPython",
}


class Finding(NamedTuple):
    """One line of the doctor's report; ``mend`` says what to do if not ok."""

    what: str
    found: str
    ok: bool = True
    mend: str = ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="vae-course",
        description="The course's command line.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    doctor_parser = commands.add_parser(
        "doctor",
        help="say what is installed, where data is, and what to do next",
    )
    doctor_parser.set_defaults(run=doctor)
    _add_reconstruct(commands)
    chosen = parser.parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = chosen.run
    return run(chosen)


def _add_reconstruct(commands) -> None:
    reconstruct_parser = commands.add_parser(
        "reconstruct",
        help="send images through an autoencoder and say what it cost them",
    )
    add = reconstruct_parser.add_argument
    add(
        "images",
        nargs="+",
        metavar="IMAGE",
        type=Path,
        help="PNG, JPEG and what else Pillow reads, of any size and colour",
    )
    add(
        "--weights",
        required=True,
        help="a folder or file of weights, or an id on the Hugging Face Hub",
    )
    add(
        "--config",
        help="the model, where the weights do not say: sd1, sdxl, sd3, flux",
    )
    add(
        "--out",
        type=Path,
        default=Path("reconstructions"),
        help="where the PNG files go (default: %(default)s)",
    )
    reconstruct_parser.set_defaults(run=reconstruct)


def reconstruct(chosen: argparse.Namespace) -> int:
    """Writes each image as the model gives it back; prints PSNR and SSIM.

    Images of any size: they are padded, and cut back. Decoding is by strips,
    so that a large photograph fits into memory. Images with fewer than 11
    pixels on a side have no SSIM. Returns 1 when an image could not be read or
    written; the others are done all the same.
    """
    import torch
    from PIL import Image

    from vae_course import metrics
    from vae_course.data import DataError, photos
    from vae_course.sd import checkpoints, strips
    from vae_course.training import best_device

    targets = [
        chosen.out / f"{path.stem}.reconstructed.png" for path in chosen.images
    ]
    if len(set(targets)) < len(targets):
        print("Two of the images have the same name; reconstruct them apart.")
        return 1
    try:
        vae = checkpoints.load(chosen.weights, chosen.config)
    except (checkpoints.CheckpointError, ValueError) as error:
        print(error)
        return 1
    vae.to(best_device())
    try:
        chosen.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        print(f"{chosen.out} cannot be made ({error}). Choose another --out.")
        return 1
    failed = 0
    width = max(len(path.name) for path in chosen.images)
    for path, target in zip(chosen.images, targets, strict=True):
        try:
            pixels = photos.read_image(path).unsqueeze(0)  # (1, 3, H, W)
        except DataError as error:
            print(error)
            failed = 1
            continue
        x = pixels / 255
        with torch.no_grad():
            y = vae.reconstruct(
                2 * x.to(best_device()) - 1, pad=True, decode=strips.decode
            )
        y = ((y.cpu() + 1) * 127.5).round().to(torch.uint8)
        try:
            Image.fromarray(y[0].permute(1, 2, 0).numpy()).save(target)
        except OSError as error:
            print(f"{target} cannot be written ({error}).")
            failed = 1
            continue
        y = y / 255
        wide = min(x.shape[-2:]) >= 11  # the side of SSIM's windows
        similar = f"{metrics.ssim(x, y).item():.4f}" if wide else "none"
        print(
            f"{path.name:<{width}}  PSNR {metrics.psnr(x, y).item():5.2f} dB"
            f"  SSIM {similar:<6}  {target}"
        )
    return failed


def doctor(chosen: argparse.Namespace | None = None) -> int:
    """Prints what is there and what is missing; 1 if something needed is."""
    findings = [_python(), *(_package(*item) for item in NEEDED.items())]
    usable = all(finding.ok for finding in findings)
    if usable:
        findings += [_device(), *_data()]
    width = max(len(finding.what) for finding in findings)
    for finding in findings:
        mark = "ok     " if finding.ok else "MISSING"
        print(f"{mark}  {finding.what:<{width}}  {finding.found}")
    mends = [finding.mend for finding in findings if not finding.ok]
    for mend in mends:
        print(f"\nTo mend: {mend}")
    if not mends:
        print("\nAll is well. Next: open notebooks/01_autoencoders.ipynb.")
    return 1 if mends else 0


def _python() -> Finding:
    return Finding(
        "Python",
        f"{platform.python_version()} on {platform.system()}",
        sys.version_info >= (3, 10),
        "install Python 3.10 or newer.",
    )


def _package(distribution: str, module: str) -> Finding:
    """A package that is installed and imports; a torchvision that does not
    match torch is installed, and fails only when imported."""
    try:
        version = metadata.version(distribution)
        importlib.import_module(module)
    except metadata.PackageNotFoundError:
        mend = f'python -m pip install "{distribution}"'
        return Finding(distribution, "not installed", False, mend)
    except Exception as error:  # whatever an import can raise is the finding
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        mend = (
            f"{distribution} {version} does not import. torch and torchvision "
            "must be a pair: python -m pip install --upgrade torch torchvision"
        )
        return Finding(distribution, f"{version}: {reason}", False, mend)
    return Finding(distribution, version)


def _device() -> Finding:
    import torch

    from vae_course.training import best_device

    device = best_device()
    name = torch.cuda.get_device_name() if device.type == "cuda" else device
    threads = torch.get_num_threads()
    return Finding("device", f"{name}, {threads} CPU threads")


def _data() -> list[Finding]:
    """Where MNIST is. That it is nowhere is no fault: it can be downloaded."""
    from vae_course.data.images import DataError, search_folders
    from vae_course.data.mnist import find_mnist, mnist

    looked = ", ".join(map(str, search_folders()))
    root = find_mnist()
    if root is None:
        found = (
            f"not in {looked}; downloaded when first used, or, without a "
            "network, replaced by scikit-learn's small digits"
        )
        return [Finding("MNIST", found)]
    try:
        digits = mnist(root)
    except DataError as error:
        return [Finding("MNIST", f"damaged, in {root}", False, str(error))]
    counts = f"{len(digits.train):,} + {len(digits.test):,} images"
    return [Finding("MNIST", f"{counts} in {root}")]


if __name__ == "__main__":
    sys.exit(main())
