"""Chapter 4: attempts as students write them, right and wrong."""

import math

import numpy as np
import torch
from torch import distributions as D

from vae_course.exercises import registry

RIGHT, WRONG = {}, {}


def numpy(*tensors):
    return [each.detach().double().numpy() for each in tensors]


# --- 4.1: two Gaussians ------------------------------------------------------

kl = registry.find("4.1").solution


def kl_by_loops(mean, log_var, prior_mean, prior_log_var):
    out = []
    for rows in zip(mean, log_var, prior_mean, prior_log_var, strict=True):
        total = 0.0
        for m, v, pm, pv in zip(*map(torch.Tensor.tolist, rows), strict=True):
            total += (
                math.exp(v - pv) + (m - pm) ** 2 * math.exp(-pv) - 1 - v + pv
            )
        out.append(total / 2)
    return torch.tensor(out, dtype=mean.dtype)


def kl_by_numpy(mean, log_var, prior_mean, prior_log_var):
    m, v, pm, pv = numpy(mean, log_var, prior_mean, prior_log_var)
    each = 0.5 * (np.exp(v - pv) + (m - pm) ** 2 / np.exp(pv) - 1 - v + pv)
    return torch.tensor(each.sum(1)).to(mean)


def kl_of_matrices(mean, log_var, prior_mean, prior_log_var):
    q = D.MultivariateNormal(
        mean, scale_tril=torch.diag_embed((log_var / 2).exp())
    )
    p = D.MultivariateNormal(
        prior_mean, scale_tril=torch.diag_embed((prior_log_var / 2).exp())
    )
    return D.kl_divergence(q, p)


def kl_with_variances(mean, log_var, prior_mean, prior_log_var):
    """In double precision, where any of these variances is a number."""
    a, b = log_var.double().exp(), prior_log_var.double().exp()
    away = (mean - prior_mean).double()
    each = (a + away**2) / b - 1 + torch.log(b) - torch.log(a)
    return (0.5 * each.sum(-1)).to(mean.dtype)


RIGHT["4.1"] = {
    "loops": kl_by_loops,
    "numpy": kl_by_numpy,
    "matrices": kl_of_matrices,
    "variances": kl_with_variances,
    "under no_grad": torch.no_grad()(kl),
    "Independent": lambda m, v, pm, pv: D.kl_divergence(
        D.Independent(D.Normal(m, (v / 2).exp()), 1),
        D.Independent(D.Normal(pm, (pv / 2).exp()), 1),
    ),
    "einsum": lambda m, v, pm, pv: (
        0.5
        * (
            torch.einsum("bd->b", torch.expm1(v - pv) - v + pv)
            + torch.einsum("bd,bd,bd->b", m - pm, m - pm, torch.exp(-pv))
        )
    ),
    "from a shifted prior": lambda m, v, pm, pv: (
        -0.5 * (1 + (v - pv) - (m - pm).pow(2) / pv.exp() - (v - pv).exp())
    ).sum(dim=-1),
    "in place on a copy": lambda m, v, pm, pv: (
        (m - pm)
        .square_()
        .mul_(torch.exp(-pv))
        .add_(torch.exp(v - pv))
        .sub_(v - pv)
        .sub_(1)
        .sum(1)
        .mul_(0.5)
    ),
}


def clamped(low, high):
    def attempt(m, v, pm, pv):
        return kl(m, v.clamp(low, high), pm, pv.clamp(low, high))

    return attempt


def kl_terms(change):
    """A KL from its four terms: ratio, distance, −1, difference of logs."""
    return lambda m, v, pm, pv: change(
        (v - pv).exp(), (m - pm) ** 2 / pv.exp(), v - pv
    )


WRONG["4.1"] = {
    "other way round": (
        lambda m, v, pm, pv: kl(pm, pv, m, v),
        "the divergence the other way round",
    ),
    "both ways": (
        lambda m, v, pm, pv: (kl(m, v, pm, pv) + kl(pm, pv, m, v)) / 2,
        None,
    ),
    "no half": (
        kl_terms(lambda r, d, g: (r + d - 1 - g).sum(1)),
        "the half is missing",
    ),
    "no one": (
        kl_terms(lambda r, d, g: 0.5 * (r + d - g).sum(1)),
        "the minus one is missing",
    ),
    "one −1": (
        kl_terms(lambda r, d, g: 0.5 * ((r + d - g).sum(1) - 1)),
        "one −1 for all dimensions",
    ),
    "one −1, outside": (
        kl_terms(lambda r, d, g: 0.5 * (r + d - g).sum(1) - 1),
        None,
    ),
    "one added": (
        kl_terms(lambda r, d, g: 0.5 * (r + d + 1 - g).sum(1)),
        None,
    ),
    "logs added": (
        kl_terms(lambda r, d, g: 0.5 * (r + d - 1 + g).sum(1)),
        "the logarithms the other way round",
    ),
    "logs left out": (
        kl_terms(lambda r, d, g: 0.5 * (r + d - 1).sum(1)),
        None,
    ),
    "logs without prior": (
        lambda m, v, pm, pv: (
            0.5 * ((v - pv).exp() + (m - pm) ** 2 / pv.exp() - 1 - v).sum(1)
        ),
        None,
    ),
    "ratio upside down": (
        lambda m, v, pm, pv: (
            0.5
            * ((pv - v).exp() + (m - pm) ** 2 / pv.exp() - 1 - v + pv).sum(1)
        ),
        "the ratio upside down",
    ),
    "ratio left out": (
        kl_terms(lambda r, d, g: 0.5 * (d - 1 - g).sum(1)),
        None,
    ),
    "distance left out": (
        kl_terms(lambda r, d, g: 0.5 * (r - 1 - g).sum(1)),
        None,
    ),
    "distance in plain units": (
        lambda m, v, pm, pv: (
            0.5 * ((v - pv).exp() + (m - pm) ** 2 - 1 - v + pv).sum(1)
        ),
        "the distance in plain units",
    ),
    "distance over q": (
        lambda m, v, pm, pv: (
            0.5
            * ((v - pv).exp() + (m - pm) ** 2 / v.exp() - 1 - v + pv).sum(1)
        ),
        None,
    ),
    "distance not squared": (
        lambda m, v, pm, pv: (
            0.5
            * ((v - pv).exp() + (m - pm).abs() / pv.exp() - 1 - v + pv).sum(1)
        ),
        None,
    ),
    "distance over std": (
        lambda m, v, pm, pv: (
            0.5
            * (
                (v - pv).exp() + (m - pm) ** 2 / (pv / 2).exp() - 1 - v + pv
            ).sum(1)
        ),
        None,
    ),
    "means added": (lambda m, v, pm, pv: kl(m, v, -pm, pv), None),
    "the standard prior": (
        lambda m, v, pm, pv: -0.5 * (1 + v - m**2 - v.exp()).sum(1),
        "the standard prior",
    ),
    "log σ for log σ²": (
        lambda m, v, pm, pv: D.kl_divergence(
            D.Normal(m, v.exp()), D.Normal(pm, pv.exp())
        ).sum(1),
        "variances taken for standard deviations",
    ),
    "summed over all": (
        lambda *a: kl(*a).sum(),
        "summed over the batch",
    ),
    "averaged over all": (lambda *a: kl(*a).mean(), None),
    "averaged over D": (
        lambda *a: kl(*a) / a[0].shape[1],
        "averaged over the dimensions",
    ),
    "not summed": (
        lambda m, v, pm, pv: D.kl_divergence(
            D.Normal(m, (v / 2).exp()), D.Normal(pm, (pv / 2).exp())
        ),
        None,
    ),
    "summed over B": (
        lambda m, v, pm, pv: D.kl_divergence(
            D.Normal(m, (v / 2).exp()), D.Normal(pm, (pv / 2).exp())
        ).sum(0),
        None,
    ),
    "squeezed": (lambda *a: kl(*a).squeeze(), None),
    "clamped to ±4": (clamped(-4, 4), None),
    "clamped to ±20": (clamped(-20, 20), None),
    "clamped as in Stable Diffusion": (clamped(-30, 20), None),
    "never below ½": (lambda *a: kl(*a).clamp(min=0.5), None),
    "in bits": (lambda *a: kl(*a) / math.log(2), None),
    "a sample": (
        lambda m, v, pm, pv: (
            lambda q, p, z: (q.log_prob(z) - p.log_prob(z)).sum(1)
        )(
            D.Normal(m, (v / 2).exp()),
            D.Normal(pm, (pv / 2).exp()),
            m + (v / 2).exp() * torch.randn_like(m),
        ),
        None,
    ),
    "minus": (lambda *a: -kl(*a), None),
    "a prior kept near zero": (
        lambda m, v, pm, pv: kl(m, v, pm.clamp(-4, 4), pv),
        None,
    ),
}

# --- 4.2: the gap ------------------------------------------------------------

gap = registry.find("4.2").solution


def gap_by_loops(q_mean, q_var, mean, precision):
    gaps = []
    d = mean.shape[1]
    sign, log_det = torch.linalg.slogdet(precision)
    for b in range(len(mean)):
        total = -log_det * sign - d
        for i in range(d):
            total = total + precision[i, i] * q_var[b, i] - q_var[b, i].log()
            for j in range(d):
                total = total + (
                    (q_mean[b, i] - mean[b, i])
                    * precision[i, j]
                    * (q_mean[b, j] - mean[b, j])
                )
        gaps.append(total / 2)
    return torch.stack(gaps)


def gap_by_cholesky(q_mean, q_var, mean, precision):
    root = torch.linalg.cholesky(precision)  # Λ = L Lᵀ
    away = (q_mean - mean) @ root
    trace = (q_var @ root.square()).sum(1)
    logs = 2 * root.diagonal().log().sum() + q_var.log().sum(1)
    return 0.5 * (trace + away.square().sum(1) - mean.shape[-1] - logs)


RIGHT["4.2"] = {
    "loops": gap_by_loops,
    "Cholesky": gap_by_cholesky,
    "einsum": lambda qm, qv, m, p: (
        0.5
        * (
            torch.einsum("dd,bd->b", p, qv)
            + torch.einsum("bi,ij,bj->b", qm - m, p, qm - m)
            - qm.shape[1]
            - torch.einsum("bd->b", qv.log())
            - torch.linalg.slogdet(p).logabsdet
        )
    ),
    "matrices": lambda qm, qv, m, p: (
        0.5
        * (
            torch.diagonal(p @ torch.diag_embed(qv), dim1=1, dim2=2).sum(1)
            + ((qm - m).unsqueeze(1) @ p @ (qm - m).unsqueeze(2)).flatten()
            - p.shape[0]
            - torch.logdet(torch.diag_embed(qv))
            - torch.logdet(p)
        )
    ),
    "in double": lambda *a: gap(*(each.double() for each in a)).to(a[0]),
    "eigenvalues": lambda qm, qv, m, p: (
        gap(qm, qv, m, p)
        + 0.5 * (torch.logdet(p) - torch.linalg.eigvalsh(p).log().sum())
    ),
    "row by row": lambda qm, qv, m, p: torch.stack(
        [
            gap(a[None], b[None], c[None], p)[0]
            for a, b, c in zip(qm, qv, m, strict=True)
        ]
    ),
}


def gap_terms(change):
    """From its terms: trace, distance, D, log det Σ, log det Λ."""
    return lambda qm, qv, m, p: change(
        qv @ p.diagonal(),
        ((qm - m) @ p * (qm - m)).sum(1),
        m.shape[1],
        qv.log().sum(1),
        torch.logdet(p),
    )


WRONG["4.2"] = {
    "other way round": (
        lambda qm, qv, m, p: D.kl_divergence(
            D.MultivariateNormal(m, precision_matrix=p),
            D.MultivariateNormal(qm, torch.diag_embed(qv)),
        ),
        "the divergence the other way round",
    ),
    "no half": (
        gap_terms(lambda t, a, d, s, p: t + a - d - s - p),
        "the half is missing",
    ),
    "half of the first alone": (
        gap_terms(lambda t, a, d, s, p: 0.5 * t + a - d - s - p),
        None,
    ),
    "no D": (
        gap_terms(lambda t, a, d, s, p: 0.5 * (t + a - s - p)),
        "the dimensions are not subtracted",
    ),
    "one for D": (
        gap_terms(lambda t, a, d, s, p: 0.5 * (t + a - 1 - s - p)),
        None,
    ),
    "no log det Λ": (
        gap_terms(lambda t, a, d, s, p: 0.5 * (t + a - d - s)),
        "the determinant left out",
    ),
    "log det Λ added": (
        gap_terms(lambda t, a, d, s, p: 0.5 * (t + a - d - s + p)),
        "the determinant with the other sign",
    ),
    "no log det Σ": (
        gap_terms(lambda t, a, d, s, p: 0.5 * (t + a - d - p)),
        None,
    ),
    "log det Σ added": (
        gap_terms(lambda t, a, d, s, p: 0.5 * (t + a - d + s - p)),
        None,
    ),
    "both logs added": (
        gap_terms(lambda t, a, d, s, p: 0.5 * (t + a - d + s + p)),
        None,
    ),
    "no distance": (
        gap_terms(lambda t, a, d, s, p: 0.5 * (t - d - s - p)),
        None,
    ),
    "no trace": (gap_terms(lambda t, a, d, s, p: 0.5 * (a - d - s - p)), None),
    "covariance": (
        lambda qm, qv, m, p: gap(qm, qv, m, torch.linalg.inv(p)),
        "the covariance in place of the precision",
    ),
    "diagonal alone": (
        lambda qm, qv, m, p: D.kl_divergence(
            D.Normal(qm, qv.sqrt()), D.Normal(m, p.diagonal().rsqrt())
        ).sum(1),
        "the correlations left out",
    ),
    "distance by the diagonal": (
        lambda qm, qv, m, p: (
            gap(qm, qv, m, p)
            + 0.5
            * ((qm - m) ** 2 @ p.diagonal() - ((qm - m) @ p * (qm - m)).sum(1))
        ),
        None,
    ),
    "trace over the whole": (
        lambda qm, qv, m, p: (
            gap(qm, qv, m, p) + 0.5 * (qv @ p).sum(1) - 0.5 * qv @ p.diagonal()
        ),
        None,
    ),
    "plain distance": (
        lambda qm, qv, m, p: (
            gap(qm, qv, m, p)
            + 0.5 * ((qm - m) ** 2).sum(1)
            - 0.5 * ((qm - m) @ p * (qm - m)).sum(1)
        ),
        None,
    ),
    "det, then log": (
        lambda qm, qv, m, p: (
            0.5
            * (
                qv @ p.diagonal()
                + ((qm - m) @ p * (qm - m)).sum(1)
                - m.shape[1]
                - qv.log().sum(1)
                - torch.log(torch.det(p))
            )
        ),
        "the determinant leaves the numbers",
    ),
    "both dets, then log": (
        lambda qm, qv, m, p: (
            0.5
            * (
                qv @ p.diagonal()
                + ((qm - m) @ p * (qm - m)).sum(1)
                - m.shape[1]
                - qv.prod(1).log()
                - torch.log(torch.det(p))
            )
        ),
        "the determinant leaves the numbers",
    ),
    "log_var": (
        lambda qm, qv, m, p: gap(qm, qv.exp(), m, p),
        "variances for log-variances",
    ),
    "variance squared": (
        lambda qm, qv, m, p: gap(qm, qv**2, m, p),
        "variances for standard deviations",
    ),
    "detached": (lambda *a: gap(*a).detach(), "no gradient to q"),
    "under no_grad": (torch.no_grad()(gap), "no gradient to q"),
    "the mean's graph cut": (
        lambda qm, qv, m, p: gap(qm.detach(), qv, m, p),
        None,
    ),
    "the variance's graph cut": (
        lambda qm, qv, m, p: gap(qm, qv.detach(), m, p),
        None,
    ),
    "averaged": (lambda *a: gap(*a).mean(), None),
    "averaged over D": (lambda *a: gap(*a) / a[0].shape[1], None),
    "first row's distance": (
        lambda qm, qv, m, p: gap(qm[:1].expand_as(qm), qv, m, p),
        None,
    ),
    "minus": (lambda *a: -gap(*a), None),
    "squeezed": (lambda *a: gap(*a).squeeze(), None),
    "against the prior": (
        lambda qm, qv, m, p: 0.5 * (qm**2 + qv - 1 - qv.log()).sum(1),
        None,
    ),
    "a floor under the variance": (
        lambda qm, qv, m, p: gap(qm, qv.clamp(min=0.01), m, p),
        None,
    ),
    "a floor under the spread": (
        lambda qm, qv, m, p: (
            0.5
            * (
                (p.diagonal() * qv).clamp(min=0.05).sum(1)
                + torch.einsum("bi,ij,bj->b", qm - m, p, qm - m)
                - m.shape[1]
                - qv.log().sum(1)
                - torch.logdet(p)
            )
        ),
        None,
    ),
}

# --- 4.3 and 4.4: logarithms of weights --------------------------------------

bound = registry.find("4.3").solution
effective = registry.find("4.4").solution


def bound_by_loops(log_weights):
    out = []
    for column in log_weights.T.tolist():
        top = max(column)
        total = sum(math.exp(each - top) for each in column)
        out.append(top + math.log(total / len(column)))
    return torch.tensor(out, dtype=log_weights.dtype)


def bound_running(log_weights):
    """One sample after the other, as a stream would come."""
    top = torch.full_like(log_weights[0], -math.inf)
    total = torch.zeros_like(top)
    for row in log_weights:
        new = torch.maximum(top, row)
        total = total * (top - new).exp() + (row - new).exp()
        top = new
    return top + torch.log(total) - math.log(len(log_weights))


RIGHT["4.3"] = {
    "loops": bound_by_loops,
    "a stream": bound_running,
    "numpy": lambda w: torch.from_numpy(
        np.logaddexp.reduce(w.detach().numpy(), axis=0) - np.log(len(w))
    ).to(w),
    "under no_grad": torch.no_grad()(bound),
    "detached maximum": lambda w: (
        w.amax(0).detach()
        + (w - w.amax(0, keepdim=True).detach()).exp().mean(0).log()
    ),
    "by softmax": lambda w: (
        w[0] - torch.log_softmax(w, dim=0)[0] - math.log(w.shape[0])
    ),
    "sorted first": lambda w: (
        torch.logsumexp(w.sort(0).values, 0)
        - torch.log(torch.tensor(float(w.shape[0])))
    ),
    "transposed": lambda w: w.T.logsumexp(1) - np.log(w.size(0)),
    "column by column": lambda w: (
        torch.stack([torch.logsumexp(column, 0) for column in w.unbind(1)])
        - math.log(len(w))
    ),
}


def shifted(shift):
    return lambda w: (w - shift(w)).exp().mean(0).log() + shift(w)


WRONG["4.3"] = {
    "no log K": (
        lambda w: w.logsumexp(0),
        "log K is not subtracted",
    ),
    "log K added": (
        lambda w: w.logsumexp(0) + math.log(len(w)),
        "log K added",
    ),
    "over K": (lambda w: w.logsumexp(0) / len(w), "divided by K outside"),
    "minus K": (lambda w: w.logsumexp(0) - len(w), None),
    "log of the images": (
        lambda w: w.logsumexp(0) - math.log(w.shape[1]),
        "the number of images for K",
    ),
    "mean of logs": (lambda w: w.mean(0), "the mean of the logarithms"),
    "sum of logs": (lambda w: w.sum(0), None),
    "letter by letter": (lambda w: w.exp().mean(0).log(), "underflow"),
    "with a small number": (
        lambda w: (w.exp().mean(0) + 1e-30).log(),
        None,
    ),
    "clamped": (lambda w: w.clamp(-80, 80).exp().mean(0).log(), None),
    "in double": (
        lambda w: w.double().exp().mean(0).log().to(w.dtype),
        None,
    ),
    "fixed shift": (shifted(lambda w: -700.0), None),
    "shift by 1000": (shifted(lambda w: -1000.0), None),
    "shift by all's maximum": (
        shifted(lambda w: w.max()),
        "one centre for all images",
    ),
    "shift by all's mean": (shifted(lambda w: w.mean()), None),
    "shift by the mean": (
        shifted(lambda w: w.mean(0)),
        "not the largest taken out",
    ),
    "shift by the median": (
        shifted(lambda w: w.median(0).values),
        "not the largest taken out",
    ),
    "shift by the first": (shifted(lambda w: w[0]), None),
    "shift by the smallest": (
        shifted(lambda w: w.min(0).values),
        "not the largest taken out",
    ),
    "shift not undone": (
        lambda w: (w - w.max(0).values).exp().mean(0).log(),
        None,
    ),
    "over the images": (
        lambda w: w.logsumexp(1) - math.log(w.shape[1]),
        "over the images instead of the samples",
    ),
    "divided inside": (
        lambda w: (w / len(w)).logsumexp(0),
        "divided inside the exponential",
    ),
    "the largest": (lambda w: w.max(0).values, "the largest alone"),
    "the largest, less log K": (
        lambda w: w.max(0).values - math.log(len(w)),
        None,
    ),
    "squeezed": (lambda w: bound(w).squeeze(), None),
    "averaged": (lambda w: bound(w).mean(), "averaged over the images"),
    "over everything": (
        lambda w: w.logsumexp((0, 1)) - math.log(w.numel()),
        None,
    ),
    "minus": (lambda w: -bound(w), None),
    "in bits": (lambda w: bound(w) / math.log(2), None),
    "the weight, not its log": (lambda w: w.exp().mean(0), None),
    "finite by force": (
        lambda w: w.exp().mean(0).log().nan_to_num(neginf=-1000.0),
        None,
    ),
    "kept": (lambda w: w.logsumexp(0, keepdim=True) - math.log(len(w)), None),
}


def effective_by_loops(log_weights):
    out = []
    for column in log_weights.unbind(1):
        top = column.max()
        weights = [(each - top).exp() for each in column]
        total = sum(weights)
        out.append(1 / sum((w / total) ** 2 for w in weights))
    return torch.stack(out)


RIGHT["4.4"] = {
    "loops": effective_by_loops,
    "shifted": lambda w: (lambda e: e.sum(0) ** 2 / (e * e).sum(0))(
        (w - w.amax(0)).exp()
    ),
    "einsum": lambda w: torch.einsum(
        "kb,kb->b", w.softmax(0), w.softmax(0)
    ).reciprocal(),
    "norm": lambda w: w.softmax(0).norm(dim=0) ** -2,
    "log-softmax": lambda w: torch.exp(
        -torch.logsumexp(2 * torch.log_softmax(w, 0), 0)
    ),
    "transposed": lambda w: torch.softmax(w.T, -1).pow(2).sum(-1).pow(-1),
    "in double": lambda w: effective(w.double()).to(w.dtype),
    "column by column": lambda w: torch.stack(
        [1 / (s @ s) for s in torch.softmax(w, 0).T]
    ),
}
WRONG["4.4"] = {
    "not normalised": (
        lambda w: 1 / w.exp().square().sum(0),
        "the weights are not normalised",
    ),
    "exponentials": (
        lambda w: w.exp().sum(0) ** 2 / w.exp().square().sum(0),
        "underflow",
    ),
    "in double": (
        lambda w: (lambda e: (e.sum(0) ** 2 / (e * e).sum(0)).to(w.dtype))(
            w.double().exp()
        ),
        None,
    ),
    "all's maximum": (
        lambda w: (lambda e: e.sum(0) ** 2 / (e * e).sum(0))(
            (w - w.max()).exp()
        ),
        "one centre for all images",
    ),
    "the mean": (
        lambda w: (lambda e: e.sum(0) ** 2 / (e * e).sum(0))(
            (w - w.mean(0)).exp()
        ),
        None,
    ),
    "fixed shift": (
        lambda w: (lambda e: e.sum(0) ** 2 / (e * e).sum(0))((w + 700).exp()),
        None,
    ),
    "clamped": (lambda w: effective(w.clamp(min=-500)), None),
    "clamped shares": (
        lambda w: 1 / w.softmax(0).clamp(min=1e-2).square().sum(0),
        None,
    ),
    "over the images": (
        lambda w: 1 / w.softmax(1).square().sum(1),
        "shares over the images",
    ),
    "softmax over the images": (
        lambda w: 1 / w.softmax(1).square().sum(0),
        "shares over the images",
    ),
    "softmax over all": (
        lambda w: 1 / w.flatten().softmax(0).view_as(w).square().sum(0),
        None,
    ),
    "not inverted": (lambda w: w.softmax(0).square().sum(0), "not inverted"),
    "one less": (lambda w: 1 - w.softmax(0).square().sum(0), None),
    "largest share": (
        lambda w: 1 / w.softmax(0).amax(0),
        "the largest share alone",
    ),
    "perplexity": (
        lambda w: (-(w.softmax(0) * w.log_softmax(0)).sum(0)).exp(),
        "the exponential of the entropy",
    ),
    "the root": (lambda w: 1 / w.softmax(0).norm(dim=0), "the root of it"),
    "a mean": (
        lambda w: 1 / w.softmax(0).square().mean(0),
        "a mean for the sum",
    ),
    "a share": (lambda w: effective(w) / len(w), "a share of K"),
    "detached": (lambda w: effective(w).detach(), "no gradient"),
    "under no_grad": (torch.no_grad()(effective), "no gradient"),
    "shares detached": (
        lambda w: 1 / (w.softmax(0) * w.softmax(0).detach()).sum(0),
        None,
    ),
    "squares not summed": (
        lambda w: 1 / w.softmax(0).sum(0).square(),
        "the squares are not summed",
    ),
    "shares of logs": (
        lambda w: 1 / (w / w.sum(0)).square().sum(0),
        None,
    ),
    "rounded": (lambda w: effective(w).round(), None),
    "squeezed": (lambda w: effective(w).squeeze(), None),
    "averaged": (lambda w: effective(w).mean(), None),
    "counted": (
        lambda w: (w.softmax(0) > 1 / len(w)).sum(0).to(w.dtype),
        None,
    ),
    "K": (lambda w: torch.full_like(w[0], len(w)), None),
    "by variance": (
        lambda w: len(w) / (1 + w.softmax(0).var(0)),
        None,
    ),
    "twenty at most": (
        lambda w: 1 / w.softmax(0).square().sum(0).clamp(min=0.05),
        None,
    ),
}
