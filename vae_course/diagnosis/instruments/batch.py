"""What is said of an image does not depend on its neighbours."""

from __future__ import annotations

import torch
from torch import Tensor

from vae_course.diagnosis.bench import Bench, undisturbed
from vae_course.diagnosis.instruments.repeat import (
    SAME,
    difference,
    moments,
)
from vae_course.diagnosis.reading import NotAsked, Reading


def batch(bench: Bench) -> list[Reading]:
    """An image alone against the same image in a batch. Chapters 2 and 4.

    q(z|x) is of an image, and the ELBO of a batch is the mean of its images'.
    Relative differences, in evaluation and in training mode; the band is 1e-3,
    since other batches sum in another order. A model that is random in
    training mode is compared in evaluation mode alone.
    """
    subject, module = bench.subject, bench.subject.module
    x = bench.some
    if len(x) < 3:
        raise NotAsked("there are too few images")
    found = []
    modes = (False, True) if module is not None else (None,)
    with undisturbed(module), torch.no_grad():
        for training in modes:
            if module is not None:
                module.train(training)
            when = " in training mode" if training else ""
            known = moments(bench, x)
            if training and difference(known, moments(bench, x)) > SAME:
                continue  # random there, by dropout say
            z = subject.codes(x)
            found.append(
                _reading(
                    f"encoding alone and in a batch{when}: difference",
                    difference(known, _parts(lambda y: moments(bench, y), x)),
                    "q(z|x) of an image depends on the images beside it: does "
                    "a layer take statistics over the batch?",
                )
            )
            found.append(
                _reading(
                    f"decoding alone and in a batch{when}: difference",
                    difference(subject.image(z), _parts(subject.image, z)),
                    "p(x|z) of a code depends on the codes beside it.",
                )
            )
    return found


def _parts(function, x: Tensor) -> Tensor:
    """The function of the first two alone, and of the others."""
    return torch.cat([function(x[:2]), function(x[2:])])


def _reading(what: str, value: float, symptom: str) -> Reading:
    return Reading(
        what,
        value,
        high=10 * SAME,
        symptom=symptom,
        looks="Training looks well, even better; one image at a time comes "
        "out otherwise.",
        chapter=2,
    )
