"""Chapter 2: attempts as students write them, right and wrong."""

import copy
import math
import random
from fractions import Fraction

import numpy as np
import torch
from torch import distributions as D
from torch.nn import functional as F

from vae_course.core import elbo

RIGHT, WRONG = {}, {}

# --- 2.1: sampling a code ---------------------------------------------------


def draw_by_draw(mean, log_var):
    rows = []
    for m, v in zip(mean, log_var, strict=True):
        row = []
        for a, b in zip(m, v, strict=True):
            row.append(a + torch.exp(b / 2) * random.gauss(0.0, 1.0))
        rows.append(torch.stack(row))
    return torch.stack(rows)


def box_muller(mean, log_var):
    u, v = torch.rand(2, *mean.shape, dtype=torch.float64)
    noise = (-2 * (1 - u).log()).sqrt() * (2 * math.pi * v).cos()
    return mean + (log_var / 2).exp() * noise.to(mean.dtype)


def std_of(log_var):
    return torch.exp(0.5 * log_var)


RIGHT["2.1"] = {
    "draw by draw": draw_by_draw,
    "from uniform numbers": box_muller,
    "rsample": lambda m, v: D.Independent(D.Normal(m, std_of(v)), 1).rsample(),
    "a full covariance": lambda m, v: torch.stack(
        [
            D.MultivariateNormal(
                a.double(), scale_tril=std_of(b.double()).diag()
            )
            .rsample()
            .to(m.dtype)
            for a, b in zip(m, v, strict=True)
        ]
    ),
    "torch.normal for the noise": lambda m, v: (
        m + torch.normal(torch.zeros_like(m), torch.ones_like(m)) * std_of(v)
    ),
    "filled in place": lambda m, v: (
        m + v.mul(0.5).exp() * torch.empty_like(m).normal_()
    ),
    "by the quantile function": lambda m, v: (
        m
        + std_of(v)
        * D.Normal(0.0, 1.0)
        .icdf(torch.rand(m.shape, dtype=torch.float64).clamp(1e-12))
        .to(m.dtype)
    ),
    "a generator of its own": lambda m, v: (
        m
        + std_of(v)
        * torch.randn(
            m.shape,
            dtype=m.dtype,
            generator=torch.Generator().manual_seed(
                int(torch.randint(2**31, ()))
            ),
        )
    ),
    "row by row": lambda m, v: torch.stack(
        [
            a + torch.sqrt(b.exp()) * torch.randn_like(a)
            for a, b in zip(m, v, strict=True)
        ]
    ),
}


def from_a_fixed_generator(mean, log_var):
    generator = torch.Generator().manual_seed(3)
    noise = torch.randn(mean.shape, generator=generator)
    return mean + std_of(log_var) * noise.to(mean.dtype)


WRONG["2.1"] = {
    "uniform": (
        lambda m, v: m + std_of(v) * torch.rand_like(m),
        "uniform noise",
    ),
    "uniform between −1 and 1": (
        lambda m, v: m + std_of(v) * (torch.rand_like(m) * 2 - 1),
        "uniform noise, centred",
    ),
    "uniform between −½ and ½": (
        lambda m, v: m + std_of(v) * (torch.rand_like(m) - 0.5),
        None,
    ),
    "uniform of variance 1": (
        lambda m, v: m + std_of(v) * (torch.rand_like(m) - 0.5) * 12**0.5,
        None,
    ),
    "Laplace": (
        lambda m, v: D.Laplace(m, std_of(v) / 2**0.5).rsample(),
        None,
    ),
    "signs": (
        lambda m, v: m + std_of(v) * torch.randn_like(m).sign(),
        None,
    ),
    "absolute": (
        lambda m, v: m + std_of(v) * torch.randn_like(m).abs(),
        None,
    ),
    "clipped at 2": (
        lambda m, v: m + std_of(v) * torch.randn_like(m).clamp(-2, 2),
        None,
    ),
    "clipped at 3": (
        lambda m, v: m + std_of(v) * torch.randn_like(m).clamp(-3, 3),
        None,
    ),
    "torch.std": (
        lambda m, v: m + torch.std(0.5 * v) * torch.randn_like(m),
        "torch.std in place of exp",
    ),
    "the variance": (
        lambda m, v: m + v.exp() * torch.randn_like(m),
        "exp without the half",
    ),
    "the library with the variance": (
        lambda m, v: D.Normal(m, v.exp()).rsample(),
        "exp without the half",
    ),
    "the variance, not trained": (
        lambda m, v: D.Normal(m, v.exp()).sample(),
        "exp without the half",  # and no gradient
    ),
    "twice": (
        lambda m, v: m + (2 * v).exp() * torch.randn_like(m),
        None,
    ),
    "minus": (
        lambda m, v: m + torch.exp(-0.5 * v) * torch.randn_like(m),
        "the sign of the exponent",
    ),
    "log_var itself": (
        lambda m, v: m + v * torch.randn_like(m),
        "the logarithm left in",
    ),
    "its root": (
        lambda m, v: m + v.abs().sqrt() * torch.randn_like(m),
        None,
    ),
    "softplus": (
        lambda m, v: m + F.softplus(v) * torch.randn_like(m),
        None,
    ),
    "no std": (lambda m, v: m + torch.randn_like(m), "std is not used"),
    "the mean inside": (
        lambda m, v: std_of(v) * (m + torch.randn_like(m)),
        None,
    ),
    "mean and std exchanged": (
        lambda m, v: std_of(v) + m * torch.randn_like(m),
        None,
    ),
    "no mean": (lambda m, v: std_of(v) * torch.randn_like(m), None),
    "noise added": (
        lambda m, v: m + std_of(v) + torch.randn_like(m),
        None,
    ),
    "one row": (
        lambda m, v: m + std_of(v) * torch.randn_like(m[0]),
        "one noise for the whole batch",
    ),
    "one column": (
        lambda m, v: m + std_of(v) * torch.randn_like(m[:, :1]),
        "one noise for a whole code",
    ),
    "one number": (
        lambda m, v: m + std_of(v) * torch.randn(()).to(m.dtype),
        "one noise for everything",
    ),
    "antithetic": (
        lambda m, v: (
            m
            + std_of(v)
            * (lambda e: torch.cat([e, -e])[: len(m)])(
                torch.randn_like(m[: (len(m) + 1) // 2])
            )
        ),
        None,
    ),
    "seeded": (from_a_fixed_generator, "the same noise at every call"),
    "sampled": (
        lambda m, v: torch.normal(m, std_of(v)),
        "no gradient",
    ),
    "half a gradient": (
        lambda m, v: m + std_of(v).detach() * torch.randn_like(m),
        None,
    ),
    "the mean detached": (
        lambda m, v: m.detach() + std_of(v) * torch.randn_like(m),
        None,
    ),
    "no noise": (lambda m, v: m * 1, "no noise"),
    "mean and std": (lambda m, v: m + std_of(v), None),
    "clamped": (
        lambda m, v: m + std_of(v.clamp(-30, 20)) * torch.randn_like(m),
        None,
    ),
    "a little more": (
        lambda m, v: m + (std_of(v) + 1e-6) * torch.randn_like(m),
        None,
    ),
    "the mean of two draws": (
        lambda m, v: (
            m + std_of(v) * (torch.randn_like(m) + torch.randn_like(m)) / 2
        ),
        None,
    ),
    "a pair": (
        lambda m, v: (m + std_of(v) * torch.randn_like(m), std_of(v)),
        None,
    ),
    "in place": (
        lambda m, v: m.add_(std_of(v) * torch.randn_like(m)),
        None,
    ),
}

# --- 2.2: the rate in closed form -------------------------------------------


def number_by_number(mean, log_var):
    rates = []
    for m, v in zip(mean, log_var, strict=True):
        rate = torch.zeros((), dtype=mean.dtype)
        for a, b in zip(m, v, strict=True):
            rate = rate + (a**2 + math.e**b - 1 - b) / 2
        rates.append(rate)
    return torch.stack(rates)


def by_the_library(mean, log_var):
    q = D.Normal(mean, torch.exp(log_var / 2))
    return D.kl_divergence(q, D.Normal(0.0, 1.0)).sum(-1)


def in_place_on_fresh(mean, log_var):
    terms = mean.square()
    terms += log_var.exp()
    terms -= 1
    terms -= log_var
    return terms.mul(0.5).sum(1)


def by_matrices(mean, log_var):
    trace = torch.diag_embed(log_var.exp()).diagonal(dim1=1, dim2=2).sum(1)
    length = (mean.unsqueeze(1) @ mean.unsqueeze(2)).view(len(mean))
    return 0.5 * (trace + length - mean.shape[1] - log_var.sum(1))


RIGHT["2.2"] = {
    "number by number": number_by_number,
    "by the library": by_the_library,
    "in place on a fresh tensor": in_place_on_fresh,
    "by matrices": by_matrices,
    "as the paper has it": lambda m, v: (
        -0.5 * torch.sum(1 + v - m**2 - v.exp(), dim=-1)
    ),
    "einsum": lambda m, v: (
        0.5 * torch.einsum("bd->b", m * m + torch.exp(v) - 1 - v)
    ),
    "mean times size": lambda m, v: (
        0.5 * (m**2 + v.exp() - 1 - v).mean(1) * m.size(1)
    ),
    "in double inside": lambda m, v: (
        0.5 * (m.double() ** 2 + v.double().exp() - 1 - v.double()).sum(1)
    ).to(m.dtype),
}


def kl(m, v):
    return 0.5 * (m**2 + v.exp() - 1 - v).sum(1)


WRONG["2.2"] = {
    "the sign": (lambda m, v: -kl(m, v), "the sign"),
    "no half": (lambda m, v: 2 * kl(m, v), "no half"),
    "everything": (lambda m, v: kl(m, v).sum(), "summed over the batch, too"),
    "batch mean": (lambda m, v: kl(m, v).mean(), "averaged over the batch"),
    "code mean": (
        lambda m, v: 0.5 * (m**2 + v.exp() - 1 - v).mean(1),
        "mean over the code",
    ),
    "one mean": (
        lambda m, v: 0.5 * (m**2 + v.exp() - 1 - v).mean(),
        "averaged over everything",
    ),
    "log σ": (
        lambda m, v: 0.5 * (m**2 + (2 * v).exp() - 1 - 2 * v).sum(1),
        "log σ read as log σ²",
    ),
    "mean not squared": (
        lambda m, v: 0.5 * (m + v.exp() - 1 - v).sum(1),
        "the mean is not squared",
    ),
    "no exp": (lambda m, v: 0.5 * (m**2 + v - 1 - v).sum(1), "exp forgotten"),
    "no one": (
        lambda m, v: 0.5 * (m**2 + v.exp() - v).sum(1),
        "the −1 forgotten",
    ),
    "one once": (
        lambda m, v: 0.5 * ((m**2 + v.exp() - v).sum(1) - 1),
        "the −1 once for all",
    ),
    "σ": (
        lambda m, v: 0.5 * (m**2 + (v / 2).exp() - 1 - v).sum(1),
        "σ for σ²",
    ),
    "half the logarithm": (
        lambda m, v: 0.5 * (m**2 + v.exp() - 1 - v / 2).sum(1),
        "log σ for log σ²",
    ),
    "reverse": (
        lambda m, v: D.kl_divergence(
            D.Normal(0.0, 1.0), D.Normal(m, (v / 2).exp())
        ).sum(1),
        "the other way round",
    ),
    "over the batch": (
        lambda m, v: 0.5 * (m**2 + v.exp() - 1 - v).sum(0),
        None,
    ),
    "not summed": (lambda m, v: 0.5 * (m**2 + v.exp() - 1 - v), None),
    "plus one": (lambda m, v: 0.5 * (m**2 + v.exp() + 1 - v).sum(1), None),
    "plus the logarithm": (
        lambda m, v: 0.5 * (m**2 + v.exp() - 1 + v).sum(1),
        None,
    ),
    "half of the first term": (
        lambda m, v: (0.5 * m**2 + v.exp() - 1 - v).sum(1),
        None,
    ),
    "no mean": (lambda m, v: 0.5 * (v.exp() - 1 - v).sum(1), None),
    "only the mean": (lambda m, v: 0.5 * (m**2).sum(1), None),
    "clamped to 4": (lambda m, v: kl(m, v.clamp(-4, 4)), None),
    "clamped to 20": (lambda m, v: kl(m, v.clamp(-30, 20)), None),
    "swapped": (lambda m, v: kl(v, m), None),
    "detached": (lambda m, v: kl(m.detach(), v), None),
    "without a graph": (torch.no_grad()(kl), None),
    "kept dimension": (lambda m, v: kl(m, v)[:, None], None),
    "in double": (lambda m, v: kl(m, v).double(), None),
    "one sample": (
        lambda m, v: (
            D.Normal(m, (v / 2).exp()).log_prob(m)
            - D.Normal(0.0, 1.0).log_prob(m)
        ).sum(1),
        None,
    ),
    "the logarithm in bits": (lambda m, v: kl(m, v) / math.log(2), None),
}

# --- 2.3: the distortion of binary pixels -----------------------------------


def stable_textbook(logits, x):
    nats = logits.clamp(min=0) - logits * x + (-logits.abs()).exp().log1p()
    return nats.sum((1, 2, 3))


def pixel_by_pixel(logits, x):
    found = []
    for image, wanted in zip(logits, x, strict=True):
        nats = 0
        for a, b in zip(image.flatten(), wanted.flatten(), strict=True):
            nats = nats + (F.softplus(-a) if b == 1 else F.softplus(a))
        found.append(nats)
    return torch.stack(found)


RIGHT["2.3"] = {
    "the stable form of textbooks": stable_textbook,
    "pixel by pixel": pixel_by_pixel,
    "a loss as a module": lambda a, x: torch.nn.BCEWithLogitsLoss(
        reduction="none"
    )(a, x).sum((1, 2, 3)),
    "softplus of the sign": lambda a, x: (
        F.softplus((1 - 2 * x) * a).flatten(1).sum(1)
    ),
    "logaddexp": lambda a, x: (
        torch.logaddexp(torch.zeros_like(a), a) - a * x
    ).sum((-3, -2, -1)),
    "two classes": lambda a, x: F.cross_entropy(
        torch.stack([torch.zeros_like(a), a], 1), x.long(), reduction="none"
    ).sum((1, 2, 3)),
    "image by image": lambda a, x: torch.stack(
        [
            F.binary_cross_entropy_with_logits(i, j, reduction="sum")
            for i, j in zip(a, x, strict=True)
        ]
    ),
    "the library": lambda a, x: (
        -D.Bernoulli(logits=a).log_prob(x).flatten(1).sum(1)
    ),
}


def bce(a, x):
    return F.binary_cross_entropy_with_logits(a, x, reduction="none").flatten(
        1
    )


def by_probabilities(a, x, eps=0.0):
    p = a.sigmoid()
    nats = x * (p + eps).log() + (1 - x) * (1 - p + eps).log()
    return -nats.flatten(1).sum(1)


WRONG["2.3"] = {
    "pixel mean": (lambda a, x: bce(a, x).mean(1), "mean over the pixels"),
    "everything": (
        lambda a, x: bce(a, x).sum(),
        "summed over the batch, too",
    ),
    "one mean": (
        F.binary_cross_entropy_with_logits,
        "one mean for everything",
    ),
    "batch mean": (
        lambda a, x: bce(a, x).sum() / len(x),
        "averaged over the batch",
    ),
    "the sign": (lambda a, x: -bce(a, x).sum(1), "the sign"),
    "sigmoid twice": (
        lambda a, x: bce(torch.sigmoid(a), x).sum(1),
        "sigmoid twice",
    ),
    "swapped": (lambda a, x: bce(x, a).sum(1), "arguments swapped"),
    "log of zero": (by_probabilities, "the logarithm of zero"),
    "eps": (
        lambda a, x: by_probabilities(a, x, 1e-8),
        "a probability kept from zero",
    ),
    "another eps": (lambda a, x: by_probabilities(a, x, 3e-4), None),
    "the library's limit": (
        lambda a, x: (
            F.binary_cross_entropy(a.sigmoid(), x, reduction="none")
            .flatten(1)
            .sum(1)
        ),
        "a probability kept from zero",
    ),
    "only white": (
        lambda a, x: -(x * F.logsigmoid(a)).flatten(1).sum(1),
        "only the white pixels",
    ),
    "only black": (
        lambda a, x: -((1 - x) * F.logsigmoid(-a)).flatten(1).sum(1),
        None,
    ),
    "white for black": (lambda a, x: bce(a, 1 - x).sum(1), None),
    "logits clamped": (lambda a, x: bce(a.clamp(-100, 100), x).sum(1), None),
    "made finite": (
        lambda a, x: torch.nan_to_num(by_probabilities(a, x)),
        None,
    ),
    "squared": (
        lambda a, x: (a.sigmoid() - x).square().flatten(1).sum(1),
        None,
    ),
    "one channel": (
        lambda a, x: F.binary_cross_entropy_with_logits(
            a, x, reduction="none"
        ).sum(1),
        None,
    ),
    "over the batch": (lambda a, x: bce(a, x).sum(0), None),
    "squeezed": (lambda a, x: bce(a, x).sum(1).squeeze(), None),
    "detached": (lambda a, x: bce(a.detach(), x).sum(1), None),
    "half": (lambda a, x: 0.5 * bce(a, x).sum(1), None),
    "in bits": (lambda a, x: bce(a, x).sum(1) / math.log(2), None),
    "not summed": (bce, None),
    "pixel mean and the sign": (
        lambda a, x: -bce(a, x).mean(1),
        "the sign",  # and the mean: two names, this one first
    ),
}

# --- 2.4: the loss ----------------------------------------------------------


def per_image(logits, x):
    return bce(logits, x).sum(1)


def image_by_image(logits, x, mean, log_var):
    total = 0.0
    for i in range(len(x)):
        a, b, m, v = logits[i], x[i], mean[i], log_var[i]
        total = total - D.Bernoulli(logits=a).log_prob(b).sum()
        total = total + 0.5 * (m**2 + v.exp() - 1 - v).sum()
    return total / len(x)


RIGHT["2.4"] = {
    "image by image": image_by_image,
    "one sum": lambda a, x, m, v: (
        (
            F.binary_cross_entropy_with_logits(a, x, reduction="sum")
            + kl(m, v).sum()
        )
        / x.shape[0]
    ),
    "two means": lambda a, x, m, v: per_image(a, x).mean() + kl(m, v).mean(),
    "means times sizes": lambda a, x, m, v: (
        F.binary_cross_entropy_with_logits(a, x) * x[0].numel()
        + 0.5 * (m**2 + v.exp() - 1 - v).mean() * m.shape[1]
    ),
    "softplus": lambda a, x, m, v: (
        (F.softplus(a) - a * x).sum() / len(x)
        - 0.5 * (1 + v - m.pow(2) - v.exp()).sum(1).mean()
    ),
    "minus the ELBO": lambda a, x, m, v: (
        -(
            D.Bernoulli(logits=a).log_prob(x).flatten(1).sum(1)
            - D.kl_divergence(
                D.Normal(m, (v / 2).exp()), D.Normal(0.0, 1.0)
            ).sum(1)
        ).mean()
    ),
    "a module": lambda a, x, m, v: (
        torch.nn.BCEWithLogitsLoss(reduction="sum")(a, x) / len(a)
        + torch.mean(kl(m, v), dim=0)
    ),
    "shape (1,)'s number": lambda a, x, m, v: (
        (per_image(a, x) + kl(m, v)).mean(0, keepdim=True).squeeze()
    ),
}
pixel_mean = F.binary_cross_entropy_with_logits


def pixel_sum(a, x):
    return pixel_mean(a, x, reduction="sum")


WRONG["2.4"] = {
    "a mean and a batch mean": (
        lambda a, x, m, v: pixel_mean(a, x) + kl(m, v).mean(),
        "mean over pixels with summed KL",
    ),
    "a mean and a sum": (
        lambda a, x, m, v: pixel_mean(a, x) + kl(m, v).sum(),
        "mean over pixels with the KL summed over everything",
    ),
    "two means": (
        lambda a, x, m, v: (
            pixel_mean(a, x) + 0.5 * (m**2 + v.exp() - 1 - v).mean()
        ),
        "averaged over everything",
    ),
    "the KL summed": (
        lambda a, x, m, v: per_image(a, x).mean() + kl(m, v).sum(),
        "the KL summed over the batch",
    ),
    "the KL averaged": (
        lambda a, x, m, v: (
            per_image(a, x).mean() + 0.5 * (m**2 + v.exp() - 1 - v).mean()
        ),
        "the KL averaged over the code",
    ),
    "the distortion summed": (
        lambda a, x, m, v: pixel_sum(a, x) + kl(m, v).mean(),
        "the distortion summed over the batch",
    ),
    "a sum and a mean": (
        lambda a, x, m, v: (
            pixel_sum(a, x) + 0.5 * (m**2 + v.exp() - 1 - v).mean()
        ),
        "a summed distortion with an averaged KL",
    ),
    "both summed": (
        lambda a, x, m, v: pixel_sum(a, x) + kl(m, v).sum(),
        "summed over the batch",
    ),
    "the ELBO": (
        lambda a, x, m, v: -(per_image(a, x) + kl(m, v)).mean(),
        "the sign",
    ),
    "minus the KL": (
        lambda a, x, m, v: (per_image(a, x) - kl(m, v)).mean(),
        "the sign of the KL",
    ),
    "minus the distortion": (
        lambda a, x, m, v: (kl(m, v) - per_image(a, x)).mean(),
        "the sign of the distortion",
    ),
    "the paper's half, added": (
        lambda a, x, m, v: (
            per_image(a, x).mean()
            + 0.5 * (1 + v - m**2 - v.exp()).sum(1).mean()
        ),
        "the sign of the KL",
    ),
    "no half": (
        lambda a, x, m, v: (per_image(a, x) + 2 * kl(m, v)).mean(),
        "the KL without its half",
    ),
    "no one": (
        lambda a, x, m, v: (
            per_image(a, x) + kl(m, v) + m.shape[1] / 2
        ).mean(),
        "the KL without its −1",
    ),
    "not averaged": (
        lambda a, x, m, v: per_image(a, x) + kl(m, v),
        "not averaged",
    ),
    "no KL": (lambda a, x, m, v: per_image(a, x).mean(), "no KL"),
    "no distortion": (lambda a, x, m, v: kl(m, v).mean(), None),
    "β of 4": (
        lambda a, x, m, v: (per_image(a, x) + 4 * kl(m, v)).mean(),
        None,
    ),
    "log σ": (
        lambda a, x, m, v: (per_image(a, x) + kl(m, 2 * v)).mean(),
        "log σ read as log σ²",
    ),
    "σ for σ²": (
        lambda a, x, m, v: (
            per_image(a, x) + 0.5 * (m**2 + (v / 2).exp() - 1 - v).sum(1)
        ).mean(),
        None,
    ),
    "probabilities": (
        lambda a, x, m, v: (per_image(a.sigmoid(), x) + kl(m, v)).mean(),
        "sigmoid twice",
    ),
    "the library's limit": (
        lambda a, x, m, v: (
            (
                F.binary_cross_entropy(a.sigmoid(), x, reduction="sum")
                + kl(m, v).sum()
            )
            / len(x)
        ),
        "a probability kept from zero",
    ),
    "squared error": (
        lambda a, x, m, v: (
            (a.sigmoid() - x).square().flatten(1).sum(1) + kl(m, v)
        ).mean(),
        None,
    ),
    "swapped": (
        lambda a, x, m, v: (per_image(x, a) + kl(m, v)).mean(),
        None,
    ),
    "mean and log_var swapped": (
        lambda a, x, m, v: (per_image(a, x) + kl(v, m)).mean(),
        None,
    ),
    "a divided sum": (
        lambda a, x, m, v: (pixel_sum(a, x) + kl(m, v).sum()) / x.numel(),
        "divided by the pixels, too",
    ),
    "divided by the batch twice": (
        lambda a, x, m, v: (per_image(a, x) + kl(m, v)).mean() / len(x),
        None,
    ),
    "a number": (
        lambda a, x, m, v: (per_image(a, x) + kl(m, v)).mean().item(),
        None,
    ),
    "kept dimension": (
        lambda a, x, m, v: (per_image(a, x) + kl(m, v)).mean(0, keepdim=True),
        None,
    ),
    "broadcast": (
        lambda a, x, m, v: (
            per_image(a, x)[:, "the KL averaged over the code"]
            + 0.5 * (m**2 + v.exp() - 1 - v)
        ).mean(),
        None,
    ),
    "clamped": (
        lambda a, x, m, v: (per_image(a, x) + kl(m, v.clamp(-6, 6))).mean(),
        None,
    ),
    "no gradient for the code": (
        lambda a, x, m, v: (per_image(a, x) + kl(m, v).detach()).mean(),
        None,
    ),
}

# --- 2.5: reconstruction ----------------------------------------------------


def code_of(vae, x):
    return vae.encode(x).mean


RIGHT["2.5"] = {
    "two lines": lambda vae, x: vae.decode(vae.encode(x).mean).mean,
    "no graph": torch.no_grad()(
        lambda vae, x: vae.decode(vae.encode(x).mean).mean
    ),
    "inference mode": torch.inference_mode()(
        lambda vae, x: vae.decode(vae.encode(x).mean).mean.clone()
    ),
    "the mode of q": lambda vae, x: vae.decode(vae.encode(x).mode).mean,
    "probabilities": lambda vae, x: (
        vae.decode(vae.encode(x).base_dist.mean).base_dist.probs
    ),
    "by hand": lambda vae, x: torch.sigmoid(
        vae.decoder(
            vae.encoder(x.reshape(len(x), -1))[:, : vae.origin.numel()]
        )
    ).view_as(x),
    "a copy, in double": lambda vae, x: (
        lambda v: v.decode(v.encode(x.double()).mean).mean.float()
    )(copy.deepcopy(vae).double()),
    "image by image": lambda vae, x: torch.stack(
        [vae.decode(code_of(vae, each[None])).mean[0] for each in x]
    ),
}
WRONG["2.5"] = {
    "a sampled code": (
        lambda vae, x: vae.decode(vae.encode(x).rsample()).mean,
        "a sampled code",
    ),
    "drawn pixels": (
        lambda vae, x: vae.decode(code_of(vae, x)).sample(),
        "drawn pixels",
    ),
    "sampled twice": (
        lambda vae, x: vae.decode(vae.encode(x).sample()).sample(),
        "a sampled code",
    ),
    "mean of ten": (
        lambda vae, x: (
            sum(vae.decode(vae.encode(x).sample()).mean for _ in range(10))
            / 10
        ),
        None,
    ),
    "code of ten": (
        lambda vae, x: vae.decode(vae.encode(x).sample((10,)).mean(0)).mean,
        None,
    ),
    "from the prior": (
        lambda vae, x: vae.decode(vae.prior.sample((len(x),))).mean,
        "a sample from the prior",
    ),
    "the mean of the prior": (
        lambda vae, x: vae.decode(torch.zeros_like(code_of(vae, x))).mean,
        None,
    ),
    "logits": (
        lambda vae, x: vae.decode(code_of(vae, x)).base_dist.logits,
        "logits for probabilities",
    ),
    "a sigmoid more": (
        lambda vae, x: vae.decode(code_of(vae, x)).mean.sigmoid(),
        "sigmoid twice",
    ),
    "rounded": (
        lambda vae, x: vae.decode(code_of(vae, x)).mean.round(),
        "rounded pixels",
    ),
    "above a half": (
        lambda vae, x: (vae.decode(code_of(vae, x)).mean > 0.5).float(),
        "rounded pixels",
    ),
    "yes or no": (
        lambda vae, x: vae.decode(code_of(vae, x)).mean > 0.5,
        None,
    ),
    "p(x|z)": (
        lambda vae, x: vae.decode(code_of(vae, x)),
        "a distribution for an image",
    ),
    "the code": (code_of, "the code for the image"),
    "the code's spread": (
        lambda vae, x: vae.decode(vae.encode(x).stddev).mean,
        None,
    ),
    "the pixels' spread": (
        lambda vae, x: vae.decode(code_of(vae, x)).stddev,
        None,
    ),
    "the image": (lambda vae, x: x.clone(), "the image itself"),
    "flat": (
        lambda vae, x: vae.decode(code_of(vae, x)).mean.flatten(1),
        None,
    ),
    "the first image": (
        lambda vae, x: vae.decode(code_of(vae, x[:1])).mean.expand(x.shape),
        None,
    ),
    "the mean image": (
        lambda vae, x: (
            vae.decode(
                code_of(vae, x).mean(0, keepdim=True).expand(len(x), -1)
            ).mean
        ),
        None,
    ),
    "tanh": (
        lambda vae, x: vae.decode(code_of(vae, x)).base_dist.logits.tanh(),
        None,
    ),
    "clamped logits": (
        lambda vae, x: vae.decode(code_of(vae, x)).base_dist.logits.clamp(
            0, 1
        ),
        None,
    ),
    "a list": (
        lambda vae, x: list(vae.decode(code_of(vae, x)).mean),
        None,
    ),
    "numpy": (
        lambda vae, x: vae.decode(code_of(vae, x)).mean.detach().numpy(),
        None,
    ),
    "forward": (lambda vae, x: vae(x), None),
    "both halves": (
        lambda vae, x: vae.decode(vae.encoder(x.flatten(1))).mean,
        None,
    ),
    "the second half": (
        lambda vae, x: (
            vae.decode(vae.encoder(x.flatten(1)).chunk(2, 1)[1]).mean
        ),
        None,
    ),
    "weights halved": (
        lambda vae, x: (
            [p.data.mul_(0.5) for p in vae.parameters()]
            and vae.decode(code_of(vae, x)).mean
        ),
        None,
    ),
}

# --- 2.6: from one image to another -----------------------------------------


def along(vae, a, b, weights):
    w = torch.as_tensor(weights, dtype=torch.float32).view(-1, 1)
    return vae.decode((1 - w) * code_of(vae, a) + w * code_of(vae, b)).mean


def one_by_one(vae, a, b, steps):
    first, last = code_of(vae, a), code_of(vae, b)
    step = (last - first) / (steps - 1)
    images = [vae.decode(first + i * step).mean for i in range(steps)]
    return torch.cat(images)


RIGHT["2.6"] = {
    "one by one": one_by_one,
    "numpy": lambda vae, a, b, n: along(vae, a, b, np.linspace(0, 1, n)),
    "lerp": lambda vae, a, b, n: torch.cat(
        [
            vae.decode(
                torch.lerp(code_of(vae, a), code_of(vae, b), i / (n - 1))
            ).mean
            for i in range(n)
        ]
    ),
    "fractions": lambda vae, a, b, n: along(
        vae, a, b, [float(Fraction(i, n - 1)) for i in range(n)]
    ),
    "no graph": torch.no_grad()(
        lambda vae, a, b, n: along(vae, a, b, torch.linspace(0, 1, n))
    ),
    "outer product": lambda vae, a, b, n: (
        vae.decode(
            code_of(vae, a)
            + torch.outer(
                torch.linspace(0, 1, n),
                (code_of(vae, b) - code_of(vae, a))[0],
            )
        ).mean
    ),
    "from both ends": lambda vae, a, b, n: along(
        vae, b, a, torch.linspace(1, 0, n)
    ),
}


def between(a, b, steps):
    w = torch.linspace(0, 1, steps).view(-1, 1, 1, 1)
    return (1 - w) * a + w * b


def on_a_circle(vae, a, b, n):
    start, end = code_of(vae, a), code_of(vae, b)
    angle = torch.acos(F.cosine_similarity(start, end)).unsqueeze(1)
    w = torch.linspace(0, 1, n).view(-1, 1)
    codes = ((1 - w) * angle).sin() * start + (w * angle).sin() * end
    return vae.decode(codes / angle.sin()).mean


WRONG["2.6"] = {
    "pixels": (
        lambda vae, a, b, n: between(a, b, n),
        "fading the pixels",
    ),
    "reconstructions": (
        lambda vae, a, b, n: between(
            vae.decode(code_of(vae, a)).mean,
            vae.decode(code_of(vae, b)).mean,
            n,
        ),
        "fading the reconstructions",
    ),
    "before encoding": (
        lambda vae, a, b, n: vae.decode(code_of(vae, between(a, b, n))).mean,
        "mixed before encoding",
    ),
    "logits": (
        lambda vae, a, b, n: between(
            vae.decode(code_of(vae, a)).base_dist.logits,
            vae.decode(code_of(vae, b)).base_dist.logits,
            n,
        ).sigmoid(),
        None,
    ),
    "no last": (
        lambda vae, a, b, n: along(vae, a, b, [i / n for i in range(n)]),
        "the last image is missing",
    ),
    "no first": (
        lambda vae, a, b, n: along(
            vae, a, b, [i / n for i in range(1, n + 1)]
        ),
        "the first image is missing",
    ),
    "no ends": (
        lambda vae, a, b, n: along(
            vae, a, b, torch.linspace(0, 1, n + 2)[1:-1]
        ),
        "both ends are missing",
    ),
    "ends more": (
        lambda vae, a, b, n: along(vae, a, b, torch.linspace(0, 1, n + 2)),
        None,
    ),
    "one more": (
        lambda vae, a, b, n: along(vae, a, b, torch.linspace(0, 1, n + 1)),
        None,
    ),
    "one less": (
        lambda vae, a, b, n: along(vae, a, b, torch.linspace(0, 1, n - 1)),
        None,
    ),
    "backwards": (
        lambda vae, a, b, n: along(vae, b, a, torch.linspace(0, 1, n)),
        "the wrong way round",
    ),
    "sampled": (
        lambda vae, a, b, n: (
            lambda s, e: (
                vae.decode(
                    s + torch.linspace(0, 1, n).view(-1, 1) * (e - s)
                ).mean
            )
        )(vae.encode(a).sample(), vae.encode(b).sample()),
        "sampled ends",
    ),
    "drawn": (
        lambda vae, a, b, n: vae.decode(
            torch.lerp(
                code_of(vae, a),
                code_of(vae, b),
                torch.linspace(0, 1, n).view(-1, 1),
            )
        ).sample(),
        None,
    ),
    "the prior": (
        lambda vae, a, b, n: vae.decode(vae.prior.sample((n,))).mean,
        "random codes",
    ),
    "on a circle": (on_a_circle, None),
    "random places": (
        lambda vae, a, b, n: along(vae, a, b, torch.rand(n).sort().values),
        None,
    ),
    "both weights alike": (
        lambda vae, a, b, n: (
            lambda w: (
                vae.decode(w * code_of(vae, a) + w * code_of(vae, b)).mean
            )
        )(torch.linspace(0, 1, n).view(-1, 1)),
        None,
    ),
    "the start in full": (
        lambda vae, a, b, n: (
            lambda w: vae.decode(code_of(vae, a) + w * code_of(vae, b)).mean
        )(torch.linspace(0, 1, n).view(-1, 1)),
        None,
    ),
    "ends alone": (
        lambda vae, a, b, n: along(vae, a, b, [0.0] * (n - 1) + [1.0]),
        None,
    ),
    "eased": (
        lambda vae, a, b, n: along(
            vae, a, b, (1 - torch.linspace(0, math.pi, n).cos()) / 2
        ),
        None,
    ),
    "in logarithms": (
        lambda vae, a, b, n: along(vae, a, b, torch.logspace(-2, 0, n)),
        None,
    ),
    "codes": (
        lambda vae, a, b, n: torch.lerp(
            code_of(vae, a),
            code_of(vae, b),
            torch.linspace(0, 1, n).view(-1, 1),
        ),
        None,
    ),
    "a list": (
        lambda vae, a, b, n: list(one_by_one(vae, a, b, n)),
        None,
    ),
    "stacked": (
        lambda vae, a, b, n: one_by_one(vae, a, b, n)[:, None],
        None,
    ),
    "the image at the ends": (
        lambda vae, a, b, n: torch.cat([a, one_by_one(vae, a, b, n)[1:-1], b]),
        None,
    ),
}

# --- 2.7: an honest number --------------------------------------------------


def losses(vae, images, size):
    return torch.cat([sum(elbo(vae, x)) for x in images.split(size)])


def in_a_while(vae, train, test, size):
    total, done = 0, 0
    while done < len(test):
        bound = elbo(vae, test[done : done + size])
        total += bound.distortion.sum() + bound.rate.sum()
        done += size
    return total.item() / len(test)


def by_a_loader(vae, train, test, size):
    loader = torch.utils.data.DataLoader(test, batch_size=size)
    weighted = [(elbo(vae, x).loss.item(), len(x)) for x in loader]
    return sum(a * n for a, n in weighted) / sum(n for _, n in weighted)


RIGHT["2.7"] = {
    "a while loop": in_a_while,
    "a loader": by_a_loader,
    "no graph": torch.no_grad()(
        lambda vae, train, test, size: losses(vae, test, size).mean()
    ),
    "one image at a time": lambda vae, train, test, size: (
        losses(vae, test, 1).mean().item()
    ),
    "minus the values": lambda vae, train, test, size: (
        -sum(elbo(vae, x).value.sum() for x in test.split(size)) / len(test)
    ),
    "shuffled": lambda vae, train, test, size: (
        losses(vae, test[torch.randperm(len(test))], size).double().mean()
    ),
    "by hand": lambda vae, train, test, size: (
        sum(
            (
                D.kl_divergence(q, vae.prior)
                - vae.decode(q.rsample()).log_prob(x)
            )
            .sum()
            .item()
            for x in test.split(size)
            for q in [vae.encode(x)]
        )
        / test.shape[0]
    ),
    "two averages": lambda vae, train, test, size: np.mean(
        np.concatenate(
            [sum(elbo(vae, x)).detach().numpy() for x in test.split(size)]
        )
    ),
}


def batches(vae, images, size):
    return [elbo(vae, x) for x in images.split(size)]


WRONG["2.7"] = {
    "the training images": (
        lambda vae, train, test, n: losses(vae, train, n).mean(),
        "evaluating on training data",
    ),
    "both sets": (
        lambda vae, train, test, n: losses(
            vae, torch.cat([train, test]), n
        ).mean(),
        None,
    ),
    "the mean of means": (
        lambda vae, train, test, n: np.mean(
            [each.loss.item() for each in batches(vae, test, n)]
        ),
        "the mean of the batches' means",
    ),
    "the sum of means": (
        lambda vae, train, test, n: sum(
            each.loss.item() for each in batches(vae, test, n)
        ),
        "the sum of the batches' means",
    ),
    "the sum of means over images": (
        lambda vae, train, test, n: (
            sum(each.loss.item() for each in batches(vae, test, n)) / len(test)
        ),
        "divided twice",
    ),
    "divided by the training images": (
        lambda vae, train, test, n: losses(vae, test, n).sum() / len(train),
        "divided by the number of training images",
    ),
    "divided by the batch": (
        lambda vae, train, test, n: losses(vae, test, n).sum() / n,
        None,
    ),
    "divided by the batches": (
        lambda vae, train, test, n: (
            losses(vae, test, n).sum() / len(test.split(n))
        ),
        None,
    ),
    "by full batches": (
        lambda vae, train, test, n: (
            losses(vae, test, n).sum() / (len(test.split(n)) * n)
        ),
        None,
    ),
    "no rate": (
        lambda vae, train, test, n: torch.cat(
            [e.distortion for e in batches(vae, test, n)]
        ).mean(),
        "the rate is forgotten",
    ),
    "no distortion": (
        lambda vae, train, test, n: torch.cat(
            [e.rate for e in batches(vae, test, n)]
        ).mean(),
        "the distortion is forgotten",
    ),
    "the rate subtracted": (
        lambda vae, train, test, n: torch.cat(
            [e.distortion - e.rate for e in batches(vae, test, n)]
        ).mean(),
        None,
    ),
    "the ELBO": (
        lambda vae, train, test, n: -losses(vae, test, n).mean(),
        "the sign",
    ),
    "the sum": (
        lambda vae, train, test, n: losses(vae, test, n).sum(),
        "not divided",
    ),
    "one batch": (
        lambda vae, train, test, n: elbo(vae, test[:n]).loss,
        "one batch",
    ),
    "all at once": (
        lambda vae, train, test, n: elbo(vae, test).loss,
        "all images at once",
    ),
    "full batches": (
        lambda vae, train, test, n: losses(
            vae, test[: len(test) - len(test) % n], n
        ).mean(),
        "the last batch is dropped",
    ),
    "the last batch": (
        lambda vae, train, test, n: elbo(vae, test.split(n)[-1]).loss,
        None,
    ),
    "the last one skipped": (
        lambda vae, train, test, n: losses(vae, test[:-1], n).mean(),
        None,
    ),
    "the first one skipped": (
        lambda vae, train, test, n: losses(vae, test[1:], n).mean(),
        None,
    ),
    "an image of each batch skipped": (
        lambda vae, train, test, n: torch.cat(
            [sum(elbo(vae, x[:-1])) for x in test.split(n) if len(x) > 1]
        ).mean(),
        None,
    ),
    "chunks": (
        lambda vae, train, test, n: torch.cat(
            [sum(elbo(vae, x)) for x in test.chunk(n)]
        ).mean(),
        "chunk for split",
    ),
    "the median": (
        lambda vae, train, test, n: losses(vae, test, n).median(),
        None,
    ),
    "the mean code": (
        lambda vae, train, test, n: torch.cat(
            [
                D.kl_divergence(vae.encode(x), vae.prior)
                - vae.decode(code_of(vae, x)).log_prob(x)
                for x in test.split(n)
            ]
        ).mean(),
        "z is not sampled",
    ),
    "the best of ten": (
        lambda vae, train, test, n: min(
            losses(vae, test, n).mean().item() for _ in range(10)
        ),
        None,
    ),
    "in bits": (
        lambda vae, train, test, n: losses(vae, test, n).mean() / math.log(2),
        None,
    ),
    "per pixel": (
        lambda vae, train, test, n: (
            losses(vae, test, n).mean() / test[0].numel()
        ),
        None,
    ),
    "batches of 100": (
        lambda vae, train, test, n: losses(vae, test, 100).mean(),
        None,
    ),
    "all losses": (lambda vae, train, test, n: losses(vae, test, n), None),
    "two halves": (
        lambda vae, train, test, n: tuple(
            torch.cat([e.distortion for e in batches(vae, test, n)])
            for _ in range(2)
        ),
        None,
    ),
    "centred images": (
        lambda vae, train, test, n: losses(vae, test - test.mean(0), n).mean(),
        None,
    ),
    "one image more": (
        lambda vae, train, test, n: (
            losses(vae, test, n).sum() / (len(test) + 1)
        ),
        None,
    ),
}

# --- 2.8: bits per dimension ------------------------------------------------

RIGHT["2.8"] = {
    "log2 of e": 98 / 784 * math.log2(math.e),
    "three digits": 0.180,
    "numpy": np.array(98 / 784 / np.log(2)),
    "a fraction": Fraction(1803, 10000),
    "torch": torch.tensor([0.18034]),
    "by 0.693": 98 / 784 / 0.693,
}
WRONG["2.8"] = {
    "nats": (98 / 784, "nats for bits"),
    "the wrong side": (98 / 784 * math.log(2), "log 2 on the wrong side"),
    "log2 of e below": (
        98 / 784 / math.log2(math.e),
        "log 2 on the wrong side",
    ),
    "the image's bits": (98 / math.log(2), "the whole image"),
    "the image's bits, less": (98 * math.log(2), None),
    "nats of the image": (98, None),
    "by 28": (98 / 28 / math.log(2), "one side of the image"),
    "by 28, nats": (98 / 28, None),
    "by 56": (98 / 56 / math.log(2), None),
    "log10": (98 / 784 / math.log10(2), "the common logarithm"),
    "by the logarithm of 784": (math.log2(784) / 98, None),
    "by 3 · 784": (98 / 784 / 3 / math.log(2), None),
    "by 8 bits": (98 / 784 / 8, None),
    "turned round": (784 * math.log(2) / 98, "the inverse"),
    "turned round, nats": (784 / 98, None),
    "log2 of the nats": (math.log2(98) / 784, None),
    "a power of two": (2 ** (-98 / 784), None),
    "two digits": (0.2, None),
    "a percentage": (18.0, None),
    "half": (98 / 784 / 2, None),
    "by 2": (98 / 784 / math.log(4), None),
    "negative": (-98 / 784 / math.log(2), None),
    "text": ("0.180", None),
    "a pair": ([0.180], None),
}
