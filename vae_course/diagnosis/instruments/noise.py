"""The noise of the draw: what stands between the mean and the code."""

from __future__ import annotations

import torch
from torch import Tensor
from torch import distributions as D

from vae_course.diagnosis import chance
from vae_course.diagnosis.bench import Bench
from vae_course.diagnosis.reading import NotAsked, Reading

DRAWS = 65_536  # numbers in all
SCARCE = 1e-3  # rounding of the mean, in units of σ, that is still no matter


def noise(bench: Bench) -> list[Reading]:
    """(z − μ)/σ of many draws: N(0, 1), fresh for each number. Chapter 3.

    Mean, spread and shape; whether the spread follows σ; whether images,
    latents or calls share noise. No unit. The bands are those of so many
    draws of N(0, 1) (:mod:`~vae_course.diagnosis.chance`).
    """
    e, log_var, is_normal = _standardised(bench)
    count, (calls, rows, columns) = e.numel(), e.shape
    mean, var = e.mean(), e.var(unbiased=False)
    half = chance.of_mean(count)
    looks = (
        "Training runs, and the loss falls: decoder and encoder make the best "
        "of the noise that they get."
    )
    found = [
        Reading(
            "mean of (z − μ)/σ",
            mean.item(),
            -half,
            half,
            "The draw is not centred on the mean of q(z|x): its noise has a "
            "mean of its own, as uniform noise on [0, 1] has.",
            looks,
            3,
        ),
        Reading(
            "spread of (z − μ)/σ",
            var.sqrt().item(),
            *(end**0.5 for end in chance.of_variance(count)),
            "The draw is wider or narrower than q(z|x) says: is σ exp(½ "
            "log-variance), and the noise N(0, 1)?",
            looks,
            3,
        ),
    ]
    columnwise = e.square().mean(dim=(0, 1))
    worst = columnwise[columnwise.log().abs().argmax()]
    found.append(
        Reading(
            "spread of (z − μ)/σ in the latent where it is worst",
            worst.sqrt().item(),
            *(e**0.5 for e in chance.of_variance(calls * rows, columns)),
            "In one latent the draw has another spread than q(z|x) says.",
            looks,
            3,
        )
    )
    centred = (log_var - log_var.mean()).expand_as(e)
    if centred.square().mean() > 0.05**2:
        energy = e.square().clamp(min=1e-30).log()
        moved = energy - energy.mean()
        slope = (centred * moved).mean() / centred.square().mean()
        rest = (moved - slope * centred).std()
        error = rest / (centred.std() * count**0.5)
        found.append(
            Reading(
                "growth of the noise's variance beyond σ²",
                slope.item(),
                -chance.ERRORS * error.item(),
                chance.ERRORS * error.item(),
                "The noise does not grow as σ does. At 1 it grows as its "
                "square, as exp(log-variance) without the ½ makes it; at −1 "
                "it does not follow σ at all.",
                looks,
                3,
            )
        )
    # Mean and spread are judged above, and are not to ring all other bells.
    right = all(reading.healthy for reading in found)
    moving = bool(e.var(dim=0).min() > 1e-12)
    if not right and moving:
        e = (e - e.mean(dim=0)) / e.std(dim=0, unbiased=False)
        mean, var = e.mean(), e.var(unbiased=False)
    if is_normal and var > 1e-12 and (right or calls >= 64):
        shape = (e - mean) / var.sqrt()
        every = shape.flatten()
        picked = every[torch.randperm(count)]
        found.append(
            Reading(
                "distance of (z − μ)/σ from N(0, 1), √N · Kolmogorov's",
                chance.kolmogorov_distance(picked),
                high=chance.KOLMOGOROV,
                symptom="The noise has not the shape of a Gaussian, which the "
                "KL takes it to have.",
                looks=looks,
                chapter=3,
            )
        )
    shared = {"images": (1, rows), "latents": (2, columns)}
    if right or not moving:
        shared["calls"] = (0, calls)
    for name, (axis, size) in shared.items():
        if size < 2 or var <= 1e-12:
            continue
        means = (e - mean).mean(dim=axis)
        low, high = chance.of_variance(means.numel())
        found.append(
            Reading(
                f"noise shared by {name}",
                (size * means.square().mean() / var).item(),
                low,
                high,
                f"Different {name} do not get noise of their own: 1 is fresh, "
                f"{size:,} is one noise for all of them.",
                "Training runs; gradients are noisier than they need be, and "
                "samples repeat themselves.",
                3,
            )
        )
    return found


def _standardised(bench: Bench) -> tuple[Tensor, Tensor, bool]:
    """(z − μ)/σ, (calls, images, latents); log σ²; whether q is Gaussian."""
    subject = bench.subject
    with torch.no_grad():
        q = subject.posterior(bench.x[:64])
        if q is None:
            raise NotAsked("its codes have no noise")
        mean, std = q.mean.flatten(1).double(), q.stddev.flatten(1).double()
        if not (std > 0).all():
            raise NotAsked("σ is zero somewhere")
        calls = min(256, max(8, DRAWS // mean.numel()))
        z = torch.stack(
            [subject.drawn(q).flatten(1).double() for _ in range(calls)]
        )
    rounding = torch.finfo(q.mean.dtype).eps * mean.abs() / std
    exact = (rounding < SCARCE).all(dim=0)
    if not exact.any():
        raise NotAsked("σ is below the rounding of the mean everywhere")
    e = z - mean
    factor = getattr(q, "scale_tril", None)
    if factor is not None:  # latents that hang together are taken apart
        solved = torch.linalg.solve_triangular(
            factor.double(), e.unsqueeze(-1), upper=False
        )
        return solved.squeeze(-1), 2 * std.log(), True
    e = e / std
    base = getattr(q, "base_dist", q)
    is_normal = isinstance(base, D.Normal)
    return e[..., exact], 2 * std[:, exact].log(), is_normal
