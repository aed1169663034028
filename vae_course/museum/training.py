"""Exhibits of training: all losses are right, and do not arrive."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from vae_course.museum.exhibit import Exhibit
from vae_course.sd.critics import PatchGAN, Verdict, deception


def critic_step(critic, optimizer, real, fake):
    """One step of the critic, after the autoencoder's.

    Args:
        critic: images → scores.
        optimizer: of the critic's parameters.
        real: photographs, (B, 3, H, W).
        fake: their reconstructions, (B, 3, H, W).

    Returns:
        The hinge loss, a number.
    """
    optimizer.zero_grad()
    loss = Verdict(critic(real), critic(fake.detach())).loss
    loss.backward()
    optimizer.step()
    return loss.detach()


def broken_critic_step(critic, optimizer, real, fake):
    loss = Verdict(critic(real), critic(fake.detach())).loss
    loss.backward()
    optimizer.step()
    return loss.detach()


def accumulated(loss, optimizer, batches, parts):
    """One epoch, with one step of the weights for each ``parts`` batches.

    Args:
        loss: batch → number.
        optimizer: of the weights.
        batches: a list of them, of any length.
        parts: batches that share a step.
    """
    for number, batch in enumerate(batches, 1):
        (loss(batch) / parts).backward()
        if number % parts == 0 or number == len(batches):
            optimizer.step()
            optimizer.zero_grad()


def broken_accumulated(loss, optimizer, batches, parts):
    for number, batch in enumerate(batches, 1):
        (loss(batch) / parts).backward()
        if number % parts == 0:
            optimizer.step()
            optimizer.zero_grad()


def wrapped_step(wrapped, x):
    """The loss of this device's images, and the gradients of all devices.

    Args:
        wrapped: a model, wrapped for many devices.
        x: this device's images.
    """
    loss = wrapped(x).square().mean()
    loss.backward()
    return loss.detach()


def broken_wrapped_step(wrapped, x):
    loss = wrapped.module(x).square().mean()
    loss.backward()
    return loss.detach()


def split(images, held_out):
    """Images to train on, and images to measure on.

    Args:
        images: (N, ...).
        held_out: how many to keep for measuring.

    Returns:
        The two sets, N − held_out and held_out images, without overlap.
    """
    order = torch.randperm(len(images))
    shuffled = images[order]
    test_images = shuffled[:held_out]
    return shuffled[held_out:], test_images


def broken_split(images, held_out):
    order = torch.randperm(len(images))
    shuffled = images[order]
    test_images = images[:held_out]
    return shuffled[held_out:], test_images


def score(model, images):
    """The mean squared error of a model on images that are held out.

    Args:
        model: images → reconstructions.
        images: (B, ...).

    Returns:
        A number; the same at every call.
    """
    model.eval()
    with torch.no_grad():
        return (model(images) - images).square().mean()


def broken_score(model, images):
    with torch.no_grad():
        return (model(images) - images).square().mean()


def foreign(critic_step: Callable, seed: int) -> float:
    """How much of the critic's gradient is not of its own loss.

    The norm of the difference, over that of its own.
    """
    critic = PatchGAN(width=8, layers=1)
    real, fake = torch.randn(2, 4, 3, 16, 16)
    Verdict(critic(real), critic(fake)).loss.backward()
    own = torch.cat([p.grad.flatten() for p in critic.parameters()])
    critic.zero_grad()
    deception(critic(fake)).backward()  # the autoencoder's step
    still = torch.optim.SGD(critic.parameters(), lr=0.0)
    critic_step(critic, still, real, fake)
    used = torch.cat([p.grad.flatten() for p in critic.parameters()])
    return ((used - own).norm() / own.norm()).item()


def arrived(accumulated: Callable, seed: int) -> float:
    """The share of an epoch's batches that moved the weights."""
    weight = torch.zeros((), requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=1.0)
    count, parts = 4 * (1 + seed % 3) + 2, 4
    accumulated(lambda one: -weight * one, optimizer, [1.0] * count, parts)
    return weight.item() * parts / count


class Averaging(nn.Module):
    """A stand-in for what wraps a model for many devices.

    Like ``DistributedDataParallel`` it learns of a step through its own
    forward pass, and then averages gradients in the backward pass; here with
    devices whose gradients are zero.
    """

    def __init__(self, module: nn.Module, devices: int):
        super().__init__()
        self.module, self.devices, self.asked = module, devices, False
        for p in module.parameters():
            p.register_hook(lambda g: g / self.devices if self.asked else g)

    def forward(self, x):
        self.asked = True
        return self.module(x)


def averaged(step: Callable, seed: int) -> float:
    """The gradient after a step of 4 devices, 3 of them idle, over its own.

    A quarter, if it was averaged over the devices.
    """
    module = nn.Linear(4, 2)
    x = torch.randn(8, 4)
    module(x).square().mean().backward()
    alone = module.weight.grad.clone()
    module.zero_grad()
    step(Averaging(module, 4), x)
    return (module.weight.grad.norm() / alone.norm()).item()


def overlap(split: Callable, seed: int) -> float:
    """The share of held-out images that were trained on."""
    train_images, test_images = split(torch.arange(1000), 200)
    return torch.isin(test_images, train_images).float().mean().item()


def repeated(score: Callable, seed: int) -> float:
    """How far two calls of a measurement are apart, relative to the first."""
    model = nn.Sequential(nn.Linear(16, 16), nn.Dropout(0.2))
    images = torch.randn(32, 16)
    first, second = score(model, images), score(model, images)
    return ((first - second).abs() / first).item()


CHAPTER = "notebooks/08_training_it.html"

EXHIBITS = (
    Exhibit(
        name="left-overs",
        title="The critic that flatters",
        sees="The adversarial game never gets going: the critic's loss stays "
        "near 1, and one turns its weight up.",
        instrument="what others left in the critic's gradient, over its own",
        healthy=(0.0, 1e-5),
        wrong=broken_critic_step,
        right=critic_step,
        gauge=foreign,
        fault="The autoencoder's backward pass left gradients in the critic, "
        "which ask it to be fooled. Without `zero_grad` they are added to "
        "its own.",
        lesson="Look at a gradient just before the step, and ask whose it is.",
        derived_in=f"{CHAPTER}#exercise-8-4-whose-gradient-is-it",
    ),
    Exhibit(
        name="the-last-two",
        title="Nothing to complain about",
        sees="All is as it should be. Every batch is read, its loss is "
        "logged, its backward pass runs.",
        instrument="share of an epoch's batches that move the weights",
        healthy=(0.999, 1.001),
        wrong=broken_accumulated,
        right=accumulated,
        gauge=arrived,
        fault="A step is taken every four batches; what is left at the end of "
        "the epoch is accumulated and never used, or leaks into the next.",
        lesson="Count what arrives, with a loss whose every gradient is 1.",
        derived_in=f"{CHAPTER}#stopped-and-the-same-run",
    ),
    Exhibit(
        name="past-the-wrapper",
        title="Four times as fast",
        sees="It runs four times as fast on four devices, and the loss falls "
        "on each of them.",
        instrument="gradient of one busy device among four, over its own",
        healthy=(0.249, 0.251),
        wrong=broken_wrapped_step,
        right=wrapped_step,
        gauge=averaged,
        fault="The forward pass goes around what wraps the model, by "
        "`.module`; so the wrapper never learns that there is something to "
        "average, and each device trains a model of its own.",
        lesson="After one step, weights must be equal on all devices: compare "
        "them.",
        derived_in=f"{CHAPTER}#stopped-and-the-same-run",
    ),
    Exhibit(
        name="old-acquaintances",
        title="Too good on new images",
        sees="Training and test loss are the same to a tenth of a nat. No "
        "overfitting at all, it is said.",
        instrument="share of the held-out images that were trained on",
        healthy=(0.0, 0.0),
        wrong=broken_split,
        right=split,
        gauge=overlap,
        fault="One set is taken after shuffling, the other before: most of "
        "the test images are in the training set.",
        lesson="Intersect the two sets; the intersection is empty or the "
        "number means nothing.",
        derived_in="notebooks/02_mlp_vae.html#honest-numbers",
    ),
    Exhibit(
        name="still-practising",
        title="A number that will not stand still",
        sees="Test numbers are a little worse than training ones, and differ "
        "from call to call, which is taken for sampling noise.",
        instrument="difference of two calls, relative to the first",
        healthy=(0.0, 0.0),
        wrong=broken_score,
        right=score,
        gauge=repeated,
        fault="The model is measured in training mode: dropout still drops, "
        "and a batch norm would still learn.",
        lesson="Measure twice: a deterministic model gives the same number.",
        derived_in="notebooks/06_convolutional_vae.html"
        "#group-norm-and-why-not-batch-norm",
    ),
)
