"""What comes before the first step: images, devices and weights fit."""

from __future__ import annotations

from pathlib import Path

from vae_course.data import ImageSet
from vae_course.sd.losses import Coder
from vae_course.sd.recipe import Recipe, RecipeError
from vae_course.sd.runs import RunError
from vae_course.sd.stream import Fixed


def make_accelerator(recipe: Recipe):
    """An Accelerator in the recipe's precision.

    Raises:
        RunError: ``accelerate`` is not installed.
    """
    try:
        from accelerate import Accelerator
    except ImportError as error:
        raise RunError(
            "Training needs accelerate: python -m pip install accelerate"
        ) from error
    return Accelerator(mixed_precision=recipe.precision)


def check(recipe: Recipe, count: int, processes: int, device: str) -> None:
    """Refuses a recipe that does not fit the images or the devices.

    Raises:
        RecipeError: it does not.
    """
    if recipe.batch > count:
        raise RecipeError(
            f"batch={recipe.batch} is more than the {count} images to train "
            "on: a step would see some of them twice."
        )
    if recipe.batch % (processes * recipe.accumulate):
        raise RecipeError(
            f"batch={recipe.batch} cannot be shared by {processes} processes "
            f"in {recipe.accumulate} equal parts."
        )
    batch_norm = recipe.has_critic and recipe.critic_norm == "batch"
    if batch_norm and processes > 1 and device != "cuda":
        raise RecipeError(
            "critic_norm='batch' takes statistics over one process's images, "
            "and on CPUs they cannot be shared: take 'group'."
        )
    if recipe.precision == "fp16" and device != "cuda":
        raise RecipeError(
            f"precision='fp16' needs a CUDA GPU, and this is {device}: take "
            "'bf16' or 'no'."
        )


def as_crops(images):
    """An ImageSet as crops; what is crops already, or None, as it is."""
    return Fixed(images) if isinstance(images, ImageSet) else images


def config_of(recipe: Recipe) -> str | None:
    """A lone file of weights needs the preset; a folder knows its own."""
    return recipe.preset if Path(recipe.init).suffix else None


def freeze(coder: Coder, train: str) -> None:
    """Leaves what the recipe trains to be trained, and freezes the rest."""
    if train == "decoder":
        coder.vae.encoder.requires_grad_(False)
        if coder.vae.quant_conv is not None:
            coder.vae.quant_conv.requires_grad_(False)
