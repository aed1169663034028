"""Exercise 9.1: from a clean latent to step t, at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from vae_course.diffusion import schedule
from vae_course.exercises.exercise import Exercise, Mistake, trials_against


def noised(z, betas, t, noise):
    """The latents at step t of the forward process.

    Args:
        z: clean latents, (B, C, h, w).
        betas: the variance that each step adds, β_1 first, (T,).
        t: the step of each latent, whole numbers from 1 to T, (B,).
        noise: draws from N(0, 1), (B, C, h, w).

    Returns:
        z_t = √ᾱ_t z + √(1 − ᾱ_t) ε, (B, C, h, w).
    """
    abar = torch.cumprod(1 - betas, dim=0)[t - 1]  # (B,)
    abar = abar.view(-1, 1, 1, 1)
    return abar.sqrt() * z + (1 - abar).sqrt() * noise


def _truth(z: Tensor, betas: Tensor, t: Tensor, noise: Tensor) -> Tensor:
    signal, spread = schedule.from_betas(betas).at(t, z)
    return signal * z + spread * noise


def _inputs() -> Iterator[dict[str, Any]]:
    yield {
        "z": torch.tensor([1.0, 0.0]).view(2, 1, 1, 1),
        "betas": torch.tensor([0.19, 0.5, 0.3]),
        "t": torch.tensor([1, 2]),
        "noise": torch.tensor([0.0, 1.0]).view(2, 1, 1, 1),
    }
    for batch, steps, size, dtype in (
        (4, 20, 1, torch.float32),
        (3, 50, 1, torch.float64),
        (1, 30, 6, torch.float32),  # so large that a clamp would show
    ):
        z, noise = size * torch.randn(2, batch, 4, 2, 2, dtype=dtype)
        yield {
            "z": z,
            "betas": torch.linspace(0.01, 0.2, steps, dtype=dtype),
            "t": torch.randint(2, steps // 2, (batch,)),
            "noise": noise,
        }


def _with(mix, where=lambda abar, t: abar[t - 1]):
    """A wrong solution that mixes, or looks up, ᾱ_t in a wrong way."""

    def wrong(z, betas, t, noise):
        abar = where(torch.cumprod(1 - betas, dim=0), t).view(-1, 1, 1, 1)
        return mix(abar, z, noise)

    return wrong


def _right(abar, z, noise):
    return abar.sqrt() * z + (1 - abar).sqrt() * noise


def _of(abar_of):
    """A wrong solution whose ᾱ is computed wrong from the betas."""

    def wrong(z, betas, t, noise):
        abar = abar_of(betas)[t - 1].view(-1, 1, 1, 1)
        return _right(abar, z, noise)

    return wrong


NOISING = Exercise(
    number="9.1",
    title="A thousand steps in one",
    prompt="""\
Step i of the forward process keeps √(1 − β_i) of the latent and adds noise of
variance β_i. Write all steps up to t as one: find ᾱ_t from the betas, and mix
each latent of the batch with its own noise at its own step.""",
    solution=noised,
    why="""\
What is kept multiplies, so ᾱ_t is the product of 1 − β_i up to t; independent
variances add up, and what comes out is exactly 1 − ᾱ_t. Both factors are
roots: their squares sum to 1, which keeps unit variance at 1. Step 1 is the
first entry, at index 0.""",
    proved="one draw from your closed form has the mean and the variance of t "
    "small steps, for each latent at its own step.",
    hints=(
        "Do two steps on paper. What stands before z, and what is the "
        "variance of the noise?",
        "`torch.cumprod` multiplies up. The first entry of the result "
        "belongs to step 1. To multiply (B,) with (B, C, h, w), give it "
        "three more axes.",
        "The factor of z is the root of ᾱ_t; the factor of the noise is the "
        "root of what is missing to 1. Check with the first trial: after one "
        "step with β = 0.19, 0.9 of the latent is left.",
    ),
    trials=lambda: trials_against(_truth, _inputs(), ("z", "noise")),
    mistakes=(
        Mistake(
            "the roots forgotten",
            _with(lambda a, z, noise: a * z + (1 - a) * noise),
            "You mix with ᾱ and 1 − ᾱ; it is their roots that keep the "
            "variance. Yours falls to a half when ᾱ is a half.",
            "weights that add up to 1 look like a mix.",
        ),
        Mistake(
            "no root over the noise",
            _with(lambda a, z, noise: a.sqrt() * z + (1 - a) * noise),
            "The factor of the noise is 1 − ᾱ, which is its variance; a "
            "factor is a standard deviation.",
            "q(z_t|z_0) is written with its variance, 1 − ᾱ.",
        ),
        Mistake(
            "no root over the signal",
            _with(lambda a, z, noise: a * z + (1 - a).sqrt() * noise),
            "The factor of the latent is ᾱ; it should be its root.",
            "of the two roots one gets lost.",
        ),
        Mistake(
            "one minus the root",
            _with(lambda a, z, noise: a.sqrt() * z + (1 - a.sqrt()) * noise),
            "The noise gets 1 − √ᾱ; it should get √(1 − ᾱ). The root goes "
            "over the whole difference.",
            "the root of ᾱ is already in a variable.",
        ),
        Mistake(
            "signal and noise exchanged",
            _with(lambda a, z, noise: (1 - a).sqrt() * z + a.sqrt() * noise),
            "The factors have changed places: at t = 1 yours is nearly all "
            "noise.",
            "with ᾱ, large means clean; with β, large means noisy.",
        ),
        Mistake(
            "one step too late",
            _with(_right, lambda abar, t: abar[t]),
            "You look up ᾱ one step too late: step 1 stands at index 0.",
            "libraries count their steps from 0, and papers from 1.",
        ),
        Mistake(
            "one step too early",
            _with(
                _right,
                lambda abar, t: torch.cat([abar.new_ones(1), abar])[t - 1],
            ),
            "You look up ᾱ one step too early: at t = 1 nothing has happened "
            "to your latents.",
            "with a 1 put in front of the products, the index is t and no "
            "longer t − 1.",
        ),
        Mistake(
            "the betas themselves multiplied",
            _of(lambda betas: torch.cumprod(betas, dim=0)),
            "You multiplied the betas; what is kept at a step is 1 − β.",
            "α = 1 − β is one more letter, easily skipped.",
        ),
        Mistake(
            "added instead of multiplied",
            _of(lambda betas: 1 - torch.cumsum(betas, dim=0)),
            "You add the betas up. The second step adds noise to what the "
            "first has left, so what is kept multiplies.",
            "for small betas sum and product are nearly the same.",
        ),
        Mistake(
            "the last step alone",
            _of(lambda betas: 1 - betas),
            "Yours is step t alone, from a clean latent: the product over the "
            "steps before is missing.",
            "α_t and ᾱ_t differ by a bar.",
        ),
        Mistake(
            "one noise for all",
            lambda z, betas, t, noise: noised(z, betas, t, noise[:1]),
            "All latents of your batch get the noise of the first.",
            "the shapes fit by broadcasting, and the loss goes down all the "
            "same.",
        ),
        Mistake(
            "one step for all",
            lambda z, betas, t, noise: noised(
                z, betas, t[:1].expand_as(t), noise
            ),
            "All latents of your batch are taken to the step of the first.",
            "one number is easier to index with than a batch of them.",
        ),
    ),
    alternatives=(
        _with(
            lambda a, z, noise: a**0.5 * z + (1 - a) ** 0.5 * noise,
            lambda abar, t: abar.index_select(0, t - 1),
        ),
        lambda z, betas, t, noise: torch.stack(
            [
                (1 - betas[:i]).prod().sqrt() * each
                + (1 - (1 - betas[:i]).prod()).sqrt() * drawn
                for each, i, drawn in zip(z, t, noise, strict=True)
            ]
        ),
        _of(lambda betas: (1 - betas).log().cumsum(dim=0).exp()),
    ),
)
