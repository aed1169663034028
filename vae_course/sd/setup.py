"""What must hold before a model is built: the devices fit the recipe."""

from __future__ import annotations

from vae_course.sd.recipe import Recipe, RecipeError
from vae_course.sd.runs import RunError


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
