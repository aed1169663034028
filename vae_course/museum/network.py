"""Exhibits inside the network: the shapes fit, and checkpoints load."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vae_course.museum.exhibit import Exhibit
from vae_course.sd.autoencoder import Downsample, ResnetBlock


class BrokenResnetBlock(ResnetBlock):
    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(F.selu(self.norm1(x)))  # (B, out, H, W)
        h = self.norm2(h, silu=True)  # on a line of its own: frees h before
        h = self.conv2(h)
        return h.add_(self.conv_shortcut(x) if self.conv_shortcut else x)


class BrokenResnetBlockInside(ResnetBlock):
    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(self.norm1(x, silu=True))  # (B, out, H, W)
        h = self.norm2(h)  # on a line of its own: frees h before
        h = self.conv2(h)
        return h.add_(self.conv_shortcut(x) if self.conv_shortcut else x)


class BrokenDownsample(Downsample):
    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.pad(x, (1, 1, 1, 1)))  # (B, C, H/2, W/2)


def attend(q, k, v):
    """Attention of each position to itself and to those before it.

    Args:
        q: queries, (B, N, C).
        k: keys, (B, N, C).
        v: values, (B, N, C).

    Returns:
        For each position the mean of the values it may see, (B, N, C).
    """
    scores = q @ k.transpose(1, 2) / math.sqrt(q.shape[-1])
    hidden = torch.ones_like(scores).triu(1).bool()
    scores = scores.masked_fill(hidden, -1e9)
    return scores.softmax(dim=-1) @ v


def broken_attend(q, k, v):
    scores = q @ k.transpose(1, 2) / math.sqrt(q.shape[-1])
    hidden = torch.ones_like(scores).triu(1).bool()
    scores.masked_fill(hidden, -1e9)
    return scores.softmax(dim=-1) @ v


def broken_attend_before(q, k, v):
    scores = q @ k.transpose(1, 2) / math.sqrt(q.shape[-1])
    hidden = torch.ones_like(scores).triu(0).bool()
    scores = scores.masked_fill(hidden, -1e9)
    return scores.softmax(dim=-1) @ v


def scaled(z, scale):
    """Latents near unit variance, as a diffusion model wants them.

    Args:
        z: latents of the encoder, of any shape.
        scale: one over their standard deviation, a number.

    Returns:
        z times scale, a new tensor.
    """
    z = z * scale
    return z


def broken_scaled(z, scale):
    z *= scale
    return z


def _reference(state: dict, x: torch.Tensor) -> torch.Tensor:
    """The residual block by PyTorch's own functions, from its weights."""
    h = x
    for number in "12":
        norm, conv = (
            [state[f"{kind}{number}.{name}"] for name in ("weight", "bias")]
            for kind in ("norm", "conv")
        )
        h = F.silu(F.group_norm(h, 4, *norm, eps=1e-6))
        h = F.conv2d(h, *conv, padding=1)
    return x + h


def parity(block: type[ResnetBlock], seed: int) -> float:
    """Distance from a reference with the same weights, relative to it."""
    ours = block(16, 16, 4)
    x = torch.randn(2, 16, 8, 8)
    with torch.no_grad():
        theirs = _reference(ours.state_dict(), x)
        return ((ours(x) - theirs).norm() / (theirs - x).norm()).item()


def gaze(layer: type[Downsample], seed: int) -> float:
    """How many pixels up and left of its patch a code looks, after f = 8.

    Where the gradient of one code is not zero, there it looks.
    """
    layers = nn.Sequential(*(layer(2) for _ in range(3)))
    x = torch.randn(1, 2, 64, 64, requires_grad=True)
    place = int(torch.randint(2, 6, ()))
    layers(x)[0, :, place, place].sum().backward()
    rows = x.grad.abs().sum(dim=(0, 1, 3)).nonzero()
    centre = (rows.min() + rows.max()).item() / 2
    return 8 * place + 7 - centre


def _influence(attend: Callable) -> torch.Tensor:
    """How much position i hears of position j, (N, N)."""
    q, k = 0.5 * torch.randn(2, 1, 8, 16)
    v = torch.randn(1, 8, 16, requires_grad=True)
    said = attend(q, k, v)[0, :, 0]
    rows = [torch.autograd.grad(s, v, retain_graph=True)[0] for s in said]
    return torch.stack(rows)[:, 0, :, 0]


def leak(attend: Callable, seed: int) -> float:
    """The most that any position hears of a later one; all it hears is 1."""
    return _influence(attend).triu(1).max().item()


def oneself(attend: Callable, seed: int) -> float:
    """The least that a position hears of itself; all it hears is 1."""
    return _influence(attend).diagonal().min().item()


def remains(scaled: Callable, seed: int) -> float:
    """How far a second call is from the first, relative to it."""
    z = torch.randn(2, 4, 8, 8)
    first = scaled(z, 0.18215).clone()
    second = scaled(z, 0.18215)
    return ((second - first).norm() / first.norm()).item()


EXHIBITS = (
    Exhibit(
        name="its-cousin",
        title="Every tensor fits",
        sees="All 248 tensors load with strict=True. The pictures have the "
        "right things in them, and odd colours.",
        instrument="distance from a reference with the same weights, as a "
        "share of what the block adds",
        healthy=(0.0, 1e-4),
        wrong=BrokenResnetBlock,
        right=ResnetBlock,
        gauge=parity,
        fault="SELU stands where SiLU should. An activation has no weights, "
        "so no checkpoint can miss it.",
        lesson="That names and shapes fit proves nothing about what happens "
        "between them: compare outputs with a reference.",
        derived_in="notebooks/07_the_stable_diffusion_vae.html"
        "#equal-not-similar",
    ),
    Exhibit(
        name="one-of-two",
        title="All weights, another map",
        sees="It loads every checkpoint, and trains from nothing without "
        "complaint.",
        instrument="distance from a reference with the same weights, as a "
        "share of what the block adds",
        healthy=(0.0, 1e-4),
        wrong=BrokenResnetBlockInside,
        right=ResnetBlock,
        gauge=parity,
        fault="The second activation is missing: norm, then convolution.",
        lesson="A curve by itself has nothing to be compared with. A "
        "reference has.",
        derived_in="notebooks/06_convolutional_vae.html"
        "#deep-networks-and-what-keeps-them-alive",
    ),
    Exhibit(
        name="seven-pixels",
        title="A little beside itself",
        sees="Shapes fit and checkpoints load. Reconstructions with public "
        "weights are a little shifted and crumbly at edges.",
        instrument="pixels by which a code looks up and left of its patch",
        healthy=(0.0, 0.0),
        wrong=BrokenDownsample,
        right=Downsample,
        gauge=gaze,
        fault="The downsampling pads on all sides. Each layer then looks one "
        "of its own pixels too far up and left; three make 1 + 2 + 4 = 7.",
        lesson="Ask by gradient what an output looks at: shapes do not say.",
        derived_in="notebooks/07_the_stable_diffusion_vae.html"
        "#padding-on-one-side",
    ),
    Exhibit(
        name="open-curtain",
        title="It knows the next word",
        sees="A training loss far below the paper's, from the first epoch. "
        "What it writes by itself makes no sense.",
        instrument="largest share that a position hears of a later one",
        healthy=(0.0, 1e-6),
        wrong=broken_attend,
        right=attend,
        gauge=leak,
        fault="`masked_fill` returns a new tensor, and its result is dropped. "
        "With an underscore, or assigned, it would hide the future.",
        lesson="A mask is tested by its gradient: what is hidden has none.",
        derived_in="notebooks/06_convolutional_vae.html#attention-over-space",
    ),
    Exhibit(
        name="blind-to-itself",
        title="Fine, but for the first position",
        sees="No NaN, and training works: the residual path around the layer "
        "brings back what it misses. The first position behaves oddly.",
        instrument="smallest share that a position hears of itself",
        healthy=(0.01, 1.0),
        wrong=broken_attend_before,
        right=attend,
        gauge=oneself,
        fault="The mask begins on the diagonal, `triu(0)` for `triu(1)`, so "
        "each position is hidden from itself. The first, from which all is "
        "hidden, then hears all alike, the future included.",
        lesson="Try a mask on the first and the last position: there one is "
        "off first.",
        derived_in="notebooks/06_convolutional_vae.html#attention-over-space",
    ),
    Exhibit(
        name="once-too-often",
        title="Right, once",
        sees="The first picture is right. Whoever decodes the same latent "
        "again, or scales it for a second use, gets a flat one.",
        instrument="distance of a second call from the first, relative to it",
        healthy=(0.0, 0.0),
        wrong=broken_scaled,
        right=scaled,
        gauge=remains,
        fault="`z *= scale` writes into the caller's tensor.",
        lesson="Call it twice: what has no state must give the same again.",
        derived_in="notebooks/07_the_stable_diffusion_vae.html"
        "#what-0-18215-is",
    ),
)
