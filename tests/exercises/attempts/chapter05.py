"""Chapter 5: attempts as students write them, right and wrong."""

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import torch
from torch import distributions as D
from torch.nn import functional as F

from vae_course.exercises import registry

RIGHT, WRONG = {}, {}

# --- 5.1: the β in a stranger's loss -----------------------------------------

RIGHT["5.1"] = {
    "exactly": 30.72,
    "its product": 0.01 * 3 * 32 * 32,
    "rounded": 30.7,
    "Fraction": Fraction(3072, 100),
    "Decimal": Decimal("30.72"),
    "half precision": torch.tensor(30.72, dtype=torch.float16),
    "numpy": np.float32(30.72),
    "an array of one": np.array([30.72]),
    "a tensor of one": torch.tensor([30.72]),
}
WRONG["5.1"] = {
    "as written": (0.01, "the weight itself"),
    "no colours": (10.24, "the colours are forgotten"),
    "no colours, rounded": (10.2, None),
    "over the latents": (0.24, "divided by the latents"),
    "times the batch": (1966.08, "multiplied by the batch"),
    "batch alone": (0.64, "multiplied by the batch"),
    "upside down": (1 / 30.72, "upside down"),
    "upside down, rounded": (0.033, "upside down"),
    "over the pixels": (0.01 / 3072, "divided by the pixels"),
    "pixels alone": (3072, "the 0.01 is forgotten"),
    "latents": (1.28, "multiplied by the latents"),
    "pixels and latents": (3932.16, "multiplied by the latents"),
    "over latents alone": (
        0.01 / 128,
        "averaged over the latents alone",
    ),
    "zero": (0, None),
    "one": (1, None),
    "nearly zero": (1e-9, None),
    "minus": (-30.72, None),
    "0.1 for 0.01": (307.2, None),
    "half": (15.36, None),
    "twice": (61.44, None),
    "28 × 28": (7.84, None),
    "in thousands": (30720, None),
    "a percentage": ("30.72", None),
    "not a number": (math.nan, None),
    "a thirtieth": (1 / 30, None),
    "30": (30, None),
    "31": (31, None),
}

# --- 5.2: the σ that fits ----------------------------------------------------

calibrated = registry.find("5.2").solution


def calibrated_by_loops(x, mean):
    errors = [
        [(a - b) ** 2 for a, b in zip(i, j, strict=True)]
        for i, j in zip(
            x.flatten(1).tolist(), mean.flatten(1).tolist(), strict=True
        )
    ]
    n = len(errors[0])
    var = sum(map(sum, errors)) / (n * len(errors))
    out = [
        sum(row) / (2 * var) + n / 2 * math.log(2 * math.pi * var)
        for row in errors
    ]
    return torch.tensor(out, dtype=x.dtype)


def calibrated_by_numpy(x, mean):
    a, b = x.numpy(), mean.numpy()
    var = np.mean((a - b) ** 2)
    each = (a - b) ** 2 / (2 * var) + 0.5 * np.log(2 * np.pi * var)
    return torch.from_numpy(each.sum(axis=(1, 2, 3)))


RIGHT["5.2"] = {
    "loops": calibrated_by_loops,
    "numpy": calibrated_by_numpy,
    "under no_grad": torch.no_grad()(calibrated),
    "gaussian_nll_loss": lambda x, m: F.gaussian_nll_loss(
        m,
        x,
        F.mse_loss(m, x).expand_as(x),
        full=True,
        eps=1e-30,
        reduction="none",
    ).sum((1, 2, 3)),
    "mse_loss": lambda x, m: (
        0.5
        * x[0].numel()
        * (
            F.mse_loss(x, m, reduction="none").mean((1, 2, 3))
            / F.mse_loss(x, m)
            + math.log(2 * math.pi)
            + F.mse_loss(x, m).log()
        )
    ),
    "σ held fixed": lambda x, m: (
        -D.Normal(m, (x - m).detach().pow(2).mean().sqrt().item())
        .log_prob(x)
        .sum((1, 2, 3))
    ),
    "einsum": lambda x, m: (
        0.5
        * (
            torch.einsum("bchw,bchw->b", x - m, x - m) / (x - m).pow(2).mean()
            + (2 * math.pi * (x - m).pow(2).mean()).log() * x[0].numel()
        )
    ),
    "Independent": lambda x, m: (
        -D.Independent(
            D.Normal(m, (x - m).square().mean().sqrt().expand_as(m)), 3
        ).log_prob(x)
    ),
}


def with_var(var):
    """The distortion with another variance, which broadcasts."""

    def attempt(x, m):
        e = (x - m).square()
        v = var(e, x, m)
        return 0.5 * (e / v + torch.log(2 * math.pi * v)).flatten(1).sum(1)

    return attempt


WRONG["5.2"] = {
    "σ an image": (
        with_var(lambda e, x, m: e.mean((1, 2, 3), keepdim=True)),
        "a σ for each image",
    ),
    "σ a pixel": (
        with_var(lambda e, x, m: e.mean(0, keepdim=True)),
        "a σ for each pixel",
    ),
    "σ a channel": (
        with_var(lambda e, x, m: e.mean((0, 2, 3), keepdim=True)),
        None,
    ),
    "σ of every number": (with_var(lambda e, x, m: e), None),
    "first image's σ": (with_var(lambda e, x, m: e[0].mean()), None),
    "summed error": (with_var(lambda e, x, m: e.sum()), None),
    "at least 0.1": (
        with_var(lambda e, x, m: e.mean().clamp(min=0.1)),
        None,
    ),
    "at least 1e-3": (
        with_var(lambda e, x, m: e.mean().clamp(min=1e-3)),
        None,
    ),
    "plus 1e-6": (with_var(lambda e, x, m: e.mean() + 1e-6), None),
    "at most 1": (with_var(lambda e, x, m: e.mean().clamp(max=1)), None),
    "σ for σ²": (with_var(lambda e, x, m: e.mean() ** 2), "σ in place of σ²"),
    "root": (with_var(lambda e, x, m: e.mean().sqrt()), None),
    "σ = 1": (with_var(lambda e, x, m: torch.ones_like(e)), "σ = 1"),
    "var()": (
        with_var(lambda e, x, m: (x - m).var()),
        "the variance about the mean error",
    ),
    "of the images": (with_var(lambda e, x, m: x.var()), None),
    "absolute error": (
        with_var(lambda e, x, m: e.sqrt().mean() ** 2),
        None,
    ),
    "one less": (
        with_var(lambda e, x, m: e.sum() / (e.numel() - 1)),
        None,
    ),
    "no half": (lambda x, m: 2 * calibrated(x, m), "the half is missing"),
    "no 2π": (
        lambda x, m: (
            calibrated(x, m) - x[0].numel() / 2 * math.log(2 * math.pi)
        ),
        "log 2π is missing",
    ),
    "log 2π twice": (
        lambda x, m: (
            calibrated(x, m) + x[0].numel() / 2 * math.log(2 * math.pi)
        ),
        None,
    ),
    "the constant once": (
        lambda x, m: (
            0.5 * (x - m).square().flatten(1).sum(1) / (x - m).square().mean()
            + 0.5 * (2 * math.pi * (x - m).square().mean()).log()
        ),
        "the constant once",
    ),
    "log alone": (
        lambda x, m: (
            0.5 * x[0].numel() * (x - m).square().mean().log().expand(len(x))
        ),
        None,
    ),
    "averaged over pixels": (
        lambda x, m: calibrated(x, m) / x[0].numel(),
        "averaged over the pixels",
    ),
    "mean of the batch": (
        lambda x, m: calibrated(x, m).mean(),
        "the whole batch",
    ),
    "sum of the batch": (
        lambda x, m: calibrated(x, m).sum(),
        "the whole batch",
    ),
    "the same for all": (
        lambda x, m: calibrated(x, m).mean().expand(len(x)),
        None,
    ),
    "Laplace": (
        lambda x, m: (
            -D.Laplace(m, (x - m).abs().mean()).log_prob(x).sum((1, 2, 3))
        ),
        None,
    ),
    "minus": (lambda x, m: -calibrated(x, m), None),
    "squeezed": (lambda x, m: calibrated(x, m).squeeze(), None),
    "squared error": (
        lambda x, m: (x - m).square().flatten(1).sum(1),
        None,
    ),
}

# --- 5.3: the absolute error as a likelihood ---------------------------------

laplace = registry.find("5.3").solution


def laplace_by_loops(x, mean, scale):
    out = []
    for a, b in zip(
        x.flatten(1).tolist(), mean.flatten(1).tolist(), strict=True
    ):
        total = 0.0
        for i, j in zip(a, b, strict=True):
            total += abs(i - j) / scale + math.log(2 * scale)
        out.append(total)
    return torch.tensor(out, dtype=x.dtype)


RIGHT["5.3"] = {
    "loops": laplace_by_loops,
    "numpy": lambda x, m, b: torch.from_numpy(
        (np.abs(x.numpy() - m.numpy()) / b + np.log(2 * b)).sum((1, 2, 3))
    ).to(x.dtype),
    "under no_grad": torch.no_grad()(laplace),
    "l1_loss": lambda x, m, b: (
        F.l1_loss(x, m, reduction="none") / b + np.log(2 * b)
    ).sum((-3, -2, -1)),
    "Independent": lambda x, m, b: (
        -D.Independent(D.Laplace(m, torch.full_like(m, b)), 3).log_prob(x)
    ),
    "each density's logarithm": lambda x, m, b: (
        -((-(x - m).abs() / b).exp() / (2 * b)).log().flatten(1).sum(1)
        if b > 0.4
        else laplace(x, m, b)
    ),
    "cdist": lambda x, m, b: (
        torch.stack(
            [
                torch.cdist(i.view(1, -1), j.view(1, -1), p=1)[0, 0]
                for i, j in zip(x, m, strict=True)
            ]
        )
        / b
        + x[0].numel() * math.log(2 * b)
    ),
    "a tensor for b": lambda x, m, b: (
        ((x - m).abs() / torch.tensor(b) + torch.log(torch.tensor(2 * b)))
        .reshape(len(x), -1)
        .sum(-1)
    ),
}


def terms(change):
    """From the summed absolute error, b, and how many numbers."""
    return lambda x, m, b: change(
        (x - m).abs().flatten(1).sum(1), b, x[0].numel()
    )


WRONG["5.3"] = {
    "no constant": (terms(lambda e, b, n: e / b), "the constant is missing"),
    "constant once": (
        terms(lambda e, b, n: e / b + math.log(2 * b)),
        "the constant once",
    ),
    "constant minus": (
        terms(lambda e, b, n: e / b - n * math.log(2 * b)),
        "the sign of the constant",
    ),
    "log b": (
        terms(lambda e, b, n: e / b + n * math.log(b)),
        "log b for log 2b",
    ),
    "log 2": (terms(lambda e, b, n: e / b + n * math.log(2)), None),
    "2b, no log": (terms(lambda e, b, n: e / b + n * 2 * b), None),
    "log 2b²": (terms(lambda e, b, n: e / b + n * math.log(2 * b * b)), None),
    "half the constant": (
        terms(lambda e, b, n: e / b + n / 2 * math.log(2 * b)),
        None,
    ),
    "half": (
        terms(lambda e, b, n: e / b / 2 + n * math.log(2 * b)),
        "half the error",
    ),
    "half of all": (
        terms(lambda e, b, n: (e / b + n * math.log(2 * b)) / 2),
        None,
    ),
    "over 2b": (terms(lambda e, b, n: e / (2 * b)), None),
    "times b": (
        terms(lambda e, b, n: e * b + n * math.log(2 * b)),
        "multiplied by the scale",
    ),
    "over b²": (terms(lambda e, b, n: e / b**2 + n * math.log(2 * b)), None),
    "not over b": (terms(lambda e, b, n: e + n * math.log(2 * b)), None),
    "over √b": (terms(lambda e, b, n: e / b**0.5 + n * math.log(2 * b)), None),
    "Gaussian": (
        lambda x, m, b: -D.Normal(m, b).log_prob(x).sum((1, 2, 3)),
        "a Gaussian",
    ),
    "squared": (
        lambda x, m, b: (
            (x - m).square().flatten(1).sum(1) / b
            + x[0].numel() * math.log(2 * b)
        ),
        "the squared error",
    ),
    "no absolute value": (
        lambda x, m, b: (
            (x - m).flatten(1).sum(1) / b + x[0].numel() * math.log(2 * b)
        ),
        None,
    ),
    "absolute value of the sum": (
        lambda x, m, b: (
            (x - m).flatten(1).sum(1).abs() / b
            + x[0].numel() * math.log(2 * b)
        ),
        None,
    ),
    "densities multiplied": (
        lambda x, m, b: (
            -((-(x - m).abs() / b).exp() / (2 * b)).flatten(1).prod(1).log()
        ),
        "the product of densities",
    ),
    "densities summed": (
        lambda x, m, b: (
            -((-(x - m).abs() / b).exp() / (2 * b)).flatten(1).sum(1).log()
        ),
        None,
    ),
    "clamped densities": (
        lambda x, m, b: (
            -((-(x - m).abs() / b).exp() / (2 * b))
            .clamp(1e-2, 20)
            .log()
            .flatten(1)
            .sum(1)
        ),
        None,
    ),
    "log-likelihood": (lambda *a: -laplace(*a), None),
    "averaged over pixels": (
        lambda x, m, b: laplace(x, m, b) / x[0].numel(),
        "averaged over the pixels",
    ),
    "mean of the batch": (lambda *a: laplace(*a).mean(), "the whole batch"),
    "sum of the batch": (lambda *a: laplace(*a).sum(), "the whole batch"),
    "squeezed": (lambda *a: laplace(*a).squeeze(), None),
    "with rows of the batch": (
        terms(lambda e, b, n: e / b + n * len(e) * math.log(2 * b)),
        None,
    ),
    "in bits": (lambda *a: laplace(*a) / math.log(2), None),
    "smooth": (
        lambda x, m, b: (
            F.smooth_l1_loss(x, m, reduction="none").flatten(1).sum(1) / b
            + x[0].numel() * math.log(2 * b)
        ),
        None,
    ),
}

# --- 5.4: free bits ----------------------------------------------------------

free = registry.find("5.4").solution
RIGHT["5.4"] = {
    "loops": lambda r, f: sum(
        max(sum(r[i, d].item() for i in range(len(r))) / len(r), f)
        for d in range(r.shape[1])
    ),
    "numpy": lambda r, f: np.maximum(r.numpy().mean(0), f).sum(),
    "where": lambda r, f: torch.where(r.mean(0) > f, r.mean(0), f).sum(),
    "relu": lambda r, f: (F.relu(r.mean(0) - f) + f).sum(),
    "max": lambda r, f: (
        torch.stack([r.mean(0), torch.full_like(r[0], f)]).max(0).values.sum()
    ),
    "in place on a fresh tensor": lambda r, f: (
        r.mean(dim=0).clamp_(min=f).sum()
    ),
    "clip, a float": lambda r, f: float(r.mean(0).clip(f).sum()),
    "threshold": lambda r, f: F.threshold(r.mean(0), f, f).sum(),
    "under no_grad": torch.no_grad()(free),
    "a tensor of one": lambda r, f: free(r, f).reshape(1),
}
WRONG["5.4"] = {
    "no floor": (lambda r, f: r.mean(0).sum(), "no floor"),
    "clamp thrown away": (
        lambda r, f: (r.mean(0).clamp(min=f), r.mean(0).sum())[1],
        "no floor",
    ),
    "the mean of sums": (lambda r, f: r.sum(1).mean(), "no floor"),
    "before the mean": (
        lambda r, f: r.clamp(min=f).mean(0).sum(),
        "the floor before the mean",
    ),
    "for the sum": (
        lambda r, f: r.mean(0).sum().clamp(min=f),
        "one floor for the sum",
    ),
    "D floors for the sum": (
        lambda r, f: r.mean(0).sum().clamp(min=f * r.shape[1]),
        "one floor for the sum",
    ),
    "for each image": (
        lambda r, f: r.sum(1).clamp(min=f).mean(),
        "the floor for each image",
    ),
    "for each image, averaged": (
        lambda r, f: r.mean(1).clamp(min=f).sum(),
        "the floor for each image",
    ),
    "ceiling": (lambda r, f: r.mean(0).clamp(max=f).sum(), "a ceiling"),
    "subtracted": (
        lambda r, f: F.relu(r.mean(0) - f).sum(),
        "the floor is subtracted",
    ),
    "subtracted, not clamped": (lambda r, f: (r.mean(0) - f).sum(), None),
    "added": (lambda r, f: (r.mean(0) + f).sum(), "the floor is added"),
    "dropped": (
        lambda r, f: (r.mean(0) * (r.mean(0) > f)).sum(),
        "quiet dimensions cost nothing",
    ),
    "floors alone": (lambda r, f: r.shape[1] * f, None),
    "averaged": (
        lambda r, f: r.mean(0).clamp(min=f).mean(),
        "averaged over the dimensions",
    ),
    "summed over the batch": (
        lambda r, f: r.sum(0).clamp(min=f).sum(),
        "summed over the batch",
    ),
    "everything summed": (
        lambda r, f: r.clamp(min=f).sum(),
        "summed over the batch",
    ),
    "everything averaged": (lambda r, f: r.clamp(min=f).mean(), None),
    "maximum": (lambda r, f: r.mean(0).max().clamp(min=f), None),
    "median": (lambda r, f: r.median(0).values.clamp(min=f).sum(), None),
    "half a nat": (lambda r, f: r.mean(0).clamp(min=0.5).sum(), None),
    "floor in bits": (
        lambda r, f: r.mean(0).clamp(min=f * math.log(2)).sum(),
        None,
    ),
    "floor over D": (
        lambda r, f: r.mean(0).clamp(min=f / r.shape[1]).sum(),
        None,
    ),
    "not summed": (lambda r, f: r.mean(0).clamp(min=f), None),
    "for each image, a row": (lambda r, f: r.clamp(min=f).sum(1), None),
    "in place": (lambda r, f: r.clamp_(min=f).mean(0).sum(), None),
    "softplus": (lambda r, f: (F.softplus(r.mean(0) - f) + f).sum(), None),
    "one image": (lambda r, f: r[0].clamp(min=f).sum(), None),
    "one less": (
        lambda r, f: (r.sum(0) / max(len(r) - 1, 1)).clamp(min=f).sum(),
        None,
    ),
    "at most 10": (lambda r, f: r.mean(0).clamp(f, 10).sum(), None),
    "a floor of its own": (
        lambda rates, floor: rates.mean(0).clamp(min=max(floor, 0.05)).sum(),
        None,
    ),
}
