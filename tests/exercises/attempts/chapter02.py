"""Chapter 2: attempts as students write them, right and wrong."""

import math

import torch
from torch import distributions as D
from torch.nn import functional as F

RIGHT, WRONG = {}, {}

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
