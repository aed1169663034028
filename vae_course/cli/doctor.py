"""``vae-course doctor``: what is installed, and what to do next."""

from __future__ import annotations

import argparse
import importlib
import platform
import sys
from importlib import metadata
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


def add(commands) -> None:
    """The command and its options."""
    parser = commands.add_parser(
        "doctor",
        help="say what is installed, where data is, and what to do next",
    )
    parser.set_defaults(run=doctor)


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
