"""Gradients: whom they reach, and whether they are the loss's own."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vae_course.diagnosis.bench import Bench, in_double, undisturbed
from vae_course.diagnosis.instruments.weight import LARGE
from vae_course.diagnosis.reading import NotAsked, Reading

STEP = 1e-6  # of a parameter's own size, in double precision


def gradient(bench: Bench) -> list[Reading]:
    """Gradient reach, and finite differences of the loss. Chapters 3 and 8.

    Every weight that is trained gets a gradient from the loss; every term
    reaches somebody; every gradient is finite, also where copy and image are
    equal. And a step along a random direction changes the loss by what the
    gradient says, with the noise held fixed: where it does not, a part of the
    loss is computed outside the graph. Relative differences; the band is 1%,
    in double precision with steps of a millionth, where a fault makes tens of
    percent and rounding a thousandth of one.
    """
    subject, module = bench.subject, bench.module
    if sum(p.numel() for p in module.parameters()) > LARGE:
        raise NotAsked("it has too many parameters for double precision")
    x = bench.x[: 16 if bench.x[0].numel() <= 1024 else 4].double()
    found = []
    with undisturbed(module), in_double(module):
        module.train()
        named = {n: p for n, p in module.named_parameters() if p.requires_grad}
        if not named:
            raise NotAsked("none of its parameters is trained")
        if subject.loss is not None:
            found += _of_loss(bench, x, named)
        if subject.terms is not None:
            found += _of_terms(bench, x, named)
    if subject.distance is not None:
        found += _of_distance(bench, bench.some)
    if not found:
        raise NotAsked("it names no loss")
    return found


def _of_loss(bench: Bench, x: Tensor, named: dict) -> list[Reading]:
    def value() -> Tensor:
        torch.manual_seed(0)  # the same noise, whatever is moved
        return bench.loss(x)

    loss = value()
    parameters = list(named.values())
    if not loss.requires_grad:
        slopes = [None] * len(parameters)
    else:
        slopes = torch.autograd.grad(loss, parameters, allow_unused=True)
    # A bias before a norm, or of keys, may rightly get zero; None never.
    unreached = [
        name
        for name, slope in zip(named, slopes, strict=True)
        if slope is None or (slope.dim() > 1 and not slope.any())
    ]
    wild = [
        name
        for name, slope in zip(named, slopes, strict=True)
        if slope is not None and not torch.isfinite(slope).all()
    ]
    found = [
        Reading(
            "trained weights that the loss does not reach",
            float(len(unreached)),
            0,
            0,
            f"No gradient of the loss reaches {_some(unreached)}.",
            "Training runs, and a part of the model stays as it was.",
            3,
        ),
        Reading(
            "weights whose gradient is not finite",
            float(len(wild)),
            0,
            0,
            f"The gradient of {_some(wild)} is NaN or infinite.",
            "Training stops with NaN, later than its cause.",
            3,
        ),
    ]
    if not wild and loss.requires_grad:
        found += _differences(value, named, slopes)
    return found


def _differences(value, named: dict, slopes) -> list[Reading]:
    """Along a random direction in each part of the model."""
    groups: dict[str, list[tuple[nn.Parameter, Tensor | None]]] = {}
    for (name, parameter), slope in zip(named.items(), slopes, strict=True):
        groups.setdefault(name.split(".")[0], []).append((parameter, slope))
    worst, where = 0.0, ""
    for part, pairs in groups.items():
        error = _difference(value, pairs)
        if not error <= worst:
            worst, where = error, part
    return [
        Reading(
            "finite differences of the loss against its gradient",
            worst,
            high=0.01,
            symptom="The gradient is not that of the loss: moving "
            f"{where} changes the loss by another amount. Is something "
            "detached, drawn with sample(), or computed under no_grad?",
            looks="The loss falls more slowly than it could, or not to where "
            "it could.",
            chapter=3,
        )
    ]


def _difference(value, pairs) -> float:
    """|finite difference − slope| over the larger of the two.

    Of a few directions the least: a step may cross the kink of a ReLU.
    """
    errors = []
    for attempt in range(3):
        torch.manual_seed(100 + attempt)
        moves, slope = [], 0.0
        for parameter, of_it in pairs:
            size = parameter.detach().square().mean().sqrt().clamp(min=1e-3)
            move = STEP * size * torch.randn_like(parameter)
            if of_it is not None:  # up this slope, so that nothing cancels
                move = move.abs() * of_it.sign()
                slope += (of_it * move).sum().item()
            moves.append(move)
        ends = []
        with torch.no_grad():
            for sign in (1, -1):
                for (parameter, _), move in zip(pairs, moves, strict=True):
                    parameter += sign * move
                ends.append(value().item())
                for (parameter, _), move in zip(pairs, moves, strict=True):
                    parameter -= sign * move
        found = (ends[0] - ends[1]) / 2
        size = max(abs(found), abs(slope))
        floor = 1e-11 * max(1.0, abs(ends[0]))  # rounding of the loss
        errors.append(abs(found - slope) / size if size > floor else 0.0)
        if errors[-1] < 0.01:
            break
    return min(errors)


def _of_terms(bench: Bench, x: Tensor, named: dict) -> list[Reading]:
    torch.manual_seed(0)
    terms = bench.subject.terms(x)
    parameters = list(named.values())
    dead = []
    for name, term in terms.items():
        reached = False
        if isinstance(term, Tensor) and term.requires_grad:
            slopes = torch.autograd.grad(
                term.mean(), parameters, allow_unused=True, retain_graph=True
            )
            reached = any(s is not None and s.any() for s in slopes)
        if not reached:
            dead.append(name)
    return [
        Reading(
            f"terms of {len(terms)} that reach no weight",
            float(len(dead)),
            0,
            0,
            f"The loss has the term {', '.join(dead)} in its number, and no "
            "weight gets a gradient from it.",
            "The term is on the curve, and falls by chance or not at all.",
            3,
        )
    ]


def _of_distance(bench: Bench, x: Tensor) -> list[Reading]:
    """A distance is 0 at x̂ = x, positive elsewhere, with finite slopes."""
    distance = bench.subject.distance
    torch.manual_seed(0)

    def ask(y: Tensor) -> tuple[Tensor, Tensor | None]:
        y = y.clone().requires_grad_()
        found = distance(y, x)
        if not found.requires_grad:
            return found, None
        (slope,) = torch.autograd.grad(found.sum(), y, allow_unused=True)
        return found.detach(), slope

    scale = x.std().clamp(min=1e-3)
    here, at_home = ask(x)
    there, away = ask(x + 0.1 * scale * torch.randn_like(x))
    wild = at_home is not None and not torch.isfinite(at_home).all()
    looks = "The perceptual term is on the curve, and pictures stay soft."
    return [
        Reading(
            "distance of an image from itself, over that from a noisy copy",
            (here.mean() / there.mean()).item(),
            -1e-3,
            1e-3,
            "The perceptual distance of an image from itself is not zero.",
            looks,
            8,
        ),
        Reading(
            "slope of the distance at the image itself: numbers not finite",
            float(wild),
            0,
            0,
            "The slope of the perceptual distance is NaN or infinite where "
            "copy and image agree: an epsilon stands outside a root.",
            "Training stops with NaN once a patch is copied well.",
            8,
        ),
        Reading(
            "slope of the distance at a noisy copy: images without one",
            float(len(x) if away is None else _flat(away)),
            0,
            0,
            "The perceptual distance sends no gradient to the copy: it is "
            "computed under no_grad, or detached.",
            looks,
            8,
        ),
    ]


def _flat(slope: Tensor) -> int:
    return int((slope.flatten(1).abs().sum(dim=1) == 0).sum())


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
