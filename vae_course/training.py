"""The training loop: one function for every model of the course."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from vae_course.core import ELBO, elbo

Objective = Callable[[nn.Module, Tensor, float], "ELBO | Losses"]
LearningRate = Callable[[float], float]  # of the share of the run, 0 to 1

# A notebook's bar sends two messages each time it is drawn. Drawn ten times a
# second, as is tqdm's habit, minutes of training would fill the queue of
# whoever reads the kernel's messages only when the cell has ended.
step_bar = partial(tqdm, unit="step", mininterval=1)


class Halves(NamedTuple):
    """The two halves of a mean negative ELBO, in nats per image."""

    distortion: float
    rate: float

    @property
    def total(self) -> float:
        """Distortion plus rate: the negative ELBO, whatever β trained it."""
        return self.distortion + self.rate

    def __str__(self) -> str:
        return f"{self.distortion:.1f} + {self.rate:.1f} nats"


class Mean(NamedTuple):
    """The mean of an objective that is no bound, in its own units."""

    loss: float

    def __str__(self) -> str:
        return f"loss {self.loss:.3f}"


@dataclass(frozen=True)
class Losses:
    """What an objective returns that is no bound: one loss an example."""

    each: Tensor  # (B,)

    @property
    def loss(self) -> Tensor:
        """What training minimises: the mean over the batch."""
        return self.each.mean()

    def __iter__(self) -> Iterator[Tensor]:
        return iter((self.each,))


@dataclass(repr=False)
class History:
    """What a training run went through; one entry an epoch.

    ``train`` holds the mean over the epoch, while the weights moved;
    ``held_out`` the mean after it: :class:`Halves` of a bound, or the
    :class:`Mean` of an objective that is none. Hand a history back to
    :func:`train` to go on from where it ended: it carries the optimizer's and
    the generators' states.
    """

    train: list[Halves | Mean] = field(default_factory=list)
    held_out: list[Halves | Mean] = field(default_factory=list)
    interrupted: bool = False
    state: dict = field(default_factory=dict)

    def __repr__(self) -> str:
        ending = "interrupted" if self.interrupted else "complete"
        latest = f"; {_last(self)}" if self.train else ""
        return f"History of {len(self.train)} epochs, {ending}{latest}"


class TrainingDiverged(RuntimeError):
    """The loss became NaN or infinite; says at which step, and why."""


def best_device() -> torch.device:
    """CUDA where there is one, then Apple's MPS, then the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def warm_up_and_decay(peak: float, warm_up: float = 0.2) -> LearningRate:
    """A learning rate that rises to ``peak`` and then falls to nothing.

    Both in straight lines. The slow start lets Adam take its measure of the
    gradients before steps become large; the end lets the weights settle. It
    allows a peak several times higher than a constant rate, and so a shorter
    run (Smith & Topin 2018, https://arxiv.org/abs/1708.07120).

    Args:
        peak: the highest rate.
        warm_up: the share of the run in which the rate rises.
    """

    def lr(done: float) -> float:
        rising, falling = done / warm_up, (1 - done) / (1 - warm_up)
        return peak * max(0.01, min(rising, falling))  # never quite zero

    return lr


def train(
    model: nn.Module,
    images,
    *,
    epochs: int,
    held_out=None,
    objective: Objective = elbo,
    beta: float = 1.0,
    batch_size: int = 128,
    lr: float | LearningRate = 1e-3,
    seed: int = 0,
    device: torch.device | str | None = None,
    history: History | None = None,
    progress: bool = True,
) -> History:
    """Trains ``model`` in place with Adam and returns what happened.

    Ctrl-C (in a notebook: interrupt) ends the run early and leaves a usable
    model with the history of its whole epochs. The same seed, device and
    thread count give the same weights; the caller's random state is left as it
    was.

    Args:
        model: a VAE, or any module that ``objective`` takes.
        images: to train on; an ImageSet or a float tensor (N, C, H, W), or
            any set whose ``images[index]`` is a batch that ``objective``
            takes.
        epochs: passes over ``images``.
        held_out: images to measure after each epoch, never to train on.
        objective: (model, batch, beta) → :class:`~vae_course.core.ELBO`, or
            :class:`Losses` where there is no bound.
        beta: weight of the rate.
        batch_size: images a step; the last batch of an epoch may be smaller.
        lr: Adam's step size, or a function that gives it for the share of the
            run that is done, from 0 to 1, such as :func:`warm_up_and_decay`.
        seed: of the shuffling and of the noise.
        device: where to compute; None takes :func:`best_device`.
        history: the history of an earlier run on this model, to go on from.
        progress: show a bar.

    Raises:
        TrainingDiverged: the loss became NaN or infinite.
        ValueError: there are no images, or none in a batch.
    """
    _check(images, batch_size, "train")
    device = torch.device(device or best_device())
    model.to(device).train()
    images = images.to(device)
    optimizer = _adam(model)
    history = history or History()
    shuffle = torch.Generator()
    steps = -(-len(images) // batch_size)
    bar = step_bar(total=epochs * steps, disable=not progress)
    with torch.random.fork_rng(), bar:
        _restore(history, seed, shuffle, optimizer)
        try:
            for epoch in range(1, epochs + 1):
                order = torch.randperm(len(images), generator=shuffle)
                sums = torch.zeros(1)
                for step, index in enumerate(order.split(batch_size), 1):
                    x = images[index.to(device)]  # (B, C, H, W)
                    terms = objective(model, x, beta)
                    if not torch.isfinite(terms.loss):
                        raise _diverged(epoch, step, model, x, terms)
                    done = (epoch - 1 + (step - 1) / steps) / epochs
                    rate = lr(done) if callable(lr) else lr
                    optimizer.param_groups[0]["lr"] = rate
                    optimizer.zero_grad()
                    terms.loss.backward()
                    optimizer.step()
                    sums = sums + _totals(terms).cpu()
                    bar.update()
                history.train.append(_named(terms, sums / len(images)))
                if held_out is not None:
                    halves = evaluate(model, held_out, objective=objective)
                    history.held_out.append(halves)
                _remember(history, shuffle, optimizer)
                bar.set_postfix_str(_last(history))
        except KeyboardInterrupt:
            history.interrupted = True
        finally:
            model.eval()
    return history


@torch.no_grad()
def evaluate(
    model: nn.Module,
    images,
    *,
    objective: Objective = elbo,
    batch_size: int = 1000,
    seed: int = 0,
) -> Halves | Mean:
    """Mean distortion and rate over all ``images``, in nats per image.

    Or the mean of an objective that is no bound.

    Draws z from q(z|x), as the ELBO asks, with a seed of its own, so that a
    second call gives the same numbers; the caller's random state is left as it
    was.

    Raises:
        ValueError: there are no images, or none in a batch.
    """
    _check(images, batch_size, "evaluate")
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    sums = torch.zeros(1, dtype=torch.float64)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for start in range(0, len(images), batch_size):
            x = images[start : start + batch_size].to(device)
            terms = objective(model, x, 1.0)
            sums = sums + _totals(terms).cpu()
    model.train(was_training)
    return _named(terms, sums / len(images))


def _check(images, batch_size: int, purpose: str) -> None:
    if len(images) == 0:
        raise ValueError(f"There are no images to {purpose} on.")
    if batch_size < 1:
        raise ValueError(
            f"A batch has an image at least, got batch_size={batch_size}."
        )


def _totals(terms: ELBO | Losses) -> Tensor:
    """The sum over the batch of each term, (2,) of a bound, else (1,)."""
    return torch.stack([*terms]).detach().sum(dim=1)


def _named(terms: ELBO | Losses, means: Tensor) -> Halves | Mean:
    kind = Mean if isinstance(terms, Losses) else Halves
    return kind(*means.tolist())


def _adam(model: nn.Module) -> torch.optim.Adam:
    """Adam with a shorter memory of squared gradients than its usual 0.999.

    Runs of a few thousand steps end better if they can forget their start.
    """
    device = next(model.parameters()).device
    fused = device.type in ("cpu", "cuda")  # one pass over all weights
    return torch.optim.Adam(model.parameters(), betas=(0.9, 0.99), fused=fused)


def _restore(
    history: History, seed: int, shuffle: torch.Generator, optimizer
) -> None:
    """Seeds a fresh run, or puts back what an earlier run left."""
    history.interrupted = False
    if not history.state:
        torch.manual_seed(seed)
        shuffle.manual_seed(seed)
        return
    optimizer.load_state_dict(history.state["optimizer"])
    shuffle.set_state(history.state["shuffle"])
    torch.set_rng_state(history.state["noise"])
    if "cuda noise" in history.state:
        torch.cuda.set_rng_state_all(history.state["cuda noise"])


def _remember(history: History, shuffle: torch.Generator, optimizer) -> None:
    history.state = {
        "optimizer": optimizer.state_dict(),
        "shuffle": shuffle.get_state(),
        "noise": torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        history.state["cuda noise"] = torch.cuda.get_rng_state_all()


def _last(history: History) -> str:
    latest = (history.held_out or history.train)[-1]
    where = "held out" if history.held_out else "train"
    return f"{where}: {latest}"


def _diverged(
    epoch: int,
    step: int,
    model: nn.Module,
    x: Tensor | tuple[Tensor, ...],
    terms: ELBO | Losses,
) -> TrainingDiverged:
    """The error that names the step at which the loss broke, and the cause."""
    batch = x if isinstance(x, tuple) else (x,)
    if not all(torch.isfinite(part).all() for part in batch):
        cause = "the images themselves hold NaN or inf: mend the data"
    elif not all(torch.isfinite(p).all() for p in model.parameters()):
        cause = "the weights are no longer finite: lower lr"
    elif isinstance(terms, Losses):
        cause = "the model's output grew without bound: lower lr"
    elif not torch.isfinite(terms.rate).all():
        cause = (
            "the rate overflowed, because the encoder's mean or log-variance "
            "grew without bound: lower lr or scale the images to [0, 1]"
        )
    else:
        cause = (
            "the distortion overflowed, because the decoder's output grew "
            "without bound: lower lr"
        )
    return TrainingDiverged(
        f"The loss became {terms.loss.item()} at epoch {epoch}, step {step}. "
        f"Likely cause: {cause}. The weights are those from before this step."
    )
