"""Held-out images against those that were trained on."""

from __future__ import annotations

import torch
from torch import Tensor

from vae_course.diagnosis import chance
from vae_course.diagnosis.bench import Bench
from vae_course.diagnosis.reading import NotAsked, Reading

SHARE = 0.15  # of the training −ELBO; healthy models of the course stay below


def heldout(bench: Bench) -> list[Reading]:
    """What unseen images cost beyond seen ones, and copies among them.

    In nats per image, −ELBO from one draw each (chapter 2). The band: 15% of
    what training images cost, beyond 5 standard errors of the difference; the
    healthy models of the course stay below. Images that are in both sets, bit
    by bit, are counted; none is healthy.
    """
    if bench.train is None:
        raise NotAsked("no training images were given")
    seen = {_key(image) for image in bench.train}
    both = sum(_key(image) in seen for image in bench.x)
    found = [
        Reading(
            "held-out images that were trained on",
            float(both),
            0,
            0,
            "What is called held out was trained on.",
            "Held-out numbers as good as those of training.",
            2,
        )
    ]
    if both == len(bench.x):
        return found
    count = min(len(bench.train), len(bench.x), 256)
    with torch.no_grad():
        outside, inside = (
            _cost(bench, images[:count]) for images in (bench.x, bench.train)
        )
    gap = (outside.mean() - inside.mean()).item()
    error = (outside.var() / count + inside.var() / count).sqrt().item()
    found.append(
        Reading(
            "what held-out images cost beyond training images",
            gap,
            high=SHARE * inside.mean().abs().item() + chance.ERRORS * error,
            symptom="The model knows its training images by heart: held-out "
            "ones cost it far more.",
            looks="A training loss that falls and falls.",
            chapter=2,
            unit="nats",
        )
    )
    return found


def _key(image: Tensor) -> bytes:
    return image.detach().cpu().contiguous().numpy().tobytes()


def _cost(bench: Bench, x: Tensor) -> Tensor:
    """−ELBO from one draw, or ½ squared error of a code without noise."""
    q = bench.subject.posterior(x)
    if q is None:
        copy = bench.subject.image(bench.subject.codes(x))
        return 0.5 * (x - copy).square().flatten(1).sum(dim=1).double()
    p = bench.subject.pixels(bench.subject.drawn(q))
    return (bench.subject.true_rate(q) - p.log_prob(x)).double()
