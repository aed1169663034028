"""Exercise 8.1: a perceptual distance over given features."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from vae_course.exercises.exercise import Exercise, Mistake, trials_against
from vae_course.sd.perceptual import unit_length

EPS = 1e-4


def perceptual_distance(f, g):
    """How far apart two images are, in the features of one layer.

    Args:
        f: features of the reconstructions, (B, C, H, W).
        g: features of the originals, same shape.

    Returns:
        One distance an image, (B,): at each position divide both features by
        their length √(Σ f² + 1e-4) over the channels, add the squares of the
        differences over channels, and average over positions.
    """
    f = f * (f.square().sum(1, keepdim=True) + 1e-4).rsqrt()
    g = g * (g.square().sum(1, keepdim=True) + 1e-4).rsqrt()
    return (f - g).square().sum(1).mean((1, 2))  # (B,)


def _pairs() -> Iterator[dict[str, Tensor]]:
    yield {
        "f": torch.tensor([3.0, 4.0]).view(1, 2, 1, 1),
        "g": torch.tensor([0.0, 2.0]).view(1, 2, 1, 1),
    }
    for shape, dtype in (
        ((3, 5, 4, 2), torch.float32),
        ((2, 3, 3, 4), torch.float64),
    ):
        f = torch.randn(shape, dtype=dtype)
        f[:, :, 0, 1] = 0  # behind a ReLU whole positions vanish
        g = 2 * torch.randn(shape, dtype=dtype)
        g[:, :, 1, 0] = 0
        # Here eps counts, on either side, and here nothing else does.
        f[:, :, 1, 1] /= 100
        g[:, :, 2, 0] /= 100
        f[:, :, 0, 0] *= 50
        g[:, :, 0, 1] *= 50
        yield {"f": f, "g": g}


def _formula(f: Tensor, g: Tensor) -> Tensor:
    f, g = (
        a / torch.sqrt(torch.einsum("bchw,bchw->bhw", a, a) + EPS)[:, None]
        for a in (f, g)
    )
    return ((f - g) ** 2).sum(dim=1).flatten(1).mean(dim=1)


def _outside(f: Tensor, g: Tensor) -> Tensor:
    f, g = (a / (a.square().sum(1, keepdim=True).sqrt() + EPS) for a in (f, g))
    return (f - g).square().sum(1).mean((1, 2))


def _without_gradient(f: Tensor, g: Tensor) -> Tensor:
    with torch.no_grad():
        return _formula(f, g)


def _by_position(f: Tensor, g: Tensor) -> Tensor:
    f, g = (
        a * (a.square().sum((2, 3), keepdim=True) + EPS).rsqrt()
        for a in (f, g)
    )
    return (f - g).square().sum(1).mean((1, 2))


def _whole(f: Tensor, g: Tensor) -> Tensor:
    f, g = (
        a * (a.square().sum((1, 2, 3), keepdim=True) + EPS).rsqrt()
        for a in (f, g)
    )
    return (f - g).square().sum(1).mean((1, 2))


def _units(f: Tensor, g: Tensor) -> Tensor:
    f, g = (
        a * (a.square().sum(1, keepdim=True) + EPS).rsqrt() for a in (f, g)
    )
    return f - g


FEATURES = Exercise(
    number="8.1",
    title="A perceptual distance",
    prompt="""\
A network has turned both images into features. Write the distance between
them for one layer. It will be a loss: so its *gradient* is checked, too, also
at positions where all features are zero, as happens behind a ReLU.""",
    solution=perceptual_distance,
    why="""\
At length 1 only the direction of a feature counts, not how strongly a layer
happens to answer. The eps stands inside the root. Outside, the value at zero
is just as good, but the root's slope there is infinite, and infinity times
zero is NaN. LPIPS as published has its eps outside; the ReLU right before it
happens to swallow the NaN, which any other layer would hand on.""",
    proved="your distance is right, and its gradient is finite even where all "
    "features vanish.",
    hints=(
        "Two sums and one mean: over which of the four dimensions each?",
        "The length belongs to a position: one sum over the channels, "
        "dimension 1, kept so that it can divide. Adding eps before the root "
        "keeps the slope finite.",
        "`rsqrt` is one over the root. After the division: square the "
        "difference, sum over dimension 1, which leaves (B, H, W), and "
        "average what is left of each image.",
    ),
    trials=lambda: trials_against(_formula, _pairs(), slopes=("f",)),
    mistakes=(
        Mistake(
            "eps outside the root",
            _outside,
            "Your eps stands outside the root. Where all features are zero "
            "the gradient is NaN.",
            "it keeps the division from failing, and the values look right.",
        ),
        Mistake(
            "without a gradient",
            _without_gradient,
            "No gradient comes back: to the model this loss is a constant, "
            "and it learns nothing from it.",
            "the network is frozen, so `torch.no_grad()` seems to fit. It "
            "cuts the way back to the image as well; what is frozen is "
            "weights, by `requires_grad_(False)`.",
            also=(
                lambda f, g: _formula(f.detach(), g),
                lambda f, g: _formula(f, g).detach(),
            ),
        ),
        Mistake(
            "not brought to length 1",
            lambda f, g: (f - g).square().sum(1).mean((1, 2)),
            "The features keep their lengths: strong answers count more than "
            "directions do.",
            "it is a distance, too, and the one of Johnson et al. 2016 is "
            "close to it.",
        ),
        Mistake(
            "length over the positions",
            _by_position,
            "You divide each channel by its length over the *positions*; the "
            "length that is meant is over the channels of one position.",
            "a norm over height and width is what most norm layers take.",
        ),
        Mistake(
            "one length for the whole image",
            _whole,
            "You divide by one length for the whole image; each position has "
            "its own.",
            "flattening first is a habit.",
        ),
        Mistake(
            "summed over positions",
            lambda f, g: _units(f, g).square().sum((1, 2, 3)),
            "You sum over positions, so a larger image is further from its "
            "copy. The mean is asked for.",
            "losses in this course are sums. This distance gets its number of "
            "pixels as a weight, outside.",
        ),
        Mistake(
            "averaged over channels",
            lambda f, g: _units(f, g).square().mean((1, 2, 3)),
            "You average over channels as well; over them it is a sum, so "
            "yours is smaller by their number.",
            "`mean` over everything is shorter.",
        ),
        Mistake(
            "averaged over the batch",
            lambda f, g: _units(f, g).square().sum(1).mean(),
            "One number is left of the whole batch; one for each image is "
            "asked for.",
            "`mean()` without a dimension averages everything.",
        ),
        Mistake(
            "not squared",
            lambda f, g: _units(f, g).abs().sum(1).mean((1, 2)),
            "You add absolute differences; squares are asked for.",
            "the pixel term beside it is an absolute error.",
        ),
    ),
    alternatives=(
        lambda f, g: (
            (
                (unit_length(f.double(), EPS) - unit_length(g.double(), EPS))
                .pow(2)
                .sum(dim=1)
                .flatten(1)
                .mean(dim=1)
                .to(f)
            )
            if f.dtype == torch.float32
            else _formula(f, g)
        ),
        lambda f, g: torch.stack(
            [_formula(a[None], b[None])[0] for a, b in zip(f, g, strict=True)]
        ),
        lambda f, g: (
            F.mse_loss(
                f / (f.pow(2).sum(1, True) + EPS).sqrt(),
                g / (g.pow(2).sum(1, True) + EPS).sqrt(),
                reduction="none",
            ).mean((1, 2, 3))
            * f.shape[1]
        ),
    ),
)
