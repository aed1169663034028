"""The ELBO under a correct sampler, against what is claimed."""

from __future__ import annotations

import torch
from torch import Tensor
from torch import distributions as D

from vae_course.diagnosis import chance
from vae_course.diagnosis.bench import Bench
from vae_course.diagnosis.reading import NotAsked, Reading

DRAWS = 8
SLACK = 2e-3  # of the distortion: single precision, and epsilons in logs


def bound(bench: Bench) -> list[Reading]:
    """−ELBO with z = μ + σ ⊙ ε, ε ~ N(0, 1), in nats per image. Chapter 4.

    Against the distortion of the subject's own draws, against the distortion
    and the rate that its loss claims, and against its importance-weighted
    bound. Differences are taken image by image; the bands are 5 standard
    errors of their mean, and 0.2% for rounding.
    """
    subject = bench.subject
    x = bench.x[: 128 if bench.x[0].numel() <= 1024 else 16]
    with torch.no_grad():
        q = subject.posterior(x)
        if q is None:
            raise NotAsked("its codes have no noise")
        right = _distortion(bench, x, lambda: _drawn_rightly(q))
        own = _distortion(bench, x, lambda: subject.drawn(q))
        rate = subject.true_rate(q)
    value = (right + rate).mean().item()
    found = [
        Reading("−ELBO under a correct sampler", value, unit="nats"),
        _gap(
            "distortion of its own draws, less that of correct ones",
            own - right,
            right,
            "The model was shown other codes than q(z|x) describes: its own "
            "draws and correct ones decode to images of another quality.",
            "The training loss says nothing of it.",
        ),
    ]
    if subject.loss is not None and not subject.other_terms:
        found += _claims(bench, x, right, rate)
    if subject.bound is not None:
        found += _importance(bench, x, right + rate)
    return found


def _drawn_rightly(q: D.Distribution) -> Tensor:
    factor = getattr(q, "scale_tril", None)
    if factor is not None:
        noise = torch.randn_like(q.mean).unsqueeze(-1)
        return q.mean + (factor @ noise).squeeze(-1)
    base = getattr(q, "base_dist", q)
    if not isinstance(base, D.Normal):
        return q.sample()
    return q.mean + q.stddev * torch.randn_like(q.mean)


def _distortion(bench: Bench, x: Tensor, draw) -> Tensor:
    """−log p(x|z) of each image, mean over draws, (B,)."""
    each = [-bench.subject.pixels(draw()).log_prob(x) for _ in range(DRAWS)]
    return torch.stack(each).double().mean(dim=0)


def _gap(
    what: str,
    differences: Tensor,
    against: Tensor,
    symptom: str,
    looks: str,
    chapter: int = 4,
) -> Reading:
    half = max(
        chance.of_pairs(differences), SLACK * against.abs().mean().item()
    )
    value = differences.mean().item()
    return Reading(what, value, -half, half, symptom, looks, chapter, "nats")


def _claims(
    bench: Bench, x: Tensor, right: Tensor, rate: Tensor
) -> list[Reading]:
    """Distortion and rate that the loss gives for nats per image."""
    with torch.no_grad():
        said = [bench.subject.loss(x) for _ in range(DRAWS)]
    if not all(hasattr(said[0], name) for name in ("distortion", "rate")):
        return []
    distortion, claimed = (
        torch.stack([getattr(each, name).double() for each in said]).mean(0)
        for name in ("distortion", "rate")
    )
    if distortion.shape != right.shape:  # a mean, not one number an image
        return []
    looks = "The training loss looks better, or worse, than the model is."
    return [
        _gap(
            "claimed distortion, less the correct one",
            distortion - right,
            right,
            "The distortion that is reported is not −log p(x|z), summed over "
            "pixels, under draws from q(z|x).",
            looks,
        ),
        _gap(
            "claimed rate, less the correct one",
            claimed - rate,
            rate,
            "The rate that is reported is not KL(q(z|x) ‖ p(z)), summed over "
            "the latent.",
            looks,
        ),
    ]


def _importance(bench: Bench, x: Tensor, negative_elbo: Tensor) -> list:
    """The K-sample bound begins at the ELBO and rises with K."""
    ask = bench.subject.bound
    with torch.no_grad():
        first = torch.stack([ask(x, 1) for _ in range(DRAWS)]).double()
        later = ask(x, 32).double()
    first = first.mean(dim=0)
    rise = later - first
    return [
        _gap(
            "its bound with K = 1, less the ELBO",
            first + negative_elbo,
            negative_elbo,
            "With one sample the importance-weighted bound is the ELBO, and "
            "this one is not. Has one of its three terms the wrong sign?",
            "A bound that is higher than anybody else's.",
        ),
        Reading(
            "rise of its bound from K = 1 to 32",
            rise.mean().item(),
            -chance.of_pairs(rise),
            symptom="The importance-weighted bound falls where it should rise "
            "with the number of samples.",
            looks="More samples seem to make the model worse.",
            chapter=4,
            unit="nats",
        ),
    ]
