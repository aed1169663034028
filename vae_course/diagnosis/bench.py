"""Where a subject lies while it is examined; afterwards it is as it was."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch import distributions as D

from vae_course.diagnosis.reading import NotAsked
from vae_course.diagnosis.subject import Subject

NEAR = 0.05  # of the images' variance: what is learned first is within it


@dataclass
class Bench:
    """A subject, images, and what several instruments need of both.

    Args:
        subject: under examination.
        x: held-out images, (N, C, H, W), on the subject's device.
        train: images that were trained on, or None.
        beta: measured weight of the rate, once an instrument has found it.
    """

    subject: Subject
    x: Tensor
    train: Tensor | None = None
    beta: float | None = None
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def module(self) -> nn.Module:
        """The module; an instrument that needs one is not asked without."""
        if self.subject.module is None:
            raise NotAsked("it shows no parameters")
        return self.subject.module

    @cached_property
    def some(self) -> Tensor:
        """A few of the images, for what is asked often."""
        return self.x[: 16 if self.x[0].numel() <= 1024 else 4]

    @cached_property
    def posterior(self) -> D.Distribution:
        """q(z|x) of the images, without a graph."""
        with torch.no_grad():
            q = self.subject.posterior(self.x)
        if q is None:
            raise NotAsked("its codes have no noise")
        return q

    @cached_property
    def codes(self) -> Tensor:
        """The mean code of each image, (N, ...)."""
        with torch.no_grad():
            return self.subject.codes(self.x)

    @cached_property
    def copies(self) -> Tensor:
        """Each image, decoded from its mean code."""
        with torch.no_grad():
            return self.subject.image(self.codes)

    @cached_property
    def trained(self) -> bool:
        """Whether it has learned anything: no worse than the mean image.

        That is learned first, also by a model whose code is empty: the mean
        copy is the mean image, and copies are no further from their images
        than that is. An untrained decoder draws images of its own.
        """
        wanted, got = self.x.mean(dim=0), self.copies.mean(dim=0)
        spread = (self.x - wanted).square().mean()
        close = bool((got - wanted).square().mean() < NEAR * spread)
        return close and self.explained > -NEAR

    @cached_property
    def explained(self) -> float:
        """The share of the images' variance that copies explain."""
        error = (self.x - self.copies).square().mean()
        spread = (self.x - self.x.mean(dim=0)).square().mean()
        return 1 - (error / spread).item()

    def loss(self, x: Tensor) -> Tensor:
        """The number that training minimises, of these images."""
        if self.subject.loss is None:
            raise NotAsked("it names no loss")
        found = self.subject.loss(x)
        found = getattr(found, "loss", found)
        if not isinstance(found, Tensor):
            raise NotAsked(f"its loss is a {type(found).__name__}")
        return found.mean()


@contextmanager
def undisturbed(module: nn.Module | None) -> Iterator[None]:
    """Puts modes, parameters, buffers and gradients back at the end.

    A loss of somebody else's may call ``backward`` by itself, which writes
    into the gradients that there are.
    """
    if module is None:
        yield
        return
    modes = [(each, each.training) for each in module.modules()]
    kept = [
        (t, t.data, t.detach().clone(), t.requires_grad, t.grad, _copy(t.grad))
        for t in (*module.parameters(), *module.buffers())
    ]
    try:
        yield
    finally:
        for each, training in modes:
            each.training = training
        with torch.no_grad():
            for tensor, storage, values, requires_grad, grad, slopes in kept:
                tensor.data = storage
                tensor.copy_(values)
                if tensor.is_leaf and tensor.is_floating_point():
                    tensor.requires_grad_(requires_grad)
                tensor.grad = grad
                if grad is not None:
                    grad.copy_(slopes)


def _copy(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.clone()


@contextmanager
def random_state(devices: list[int]) -> Iterator[None]:
    """Puts the random states of PyTorch, NumPy and Python back at the end."""
    python, numpy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


@contextmanager
def in_double(module: nn.Module) -> Iterator[None]:
    """The module in double precision, for a while.

    Rounding is then no matter. The caller puts it back (``undisturbed``).
    """
    tensors = [*module.parameters(), *module.buffers()]
    kept = [(t, t.data) for t in tensors if t.is_floating_point()]
    try:
        for tensor, storage in kept:
            tensor.data = storage.double()
        yield
    finally:
        for tensor, storage in kept:
            tensor.data = storage
