"""What a denoiser is trained on: noise a latent, ask for what was mixed.

A network that sees z_t = a z_0 + s ε may be asked for the noise, for the clean
latent, or for a mix of both. All are the same knowledge: with z_t at hand, one
gives the other two.

Sources: Ho et al. 2020 (https://arxiv.org/abs/2006.11239), Salimans & Ho 2022
(https://arxiv.org/abs/2202.00512), Ho & Salimans 2022
(https://arxiv.org/abs/2207.12598).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch import distributions as D

from vae_course.diffusion.schedule import Schedule
from vae_course.training import Losses

# What is asked for: how much of z_0 and of ε, by the factors a and s.
PREDICTIONS: dict[str, Callable] = {
    "noise": lambda a, s: (0 * a, 1 + 0 * s),
    "z0": lambda a, s: (1 + 0 * a, 0 * s),
    "v": lambda a, s: (-s, a),  # Salimans & Ho 2022, appendix D
    "flow": lambda a, s: (-1 + 0 * a, 1 + 0 * s),  # on the straight road
}


class Labelled(NamedTuple):
    """A batch of latents and what each of them shows."""

    z: Tensor  # (B, C, h, w)
    labels: Tensor  # (B,)

    def to(self, device: torch.device | str) -> Labelled:
        """The same batch on another device."""
        return Labelled(self.z.to(device), self.labels.to(device))


def forward_process(
    schedule: Schedule, z: Tensor, t: Tensor | int
) -> D.Independent:
    """q(z_t|z_0) = N(√ᾱ_t z_0, (1 − ᾱ_t) I), in one step from 0 to t.

    Ho et al. 2020, equation 4. An encoder with nothing to learn.

    Args:
        schedule: the factors.
        z: clean latents z_0, (B, C, h, w), of unit variance.
        t: steps from 1 to T, a number or (B,).
    """
    a, s = schedule.at(t, z)
    normal = D.Normal(a * z, s.expand_as(z), validate_args=False)
    return D.Independent(normal, z.dim() - 1, validate_args=False)


def target(
    prediction: str, schedule: Schedule, z: Tensor, noise: Tensor, t
) -> Tensor:
    """What a network of this kind should say at step t, (B, C, h, w)."""
    of_z, of_noise = _mix(prediction, *schedule.at(t, z))
    return of_z * z + of_noise * noise


def recovered(
    prediction: str, schedule: Schedule, z_t: Tensor, said: Tensor, t
) -> tuple[Tensor, Tensor]:
    """The clean latent and the noise that a prediction implies.

    Two equations, z_t = a z_0 + s ε and said = c z_0 + d ε, for two unknowns.

    Returns:
        Estimates of z_0 and of ε, (B, C, h, w) each.

    Raises:
        ValueError: the prediction leaves z_0 open at this step, as noise
            prediction does where no signal is left.
    """
    a, s = schedule.at(t, z_t.double())
    c, d = _mix(prediction, a, s)
    determinant = a * d - s * c
    if (determinant == 0).any():
        raise ValueError(
            f"Prediction {prediction!r} cannot tell z_0 from z_t at step "
            f"{t}, where signal and noise are {a.flatten()[0]:g} and "
            f"{s.flatten()[0]:g}. Predict 'v', or take a schedule that keeps "
            "a trace of signal."
        )
    a, s, c, d = ((f / determinant).to(z_t) for f in (a, s, c, d))
    return d * z_t - s * said, a * said - c * z_t


def _mix(prediction: str, a: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
    if prediction not in PREDICTIONS:
        raise ValueError(
            f"Unknown prediction {prediction!r}; choose one of "
            f"{[*PREDICTIONS]}."
        )
    return PREDICTIONS[prediction](a, s)


@dataclass(frozen=True)
class Denoising:
    """The objective of a denoiser, for the course's training loop.

    Squared error per number of the latent: whoever predicts noise and has
    learned nothing, not even to be silent, pays 1.0 or more.

    Args:
        schedule: the road to noise.
        prediction: what the network is asked for; see ``PREDICTIONS``.
        dropout: the share of labels that are hidden, so that one network
            learns to draw with and without a class. Without hidden labels
            there is nothing for guidance to start from.
    """

    schedule: Schedule
    prediction: str = "v"
    dropout: float = 0.1

    def __call__(
        self, model: nn.Module, batch: Labelled, beta: float = 1.0
    ) -> Losses:
        """The mean squared error of each latent of a batch; (B,) each."""
        z, labels = batch
        t = torch.randint(1, self.schedule.steps + 1, (len(z),))
        noise = torch.randn_like(z)  # one for each latent, not one for all
        a, s = self.schedule.at(t, z)
        hidden = torch.rand(len(z), device=z.device) < self.dropout
        labels = torch.where(hidden, model.no_class, labels)
        said = model(a * z + s * noise, t / self.schedule.steps, labels)
        wanted = target(self.prediction, self.schedule, z, noise, t)
        return Losses((said - wanted).square().flatten(1).mean(dim=1))
