"""Exercise 9.3: one step of the way back."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from vae_course.exercises.exercise import Exercise, Mistake, trials_against


def ddim_step(z_t, noise, abar, abar_next, limit):
    """From z_t to a less noisy latent, without fresh noise.

    Args:
        z_t: noised latents, (B, C, h, w).
        noise: what a network says is the noise in them, (B, C, h, w).
        abar: ᾱ at the step where they are, a number.
        abar_next: ᾱ at the step to go to, a number.
        limit: estimates of the clean latent are clamped to ± this number.

    Returns:
        The latents at the next step, (B, C, h, w).
    """
    z = (z_t - (1 - abar) ** 0.5 * noise) / abar**0.5
    z = z.clamp(-limit, limit)
    noise = (z_t - abar**0.5 * z) / (1 - abar) ** 0.5
    return abar_next**0.5 * z + (1 - abar_next) ** 0.5 * noise


def _truth(z_t, noise, abar, abar_next, limit) -> Tensor:
    angle, angle_next = (
        torch.acos(torch.tensor(a, dtype=torch.float64).sqrt())
        for a in (abar, abar_next)
    )
    z = (z_t - angle.sin() * noise) / angle.cos()
    z = torch.minimum(torch.maximum(z, -limit + 0 * z), limit + 0 * z)
    # z_t stays where it is: the noise is what the clamped z leaves of it.
    ratio = angle_next.sin() / angle.sin()
    return ratio * z_t + (angle_next.cos() - ratio * angle.cos()) * z


def _inputs() -> Iterator[dict[str, Any]]:
    for batch, abar, abar_next, limit, dtype in (
        (1, 0.36, 0.64, 100.0, torch.float32),
        (2, 0.3, 0.8, 1.0, torch.float32),
        (3, 0.04, 0.16, 2.0, torch.float64),
        (5, 0.5, 0.7, 30.0, torch.float32),  # so large that a clamp shows
    ):
        z_t, noise = torch.randn(2, batch, 4, 2, 2, dtype=dtype)
        if batch == 1:
            z_t, noise = z_t[:, :1, :1, :1], noise[:, :1, :1, :1]
        if batch == 5:  # numbers alone: axes of length 1 may not get lost
            z_t, noise = 8 * z_t[:, :1, :1, :1], 8 * noise[:, :1, :1, :1]
        yield {
            "z_t": z_t,
            "noise": noise,
            "abar": abar,
            "abar_next": abar_next,
            "limit": limit,
        }


def _clean(z_t, noise, abar, limit):
    z = (z_t - (1 - abar) ** 0.5 * noise) / abar**0.5
    return z.clamp(-limit, limit)


def _left(z_t, z, abar):
    return (z_t - abar**0.5 * z) / (1 - abar) ** 0.5


def _estimate(clean):
    """A wrong solution that estimates the clean latent wrongly."""

    def wrong(z_t, noise, abar, abar_next, limit):
        z = clean(z_t, noise, abar).clamp(-limit, limit)
        noise = _left(z_t, z, abar)
        return abar_next**0.5 * z + (1 - abar_next) ** 0.5 * noise

    return wrong


def _mixed(mix):
    """A wrong solution that mixes the right estimates wrongly."""

    def wrong(z_t, noise, abar, abar_next, limit):
        z = _clean(z_t, noise, abar, limit)
        return mix(z, _left(z_t, z, abar), abar, abar_next)

    return wrong


def _stale(z_t, noise, abar, abar_next, limit):
    z = _clean(z_t, noise, abar, limit)
    return abar_next**0.5 * z + (1 - abar_next) ** 0.5 * noise


DDIM = Exercise(
    number="9.3",
    title="One step of the way back",
    prompt="""\
Write one step of DDIM. From the predicted noise follows an estimate of the
clean latent. Clamp it to ± `limit`, and find the noise *again*, so that z_t is
still the mix of the two. Then mix them as the next step wants it.""",
    solution=ddim_step,
    why="""\
z_t = √ᾱ z + √(1 − ᾱ) ε is one equation; each step solves it for z, and mixes
anew with the next ᾱ. If z is clamped and ε is left, the two no longer make up
z_t, and the sampler walks off the road by exactly what was clamped, at every
step. With no clamp the second line changes nothing.""",
    proved="your step is that of DDIM, and a clamp leaves it consistent.",
    hints=(
        "Solve z_t = √ᾱ z + √(1 − ᾱ) ε for z.",
        "After `clamp`, solve the same equation for ε with the new z.",
        "Four lines: z from z_t and the noise; clamp it; the noise from z_t "
        "and z; the mix with both roots of the next ᾱ. Where nothing is "
        "clamped, going to the same ᾱ must give z_t back.",
    ),
    trials=lambda: trials_against(_truth, _inputs(), ("z_t", "noise")),
    mistakes=(
        Mistake(
            "the noise is not found again",
            _stale,
            "The clean latent is clamped and the noise is left as it was, so "
            "the two no longer make up z_t.",
            "the network has given the noise, so why compute it.",
        ),
        Mistake(
            "no clamp",
            lambda z_t, noise, abar, abar_next, limit: ddim_step(
                z_t, noise, abar, abar_next, math.inf
            ),
            "The estimate of the clean latent is not clamped.",
            "for most latents it makes no difference.",
        ),
        Mistake(
            "no root over the noise in the estimate",
            _estimate(
                lambda z_t, noise, abar: (z_t - (1 - abar) * noise) / abar**0.5
            ),
            "To estimate the clean latent you take off 1 − ᾱ of the noise; "
            "√(1 − ᾱ) of it is in z_t.",
            "1 − ᾱ is its variance.",
        ),
        Mistake(
            "one minus the root in the estimate",
            _estimate(
                lambda z_t, noise, abar: (
                    (z_t - (1 - abar**0.5) * noise) / abar**0.5
                )
            ),
            "To estimate the clean latent you take off 1 − √ᾱ of the noise; "
            "√(1 − ᾱ) of it is in z_t.",
            "√ᾱ stands in the same line.",
        ),
        Mistake(
            "divided by ᾱ",
            _estimate(
                lambda z_t, noise, abar: (
                    (z_t - (1 - abar) ** 0.5 * noise) / abar
                )
            ),
            "You divide by ᾱ; the latent was multiplied with √ᾱ.",
            "the root gets lost on the way to the denominator.",
        ),
        Mistake(
            "not divided",
            _estimate(
                lambda z_t, noise, abar: z_t - (1 - abar) ** 0.5 * noise
            ),
            "You take the noise off and do not divide by √ᾱ: the estimate is "
            "too small.",
            "what is left looks like a clean latent.",
        ),
        Mistake(
            "no roots in the mix",
            _mixed(lambda z, noise, abar, to: to * z + (1 - to) * noise),
            "You mix with ᾱ and 1 − ᾱ; it is their roots that keep the "
            "variance.",
            "weights that add up to 1 look like a mix.",
        ),
        Mistake(
            "no root over the noise in the mix",
            _mixed(lambda z, noise, abar, to: to**0.5 * z + (1 - to) * noise),
            "In the mix the noise gets 1 − ᾱ; it should get √(1 − ᾱ).",
            "in the estimate the root was there.",
        ),
        Mistake(
            "the old noise level",
            _mixed(
                lambda z, noise, abar, to: (
                    to**0.5 * z + (1 - abar) ** 0.5 * noise
                )
            ),
            "The noise keeps the level of the step you come from: your "
            "latents never become clean.",
            "√(1 − ᾱ) was computed a line before.",
        ),
        Mistake(
            "the steps exchanged",
            lambda z_t, noise, abar, abar_next, limit: ddim_step(
                z_t, noise, abar_next, abar, limit
            ),
            "ᾱ here and ᾱ there have changed places.",
            "the next step has the smaller t and the larger ᾱ.",
        ),
        Mistake(
            "all the way at once",
            _mixed(lambda z, noise, abar, to: z),
            "You return the estimate of the clean latent: all the way in one "
            "step, and blurred.",
            "it is what one wants in the end.",
        ),
    ),
    alternatives=(
        lambda z_t, noise, abar, abar_next, limit: _mixed(
            lambda z, e, a, to: to**0.5 * z + (1 - to) ** 0.5 * e
        )(z_t, noise, abar, abar_next, limit),
        lambda z_t, noise, abar, abar_next, limit: (
            abar_next**0.5 * _clean(z_t, noise, abar, limit)
            + ((1 - abar_next) / (1 - abar)) ** 0.5
            * (z_t - abar**0.5 * _clean(z_t, noise, abar, limit))
        ),
    ),
)
