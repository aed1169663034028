"""Exercise 3.3: the other estimator."""

from __future__ import annotations

import torch
from torch import Tensor
from torch import distributions as D

from vae_course.exercises.exercise import Exercise, Mistake, trials_against


def score_gradient(values, z, mean, std):
    """Score-function estimates of the gradient of E[f(z)] in the mean.

    Subtract from each value the mean of the OTHER values, then multiply by the
    gradient of log N(z; mean, diag(std²)) with respect to the mean.

    Args:
        values: f(z) of each sample, (S,), with S ≥ 2.
        z: the samples, (S, D).
        mean: (D,).
        std: (D,).

    Returns:
        One estimate a sample, (S, D).
    """
    others = (values.sum() - values) / (len(values) - 1)
    score = (z - mean) / std**2
    return (values - others)[:, None] * score


def _by_density(
    values: Tensor, z: Tensor, mean: Tensor, std: Tensor
) -> Tensor:
    """The same, with the score by autograd and the baselines one by one."""
    rows = []
    for i, value in enumerate(values.detach()):
        leaf = mean.detach().clone().requires_grad_()
        log_prob = D.Normal(leaf, std.detach()).log_prob(z[i].detach()).sum()
        (score,) = torch.autograd.grad(log_prob, leaf)
        others = torch.cat([values.detach()[:i], values.detach()[i + 1 :]])
        rows.append((value - others.mean()) * score)
    return torch.stack(rows)


def _samples():
    inputs = [
        {
            "values": torch.tensor([1.0, 3.0, 8.0]),
            "z": torch.tensor([[0.5], [1.0], [3.0]]),
            "mean": torch.tensor([1.0]),
            "std": torch.tensor([0.5]),
        }
    ] + [
        {
            "values": 5 * torch.randn(count, dtype=dtype),
            "z": torch.randn(count, size, dtype=dtype),
            "mean": torch.randn(size, dtype=dtype),
            "std": torch.rand(size, dtype=dtype) + 0.5,
        }
        for count, size, dtype in (
            (2, 3, torch.float32),
            (6, 1, torch.float32),
            (9, 4, torch.float64),
        )
    ]
    inputs.append(  # where a clamp would show
        {
            "values": 100 * torch.randn(5, dtype=torch.float64),
            "z": 30 * torch.randn(5, 2, dtype=torch.float64),
            "mean": torch.tensor([70.0, -2.0], dtype=torch.float64),
            "std": torch.tensor([9.0, 0.4], dtype=torch.float64),
        }
    )
    return trials_against(_by_density, inputs)


SCORE = Exercise(
    number="3.3",
    title="The gradient of a black box",
    prompt="""\
When $f$ cannot be differentiated, its values are all there is. Write the
score-function estimator for them, with the mean of the other values as the
baseline of each.""",
    solution=score_gradient,
    why="""\
The score of a Gaussian in its mean is (z − mean) / std², with the variance
below. A baseline may be subtracted because the score has mean zero, and only
as long as the baseline does not depend on the sample itself: that is why each
sample's own value is left out. Without any baseline the estimator is right
too, and on most functions noisier.""",
    proved="your estimates are those of the score function with the mean of "
    "the other values as baseline, and no slope of f was needed.",
    hints=(
        "Two factors: a value that says how good the sample was, and a "
        "direction that makes that sample more likely.",
        "The sum of the others is the sum of all minus the own one; there are "
        "S − 1 of them. The logarithm of a Gaussian is −(z − mean)² / (2 "
        "std²) and a constant.",
        "`values.sum() - values` holds, for each value, the sum of its "
        "others; divide by how many they are. Value minus baseline, shaped "
        "(S, 1) by `[:, None]`, multiplies the derivative of that logarithm "
        "in the mean, in which the two minus signs and the 2 cancel.",
    ),
    trials=_samples,
    mistakes=(
        Mistake(
            "the own value in the baseline",
            lambda values, z, mean, std: (
                (values - values.mean())[:, None] * (z - mean) / std**2
            ),
            "Your baseline is the mean of all values, the sample's own among "
            "them. Every estimate is too small by the factor (S − 1)/S.",
            "`values.mean()` is one call, and with many samples hardly anyone "
            "notices.",
        ),
        Mistake(
            "no baseline",
            lambda values, z, mean, std: values[:, None] * (z - mean) / std**2,
            "The baseline is missing. The estimate is unbiased all the same, "
            "but mostly spreads much more.",
            "the formula of the estimator is complete without it.",
        ),
        Mistake(
            "divided by the standard deviation",
            lambda values, z, mean, std: (
                (values - (values.sum() - values) / (len(values) - 1))[:, None]
                * (z - mean)
                / std
            ),
            "You divided by std; the exponent of a Gaussian has the variance "
            "below.",
            "(z − mean) / std is the standardised sample, a familiar sight.",
        ),
        Mistake(
            "the sign of the score",
            lambda values, z, mean, std: (
                (values - (values.sum() - values) / (len(values) - 1))[:, None]
                * (mean - z)
                / std**2
            ),
            "Your gradient points the other way: it makes good samples less "
            "likely.",
            "the exponent has a minus, and so has the inner derivative of (z "
            "− mean)². They cancel.",
        ),
        Mistake(
            "the log-density for its gradient",
            lambda values, z, mean, std: (
                (values - (values.sum() - values) / (len(values) - 1))[:, None]
                * D.Normal(mean, std).log_prob(z)
            ),
            "You multiplied by log N(z) itself. The estimator takes its "
            "gradient in the mean.",
            "`log_prob` is what code shows, because autograd does the rest.",
        ),
        Mistake(
            "the score of std",
            lambda values, z, mean, std: (
                (values - (values.sum() - values) / (len(values) - 1))[:, None]
                * ((z - mean).square() - std**2)
                / std**3
            ),
            "That is the gradient of log N(z) in std. In the mean is asked "
            "for.",
            "log N has two parameters, and the other one takes more work.",
        ),
        Mistake(
            "the 2 stays",
            lambda values, z, mean, std: (
                (values - (values.sum() - values) / (len(values) - 1))[:, None]
                * (z - mean)
                / (2 * std**2)
            ),
            "Half of the score is gone: the square's derivative brings a 2, "
            "which cancels the one below.",
            "2σ² stands below in every Gaussian.",
        ),
        Mistake(
            "one less is forgotten",
            lambda values, z, mean, std: (
                (values - (values.sum() - values) / len(values))[:, None]
                * (z - mean)
                / std**2
            ),
            "You divided the sum of the others by S; there are S − 1 of them.",
            "a mean divides by the number of samples, and one of them was "
            "just left out.",
        ),
        Mistake(
            "one estimate for all samples",
            lambda values, z, mean, std: score_gradient(
                values, z, mean, std
            ).mean(dim=0),
            "You averaged, or summed, over the samples. One estimate for each "
            "is asked for, so that their spread can be measured.",
            "the gradient itself is that mean.",
            also=(
                lambda values, z, mean, std: score_gradient(
                    values, z, mean, std
                ).sum(dim=0),
            ),
        ),
        Mistake(
            "the sum of the others",
            lambda values, z, mean, std: (
                (2 * values - values.sum())[:, None] * (z - mean) / std**2
            ),
            "You subtracted the sum of the other values instead of their "
            "mean.",
            "`values.sum() - values` is the hard part, and the division is "
            "forgotten after it.",
        ),
    ),
    alternatives=(
        _by_density,
        lambda values, z, mean, std: (
            ((values - values.mean()) * len(values) / (len(values) - 1))[
                :, None
            ]
            * ((z - mean) / std.square())
        ),
    ),
)
