"""Exercise 4.2: the gap."""

from __future__ import annotations

import torch
from torch import Tensor
from torch import distributions as D

from vae_course.exercises.exercise import Exercise, Mistake, trials_against


def elbo_gap(q_mean, q_var, mean, precision):
    """log p(x) minus the ELBO, when the true posterior is Gaussian.

    Args:
        q_mean: means of q(z|x), (B, D).
        q_var: variances of q(z|x), whose dimensions are independent, (B, D).
        mean: means of the true posterior, (B, D).
        precision: of the true posterior, the inverse of its covariance; one
            for all images, (D, D).

    Returns:
        The gap of each image, (B,), in nats.
    """
    away = q_mean - mean
    spread = (precision.diagonal() * q_var).sum(dim=1)
    distance = (away @ precision * away).sum(dim=1)
    logs = q_var.log().sum(dim=1) + torch.logdet(precision)
    return 0.5 * (spread + distance - mean.shape[1] - logs)


def _gap_of_torch(q_mean, q_var, mean, precision) -> Tensor:
    q = D.MultivariateNormal(q_mean, torch.diag_embed(q_var))
    p = D.MultivariateNormal(mean, precision_matrix=precision)
    return D.kl_divergence(q, p)


def _gap_by_eigenvalues(q_mean, q_var, mean, precision) -> Tensor:
    values, vectors = torch.linalg.eigh(precision)
    turned = (q_mean - mean) @ vectors
    spread = torch.einsum("bd,dk,k->b", q_var, vectors.square(), values)
    return 0.5 * (
        spread
        + (turned.square() * values).sum(-1)
        - len(values)
        - torch.log(q_var).sum(-1)
        - values.log().sum()
    )


def _posteriors():
    inputs = [
        {
            "q_mean": torch.tensor([[1.0, 0.0]]),
            "q_var": torch.tensor([[0.5, 1.0]]),
            "mean": torch.tensor([[0.5, 0.5]]),
            "precision": torch.tensor([[2.0, 1.0], [1.0, 3.0]]),
        }
    ]
    for batch, size, dtype in ((3, 3, torch.float32), (5, 4, torch.float64)):
        root = torch.randn(size, size, dtype=dtype)
        inputs.append(
            {
                "q_mean": torch.randn(batch, size, dtype=dtype),
                "q_var": torch.rand(batch, size, dtype=dtype) + 0.2,
                "mean": torch.randn(batch, size, dtype=dtype),
                "precision": root @ root.T + torch.eye(size, dtype=dtype),
            }
        )
    # No gradient in the precision: a symmetric matrix has several right ones.
    return trials_against(_gap_of_torch, inputs)


GAP = Exercise(
    number="4.2",
    title="What the bound lacks",
    prompt="""\
For a Gaussian posterior with mean $m$ and precision $\\Lambda$, derive the gap
of the ELBO and code it. [The exact gap](https://vae-course.github.io/vae-course/book/elbo.html#thm-gap)
says what it is. The divergence of two Gaussians that you need has four terms;
try it for one dimension first.""",
    solution=elbo_gap,
    why="""\
The gap is KL(q ‖ posterior). Of the precision only the diagonal meets the
variances of q, because q has no correlations; all of it weighs the distance of
the means; and its determinant says how large the posterior is. At the best q
with independent dimensions the first three terms cancel, and the determinant
against the diagonal is what is left.""",
    proved="you have the gap of any Gaussian q to any Gaussian posterior, in "
    "closed form.",
    hints=(
        "log p(x) − ELBO is a divergence. Between which two, and which comes "
        "first?",
        "½ (tr(ΛΣ) + (μ − m)ᵀΛ(μ − m) − D − log det Σ − log det Λ) with Σ = "
        "diag(σ²).",
        "Σ is diagonal, so the trace needs only `precision.diagonal()` and "
        "`q_var`. For the quadratic form of all rows at once, with `away` for "
        "the difference of the means: `away @ precision` is (B, D); multiply "
        "it by `away` and sum over `dim=1`. `torch.logdet` gives log det Λ, "
        "and log det Σ is a sum of logarithms.",
    ),
    trials=_posteriors,
    mistakes=(
        Mistake(
            "the divergence the other way round",
            lambda qm, qv, m, p: D.kl_divergence(
                D.MultivariateNormal(m, precision_matrix=p),
                D.MultivariateNormal(qm, torch.diag_embed(qv)),
            ),
            "You computed KL(posterior ‖ q). The ELBO takes its expectation "
            "under q.",
            "the posterior is the truth, and one wants to begin with it.",
        ),
        Mistake(
            "the correlations left out",
            lambda qm, qv, m, p: D.kl_divergence(
                D.Normal(qm, qv.sqrt()), D.Normal(m, p.diagonal().rsqrt())
            ).sum(dim=1),
            "You used the diagonal of the precision alone, as if the "
            "posterior had independent dimensions, too.",
            "q is diagonal, and a formula for two diagonal Gaussians is at "
            "hand.",
        ),
        Mistake(
            "the determinant left out",
            lambda qm, qv, m, p: (
                elbo_gap(qm, qv, m, p) + 0.5 * torch.logdet(p)
            ),
            "log det Λ is missing: the gap would not be zero at the posterior "
            "itself.",
            "against N(0, I) it is zero, and so it stands in no formula for "
            "the rate.",
        ),
        Mistake(
            "the determinant with the other sign",
            lambda qm, qv, m, p: elbo_gap(qm, qv, m, p) + torch.logdet(p),
            "log det Λ has the wrong sign. Λ is the inverse of the "
            "covariance, and so the sign of its log-determinant is turned.",
            "textbooks write the divergence with covariances: log det Σ₂ − "
            "log det Σ₁.",
        ),
        Mistake(
            "the dimensions are not subtracted",
            lambda qm, qv, m, p: elbo_gap(qm, qv, m, p) + 0.5 * m.shape[1],
            "D is missing: your gap is too large by ½ for each dimension.",
            "a constant has no gradient, and training would not notice.",
        ),
        Mistake(
            "the covariance in place of the precision",
            lambda qm, qv, m, p: elbo_gap(qm, qv, m, torch.linalg.inv(p)),
            "You took the precision for a covariance (or inverted it once "
            "more).",
            "Gaussians are mostly given by covariances.",
        ),
    ),
    alternatives=(_gap_of_torch, _gap_by_eigenvalues),
)
