"""Trains an autoencoder of the Stable Diffusion family on a folder of images.

    vae-course train --images PHOTOS --out RUN
    accelerate launch -m vae_course.train --images PHOTOS --out RUN

The first runs on what the machine has: a GPU, or else the CPU. The second runs
on several GPUs or machines, as ``accelerate config`` was told.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from vae_course.data import DataError
from vae_course.sd.recipe import (
    RECIPES,
    Recipe,
    RecipeError,
    from_dict,
    read,
)
from vae_course.sd.runs import Run, RunError

EXAMPLE = """examples:
  vae-course train --images photos --out run
  vae-course train --images photos --out run --resume
  vae-course train --images photos --out run --recipe sd1 --batch 4
  vae-course train --images photos --out tuned --recipe sd1 --train decoder \\
      --init stabilityai/sd-vae-ft-mse

exit codes: 0 trained, 1 it could not, 2 an option is wrong, 130 Ctrl-C
"""
FLAGS = {  # what a setting is for, beside its comment in the recipe
    "size": "side of a training crop, in pixels",
    "shorter": "bring each photograph's shorter side to this length first",
    "batch": "images a step, over all devices and parts",
    "accumulate": "parts in which a step's images are taken, to save memory",
    "steps": "steps in all",
    "perceptual": "weight of the perceptual distance, per value",
    "beta": "weight of one nat of the rate",
    "learned_scale": "divide errors by a learned scale",
    "adversarial": "weight of the critic; 0 leaves it out",
    "critic_start": "step at which the critic sets in",
    "lr": "learning rate",
    "precision": "no, bf16 or fp16",
    "init": "weights to begin from: a folder, a file or an id on the Hub",
    "train": "all, or the decoder alone",
    "every": "steps between two validations and checkpoints",
    "held_out": "share of the images that is never trained on",
    "seed": "of weights, order, crops and noise",
}


def train(
    recipe: Recipe,
    crops,
    held_out=None,
    *,
    folder: str | Path | None = None,
    resume: bool = False,
    progress: bool = True,
    **options,
):
    """Builds a :class:`Trainer`, says what was decided, and lets it run.

    Args:
        recipe: what to do.
        crops: to train on.
        held_out: to measure on.
        folder: of the run; None writes nothing.
        resume: go on with the run that is there.
        progress: show a bar.
        **options: for the Trainer.

    Returns:
        The Trainer, with the model in ``.vae``.

    Raises:
        RecipeError: the recipe does not fit the images or the devices.
        RunError: there is a run in the folder and ``resume`` is not asked for;
            or what a Trainer raises.
    """
    run = Run(folder) if folder else None
    if run and run.steps() and not resume:
        raise RunError(
            f"{run.folder} holds a run already, up to step "
            f"{run.steps()[-1]:,}. Go on with --resume, or choose another "
            "folder."
        )
    from vae_course.sd.trainer import Trainer

    trainer = Trainer(recipe, crops, held_out, run=run, **options)
    a = trainer.accelerator
    went_on = bool(run and resume and trainer.resume())
    if a.is_main_process:
        print(recipe.describe(a.num_processes))
        if went_on:
            print(f"Going on after step {trainer.step:,}.")
        elif run:
            run.cut_back(-1)
        if run:
            recipe.save(run.folder / "recipe.json")
    a.wait_for_everyone()
    trainer.fit(progress)
    return trainer


def add_options(parser: argparse.ArgumentParser) -> None:
    """The command's options: a few of its own, and one a setting."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXAMPLE
    add = parser.add_argument
    add(
        "--images",
        metavar="DIR",
        help="a folder of images, in files or in WebDataset's shards; or "
        "pets, cifar10, celeba: a set that torchvision fetches",
    )
    add("--out", type=Path, required=True, help="the run's folder")
    add(
        "--resume",
        action="store_true",
        help="go on from the newest checkpoint, if there is one",
    )
    add(
        "--recipe",
        choices=[*RECIPES],
        help="the settings to begin from (default: small)",
    )
    add(
        "--config",
        type=Path,
        help="a JSON file of settings; options win over it",
    )
    add("--quiet", action="store_true", help="show no progress bar")
    for setting in fields(Recipe):
        kind = type(setting.default)
        options = {
            "dest": setting.name,
            "default": None,
            "help": FLAGS.get(setting.name),
        }
        flag = "--" + setting.name.replace("_", "-")
        if kind is bool:
            add(flag, action=argparse.BooleanOptionalAction, **options)
        elif setting.name == "adam_betas":
            add(flag, type=float, nargs=2, **options)
        elif setting.name in ("shorter", "clip"):
            kind = int if setting.name == "shorter" else float
            add(flag, type=kind, **options)
        else:
            add(flag, type=str if kind is type(None) else kind, **options)


def settings(chosen: argparse.Namespace) -> Recipe:
    """The recipe that the options, the file and a run's folder ask for.

    Options win over the file. A run that goes on has the recipe it was begun
    with, unless a file is given.
    """
    values: dict = {}
    begun = chosen.out / "recipe.json"
    if chosen.config:
        values = read(chosen.config)
    elif chosen.resume and begun.is_file():
        values = read(begun)
    if not isinstance(values, dict):
        raise RecipeError(f"{chosen.config} holds no table of settings.")
    if chosen.recipe:
        values["recipe"] = chosen.recipe
    for setting in fields(Recipe):
        value = getattr(chosen, setting.name)
        if value is not None:
            values[setting.name] = value
    return from_dict(values, str(chosen.config or "the options"))


def run(chosen: argparse.Namespace) -> int:
    """Trains as the options say; returns the exit code."""
    from vae_course.data import folders
    from vae_course.sd.checkpoints import CheckpointError
    from vae_course.sd.setup import make_accelerator

    try:
        recipe = settings(chosen)
        if not chosen.images:
            raise RecipeError("Say which images: --images DIR.")
        root = Path(chosen.images)
        folder = Run(chosen.out)
        accelerator = make_accelerator(recipe)
        if not root.is_dir() and chosen.images in folders.NAMED:
            with accelerator.main_process_first():
                root = folders.open_named(chosen.images)
        with accelerator.main_process_first():
            found = folders.open_folder(
                root,
                recipe.size,
                shorter=recipe.shorter,
                held_out=recipe.held_out,
                flip=recipe.flip,
                seed=recipe.seed,
                index=folder.folder / "images.json",
            )
        if accelerator.is_main_process:
            print(found.report())
        if not (found.train.keep() and found.held_out.keep()):
            accelerator.print("Too many to keep in memory: read at every use.")
        train(
            recipe,
            found.train,
            found.held_out,
            folder=chosen.out,
            resume=chosen.resume,
            progress=not chosen.quiet,
            accelerator=accelerator,
        )
    except (DataError, RecipeError, RunError, CheckpointError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def main(
    arguments: Sequence[str] | None = None,
    prog: str = "python -m vae_course.train",
) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog=prog, description=__doc__.splitlines()[0]
    )
    add_options(parser)
    return run(parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
