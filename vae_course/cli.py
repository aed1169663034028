"""The command ``vae-course``.

``doctor`` says whether all is well; ``reconstruct`` sends images through an
autoencoder of the Stable Diffusion family; ``train`` trains one; ``diagnose``
examines one; ``progress`` makes a table of what a class has done.
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
    _add_diagnose(commands)
    _add_progress(commands)
    commands.add_parser(  # it has a parser of its own
        "train", help="train an autoencoder on a folder of images"
    )
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given[:1] == ["train"]:
        return _train(given[1:])
    chosen = parser.parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = chosen.run
    return run(chosen)


RECONSTRUCT = """
Each picture goes through the autoencoder and comes back as
OUT/NAME.reconstructed.png, at its own size. A line on standard output says
what it cost: PSNR in decibels, and SSIM, which is 1 for equal pictures (and
which pictures of fewer than 11 pixels a side do not have). What cannot be done
is named on standard error, and the other pictures are done.
"""
EXAMPLE = """
example:
  vae-course reconstruct photo.jpg --weights stabilityai/sd-vae-ft-mse

exit codes:
  0  every picture was done
  1  some were not, or the weights could not be loaded
  2  the command was not understood
"""


def _add_reconstruct(commands) -> None:
    reconstruct_parser = commands.add_parser(
        "reconstruct",
        help="send images through an autoencoder and say what it cost them",
        description=RECONSTRUCT,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
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
    add(
        "--force",
        action="store_true",
        help="replace results that are there already",
    )
    add(
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


DIAGNOSE = """
Measures what a VAE does with images that it was not trained on, and says what
is outside the healthy band: the symptom, its number, the band, and the chapter
that derives the right version. The checkpoint is one of the Stable Diffusion
family, or the state of a dense VAE of this course.
"""
DIAGNOSE_EXAMPLE = """
example:
  vae-course diagnose run/model photos

exit codes:
  0  every reading is inside its band
  1  some are not
  2  the command was not understood
  3  the checkpoint or the images could not be used
"""


def _add_diagnose(commands) -> None:
    diagnose_parser = commands.add_parser(
        "diagnose",
        help="examine a VAE, and say what is not as it should be",
        description=DIAGNOSE,
        epilog=DIAGNOSE_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = diagnose_parser.add_argument
    add(
        "checkpoint",
        help="a folder or file of weights, or an id on the Hugging Face Hub",
    )
    add("folder", help="images that it was not trained on, 64 and more")
    add(
        "--train",
        metavar="FOLDER",
        help="images that it was trained on, to compare",
    )
    add(
        "--config",
        help="the model, where the weights do not say: small, sd1, sdxl, …",
    )
    add(
        "--beta",
        type=float,
        help="weight of the rate in the loss that it was trained on",
    )
    add(
        "--size",
        type=int,
        help="side of the images (default: the model's, but 64 at most)",
    )
    add("--all", action="store_true", help="print every reading")
    add("--json", action="store_true", help="print the report as JSON")
    diagnose_parser.set_defaults(run=diagnose)


def diagnose(chosen: argparse.Namespace) -> int:
    """Examines a checkpoint on a folder of images; prints the report."""
    from vae_course.data import DataError
    from vae_course.diagnosis import diagnose as examine
    from vae_course.diagnosis import stored
    from vae_course.sd.weights import CheckpointError
    from vae_course.training import best_device

    said = {} if chosen.beta is None else {"beta": chosen.beta}
    try:
        model = stored.load_model(chosen.checkpoint, chosen.config)
        images = stored.load_images(chosen.folder, model, chosen.size)
        seen = None
        if chosen.train is not None:
            seen = stored.load_images(chosen.train, model, chosen.size)
        model.to(best_device())
        report = examine(
            model, stored.few(images, model), train_images=seen, **said
        )
    except (CheckpointError, DataError, ValueError) as error:
        _complain(error)
        return 3
    if chosen.json:
        print(report.to_json())
    else:
        print(report.table() + "\n\n" + str(report) if chosen.all else report)
    return 0 if report.healthy else 1


def _add_progress(commands) -> None:
    progress_parser = commands.add_parser(
        "progress",
        help="make a table of the progress files that a class handed in",
        description="Reads every .json file in a folder and below it. A file "
        "that is no progress file is named on standard error, and the exit "
        "code is 1; the others are in the table all the same.",
    )
    progress_parser.add_argument("folder", metavar="FOLDER", type=Path)
    progress_parser.add_argument(
        "--csv",
        action="store_true",
        help="a row for each student and exercise, for a spreadsheet",
    )
    progress_parser.set_defaults(run=progress)


def progress(chosen: argparse.Namespace) -> int:
    """Prints what a class has done; 1 if a file could not be used."""
    from vae_course.exercises import collecting

    try:
        handed, troubles = collecting.collect(chosen.folder)
    except OSError as error:
        return _complain(error)
    if handed:
        write = collecting.as_csv if chosen.csv else collecting.table
        print(write(handed).rstrip())
    for trouble in troubles:
        _complain(trouble)
    return 1 if troubles else 0


def _gibibytes(text: str) -> float:
    value = float(text)
    if not 0 < value < 2**20:
        raise ValueError(text)
    return value


def _train(arguments: Sequence[str]) -> int:
    from vae_course import train  # here, so that doctor needs no torch

    return train.main(arguments, prog="vae-course train")


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
        return _complain(error)
    except OSError as error:
        return _complain(
            f"{chosen.out} cannot be made ({error}). Choose another --out."
        )
    vae.to(best_device())
    width = max(len(path.name) for path in chosen.images)
    code, sources = 0, {}  # of the targets, whatever the file system's case
    for path in chosen.images:
        target = chosen.out / f"{path.stem}.reconstructed.png"
        first = sources.setdefault(target.name.casefold(), path)
        if first is not path:
            code = _complain(
                f"{path} is not done: {first} has the same name, and both "
                f"would become {target}. Reconstruct it with another --out."
            )
        elif target.exists() and not chosen.force:
            code = _complain(
                f"{path} is not done: {target} is there already. Add --force "
                "to replace it, or choose another --out."
            )
        else:
            try:
                found = _reconstructed(vae, path, target, chosen.memory)
                print(f"{path.name:<{width}}  {found}  {target}", flush=True)
            except _NotDone as error:
                code = _complain(error)
    return code


class _NotDone(Exception):
    """Why a picture could not be done."""


def _complain(message) -> int:
    """Says it on standard error; returns the exit code."""
    print(message, file=sys.stderr)
    return 1


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
