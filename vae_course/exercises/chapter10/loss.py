"""Exercise 10.1: a loss below 1."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import distributions as D
from torch.nn import functional as F

from vae_course.exercises.chapter10.broken import brought_in
from vae_course.exercises.exercise import Exercise, Mistake, trials_against
from vae_course.museum.loss import broken_loss, broken_loss_of_batch
from vae_course.museum.vae import loss


def _by_distributions(x, logits, kl):
    p = D.Independent(D.Bernoulli(logits=logits), x.dim() - 1)
    return (kl.sum(dim=-1) - p.log_prob(x)).mean()


def _inputs() -> Iterator[dict[str, Any]]:
    for shape, latent, dtype in (
        ((1, 1, 2, 2), 3, torch.float32),
        ((4, 1, 3, 5), 2, torch.float32),
        ((3, 2, 4, 4), 7, torch.float64),
        ((5, 1, 2, 3), 1, torch.float32),
    ):
        yield {
            "x": torch.rand(shape).round().to(dtype),
            "logits": 2 * torch.randn(shape, dtype=dtype),
            "kl": 3 * torch.rand(shape[0], latent, dtype=dtype),
        }
    # Codes that cost nearly nothing beside some that cost much, and logits
    # that are sure: a floor or a clamp under either would show.
    yield {
        "x": torch.tensor([1.0, 0.0, 0.0, 1.0]).view(2, 1, 1, 2),
        "logits": torch.tensor([150.0, 90.0, -40.0, -200.0]).view(2, 1, 1, 2),
        "kl": torch.tensor([[0.0, 1e-3, 70.0], [2e-2, 0.0, 0.0]]),
    }
    yield {
        "x": torch.tensor([1.0, 0.0]).view(2, 1, 1, 1),
        "logits": torch.tensor([20.0, -20.0]).view(2, 1, 1, 1),
        "kl": torch.tensor([[1e-3], [0.0]]),
    }


def _nats(x, logits):
    return F.binary_cross_entropy_with_logits(logits, x, reduction="sum")


LOSS = Exercise(
    number="10.1",
    title="A loss below 1",
    prompt=brought_in(
        "mean-beside-sum",
        "One nat of KL weighs 784 times as much as one nat of distortion. "
        "Mend it: the loss is minus the ELBO, in nats per image.",
    ),
    solution=loss,
    why="""\
Both terms are sums over an image's numbers, because the logarithm of a product
is a sum; only over the batch is a mean taken. With a mean over 784 pixels
beside a summed KL the loss is minus the ELBO at β = 784, divided by 784, and
the code stays empty.""",
    proved="in your loss a nat of rate weighs what a nat of distortion "
    "weighs, whatever the sizes of image, latent and batch.",
    hints=(
        "Which axes does each term reduce, and how? Make a table of two rows "
        "and three columns: pixels, latents, batch.",
        "Over pixels and latents one adds. Over the batch, and only there, "
        "one averages; both terms alike.",
        "The KL is right as it is. Of the other term `flatten(1)` leaves the "
        "batch and one axis more: what happens along that one?",
    ),
    trials=lambda: trials_against(
        _by_distributions, _inputs(), ["logits", "kl"]
    ),
    mistakes=(
        Mistake(
            "a mean over the pixels",
            broken_loss,
            "The distortion is still a mean over the pixels: β is their "
            "number.",
            "`reduction='mean'` is what the library does unless asked.",
            also=(
                lambda x, logits, kl: (
                    F.binary_cross_entropy_with_logits(logits, x)
                    + kl.sum(dim=1).mean()
                ),
            ),
        ),
        Mistake(
            "means on both sides",
            lambda x, logits, kl: _nats(x, logits) / x.numel() + kl.mean(),
            "Now both are means: one over pixels, one over latents. β is the "
            "number of pixels over that of latents.",
            "it looks even-handed.",
        ),
        Mistake(
            "a mean over the latents",
            lambda x, logits, kl: _nats(x, logits) / len(x) + kl.mean(),
            "The distortion is mended, and the KL is now averaged over the "
            "latents: β is one over their number.",
            "one changes both lines, to be safe.",
        ),
        Mistake(
            "summed over the batch",
            lambda x, logits, kl: _nats(x, logits) + kl.sum(),
            "Both are summed over the batch: the weights are right, the "
            "number is not per image, and the step grows with the batch.",
            "sums everywhere is easily remembered.",
        ),
        Mistake(
            "the KL summed over the batch",
            broken_loss_of_batch,
            "The KL is summed over the batch, the distortion averaged: β is "
            "the size of the batch.",
            "one `mean` too few, at the end of a line.",
        ),
        Mistake(
            "the distortion summed over the batch",
            lambda x, logits, kl: _nats(x, logits) + kl.sum(dim=1).mean(),
            "The distortion is summed over the batch, the KL averaged: β is "
            "one over the size of the batch.",
            "`reduction='sum'` sums everything.",
        ),
        Mistake(
            "the KL subtracted",
            lambda x, logits, kl: (
                _nats(x, logits) / len(x) - kl.sum(dim=1).mean()
            ),
            "You subtract the KL: this loss rewards codes for costing much.",
            "in the ELBO it has a minus.",
        ),
        Mistake(
            "the ELBO itself",
            lambda x, logits, kl: -loss(x, logits, kl),
            "That is the ELBO, which training should raise; the loss is "
            "minus it.",
            "the bound is what the book derives.",
        ),
        Mistake(
            "no KL",
            lambda x, logits, kl: _nats(x, logits) / len(x),
            "The KL is not there any more.",
            "without it the loss falls further.",
            also=(
                lambda x, logits, kl: _nats(x, logits) / len(x) + 0 * kl.sum(),
            ),
        ),
        Mistake(
            "a sigmoid too many",
            lambda x, logits, kl: loss(x, logits.sigmoid(), kl),
            "You take the sigmoid of the logits, and the function takes one "
            "more.",
            "a cross-entropy wants probabilities; this one wants logits.",
        ),
        Mistake(
            "not averaged over the batch",
            lambda x, logits, kl: (
                F.binary_cross_entropy_with_logits(logits, x, reduction="none")
                .flatten(1)
                .sum(dim=1)
                + kl.sum(dim=1)
            ),
            "You return a number for each image; their mean is asked for.",
            "nats per image sounds like one number an image.",
        ),
    ),
    alternatives=(
        _by_distributions,
        lambda x, logits, kl: (_nats(x, logits) + kl.sum()) / len(x),
    ),
)
