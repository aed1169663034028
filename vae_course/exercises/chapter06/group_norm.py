"""Exercise 6.2: group norm."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from vae_course.exercises.engine.results import Flaw, a_tensor
from vae_course.exercises.engine.trying import VALUE
from vae_course.exercises.exercise import Exercise, Mistake, Trial


def group_norm(x, groups, eps):
    """Each group of channels of each image, with mean 0 and variance 1.

    Args:
        x: activations, (B, C, H, W).
        groups: how many; they are neighbouring channels, C / groups each.
        eps: added to the variance, so that a flat group is not divided by 0.

    Returns:
        The normalised activations, (B, C, H, W).
    """
    g = x.reshape(len(x), groups, -1)  # (B, groups, C/groups · H · W)
    mean = g.mean(dim=2, keepdim=True)
    variance = (g - mean).square().mean(dim=2, keepdim=True)
    return ((g - mean) / (variance + eps).sqrt()).reshape(x.shape)


def _activations() -> Iterator[dict[str, Any]]:
    yield {
        "x": torch.tensor([1.0, 3.0, -2.0, 0.0]).view(1, 2, 1, 2),
        "groups": 1,
        "eps": 1e-6,
    }
    for shape, groups, size, eps, dtype in (
        ((2, 6, 2, 2), 3, 2.0, 1e-6, torch.float32),
        # A variance as small as eps: here it matters where eps stands.
        ((3, 8, 3, 2), 2, 0.1, 1e-2, torch.float32),
        ((2, 6, 3, 3), 2, 3e-3, 1e-6, torch.float64),
        ((1, 3, 2, 3), 1, 1.0, 1e-3, torch.float32),
        ((3, 4, 1, 1), 2, 1.0, 1e-2, torch.float64),
        ((2, 4, 2, 3), 2, 300.0, 1e-6, torch.float64),
        # Nearly flat: eps alone keeps the result small.
        ((2, 4, 4, 4), 2, 2e-3, 1e-2, torch.float32),
    ):
        offset = size * torch.arange(shape[1]).view(1, -1, 1, 1)
        x = size * torch.randn(shape, dtype=dtype) + offset.to(dtype)
        yield {"x": x, "groups": groups, "eps": eps}


def _trials() -> Iterator[Trial]:
    for arguments in _activations():
        x, groups, eps = arguments.values()
        exact = x.double().requires_grad_()
        right = F.group_norm(exact, groups, eps=eps)
        yield Trial(
            arguments,
            {VALUE: right.detach(), _GRADIENT: _slope(right, exact)},
            _values_and_slope,
        )


_GRADIENT = "gradient with respect to x"


def _values_and_slope(
    attempt: Callable, x: Tensor, groups: int, eps: float
) -> dict[str, Any]:
    """The result, and what reaches x from it."""
    y = a_tensor(attempt(x, groups, eps), x.shape, x)
    x = x.detach().clone().requires_grad_()
    again = a_tensor(attempt(x, groups, eps), x.shape, x)
    return {VALUE: y, _GRADIENT: _slope(again, x)}


def _slope(y: Tensor, x: Tensor) -> Tensor | Flaw:
    """The gradient of a weighted sum: the plain one is 0, whatever x is."""
    weights = torch.linspace(-1, 2, y.numel(), dtype=y.dtype).cos()
    gradient = None
    if y.requires_grad:
        total = (weights.view(y.shape) * y).sum()
        (gradient,) = torch.autograd.grad(total, x, allow_unused=True)
    if gradient is None:
        return Flaw("no gradient", "No gradient comes back to `x`.", "x")
    return gradient


def _over(x, view, dims, eps, correction=0):
    g = x.reshape(view)
    mean = g.mean(dim=dims, keepdim=True)
    variance = g.var(dim=dims, keepdim=True, correction=correction)
    return ((g - mean) / (variance + eps).sqrt()).reshape(x.shape)


def _grouped(x, groups):
    return x.reshape(len(x), groups, -1)


def _centred(x, groups, size):
    g = _grouped(x, groups)
    variance = g.var(dim=2, correction=0, keepdim=True)
    return ((g - g.mean(2, True)) / size(variance)).reshape(x.shape)


def _own_scales(x, groups, eps):
    g = _grouped(x, groups)
    deviations = (g - g.mean(2, True)).reshape(x.shape)
    variance = deviations.square().mean(dim=(2, 3), keepdim=True)
    return deviations / (variance + eps).sqrt()


GROUP_NORM = Exercise(
    number="6.2",
    title="Group norm",
    prompt="""\
Write group norm without its learned scale and shift: the channels are divided
into `groups` of neighbours, and each group of each image gets mean 0 and
variance 1, over its channels and all positions at once. `eps` is added to the
variance, inside the root. The variance is the plain mean of the squared
deviations from the mean: divide by the number of values, not by one less. The
layer is trained, so gradients pass to `x`, also through mean and variance.""",
    solution=group_norm,
    why="""\
`reshape` puts everything that shares its statistics on one axis: a channel's
neighbours and all its pixels. Nothing is averaged over the batch, so an image
is treated alike whatever stands beside it and however large the batch is.
`F.group_norm(x, groups, eps=eps)` is the same.""",
    proved="your group norm equals PyTorch's, and so does its gradient, down "
    "to variances as small as eps.",
    hints=(
        "Which numbers share a mean? For one image: the pixels of how many "
        "channels?",
        "`x.reshape(B, groups, -1)` has everything that belongs together on "
        "its last axis.",
        "Take mean and variance over dim 2 with keepdim, subtract, divide by "
        "the root of variance + eps, and reshape back to x.shape.",
    ),
    trials=_trials,
    mistakes=(
        Mistake(
            "batch norm",
            lambda x, groups, eps: _over(x, x.shape, (0, 2, 3), eps),
            "You normalise each channel over the whole batch: that is batch "
            "norm. What an image becomes then depends on its neighbours.",
            "it is the norm that everybody learns first.",
        ),
        Mistake(
            "layer norm",
            lambda x, groups, eps: _over(x, (len(x), -1), 1, eps),
            "You take one mean over all channels of an image: that is a "
            "single group.",
            "the groups are easily forgotten; the shapes fit without them.",
        ),
        Mistake(
            "instance norm",
            lambda x, groups, eps: _over(x, x.shape, (2, 3), eps),
            "You normalise each channel by itself: that is as many groups as "
            "channels.",
            "means over the last two axes are written quickly.",
        ),
        Mistake(
            "each position by itself",
            lambda x, groups, eps: _over(
                x, (len(x), groups, -1, *x.shape[2:]), 2, eps
            ),
            "You take a mean for each position; all positions of a group "
            "share one.",
            "in networks for text layer norm looks at each position alone.",
            also=(lambda x, groups, eps: _over(x, x.shape, 1, eps),),
        ),
        Mistake(
            "a scale for each channel",
            _own_scales,
            "You subtract the group's mean, and divide each channel by a "
            "size of its own; the variance is the group's, too.",
            "the learned scale, which comes after the norm, is one for each "
            "channel.",
            also=(
                lambda x, groups, eps: (
                    _centred(x, groups, lambda variance: 1.0)
                    / (
                        x.var(dim=(2, 3), correction=0, keepdim=True) + eps
                    ).sqrt()
                ),
            ),
        ),
        Mistake(
            "one less than the number",
            lambda x, groups, eps: _over(
                x, (len(x), groups, -1), 2, eps, correction=1
            ),
            "Your variance divides by one less than the number of values.",
            "`Tensor.var` does so unless it is told `correction=0`.",
        ),
        Mistake(
            "eps outside the root",
            lambda x, groups, eps: _centred(
                x, groups, lambda variance: variance.sqrt() + eps
            ),
            "You add eps to the standard deviation; it belongs to the "
            "variance, inside the root. It only shows where the activations "
            "are small.",
            "either prevents a division by zero, and for large activations "
            "nobody sees a difference.",
        ),
        Mistake(
            "eps is forgotten",
            lambda x, groups, eps: _over(x, (len(x), groups, -1), 2, 0.0),
            "You leave eps out. A group that is flat would be divided by "
            "zero, and small activations come out too large.",
            "on ordinary numbers it changes nothing that one sees.",
        ),
        Mistake(
            "eps as a floor",
            lambda x, groups, eps: _centred(
                x, groups, lambda variance: variance.clamp_min(eps).sqrt()
            ),
            "You use eps as a floor under the variance; it is added to it, "
            "however large the variance is.",
            "either prevents a division by zero.",
            also=(
                lambda x, groups, eps: _centred(
                    x, groups, lambda variance: variance.sqrt().clamp_min(eps)
                ),
            ),
        ),
        Mistake(
            "eps of 1e-5",
            lambda x, groups, eps: _over(x, (len(x), groups, -1), 2, 1e-5),
            "You use 1e-5 whatever the caller asks for; this family of models "
            "was trained with 1e-6.",
            "1e-5 is what PyTorch takes when nobody says otherwise.",
            also=(lambda x, groups, eps: F.group_norm(x, groups),),
        ),
        Mistake(
            "statistics without a gradient",
            lambda x, groups, eps: (
                (_grouped(x, groups) - _grouped(x, groups).mean(2, True).data)
                / (
                    _grouped(x, groups).var(2, correction=0, keepdim=True)
                    + eps
                )
                .sqrt()
                .detach()
            ).reshape(x.shape),
            "The values are right, but mean and variance are cut off from "
            "x: to the backward pass they are constants.",
            "statistics look like numbers about the data. Here they are part "
            "of the function.",
            also=(
                lambda x, groups, eps: (
                    (_grouped(x, groups) - _grouped(x, groups).mean(2, True))
                    / (
                        _grouped(x, groups).var(2, correction=0, keepdim=True)
                        + eps
                    )
                    .sqrt()
                    .detach()
                ).reshape(x.shape),
                lambda x, groups, eps: (
                    (
                        _grouped(x, groups)
                        - _grouped(x, groups).mean(2, True).detach()
                    )
                    / (
                        _grouped(x, groups).var(2, correction=0, keepdim=True)
                        + eps
                    ).sqrt()
                ).reshape(x.shape),
            ),
        ),
        Mistake(
            "no gradient at all",
            lambda x, groups, eps: group_norm(x, groups, eps).detach(),
            "The values are right, but no gradient comes back to x.",
            "a norm seems to have nothing to learn. What stands before it "
            "has.",
        ),
        Mistake(
            "divided by the variance",
            lambda x, groups, eps: _centred(
                x, groups, lambda variance: variance + eps
            ),
            "You divide by the variance; its root makes the variance 1.",
            "the variance is what is at hand.",
        ),
        Mistake(
            "over the batch, too",
            lambda x, groups, eps: _over(x, (len(x), groups, -1), (0, 2), eps),
            "Your groups reach over all images of the batch. Each image has "
            "statistics of its own.",
            "batch norm does it so, channel by channel.",
        ),
        Mistake(
            "the mean stays",
            lambda x, groups, eps: (
                _grouped(x, groups)
                / (
                    _grouped(x, groups).var(2, correction=0, keepdim=True)
                    + eps
                ).sqrt()
            ).reshape(x.shape),
            "You divide, and forget to subtract the mean.",
            "scaling is the part that one thinks of.",
        ),
        Mistake(
            "channels dealt out like cards",
            lambda x, groups, eps: _over(
                x,
                (len(x), x.shape[1] // groups, groups, *x.shape[2:]),
                (1, 3, 4),
                eps,
            ),
            "Your groups take every n-th channel; they are neighbours: the "
            "first C/groups channels are the first group.",
            "in a reshape to (B, C/groups, groups, …) the two axes are in the "
            "wrong order, and every shape fits.",
        ),
    ),
    alternatives=(
        lambda x, groups, eps: F.group_norm(x, groups, eps=eps),
        lambda x, groups, eps: torch.cat(
            [
                (part - part.mean(dim=(1, 2, 3), keepdim=True))
                * (
                    part.var(dim=(1, 2, 3), correction=0, keepdim=True) + eps
                ).rsqrt()
                for part in x.chunk(groups, dim=1)
            ],
            dim=1,
        ),
        lambda x, groups, eps: F.layer_norm(
            x.reshape(len(x), groups, -1), (x[0].numel() // groups,), eps=eps
        ).reshape(x.shape),
    ),
)
