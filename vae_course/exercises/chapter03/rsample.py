"""Exercise 3.1: a sample with a gradient."""

from __future__ import annotations

import torch
from torch import Tensor
from torch import distributions as D

from vae_course.exercises.engine.results import a_tensor
from vae_course.exercises.exercise import Exercise, Mistake, Trial


def rsample(mean, std, count):
    """Draws from N(mean, diag(std²)) through which gradients can pass.

    Args:
        mean: (B, D).
        std: standard deviations, not variances, (B, D).
        count: the number K of draws for each row.

    Returns:
        K independent draws for each row, (K, B, D).
    """
    noise = torch.randn(count, *mean.shape, dtype=mean.dtype)
    return mean + std * noise


def _draw(rsample, mean: Tensor, std: Tensor, count: int) -> dict[str, Tensor]:
    """Moments of the draws and gradients, which luck does not change."""
    mean, std = mean.requires_grad_(), std.requires_grad_()
    wanted = (count, *mean.shape)
    z = a_tensor(rsample(mean, std, count), wanted, mean, weigh_values=False)
    slopes = (torch.zeros_like(mean), torch.zeros_like(std))
    if z.requires_grad:
        # Its gradients are 2z and 2zε on average: 2 mean and 2 std.
        total = z.square().sum() / count
        found = torch.autograd.grad(total, (mean, std), allow_unused=True)
        slopes = [
            zero if slope is None else slope
            for zero, slope in zip(slopes, found, strict=True)
        ]
    centred = (z - z.mean(dim=0)).detach()
    neighbours = (centred[1:] * centred[:-1]).mean(dim=0)
    return {
        "mean of the draws": z.mean(dim=0),
        "variance of the draws": centred.square().mean(dim=0),
        "fourth power of the deviation, averaged": centred.pow(4).mean(dim=0),
        "product of one draw with the next": neighbours,
        "gradient of E[z²] with respect to mean": slopes[0],
        "gradient of E[z²] with respect to std": slopes[1],
    }


def _rows():
    mean = torch.tensor([[1.0, -0.5]])
    std = torch.tensor([[0.5, 0.8]])
    for m, s in (
        (mean, std),
        (
            torch.randn(2, 3).double().clamp(-1, 1),
            torch.rand(2, 3).double() / 2 + 0.2,
        ),
    ):
        expected = {
            "mean of the draws": m,
            "variance of the draws": s**2,
            "fourth power of the deviation, averaged": 3 * s**4,
            "product of one draw with the next": torch.zeros_like(m),
            "gradient of E[z²] with respect to mean": 2 * m,
            "gradient of E[z²] with respect to std": 2 * s,
        }
        # 100,000 draws: a standard error of about 0.01 in the fourth powers.
        yield Trial(
            {"mean": m, "std": s, "count": 100_000},
            expected,
            _draw,
            tolerance=0.04,
            likeness=0.04,
        )


RSAMPLE = Exercise(
    number="3.1",
    title="A sample with a gradient",
    prompt="""\
Write `rsample`: draws from a Gaussian through which the gradient reaches the
mean **and** the standard deviation. `torch.randn` is allowed;
`torch.distributions` would be the answer.""",
    solution=rsample,
    why="""\
All randomness comes from `noise`, which depends on nothing. What is left, a
sum and a product, is as differentiable as any layer. The noise has the full
shape (K, B, D): one number for each draw, row and dimension, and its dtype is
the mean's, so that a model in double precision stays there.""",
    proved="your draws have the moments of a Gaussian, are independent of "
    "each other, and let the gradient through to both parameters.",
    hints=(
        "Draw first what has no parameters, then move and stretch it.",
        "A standard normal number times s has the standard deviation s. How "
        "many such numbers do K draws of B rows with D dimensions need?",
        "`noise = torch.randn(count, *mean.shape, dtype=mean.dtype)`, then "
        "return `mean + std * noise`.",
    ),
    trials=_rows,
    mistakes=(
        Mistake(
            "uniform noise",
            lambda mean, std, count: (
                mean + std * torch.rand(count, *mean.shape, dtype=mean.dtype)
            ),
            "Your noise is uniform on [0, 1]: its mean is 0.5, not 0, and its "
            "standard deviation 0.289, not 1.",
            "`torch.rand` and `torch.randn` differ by one letter.",
        ),
        Mistake(
            "the graph is cut",
            lambda mean, std, count: D.Normal(mean, std).sample((count,)),
            "Your draws are right, but no gradient passes: they are new "
            "numbers with no memory of mean and std.",
            "`torch.normal(mean, std)` and `Normal.sample` look like the "
            "formula. A random generator is no function of its parameters "
            "that could be differentiated.",
            also=(
                lambda mean, std, count: torch.normal(
                    mean.detach().expand(count, *mean.shape),
                    std.detach().expand(count, *mean.shape),
                ),
                lambda mean, std, count: (
                    mean
                    + std * torch.randn(count, *mean.shape, dtype=mean.dtype)
                ).detach(),
            ),
        ),
        Mistake(
            "one noise for all draws",
            lambda mean, std, count: (
                mean + std * torch.randn_like(mean)
            ).expand(count, *mean.shape),
            "All K draws of a row are the same: the noise was drawn once.",
            "`torch.randn_like(mean)` has the shape of the mean, and "
            "broadcasting hides what is missing.",
            also=(
                lambda mean, std, count: (
                    mean
                    + std
                    * torch.randn(1, *mean.shape, dtype=mean.dtype).repeat(
                        count, 1, 1
                    )
                ),
            ),
        ),
        Mistake(
            "std read as a variance",
            lambda mean, std, count: (
                mean
                + std.sqrt()
                * torch.randn(count, *mean.shape, dtype=mean.dtype)
            ),
            "Your draws have the variance std, so their standard deviation is "
            "its root.",
            "the mathematics writes N(μ, σ²), with the variance; the code "
            "holds σ.",
        ),
        Mistake(
            "std squared",
            lambda mean, std, count: (
                mean
                + std**2 * torch.randn(count, *mean.shape, dtype=mean.dtype)
            ),
            "You multiplied the noise with the variance, std²: the spread of "
            "your draws is std² where it should be std.",
            "the mathematics writes N(μ, σ²).",
        ),
        Mistake(
            "std read as a log-variance",
            lambda mean, std, count: (
                mean
                + torch.exp(0.5 * std)
                * torch.randn(count, *mean.shape, dtype=mean.dtype)
            ),
            "You exponentiated: your standard deviation is exp(½ std).",
            "encoders return log-variances, so the line `std = exp(0.5 * "
            "log_var)` comes by itself. Here the argument already is the "
            "standard deviation.",
        ),
        Mistake(
            "no gradient to the spread",
            lambda mean, std, count: (
                mean
                + std.detach()
                * torch.randn(count, *mean.shape, dtype=mean.dtype)
            ),
            "The gradient reaches the mean but not std: the spread could "
            "never be learned.",
            "the draws are right in every moment; only the backward pass "
            "shows it.",
        ),
    ),
    alternatives=(
        lambda mean, std, count: D.Normal(mean, std).rsample((count,)),
        lambda mean, std, count: (
            torch.stack(
                [mean + std * torch.randn_like(mean) for _ in range(count)]
            )
            if count <= 100
            else torch.addcmul(
                mean, std, torch.randn(count, *mean.shape, dtype=mean.dtype)
            )
        ),
    ),
)
