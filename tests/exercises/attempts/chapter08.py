"""Chapter 8: attempts as students write them, right and wrong."""

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from vae_course.exercises import registry

RIGHT, WRONG = {}, {}

# --- 8.1: a perceptual distance ----------------------------------------------

distance = registry.find("8.1").solution
EPS = 1e-4


def unit(f, eps=EPS):
    return f / torch.sqrt((f**2).sum(dim=1, keepdim=True) + eps)


def outside(f, eps=EPS):
    return f / ((f**2).sum(dim=1, keepdim=True).sqrt() + eps)


def distance_by_loops(f, g):
    found = []
    for a, b in zip(f, g, strict=True):
        total = 0
        for i in range(a.shape[1]):
            for j in range(a.shape[2]):
                p, q = a[:, i, j], b[:, i, j]
                p = p / (p @ p + EPS) ** 0.5
                q = q / (q @ q + EPS) ** 0.5
                total = total + (p - q) @ (p - q)
        found.append(total / a[0].numel())
    return torch.stack(found)


def distance_flat(f, g):
    f, g = f.flatten(2), g.flatten(2)  # (B, C, H·W)
    f = f / (torch.einsum("bcn,bcn->bn", f, f)[:, None] + EPS).sqrt()
    g = g / (torch.einsum("bcn,bcn->bn", g, g)[:, None] + EPS).sqrt()
    return torch.einsum("bcn,bcn->b", f - g, f - g) / f.shape[2]


def distance_by_cosine(f, g):
    f, g = unit(f), unit(g)
    squares = (f * f).sum(1) + (g * g).sum(1) - 2 * (f * g).sum(1)
    return squares.mean(dim=(-1, -2))


def distance_with_a_channel_more(f, g):
    def wide(a):
        more = torch.full_like(a[:, :1], EPS**0.5)
        return torch.cat([a, more], dim=1)

    f = f / torch.linalg.vector_norm(wide(f), dim=1, keepdim=True)
    g = g / torch.linalg.vector_norm(wide(g), dim=1, keepdim=True)
    return (f - g).pow(2).sum(1).flatten(1).mean(1)


class Distance(nn.Module):
    def forward(self, f, g):
        f, g = (a.permute(0, 2, 3, 1) for a in (f, g))
        f = f * torch.rsqrt(f.square().sum(-1, keepdim=True) + EPS)
        g = g * torch.rsqrt(g.square().sum(-1, keepdim=True) + EPS)
        return (f - g).square().sum(-1).mean((1, 2))


RIGHT["8.1"] = {
    "loops": distance_by_loops,
    "flat": distance_flat,
    "by the cosine": distance_by_cosine,
    "eps as a channel": distance_with_a_channel_more,
    "a module": lambda f, g: Distance()(f, g),
    "the originals without a gradient": lambda f, g: (
        (unit(f) - unit(g.detach())).square().sum(1).mean((1, 2))
    ),
    "hypot": lambda f, g: (
        sum(
            sign * a / torch.hypot(a.norm(dim=1), a.new_tensor(0.01))[:, None]
            for sign, a in ((1, f), (-1, g))
        )
        .square()
        .sum(1)
        .mean((1, 2))
    ),
    "mean times channels": lambda f, g: (
        f.shape[1] * (unit(f) - unit(g)).pow(2).mean(dim=(1, 2, 3))
    ),
    "in double": lambda f, g: distance(f.double(), g.double()).to(f.dtype),
}
WRONG["8.1"] = {
    "eps outside": (
        lambda f, g: (outside(f) - outside(g)).square().sum(1).mean((1, 2)),
        "eps outside the root",
    ),
    "1e-10 outside": (
        lambda f, g: (
            (outside(f, 1e-10) - outside(g, 1e-10))
            .square()
            .sum(1)
            .mean((1, 2))
        ),
        None,
    ),
    "no eps": (
        lambda f, g: (unit(f, 0) - unit(g, 0)).square().sum(1).mean((1, 2)),
        None,
    ),
    "eps 1e-10 inside": (
        lambda f, g: (
            (unit(f, 1e-10) - unit(g, 1e-10)).square().sum(1).mean((1, 2))
        ),
        None,
    ),
    "eps squared": (
        lambda f, g: (
            (unit(f, 1e-8) - unit(g, 1e-8)).square().sum(1).mean((1, 2))
        ),
        None,
    ),
    "F.normalize": (
        lambda f, g: (
            (F.normalize(f) - F.normalize(g)).square().sum(1).mean((1, 2))
        ),
        None,
    ),
    "cosine similarity": (
        lambda f, g: (1 - F.cosine_similarity(f, g)).mean((1, 2)),
        None,
    ),
    "no_grad": (
        torch.no_grad()(distance),
        "without a gradient",
    ),
    "detached": (
        lambda f, g: distance(f.detach(), g),
        "without a gradient",
    ),
    "through data": (
        lambda f, g: distance(f.data, g.data),
        "without a gradient",
    ),
    "through numpy": (
        lambda f, g: torch.from_numpy(
            np.array(distance(f.detach(), g.detach()).numpy())
        ),
        "without a gradient",
    ),
    "length detached": (
        lambda f, g: (
            (f / (f.detach().square().sum(1, True) + EPS).sqrt() - unit(g))
            .square()
            .sum(1)
            .mean((1, 2))
        ),
        None,
    ),
    "as they are": (
        lambda f, g: (f - g).square().sum(1).mean((1, 2)),
        "not brought to length 1",
    ),
    "as they are, averaged": (
        lambda f, g: (f - g).square().mean((1, 2, 3)),
        None,
    ),
    "over positions": (
        lambda f, g: (
            (
                f / (f.square().sum((2, 3), True) + EPS).sqrt()
                - g / (g.square().sum((2, 3), True) + EPS).sqrt()
            )
            .square()
            .sum(1)
            .mean((1, 2))
        ),
        "length over the positions",
    ),
    "over the last axis": (
        lambda f, g: (
            (
                f / (f.square().sum(-1, True) + EPS).sqrt()
                - g / (g.square().sum(-1, True) + EPS).sqrt()
            )
            .square()
            .sum(1)
            .mean((1, 2))
        ),
        None,
    ),
    "over all": (
        lambda f, g: (
            (
                f / (f.square().sum((1, 2, 3), True) + EPS).sqrt()
                - g / (g.square().sum((1, 2, 3), True) + EPS).sqrt()
            )
            .square()
            .sum(1)
            .mean((1, 2))
        ),
        "one length for the whole image",
    ),
    "summed": (
        lambda f, g: (unit(f) - unit(g)).square().sum((1, 2, 3)),
        "summed over positions",
    ),
    "averaged": (
        lambda f, g: (unit(f) - unit(g)).square().mean((1, 2, 3)),
        "averaged over channels",
    ),
    "mse_loss": (lambda f, g: F.mse_loss(unit(f), unit(g)), None),
    "of the batch": (
        lambda f, g: (unit(f) - unit(g)).square().sum(1).mean(),
        "averaged over the batch",
    ),
    "absolute": (
        lambda f, g: (unit(f) - unit(g)).abs().sum(1).mean((1, 2)),
        "not squared",
    ),
    "root of the sum": (
        lambda f, g: (
            ((unit(f) - unit(g)).square().sum(1) + EPS).sqrt().mean((1, 2))
        ),
        None,
    ),
    "mean in the length": (
        lambda f, g: (
            (
                f / (f.square().mean(1, True) + EPS).sqrt()
                - g / (g.square().mean(1, True) + EPS).sqrt()
            )
            .square()
            .sum(1)
            .mean((1, 2))
        ),
        None,
    ),
    "one alone": (
        lambda f, g: (unit(f) - g).square().sum(1).mean((1, 2)),
        None,
    ),
    "no eps for the originals": (
        lambda f, g: (
            (
                f * (f.square().sum(1, keepdim=True) + 1e-4).rsqrt()
                - nn.functional.normalize(g, dim=1)
            )
            .square()
            .sum(1)
            .mean((1, 2))
        ),
        None,
    ),
}

# --- 8.2: the critic's loss --------------------------------------------------

hinge = registry.find("8.2").solution


def hinge_by_loops(real, fake):
    total = 0
    for score in real.flatten():
        if score < 1:
            total = total + (1 - score)
    for score in fake.flatten():
        if score > -1:
            total = total + (1 + score)
    return total / (2 * real.numel())


def hinge_by_masks(real, fake):
    real = torch.where(real < 1, 1 - real, torch.zeros_like(real))
    fake = torch.where(fake > -1, 1 + fake, torch.zeros_like(fake))
    return torch.stack([real, fake]).mean()


class Hinge(nn.Module):
    def __init__(self):
        super().__init__()
        self.relu = nn.ReLU()

    def forward(self, real, fake):
        return (self.relu(1 - real) + self.relu(1 + fake)).mean() / 2


RIGHT["8.2"] = {
    "loops": hinge_by_loops,
    "masks": hinge_by_masks,
    "a module": lambda real, fake: Hinge()(real, fake),
    "signs": lambda real, fake: F.relu(
        1 - torch.cat([real, -fake]).flatten()
    ).mean(),
    "minimum": lambda real, fake: (
        -0.5
        * (
            torch.min(real - 1, torch.zeros_like(real)).mean()
            + torch.min(-fake - 1, torch.zeros_like(fake)).mean()
        )
    ),
    "embedding loss": lambda real, fake: F.hinge_embedding_loss(
        torch.stack([real, -fake]), torch.tensor(-1.0).to(real), margin=1.0
    ),
    "each image first": lambda real, fake: (
        (
            (1 - real).clamp(min=0).flatten(1).mean(1)
            + (1 + fake).clamp(min=0).flatten(1).mean(1)
        ).mean()
        / 2
    ),
    "in double": lambda real, fake: hinge(real.double(), fake.double()).to(
        real.dtype
    ),
}
WRONG["8.2"] = {
    "two means": (
        lambda real, fake: F.relu(1 - real).mean() + F.relu(1 + fake).mean(),
        "without the half",
    ),
    "exchanged": (lambda real, fake: hinge(fake, real), "sides exchanged"),
    "no margin": (
        lambda real, fake: (F.relu(-real).mean() + F.relu(fake).mean()) / 2,
        "no margin",
    ),
    "no ReLU": (
        lambda real, fake: ((1 - real).mean() + (1 + fake).mean()) / 2,
        "no ReLU",
    ),
    "means under the ReLU": (
        lambda real, fake: (
            0.5 * (F.relu(1 - real.mean()) + F.relu(1 + fake.mean()))
        ),
        None,
    ),
    "squared": (
        lambda real, fake: (
            0.5
            * (F.relu(1 - real).square() + F.relu(1 + fake).square()).mean()
        ),
        "squared",
    ),
    "least squares": (
        lambda real, fake: (
            0.5 * ((real - 1).square().mean() + (fake + 1).square().mean())
        ),
        None,
    ),
    "least squares to 0": (
        lambda real, fake: (
            0.5 * ((real - 1).square().mean() + fake.square().mean())
        ),
        None,
    ),
    "summed": (
        lambda real, fake: 0.5 * (F.relu(1 - real) + F.relu(1 + fake)).sum(),
        "summed over patches",
    ),
    "sum over images": (
        lambda real, fake: (
            0.5 * (F.relu(1 - real) + F.relu(1 + fake)).sum() / len(real)
        ),
        None,
    ),
    "one sign": (
        lambda real, fake: 0.5 * (F.relu(1 - real) + F.relu(1 - fake)).mean(),
        "one sign for both",
    ),
    "logistic": (
        lambda real, fake: (
            0.5 * (F.softplus(-real).mean() + F.softplus(fake).mean())
        ),
        "cross-entropy",
    ),
    "cross entropy": (
        lambda real, fake: (
            0.5
            * (
                F.binary_cross_entropy_with_logits(real, real * 0 + 1)
                + F.binary_cross_entropy_with_logits(fake, fake * 0)
            )
        ),
        "cross-entropy",
    ),
    "Wasserstein": (lambda real, fake: fake.mean() - real.mean(), None),
    "photographs alone": (lambda real, fake: F.relu(1 - real).mean(), None),
    "reconstructions alone": (
        lambda real, fake: F.relu(1 + fake).mean(),
        None,
    ),
    "the decoder's": (lambda real, fake: -fake.mean(), None),
    "for each patch": (
        lambda real, fake: 0.5 * (F.relu(1 - real) + F.relu(1 + fake)),
        None,
    ),
    "for each image": (
        lambda real, fake: (
            0.5 * (F.relu(1 - real) + F.relu(1 + fake)).mean((1, 2, 3))
        ),
        None,
    ),
    "a margin of a half": (
        lambda real, fake: (
            0.5 * (F.relu(0.5 - real) + F.relu(0.5 + fake)).mean()
        ),
        None,
    ),
    "leaky": (
        lambda real, fake: (
            0.5 * (F.leaky_relu(1 - real, 0.2) + F.leaky_relu(1 + fake, 0.2))
        ).mean(),
        None,
    ),
    "without a gradient": (
        lambda real, fake: hinge(real.detach(), fake.detach()),
        None,
    ),
    "a Python number": (lambda real, fake: hinge(real, fake).item(), None),
    "accuracy": (
        lambda real, fake: (
            ((real > 0).to(real).mean() + (fake < 0).to(fake).mean()) / 2
        ),
        None,
    ),
    "negative": (lambda real, fake: -hinge(real, fake), None),
    "four at most": (
        lambda real, fake: hinge(real, fake).clamp(max=4),
        None,
    ),
    "in half precision": (
        lambda real, fake: hinge(real.bfloat16(), fake.bfloat16()).to(
            real.dtype
        ),
        None,
    ),
}

# --- 8.3: the adaptive weight ------------------------------------------------

weight = registry.find("8.3").solution


def weight_by_loops(others, adversarial):
    above = sum(float(v) ** 2 for v in others.flatten()) ** 0.5
    below = sum(float(v) ** 2 for v in adversarial.flatten()) ** 0.5
    return max(0.0, min(1e4, above / (below + 1e-4)))


RIGHT["8.3"] = {
    "loops": weight_by_loops,
    "detached": lambda others, adversarial: torch.clamp(
        torch.norm(others) / (torch.norm(adversarial) + 1e-4), 0.0, 1e4
    ).detach(),
    "NumPy": lambda others, adversarial: np.clip(
        np.linalg.norm(others.numpy().ravel())
        / (np.linalg.norm(adversarial.numpy().ravel()) + 1e-4),
        0,
        1e4,
    ),
    "a number": lambda others, adversarial: weight(others, adversarial).item(),
    "dot": lambda others, adversarial: (
        (others.ravel() @ others.ravel())
        .sqrt()
        .div((adversarial.ravel() @ adversarial.ravel()).sqrt() + 1e-4)
        .clamp_max(1e4)
    ),
    "hypot": lambda others, adversarial: min(
        math.hypot(*others.flatten().tolist())
        / (math.hypot(*adversarial.flatten().tolist()) + 1e-4),
        10_000,
    ),
    "dist": lambda others, adversarial: (
        torch.dist(others, torch.zeros_like(others))
        / (torch.dist(adversarial, torch.zeros_like(adversarial)) + 1e-4)
    ).clip(0, 10**4),
}


def ratio(above, below, eps=1e-4, most=1e4):
    return (above / (below + eps)).clamp(0, most)


WRONG["8.3"] = {
    "upside down": (lambda o, a: weight(a, o), "upside down"),
    "not clamped": (
        lambda o, a: o.norm() / (a.norm() + 1e-4),
        "not clamped",
    ),
    "no eps, not clamped": (lambda o, a: o.norm() / a.norm(), "not clamped"),
    "no eps": (lambda o, a: ratio(o.norm(), a.norm(), 0), None),
    "eps 1e-6": (lambda o, a: ratio(o.norm(), a.norm(), 1e-6), None),
    "eps above": (
        lambda o, a: ((o.norm() + 1e-4) / a.norm()).clamp(0, 1e4),
        None,
    ),
    "eps under the root": (
        lambda o, a: ratio(o.norm(), (a.square().sum() + 1e-4).sqrt(), 0),
        None,
    ),
    "clamped at 1": (
        lambda o, a: ratio(o.norm(), a.norm(), most=1),
        "clamped at 1",
    ),
    "clamped at 100": (lambda o, a: ratio(o.norm(), a.norm(), most=1e2), None),
    "clamped from 1": (
        lambda o, a: (o.norm() / (a.norm() + 1e-4)).clamp(1, 1e4),
        None,
    ),
    "a half": (lambda o, a: 0.5 * weight(o, a), None),
    "squares": (
        lambda o, a: ratio(o.square().sum(), a.square().sum()),
        "squared norms",
    ),
    "mean squares": (
        lambda o, a: ratio(o.square().mean(), a.square().mean()),
        None,
    ),
    "root mean squares": (
        lambda o, a: ratio(o.square().mean().sqrt(), a.square().mean().sqrt()),
        None,
    ),
    "sums of absolutes": (
        lambda o, a: ratio(o.abs().sum(), a.abs().sum()),
        "sums of absolute values",
    ),
    "means of absolutes": (
        lambda o, a: ratio(o.abs().mean(), a.abs().mean()),
        "sums of absolute values",
    ),
    "largest": (lambda o, a: ratio(o.abs().max(), a.abs().max()), None),
    "sums": (lambda o, a: ratio(o.sum(), a.sum()), "sums with their signs"),
    "means": (
        lambda o, a: ratio(o.mean(), a.mean()),
        "sums with their signs",
    ),
    "spreads": (lambda o, a: ratio(o.std(), a.std()), None),
    "each": (lambda o, a: ratio(o.abs(), a.abs()), "one ratio a weight"),
    "along one axis": (
        lambda o, a: ratio(o.norm(dim=0), a.norm(dim=0)),
        None,
    ),
    "the difference": (lambda o, a: o.norm() - a.norm(), None),
    "a share": (
        lambda o, a: o.norm() / (o.norm() + a.norm() + 1e-4),
        None,
    ),
    "gradients clipped first": (
        lambda o, a: weight(o.clamp(-30, 30), a.clamp(-30, 30)),
        None,
    ),
    "clamped at 9,999": (
        lambda o, a: (o.norm() / (a.norm() + 1e-4)).clamp(0, 9999),
        None,
    ),
}

# --- 8.4: whose gradient is it? ----------------------------------------------

both = registry.find("8.4").solution


def reconstruction(x, fake):
    return (x - fake).abs().sum(dim=1).mean()


def judged(real, fake):
    return (F.relu(1 - real).mean() + F.relu(1 + fake).mean()) / 2


def both_with_optimizers(decoder, critic, z, x):
    first, second = torch.optim.SGD([decoder]), torch.optim.SGD([critic])
    fake = z @ decoder
    first.zero_grad()
    (reconstruction(x, fake) - (fake @ critic).mean()).backward()
    for_decoder = decoder.grad.clone()
    second.zero_grad()
    judged(x @ critic, fake.detach() @ critic).backward()
    return for_decoder, critic.grad.clone()


def both_frozen(decoder, critic, z, x):
    critic.requires_grad_(False)
    fake = z @ decoder
    (reconstruction(x, fake) - (fake @ critic).mean()).backward()
    critic.requires_grad_(True)
    judged(x @ critic, fake.detach() @ critic).backward()
    return decoder.grad, critic.grad


def both_critic_first(decoder, critic, z, x):
    with torch.no_grad():
        fake = z @ decoder
    judged(x @ critic, fake @ critic).backward()
    for_critic = critic.grad.clone()
    fake = z @ decoder
    (reconstruction(x, fake) - (fake @ critic.detach()).mean()).backward()
    return [decoder.grad, for_critic]


def both_from_copies(decoder, critic, z, x):
    d = decoder.detach().clone().requires_grad_()
    c = critic.detach().clone().requires_grad_()
    (reconstruction(x, z @ d) - (z @ d @ critic.detach()).mean()).backward()
    judged(x @ c, z @ decoder.detach() @ c).backward()
    return d.grad, c.grad


def both_one_backward(decoder, critic, z, x):
    """Both losses added, each blind to the other's weights."""
    fake = z @ decoder
    loss = reconstruction(x, fake) - (fake @ critic.detach()).mean()
    loss = loss + judged(x @ critic, fake.detach() @ critic)
    loss.backward()
    return decoder.grad, critic.grad


def both_by_inputs(decoder, critic, z, x):
    fake = z @ decoder
    loss = reconstruction(x, fake) - (fake @ critic).mean()
    loss.backward(inputs=[decoder], retain_graph=True)
    judged(x @ critic, fake @ critic).backward(inputs=[critic])
    return decoder.grad, critic.grad


RIGHT["8.4"] = {
    "optimizers": both_with_optimizers,
    "the critic frozen": both_frozen,
    "the critic first": both_critic_first,
    "copies": both_from_copies,
    "one backward": both_one_backward,
    "backward's inputs": both_by_inputs,
    "grad twice": lambda decoder, critic, z, x: (
        torch.autograd.grad(
            reconstruction(x, z @ decoder) - (z @ decoder @ critic).mean(),
            [decoder],
        )[0],
        torch.autograd.grad(
            judged(x @ critic, (z @ decoder).detach() @ critic), [critic]
        )[0],
    ),
}


def stepped(
    score=-1.0,
    cleared=True,
    detached=True,
    deaf=False,
    error=reconstruction,
    judge=judged,
    late=False,
):
    """One step by ``backward``, with a slip or more."""

    def gradients(decoder, critic, z, x):
        fake = z @ decoder
        heard = fake.detach() if deaf else fake
        loss = error(x, fake) + score * (heard @ critic).mean()
        loss.backward(retain_graph=True)
        if cleared:
            critic.grad = None
        for_decoder = decoder.grad if late else decoder.grad.clone()
        shown = fake.detach() if detached else fake
        judge(x @ critic, shown @ critic).backward()
        return for_decoder, critic.grad

    return gradients


def mean_error(x, fake):
    return (x - fake).abs().mean()


def total_error(x, fake):
    return (x - fake).abs().sum()


def squared_error(x, fake):
    return (x - fake).square().sum(1).mean()


def both_added(decoder, critic, z, x):
    fake = z @ decoder
    loss = reconstruction(x, fake) - (fake @ critic).mean()
    (loss + judged(x @ critic, fake @ critic)).backward()
    return decoder.grad, critic.grad


def both_stepped_between(decoder, critic, z, x):
    """The critic sees what the decoder makes after its own step."""
    fake = z @ decoder
    loss = reconstruction(x, fake) - (fake @ critic).mean()
    (for_decoder,) = torch.autograd.grad(loss, decoder)
    with torch.no_grad():
        fake = z @ (decoder - 0.1 * for_decoder)
    loss = judged(x @ critic, fake @ critic)
    return for_decoder, torch.autograd.grad(loss, critic)[0]


WRONG["8.4"] = {
    "not cleared": (
        stepped(cleared=False),
        "the first step's gradient stays in the critic",
    ),
    "not detached": (
        stepped(detached=False, late=True),
        "the reconstruction is not detached",
    ),
    "neither": (
        stepped(cleared=False, detached=False, late=True),
        "both leaks",
    ),
    "added": (both_added, "both leaks"),
    "deaf": (
        stepped(deaf=True),
        "detached where it must not be",
    ),
    "no score": (stepped(score=0.0), "detached where it must not be"),
    "the score's sign": (stepped(score=1.0), "the sign of the score"),
    "exchanged": (lambda *a: both(*a)[::-1], "exchanged"),
    "half a score": (stepped(score=-0.5), None),
    "mean error": (stepped(error=mean_error), None),
    "total error": (stepped(error=total_error), None),
    "squared error": (stepped(error=squared_error), None),
    "no error": (stepped(error=lambda x, y: (0 * y).sum()), None),
    "no half": (stepped(judge=lambda r, f: 2 * judged(r, f)), None),
    "sides exchanged": (stepped(judge=lambda r, f: judged(f, r)), None),
    "no ReLU": (
        stepped(judge=lambda r, f: 0.5 * (f.mean() - r.mean())),
        None,
    ),
    "squares": (
        stepped(
            judge=lambda r, f: (
                0.5 * ((r - 1).square().mean() + (f + 1).square().mean())
            )
        ),
        None,
    ),
    "summed": (
        stepped(
            judge=lambda r, f: (
                0.5 * (F.relu(1 - r).sum() + F.relu(1 + f).sum())
            )
        ),
        None,
    ),
    "photographs alone": (
        stepped(judge=lambda r, f: 0.5 * F.relu(1 - r).mean()),
        None,
    ),
    "after the decoder's step": (both_stepped_between, None),
    "zeros": (
        lambda decoder, critic, z, x: (
            torch.zeros_like(decoder),
            torch.zeros_like(critic),
        ),
        None,
    ),
    "signs turned": (lambda *a: tuple(-g for g in both(*a)), None),
    "transposed": (lambda *a: tuple(g.T for g in both(*a)), None),
}
