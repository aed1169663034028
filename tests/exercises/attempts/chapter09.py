"""Chapter 9: attempts as students write them, right and wrong."""

import math

import numpy as np
import torch
from torch import distributions as D
from torch.nn import functional as F

from vae_course.diffusion import schedule
from vae_course.exercises import registry

RIGHT, WRONG = {}, {}

# --- 9.1: a thousand steps in one --------------------------------------------

noised = registry.find("9.1").solution


def noised_step_by_step(z, betas, t, noise):
    rows = []
    for each, last, drawn in zip(z, t.tolist(), noise, strict=True):
        kept, variance = 1.0, 0.0
        for i in range(last):
            kept = kept * math.sqrt(1 - betas[i])
            variance = variance * (1 - betas[i]) + betas[i]
        rows.append(kept * each + variance**0.5 * drawn)
    return torch.stack(rows)


def noised_in_numpy(z, betas, t, noise):
    abar = np.cumprod(1 - betas.double().numpy())
    abar = torch.tensor([abar[i - 1] for i in t.tolist()], dtype=z.dtype)
    signal, spread = (
        root[:, None, None, None] for root in (abar.sqrt(), (1 - abar).sqrt())
    )
    return signal * z + spread * noise


def noised_by_tables(z, betas, t, noise):
    signal = torch.ones(len(betas) + 1, dtype=betas.dtype)
    for i, beta in enumerate(betas):
        signal[i + 1] = signal[i] * (1 - beta) ** 0.5
    a = signal[t].reshape(len(z), 1, 1, 1)
    return a * z + torch.sqrt(1 - a * a) * noise


def noised_by_distribution(z, betas, t, noise):
    abar = (1 - betas).cumprod(0).gather(0, t - 1).reshape(-1, 1, 1, 1)
    q = D.Normal(abar.sqrt() * z, (1 - abar).sqrt())
    return q.loc + q.scale * noise


RIGHT["9.1"] = {
    "step by step": noised_step_by_step,
    "numpy": noised_in_numpy,
    "a table with t = 0": noised_by_tables,
    "a distribution": noised_by_distribution,
    "logs": lambda z, betas, t, noise: (
        lambda log: (log / 2).exp() * z + (-torch.expm1(log)).sqrt() * noise
    )(torch.log1p(-betas).cumsum(0)[t - 1].view(-1, 1, 1, 1)),
    "einsum": lambda z, betas, t, noise: (
        lambda a: (
            torch.einsum("b,bchw->bchw", a.sqrt(), z)
            + torch.einsum("b,bchw->bchw", (1 - a).sqrt(), noise)
        )
    )(torch.cumprod(1 - betas, 0)[t - 1]),
    "a mask": lambda z, betas, t, noise: (
        lambda a: a**0.5 * z + (1 - a) ** 0.5 * noise
    )(
        torch.where(
            torch.arange(len(betas)) < t[:, None], 1 - betas, 1.0
        ).prod(dim=1)[..., None, None, None]
    ),
    "the course's schedule": lambda z, betas, t, noise: (
        lambda a, s: a * z + s * noise
    )(*schedule.from_betas(betas).at(t, z)),
}


def mixed(mix, abar_of=lambda betas: (1 - betas).cumprod(0), shift=1):
    def attempt(z, betas, t, noise):
        abar = abar_of(betas)[t - shift].view(-1, 1, 1, 1)
        return mix(abar, z, noise)

    return attempt


def roots(a, z, e):
    return a.sqrt() * z + (1 - a).sqrt() * e


WRONG["9.1"] = {
    "latents clamped": (
        lambda z, betas, t, noise: noised(z.clamp(-4, 4), betas, t, noise),
        None,
    ),
    "no roots": (
        mixed(lambda a, z, e: a * z + (1 - a) * e),
        "the roots forgotten",
    ),
    "lerp": (
        mixed(lambda a, z, e: torch.lerp(e, z, a)),
        "the roots forgotten",
    ),
    "variance for σ": (
        mixed(lambda a, z, e: a.sqrt() * z + (1 - a) * e),
        "no root over the noise",
    ),
    "ᾱ z": (
        mixed(lambda a, z, e: a * z + (1 - a).sqrt() * e),
        "no root over the signal",
    ),
    "1 − √ᾱ": (
        mixed(lambda a, z, e: a**0.5 * z + (1 - a**0.5) * e),
        "one minus the root",
    ),
    "lerp by the root": (
        mixed(lambda a, z, e: torch.lerp(e, z, a.sqrt())),
        "one minus the root",
    ),
    "exchanged": (
        mixed(lambda a, z, e: roots(1 - a, z, e)),
        "signal and noise exchanged",
    ),
    "arguments exchanged": (
        mixed(lambda a, z, e: roots(a, e, z)),
        "signal and noise exchanged",
    ),
    "index t": (mixed(roots, shift=0), "one step too late"),
    "index t − 2": (mixed(roots, shift=2), None),
    "a one in front": (
        mixed(roots, lambda b: F.pad((1 - b).cumprod(0), (1, 0), value=1.0)),
        "one step too early",
    ),
    "betas": (
        mixed(roots, lambda b: b.cumprod(0)),
        "the betas themselves multiplied",
    ),
    "1 − ∏ β": (mixed(roots, lambda b: 1 - b.cumprod(0)), None),
    "sum": (
        mixed(roots, lambda b: 1 - b.cumsum(0)),
        "added instead of multiplied",
    ),
    "clamped sum": (
        mixed(roots, lambda b: (1 - b.cumsum(0)).clamp(min=0)),
        "added instead of multiplied",
    ),
    "e to the minus sum": (
        mixed(roots, lambda b: torch.exp(-b.cumsum(0))),
        None,
    ),
    "α": (mixed(roots, lambda b: 1 - b), "the last step alone"),
    "β": (mixed(roots, lambda b: b), None),
    "(1 − β)^t": (
        lambda z, betas, t, noise: roots(
            ((1 - betas[t - 1]) ** t).view(-1, 1, 1, 1), z, noise
        ),
        None,
    ),
    "one noise": (
        lambda z, b, t, e: noised(z, b, t, e[:1].expand_as(e)),
        "one noise for all",
    ),
    "one step": (
        lambda z, b, t, e: noised(z, b, t[0].repeat(len(t)), e),
        "one step for all",
    ),
    "the whole product": (
        mixed(roots, lambda b: (1 - b).prod().expand(len(b))),
        None,
    ),
    "own noise": (
        lambda z, b, t, e: noised(z, b, t, torch.randn_like(e)),
        None,
    ),
    "minus the noise": (lambda z, b, t, e: noised(z, b, t, -e), None),
    "noise without a factor": (mixed(lambda a, z, e: a.sqrt() * z + e), None),
    "signal without a factor": (
        mixed(lambda a, z, e: z + (1 - a).sqrt() * e),
        None,
    ),
    "variance exploding": (
        mixed(lambda a, z, e: z + ((1 - a) / a).sqrt() * e),
        None,
    ),
    "a noised image of channels": (
        lambda z, b, t, e: noised(z, b, t, e[:, :1].expand_as(e)),
        None,
    ),
    "detached": (lambda z, b, t, e: noised(z.detach(), b, t, e), None),
}

# --- 9.2: the loss -----------------------------------------------------------

loss = registry.find("9.2").solution


def loss_by_loops(network, z, labels, t, abar, noise, hidden):
    out = []
    for i in range(len(z)):
        label = torch.tensor([10]) if hidden[i] else labels[i : i + 1]
        z_t = abar[i].sqrt() * z[i] + (1 - abar[i]).sqrt() * noise[i]
        said = network(z_t.unsqueeze(0), t[i : i + 1], label).squeeze(0)
        out.append(((said - noise[i]) ** 2).sum() / noise[i].numel())
    return torch.stack(out)


def loss_in_place_on_a_copy(network, z, labels, t, abar, noise, hidden):
    shown = labels.clone()
    shown[hidden] = 10
    abar = abar[:, None, None, None]
    z_t = torch.addcmul(abar.sqrt() * z, (1 - abar).sqrt(), noise)
    error = network(z_t, t, shown) - noise
    return torch.linalg.vector_norm(error, dim=(1, 2, 3)).pow(2) / z[0].numel()


def loss_by_library(network, z, labels, t, abar, noise, hidden):
    abar = abar.reshape(-1, 1, 1, 1)
    z_t = abar**0.5 * z + (1 - abar) ** 0.5 * noise
    said = network(z_t, t, labels.masked_fill(hidden, 10))
    return F.mse_loss(said, noise, reduction="none").flatten(1).mean(1)


def loss_by_arithmetic(network, z, labels, t, abar, noise, hidden):
    shown = labels * (~hidden).long() + 10 * hidden.long()
    z_t = (z.mT * 1).mT * abar.sqrt().view(-1, 1, 1, 1)
    z_t = z_t + noise * (1 - abar).sqrt().view(-1, 1, 1, 1)
    said = network(z_t, t, shown)
    return torch.stack([e.square().mean() for e in said - noise])


RIGHT["9.2"] = {
    "loops": loss_by_loops,
    "in place on a copy": loss_in_place_on_a_copy,
    "library": loss_by_library,
    "arithmetic": loss_by_arithmetic,
    "einsum": lambda network, z, labels, t, abar, noise, hidden: (
        lambda e: torch.einsum("bchw,bchw->b", e, e) / e[0].numel()
    )(
        noise
        - network(
            torch.einsum("b,bchw->bchw", abar.sqrt(), z)
            + torch.einsum("b,bchw->bchw", (1 - abar).sqrt(), noise),
            t,
            torch.where(hidden, torch.tensor(10), labels),
        )
    ),
    "means one by one": lambda network, z, labels, t, abar, noise, hidden: (
        (
            network(
                noised(z, 1 - abar, torch.ones_like(t), noise)
                if len(z) == 1
                else abar.view(-1, 1, 1, 1).sqrt() * z
                + (1 - abar.view(-1, 1, 1, 1)).sqrt() * noise,
                t,
                labels.masked_fill(hidden, 10),
            )
            - noise
        )
        .pow(2)
        .mean(3)
        .mean(2)
        .mean(1)
    ),
    "a normal's log-density": (
        lambda network, z, labels, t, abar, noise, hidden: (
            lambda said: (
                -2 * D.Normal(said, 1.0).log_prob(noise)
                - math.log(2 * math.pi)
            ).mean((1, 2, 3))
        )(
            network(
                abar.view(-1, 1, 1, 1).sqrt() * z
                + (1 - abar).view(-1, 1, 1, 1).sqrt() * noise,
                t,
                labels.masked_fill(hidden, 10),
            )
        )
    ),
}


def lossy(
    aim=lambda z, e, z_t: e,
    seen=lambda z, e, z_t: z_t,
    shown=lambda labels, hidden: labels.masked_fill(hidden, 10),
    error=lambda e: e.square().mean(dim=(1, 2, 3)),
    step=lambda t, abar: t,
    mix=roots,
):
    def attempt(network, z, labels, t, abar, noise, hidden):
        z_t = mix(abar.view(-1, 1, 1, 1), z, noise)
        said = network(
            seen(z, noise, z_t), step(t, abar), shown(labels, hidden)
        )
        return error(said - aim(z, noise, z_t))

    return attempt


WRONG["9.2"] = {
    "noise clamped": (
        lambda network, z, labels, t, abar, noise, hidden: registry.find(
            "9.2"
        ).solution(network, z, labels, t, abar, noise.clamp(-4, 4), hidden),
        None,
    ),
    "never below a twentieth": (
        lambda *given: registry.find("9.2").solution(*given).clamp(min=0.05),
        None,
    ),
    "fails on one latent": (
        lambda network, z, labels, t, abar, noise, hidden: registry.find(
            "9.2"
        ).solution(network, z, labels, t, abar.squeeze()[:], noise, hidden),
        None,
    ),
    "mask the wrong way": (
        lossy(shown=lambda y, h: y.masked_fill(~h, 10)),
        "the mask's sign",
    ),
    "mask not used": (lossy(shown=lambda y, h: y), "no class is hidden"),
    "masked_fill thrown away": (
        lossy(shown=lambda y, h: (y.masked_fill(h, 10), y)[1]),
        "no class is hidden",
    ),
    "if any": (
        lossy(shown=lambda y, h: torch.full_like(y, 10) if h.any() else y),
        "every class is hidden",
    ),
    "zero": (
        lossy(shown=lambda y, h: y.masked_fill(h, 0)),
        "hidden means class 0",
    ),
    "nine": (lossy(shown=lambda y, h: y.masked_fill(h, 9)), None),
    "z": (
        lossy(aim=lambda z, e, z_t: z),
        "the clean latent is the target",
    ),
    "z_t": (
        lossy(aim=lambda z, e, z_t: z_t),
        "the noised latent is the target",
    ),
    "fresh noise": (lossy(aim=lambda z, e, z_t: torch.randn_like(e)), None),
    "z shown": (
        lossy(seen=lambda z, e, z_t: z),
        "the network sees the clean latent",
    ),
    "noise shown": (lossy(seen=lambda z, e, z_t: e), None),
    "the first noise": (
        lossy(aim=lambda z, e, z_t: e[:1].expand_as(e)),
        "one noise for the whole batch",
    ),
    "one noise mixed": (
        lambda network, z, labels, t, abar, noise, hidden: loss(
            network, z, labels, t, abar, noise[:1].expand_as(noise), hidden
        ),
        None,
    ),
    "sum": (
        lossy(error=lambda e: e.square().sum(dim=(1, 2, 3))),
        "the sum over the numbers",
    ),
    "squared norm": (
        lossy(error=lambda e: e.flatten(1).norm(dim=1) ** 2),
        "the sum over the numbers",
    ),
    "norm": (lossy(error=lambda e: e.flatten(1).norm(dim=1)), None),
    "root": (
        lossy(error=lambda e: e.square().mean((1, 2, 3)).sqrt()),
        None,
    ),
    "half": (
        lossy(error=lambda e: 0.5 * e.square().mean((1, 2, 3))),
        None,
    ),
    "one number": (
        lossy(error=lambda e: e.square().mean()),
        "one number for the batch",
    ),
    "F.mse_loss": (
        lossy(error=lambda e: F.mse_loss(e, torch.zeros_like(e))),
        "one number for the batch",
    ),
    "mean over the batch": (
        lossy(error=lambda e: e.square().mean(dim=0)),
        None,
    ),
    "mean over channels": (
        lossy(error=lambda e: e.square().mean(dim=1)),
        None,
    ),
    "absolute": (
        lossy(error=lambda e: e.abs().mean((1, 2, 3))),
        "absolute error",
    ),
    "smooth": (
        lossy(
            error=lambda e: F.huber_loss(
                e, torch.zeros_like(e), reduction="none"
            ).mean((1, 2, 3))
        ),
        None,
    ),
    "square of the mean": (
        lossy(error=lambda e: e.mean((1, 2, 3)).square()),
        None,
    ),
    "t − 1": (lossy(step=lambda t, a: t - 1), "steps shifted by one"),
    "t + 1": (lossy(step=lambda t, a: t + 1), "steps shifted by one"),
    "ᾱ for t": (lossy(step=lambda t, a: a), None),
    "first t": (lossy(step=lambda t, a: t[:1].expand_as(t)), None),
    "no roots": (lossy(mix=lambda a, z, e: a * z + (1 - a) * e), None),
    "exchanged": (lossy(mix=lambda a, z, e: roots(1 - a, z, e)), None),
    "one ᾱ": (lossy(mix=lambda a, z, e: roots(a[:1], z, e)), None),
    "no gradient": (torch.no_grad()(loss), None),
    "weighted": (
        lambda network, z, labels, t, abar, noise, hidden: (
            abar
            / (1 - abar)
            * loss(network, z, labels, t, abar, noise, hidden)
        ),
        None,
    ),
    "hidden ones dropped": (
        lambda network, z, labels, t, abar, noise, hidden: (
            loss(network, z, labels, t, abar, noise, hidden) * ~hidden
        ),
        None,
    ),
}

# --- 9.3: one step of the way back -------------------------------------------

ddim = registry.find("9.3").solution


def ddim_by_loops(z_t, noise, abar, abar_next, limit):
    out = torch.empty_like(z_t)
    for place in np.ndindex(*z_t.shape):
        z = (z_t[place] - math.sqrt(1 - abar) * noise[place]) / math.sqrt(abar)
        z = z.clamp(-limit, limit)
        e = (z_t[place] - math.sqrt(abar) * z) / math.sqrt(1 - abar)
        out[place] = math.sqrt(abar_next) * z + math.sqrt(1 - abar_next) * e
    return out


def ddim_by_angles(z_t, noise, abar, abar_next, limit):
    here, there = (math.acos(math.sqrt(a)) for a in (abar, abar_next))
    z = ((z_t - math.sin(here) * noise) / math.cos(here)).clip(-limit, limit)
    e = (z_t - math.cos(here) * z) / math.sin(here)
    return math.cos(there) * z + math.sin(there) * e


def ddim_where_clamped(z_t, noise, abar, abar_next, limit):
    z = z_t / abar**0.5 - ((1 - abar) / abar) ** 0.5 * noise
    over = z.abs() > limit
    z = torch.where(over, limit * z.sign(), z)
    e = torch.where(
        over, z_t / (1 - abar) ** 0.5 - (abar / (1 - abar)) ** 0.5 * z, noise
    )
    return abar_next**0.5 * z + (1 - abar_next) ** 0.5 * e


def ddim_in_sigmas(z_t, noise, abar, abar_next, limit):
    sigma, to = ((1 / a - 1) ** 0.5 for a in (abar, abar_next))
    x = z_t / abar**0.5  # variance exploding
    z = torch.clamp(x - sigma * noise, -limit, limit)
    x = x + (to - sigma) * (x - z) / sigma  # a step of Euler
    return x * abar_next**0.5


RIGHT["9.3"] = {
    "loops": ddim_by_loops,
    "angles": ddim_by_angles,
    "where clamped": ddim_where_clamped,
    "Euler in sigmas": ddim_in_sigmas,
    "minimum and maximum": lambda z_t, e, a, to, limit: (
        lambda z: (
            to**0.5 * z + ((1 - to) / (1 - a)) ** 0.5 * (z_t - a**0.5 * z)
        )
    )(
        torch.maximum(
            torch.minimum(
                (z_t - (1 - a) ** 0.5 * e) / a**0.5,
                torch.full_like(z_t, limit),
            ),
            torch.full_like(z_t, -limit),
        )
    ),
    "hardtanh": lambda z_t, e, a, to, limit: (
        lambda z: (
            to**0.5 * z
            + (1 - to) ** 0.5 * ((z_t - a**0.5 * z) / (1 - a) ** 0.5)
        )
    )(F.hardtanh((z_t - (1 - a) ** 0.5 * e) / a**0.5, -limit, limit)),
    "tensors for numbers": lambda z_t, e, a, to, limit: ddim(
        z_t,
        e,
        torch.tensor(a, dtype=z_t.dtype),
        torch.tensor(to, dtype=z_t.dtype),
        limit,
    ),
}


def stepped(
    first=lambda z_t, e, a: (z_t - (1 - a) ** 0.5 * e) / a**0.5,
    clamp=lambda z, limit: z.clamp(-limit, limit),
    again=lambda z_t, z, e, a: (z_t - a**0.5 * z) / (1 - a) ** 0.5,
    last=lambda z, e, a, to: to**0.5 * z + (1 - to) ** 0.5 * e,
):
    def attempt(z_t, noise, abar, abar_next, limit):
        z = clamp(first(z_t, noise, abar), limit)
        return last(z, again(z_t, z, noise, abar), abar, abar_next)

    return attempt


WRONG["9.3"] = {
    "z_t clamped to ± 4": (
        lambda z_t, *given: registry.find("9.3").solution(
            z_t.clamp(-4, 4), *given
        ),
        None,
    ),
    "axes of length 1 lost": (
        lambda z_t, noise, *given: (
            z_t
            - z_t.squeeze()
            + registry.find("9.3").solution(z_t, noise, *given)
        ),
        None,
    ),
    "noise left": (
        stepped(again=lambda z_t, z, e, a: e),
        "the noise is not found again",
    ),
    "clamped too late": (
        lambda z_t, e, a, to, limit: (
            to**0.5
            * ((z_t - (1 - a) ** 0.5 * e) / a**0.5).clamp(-limit, limit)
            + (1 - to) ** 0.5 * e
        ),
        "the noise is not found again",
    ),
    "no clamp": (stepped(clamp=lambda z, limit: z), "no clamp"),
    "clamp thrown away": (
        stepped(clamp=lambda z, limit: (z.clamp(-limit, limit), z)[1]),
        "no clamp",
    ),
    "upper alone": (stepped(clamp=lambda z, m: z.clamp(max=m)), None),
    "lower alone": (stepped(clamp=lambda z, m: z.clamp(min=-m)), None),
    "to ±1": (stepped(clamp=lambda z, m: z.clamp(-1, 1)), None),
    "to [0, limit]": (stepped(clamp=lambda z, m: z.clamp(0, m)), None),
    "tanh": (stepped(clamp=lambda z, m: m * torch.tanh(z / m)), None),
    "result clamped": (
        lambda z_t, e, a, to, limit: ddim(z_t, e, a, to, math.inf).clamp(
            -limit, limit
        ),
        None,
    ),
    "z_t clamped": (
        lambda z_t, e, a, to, limit: ddim(
            z_t.clamp(-limit, limit), e, a, to, math.inf
        ),
        None,
    ),
    "no root in the estimate": (
        stepped(first=lambda z_t, e, a: (z_t - (1 - a) * e) / a**0.5),
        "no root over the noise in the estimate",
    ),
    "1 − √ᾱ in the estimate": (
        stepped(first=lambda z_t, e, a: (z_t - (1 - a**0.5) * e) / a**0.5),
        "one minus the root in the estimate",
    ),
    "over ᾱ": (
        stepped(first=lambda z_t, e, a: (z_t - (1 - a) ** 0.5 * e) / a),
        "divided by ᾱ",
    ),
    "not divided": (
        stepped(first=lambda z_t, e, a: z_t - (1 - a) ** 0.5 * e),
        "not divided",
    ),
    "only the first part divided": (
        stepped(first=lambda z_t, e, a: z_t / a**0.5 - (1 - a) ** 0.5 * e),
        None,
    ),
    "plus in the estimate": (
        stepped(first=lambda z_t, e, a: (z_t + (1 - a) ** 0.5 * e) / a**0.5),
        None,
    ),
    "ᾱ and 1 − ᾱ": (
        stepped(last=lambda z, e, a, to: to * z + (1 - to) * e),
        "no roots in the mix",
    ),
    "1 − ᾱ": (
        stepped(last=lambda z, e, a, to: to**0.5 * z + (1 - to) * e),
        "no root over the noise in the mix",
    ),
    "1 − √ᾱ in the mix": (
        stepped(last=lambda z, e, a, to: to**0.5 * z + (1 - to**0.5) * e),
        None,
    ),
    "old noise level": (
        stepped(last=lambda z, e, a, to: to**0.5 * z + (1 - a) ** 0.5 * e),
        "the old noise level",
    ),
    "old signal level": (
        stepped(last=lambda z, e, a, to: a**0.5 * z + (1 - to) ** 0.5 * e),
        None,
    ),
    "exchanged": (
        lambda z_t, e, a, to, limit: ddim(z_t, e, to, a, limit),
        "the steps exchanged",
    ),
    "the estimate": (
        stepped(last=lambda z, e, a, to: z),
        "all the way at once",
    ),
    "nowhere": (stepped(last=lambda z, e, a, to: roots_of(z, e, a)), None),
    "fresh noise": (
        stepped(again=lambda z_t, z, e, a: torch.randn_like(e)),
        None,
    ),
    "exchanged factors": (
        stepped(last=lambda z, e, a, to: (1 - to) ** 0.5 * z + to**0.5 * e),
        None,
    ),
    "the noise from the unclamped": (
        lambda z_t, e, a, to, limit: stepped(
            again=lambda z_t, z, e, a: (
                (z_t - (z_t - (1 - a) ** 0.5 * e)) / (1 - a) ** 0.5
            )
        )(z_t, e, a, to, limit),
        "the noise is not found again",
    ),
    "found again without a root": (
        stepped(again=lambda z_t, z, e, a: (z_t - a * z) / (1 - a) ** 0.5),
        None,
    ),
    "found again, over the variance": (
        stepped(again=lambda z_t, z, e, a: (z_t - a**0.5 * z) / (1 - a)),
        None,
    ),
    "found again, not divided": (
        stepped(again=lambda z_t, z, e, a: z_t - a**0.5 * z),
        None,
    ),
    "detached": (torch.no_grad()(ddim), None),
    "noise clamped, too": (
        lambda z_t, e, a, to, limit: ddim(
            z_t, e.clamp(-limit, limit), a, to, limit
        ),
        None,
    ),
}


def roots_of(z, noise, abar):
    return abar**0.5 * z + (1 - abar) ** 0.5 * noise


# --- 9.4: guidance -----------------------------------------------------------

guided = registry.find("9.4").solution


def guided_by_loops(with_class, without, weight):
    out = without.clone()
    for n in range(len(out)):
        for c in range(out.shape[1]):
            out[n, c] += weight * (with_class[n, c] - without[n, c])
    return out


def guided_in_place_on_a_copy(with_class, without, weight):
    direction = with_class.clone()
    direction -= without
    direction *= weight
    direction += without
    return direction


RIGHT["9.4"] = {
    "loops": guided_by_loops,
    "in place on a copy": guided_in_place_on_a_copy,
    "lerp": lambda c, f, w: f.lerp(c, w),
    "torch.add": lambda c, f, w: torch.add(f, c - f, alpha=w),
    "weights that add up to one": lambda c, f, w: w * c + (1 - w) * f,
    "beyond the class": lambda c, f, w: c + (w - 1) * (c - f),
    "einsum": lambda c, f, w: torch.einsum(
        "k,kbchw->bchw",
        torch.tensor([w, 1 - w], dtype=c.dtype),
        torch.stack([c, f]),
    ),
    "chunks": lambda c, f, w: (
        lambda both: both[1] + w * both[0].sub(both[1])
    )(torch.cat([c, f]).chunk(2)),
}

WRONG["9.4"] = {
    "difference clamped": (
        lambda with_class, without, weight: (
            without + weight * (with_class - without).clamp(-4, 4)
        ),
        None,
    ),
    "branches exchanged": (
        lambda c, f, w: guided(f, c, w),
        "the weight on the wrong branch",
    ),
    "lerp the wrong way": (
        lambda c, f, w: torch.lerp(c, f, w),
        "the weight on the wrong branch",
    ),
    "the paper": (
        lambda c, f, w: (1 + w) * c - w * f,
        "the paper's weight",
    ),
    "three channels": (
        lambda c, f, w: torch.cat(
            [guided(c[:, :3], f[:, :3], w), c[:, 3:]], dim=1
        ),
        "three channels of four",
    ),
    "three channels, the rest free": (
        lambda c, f, w: torch.cat(
            [guided(c[:, :3], f[:, :3], w), f[:, 3:]], dim=1
        ),
        None,
    ),
    "one channel": (
        lambda c, f, w: torch.cat(
            [guided(c[:, :1], f[:, :1], w), c[:, 1:]], dim=1
        ),
        None,
    ),
    "direction": (lambda c, f, w: w * (c - f), "the difference alone"),
    "sum": (lambda c, f, w: f + w * c, "a weight on one answer"),
    "weighted class minus free": (lambda c, f, w: w * c - f, None),
    "class times weight": (lambda c, f, w: w * c, None),
    "average": (
        lambda c, f, w: (f + w * c) / (1 + w),
        "a mix that stays in between",
    ),
    "left out": (lambda c, f, w: c * 1, "guidance left out"),
    "free": (lambda c, f, w: f * 1, None),
    "weight clamped": (lambda c, f, w: guided(c, f, min(w, 1.0)), None),
    "minus": (lambda c, f, w: f - w * (c - f), None),
    "plus in the bracket": (lambda c, f, w: f + w * (c + f), None),
    "weight minus one": (lambda c, f, w: guided(c, f, w - 1), None),
    "squared weight": (lambda c, f, w: guided(c, f, w * w), None),
    "half": (lambda c, f, w: (c + f) / 2, None),
    "bracket forgotten": (lambda c, f, w: f + w * c - f, None),
    "sizes kept": (
        lambda c, f, w: (
            lambda g: (
                g
                * c.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
                / (1e-9 + g.flatten(1).norm(dim=1).view(-1, 1, 1, 1))
            )
        )(guided(c, f, w)),
        None,
    ),
    "a sigmoid weight": (
        lambda c, f, w: guided(c, f, 1 / (1 + math.exp(-w))),
        None,
    ),
    "one direction for all": (
        lambda c, f, w: f + w * (c - f).mean(0, keepdim=True),
        None,
    ),
    "detached": (torch.no_grad()(guided), None),
    "kept within 30": (
        lambda told, untold, w: guided(
            told.clamp(-30, 30), untold.clamp(-30, 30), w
        ),
        None,
    ),
}

# --- 9.5: the scale on both sides --------------------------------------------

there, back = registry.find("9.5").solution


def into(change):
    return lambda vae, x, scale, abar, e: change(
        vae.encode(x).mean, scale, abar, e
    )


def out_of(change):
    return lambda vae, z, scale: vae.decode(change(z, scale)).mean


def there_by_lines(vae, x, scale, abar, noise):
    q = vae.encode(x)
    z = q.mean
    z = z.mul(scale)
    signal, spread = math.sqrt(abar), math.sqrt(1 - abar)
    return z.mul(signal).add(noise, alpha=spread)


def back_by_lines(vae, z, scale):
    std = 1 / scale
    z = std * z
    p = vae.decode(z)
    return p.mean


def one_by_one(vae, x, scale, abar, noise):
    return torch.cat(
        [
            there(vae, x[i : i + 1], scale, abar, noise[i : i + 1])
            for i in range(len(x))
        ]
    )


RIGHT["9.5"] = {
    "line by line": (there_by_lines, back_by_lines),
    "one image at a time": (
        one_by_one,
        lambda vae, z, scale: torch.cat(
            [vae.decode(each[None] / scale).mean for each in z]
        ),
    ),
    "a distribution": (
        into(
            lambda z, s, a, e: (lambda q: q.loc + q.scale * e)(
                D.Normal(s * z * a**0.5, (1 - a) ** 0.5)
            )
        ),
        out_of(torch.div),
    ),
    "the mode": (
        lambda vae, x, s, a, e: (
            s * vae.encode(x).mode * a**0.5 + (1 - a) ** 0.5 * e
        ),
        lambda vae, z, s: vae.decode(z / s).mode,
    ),
    "loc": (
        lambda vae, x, s, a, e: roots_of(s * vae.encode(x).loc, e, a),
        out_of(lambda z, s: z * s**-1),
    ),
    "divided by σ": (
        into(lambda z, s, a, e: roots_of(z / (1 / s), e, a)),
        out_of(lambda z, s: z * (1 / s)),
    ),
    "a batch of one step": (
        into(
            lambda z, s, a, e: noised(
                s * z,
                torch.tensor([1 - a], dtype=z.dtype),
                torch.ones(len(z), dtype=torch.long),
                e,
            )
        ),
        back,
    ),
}


def sent_in(x, noise):
    return noise.flatten(1).view_as(x)


WRONG["9.5"] = {
    "in unscaled": (
        (into(lambda z, s, a, e: roots_of(z, e, a)), back),
        "scale forgotten on the way in",
    ),
    "out unscaled": (
        (there, out_of(lambda z, s: z * 1)),
        "scale forgotten on the way out",
    ),
    "nowhere": (
        (
            into(lambda z, s, a, e: roots_of(z, e, a)),
            out_of(lambda z, s: z * 1),
        ),
        "scale forgotten on both sides",
    ),
    "twice": (
        (into(lambda z, s, a, e: roots_of(s * s * z, e, a)), back),
        "scaled twice",
    ),
    "twice on both sides": (
        (
            into(lambda z, s, a, e: roots_of(s**2 * z, e, a)),
            out_of(lambda z, s: z / s / s),
        ),
        "scaled twice",
    ),
    "twice out": ((there, out_of(lambda z, s: z / s**2)), None),
    "times on both sides": (
        (there, out_of(lambda z, s: z * s)),
        "multiplied on the way out",
    ),
    "over on both sides": (
        (into(lambda z, s, a, e: roots_of(z / s, e, a)), back),
        "divided on the way in",
    ),
    "exchanged": (
        (
            into(lambda z, s, a, e: roots_of(z / s, e, a)),
            out_of(lambda z, s: z * s),
        ),
        "divided on the way in",
    ),
    "scaled after the noise": (
        (into(lambda z, s, a, e: s * roots_of(z, e, a)), back),
        "the noise is scaled, too",
    ),
    "noise in pixels": (
        (
            lambda vae, x, s, a, e: (
                s * vae.encode(roots_of(x, sent_in(x, e), a)).mean
            ),
            back,
        ),
        "noise in pixel space",
    ),
    "noise in pixels, unscaled": (
        (
            lambda vae, x, s, a, e: (
                vae.encode(roots_of(x, sent_in(x, e), a)).mean
            ),
            back,
        ),
        None,
    ),
    "image scaled": (
        (
            lambda vae, x, s, a, e: roots_of(vae.encode(s * x).mean, e, a),
            back,
        ),
        None,
    ),
    "picture scaled": (
        (there, lambda vae, z, s: vae.decode(z).mean / s),
        None,
    ),
    "no noise": ((into(lambda z, s, a, e: s * z), back), None),
    "signal without its factor": (
        (into(lambda z, s, a, e: s * z + (1 - a) ** 0.5 * e), back),
        None,
    ),
    "no roots": (
        (into(lambda z, s, a, e: a * s * z + (1 - a) * e), back),
        None,
    ),
    "factors exchanged": (
        (into(lambda z, s, a, e: roots_of(s * z, e, 1 - a)), back),
        None,
    ),
    "root of the scale": (
        (into(lambda z, s, a, e: roots_of(s**0.5 * z, e, a)), back),
        None,
    ),
    "normalised by itself": (
        (
            into(lambda z, s, a, e: roots_of(z / (1e-6 + z.std()), e, a)),
            back,
        ),
        None,
    ),
    "Stable Diffusion's scale": (
        (
            into(lambda z, s, a, e: roots_of(0.18215 * z, e, a)),
            out_of(lambda z, s: z / 0.18215),
        ),
        None,
    ),
    "own noise": (
        (
            into(lambda z, s, a, e: roots_of(s * z, torch.randn_like(e), a)),
            back,
        ),
        None,
    ),
    "spread for scale": (
        (
            lambda vae, x, s, a, e: roots_of(s * vae.encode(x).stddev, e, a),
            back,
        ),
        None,
    ),
    "a pale picture": ((there, out_of(lambda z, s: z / (1 + s))), None),
}
