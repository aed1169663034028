"""What is seen of a training, and of a diffusion model, by the numbers.

Each test carries an exhibit's name, and checks what its ``sees`` says.
"""

import sys
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from vae_course.diffusion.schedule import stable_diffusion
from vae_course.museum.training import Averaging
from vae_course.sd.critics import PatchGAN, deception

sys.path.insert(0, str(Path(__file__).parent))
from test_what_pieces_show import pieces, waves

# -- training ---------------------------------------------------------------


def test_left_overs():
    ends = []
    for step in pieces("left-overs"):
        torch.manual_seed(0)
        critic = PatchGAN(width=8, layers=1)
        optimizer = torch.optim.Adam(critic.parameters(), lr=2e-3)
        x, fake = waves(16), waves(16).flip(2) * 0.7
        for _ in range(60):
            deception(critic(fake)).backward()  # the autoencoder's step
            loss = step(critic, optimizer, x, fake)
        ends.append(loss.item())
    broken, mended = ends
    assert mended < 0.5 and broken > 0.8, ends


def test_the_last_two():
    accumulated, _ = pieces("the-last-two")
    weight = torch.zeros((), requires_grad=True)
    back, logged = [], []
    weight.register_hook(back.append)

    def loss(batch):
        found = (weight - batch) ** 2
        logged.append(found.item())
        return found

    optimizer = torch.optim.SGD([weight], lr=0.1)
    accumulated(loss, optimizer, [float(b) for b in range(10)], 4)
    assert len(logged) == len(back) == 10


def test_past_the_wrapper():
    step, _ = pieces("past-the-wrapper")
    torch.manual_seed(0)
    for device in range(4):
        module = nn.Linear(4, 2)
        wrapped = Averaging(module, 4)
        optimizer = torch.optim.SGD(module.parameters(), lr=0.01)
        x = torch.randn(8, 4) + 0.3 * device
        losses = []
        for _ in range(60):
            optimizer.zero_grad()
            losses.append(step(wrapped, x).item())
            optimizer.step()
        assert losses[-1] < 0.5 * losses[0]


def test_old_acquaintances():
    """Copies learned by heart: training images by far the better ones."""
    gaps = []
    for split in pieces("old-acquaintances"):
        torch.manual_seed(0)
        seen, rest = split(torch.randn(300, 20), 60)
        net = nn.Sequential(nn.Linear(20, 6), nn.Tanh(), nn.Linear(6, 20))
        optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
        for _ in range(300):
            error = (net(seen) - seen).square().sum(dim=1).mean()
            optimizer.zero_grad()
            error.backward()
            optimizer.step()
        other = (net(rest) - rest).square().sum(dim=1).mean()
        gaps.append((other - error).item())
    broken, mended = gaps
    assert abs(broken) < 0.4 * mended, gaps


def test_still_practising():
    broken, mended = pieces("still-practising")
    torch.manual_seed(0)
    x = waves(128, 8).flatten(1)
    width = x.shape[1]
    net = nn.Sequential(
        nn.Linear(width, 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, width)
    )
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    for _ in range(150):
        loss = (net(x[:64]) - x[:64]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    calls = [broken(net, x[64:]).item() for _ in range(5)]
    right = mended(net, x[64:]).item()
    assert len(set(calls)) == 5
    assert max(calls) - min(calls) < 0.1 * min(calls)
    assert right < min(calls) < 1.5 * right, (right, calls)


# -- diffusion --------------------------------------------------------------


def test_deaf_channel():
    guided, _ = pieces("deaf-channel")

    def model(z, t, labels):
        return z + labels.view(-1, 1, 1, 1)

    model.no_class = 0
    z, t = torch.randn(2, 4, 4, 4), torch.full((2,), 0.5)
    labels = torch.ones(2, dtype=torch.long)
    follow, drift = [], []
    for weight in (1.0, 2.0, 4.0, 8.0):
        each = (guided(model, z, t, labels, weight) - z).mean(dim=(0, 2, 3))
        follow.append(each.mean().item())
        drift.append((each.max() - each.min()).item())
    assert follow == sorted(follow) and follow[-1] > follow[0] + 1
    assert drift == sorted(drift) and drift[-1] > 3 * drift[1] > 0


def learned(channels, batches):
    """The losses of a small network on pairs of input and right answer."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(channels, 16, 3, padding=1),
        nn.SiLU(),
        nn.Conv2d(16, 4, 3, padding=1),
    )
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    said = []
    for given, wanted in batches:
        loss = F.mse_loss(net(given), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        said.append(loss.item())
    return torch.tensor(said)


def test_root_forgotten():
    shares = stable_diffusion().abar

    def batches(noised):
        for _ in range(300):
            z, noise = torch.randn(2, 8, 4, 8, 8)
            z = 8 * z.mean(dim=(2, 3), keepdim=True).expand_as(z)  # flat codes
            share = shares[int(torch.randint(len(shares), ()))].item()
            z_t = noised(z, noise, share)
            told = torch.full_like(z_t[:, :1], share)
            yield torch.cat([z_t, told], dim=1), noise

    broken, mended = (learned(5, batches(n)) for n in pieces("root-forgotten"))
    for said in (broken, mended):
        assert said[-50:].mean() < 0.8 * said[:10].mean()
    assert broken[-100:].mean() < 0.97 * mended[-100:].mean()


def test_nothing_to_learn():
    lesson, _ = pieces("nothing-to-learn")
    said = learned(
        4, (lesson(torch.randn(16, 4, 8, 8), 0.7, 0.7) for _ in range(400))
    )
    assert said[0] > 1.03
    early, late = said[80:120].mean(), said[-40:].mean()
    assert 0.98 < late < 1.03 and abs(early - late) < 0.02
