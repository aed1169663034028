"""The decoder: what it can draw, and whether its likelihood is one."""

from __future__ import annotations

import torch
from torch import Tensor

from vae_course.diagnosis import chance
from vae_course.diagnosis.bench import Bench, undisturbed
from vae_course.diagnosis.reading import NotAsked, Reading

PUSH = 50.0  # added to a bias: saturates any sigmoid
MOST = 80  # biases that are tried


def decoder(bench: Bench) -> list[Reading]:
    """The range of images, and the entropy of p(x|z). Chapter 5.

    A bias before the output can push every pixel to black or white; where no
    bias can, something squashes the output once too often, or into another
    range than the data's. The number is the share of the data's range that is
    reached; 0.95 and more is healthy (two sigmoids reach 0.23 of [0, 1]).

    The mean of −log p(x|z) over images drawn from p(x|z) itself is its
    entropy; the band is 5 standard errors. A density that does not integrate
    to one, by a sign or a factor, misses it.
    """
    found = []
    with torch.no_grad():
        if bench.subject.module is not None:
            found.append(_reach(bench))
        entropy = _entropy(bench)
        if entropy is not None:
            found.append(entropy)
    if not found:
        raise NotAsked("it shows no parameters, and its pixels no entropy")
    return found


def _reach(bench: Bench) -> Reading:
    subject, x = bench.subject, bench.x
    z = bench.codes[:2]
    low, high = x.min(), x.max()
    image = subject.image(z)
    least, most = image.min(), image.max()
    biases = [p for p in bench.module.parameters() if p.dim() == 1]
    with undisturbed(bench.module):
        for bias in biases[::-1][:MOST]:
            if least <= low + 1e-3 and most >= high - 1e-3:
                break
            kept = bias.data
            for push in (PUSH, -PUSH):
                bias.data = kept + push
                pushed = subject.image(z)
                least = torch.minimum(least, pushed.nan_to_num(0.5).min())
                most = torch.maximum(most, pushed.nan_to_num(0.5).max())
            bias.data = kept
    reached = torch.minimum(most, high) - torch.maximum(least, low)
    share = (reached / (high - low).clamp(min=1e-6)).clamp(min=0).item()
    return Reading(
        "share of the data's range that the decoder can reach",
        share,
        low=0.95 if biases else -float("inf"),
        symptom=f"The decoder cannot draw what the images hold: they lie in "
        f"[{low:.3g}, {high:.3g}], and it reaches [{least:.3g}, {most:.3g}]. "
        "Is a sigmoid or tanh applied twice, or for another range?",
        looks="Grey, washed-out reconstructions, and a loss that stays high.",
        chapter=5,
    )


def _entropy(bench: Bench) -> Reading | None:
    q = bench.codes[:32]
    p = bench.subject.decode(q)
    if not isinstance(p, torch.distributions.Distribution):
        return None
    try:
        entropy = p.entropy().double()
        costs = torch.stack([-p.log_prob(p.sample()) for _ in range(8)])
    except NotImplementedError:
        return None
    gaps: Tensor = costs.double() - entropy
    half = max(
        chance.of_pairs(gaps.flatten()),
        2e-4 * entropy.abs().mean().item(),
    )
    return Reading(
        "−log p(x|z) over draws of p(x|z), less its entropy",
        gaps.mean().item(),
        -half,
        half,
        "The likelihood is not a density: a sign, a ½ or a log σ in it is "
        "wrong.",
        "A loss lower than any that is published, or a σ that runs away.",
        5,
        "nats",
    )
