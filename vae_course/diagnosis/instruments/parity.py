"""With the same weights, the same numbers as a reference."""

from __future__ import annotations

import torch
from torch import nn

from vae_course.diagnosis.bench import Bench, undisturbed
from vae_course.diagnosis.instruments.repeat import difference, moments
from vae_course.diagnosis.reading import NotAsked, Reading
from vae_course.diagnosis.subject import Subject
from vae_course.diffusion.latents import DigitAutoencoder
from vae_course.mlp import MLPVAE
from vae_course.sd.autoencoder import AutoencoderKL

SAME = 1e-3
HOMES = (AutoencoderKL, DigitAutoencoder, MLPVAE)


def parity(bench: Bench) -> list[Reading]:
    """Codes and images against a right model with these weights. Chapter 7.

    A checkpoint fits a model with a wrong activation, padding or attention
    mask as well as the right one: names and shapes say nothing of what is
    computed. The reference is the one that is given. Without one, a model of
    one of the course's own classes is held against a fresh model of that
    class: whoever exchanged a layer in it is told so. A subclass that defines
    something of its class anew means to be another model, so it has no
    reference; neither have other classes, and plain functions. Relative
    differences; the band is 1e-3, where single precision keeps 1e-5.
    """
    given = bench.subject.reference
    if given is None:
        given = of_the_course(bench.subject.module)
    reference = Subject.of(given)
    other = Bench(reference, bench.x)
    x = bench.some
    with (
        torch.no_grad(),
        undisturbed(bench.subject.module),
        undisturbed(reference.module),
    ):
        for each in (bench.subject.module, reference.module):
            if each is not None:
                each.eval()
        z = reference.codes(x)
        codes = difference(moments(other, x), moments(bench, x))
        images = difference(reference.image(z), bench.subject.image(z))
    looks = "The checkpoint loads, and pictures are a little wrong."
    return [
        Reading(
            f"{what} against a reference with the same weights",
            value,
            high=SAME,
            symptom=f"With the same weights the {part} computes something "
            "else than its reference: look at activations, paddings, norms "
            "and masks, which no checkpoint names. If another layer is meant, "
            "make the model a class of its own.",
            looks=looks,
            chapter=7,
        )
        for what, part, value in (
            ("codes", "encoder", codes),
            ("images", "decoder", images),
        )
    ]


def of_the_course(module: nn.Module | None) -> nn.Module:
    """The course's own model with these weights.

    Raises:
        NotAsked: there is none; says why.
    """
    line = type(module).__mro__
    home = next((kind for kind in line if kind in HOMES), None)
    if home is None:
        raise NotAsked("there is no reference")
    anew = {
        name
        for kind in line[: line.index(home)]
        for name in vars(kind)
        if hasattr(home, name) and (name == "__init__" or name[:2] != "__")
    }
    if anew:
        raise NotAsked(
            f"there is no reference: {line[0].__name__} is {home.__name__} "
            f"with {', '.join(sorted(anew))} of its own"
        )
    fresh = _again(module, home)
    if fresh is None:
        raise NotAsked(
            f"there is no reference: its weights are not those of a plain "
            f"{home.__name__}"
        )
    return fresh


def _again(module: nn.Module, home: type) -> nn.Module | None:
    """A fresh model of a class with a module's weights, if it fits them."""
    state = module.state_dict()
    with torch.random.fork_rng():
        fresh = _mlp(module) if home is MLPVAE else home(module.config)
    if fresh is None or set(fresh.state_dict()) - set(state):
        return None
    wanted = {k: state[k] for k in fresh.state_dict()}
    shapes = (
        (v.shape, wanted[k].shape) for k, v in fresh.state_dict().items()
    )
    if any(a != b for a, b in shapes):
        return None
    some = next(module.parameters())
    fresh.to(some.device, some.dtype)
    fresh.load_state_dict(wanted)
    return fresh.eval()


def _mlp(module: MLPVAE) -> MLPVAE | None:
    if not isinstance(module.encoder, nn.Sequential):
        return None
    widths = [
        layer.out_features
        for layer in module.encoder
        if isinstance(layer, nn.Linear)
    ]
    likelihood = getattr(module, "likelihood", None)
    if not widths or likelihood is None:
        return None
    return MLPVAE(
        module.image_shape,
        widths[:-1],
        len(module.origin),
        likelihood.family,
    )
