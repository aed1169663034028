"""Exercise 4.1: two Gaussians."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch import distributions as D

from vae_course.exercises.exercise import Exercise, Mistake, trials_against


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
    distance = (mean - prior_mean).square() / prior_log_var.exp()
    return 0.5 * (ratio + distance - 1 - log_var + prior_log_var).sum(dim=1)


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


def _pairs():
    names = ("mean", "log_var", "prior_mean", "prior_log_var")
    inputs = [
        dict(
            zip(
                names,
                torch.tensor(
                    [[[1.0, 0.0]], [[0.0, 1.0]], [[0.0, 0.5]], [[1.0, 0.0]]]
                ),
                strict=True,
            )
        )
    ] + [
        {name: torch.randn(batch, size, dtype=dtype) for name in names}
        for batch, size, dtype in (
            (3, 4, torch.float32),
            (6, 2, torch.float64),
        )
    ]
    return trials_against(_kl_of_torch, inputs, slopes=names)


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
logarithms, which neither overflows nor divides by zero.""",
    proved="your divergence is PyTorch's, and so are its gradients, for any "
    "pair of Gaussians.",
    hints=(
        "Start from N(0, I): ½ Σ (μ² + σ² − log σ² − 1). Which terms must "
        "know about p?",
        "Measure everything in p's units: (μ − m)² and σ² are both divided by "
        "p's variance, and log σ² becomes log σ² − log s².",
        "In p's units the terms are `torch.exp(log_var - prior_log_var)`, the "
        "squared distance of the means over `prior_log_var.exp()`, −1, and "
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
            "summed over the batch",
            lambda m, v, pm, pv: gaussian_kl(m, v, pm, pv).sum(),
            "You summed over the batch, too. One number for each row is asked "
            "for.",
            "`.sum()` without a dimension sums everything there is.",
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
