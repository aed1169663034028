"""Exercise 2.2: the rate in closed form."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch import distributions as D

from vae_course.exercises.exercise import (
    Exercise,
    Mistake,
    after,
    trials_against,
)


def gaussian_kl(mean, log_var):
    """KL(N(mean, diag(exp(log_var))) ‖ N(0, I)) of each code.

    Args:
        mean: means, (B, D).
        log_var: logarithms of the variances, (B, D).

    Returns:
        The rate of each image in nats, summed over the D numbers of its code,
        (B,).
    """
    return 0.5 * (mean.square() + log_var.exp() - 1 - log_var).sum(dim=1)


def kl_of_torch(mean: Tensor, log_var: Tensor) -> Tensor:
    """The same by the library, (B,)."""
    q = D.Normal(mean, (0.5 * log_var).exp())
    return D.kl_divergence(q, D.Normal(torch.zeros(()), torch.ones(()))).sum(1)


def _codes() -> Iterator[dict[str, Tensor]]:
    for mean, log_var in (
        ([[0.0, 0.0]], [[0.0, 0.0]]),
        ([[2.0, 0.0]], [[0.0, 0.0]]),
        ([[0.0, 0.0]], [[1.0, -1.0]]),
        (
            [[1.0, 0.0, -3.0], [0.0, 2.0, 0.0]],
            [[0.0, 1.0, 0.0], [-2.0, 0.0, 0.5]],
        ),
    ):
        yield {"mean": torch.tensor(mean), "log_var": torch.tensor(log_var)}
    for size, dtype in (((7, 20), torch.float64), ((64, 3), torch.float32)):
        mean, log_var = 2 * torch.randn(2, *size, dtype=dtype)
        yield {"mean": mean, "log_var": log_var}
    for dtype in (torch.float32, torch.float64):
        yield {  # a single number; then rows that are far apart
            "mean": torch.tensor([[-1.5]], dtype=dtype),
            "log_var": torch.tensor([[0.7]], dtype=dtype),
        }
        yield {
            "mean": torch.tensor([[0.01, -200.0], [40.0, 6.0]], dtype=dtype),
            "log_var": torch.tensor([[-60.0, 9.0], [0.3, 35.0]], dtype=dtype),
        }


def _term_by_term(square: bool, terms: str) -> Callable:
    """The rate with other terms in its bracket."""

    def rate(mean, log_var):
        s = (0.5 * log_var).exp() if not square else log_var.exp()
        m = mean.square()
        found = {
            "σ for σ²": m + s - 1 - log_var,
            "reverse": (1 + m) / s - 1 + log_var,
            "log σ": m + s - 1 - 0.5 * log_var,
        }
        return 0.5 * found[terms].sum(dim=1)

    return rate


RATE = Exercise(
    number="2.2",
    title="The rate in closed form",
    prompt="""\
How far is a code's distribution from the prior N(0, I)? For Gaussians the KL
divergence has a closed form. For each number of the code it is

$$\\tfrac12\\left(\\mu^2+\\sigma^2-1-\\log\\sigma^2\\right),$$

with the mean μ, and with `log_var` for log σ². Write it for a batch, summed
over the code: one rate in nats for each image.""",
    solution=gaussian_kl,
    why="""\
The numbers of a code are independent under both distributions, so their
divergences add up; the images of a batch stay apart. At mean 0 and log_var 0
the rate is zero, since the code is then the prior and says nothing about the
image; everywhere else it is positive. In the models of this course
`torch.distributions.kl_divergence` does this work. Its derivation, term by
term, is in the book's chapter on the ELBO.""",
    proved="your rate and its gradients equal those of torch.distributions, "
    "to single precision and in double.",
    hints=(
        "Write the four terms one after the other, each for the whole (B, D) "
        "at once. Which axis is summed, and which one stays?",
        "σ² is `log_var.exp()`, and log σ² is `log_var` itself, so no square "
        "root and no logarithm is needed.",
        "In the bracket stand four terms of shape (B, D): `mean.square()`, "
        "`log_var.exp()`, and two that are subtracted. The sum over one code "
        "runs over `dim=1`, and the ½ stands before everything.",
    ),
    trials=lambda: trials_against(kl_of_torch, _codes(), ("mean", "log_var")),
    mistakes=(
        Mistake(
            "the sign",
            lambda mean, log_var: -gaussian_kl(mean, log_var),
            "Your rate is negative: the sign is turned around. A KL "
            "divergence is never below zero.",
            "the original paper writes down −KL, as a part of the bound to "
            "maximise, and many programs copy the line without its sign.",
            upon=after(lambda nats: -nats),
        ),
        Mistake(
            "no half",
            lambda mean, log_var: 2 * gaussian_kl(mean, log_var),
            "The ½ is missing: your rate is twice what it should be, which "
            "is training with β = 2.",
            "a factor in a loss looks like a matter of taste. Against a "
            "second term in the same unit it is not.",
            upon=after(lambda nats: 2 * nats),
        ),
        Mistake(
            "summed over the batch, too",
            lambda mean, log_var: gaussian_kl(mean, log_var).sum(),
            "You summed over the batch as well: one number is left, and it "
            "grows with the size of the batch.",
            "`torch.sum` without `dim` sums everything; beside a distortion "
            "that is averaged over the batch, it is a β of the size of the "
            "batch.",
            upon=after(lambda nats: nats.sum()),
        ),
        Mistake(
            "averaged over the batch",
            lambda mean, log_var: gaussian_kl(mean, log_var).mean(),
            "You averaged over the batch already; one rate for each image is "
            "asked for.",
            "the loss needs that average in the end. Until then, the single "
            "rates tell which images cost most.",
            upon=after(lambda nats: nats.mean()),
        ),
        Mistake(
            "mean over the code",
            lambda mean, log_var: gaussian_kl(mean, log_var) / mean.shape[1],
            "You averaged over the numbers of the code: with D of them, the "
            "rate is D times too small, which is training with β = 1/D.",
            "`.mean(dim=1)` keeps numbers small and independent of D. But "
            "nats add up: a code of 20 numbers costs 20 times as much as one.",
        ),
        Mistake(
            "averaged over everything",
            lambda mean, log_var: (
                gaussian_kl(mean, log_var).mean() / mean.shape[1]
            ),
            "You averaged over the code and the batch: one number is left, D "
            "times too small.",
            "`.mean()` without `dim` is the shortest thing to write.",
        ),
        Mistake(
            "log σ read as log σ²",
            lambda mean, log_var: gaussian_kl(mean, 2 * log_var),
            "You took log_var for log σ: your σ² is exp(2 log_var), the "
            "square of the variance.",
            "some programs let the encoder return log σ and others log σ², "
            "and the name seldom says which.",
        ),
        Mistake(
            "the mean is not squared",
            lambda mean, log_var: (
                0.5 * (mean + log_var.exp() - 1 - log_var).sum(dim=1)
            ),
            "The mean has to be squared: yours would reward means far below "
            "zero.",
            "at a mean of 0 or 1 both are the same.",
            also=(
                lambda mean, log_var: (
                    0.5 * (mean.abs() + log_var.exp() - 1 - log_var).sum(dim=1)
                ),
            ),
        ),
        Mistake(
            "exp forgotten",
            lambda mean, log_var: (
                0.5 * (mean.square() + log_var - 1 - log_var).sum(dim=1)
            ),
            "You used log_var where σ² = exp(log_var) belongs; the two then "
            "cancel, and the variance has no say.",
            "σ² and log σ² stand side by side in the formula.",
        ),
        Mistake(
            "the −1 forgotten",
            lambda mean, log_var: (
                0.5 * (mean.square() + log_var.exp() - log_var).sum(dim=1)
            ),
            "The −1 is missing: your rate is ½ too large for each number of "
            "the code, and not zero at the prior.",
            "a constant does not change the gradient. It does change the "
            "bound.",
        ),
        Mistake(
            "the −1 once for all",
            lambda mean, log_var: (
                0.5
                * ((mean.square() + log_var.exp() - log_var).sum(dim=1) - 1)
            ),
            "You subtract 1 once for the whole code; it belongs to each of "
            "its numbers.",
            "the bracket closes early: `.sum(dim=1) - 1`.",
        ),
        Mistake(
            "σ for σ²",
            _term_by_term(False, "σ for σ²"),
            "You took exp(½ log_var), which is σ, where σ² = exp(log_var) "
            "belongs.",
            "sampling needs σ, one exercise earlier.",
        ),
        Mistake(
            "the other way round",
            _term_by_term(True, "reverse"),
            "This is KL(N(0, I) ‖ q), from the prior to the code; asked is "
            "KL(q ‖ N(0, I)).",
            "the divergence has a direction, and its two arguments look "
            "alike.",
        ),
        Mistake(
            "log σ for log σ²",
            _term_by_term(True, "log σ"),
            "You subtract ½ log_var, which is log σ; the last term is log σ² "
            "= log_var.",
            "the ½ before the bracket is already there for that.",
        ),
    ),
    alternatives=(
        lambda mean, log_var: D.kl_divergence(
            D.Independent(D.Normal(mean, (log_var / 2).exp()), 1),
            D.Independent(
                D.Normal(torch.zeros_like(mean), torch.ones_like(mean)), 1
            ),
        ),
        lambda mean, log_var: (
            (
                torch.einsum("bd,bd->b", mean, mean)
                + (torch.expm1(log_var) - log_var).sum(-1)
            )
            / 2
        ),
        lambda mean, log_var: torch.stack(
            [
                -0.5
                * sum(
                    1 + v - m**2 - v.exp() for m, v in zip(*row, strict=True)
                )
                for row in zip(mean.double(), log_var.double(), strict=True)
            ]
        ).to(mean.dtype),
    ),
)
