"""Exhibits of judges: what a network thinks of pictures is not used."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from vae_course.museum.exhibit import Exhibit
from vae_course.sd.critics import Verdict
from vae_course.sd.perceptual import PerceptualDistance, unit_length


def perceptual_term(judge, image, x):
    """How different reconstructions look, to train on.

    Args:
        judge: (image, x), (B, 3, H, W) each in [-1, 1] → distances, (B,).
        image: reconstructions, with a graph.
        x: what they should look like.

    Returns:
        The mean distance, a number whose gradient reaches the image.
    """
    judge.requires_grad_(False)
    distance = judge(image, x)
    return distance.mean()


def broken_perceptual_term(judge, image, x):
    with torch.no_grad():
        distance = judge(image, x)
    return distance.mean()


def distance_of_digits(judge, image, x):
    """A perceptual distance for images that are kept in [0, 1].

    Args:
        judge: (image, x), (B, 3, H, W) each in [-1, 1] → distances, (B,).
        image: reconstructions in [0, 1].
        x: what they should look like, in [0, 1].

    Returns:
        Distances, (B,).
    """
    return judge(2 * image - 1, 2 * x - 1)


def broken_distance_of_digits(judge, image, x):
    return judge(image, x)


def broken_unit_length(features: Tensor, eps: float = 1e-10) -> Tensor:
    features = features.float()  # squares of half precision would overflow
    return features / (features.square().sum(1, keepdim=True).sqrt() + eps)


def critic_loss(critic, real, fake):
    """The critic's hinge loss.

    Args:
        critic: images → scores.
        real: photographs, (B, 3, H, W).
        fake: their reconstructions, (B, 3, H, W).

    Returns:
        1 if the critic says nothing, 0 if it is right by a margin; a number.
    """
    logits_fake = critic(fake.detach())
    logits_real = critic(real)
    return Verdict(logits_real, logits_fake).loss


def broken_critic_loss(critic, real, fake):
    logits_fake = critic(fake.detach())
    logits_real = logits_fake
    return Verdict(logits_real, logits_fake).loss


def reach(term: Callable, seed: int) -> float:
    """The norm of the gradient that a term sends to the reconstruction."""
    x = torch.rand(2, 3, 32, 32) * 2 - 1
    image = (0.5 * x).requires_grad_()
    # As in training, where other terms bring the image a graph.
    loss = term(PerceptualDistance(), image, x) + 0 * image.sum()
    loss.backward()
    return image.grad.norm().item()


def shown(distance: Callable, seed: int) -> float:
    """The darkest value that a judge is shown of an image with a black pixel.

    The judge expects -1 for black.
    """
    seen = []

    def judge(image, x):
        seen.append(min(image.min().item(), x.min().item()))
        return (image - x).square().flatten(1).mean(dim=1)

    x = torch.rand(2, 3, 8, 8)
    x[:, :, 0, 0] = 0
    distance(judge, x.flip(0), x)
    return seen[0]


def undefined(unit_length: Callable, seed: int) -> float:
    """How many numbers of a gradient are NaN where all features are zero."""
    features = torch.randn(1, 4, 3, 3)
    features[:, :, 1, 1] = 0  # a plain area, after a ReLU
    features.requires_grad_()
    unit_length(features)[:, :2].sum().backward()
    return features.grad.isnan().sum().item()


def victory(critic_loss: Callable, seed: int) -> float:
    """The loss of a critic that is right everywhere, by a margin."""
    real = torch.ones(1 + seed, 3, 8, 8)
    return critic_loss(lambda image: image, real, -real).item()


CHAPTER = "notebooks/08_training_it.html"

EXHIBITS = (
    Exhibit(
        name="judge-unheard",
        title="A term that helps nobody",
        sees="The perceptual term is computed, logged, and even falls a "
        "little, as reconstructions get better by the other terms.",
        instrument="norm of the gradient that the term sends to the image",
        healthy=(1e-6, math.inf),
        wrong=broken_perceptual_term,
        right=perceptual_term,
        gauge=reach,
        fault="The distance is computed under `no_grad`, to keep its network "
        "from being trained. That cuts the way to the image, too; freezing "
        "its weights does not.",
        lesson="For each term of a loss, ask for its gradient at the thing it "
        "should change.",
        derived_in=f"{CHAPTER}#exercise-8-1-a-perceptual-distance",
    ),
    Exhibit(
        name="half-the-range",
        title="A distance of about the right size",
        sees="The perceptual term is about as large as it should be, and "
        "training works.",
        instrument="darkest value the judge is shown of an image with black",
        healthy=(-1.01, -0.99),
        wrong=broken_distance_of_digits,
        right=distance_of_digits,
        gauge=shown,
        fault="Images in [0, 1] go to a network that takes [−1, 1]: to it "
        "black is a middle grey, and contrast is halved.",
        lesson="A range is part of an interface: check it where images are "
        "handed over.",
        derived_in=f"{CHAPTER}#exercise-8-1-a-perceptual-distance",
    ),
    Exhibit(
        name="root-of-nothing",
        title="NaN, out of nowhere",
        sees="Training goes well; then, on one batch, every weight is NaN. "
        "The learning rate is blamed.",
        instrument="NaN in the gradient where all features are zero, counted",
        healthy=(0.0, 0.0),
        wrong=broken_unit_length,
        right=unit_length,
        gauge=undefined,
        fault="eps is added after the root. The value at zero is fine; the "
        "slope of the root there is infinite, and infinity times zero is "
        "NaN.",
        lesson="Test the gradient where the formula is least happy, not only "
        "the value.",
        derived_in=f"{CHAPTER}#exercise-8-1-a-perceptual-distance",
    ),
    Exhibit(
        name="one-stands-for-both",
        title="disc_loss stays 1.0",
        sees="The critic's loss is 1.000 from the first step to the last. "
        "This is taken for balance between the two players.",
        instrument="loss of a critic that is right everywhere by a margin",
        healthy=(0.0, 0.01),
        wrong=broken_critic_loss,
        right=critic_loss,
        gauge=victory,
        fault="The scores of the photographs are those of the "
        "reconstructions: with any critic whose scores lie in [−1, 1], ½(1 − "
        "s) + ½(1 + s) = 1.",
        lesson="Know the value of a loss for a player who says nothing, and "
        "for one who has won.",
        derived_in=f"{CHAPTER}#exercise-8-2-the-critic-s-loss",
    ),
)
