"""From noise to latents: the way back, in as many steps as one likes.

One step estimates the clean latent and the noise, then mixes the two again
with a little less noise. With fresh noise in the mix it is DDPM's step,
without it is DDIM's; and on the straight road of flow matching the latter is
Euler's step along the field. So one function does for all three.

Sources: Ho et al. 2020 (https://arxiv.org/abs/2006.11239), Song et al. 2020
(https://arxiv.org/abs/2010.02502), Ho & Salimans 2022
(https://arxiv.org/abs/2207.12598).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from vae_course.diffusion.objective import recovered
from vae_course.diffusion.schedule import Schedule
from vae_course.training import step_bar

Predictor = Callable[[Tensor, Tensor, Tensor], Tensor]


def times(schedule: Schedule, steps: int, start: int | None = None) -> list:
    """Where a sampler stops on its way: ``start``, …, 0, evenly spaced.

    Args:
        schedule: whose T is taken where no start is given.
        steps: how many, from 1 to ``start``.
        start: the step that the latents to begin with are at.

    Raises:
        ValueError: there are not so many steps.
    """
    start = schedule.steps if start is None else start
    if not 0 < steps <= start <= schedule.steps:
        raise ValueError(
            f"From step {start} of {schedule.steps} one gets to 0 in 1 to "
            f"{start} steps, not in {steps}."
        )
    line = torch.linspace(start, 0, steps + 1, dtype=torch.float64)
    return line.round().long().tolist()


def step(
    schedule: Schedule,
    prediction: str,
    z_t: Tensor,
    said: Tensor,
    t: int,
    to: int,
    eta: float = 0.0,
    noise: Tensor | None = None,
) -> Tensor:
    """From z_t to the latent at step ``to``, (B, C, h, w).

    Song et al. 2020, equation 12: with ``eta`` 0 nothing is drawn (DDIM); with
    1 the step has the variance of q(z_to | z_t, z_0) (DDPM, Ho et al. 2020,
    equation 7).

    Args:
        schedule: the road.
        prediction: what the network was asked for.
        z_t: latents at step t, (B, C, h, w).
        said: what the network said about them, (B, C, h, w).
        t: the step that they are at.
        to: the step to go to; above t it is the way to noise.
        eta: the share of fresh noise.
        noise: the draws, (B, C, h, w); None draws them.
    """
    z, epsilon = recovered(prediction, schedule, z_t, said, t)
    a, s = schedule.signal, schedule.noise
    if eta == 0:
        return a[to].item() * z + s[to].item() * epsilon
    # The variance that the forward process adds between ``to`` and t, and the
    # part of it that is unknown even to whoever knows z_0 and z_t.
    added = s[t] ** 2 - (a[t] / a[to]) ** 2 * s[to] ** 2
    fresh = eta * s[to] / s[t] * added.sqrt()
    kept = (s[to] ** 2 - fresh**2).sqrt()
    noise = torch.randn_like(z) if noise is None else noise
    clean = a[to].item() * z
    return clean + kept.item() * epsilon + fresh.item() * noise


def guided(
    model: Predictor, z_t: Tensor, t: Tensor, labels: Tensor, weight: float
) -> Tensor:
    """Classifier-free guidance: away from "anything", towards the class.

    Ho & Salimans 2022, equation 6, with ``weight`` = 1 + their w: 0 ignores
    the class, 1 is the model as trained, more exaggerates. All channels alike.
    """
    if weight == 1:
        return model(z_t, t, labels)
    nothing = torch.full_like(labels, model.no_class)
    both = model(
        torch.cat([z_t, z_t]), torch.cat([t, t]), torch.cat([labels, nothing])
    )
    conditional, free = both.chunk(2)
    return free + weight * (conditional - free)


@torch.no_grad()
def travel(
    model: Predictor,
    schedule: Schedule,
    prediction: str,
    z: Tensor,
    labels: Tensor,
    road: Sequence[int],
    *,
    guidance: float = 1.0,
    eta: float = 0.0,
    progress: bool = False,
):
    """Yields the latents at every stop of ``road`` after the first.

    Args:
        model: (z_t, share of the road, labels) → what it was asked for.
        schedule: the road that it was trained on.
        prediction: what it was asked for.
        z: latents at the road's first stop, (B, C, h, w).
        labels: (B,).
        road: stops, such as :func:`times` gives; in the other direction, the
            way from a latent to the noise that it would come from.
        guidance: weight of the class; see :func:`guided`.
        eta: share of fresh noise; see :func:`step`.
        progress: show a bar.
    """
    stops = [*pairwise(road)]
    for t, to in step_bar(stops, disable=not progress):
        # Near a clean latent there is no noise to predict: ask at step 1.
        share = z.new_full((len(z),), max(t, 1) / schedule.steps)
        said = guided(model, z, share, labels, guidance)
        z = step(schedule, prediction, z, said, t, to, eta)
        yield z


@torch.no_grad()
def sample(
    model,
    schedule: Schedule,
    prediction: str,
    labels: Tensor,
    *,
    steps: int = 20,
    guidance: float = 1.0,
    eta: float = 0.0,
    seed: int = 0,
    progress: bool = False,
) -> Tensor:
    """New latents, (B, C, h, w), still scaled, one for each label.

    The same seed gives the same latents; the caller's random state is left as
    it was. For the other arguments see :func:`travel`.

    Args:
        model: a :class:`~vae_course.diffusion.denoiser.Denoiser`.
        schedule: the road that it was trained on.
        prediction: what it was asked for.
        labels: the classes asked for, (B,).
        steps: how many, from 1 to T.
        seed: of the noise.
    """
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        z = torch.randn(len(labels), *model.latent_shape).to(device)
        way = travel(
            model,
            schedule,
            prediction,
            z,
            labels.to(device),
            times(schedule, steps),
            guidance=guidance,
            eta=eta,
            progress=progress,
        )
        z = deque(way, maxlen=1).pop()  # the last
    model.train(was_training)
    return z
