"""Exercise 3.1: draws that are not Gaussian, with a gradient."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch import distributions as D

from vae_course.exercises.chapter03.laplace_trials import shapes
from vae_course.exercises.exercise import Exercise, Mistake


def laplace_rsample(mean, scale, count):
    """Draws from Laplace distributions through which gradients can pass.

    Args:
        mean: where each distribution has its peak, m, (B, D).
        scale: how broad it is, b > 0, (B, D).
        count: the number K of draws from each.

    Returns:
        The draws, (K, B, D), all independent of each other.
    """
    shape = (count, *mean.shape)
    u = torch.rand(shape, dtype=mean.dtype)  # in [0, 1), so 1 - u is not 0
    size = -torch.log1p(-u)  # solves u = 1 - exp(-size)
    coin = torch.rand(shape, dtype=mean.dtype) < 0.5
    return mean + scale * torch.where(coin, size, -size)


def _standard(*shape: int, like: Tensor) -> Tensor:
    """Draws with mean 0 and scale 1, as the mistakes below begin with."""
    return laplace_rsample(like.new_zeros(shape), like.new_ones(shape), 1)[0]


def _one_coin(mean: Tensor, scale: Tensor, count: int) -> Tensor:
    size = _standard(count, *mean.shape, like=mean).abs()
    coin = torch.where(torch.rand(mean.shape) < 0.5, 1, -1)
    return mean + scale * coin * size


def _one_size(mean: Tensor, scale: Tensor, count: int) -> Tensor:
    size = _standard(*mean.shape, like=mean).abs()
    coin = torch.where(torch.rand(count, *mean.shape) < 0.5, 1, -1)
    return mean + scale * coin * size


def _mirrored(mean: Tensor, scale: Tensor, count: int) -> Tensor:
    half = _standard(-(-count // 2), *mean.shape, like=mean)
    return mean + scale * torch.cat([half, -half])[:count]


def _seeded(mean: Tensor, scale: Tensor, count: int) -> Tensor:
    torch.manual_seed(0)
    return laplace_rsample(mean, scale, count)


def _one_for_both(mean: Tensor, scale: Tensor, count: int) -> Tensor:
    u = torch.rand(count, *mean.shape, dtype=mean.dtype)
    size = -torch.log1p(-u)
    return mean + scale * torch.where(u < 0.5, size, -size)


def _not_inverted(mean: Tensor, scale: Tensor, count: int) -> Tensor:
    size = 1 - torch.exp(-torch.rand(count, *mean.shape, dtype=mean.dtype))
    coin = torch.where(torch.rand(count, *mean.shape) < 0.5, 1, -1)
    return mean + scale * coin * size


def _row_by_row(mean: Tensor, scale: Tensor, count: int) -> Tensor:
    """One draw after the other, by inverting the whole distribution."""
    draws = []
    for _ in range(count):
        u = torch.rand_like(mean).clamp(1e-6, 1 - 1e-6)
        below, above = torch.log(2 * u), -torch.log(2 - 2 * u)
        draws.append(mean + scale * torch.where(u < 0.5, below, above))
    return torch.stack(draws)


LAPLACE = Exercise(
    number="3.1",
    title="Not only Gaussians",
    prompt="""\
The trick is not about Gaussians: all it takes is noise that has no parameters,
and a way from there to the draw that has a slope. A Laplace distribution has
the density $e^{-|z - m| / b} / 2b$. Its two sides are equally likely, and the
distance from the peak, in units of $b$, stays below $t$ with the probability
$1 - e^{-t}$. Turn numbers from `torch.rand`, which are uniform between 0 and
1, into Laplace draws with a gradient to $m$ and $b$. (`rsample` of
`torch.distributions.Laplace` does it, and is accepted, too. Here the point is
to see how.)""",
    solution=laplace_rsample,
    why="""\
If u is uniform, then the t with u = 1 − exp(−t) has the distribution function
1 − exp(−t): this is *inversion*, and it turns uniform noise into any
distribution whose function one can invert. A coin chooses the side. Neither
the coin nor u contains a parameter; `mean` shifts and `scale` stretches, so
the gradients are 1 and (z − mean) / scale, as for a Gaussian. `torch.rand` may
return 0 but never 1, so the logarithm of 1 − u is always finite, and that of u
is not.""",
    proved="your draws follow the Laplace distribution, are independent of "
    "each other and from call to call, and let the gradient through to both "
    "parameters.",
    hints=(
        "First draws with mean 0 and scale 1: a distance, and a side. Which "
        "uniform number belongs to the distance t?",
        "From u = 1 − exp(−t) follows t = −log(1 − u). Another uniform number "
        "tells the side: half of them are below 0.5.",
        "Draw both for each number of the result: the shape is `(count, "
        "*mean.shape)`, the `dtype` the mean's. `torch.where` gives the "
        "distance one sign or the other. A draw with mean 0 and scale 1 then "
        "takes the place of ε in μ + σ ⊙ ε.",
    ),
    trials=shapes,
    mistakes=(
        Mistake(
            "the graph is cut",
            lambda mean, scale, count: D.Laplace(mean, scale).sample((count,)),
            "Your draws are right, but no gradient passes: they are new "
            "numbers with no memory of mean and scale.",
            "`sample` does what its name says, and no picture of the draws "
            "shows the difference.",
            also=(
                lambda mean, scale, count: laplace_rsample(
                    mean, scale, count
                ).detach(),
                lambda mean, scale, count: laplace_rsample(
                    mean.detach(), scale.detach(), count
                ),
            ),
        ),
        Mistake(
            "no gradient to the scale",
            lambda mean, scale, count: laplace_rsample(
                mean, scale.detach(), count
            ),
            "The gradient reaches the mean but not the scale, which could "
            "never be learned.",
            "the draws are right in every respect; only the backward pass "
            "shows it.",
        ),
        Mistake(
            "one side only",
            lambda mean, scale, count: (
                mean + scale * _standard(count, *mean.shape, like=mean).abs()
            ),
            "All your draws lie on one side of the mean: the coin is missing.",
            "the formula with the logarithm gives a distance, and a distance "
            "is never negative.",
            also=(
                lambda mean, scale, count: (
                    mean
                    - scale * _standard(count, *mean.shape, like=mean).abs()
                ),
            ),
        ),
        Mistake(
            "a coin of 0 and 1",
            lambda mean, scale, count: (
                mean
                + scale * _standard(count, *mean.shape, like=mean).clamp(min=0)
            ),
            "Half of your draws are the mean itself: your coin is 0 or 1 "
            "where it should be −1 or 1.",
            "a comparison gives 0 or 1, and multiplying with it looks like "
            "choosing.",
        ),
        Mistake(
            "Gaussian noise",
            lambda mean, scale, count: (
                mean
                + scale * torch.randn(count, *mean.shape, dtype=mean.dtype)
            ),
            "Your noise is Gaussian: its variance is 1, and far out it has "
            "much less than a Laplace distribution.",
            "this is the line of the chapter, and the peak and the tails are "
            "all that is different.",
        ),
        Mistake(
            "uniform noise",
            lambda mean, scale, count: (
                mean
                + scale
                * (2 * torch.rand(count, *mean.shape, dtype=mean.dtype) - 1)
            ),
            "Your noise is uniform. It still has to be sent "
            "through the inverse of the distribution function.",
            "it is symmetric about zero and has no parameters, and that much "
            "is right.",
            also=(
                lambda mean, scale, count: (
                    mean
                    + scale
                    * (torch.rand(count, *mean.shape, dtype=mean.dtype) - 0.5)
                ),
                lambda mean, scale, count: (
                    mean
                    + scale * torch.rand(count, *mean.shape, dtype=mean.dtype)
                ),
            ),
        ),
        Mistake(
            "scale read as a standard deviation",
            lambda mean, scale, count: laplace_rsample(
                mean, scale / math.sqrt(2), count
            ),
            "Your draws have the standard deviation `scale`. A Laplace "
            "distribution with scale b has √2 · b.",
            "the letter σ of a Gaussian is both.",
        ),
        Mistake(
            "divided by the scale",
            lambda mean, scale, count: (
                mean + _standard(count, *mean.shape, like=mean) / scale
            ),
            "You divided the noise by the scale: what should be broad is "
            "narrow.",
            "in the density the scale stands below, −|z − m| / b. Solving for "
            "z brings it up.",
        ),
        Mistake(
            "one noise for all draws",
            lambda mean, scale, count: (
                mean + scale * _standard(*mean.shape, like=mean)
            ).expand(count, *mean.shape),
            "All K draws of a row are the same: the noise was drawn once.",
            "`torch.rand_like(mean)` has the shape of the mean, and "
            "broadcasting hides what is missing.",
        ),
        Mistake(
            "one noise for all rows",
            lambda mean, scale, count: (
                mean + scale * _standard(count, 1, mean.shape[1], like=mean)
            ),
            "All rows of the batch share the same noise.",
            "broadcasting makes a smaller noise fit, and each single row is "
            "right.",
        ),
        Mistake(
            "one noise for all columns",
            lambda mean, scale, count: (
                mean + scale * _standard(count, len(mean), 1, like=mean)
            ),
            "All numbers of one draw share the same noise, so your draws lie "
            "on a line.",
            "broadcasting again: one random number for each row looks like "
            "enough.",
        ),
        Mistake(
            "one number for a whole draw",
            lambda mean, scale, count: (
                mean + scale * _standard(count, 1, 1, like=mean)
            ),
            "All rows and all columns of one draw share a single random "
            "number.",
            "`count` numbers for `count` draws look like enough.",
        ),
        Mistake(
            "one number for everything",
            lambda mean, scale, count: (
                mean + scale * _standard(1, like=mean)
            ).expand(count, *mean.shape),
            "A single random number serves for all draws, rows and columns.",
            "`torch.rand(1)` is a random number, and broadcasting makes it "
            "fit.",
        ),
        Mistake(
            "one uniform number for both",
            _one_for_both,
            "Side and distance come from the same uniform number: short "
            "distances all lie on one side, long ones on the other.",
            "one number seems to hold enough chance for both. It would, if "
            "its two halves were stretched to full length first.",
            also=(lambda *of: 2 * of[0] - _one_for_both(*of),),
        ),
        Mistake(
            "the probability for its inverse",
            _not_inverted,
            "You put the uniform number into 1 − exp(−t) in place of t. The "
            "uniform number *is* that probability; the distance is the t "
            "that belongs to it.",
            "the formula gives a number for a number, and nothing says which "
            "way it is meant.",
            also=(lambda *of: 2 * of[0] - _not_inverted(*of),),
        ),
        Mistake(
            "one coin for all draws",
            _one_coin,
            "The distances are drawn anew, the sides are not: all draws of a "
            "number lie on the same side of its mean.",
            "the coin looks like a small thing beside the logarithm, and "
            "`torch.rand(mean.shape)` fits by broadcasting.",
        ),
        Mistake(
            "one distance for all draws",
            _one_size,
            "The sides are drawn anew, the distances are not: all draws of a "
            "number lie equally far from its mean.",
            "the draws look different from each other, and "
            "`torch.rand(mean.shape)` fits by broadcasting.",
        ),
        Mistake(
            "mirrored pairs",
            _mirrored,
            "Half of your draws mirror the other half, so they are not "
            "independent.",
            "the distribution is symmetric, so each draw seems to give a "
            "second one for nothing. As *antithetic* draws they have their "
            "uses; they are no independent draws.",
            also=(
                lambda mean, scale, count: (
                    _mirrored(mean, scale, count)[
                        torch.arange(count).view(2, -1).T.flatten()
                    ]
                    if count % 2 == 0
                    else _mirrored(mean, scale, count)
                ),
            ),
        ),
        Mistake(
            "the same noise at every call",
            _seeded,
            "Your noise is the same at every call.",
            "a fixed seed makes results repeatable. Set inside the function, "
            "it makes the noise a constant.",
        ),
    ),
    alternatives=(
        lambda mean, scale, count: D.Laplace(mean, scale).rsample((count,)),
        _row_by_row,
        lambda mean, scale, count: (
            mean
            + scale
            * (
                torch.empty(
                    count, *mean.shape, dtype=mean.dtype
                ).exponential_()
                - torch.empty(
                    count, *mean.shape, dtype=mean.dtype
                ).exponential_()
            )
        ),
    ),
    seconds=45.0,  # enough for a slow loop over every single number
)
