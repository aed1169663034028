"""Exercise 4.2: the gap."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor
from torch import distributions as D

from vae_course.exercises.exercise import (
    Exercise,
    Mistake,
    Trial,
    trials_against,
)


def elbo_gap(q_mean, q_var, mean, precision):
    """log p(x) minus the ELBO, when the true posterior is Gaussian.

    Args:
        q_mean: means of q(z|x), (B, D).
        q_var: variances of q(z|x), whose dimensions are independent, (B, D).
        mean: means of the true posterior, (B, D).
        precision: of the true posterior, the inverse of its covariance; one
            for all images, (D, D).

    Returns:
        The gap of each image, (B,), in nats; with gradients to q.
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


def _posteriors() -> Iterator[dict[str, Tensor]]:
    yield {
        "q_mean": torch.tensor([[1.0, 0.0]]),
        "q_var": torch.tensor([[0.5, 1.5]]),
        "mean": torch.tensor([[0.5, 0.3]]),
        "precision": torch.tensor([[2.0, 1.0], [1.0, 3.0]]),
    }
    # The last two have determinants of 1e50 and 1e−70 or so.
    for batch, size, unit, dtype in (
        (3, 3, 1.0, torch.float32),
        (4, 1, 1.0, torch.float32),
        (5, 4, 1.0, torch.float64),
        (2, 12, 1e-2, torch.float32),
        (2, 12, 1e3, torch.float32),
    ):
        root = torch.randn(size, size, dtype=dtype) / size**0.5
        away, near = torch.randn(2, batch, size, dtype=dtype)
        q_var = unit**2 * (torch.rand(batch, size, dtype=dtype) + 0.2)
        if batch == 5:  # from very narrow to wide; the first is at its place
            q_var *= torch.logspace(-3, 0, batch, dtype=dtype)[:, None]
            away[0] = near[0] + 0.01
        yield {
            "q_mean": unit * away,
            "q_var": q_var,
            "mean": unit * near,
            "precision": (root @ root.T + torch.eye(size, dtype=dtype))
            / unit**2,
        }


def _trials() -> Iterator[Trial]:
    # No gradient in the precision: a symmetric matrix has several right ones.
    for trial in trials_against(
        _gap_of_torch, _posteriors(), ("q_mean", "q_var")
    ):
        wide = trial.arguments["mean"].shape[1] > 4  # sums of larger numbers
        yield replace(trial, tolerance=2e-3 if wide else 1e-4, likeness=4e-3)


GAP = Exercise(
    number="4.2",
    title="What the bound lacks",
    prompt="""\
For a Gaussian posterior with mean $m$ and precision $\\Lambda$, derive the gap
of the ELBO and code it. [The exact gap](https://vae-course.github.io/vae-course/book/elbo.html#thm-gap)
says what it is. The divergence of two Gaussians that you need has four terms;
try it for one dimension first. A q is to be trained on it, so gradients must
reach its means and variances; and it must hold in many dimensions, where a
determinant is too large or too small for a number.""",
    solution=elbo_gap,
    why="""\
The gap is KL(q ‖ posterior). Of the precision only the diagonal meets the
variances of q, because q has no correlations; all of it weighs the distance of
the means; and its determinant says how large the posterior is. At the best q
with independent dimensions the first three terms cancel, and the determinant
against the diagonal is what is left.""",
    proved="you have the gap of a Gaussian q with independent dimensions to a "
    "Gaussian posterior, in closed form, and can train q on it.",
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
    trials=_trials,
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
            "the determinant leaves the numbers",
            lambda qm, qv, m, p: (
                elbo_gap(qm, qv, m, p)
                + 0.5 * (torch.logdet(p) - torch.det(p).log())
            ),
            "The formula is right, and the computer cannot follow: the "
            "determinant of a 12×12 matrix is a product of twelve numbers, "
            "and leaves single precision. `torch.logdet` adds their "
            "logarithms.",
            "log det reads like two functions, one after the other.",
            also=(
                lambda qm, qv, m, p: (
                    elbo_gap(qm, qv, m, p)
                    + 0.5 * (torch.logdet(p) - torch.det(p).log())
                    + 0.5 * (qv.log().sum(dim=1) - qv.prod(dim=1).log())
                ),
            ),
        ),
        Mistake(
            "no gradient to q",
            lambda qm, qv, m, p: elbo_gap(qm, qv, m, p).detach(),
            "The values are right, but no gradient passes: no q can be "
            "trained on it.",
            "a number that is only looked at does not need any.",
        ),
        Mistake(
            "the half is missing",
            lambda qm, qv, m, p: 2 * elbo_gap(qm, qv, m, p),
            "Your gap is twice too large: the ½ is missing.",
            "the ½ stands in front of a long bracket and gets lost.",
        ),
        Mistake(
            "variances for log-variances",
            lambda qm, qv, m, p: elbo_gap(qm, qv.exp(), m, p),
            "You took `q_var` for a log-variance; it is the variance itself.",
            "encoders answer with log-variances.",
            also=(
                lambda qm, qv, m, p: (
                    elbo_gap(qm, qv, m, p) + 0.5 * (qv.log() - qv).sum(dim=1)
                ),
            ),
        ),
        Mistake(
            "variances for standard deviations",
            lambda qm, qv, m, p: elbo_gap(qm, qv.square(), m, p),
            "You squared `q_var`; it is the variance already.",
            "`Normal` takes a standard deviation.",
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
