"""How much of a latent is left at each step of the road to noise.

A noised latent is z_t = signal · z_0 + noise · ε with ε ~ N(0, I). A schedule
is the two columns of numbers, for t = 0 (nothing has happened) to t = T. They
are kept in double precision: products of a thousand factors near 1 lose digits
in single precision.

Sources: Ho et al. 2020 (https://arxiv.org/abs/2006.11239), Nichol & Dhariwal
2021 (https://arxiv.org/abs/2102.09672), Lin et al. 2023
(https://arxiv.org/abs/2305.08891), Lipman et al. 2022
(https://arxiv.org/abs/2210.02747).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Schedule:
    """The factors of signal and noise at t = 0, …, T.

    Row 0 is the clean latent: signal 1, noise 0. With the usual names √ᾱ_t is
    ``signal[t]`` and √(1 − ᾱ_t) is ``noise[t]``. Libraries that count from 0
    call our t = 1 their timestep 0.

    Raises:
        ValueError: the columns are no road from a clean latent to noise.
    """

    signal: Tensor  # (T + 1,), float64
    noise: Tensor  # (T + 1,), float64

    def __post_init__(self):
        a, s = self.signal, self.noise
        if a.dim() != 1 or a.shape != s.shape or len(a) < 2:
            raise ValueError(
                "A schedule is two columns of T + 1 numbers, got "
                f"{tuple(a.shape)} and {tuple(s.shape)}."
            )
        falls = (a.diff() < 0).all() and (a >= 0).all()
        if not falls or a[0] != 1 or s[0] != 0 or not (s.diff() > 0).all():
            raise ValueError(
                "The signal must fall from 1 and stay at or above 0, while "
                f"the noise rises from 0; got signal {a[0]:g} → {a[-1]:g}, "
                f"noise {s[0]:g} → {s[-1]:g}, or a step in between that goes "
                "the other way."
            )

    @property
    def steps(self) -> int:
        """T, the number of steps."""
        return len(self.signal) - 1

    @property
    def abar(self) -> Tensor:
        """ᾱ_t, (T + 1,): the share of the variance that is signal.

        Of latents of unit variance, and for schedules that preserve it.
        """
        return self.signal.square()

    @property
    def snr(self) -> Tensor:
        """Signal to noise, signal² / noise², (T + 1,); infinite at t = 0."""
        return (self.signal / self.noise).square()

    def at(self, t: Tensor | int, like: Tensor) -> tuple[Tensor, Tensor]:
        """signal[t] and noise[t], to be multiplied with ``like``.

        Args:
            t: steps, a number or (B,), from 0 to T.
            like: latents, (B, …): the result has their dtype, device and
                number of axes.
        """
        t = torch.as_tensor(t).cpu()
        shape = (*t.shape, *[1] * (like.dim() - t.dim()))
        return (
            self.signal[t].view(shape).to(like),
            self.noise[t].view(shape).to(like),
        )


def from_betas(betas: Tensor) -> Schedule:
    """The schedule that adds noise of variance β_t at step t, (T,).

    ᾱ_t = ∏ (1 − β_i) for i ≤ t (Ho et al. 2020, equation 4), so signal² +
    noise² = 1: latents of unit variance keep it.
    """
    abar = torch.cumprod(1 - betas.double(), dim=0)
    abar = torch.cat([abar.new_ones(1), abar])  # (T + 1,)
    return Schedule(abar.sqrt(), (1 - abar).sqrt())


def linear(
    steps: int = 1000, first: float = 1e-4, last: float = 0.02
) -> Schedule:
    """β rises in a straight line (Ho et al. 2020, section 4)."""
    return from_betas(torch.linspace(first, last, steps, dtype=torch.float64))


def stable_diffusion(steps: int = 1000) -> Schedule:
    """√β rises in a straight line, from √0.00085 to √0.012: SD 1 and SDXL."""
    first, last = math.sqrt(0.00085), math.sqrt(0.012)
    roots = torch.linspace(first, last, steps, dtype=torch.float64)
    return from_betas(roots.square())


def cosine(steps: int = 1000, offset: float = 0.008) -> Schedule:
    """√ᾱ follows a quarter of a cosine (Nichol & Dhariwal 2021, equation 17).

    β stays at or below 0.999, as there, so a trace of signal is left at T.
    """
    t = torch.arange(steps + 1, dtype=torch.float64) / steps
    f = torch.cos((t + offset) / (1 + offset) * math.pi / 2).square()
    return from_betas((1 - f[1:] / f[:-1]).clamp(max=0.999))


def zero_terminal_snr(schedule: Schedule) -> Schedule:
    """The same road, stretched so that at T nothing of the signal is left.

    √ᾱ is shifted to 0 at T and scaled to stay what it was at t = 1 (Lin et al.
    2023, algorithm 1). Otherwise a sampler starts from pure noise, which the
    model has never seen: at its T it could always make out a little of the
    picture, its mean above all.
    """
    a = schedule.signal
    stretched = (a - a[-1]) * a[1] / (a[1] - a[-1])
    stretched[0] = 1
    return Schedule(stretched, (1 - stretched.square()).sqrt())


def even(
    steps: int = 1000, first: float = 1e4, last: float = 1e-4
) -> Schedule:
    """Signal to noise falls by the same factor at every step.

    From ``first`` at t = 1 to ``last`` at T. More steps make each of them
    smaller, everywhere on the road, as none of the roads above does near its
    start (Kingma et al. 2021, https://arxiv.org/abs/2107.00630, section 4).
    """
    ends = math.log(first), math.log(last)
    log_snr = torch.linspace(*ends, steps, dtype=torch.float64)
    signal, noise = (
        torch.cat([torch.full((1,), start).double(), share.sqrt()])
        for start, share in (
            (1.0, torch.sigmoid(log_snr)),
            (0.0, torch.sigmoid(-log_snr)),
        )
    )
    return Schedule(signal, noise)


def straight(steps: int = 1000) -> Schedule:
    """Flow matching's road: signal 1 − t/T, noise t/T.

    A straight line from the latent to the noise (Lipman et al. 2022, section
    4.1; Liu et al. 2022, https://arxiv.org/abs/2209.03003). It does not
    preserve the variance, which falls to a half on the way.
    """
    share = torch.arange(steps + 1, dtype=torch.float64) / steps
    return Schedule(1 - share, share)
