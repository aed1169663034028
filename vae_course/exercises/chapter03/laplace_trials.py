"""What Exercise 3.1 measures: draws that are Laplace, and independent."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from vae_course.exercises.engine.results import a_tensor
from vae_course.exercises.exercise import AtMost, Trial

_AXES = ("draws", "rows", "columns")
_TIED = tuple(f"average correlation of two {axis}" for axis in _AXES)
_TIED_IN_SIZE = tuple(
    f"average correlation of |z − mean| in two {axis}" for axis in _AXES
)
_PAIRS = tuple(f"highest correlation of two {axis}" for axis in _AXES)
_MIRRORS = tuple(f"{words}, one of them mirrored" for words in _PAIRS)
_PAIRS_IN_SIZE = tuple(
    f"highest correlation of |z − mean| in two {axis}" for axis in _AXES
)
_TENTHS = "points below which 10 %, 50 % and 90 % of (z − mean) / scale lie"
_MOMENTS = {
    "mean of (z − mean) / scale": 0.0,
    "mean of |z − mean| / scale": 1.0,
    "mean of (z − mean)², over the square of the mean of |z − mean|": 2.0,
    "largest error in the share of draws below any z": AtMost(0.03),
}
_FAR = "some draws are more than 6 scales from the mean"
_OWN = "hardly any two draws are equal"
_NEXT = "correlation with the draws of the next call"
_TO_MEAN = "gradient reaches mean, and is 1 for each draw"
_TO_SCALE = "gradient reaches scale, and is (z − mean) / scale"
# Of n = 12,000 independent numbers the mean has a standard error of √2/110 =
# 0.013, the mean size one of 0.009, and the ratio one of 2/110 = 0.018. A
# tolerance of 0.06 · (1 + |expected|) is 4.6 of these or more, and of those
# of the three points. A share is off by 0.03 with a probability of
# 2 exp(−2 n 0.03²) = 1e-9. Two draws, rows or columns hold 480 pairs of
# numbers or more, which correlate by 0.046 by chance, and two calls 800:
# 0.25 is five times that.
_EXPECTED = {
    **dict.fromkeys((*_TIED, *_TIED_IN_SIZE), 0.0),
    **dict.fromkeys((*_PAIRS, *_MIRRORS, *_PAIRS_IN_SIZE), AtMost(0.25)),
    **_MOMENTS,
    _TENTHS: [math.log(0.2), 0.0, -math.log(0.2)],
    _FAR: True,  # 30 of them; 7 or fewer once in 800,000 times
    _OWN: True,
    _TO_MEAN: True,
    _TO_SCALE: True,
}


def _one_call(
    draw: Callable, mean: Tensor, scale: Tensor, count: int
) -> dict[str, Any]:
    """What the noise behind the draws is like, in numbers that are known."""
    noise, slopes = _drawn(draw, mean, scale, count)
    return _EXPECTED | _what_noise_is(noise) | slopes


def _two_calls(
    draw: Callable, mean: Tensor, scale: Tensor, count: int
) -> dict[str, Any]:
    """Whether the second call draws anew, and the gradients of both."""
    (one, slopes), (two, again) = (
        _drawn(draw, mean, scale, count) for _ in range(2)
    )
    both = _between(torch.stack([_bounded(one), _bounded(two)]))
    same = {words: slopes[words] and again[words] for words in slopes}
    return {_NEXT: both[0, 1].item(), **same}


def _drawn(
    draw: Callable, mean: Tensor, scale: Tensor, count: int
) -> tuple[Tensor, dict[str, bool]]:
    """The noise behind one call's draws; whether gradients are right."""
    mean, scale = (a.detach().clone().requires_grad_() for a in (mean, scale))
    wanted = (count, *mean.shape)
    z = a_tensor(draw(mean, scale, count), wanted, mean, weigh_values=False)
    noise = ((z - mean) / scale).detach()
    weights = torch.linspace(1, 2, z.numel(), dtype=z.dtype).view(wanted)
    slopes: list[Tensor | None] = [None, None]
    if z.requires_grad:
        slopes = torch.autograd.grad(
            (weights * z).sum(), [mean, scale], allow_unused=True
        )
    return noise.double(), {
        _TO_MEAN: _is(slopes[0], weights.sum(dim=0)),
        _TO_SCALE: _is(slopes[1], (weights * noise).sum(dim=0)),
    }


def _bounded(noise: Tensor) -> Tensor:
    """Noise between −1 and 1: no single number rules a correlation."""
    return noise / (1 + noise.abs())


def _what_noise_is(noise: Tensor) -> dict[str, Any]:
    """How the noise hangs together, and how it is distributed.

    Noise that is tied together is too little to tell more about it, so what
    comes after the first ties is left out.
    """
    size, found = noise.abs(), {}
    places, sizes = _bounded(noise), _bounded(size)
    for words, each in ((_TIED, places), (_TIED_IN_SIZE, sizes)):
        ties = [_average_tie(each - each.mean(), axis) for axis in range(3)]
        found |= zip(words, ties, strict=True)
        if not max(ties) < 0.25:
            return found
    for axis in range(3):
        there, wide = (
            _between(each.movedim(axis, 0).flatten(1)).fill_diagonal_(0)
            for each in (places, sizes)
        )
        found[_PAIRS[axis]] = there.max().item()
        found[_MIRRORS[axis]] = -there.min().item()
        found[_PAIRS_IN_SIZE[axis]] = wide.max().item()
        if not max(there.abs().max(), wide.max()) <= 0.25:
            return found
    ordered = noise.flatten().sort().values
    share = (1 - ordered.sign() * torch.expm1(-ordered.abs())) / 2  # F
    even = torch.linspace(0, 1, len(share), dtype=torch.float64)
    moments = (
        noise.mean(),
        size.mean(),
        noise.square().mean() / size.mean().square(),
        (share - even).abs().max(),
    )
    found |= zip(_MOMENTS, map(Tensor.item, moments), strict=True)
    found[_TENTHS] = [
        ordered[round(part * (len(ordered) - 1))].item()
        for part in (0.1, 0.5, 0.9)
    ]
    found[_FAR] = bool((size > 6).sum() >= 8)
    found[_OWN] = len(noise.unique()) > 0.95 * noise.numel()
    return found


def _average_tie(noise: Tensor, axis: int) -> float:
    """The average correlation of two slices along an axis."""
    count = noise.shape[axis]
    of_mean = noise.mean(dim=axis).square().mean() / noise.square().mean()
    return ((count * of_mean - 1) / (count - 1)).item()


def _between(slices: Tensor) -> Tensor:
    """The correlation of each slice with each, about one common mean."""
    slices = slices.flatten(1) - slices.mean()
    slices = slices / slices.norm(dim=1, keepdim=True)
    return slices @ slices.T


def _is(gradient: Tensor | None, truth: Tensor) -> bool:
    return gradient is not None and torch.allclose(
        gradient.double(), truth.double(), rtol=1e-3, atol=1e-2
    )


def shapes() -> Iterator[Trial]:
    """Many draws of one distribution; then few, of many, asked for twice."""
    mean = torch.full((20, 25), -1.0)
    yield Trial(
        {"mean": mean, "scale": torch.full_like(mean, 3), "count": 24},
        _EXPECTED,
        _one_call,
        tolerance=0.06,
        likeness=0.08,
        shown="mean=−1, scale=3 everywhere, of shape (20, 25); count=24",
    )
    for rows, columns, count in (
        (6, 7, 20),
        (1, 1, 800),
        (1, 900, 1),
        (40, 1, 20),
    ):
        mean = 5 * torch.randn(rows, columns).double()
        scale = torch.logspace(-1, 1, columns).double().expand_as(mean)
        yield Trial(
            {"mean": mean, "scale": scale.clone(), "count": count},
            {_NEXT: 0.0, _TO_MEAN: True, _TO_SCALE: True},
            _two_calls,
            tolerance=0.25,
            likeness=0.25,
            shown="random means, and scales from 0.1 to 10, of shape "
            f"({rows}, {columns}); count={count}; called twice",
        )
