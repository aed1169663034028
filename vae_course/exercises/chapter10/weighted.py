"""Exercise 10.4: more samples, a worse bound."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from vae_course.exercises.chapter10.broken import brought_in
from vae_course.exercises.exercise import (
    Exercise,
    Mistake,
    trials_against,
)
from vae_course.museum.loss import broken_weighted_loss, weighted_loss


def _by_shifting(loss):
    least = loss.min(dim=0).values
    return least - (least - loss).exp().mean(dim=0).log()


def _losses() -> Iterator[dict[str, Tensor]]:
    for size, spread, centres, dtype in (
        ((2, 1), 0.5, (1.0,), torch.float32),
        ((5, 3), 2.0, (4.0, -3.0, 1.0), torch.float32),
        ((7, 2), 3.0, (120.0, 12.0), torch.float32),
        ((4, 5), 3.0, (-1.0, 2.0, 8.0, 900.0, 950.0), torch.float64),
    ):
        noise = spread * torch.randn(size, dtype=dtype)
        yield {"loss": torch.tensor(centres, dtype=dtype) + noise}


WEIGHTED = Exercise(
    number="10.4",
    title="More samples, a worse bound",
    prompt=brought_in(
        "worst-draw-wins",
        "Fifty draws lose more than three nats against one. Mend it, so that "
        "it also survives losses of 900 nats.",
    ),
    solution=weighted_loss,
    why="""\
The weight of a draw is p(x, z)/q(z|x), and its logarithm is minus the loss of
that draw. `logsumexp` must be given log-weights; given losses, it listens to
the draw that explains the image worst. Two signs are turned: one on the way
in, because weights are wanted, and one on the way out, because a loss is.""",
    proved="in your loss the best draws have the largest weights, more draws "
    "help, and 900 nats are no trouble.",
    hints=(
        "Which of two draws should count more: the one with the small loss, "
        "or the one with the large?",
        "logsumexp wants logarithms of weights. How does one get those from "
        "losses?",
        "Minus on the way in, minus on the way out; `len(loss)` draws share "
        "the mean.",
    ),
    trials=lambda: trials_against(_by_shifting, _losses(), ["loss"]),
    mistakes=(
        Mistake(
            "the worst draw wins",
            broken_weighted_loss,
            "The weights are still exp(+loss).",
            "the function is called loss, and what comes in is a loss.",
        ),
        Mistake(
            "the bound, not the loss",
            lambda loss: -weighted_loss(loss),
            "That is the bound itself; the loss is minus it.",
            "one sign is mended, and one is left.",
        ),
        Mistake(
            "the worst draw, and minus",
            lambda loss: -broken_weighted_loss(loss),
            "Only the sign of the result is turned: the weights are still "
            "those of the worst draws.",
            "a minus in front is quickly written.",
        ),
        Mistake(
            "log K forgotten",
            lambda loss: -torch.logsumexp(-loss, dim=0),
            "The mean over K is a sum: −log K is missing.",
            "it has no gradient.",
        ),
        Mistake(
            "log K the wrong way",
            lambda loss: -torch.logsumexp(-loss, dim=0) - math.log(len(loss)),
            "log K has the wrong sign: turning the sign of the bound turns "
            "that of log K, too.",
            "of two signs one is forgotten.",
        ),
        Mistake(
            "the mean of the losses",
            lambda loss: loss.mean(dim=0),
            "You averaged the losses: the plain ELBO, from K draws.",
            "a mean over draws is what a mean over draws looks like.",
        ),
        Mistake(
            "the best draw alone",
            lambda loss: loss.min(dim=0).values,
            "You took the best draw: that is no bound in expectation.",
            "the largest weight has nearly all the weight.",
        ),
        Mistake(
            "the images for the draws",
            lambda loss: weighted_loss(loss.T),
            "You added over the images; draws are the first axis.",
            "batches mostly come first.",
        ),
        Mistake(
            "underflow",
            lambda loss: -(-loss).exp().mean(dim=0).log(),
            "exp(−900) is 0 on a computer, and its logarithm −∞.",
            "it is what the formula says.",
        ),
        Mistake(
            "averaged over the images",
            lambda loss: weighted_loss(loss).mean(),
            "You return one number; one for each image is asked for.",
            "losses mostly end in a mean.",
        ),
        Mistake(
            "no gradient",
            lambda loss: weighted_loss(loss.detach()),
            "The numbers are right, and no gradient reaches the losses.",
            "weights often count as constants.",
        ),
    ),
    alternatives=(
        _by_shifting,
        lambda loss: math.log(loss.shape[0]) - torch.logsumexp(-loss, dim=0),
    ),
)
