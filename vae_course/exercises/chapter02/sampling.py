"""Exercise 2.1: sampling a code."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch import distributions as D

from vae_course.exercises.engine.results import a_tensor
from vae_course.exercises.exercise import Exercise, Mistake, Trial, after


def sample_latent(mean, log_var):
    """One reparameterized sample z of each N(mean, diag(exp(log_var))).

    Args:
        mean: means, (B, D).
        log_var: logarithms of the variances, (B, D); any real numbers.

    Returns:
        z = mean + std · ε with fresh standard normal ε, (B, D), so that
        gradients reach both arguments.
    """
    std = torch.exp(0.5 * log_var)
    return mean + std * torch.randn_like(std)


def _noise(sample: Callable, mean: Tensor, log_var: Tensor) -> dict[str, Any]:
    """What the noise behind the samples is like, in numbers that are known."""
    leaves = [mean.clone().requires_grad_(), log_var.clone().requires_grad_()]
    result = a_tensor(sample(*leaves), mean.shape, mean)
    slopes: list[Tensor | None] = [None, None]
    if result.requires_grad:
        slopes = torch.autograd.grad(result.sum(), leaves, allow_unused=True)
    z = result.detach()
    again = a_tensor(sample(mean, log_var), mean.shape, mean).detach()
    std = (0.5 * log_var.double()).exp()
    noise = (z - mean).double() / std  # (B, D)
    rows, columns = _shared(noise), _shared(noise.T)
    unit = (noise - noise.mean()) / noise.std().clamp(min=1e-12)
    later = (again - mean).double() / std
    later = (later - later.mean()) / later.std().clamp(min=1e-12)
    half = 0.5 * (z - mean)  # the derivative of std · ε, given z
    chance = (
        noise.var().item(),
        noise.mean().item(),
        unit.pow(4).mean().item(),
        (unit[1:] * unit[:-1]).mean().item(),
        (unit[:, 1:] * unit[:, :-1]).mean().item(),
        noise.abs().max().item() > 3.05,
        abs((unit * later).mean().item()) < 0.2,
    )
    if rows or columns:  # of so few numbers the rest says nothing
        chance = (math.nan,) * 5 + (False, False)
    found = (
        not rows,
        not columns,
        *chance,
        _most_alike(unit) < 0.9,
        _most_alike(unit.T) < 0.6,
        not torch.equal(z, again),
        _is(slopes[0], torch.ones_like(mean)),
        _is(slopes[1], half),
    )
    return dict(zip(_STANDARD_NORMAL, found, strict=True))


_STANDARD_NORMAL = {
    "each row has noise of its own": True,
    "each column has noise of its own": True,
    "variance of (z − mean) / std": 1.0,
    "mean of (z − mean) / std": 0.0,
    "kurtosis of the noise, 3 for a normal one": 3.0,
    "correlation of the noise of neighbouring rows": 0.0,
    "correlation of the noise of neighbouring columns": 0.0,
    # Of 6,000 draws some are: all are nearer once in 900,000 times.
    "some of the noise is beyond ±3": True,
    "noise of one call does not follow that of another": True,
    "no two rows of noise follow each other": True,
    "no two columns of noise follow each other": True,
    "noise differs from call to call": True,
    "gradient reaches mean, and is 1": True,
    "gradient reaches log_var, and is ½ (z − mean)": True,
}


def _shared(noise: Tensor) -> bool:
    """Whether there is noise, and all rows have the same."""
    there = bool(noise.abs().max() > 1e-6)
    return there and torch.allclose(noise, noise[:1], atol=1e-2)


def _most_alike(noise: Tensor) -> float:
    """The largest correlation between two rows, whatever its sign."""
    rows = noise - noise.mean(dim=1, keepdim=True)
    rows = rows / rows.norm(dim=1, keepdim=True).clamp(min=1e-12)
    alike = (rows @ rows.T).abs().fill_diagonal_(0)
    return alike.max().item()


def _is(gradient: Tensor | None, truth: Tensor) -> bool:
    return gradient is not None and torch.allclose(
        gradient, truth, rtol=1e-3, atol=1e-4
    )


def _codes_to_sample() -> Iterator[Trial]:
    for words, mean, log_var, dtype in (
        ("mean=0, log_var=0 in each of 6,000 numbers", 0, 0.0, torch.float32),
        ("mean=0, log_var=2 in each of 6,000 numbers", 0, 2.0, torch.float64),
        (
            "mean=1, log_var=−3 in each of 6,000 numbers",
            1,
            -3.0,
            torch.float32,
        ),
    ):
        full = torch.full((100, 60), float(mean), dtype=dtype)
        yield _sampling_trial(full, torch.full_like(full, log_var), words)
    mean, log_var = 3 * torch.randn(2, 100, 60)
    yield _sampling_trial(
        12 * mean, log_var, "random mean and log_var of shape (100, 60)"
    )
    for size in ((1, 2), (1, 5), (4, 1)):
        mean, log_var = torch.randn(2, *size)
        yield Trial(
            {"mean": mean, "log_var": log_var},
            {FEW: True, SIZED: True},
            _different,
            shown=f"random mean and log_var of shape {size}",
        )
    for far in (70.0, -70.0):  # a few numbers, so that slow loops arrive
        mean = torch.zeros(9, 7)
        yield Trial(
            {"mean": mean, "log_var": torch.full_like(mean, far)},
            {FEW: True, SIZED: True},
            _different,
            shown=f"mean=0, log_var={far:g} in each of 63 numbers",
        )


FEW = "each number gets noise of its own"
SIZED = "(z − mean) / std is neither tiny nor huge"


def _different(sample: Callable, mean: Tensor, log_var: Tensor) -> dict:
    z = a_tensor(sample(mean, log_var), mean.shape, mean)
    noise = (z - mean).double() / (0.5 * log_var.double()).exp()
    apart = (noise.flatten() - noise.flatten()[:, None]).abs()
    apart.fill_diagonal_(1)
    size = noise.abs().max()
    return {
        FEW: bool(apart.min() > 1e-6) and bool((noise != 0).all()),
        SIZED: bool(1e-5 < size < 8),
    }


def _sampling_trial(mean: Tensor, log_var: Tensor, words: str) -> Trial:
    return Trial(
        {"mean": mean, "log_var": log_var},
        _STANDARD_NORMAL,
        _noise,
        # 6,000 draws give the variance to 0.018, the mean and the
        # correlations to 0.013 and the kurtosis to 0.063: 0.07 · (1 +
        # |expected|) is more than 4.4 such errors for each of them, and over
        # all trials an honest sample fails once in 10,000 checks or less.
        tolerance=0.07,
        likeness=0.14,
        shown=words,
    )


def _seeded(mean: Tensor, log_var: Tensor) -> Tensor:
    torch.manual_seed(0)
    return sample_latent(mean, log_var)


SAMPLE = Exercise(
    number="2.1",
    title="Sampling a code",
    prompt="""\
The encoder of a VAE answers with a distribution: a `mean` and a `log_var` for
each number of the code. Draw one code `z` from it in such a way that gradients
still reach the encoder: take standard normal noise ε, stretch it by the
standard deviation, and shift it by the mean.""",
    solution=sample_latent,
    why="""\
The variance is exp(log_var), so the standard deviation is its root, exp(½
log_var). The randomness sits in ε, which depends on nothing that is trained;
mean and std only stretch and shift it, and these are operations with a
derivative. Fresh noise for each number of each code keeps the samples
independent. Chapter 3 takes this apart.""",
    proved="your samples have the right mean, spread, shape and independence "
    "over 24,000 draws, and gradients reach both arguments.",
    hints=(
        "A sample of N(μ, σ²) is μ + σ · ε. Which torch function draws "
        "standard normal noise, one number for each number of the mean?",
        "`torch.randn_like(mean)` draws it (`rand`, without n, would be "
        "uniform). What is left is σ: how does one get it from the logarithm "
        "of σ²?",
        "The standard deviation is the root of the variance, and the root of "
        "exp(a) is exp(½a). Stretch the noise by that, and shift it by the "
        "mean.",
    ),
    trials=_codes_to_sample,
    mistakes=(
        Mistake(
            "uniform noise",
            lambda mean, log_var: (
                mean + (0.5 * log_var).exp() * torch.rand_like(mean)
            ),
            "Your noise is uniform: its standard deviation is 0.289, not 1, "
            "and all of it is positive.",
            "`torch.rand` and `torch.randn` differ by one letter, and a VAE "
            "trains with either; with this one, far worse.",
        ),
        Mistake(
            "uniform noise, centred",
            lambda mean, log_var: (
                mean + (0.5 * log_var).exp() * (2 * torch.rand_like(mean) - 1)
            ),
            "Your noise is uniform between −1 and 1: its standard deviation "
            "is 0.577, not 1, and it has no tails.",
            "it is symmetric about zero, like the normal distribution, and "
            "looks just as random.",
        ),
        Mistake(
            "torch.std in place of exp",
            lambda mean, log_var: (
                mean + torch.std(0.5 * log_var) * torch.randn_like(mean)
            ),
            "You took `torch.std(0.5 * log_var)`, which measures how much "
            "the entries of log_var differ from each other: one number for "
            "all, and zero when they are equal.",
            "the name is just what one is looking for. It measures a spread "
            "where exp(½ log_var) decodes one.",
        ),
        Mistake(
            "exp without the half",
            lambda mean, log_var: (
                mean + log_var.exp() * torch.randn_like(mean)
            ),
            "Your standard deviation is exp(log_var), which is the variance: "
            "take the root, exp(½ log_var).",
            "where log_var is 0 both are 1, so early in training nothing "
            "looks wrong. (It would be right if the encoder returned log σ.)",
        ),
        Mistake(
            "the sign of the exponent",
            lambda mean, log_var: (
                mean + (-0.5 * log_var).exp() * torch.randn_like(mean)
            ),
            "Your standard deviation is exp(−½ log_var), which is 1/σ: what "
            "should be broad is narrow.",
            "exp(−½ …) is how the Gaussian density begins.",
        ),
        Mistake(
            "the logarithm left in",
            lambda mean, log_var: mean + log_var * torch.randn_like(mean),
            "You used log_var as if it were the standard deviation; where it "
            "is 0, there is no noise at all.",
            "the second output of the encoder is easily taken for σ itself. "
            "A network's output may be negative, so it stands for the "
            "logarithm.",
            also=(
                lambda mean, log_var: (
                    mean + 0.5 * log_var * torch.randn_like(mean)
                ),
            ),
        ),
        Mistake(
            "std is not used",
            lambda mean, log_var: mean + torch.randn_like(mean),
            "You added the noise as it is: every code is blurred by the same "
            "1, and log_var has no say.",
            "at log_var = 0, where an untrained encoder is, this is right.",
        ),
        Mistake(
            "one noise for the whole batch",
            lambda mean, log_var: (
                mean
                + (0.5 * log_var).exp() * torch.randn(mean.shape[1]).to(mean)
            ),
            "All rows of the batch share the same noise.",
            "broadcasting makes a vector fit a matrix, and each single code "
            "is right.",
        ),
        Mistake(
            "one noise for a whole code",
            lambda mean, log_var: (
                mean
                + (0.5 * log_var).exp() * torch.randn(len(mean), 1).to(mean)
            ),
            "All numbers of one code share the same noise, so your samples "
            "lie on a line.",
            "broadcasting again: one random number for each image looks like "
            "enough.",
        ),
        Mistake(
            "one noise for everything",
            lambda mean, log_var: (
                mean + (0.5 * log_var).exp() * torch.randn(()).to(mean)
            ),
            "There is a single random number in all of your samples.",
            "`torch.randn(1)` is a random number, and broadcasting makes it "
            "fit everywhere.",
        ),
        Mistake(
            "no gradient",
            lambda mean, log_var: D.Normal(
                mean, (0.5 * log_var).exp()
            ).sample(),
            "Your samples are right, but no gradient passes through them: "
            "the encoder would never learn from the reconstruction.",
            "`Normal(...).sample()` says what it does, and cuts the graph; "
            "`rsample()` is the one that keeps it.",
            also=(
                lambda mean, log_var: sample_latent(mean, log_var).detach(),
                lambda mean, log_var: torch.normal(
                    mean, (0.5 * log_var).exp()
                ).detach(),
                lambda mean, log_var: torch.normal(
                    mean, (0.5 * log_var).exp()
                ),
            ),
            upon=after(lambda z: z.detach()),
        ),
        Mistake(
            "no noise",
            lambda mean, log_var: mean.clone(),
            "You returned the mean: there is no noise, so this is chapter 1's "
            "autoencoder.",
            "its reconstructions are sharper. But a decoder that never sees "
            "noise leaves holes between the codes, and new samples fall into "
            "them.",
            also=(lambda mean, log_var: mean + 0 * log_var,),
        ),
        Mistake(
            "the same noise at every call",
            _seeded,
            "Your noise is the same at every call.",
            "a fixed seed makes results repeatable. Set inside the function, "
            "it makes the noise a constant, and the decoder learns to expect "
            "it.",
        ),
    ),
    seconds=45.0,  # enough for a slow loop over every single number
    alternatives=(
        lambda mean, log_var: D.Normal(mean, log_var.exp().sqrt()).rsample(),
        lambda mean, log_var: torch.addcmul(
            mean.double(),
            log_var.double().exp() ** 0.5,
            torch.randn(mean.shape, dtype=torch.float64),
        ).to(mean.dtype),
        lambda mean, log_var: (
            mean
            + torch.from_numpy(np.random.randn(*mean.shape)).to(mean)
            * torch.exp(log_var / 2)
        ),
    ),
)
