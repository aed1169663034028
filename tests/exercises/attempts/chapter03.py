"""Chapter 3: attempts as students write them, right and wrong."""

import math
import random
from decimal import Decimal
from fractions import Fraction

import numpy as np
import torch
from torch import distributions as D

from vae_course.exercises import registry

RIGHT, WRONG = {}, {}

# --- 3.1: draws from Laplace distributions ----------------------------------

laplace = registry.find("3.1").solution


def standard(*shape, dtype=torch.float32):
    """Laplace noise with mean 0 and scale 1."""
    return laplace(
        torch.zeros(shape, dtype=dtype), torch.ones(shape, dtype=dtype), 1
    )[0]


def noise_of(mean, *shape):
    return standard(*shape, dtype=mean.dtype)


def each_number_by_itself(mean, scale, count):
    draws = []
    for _ in range(count):
        rows = []
        for b in range(mean.shape[0]):
            row = []
            for d in range(mean.shape[1]):
                t = -math.log(1 - torch.rand(()).item())
                if torch.rand(()).item() < 0.5:
                    t = -t
                row.append(mean[b, d] + scale[b, d] * t)
            rows.append(torch.stack(row))
        draws.append(torch.stack(rows))
    return torch.stack(draws)


def inverse_of_the_whole(mean, scale, count):
    u = torch.rand(count, *mean.shape, dtype=mean.dtype) - 0.5
    return mean - scale * u.sign() * torch.log1p(-2 * u.abs())


def into_an_empty_tensor(mean, scale, count):
    z = torch.empty(count, *mean.shape, dtype=mean.dtype)
    for k in range(count):
        e = D.Exponential(torch.ones_like(mean)).sample()
        side = 2 * torch.randint(0, 2, mean.shape) - 1
        z[k] = mean + scale * (side * e)
    return z


def numpy_noise(mean, scale, count):
    noise = np.random.laplace(size=(count, *mean.shape))
    return mean + scale * torch.as_tensor(noise, dtype=mean.dtype)


def random_noise(mean, scale, count):
    noise = [
        random.choice((-1, 1)) * random.expovariate(1)
        for _ in range(count * mean.numel())
    ]
    noise = torch.tensor(noise, dtype=mean.dtype)
    return noise.view(count, *mean.shape) * scale + mean


def mixture_of_gaussians(mean, scale, count):
    """A Gaussian whose variance is exponential is a Laplace."""
    shape = (count, *mean.shape)
    width = torch.sqrt(-2 * torch.log1p(-torch.rand(shape, dtype=mean.dtype)))
    return mean + scale * width * torch.randn(shape, dtype=mean.dtype)


RIGHT["3.1"] = {
    "each number by itself": each_number_by_itself,
    "inverse of the whole": inverse_of_the_whole,
    "into an empty tensor": into_an_empty_tensor,
    "numpy": numpy_noise,
    "random": random_noise,
    "a mixture of Gaussians": mixture_of_gaussians,
    "distributions, transformed": lambda m, s, k: D.TransformedDistribution(
        D.Laplace(torch.zeros_like(m), torch.ones_like(m)),
        [D.AffineTransform(m, s)],
    ).rsample((k,)),
    "expanded first": lambda m, s, k: D.Laplace(
        m.expand(k, *m.shape), s.expand(k, *m.shape)
    ).rsample(),
    "a loop over draws": lambda m, s, k: torch.cat(
        [laplace(m, s, 1) for _ in range(k)]
    ),
}


def own_generator(mean, scale, count):
    generator = torch.Generator().manual_seed(1)
    u = torch.rand(count, *mean.shape, generator=generator) - 0.5
    u = u.to(mean.dtype)
    return mean - scale * u.sign() * torch.log1p(-2 * u.abs())


class Kept:
    """Noise that is drawn once and kept between calls."""

    def __init__(self):
        self.noise = {}

    def __call__(self, mean, scale, count):
        key = (count, *mean.shape)
        if key not in self.noise:
            self.noise[key] = standard(*key).double()
        return mean + scale * self.noise[key].to(mean.dtype)


class Alternating:
    """Each second call mirrors the one before it."""

    def __init__(self):
        self.last = None

    def __call__(self, mean, scale, count):
        shape = (count, *mean.shape)
        if self.last is not None and self.last.shape == shape:
            noise, self.last = -self.last, None
        else:
            noise = self.last = standard(*shape).double()
        return mean + scale * noise.to(mean.dtype)


def half_the_rows_mirrored(mean, scale, count):
    n = len(mean)
    noise = noise_of(mean, count, -(-n // 2), mean.shape[1])
    return mean + scale * torch.cat([noise, -noise], dim=1)[:, :n]


def two_columns_share(mean, scale, count):
    noise = noise_of(mean, count, *mean.shape)
    if noise.shape[2] > 1:
        noise = torch.cat([noise[..., :1], noise[..., :-1]], dim=2)
    return mean + scale * noise


def row_sides(mean, scale, count):
    size = noise_of(mean, count, *mean.shape).abs()
    side = torch.where(torch.rand(count, len(mean), 1) < 0.5, 1, -1)
    return mean + scale * side * size


def row_sizes(mean, scale, count):
    size = noise_of(mean, count, len(mean), 1).abs()
    side = torch.where(torch.rand(count, *mean.shape) < 0.5, 1, -1)
    return mean + scale * side * size


def uneven_coin(mean, scale, count):
    size = noise_of(mean, count, *mean.shape).abs()
    side = torch.where(torch.rand(count, *mean.shape) < 0.6, 1, -1)
    return mean + scale * side * size


def one_u_for_both(mean, scale, count):
    u = torch.rand(count, *mean.shape, dtype=mean.dtype)
    size = -torch.log1p(-u)
    return mean + scale * torch.where(u < 0.5, size, -size)


def distance_without_log(mean, scale, count):
    u = torch.rand(count, *mean.shape, dtype=mean.dtype)
    side = torch.where(torch.rand(count, *mean.shape) < 0.5, 1, -1)
    return mean + scale * side * (1 - torch.exp(-u))


def log_with_wrong_sign(mean, scale, count):
    u = torch.rand(count, *mean.shape, dtype=mean.dtype)
    return mean + scale * torch.log1p(-u)


def scale_inside(mean, scale, count):
    u = torch.rand(count, *mean.shape, dtype=mean.dtype)
    side = torch.where(torch.rand(count, *mean.shape) < 0.5, 1, -1)
    return mean + side * -torch.log1p(-u * (1 - torch.exp(-scale)))


def clipped(mean, scale, count):
    noise = noise_of(mean, count, *mean.shape).clamp(-3, 3)
    return mean + scale * noise


WRONG["3.1"] = {
    "sample": (
        lambda m, s, k: D.Laplace(m, s).sample((k,)),
        "the graph is cut",
    ),
    "under no_grad": (
        torch.no_grad()(laplace),
        "the graph is cut",
    ),
    "mean's graph cut": (
        lambda m, s, k: laplace(m.detach(), s, k),
        None,
    ),
    "scale's graph cut": (
        lambda m, s, k: laplace(m, s.detach(), k),
        "no gradient to the scale",
    ),
    "one noise for all draws": (
        lambda m, s, k: (m + s * noise_of(m, *m.shape)).repeat(k, 1, 1),
        "one noise for all draws",
    ),
    "one noise for all rows": (
        lambda m, s, k: m + s * noise_of(m, k, 1, m.shape[1]),
        "one noise for all rows",
    ),
    "one noise for all columns": (
        lambda m, s, k: m + s * noise_of(m, k, len(m), 1),
        "one noise for all columns",
    ),
    "one number for a draw": (
        lambda m, s, k: m + s * noise_of(m, k, 1, 1),
        "one number for a whole draw",
    ),
    "one number for everything": (
        lambda m, s, k: (m + s * noise_of(m, 1)).expand(k, *m.shape),
        "one number for everything",
    ),
    "half the rows mirrored": (half_the_rows_mirrored, None),
    "two columns share": (two_columns_share, None),
    "sides shared in a row": (row_sides, None),
    "distances shared in a row": (row_sizes, None),
    "a generator of its own": (own_generator, "the same noise at every call"),
    "kept noise": (Kept(), "the same noise at every call"),
    "calls in mirrored pairs": (Alternating(), None),
    "an uneven coin": (uneven_coin, None),
    "one u for both": (one_u_for_both, "one uniform number for both"),
    "no logarithm": (distance_without_log, "the probability for its inverse"),
    "one side": (log_with_wrong_sign, "one side only"),
    "scale inside": (scale_inside, None),
    "clipped": (clipped, None),
    "Gaussian": (
        lambda m, s, k: D.Normal(m, s).rsample((k,)),
        "Gaussian noise",
    ),
    "Cauchy": (lambda m, s, k: D.Cauchy(m, s).rsample((k,)), None),
    "Gumbel": (lambda m, s, k: D.Gumbel(m, s).rsample((k,)), None),
    "uniform": (
        lambda m, s, k: m + s * (torch.rand(k, *m.shape, dtype=m.dtype) - 0.5),
        "uniform noise",
    ),
    "uniform from 0": (
        lambda m, s, k: m + s * torch.rand(k, *m.shape, dtype=m.dtype),
        "uniform noise",
    ),
    "mean scaled, too": (
        lambda m, s, k: s * (m + noise_of(m, k, *m.shape)),
        None,
    ),
    "mean left out": (
        lambda m, s, k: s * noise_of(m, k, *m.shape) + 0 * m,
        None,
    ),
    "scale left out": (
        lambda m, s, k: m + noise_of(m, k, *m.shape) + 0 * s,
        None,
    ),
    "scale squared": (
        lambda m, s, k: m + s**2 * noise_of(m, k, *m.shape),
        None,
    ),
    "root of the scale": (
        lambda m, s, k: m + s.sqrt() * noise_of(m, k, *m.shape),
        None,
    ),
    "batch first": (
        lambda m, s, k: laplace(m, s, k).transpose(0, 1),
        None,
    ),
    "one draw too few": (lambda m, s, k: laplace(m, s, k - 1), None),
    "a factor two": (lambda m, s, k: laplace(m, 2 * s, k), None),
    "variance read as scale": (
        lambda m, s, k: laplace(m, s / 2**0.5, k),
        "scale read as a standard deviation",
    ),
    "log of u to base 2": (
        lambda m, s, k: m + s * noise_of(m, k, *m.shape) / math.log(2),
        None,
    ),
    "clipped at 4": (
        lambda m, s, n: m + ((laplace(m, s, n) - m) / s).clamp(-4, 4) * s,
        None,
    ),
    "of eight bits": (
        lambda m, s, n: (
            m + s * ((laplace(m, s, n) - m) / s).bfloat16().to(m.dtype)
        ),
        None,
    ),
    "columns of one lost": (
        lambda m, s, n: laplace(m.squeeze(), s, n),
        None,
    ),
}

# --- 3.2: the chain rule at the draw -----------------------------------------


def element_by_element(slope, log_var, noise):
    out = torch.zeros(2, *slope.shape, dtype=slope.dtype)
    for b in range(slope.shape[0]):
        for d in range(slope.shape[1]):
            g = slope[b, d].item()
            std = math.exp(0.5 * log_var[b, d].item())
            out[0, b, d] = g
            out[1, b, d] = g * std * noise[b, d].item() / 2
    return out


def by_numpy(slope, log_var, noise):
    g, v, e = (a.numpy() for a in (slope, log_var, noise))
    return torch.from_numpy(np.stack([g, g * np.exp(v / 2) * e / 2]))


def by_vjp(slope, log_var, noise):
    def draw(mean, log_var):
        return mean + torch.exp(0.5 * log_var) * noise

    _, back = torch.func.vjp(draw, torch.zeros_like(log_var), log_var)
    return torch.stack(back(slope))


def in_place_on_a_copy(slope, log_var, noise):
    second = log_var.clone().div_(2).exp_().mul_(noise).mul_(slope).mul_(0.5)
    return torch.stack((slope.clone(), second))


RIGHT["3.2"] = {
    "element by element": element_by_element,
    "numpy": by_numpy,
    "vjp": by_vjp,
    "in place on a copy": in_place_on_a_copy,
    "a pair": lambda g, v, e: (g, g * (v / 2).exp() * e / 2),
    "a list": lambda g, v, e: [g, 0.5 * g * e * v.exp() ** 0.5],
    "einsum": lambda g, v, e: torch.cat(
        [g[None], torch.einsum("bd,bd,bd->bd", g, (v / 2).exp(), e)[None] / 2]
    ),
    "from z": lambda g, v, e: torch.stack([g, g * (e * (v / 2).exp()) * 0.5]),
}
WRONG["3.2"] = {
    "no half": (
        lambda g, v, e: (g, g * (0.5 * v).exp() * e),
        "the inner derivative is forgotten",
    ),
    "stopped at σ": (
        lambda g, v, e: torch.stack([g, g * e]),
        "the chain rule stopped at σ",
    ),
    "stopped at σ, a half": (
        lambda g, v, e: torch.stack([g, g * e / 2]),
        None,
    ),
    "no noise": (
        lambda g, v, e: torch.stack([g, g * 0.5 * (0.5 * v).exp()]),
        "the noise is forgotten",
    ),
    "no noise, no half": (
        lambda g, v, e: torch.stack([g, g * (0.5 * v).exp()]),
        None,
    ),
    "no slope": (
        lambda g, v, e: torch.stack(
            [torch.ones_like(g), 0.5 * (0.5 * v).exp() * e]
        ),
        "the slope is forgotten",
    ),
    "no slope in the second": (
        lambda g, v, e: torch.stack([g, 0.5 * (0.5 * v).exp() * e]),
        "the slope is forgotten",
    ),
    "the variance": (
        lambda g, v, e: torch.stack([g, g * v.exp() * e]),
        "exp without the half",
    ),
    "the variance, halved": (
        lambda g, v, e: torch.stack([g, g * v.exp() * e / 2]),
        "exp without the half",
    ),
    "log_var for std": (
        lambda g, v, e: torch.stack([g, g * v * e / 2]),
        None,
    ),
    "wrong order": (
        lambda g, v, e: (g * 0.5 * (0.5 * v).exp() * e, g),
        "the wrong order",
    ),
    "noise in the mean": (
        lambda g, v, e: torch.stack([g * e, g * 0.5 * (0.5 * v).exp() * e]),
        "the noise in the mean's gradient",
    ),
    "summed over the batch": (
        lambda g, v, e: torch.stack(
            [g.sum(0), (g * 0.5 * (0.5 * v).exp() * e).sum(0)]
        ),
        None,
    ),
    "averaged over the batch": (
        lambda g, v, e: (
            torch.stack([g, g * 0.5 * (0.5 * v).exp() * e]) / len(g)
        ),
        "averaged over the batch",
    ),
    "stacked last": (
        lambda g, v, e: torch.stack(
            [g, g * 0.5 * (0.5 * v).exp() * e], dim=-1
        ),
        None,
    ),
    "side by side": (
        lambda g, v, e: torch.cat([g, g * 0.5 * (0.5 * v).exp() * e], dim=1),
        None,
    ),
    "minus": (
        lambda g, v, e: torch.stack([g, -g * 0.5 * (0.5 * v).exp() * e]),
        None,
    ),
    "divided by std": (
        lambda g, v, e: torch.stack([g, g * 0.5 * e / (0.5 * v).exp()]),
        "divided by σ",
    ),
    "noise squared": (
        lambda g, v, e: torch.stack([g, g * 0.5 * (0.5 * v).exp() * e**2]),
        None,
    ),
    "noise of its own": (
        lambda g, v, e: torch.stack(
            [g, g * 0.5 * (0.5 * v).exp() * torch.randn_like(e)]
        ),
        None,
    ),
    "clamped": (
        lambda g, v, e: torch.stack(
            [g, g * 0.5 * (0.5 * v.clamp(-4, 4)).exp() * e]
        ),
        None,
    ),
    "quarter": (
        lambda g, v, e: torch.stack([g, g * 0.25 * (0.5 * v).exp() * e]),
        None,
    ),
    "the rate's gradient": (
        lambda g, v, e: torch.stack([g, 0.5 * (v.exp() - 1)]),
        None,
    ),
    "in place": (
        lambda g, v, e: torch.stack(
            [g.clone(), g.mul_((v / 2).exp() * e / 2)]
        ),
        None,
    ),
    "one alone": (lambda g, v, e: g * 0.5 * (0.5 * v).exp() * e, None),
    "three": (lambda g, v, e: (g, g, g), None),
    "clipped slopes": (
        lambda slope, v, e: torch.stack(
            [
                slope.clamp(-4, 4),
                slope.clamp(-4, 4) * 0.5 * torch.exp(0.5 * v) * e,
            ]
        ),
        None,
    ),
}

# --- 3.3: the score function -------------------------------------------------

score = registry.find("3.3").solution


def score_by_loops(values, z, mean, std):
    s = len(values)
    out = torch.zeros_like(z)
    for i in range(s):
        baseline = sum(values[j].item() for j in range(s) if j != i) / (s - 1)
        for d in range(z.shape[1]):
            away = (z[i, d] - mean[d]).item()
            out[i, d] = (values[i].item() - baseline) * away / std[d] ** 2
    return out


def score_by_jacobian(values, z, mean, std):
    def log_density(m):
        return D.Independent(D.Normal(m, std), 1).log_prob(z)

    scores = torch.autograd.functional.jacobian(log_density, mean)
    keep = 1 - torch.eye(len(values), dtype=values.dtype)
    return (values - keep @ values / keep.sum(1)).unsqueeze(1) * scores


def score_by_masking(values, z, mean, std):
    away = values[:, None] - values[None, :]  # zero on the diagonal
    return torch.einsum(
        "s,sd->sd", away.sum(1) / (len(values) - 1), (z - mean) / std.pow(2)
    )


def score_by_numpy(values, z, mean, std):
    f, a, m, s = (t.numpy() for t in (values, z, mean, std))
    rest = np.array([np.delete(f, i).mean() for i in range(len(f))])
    return torch.from_numpy(
        ((f - rest)[:, None] * (a - m) / s**2).astype(a.dtype)
    )


RIGHT["3.3"] = {
    "loops": score_by_loops,
    "a jacobian": score_by_jacobian,
    "differences": score_by_masking,
    "numpy": score_by_numpy,
    "in place on a copy": lambda f, z, m, s: (
        z.clone()
        .sub_(m)
        .div_(s)
        .div_(s)
        .mul_((f - (f.sum() - f) / (f.numel() - 1)).unsqueeze(-1))
    ),
    "transposed": lambda f, z, m, s: (
        (((f - f.mean()) * f.numel() / (f.numel() - 1)) * ((z - m) / s**2).T).T
    ),
    "by noise": lambda f, z, m, s: (
        (f - (f.sum() - f) / (len(f) - 1)).reshape(-1, 1) * ((z - m) / s) / s
    ),
}


def to_the_baseline(change):
    return lambda f, z, m, s: change(f)[:, None] * (z - m) / s**2


def to_the_score(change):
    return lambda f, z, m, s: (
        (f - (f.sum() - f) / (len(f) - 1))[:, None] * change(z, m, s)
    )


WRONG["3.3"] = {
    "own value in it": (
        to_the_baseline(lambda f: f - f.mean()),
        "the own value in the baseline",
    ),
    "no baseline": (to_the_baseline(lambda f: f), "no baseline"),
    "baseline added": (
        to_the_baseline(lambda f: f + (f.sum() - f) / (len(f) - 1)),
        None,
    ),
    "baseline minus value": (
        to_the_baseline(lambda f: (f.sum() - f) / (len(f) - 1) - f),
        "the sign of the score",
    ),
    "others over S": (
        to_the_baseline(lambda f: f - (f.sum() - f) / len(f)),
        "one less is forgotten",
    ),
    "sum of the others": (
        to_the_baseline(lambda f: 2 * f - f.sum()),
        "the sum of the others",
    ),
    "the sum over S − 1": (
        to_the_baseline(lambda f: f - f.sum() / (len(f) - 1)),
        None,
    ),
    "a median": (to_the_baseline(lambda f: f - f.median()), None),
    "the next sample": (to_the_baseline(lambda f: f - f.roll(1)), None),
    "the samples before": (
        to_the_baseline(
            lambda f: f - (f.cumsum(0) - f) / torch.arange(len(f)).clamp(min=1)
        ),
        None,
    ),
    "standardised": (
        to_the_baseline(lambda f: (f - f.mean()) / f.std()),
        None,
    ),
    "the first as baseline": (to_the_baseline(lambda f: f - f[0]), None),
    "over std": (
        to_the_score(lambda z, m, s: (z - m) / s),
        "divided by the standard deviation",
    ),
    "over nothing": (to_the_score(lambda z, m, s: z - m), None),
    "times the variance": (to_the_score(lambda z, m, s: (z - m) * s**2), None),
    "half": (
        to_the_score(lambda z, m, s: (z - m) / (2 * s**2)),
        "the 2 stays",
    ),
    "double": (to_the_score(lambda z, m, s: 2 * (z - m) / s**2), None),
    "squared": (to_the_score(lambda z, m, s: (z - m) ** 2 / s**2), None),
    "the sign": (
        to_the_score(lambda z, m, s: (m - z) / s**2),
        "the sign of the score",
    ),
    "log-density for score": (
        to_the_score(lambda z, m, s: D.Normal(m, s).log_prob(z)),
        "the log-density for its gradient",
    ),
    "density for score": (
        to_the_score(lambda z, m, s: D.Normal(m, s).log_prob(z).exp()),
        None,
    ),
    "mean forgotten": (
        to_the_score(lambda z, m, s: z / s**2),
        None,
    ),
    "in std": (
        to_the_score(lambda z, m, s: ((z - m) ** 2 - s**2) / s**3),
        "the score of std",
    ),
    "averaged": (
        lambda f, z, m, s: score(f, z, m, s).mean(0),
        "one estimate for all samples",
    ),
    "summed": (
        lambda f, z, m, s: score(f, z, m, s).sum(0),
        "one estimate for all samples",
    ),
    "divided by S": (lambda f, z, m, s: score(f, z, m, s) / len(f), None),
    "batch mean of z": (
        to_the_score(lambda z, m, s: (z - z.mean(0)) / s**2),
        None,
    ),
    "first coordinate alone": (
        to_the_score(lambda z, m, s: ((z - m) / s**2)[:, :1].expand_as(z)),
        None,
    ),
    "clipped values": (
        lambda values, z, m, s: score(values.clamp(-30, 30), z, m, s),
        None,
    ),
    "a mean kept near zero": (
        lambda values, z, m, s: score(values, z, m.clamp(-30, 30), s),
        None,
    ),
    "a spread kept small": (
        lambda values, z, m, s: score(values, z, m, s.clamp(max=4)),
        None,
    ),
}

# --- 3.4: the price of a slope -----------------------------------------------


def drawn():
    """From a million draws of each estimator."""
    generator = torch.Generator().manual_seed(3)
    noise = torch.randn(1_000_000, generator=generator, dtype=torch.float64)
    z = 1 + 0.5 * noise
    path = 40 * torch.cos(40 * z)
    return path.var() / (torch.sin(40 * z) * noise / 0.5).var()


RIGHT["3.4"] = {
    "exactly": 400,
    "a float": 400.0,
    "by its formula": (40 * 0.5) ** 2,
    "drawn": drawn(),
    "numpy": np.float64(399.2),
    "a numpy integer": np.int64(400),
    "half precision": torch.tensor(400.0, dtype=torch.float16),
    "Fraction": Fraction(40, 2) ** 2,
    "Decimal": Decimal("400"),
    "an array without axes": np.array(400.0),
    "rounded up": 403,
}
WRONG["3.4"] = {
    "upside down": (1 / 400, "upside down"),
    "as a root": (20, "a ratio of standard deviations"),
    "root, upside down": (0.05, None),
    "without σ": (1600, "σ is forgotten"),
    "twice": (800, "twice too large"),
    "half": (200, None),
    "σ above": (6400, "multiplied by σ"),
    "σ twice": (100, "divided by σ twice"),
    "no inner derivative": (0.25, "the slope without its factor"),
    "inner derivative once": (10, "the factor, not its square"),
    "the square's answer": (2695.9, None),
    "zero": (0.0, None),
    "one": (1, None),
    "two": (2, None),
    "forty": (40, None),
    "a variance": (8.0, None),
    "minus": (-400, None),
    "infinity": (math.inf, None),
    "not a number": (math.nan, None),
    "a word": ("400", None),
    "true": (True, None),
    "a pair": ([800, 2], None),
    "complex": (400 + 0j, None),
    "a rough drawing": (412.0, None),
    "a function": (lambda: 400, None),
}
