"""Exercise 4.1: two Gaussians."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch import distributions as D

from vae_course.exercises.exercise import (
    Exercise,
    Mistake,
    Trial,
    trials_against,
)


def gaussian_kl(mean, log_var, prior_mean, prior_log_var):
    """KL(q ‖ p) of two Gaussians with independent dimensions.

    Args:
        mean: of q, (B, D).
        log_var: log-variances of q, (B, D).
        prior_mean: of p, (B, D).
        prior_log_var: log-variances of p, (B, D).

    Returns:
        The divergence of each row, (B,), in nats.
    """
    ratio = torch.exp(log_var - prior_log_var)
    away = (mean - prior_mean) * torch.exp(-0.5 * prior_log_var)
    logs = log_var - prior_log_var
    return 0.5 * (ratio + away.square() - 1 - logs).sum(dim=1)


def _kl_of_torch(mean, log_var, prior_mean, prior_log_var) -> Tensor:
    q = D.Normal(mean, torch.exp(0.5 * log_var))
    p = D.Normal(prior_mean, torch.exp(0.5 * prior_log_var))
    return D.kl_divergence(q, p).sum(dim=1)


def _kl_by_entropy(mean, log_var, prior_mean, prior_log_var) -> Tensor:
    """Cross-entropy minus entropy."""
    q = D.Normal(mean, torch.exp(0.5 * log_var))
    second = q.variance + (mean - prior_mean) ** 2
    cross = 0.5 * (
        math.log(2 * math.pi)
        + prior_log_var
        + second * torch.exp(-prior_log_var)
    )
    return (cross - q.entropy()).sum(dim=-1)


def _pairs() -> Iterator[Trial]:
    names = ("mean", "log_var", "prior_mean", "prior_log_var")
    first = [[[1.0, -0.5]], [[0.5, -1.0]], [[0.0, 0.25]], [[-0.5, 0.7]]]
    given = [torch.tensor(first)]
    given += [
        torch.randn(4, batch, size, dtype=dtype)
        for batch, size, dtype in (
            (3, 4, torch.float32),
            (5, 1, torch.float32),
            (6, 2, torch.float64),
        )
    ]
    given[1][2:, 0] = given[1][:2, 0]  # two that are equal
    # Far out, one column, so that no term hides behind a larger one.
    for far, dtype in ((32.0, torch.float32), (50.0, torch.float64)):
        column = torch.randn(4, 6, 1, dtype=dtype)
        signs = torch.tensor([0.0, 1, -1, 0, 0.2, -0.3], dtype=dtype)
        column[1, :, 0] += far * signs
        column[3, :, 0] += far * signs.roll(-1)
        column[2, 2:] = column[0, 2:]  # else their distance is all one sees
        given.append(column)
    # Centres far apart; and two narrow ones, close to each other.
    wide = torch.randn(4, 3, 2, dtype=torch.float64)
    wide[::2] *= 60
    wide[1:, 0] = torch.tensor([[-6.0], [0.0], [-5.0]])
    wide[2, 0] = wide[0, 0] + 0.01
    given.append(wide)
    inputs = [dict(zip(names, each, strict=True)) for each in given]
    yield from trials_against(_kl_of_torch, inputs)


KL = Exercise(
    number="4.1",
    title="Two Gaussians",
    prompt="""\
The rate of a VAE is the divergence of $q$ to $\\mathcal{N}(0, I)$. Write the
general case, with any mean and variance in the second place, from the proof of
[the rate in closed form](https://vae-course.github.io/vae-course/book/elbo.html#prop-kl).
Hierarchical VAEs need it: their priors are learned.""",
    solution=gaussian_kl,
    why="""\
The variance of q over that of p, plus the squared distance of the means in
units of p's variance, minus one, plus the difference of the log-variances;
then a half and a sum over the dimensions. With p = N(0, I) it is the familiar
formula. The ratio of variances is taken as the exponential of a difference of
logarithms: two variances that are both too small for single precision still
have a ratio, and nothing is divided by zero.""",
    proved="your divergence is PyTorch's, for narrow and for broad Gaussians, "
    "near and far.",
    hints=(
        "Start from N(0, I): ½ Σ (μ² + σ² − log σ² − 1). Which terms must "
        "know about p?",
        "Measure everything in p's units: (μ − m)² and σ² are both divided by "
        "p's variance, and log σ² becomes log σ² − log s².",
        "In p's units the terms are `torch.exp(log_var - prior_log_var)`, the "
        "squared distance of the means over the variance of p, −1, and "
        "minus the logarithm of the first. The sum over `dim=1` and the ½ "
        "come last.",
    ),
    trials=_pairs,
    mistakes=(
        Mistake(
            "the divergence the other way round",
            lambda m, v, pm, pv: gaussian_kl(pm, pv, m, v),
            "You computed KL(p ‖ q). The two are different numbers: the first "
            "argument is the distribution under which the expectation is "
            "taken.",
            "it looks like a distance, and distances have no direction.",
        ),
        Mistake(
            "the half is missing",
            lambda m, v, pm, pv: 2 * gaussian_kl(m, v, pm, pv),
            "Your divergence is twice too large.",
            "the ½ stands in front of a long bracket and gets lost.",
        ),
        Mistake(
            "the minus one is missing",
            lambda m, v, pm, pv: gaussian_kl(m, v, pm, pv) + 0.5 * m.shape[1],
            "Yours is not zero when the two are equal: it is ½ for each "
            "dimension.",
            "the −1 is what is left of −(z − μ)²/σ², whose expectation is "
            "easily taken for nothing.",
        ),
        Mistake(
            "one −1 for all dimensions",
            lambda m, v, pm, pv: (
                gaussian_kl(m, v, pm, pv) + 0.5 * (m.shape[1] - 1)
            ),
            "The −1 stands outside the sum: it belongs to every dimension.",
            "a constant looks the same inside a sum and outside.",
        ),
        Mistake(
            "the standard prior",
            lambda m, v, pm, pv: gaussian_kl(
                m, v, torch.zeros_like(pm), torch.zeros_like(pv)
            ),
            "That is the divergence to N(0, I): the prior's mean and variance "
            "are not used.",
            "it is the formula of every VAE, and stands two pages before.",
        ),
        Mistake(
            "the ratio upside down",
            lambda m, v, pm, pv: (
                0.5
                * (
                    torch.exp(pv - v)
                    + (m - pm).square() / pv.exp()
                    - 1
                    - v
                    + pv
                ).sum(dim=1)
            ),
            "You divided the variance of p by that of q; here q's is above.",
            "in the logarithm it is the other way up, because of its minus.",
        ),
        Mistake(
            "the logarithms the other way round",
            lambda m, v, pm, pv: (
                gaussian_kl(m, v, pm, pv) + (v - pv).sum(dim=1)
            ),
            "The logarithms have the wrong sign: a q that is narrower than p "
            "has a positive −log σ² + log s².",
            "two signs, and two orders of the two Gaussians.",
        ),
        Mistake(
            "summed over the batch",
            lambda m, v, pm, pv: gaussian_kl(m, v, pm, pv).sum(),
            "You summed over the batch, too. One number for each row is asked "
            "for.",
            "`.sum()` without a dimension sums everything there is.",
            also=(
                lambda m, v, pm, pv: (
                    gaussian_kl(m, v, pm, pv).sum().unsqueeze(0)
                ),
            ),
        ),
        Mistake(
            "averaged over the dimensions",
            lambda m, v, pm, pv: gaussian_kl(m, v, pm, pv) / m.shape[1],
            "You averaged over the dimensions: the divergence is their sum, "
            "and yours is too small by the factor D.",
            "a mean looks tidier, and its size does not depend on D. That is "
            "just what is wrong with it.",
        ),
        Mistake(
            "variances taken for standard deviations",
            lambda m, v, pm, pv: gaussian_kl(m, 2 * v, pm, 2 * pv),
            "You took log_var for log σ, and squared its exponential once too "
            "often.",
            "many networks return log σ; this one returns log σ².",
            also=(
                lambda m, v, pm, pv: D.kl_divergence(
                    D.Normal(m, v.exp()), D.Normal(pm, pv.exp())
                ).sum(dim=1),
            ),
        ),
        Mistake(
            "the distance in plain units",
            lambda m, v, pm, pv: (
                0.5
                * (torch.exp(v - pv) + (m - pm).square() - 1 - v + pv).sum(
                    dim=1
                )
            ),
            "The distance of the means is not divided by the variance of p. A "
            "step of one is large for a narrow p and small for a wide one.",
            "in the usual formula p has variance one, and nothing has to be "
            "divided.",
        ),
    ),
    alternatives=(_kl_of_torch, _kl_by_entropy),
)
