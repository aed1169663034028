"""What the author of a whole model sees, by the numbers.

Each test carries an exhibit's name, and checks what its ``sees`` says.
"""

from functools import lru_cache

import pytest
import torch
from torch import distributions as D
from torch.nn import functional as F

from vae_course.data import mnist
from vae_course.metrics import active_units
from vae_course.museum import exhibit, vae

STEPS, HIDDEN = 200, 100
EVERY = 20  # steps between two numbers of a curve


@lru_cache
def images() -> tuple[torch.Tensor, torch.Tensor]:
    """Binary digits to train on, and others."""
    digits = mnist()
    return digits.train.binarized(0)[:8000], digits.test.binarized(0)[:500]


def fresh(name: str, version: str = "broken", **sizes) -> vae.AssembledVAE:
    torch.manual_seed(0)
    return getattr(exhibit(name), version)(hidden=HIDDEN, **sizes)


def curve(model, *, steps=STEPS, batch=100, lr=2e-3) -> list[float]:
    """The loss as its author reads it off, every few steps."""
    seen, rest = images()[0], images()[1][:100]
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    torch.manual_seed(1)
    found = []
    for step in range(steps + 1):
        if step % EVERY == 0:
            with torch.no_grad():
                found.append(model.claimed(rest).item())
        x = seen[torch.randint(len(seen), (batch,))]
        optimizer.zero_grad()
        model.claimed(x).backward()
        optimizer.step()
    model.eval()
    return found


@lru_cache
def learned(name: str, version: str = "broken"):
    """A model after training, and its curve."""
    model = fresh(name, version)
    return model, curve(model)


def right():
    return learned("one-sided-noise", "mended")


@torch.no_grad()
def copies(model) -> torch.Tensor:
    """The decoder's images of mean codes."""
    return model.decode(model.encode(images()[1]).mean).mean


def cost(model) -> float:
    """The cross-entropy of those, in nats per image."""
    found = copies(model).clamp(1e-6, 1 - 1e-6)
    each = F.binary_cross_entropy(found, images()[1], reduction="none")
    return each.flatten(1).sum(dim=1).mean().item()


@torch.no_grad()
def claimed_rate(model) -> float:
    x = images()[1]
    moments = model.encoder(x.flatten(1))
    mean, log_var = model.posterior(moments)
    if model.rate is None:
        q = D.Normal(mean, (0.5 * log_var).exp())
        kl = D.kl_divergence(q, D.Normal(0.0, 1.0)).sum(dim=1)
    else:
        kl = model.rate(moments, model.draw(mean, log_var))
    return kl.mean().item()


def test_one_sided_noise():
    ours, theirs = learned("one-sided-noise")[1], right()[1]
    assert all(a < b for a, b in zip(ours[2:], theirs[2:], strict=True))
    assert ours[-1] < theirs[-1] - 10


def test_one_spread_for_all():
    model, ours = learned("one-spread-for-all")
    assert ours[-1] < right()[1][-1] - 20
    assert 1 < claimed_rate(model) < 10


def test_variance_for_deviation():
    model, ours = learned("variance-for-deviation")
    assert ours[-1] < right()[1][-1] - 3
    assert active_units(model, images()[1]).all()
    assert cost(model) < cost(right()[0]) + 3


def test_moments_of_the_sample():
    model, _ = learned("moments-of-the-sample")
    assert 0 < claimed_rate(model) < 10
    plain = fresh("one-sided-noise", "mended")
    plain.draw = lambda mean, log_var: mean
    plain.loss = lambda x, logits, kl: vae.loss(x, logits, 0 * kl)
    curve(plain)
    assert cost(model) < cost(plain) + 10


def test_mean_beside_sum():
    ours = learned("mean-beside-sum")[1]
    half = ours[len(ours) // 2 :]
    assert 0.24 < half[-1] < 0.29
    assert max(half) - min(half) < 0.01


def test_rate_of_the_batch():
    spread = {}  # of copies, from image to image
    for batch in (4, 100):
        model = fresh("rate-of-the-batch")
        curve(model, batch=batch)
        spread[batch] = copies(model).var(dim=0).sum().item()
    assert spread[100] < 1 and spread[100] < 0.3 * spread[4], spread


def test_normed_log_variance():
    ours, theirs = learned("normed-log-variance")[1], right()[1]
    assert theirs[-1] + 3 < ours[-1] < theirs[-1] + 30
    for lr in (1e-3, 1e-2):
        other = curve(fresh("normed-log-variance"), steps=60, lr=lr)
        assert max(other[1:]) < other[0], other


def test_grey_world():
    model, ours = learned("grey-world")
    an_epoch = 8000 // 100 // EVERY
    assert ours[an_epoch] == pytest.approx(ours[-1], rel=0.02)
    assert 300 < ours[-1] < 800
    assert copies(model).min() >= 0.5


def test_free_fall():
    piece, mended = (
        exhibit("free-fall").piece(version) for version in ("broken", "mended")
    )
    x, mean = images()[0][:500], images()[0].mean(dim=0)
    log_std = torch.zeros((), requires_grad=True)
    optimizer = torch.optim.Adam([log_std], lr=0.05)
    epochs = []
    for _ in range(10):
        for _ in range(20):
            loss = piece(x, mean, log_std).flatten(1).sum(dim=1).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        epochs.append(loss.item())
    assert epochs == sorted(epochs, reverse=True)
    best = (x - mean).square().mean().sqrt().log()
    truth = mended(x, mean, best).flatten(1).sum(dim=1).mean()
    assert epochs[-1] < truth - 1000
