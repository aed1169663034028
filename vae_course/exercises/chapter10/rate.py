"""Exercise 10.2: a rate that costs nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import distributions as D

from vae_course.exercises.chapter10.broken import brought_in
from vae_course.exercises.exercise import Exercise, Mistake, trials_against
from vae_course.museum.sampling import broken_rate
from vae_course.museum.vae import rate


def _by_distributions(moments, z):
    mean, log_var = moments.chunk(2, dim=1)
    q = D.Normal(mean, (0.5 * log_var).exp())
    return D.kl_divergence(q, D.Normal(0.0, 1.0)).sum(dim=1)


def _inputs() -> Iterator[dict[str, Any]]:
    for batch, latent, dtype in (
        (1, 2, torch.float32),
        (3, 4, torch.float32),
        (2, 6, torch.float64),
        (4, 2, torch.float32),
    ):
        moments = torch.randn(batch, 2 * latent, dtype=dtype)
        moments[:, latent:] -= 1.5
        noise = torch.randn(batch, latent, dtype=dtype)
        mean, log_var = moments.chunk(2, dim=1)
        yield {
            "moments": moments,
            "z": mean + (0.5 * log_var).exp() * noise,
        }
    # Codes that are nearly the prior beside some that are far from it.
    mean = torch.tensor([[0.01, 0.0], [60.0, -0.1], [0.0, 7.0]])
    log_var = torch.tensor([[0.0, 0.02], [-50.0, 9.0], [6.0, -0.1]])
    yield {
        "moments": torch.cat([mean, log_var], dim=1),
        "z": mean + (0.5 * log_var).exp() * torch.randn(3, 2),
    }


def _of(formula: Callable) -> Callable:
    """The rate by another formula of mean and log-variance."""

    def wrong(moments, z):
        return formula(*moments.chunk(2, dim=1)).sum(dim=1)

    return wrong


def _kl(m, v):
    return 0.5 * (m**2 + v.exp() - 1 - v)


def _one_draw(moments, z):
    mean, log_var = moments.chunk(2, dim=1)
    q, p = D.Normal(mean, (0.5 * log_var).exp()), D.Normal(0.0, 1.0)
    return (q.log_prob(z) - p.log_prob(z)).sum(dim=1)


RATE = Exercise(
    number="10.2",
    title="A rate that costs nothing",
    prompt=brought_in(
        "moments-of-the-sample",
        "The true KL of its codes is many times the claimed one. Mend it, "
        "and let the gradient reach the moments.",
    ),
    solution=rate,
    why="""\
A KL is between distributions, and q(z|x) is in the moments. A drawn z has no
halves that mean anything; punished as if they were a mean and a log-variance,
they are pulled towards 0, and σ, which is in no term, goes to 0 as well. The
true rate then grows without limit.""",
    proved="your rate is that of q(z|x), not of a draw, and its gradient "
    "reaches means and log-variances.",
    hints=(
        "What does the KL compare, and which of the two arguments knows it?",
        "The formula is right. Look at where mean and log-variance come from.",
        "z was drawn, so it has neither. The encoder's word is in `moments`, "
        "means first.",
    ),
    trials=lambda: trials_against(_by_distributions, _inputs(), ["moments"]),
    mistakes=(
        Mistake(
            "moments of the sample",
            broken_rate,
            "Mean and log-variance still come out of the sample.",
            "both tensors are called latent somewhere, and both have halves.",
        ),
        Mistake(
            "halves exchanged",
            lambda moments, z: rate(moments.roll(z.shape[1], dims=1), z),
            "You took the first half for the log-variance; it is the mean.",
            "nothing in a tensor says which is which.",
        ),
        Mistake(
            "every second number",
            lambda moments, z: rate(
                torch.cat([moments[:, ::2], moments[:, 1::2]], dim=1), z
            ),
            "You took every second number; means come first, all of them, "
            "then log-variances.",
            "pairs of a mean and its log-variance would be tidy.",
        ),
        Mistake(
            "one draw",
            _one_draw,
            "log q(z) − log p(z) at one draw is an estimate of the KL, right "
            "on average. The KL itself is asked for.",
            "z is among the arguments.",
        ),
        Mistake(
            "the sample's place",
            lambda moments, z: rate(
                torch.cat([z, moments[:, z.shape[1] :]], dim=1), z
            ),
            "The log-variance is the encoder's now; for the mean you still "
            "use the draw.",
            "a draw is near its mean.",
        ),
        Mistake(
            "no half",
            _of(lambda m, v: 2 * _kl(m, v)),
            "Yours is twice the KL.",
            "the ½ stands far from what it belongs to.",
        ),
        Mistake(
            "no minus one",
            _of(lambda m, v: 0.5 * (m**2 + v.exp() - v)),
            "The −1 is missing: your KL is not 0 at the prior.",
            "a constant has no gradient.",
        ),
        Mistake(
            "σ for σ²",
            _of(lambda m, v: 0.5 * (m**2 + (0.5 * v).exp() - 1 - v)),
            "You put σ where σ² stands: exp of the log-variance is the "
            "variance.",
            "drawing needs the ½; here nothing is drawn.",
        ),
        Mistake(
            "averaged over the latent",
            lambda moments, z: rate(moments, z) / z.shape[1],
            "You averaged over the latent; nats are added.",
            "a mean does not depend on the size.",
        ),
        Mistake(
            "averaged over the batch",
            lambda moments, z: rate(moments, z).mean(),
            "You return one number; one for each image is asked for.",
            "the loss is one number, in the end.",
        ),
        Mistake(
            "no gradient",
            lambda moments, z: rate(moments.detach(), z),
            "The number is right, and no gradient reaches the moments.",
            "a detached tensor is a safe one.",
        ),
    ),
    alternatives=(
        _by_distributions,
        lambda moments, z: _kl(
            moments[:, : z.shape[1]], moments[:, z.shape[1] :]
        ).sum(-1),
    ),
)
