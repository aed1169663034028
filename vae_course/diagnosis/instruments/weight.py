"""What the loss weighs: β, measured on its gradient."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vae_course.diagnosis import chance
from vae_course.diagnosis.bench import Bench, in_double, undisturbed
from vae_course.diagnosis.reading import NotAsked, Reading

SEEDS = 8  # fewer where the noise is one and the same, and nothing is left
SAME = 1e-6
RELATIVE = 1e-9  # of the largest gradient; less is rounding
LARGE = 20_000_000  # parameters above which double precision takes too long
WIDE = 0.1  # of the gradient: a wider band is no judgement


def weight(bench: Bench) -> list[Reading]:
    """β: how the loss weighs the rate against the distortion. Chapter 5.

    The gradient of the loss is held against those of the distortion and of
    the rate, both in nats per image. Where a · ∇distortion + b · ∇rate gives
    it back, β = b/a, whatever the loss is divided by. It is measured on a
    batch, and on one of twice the size: a KL summed over the batch beside a
    mean doubles.

    Bands: β within 2% of what the author says, or 5 standard errors; what is
    left of the gradient under 2%, or 5 standard errors of the noise.

    All that holds if the loss draws as the subject does, so that one seed
    gives both the same noise. A loss that draws in a way of its own leaves
    tens of percent of its gradient to chance, and "inside" would say nothing.
    Then it is not asked, unless β is too large by more than a factor of two.
    """
    subject, module = bench.subject, bench.module
    if subject.loss is None:
        raise NotAsked("it names no loss")
    if sum(p.numel() for p in module.parameters()) > LARGE:
        raise NotAsked("it has too many parameters for double precision")
    small = bench.x[: 8 if bench.x[0].numel() <= 1024 else 4].double()
    large = bench.x[: 2 * len(small)].double()
    if len(large) < 2 * len(small):
        raise NotAsked("there are too few images")
    with undisturbed(module), in_double(module):
        module.train()
        fit = _fit(bench, small)
        twice = _fit(bench, large)
    looks = "The loss falls, and its number is taken for nats."
    if fit.rest > fit.rest_band:
        if subject.other_terms:
            raise NotAsked("its loss has other parts besides the two")
        return [
            Reading(
                "part of the gradient that is of neither term",
                fit.rest,
                high=fit.rest_band,
                symptom="The loss is no weighted sum of the distortion and of "
                "the rate of these distributions. If it is meant to have "
                "other parts, say other_terms=True."
                + (f" The rest acts on {fit.where}." if fit.where else ""),
                looks=looks,
                chapter=4,
            )
        ]
    if fit.rest_band > WIDE:
        return [_out_of_all_proportion(bench, fit)]
    bench.beta = fit.beta
    found = [
        Reading(
            "part of the gradient that is of neither term",
            fit.rest,
            high=fit.rest_band,
        )
    ]
    if subject.beta is None:
        found.append(Reading("β of the loss as it is written", fit.beta))
    elif subject.beta == 0:
        found.append(
            Reading(
                "β of the loss as it is written",
                fit.beta,
                -0.01,
                0.01,
                "The rate has a weight, and should have none.",
                looks,
                5,
            )
        )
    else:
        band = max(0.02 * subject.beta, fit.error)
        ends = subject.beta - band, subject.beta + band
        found.append(_weighed(fit, *ends))
    if abs(fit.beta) > 1e-12 + 2 * fit.error:
        band = max(0.02, 2 * (fit.error + twice.error) / abs(fit.beta))
        found.append(
            Reading(
                "β at twice the batch, over β",
                twice.beta / fit.beta,
                1 - band,
                1 + band,
                "The weight of the rate depends on the size of the batch: one "
                "term is summed over it, the other averaged.",
                "Changing the batch size changes the pictures.",
                5,
            )
        )
    return found


def _weighed(fit: _Fit, low: float, high: float) -> Reading:
    return Reading(
        "β of the loss as it is written",
        fit.beta,
        low,
        high,
        "The loss weighs the rate against the distortion otherwise than its "
        "author says: one of them is summed where the other is averaged, or a "
        "factor is missing.",
        "The loss falls, and its number is taken for nats.",
        5,
    )


def _out_of_all_proportion(bench: Bench, fit: _Fit) -> Reading:
    """What can still be said where the loss has noise of its own.

    The noise of ∇distortion makes a too small, and β too large, by a quarter
    for common models: so a factor of two is granted beyond the errors.
    """
    beta = bench.subject.beta
    if beta is not None and not bench.subject.other_terms:
        high = 2 * beta + max(fit.error, fit.spread)
        if fit.beta > high:
            bench.beta = fit.beta
            return _weighed(fit, -math.inf, high)
    raise NotAsked(
        "its loss draws noise, or encodes, in a way of its own: with the "
        f"same seeds {min(fit.rest_band, 1):.0%} of its gradient is chance"
    )


class _Fit:
    """a · ∇distortion + b · ∇rate, fitted to ∇loss over several seeds."""

    def __init__(self, losses: Tensor, halves: Tensor, rates: Tensor, names):
        target = losses.mean(dim=0)
        if not torch.isfinite(target).all():
            raise NotAsked("its gradient is not finite")
        if not rates.any():
            raise NotAsked("no weight that is trained has a share in the rate")
        a, b = _solved(target, halves.mean(dim=0), rates.mean(dim=0))
        left = losses - a * halves - b * rates  # (S, P)
        seeds = len(left)
        norm = target.norm().clamp(min=1e-300)
        centred = (left - left.mean(dim=0)).square().sum()
        noise = (centred / (seeds - 1) / seeds).sqrt() / norm
        self.rest = (left.mean(dim=0).norm() / norm).item()
        self.rest_band = max(0.02, chance.ERRORS * noise.item())
        self.beta = _beta(a, b)
        # The same from the fits without one of the seeds (a jackknife).
        rows = torch.arange(seeds)
        without = torch.tensor(
            [
                _beta(
                    *_solved(
                        *(
                            g[rows != i].mean(0)
                            for g in (losses, halves, rates)
                        )
                    )
                )
                for i in rows
            ]
        )
        squares = (without - without.mean()).square().sum()
        spread = ((seeds - 1) / seeds * squares).sqrt()
        self.spread = chance.ERRORS * spread.item()
        # What the noise that is left may have added to b.
        direction = rates.mean(0) / rates.mean(0).norm().clamp(min=1e-300)
        doubt = (left @ direction).std() / seeds**0.5
        doubt = doubt / rates.mean(0).norm().clamp(min=1e-300)
        self.error = chance.ERRORS * doubt.item() / max(abs(a), 1e-300)
        parts = left.mean(dim=0).square().split([n for _, n in names])
        shares = torch.stack([part.sum() for part in parts])
        total = shares.sum().clamp(min=1e-300)
        worst = int(shares.argmax())
        alone = shares[worst] / total > 0.9
        self.where = names[worst][0] + " alone" if alone else ""


def _solved(target: Tensor, half: Tensor, rate: Tensor) -> list[float]:
    """a and b of target = a · half + b · rate, by least squares."""
    ours = torch.stack([half, rate], dim=1)  # (P, 2)
    size = ours.norm(dim=0).clamp(min=1e-300)
    ours = ours / size  # columns of length 1: a well-conditioned 2×2
    found = torch.linalg.lstsq(ours.T @ ours, ours.T @ target).solution
    return (found / size).tolist()


def _beta(a: float, b: float) -> float:
    return b / a if a else float("inf")


def _evened(gradients: list[Tensor], sizes: list) -> list[Tensor]:
    """The gradients, (S, P) each, with every tensor of weights at norm 1.

    So that a single number, such as a log σ, is heard beside a large matrix.
    Tensors whose gradient is nothing but rounding are left out.
    """
    counts = [count for _, count in sizes]
    means = torch.stack([g.mean(dim=0) for g in gradients])  # (3, P)
    norms = [part.norm(dim=1).max() for part in means.split(counts, dim=1)]
    least = RELATIVE * max(norms)
    factors = torch.cat(
        [
            torch.full((count,), 1 / n.item() if n > least else 0.0)
            for count, n in zip(counts, norms, strict=True)
        ]
    ).to(means)
    return [g * factors for g in gradients]


def _fit(bench: Bench, x: Tensor) -> _Fit:
    subject, module = bench.subject, bench.module
    named = [(n, p) for n, p in module.named_parameters() if p.requires_grad]
    if not named:
        raise NotAsked("none of its parameters is trained")
    parameters = [p for _, p in named]

    def gradient(number: Tensor) -> Tensor:
        if not number.requires_grad:
            return torch.cat(
                [torch.zeros_like(p).flatten() for p in parameters]
            )
        slopes = torch.autograd.grad(number, parameters, allow_unused=True)
        return torch.cat(
            [
                (torch.zeros_like(p) if s is None else s).flatten()
                for p, s in zip(parameters, slopes, strict=True)
            ]
        )

    sizes = [(name, p.numel()) for name, p in named]
    losses, halves, rates = [], [], []
    for seed in range(SEEDS):
        torch.manual_seed(seed)
        losses.append(gradient(bench.loss(x)))
        torch.manual_seed(seed)  # the same noise, if it is drawn first
        q = subject.posterior(x)
        if q is None:
            raise NotAsked("its codes have no noise")
        z = subject.drawn(q)
        halves.append(gradient(-subject.pixels(z).log_prob(x).mean()))
        rates.append(gradient(subject.true_rate(subject.posterior(x)).mean()))
        if seed in (1, SEEDS - 1):
            stacked = map(torch.stack, (losses, halves, rates))
            fit = _Fit(*_evened(list(stacked), sizes), sizes)
            if fit.rest < SAME:
                break
    return fit
