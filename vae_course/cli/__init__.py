"""The command ``vae-course``.

``doctor`` says whether all is well; ``reconstruct`` sends images through an
autoencoder of the Stable Diffusion family; ``train`` trains one; ``diagnose``
examines one; ``progress`` makes a table of what a class has done.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from vae_course.cli import diagnose, doctor, progress, reconstruct


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="vae-course",
        description="The course's command line.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for each in (doctor, reconstruct, diagnose, progress):
        each.add(commands)
    commands.add_parser(  # it has a parser of its own
        "train", help="train an autoencoder on a folder of images"
    )
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given[:1] == ["train"]:
        return _train(given[1:])
    chosen = parser.parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = chosen.run
    return run(chosen)


def _train(arguments: Sequence[str]) -> int:
    from vae_course import train  # here, so that doctor needs no torch

    return train.main(arguments, prog="vae-course train")
