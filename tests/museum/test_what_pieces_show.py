"""What the author of a piece sees, by the numbers.

Each test carries an exhibit's name, and checks what its ``sees`` says.
"""

import torch
from torch import nn
from torch.nn import functional as F

from vae_course.data import mnist
from vae_course.museum import exhibit
from vae_course.sd.critics import PatchGAN
from vae_course.sd.perceptual import PerceptualDistance


def pieces(name: str) -> tuple:
    return tuple(exhibit(name).piece(v) for v in ("broken", "mended"))


def waves(count=64, size=16, seed=5) -> torch.Tensor:
    """Coloured waves with an edge or two, in [−1, 1]."""
    generator = torch.Generator().manual_seed(seed)
    speed, tilt, phase = torch.rand(3, count, 3, 1, 1, generator=generator)
    place = torch.arange(size).float()
    smooth = torch.sin(
        0.5 * speed * place + 0.5 * tilt * place.view(-1, 1) + 6 * phase
    )
    corner = torch.randint(size, (count, 2), generator=generator)
    for image, (row, column) in zip(smooth, corner.tolist(), strict=True):
        image[:, row:, column:] *= -1
    return smooth


# -- network ----------------------------------------------------------------


class Writer(nn.Module):
    """Reads signs, and says which comes next at each place."""

    def __init__(self, attend, signs=8, width=32, places=12):
        super().__init__()
        self.attend = attend
        self.signs, self.place = (
            nn.Embedding(n, width) for n in (signs, places)
        )
        self.q, self.k, self.v = (nn.Linear(width, width) for _ in "qkv")
        self.out = nn.Sequential(
            nn.Linear(width, 64), nn.ReLU(), nn.Linear(64, signs)
        )

    def forward(self, text):
        h = self.signs(text) + self.place.weight[: text.shape[1]]
        heard = self.attend(3 * self.q(h), 3 * self.k(h), self.v(h))
        return self.out(h + heard)


def texts(count=512, length=12) -> torch.Tensor:
    """Each sign is the last one plus one, in three of four cases."""
    generator = torch.Generator().manual_seed(1)
    found = [torch.randint(8, (count,), generator=generator)]
    for _ in range(length):
        other = torch.randint(8, (count,), generator=generator)
        goes_on = torch.rand(count, generator=generator) < 0.75
        found.append(torch.where(goes_on, (found[-1] + 1) % 8, other))
    return torch.stack(found, dim=1)


def taught(attend, steps=200) -> tuple[Writer, list[float]]:
    torch.manual_seed(0)
    writer, text, losses = Writer(attend), texts(), []
    optimizer = torch.optim.Adam(writer.parameters(), lr=5e-3)
    for _ in range(steps):
        some = text[torch.randint(len(text), (64,))]
        said = writer(some[:, :-1]).flatten(0, 1)
        loss = F.cross_entropy(said, some[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return writer, losses


@torch.no_grad()
def sense(writer: Writer) -> float:
    """How often what it writes goes on as texts do."""
    torch.manual_seed(2)
    text = texts(200)[:, :1]
    for _ in range(11):
        chances = writer(text)[:, -1].softmax(dim=-1)
        text = torch.cat([text, torch.multinomial(chances, 1)], dim=1)
    return ((text[:, 1:] - text[:, :-1]) % 8 == 1).float().mean().item()


def test_open_curtain():
    (broken, low), (mended, usual) = map(taught, pieces("open-curtain"))
    assert sum(low[-20:]) < 0.6 * sum(usual[-20:])
    assert sense(broken) < 0.5 < 0.7 < sense(mended)


def test_blind_to_itself():
    (broken, ours), (_, theirs) = map(taught, pieces("blind-to-itself"))
    assert ours[-1] < 1.1 * theirs[-1] < 0.7 * theirs[0]
    text = texts(4)
    other = text.clone()
    other[:, 5] = (other[:, 5] + 3) % 8  # the first position hears it
    with torch.no_grad():
        moved = (broken(text[:, :8]) - broken(other[:, :8])).abs().amax(2)
    assert (moved[:, 0] > 1e-4).all() and (moved[:, 1:5] < 1e-5).all()


# -- judges -----------------------------------------------------------------


def test_judge_unheard():
    term, _ = pieces("judge-unheard")
    judge, x = PerceptualDistance(), waves(4, 32)
    image = (0.3 * torch.randn_like(x)).requires_grad_()
    optimizer = torch.optim.Adam([image], lr=0.05)
    said = []
    for _ in range(12):
        shown = image.clamp(-1, 1)
        found = term(judge, shown, x)
        loss = F.l1_loss(image, x) + found
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        said.append(found.item())
    assert said[-1] < 0.95 * said[0]


def test_half_the_range():
    broken, mended = pieces("half-the-range")
    digits = mnist().test.binarized(0)[:8].repeat(1, 3, 1, 1)
    x = F.interpolate(digits, size=32)
    image = F.avg_pool2d(x, 3, 1, 1)
    judge = PerceptualDistance()

    def unchecked(a, b):
        return judge(a, b, check=False)

    ours, theirs = (p(unchecked, image, x).mean() for p in (broken, mended))
    assert 0.5 < (ours / theirs).item() < 2, (ours / theirs).item()
    image.requires_grad_()
    slope = torch.autograd.grad(broken(unchecked, image, x).sum(), image)[0]
    step = 0.05 * slope / slope.abs().max()
    better = broken(unchecked, (image - step).clamp(0, 1), x).mean()
    assert better < broken(unchecked, image, x).mean()


def test_root_of_nothing():
    unit_length, _ = pieces("root-of-nothing")
    net = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.SiLU())
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3)
    x = waves(8)
    plain = x.clone()
    plain[0, :, :6, :6] = 0
    finite = []
    for batch in (x, x, x, plain):
        features = unit_length(net(batch))
        loss = (features - unit_length(net(batch.flip(-1)))).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        finite.append(torch.isfinite(net[0].weight).all().item())
        assert loss.isfinite()
    assert finite == [True, True, True, False]
    assert net[0].weight.isnan().all()


def test_one_stands_for_both():
    critic_loss, _ = pieces("one-stands-for-both")
    critic = PatchGAN(width=8, layers=2)
    optimizer = torch.optim.Adam(critic.parameters(), lr=1e-3)
    x, fake = waves(8, 32), 0.5 * waves(8, 32, seed=7)
    for _ in range(20):
        loss = critic_loss(critic, x, fake)
        assert f"{loss.item():.3f}" == "1.000"
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
