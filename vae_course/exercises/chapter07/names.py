"""Exercise 7.3: the names of one block in two layouts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import torch

from vae_course.exercises.engine.results import Flawed, something
from vae_course.exercises.exercise import Exercise, Mistake, Trial
from vae_course.sd import AutoencoderKL
from vae_course.sd.checkpoints import compvis_name

STARTS = "first_stage_model."


def diffusers_name(name):
    """The name of a decoder's parameter here, from its CompVis name.

    Args:
        name: a parameter of one of the residual blocks on the decoder's four
            levels, such as
            "first_stage_model.decoder.up.0.block.0.nin_shortcut.weight".

    Returns:
        Its name in the diffusers layout, such as
        "decoder.up_blocks.3.resnets.0.conv_shortcut.weight".
    """
    name = name.removeprefix("first_stage_model.")
    _, _, level, _, block, layer, kind = name.split(".")
    layer = layer.replace("nin_shortcut", "conv_shortcut")
    return f"decoder.up_blocks.{3 - int(level)}.resnets.{block}.{layer}.{kind}"


def _trials() -> Iterator[Trial]:
    with torch.device("meta"):
        real = AutoencoderKL("sd1").state_dict()
    for levels in ((3,), (2, 0), (0, 1, 2, 3)):
        wanted = [
            name
            for level in levels
            for name in real
            if name.startswith(f"decoder.up_blocks.{level}.resnets.")
        ]
        names = [STARTS + compvis_name(name, 4) for name in wanted]

        def measure(attempt: Callable, names: list, wanted=wanted) -> float:
            given = [something(attempt(name)) for name in names]
            for name, right, found in zip(names, wanted, given, strict=True):
                if found != right:
                    raise Flawed(
                        "name",
                        f"`{name}` became `{str(found)[:90]}`; it is called "
                        f"`{right}`.",
                        [str(each)[:200] for each in given],
                    )
            return 1.0

        yield Trial({"names": names}, 1.0, measure, shown=f"{names[0]}, …")


def _level_kept(name):
    level = re.search(r"up\.(\d)", name)[1]
    return re.sub(r"up_blocks\.\d", f"up_blocks.{level}", diffusers_name(name))


NAMES = Exercise(
    number="7.3",
    title="One block, two names",
    prompt="""\
The original release of Stable Diffusion (CompVis) and the diffusers library
hold the same numbers under different names. Translate the names of the
decoder's residual blocks. `up` becomes `up_blocks`, `block` becomes `resnets`
and `nin_shortcut` becomes `conv_shortcut`; the prefix goes. And one thing is
sly: CompVis counts the decoder's four levels from the *image*, diffusers from
the *latent*.""",
    solution=diffusers_name,
    why="""\
Levels 0, 1, 2, 3 of one are levels 3, 2, 1, 0 of the other, because CompVis
numbers them by resolution and diffusers by the order in which they run. The
blocks inside a level run in the same order in both. A wrong level is mostly
noticed by its shapes; not between the levels of 512 channels, which all have
the same: there only the picture tells.""",
    proved="your names are right for all residual blocks of the decoder.",
    hints=(
        "Split the name at its dots: which parts are words, and which count?",
        "Level i there is level 3 − i here. The number of the block inside "
        "its level stays.",
        "`name.removeprefix(…)`, `split('.')`, replace nin_shortcut, and put "
        "the parts together with an f-string.",
    ),
    trials=_trials,
    mistakes=(
        Mistake(
            "levels not reversed",
            _level_kept,
            "The decoder's levels are counted from the other end: `up.0` is "
            "`up_blocks.3`.",
            "the encoder's levels keep their numbers, and half of the shapes "
            "fit.",
        ),
        Mistake(
            "blocks reversed, too",
            lambda name: re.sub(
                r"resnets\.(\d)",
                lambda m: f"resnets.{2 - int(m[1])}",
                diffusers_name(name),
            ),
            "You reversed the blocks inside a level as well; they run in the "
            "same order in both layouts.",
            "if the levels run backwards, the blocks might do so, too.",
        ),
        Mistake(
            "levels counted from 4",
            lambda name: re.sub(
                r"up_blocks\.(\d)",
                lambda m: f"up_blocks.{int(m[1]) + 1}",
                diffusers_name(name),
            ),
            "4 − i goes from 4 to 1; the levels go from 3 to 0.",
            "there are four levels.",
        ),
        Mistake(
            "the prefix stays",
            lambda name: STARTS + diffusers_name(name),
            "`first_stage_model.` is still there: it says where the "
            "autoencoder is inside the whole of Stable Diffusion.",
            "it stands in front of every name, and one no longer sees it.",
        ),
        Mistake(
            "the shortcut keeps its name",
            lambda name: diffusers_name(name).replace(
                "conv_shortcut", "nin_shortcut"
            ),
            "`nin_shortcut` is called `conv_shortcut` here.",
            "only blocks that change their width have one.",
        ),
        Mistake(
            "block, not resnets",
            lambda name: diffusers_name(name).replace("resnets", "block"),
            "`block` is called `resnets` here.",
            "the shorter word is the clearer one.",
        ),
        Mistake(
            "every up replaced",
            lambda name: diffusers_name(name).replace(
                "up_blocks", "up_blocks_blocks"
            ),
            "`up` was replaced inside `up_blocks` once more.",
            "replacing text twice finds its own result.",
        ),
    ),
    alternatives=(
        lambda name: re.sub(
            r"first_stage_model\.decoder\.up\.(\d)\.block\.(\d)\.",
            lambda m: f"decoder.up_blocks.{3 - int(m[1])}.resnets.{m[2]}.",
            name,
        ).replace("nin_shortcut", "conv_shortcut"),
        lambda name: {
            STARTS + compvis_name(ours, 4): ours
            for level in range(4)
            for block in range(3)
            for layer in ("norm1", "conv1", "norm2", "conv2", "conv_shortcut")
            for kind in ("weight", "bias")
            for ours in (
                f"decoder.up_blocks.{level}.resnets.{block}.{layer}.{kind}",
            )
        }[name],
    ),
)
