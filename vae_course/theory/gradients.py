"""Two ways to differentiate an expectation in a parameter of its distribution.

Both estimate the gradient of E[f(z)], z ~ N(mean, diag(std²)), with respect to
the mean. Both are unbiased; chapter 3 measures how much they differ otherwise.
Each returns one estimate a sample, so that their spread can be looked at.

Sources: Kingma & Welling 2013 (https://arxiv.org/abs/1312.6114, section 2.4),
Williams 1992 (https://doi.org/10.1007/BF00992696),
Mohamed et al. 2020 (https://arxiv.org/abs/1906.10652).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch import distributions as D

Function = Callable[[Tensor], Tensor]


def pathwise_gradient(
    f: Function, mean: Tensor, std: Tensor, samples: int
) -> Tensor:
    """∇f(mean + std ⊙ ε): the gradient through the sample.

    Args:
        f: differentiable, (S, D) → (S,); each row's value is its own.
        mean: (D,).
        std: (D,), positive.
        samples: the number S of draws.

    Returns:
        (S, D), one estimate a sample; their mean estimates the gradient.

    Raises:
        ValueError: f's output is not (S,), or has no gradient with respect to
            z.
    """
    # A leaf of its own for every sample: one backward pass then gives the
    # gradients of all samples apart, not their sum.
    means = mean.detach().expand(samples, -1).clone().requires_grad_()
    z = D.Normal(means, std.detach()).rsample()  # (S, D)
    values = _checked(f(z), samples)
    if not values.requires_grad:
        raise ValueError(
            "f(z) has no gradient with respect to z, so there is no path to "
            "differentiate along: is there a detach, an argmax or a NumPy "
            "call in f? score_function_gradient() needs no path."
        )
    (gradients,) = torch.autograd.grad(values.sum(), means)
    return gradients


@torch.no_grad()
def score_function_gradient(
    f: Function,
    mean: Tensor,
    std: Tensor,
    samples: int,
    *,
    baseline: bool = False,
) -> Tensor:
    """f(z) · ∇ log N(z; mean, std²): the gradient of the distribution.

    Known as REINFORCE. It never differentiates f, so f may be anything.

    Args:
        f: (S, D) → (S,); each row's value is its own.
        mean: (D,).
        std: (D,), positive.
        samples: the number S of draws.
        baseline: subtract from each value the mean of the others (Kool et al.
            2019). It does not depend on the sample itself, so nothing is
            biased, and the spread falls.

    Returns:
        (S, D), one estimate a sample; their mean estimates the gradient.

    Raises:
        ValueError: f's output is not (S,), or a baseline is asked of a single
            sample.
    """
    if baseline and samples < 2:
        raise ValueError(
            "The baseline of a sample is the mean of the others: it needs "
            f"samples=2 or more, got {samples}."
        )
    z = D.Normal(mean, std).sample((samples,))  # (S, D)
    values = _checked(f(z), samples)
    if baseline:
        values = values - (values.sum() - values) / (samples - 1)
    score = (z - mean) / std**2  # ∇ of log N(z; mean, std²) in the mean
    return values[:, None] * score


# The three that chapter 3 compares; each takes f, mean, std, samples.
ESTIMATORS: dict[str, Callable[[Function, Tensor, Tensor, int], Tensor]] = {
    "pathwise": pathwise_gradient,
    "score function": score_function_gradient,
    "with baseline": partial(score_function_gradient, baseline=True),
}


def square_variances(
    size: int, mean: float = 1.0, std: float = 0.5
) -> dict[str, float]:
    """How far the estimators spread for f(z) = Σ z², in closed form.

    The proposition *Variance of the two estimators for a square* of the
    derivation page: the variance of one coordinate of the gradient, from one
    sample.

    Args:
        size: the number D of dimensions.
        mean: of every dimension.
        std: likewise.

    Returns:
        By the names of :data:`ESTIMATORS`; the baseline is E[f(z)].
    """
    a = mean**2 + std**2  # the mean of one square
    v = 2 * std**4 + 4 * mean**2 * std**2  # its variance
    c = mean**4 + 18 * mean**2 * std**2 + 15 * std**4
    cross = 2 * a * (a + 2 * std**2)
    moment = (size - 1) ** 2 * a**2 + (size - 1) * (v + cross) + c
    centred = (size - 1) * v + c - cross + a**2
    return {
        "pathwise": 4 * std**2,
        "score function": moment / std**2 - 4 * mean**2,
        "with baseline": centred / std**2 - 4 * mean**2,
    }


def _checked(values: Tensor, samples: int) -> Tensor:
    if values.shape != (samples,):
        raise ValueError(
            f"f must return one value a sample, ({samples},), got "
            f"{tuple(values.shape)}: sum over the last dimension only."
        )
    return values
