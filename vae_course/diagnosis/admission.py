"""Before an examination: can the subject be asked anything at all?

An instrument that fails is said in the report, and the others go on. Where no
instrument could say anything of use, an error says it once, and at once.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch import distributions as D

from vae_course.diagnosis.bench import undisturbed
from vae_course.diagnosis.subject import Subject


def admit(subject: Subject, x: Tensor) -> None:
    """Asks for two codes and two images.

    A decoder that fails is left to the instruments: the draw and the codes can
    be looked at without it.

    Raises:
        TypeError: an encoding is no distribution, tensor or pair of them.
        ValueError: a weight or a code is not finite, ``encode`` fails, or
            the images lie outside the range of the decoder's pixels.
    """
    module = subject.module
    for name, tensor in module.named_parameters() if module else ():
        if not tensor.isfinite().all():
            raise ValueError(
                f"The model's {name} holds NaN or infinity, so all that it "
                "says is NaN. Load weights from before training went wrong; "
                "the instrument gradient may tell why."
            )
    with undisturbed(module), torch.no_grad():
        if module is not None:
            module.eval()
        _ask(subject, x)


def _ask(subject: Subject, x: Tensor) -> None:
    few = x[:2].clone()
    low, high = x.min().item(), x.max().item()
    given = (
        f"images of shape {tuple(few.shape)}, {few.dtype}, in [{low:.3g}, "
        f"{high:.3g}]"
    )
    code = _code(subject, few, given)
    try:
        pixels = subject.pixels(code)
        shape = tuple(pixels.mean.shape)
    except Exception:  # of somebody else's code; the instruments say it
        return
    base = getattr(pixels, "base_dist", pixels)
    if isinstance(base, D.Bernoulli) and (low < 0 or high > 1):
        raise ValueError(
            f"The decoder's pixels are Bernoulli and take images in [0, 1], "
            f"got [{low:.3g}, {high:.3g}]. Bring them there ((x + 1) / 2 for "
            "[−1, 1], x / 255 for bytes), or say the likelihood that the "
            "model has."
        )
    if shape != tuple(few.shape):
        raise ValueError(
            f"decode makes {shape} of the codes of {given}: its images must "
            "have the shape of those that were encoded."
        )


def _code(subject: Subject, few: Tensor, given: str) -> Tensor:
    try:
        encoded = subject.encode(few)
    except Exception as error:  # of somebody else's code
        raise ValueError(
            f"encode fails on {given}: {type(error).__name__}: {error} Give "
            "images as the model takes them, or mend encode first: "
            "model.encode(images[:2]) shows where it stops."
        ) from error
    kind = type(encoded).__name__
    is_pair = isinstance(encoded, tuple | list) and len(encoded) == 2
    if not isinstance(encoded, D.Distribution | Tensor) and not is_pair:
        raise TypeError(
            f"encode gives a {kind}. It must give a distribution, a pair "
            "(mean, log-variance), or a tensor, a code without noise: wrap "
            "it, Subject.of(model, encode=lambda x: …)."
        )
    code = subject.codes(few)
    if not isinstance(code, Tensor) or not torch.isfinite(code).all():
        raise ValueError(
            f"encode gives codes that are not finite, of {given}, which are. "
            "Look for a logarithm or a root of 0, or weights far too large."
        )
    return code
