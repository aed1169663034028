"""Exercise 6.3: self-attention over the positions of an image."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from vae_course.exercises.exercise import Exercise, Mistake, trials_against


def spatial_attention(q, k, v, hidden):
    """What each position gathers from the visible positions of its image.

    Args:
        q: what each position asks for, (B, C, H, W).
        k: what each position offers, same shape.
        v: what it hands over, same shape.
        hidden: True where nobody may look, such as padding; bool, (H, W).

    Returns:
        For each position the mean of all visible v, weighted by the softmax of
        ⟨q, k⟩ / √C over the positions asked, (B, C, H, W).
    """
    asked, offered = q.flatten(2), k.flatten(2)  # (B, C, H·W)
    scores = asked.transpose(1, 2) @ offered / math.sqrt(q.shape[1])
    scores = scores.masked_fill(hidden.flatten(), -torch.inf)
    weights = scores.softmax(dim=2)  # (B, asking, asked), each row sums to 1
    return (v.flatten(2) @ weights.transpose(1, 2)).reshape(q.shape)


def _by_torch(q: Tensor, k: Tensor, v: Tensor, hidden: Tensor) -> Tensor:
    rows = (a.flatten(2).transpose(1, 2) for a in (q, k, v))  # (B, HW, C)
    visible = ~hidden.flatten().expand(hidden.numel(), -1)  # (HW, HW)
    y = F.scaled_dot_product_attention(*rows, attn_mask=visible)
    return y.transpose(1, 2).reshape(q.shape)


def _inputs() -> Iterator[dict[str, Tensor]]:
    for shape, covered, dtype in (
        ((1, 3, 1, 2), (), torch.float32),
        ((2, 4, 3, 2), (2, 5), torch.float32),
        ((1, 2, 1, 1), (), torch.float32),
        ((2, 5, 3, 4), (0, 3, 7, 11), torch.float64),
    ):
        qkv = {name: 1.5 * torch.randn(shape, dtype=dtype) for name in "qkv"}
        yield {**qkv, "hidden": _hiding(shape[2:], covered)}
    # Scores in the hundreds. In the first image those of visible positions
    # are negative, and a hidden one that is only low would win; in the second
    # they are positive, and exp alone would overflow.
    hidden = _hiding((2, 3), (1, 4))
    q, k, v = torch.randn(3, 2, 4, 2, 3, dtype=torch.float64)
    q, k = 25 * q.abs() + 10, 25 * k.abs() + 10
    k[0] = torch.where(hidden, k[0], -k[0])
    yield {"q": q, "k": k, "v": v, "hidden": hidden}


def _hiding(shape: tuple[int, ...], covered: tuple[int, ...]) -> Tensor:
    hidden = torch.zeros(shape, dtype=torch.bool)
    hidden.view(-1)[list(covered)] = True
    return hidden


def _attend(q, k, v, hidden, divisor=None, softmax_dim=2, low=-torch.inf):
    a, b, c = (t.flatten(2) for t in (q, k, v))
    scores = a.transpose(1, 2) @ b / (divisor or math.sqrt(q.shape[1]))
    scores = scores.masked_fill(hidden.flatten(), low)
    weights = scores.softmax(dim=softmax_dim)
    return (c @ weights.nan_to_num().transpose(1, 2)).reshape(q.shape)


def _weights(q, k, hidden):
    scores = q.flatten(2).transpose(1, 2) @ k.flatten(2)
    scores = scores / math.sqrt(q.shape[1])
    return scores.masked_fill(hidden.flatten(), -torch.inf).softmax(dim=2)


def _bare_softmax(q, k, v, hidden):
    scores = q.flatten(2).transpose(1, 2) @ k.flatten(2)
    weights = (scores / math.sqrt(q.shape[1])).exp() * ~hidden.flatten()
    weights = weights / weights.sum(dim=2, keepdim=True)
    return (v.flatten(2) @ weights.transpose(1, 2)).reshape(q.shape)


def _scrambled(q, k, v, hidden):
    b, c, h, w = q.shape
    rows = (t.reshape(b, h * w, c) for t in (q, k, v))
    visible = ~hidden.flatten().expand(h * w, -1)
    y = F.scaled_dot_product_attention(*rows, attn_mask=visible)
    return y.reshape(b, c, h, w)


def _among_channels(q, k, v, hidden):
    a, b, c = (t.flatten(2) for t in (q, k, v))
    weights = (a @ b.transpose(1, 2) / math.sqrt(q.shape[1])).softmax(dim=2)
    return (weights @ c).reshape(q.shape)


def _inverted(q, k, v, hidden):
    a, b, c = (t.flatten(2) for t in (q, k, v))
    scores = a.transpose(1, 2) @ b / math.sqrt(q.shape[1])
    scores = scores.masked_fill(~hidden.flatten(), -torch.inf)
    return (c @ scores.softmax(dim=2).transpose(1, 2)).reshape(q.shape)


def _fused_inverted(q, k, v, hidden):
    return _by_torch(q, k, v, ~hidden)


def _dropped(q, k, v, hidden):
    return _attend(q, k, v, torch.zeros_like(hidden))


def _cut_afterwards(q, k, v, hidden):
    return _attend(q, k, v * ~hidden, torch.zeros_like(hidden))


def _askers_hidden(q, k, v, hidden):
    return _dropped(q, k, v, hidden).masked_fill(hidden, 0.0)


ATTENTION = Exercise(
    number="6.3",
    title="Attention over space",
    prompt="""\
Write self-attention with one head over the H·W positions of an image. Each
position asks (`q`), each position offers (`k`), and each hands over (`v`). The
weight of position j for position i is the softmax over j of the inner product
of their C numbers, divided by $\\sqrt C$. Nobody may look at a position that
is `hidden`, such as the padding of an image: its weight is 0, and the others
still sum to 1. Scores may be in the hundreds, and gradients must reach all
three. Do it by hand, with `@` and `softmax`.""",
    solution=spatial_attention,
    why="""\
An image is a set of H·W vectors with C numbers each; `flatten(2)` keeps the
channels together, and a transpose makes them rows. The division by √C keeps
the scores at the size of one number, whatever C is, so the softmax neither
starts flat nor stuck on one position. The matrix of weights has (H·W)²
entries: that is why attention stands where the image is smallest. The
autoencoder itself hides nothing; the text encoder beside it does.""",
    proved="your attention equals PyTorch's fused one, with its three "
    "gradients.",
    hints=(
        "How many positions are there, and how many numbers does each have? "
        "Bring q, k and v into that form first.",
        "`q.flatten(2)` is (B, C, H·W): its columns are positions. The scores "
        "are the inner products of columns: (B, H·W, H·W).",
        "The scores: `q.flatten(2)`, transposed to (B, H·W, C), times "
        "`k.flatten(2)`, over √C. `masked_fill` writes −∞ into the hidden "
        "columns and the softmax runs over the last axis. The weights, "
        "transposed, mix the columns of v.",
    ),
    trials=lambda: trials_against(_by_torch, _inputs(), ("q", "k", "v")),
    mistakes=(
        Mistake(
            "no division by √C",
            lambda q, k, v, hidden: _attend(q, k, v, hidden, 1.0),
            "The scores are not divided by √C.",
            "it works as long as C is small. At 512 channels the softmax "
            "then looks at a single position, and its gradient is gone.",
        ),
        Mistake(
            "divided by C",
            lambda q, k, v, hidden: _attend(q, k, v, hidden, q.shape[1]),
            "You divide the scores by C; it is the root of C.",
            "an average would divide by the number of terms. Here the size of "
            "the sum grows like its root.",
        ),
        Mistake(
            "divided by the root of the positions",
            lambda q, k, v, hidden: _attend(
                q, k, v, hidden, math.sqrt(q.shape[2] * q.shape[3])
            ),
            "You divide by √(H·W); the sum runs over the C channels.",
            "after a transpose it is easy to read the wrong axis.",
        ),
        Mistake(
            "softmax over those who ask",
            lambda q, k, v, hidden: _attend(q, k, v, hidden, softmax_dim=1),
            "Your softmax runs over the positions that ask; for each of them "
            "the weights of the positions *asked* should sum to 1.",
            "both axes have the same length, so no shape complains.",
        ),
        Mistake(
            "reshape for transpose",
            _scrambled,
            "A `reshape` to (B, H·W, C) does not turn channels into columns: "
            "it cuts the memory into other pieces, and mixes pixels with "
            "channels.",
            "the shape is right. `flatten(2).transpose(1, 2)` moves the "
            "numbers, too.",
        ),
        Mistake(
            "attention among channels",
            _among_channels,
            "Your weights are C×C: channels look at channels. Positions "
            "should look at positions, (H·W)×(H·W).",
            "one transpose on the other factor makes the difference.",
        ),
        Mistake(
            "queries and keys swapped",
            lambda q, k, v, hidden: _attend(k, q, v, hidden),
            "q and k have changed places: position i weighs by what it "
            "offers, not by what it asks for.",
            "the formula looks symmetric, up to the axis of the softmax.",
        ),
        Mistake(
            "the hidden positions are seen",
            _dropped,
            "The hidden positions are looked at: `hidden` never reaches the "
            "weights. If you call `masked_fill`, keep what it returns.",
            "a line `scores.masked_fill(hidden, −∞)` by itself looks like a "
            "command and changes nothing; public code has it.",
        ),
        Mistake(
            "the mask the wrong way round",
            _inverted,
            "You hid the visible positions, and show the hidden ones. Where "
            "nothing is `hidden`, nothing is left to look at.",
            "PyTorch has both conventions: in `scaled_dot_product_attention` "
            "True means *may be seen*, in `nn.MultiheadAttention` *may not*.",
            also=(
                _fused_inverted,
                lambda q, k, v, hidden: _attend(
                    q, k, v, ~hidden if hidden.any() else hidden
                ),
            ),
        ),
        Mistake(
            "hidden scores of zero",
            lambda q, k, v, hidden: _attend(q, k, v, hidden, low=0.0),
            "A score of 0 is no weight of 0: the softmax makes it e⁰ = 1 "
            "beside the others. The score that vanishes is −∞.",
            "masks multiply by zero elsewhere.",
        ),
        Mistake(
            "hidden scores not low enough",
            lambda q, k, v, hidden: _attend(q, k, v, hidden, low=-100.0),
            "Your hidden scores are low, but others can be lower: then the "
            "hidden position wins. Only −∞, or a number of its kind, such as "
            "−10⁹, is below all.",
            "e⁻¹⁰⁰ is nothing beside e⁰, and scores mostly are near 0.",
            also=tuple(
                lambda q, k, v, hidden, low=low: _attend(
                    q, k, v, hidden, low=low
                )
                for low in (-10.0, -20.0, -50.0, -99.0)
            ),
        ),
        Mistake(
            "exp without a shift",
            _bare_softmax,
            "The formula is right, and the computer cannot follow: a score in "
            "the hundreds is ∞ after exp. `softmax` subtracts the largest "
            "score first.",
            "it is the definition of the softmax, letter by letter.",
        ),
        Mistake(
            "weights without a gradient",
            lambda q, k, v, hidden: _attend(q.detach(), k.detach(), v, hidden),
            "The values are right, but no gradient reaches q and k: the "
            "weights could not be learned.",
            "weights look like numbers that one multiplies with.",
        ),
        Mistake(
            "the weights the wrong way round",
            lambda q, k, v, hidden: (
                v.flatten(2) @ _weights(q, k, hidden)
            ).reshape(q.shape),
            "Your weights are not transposed: each position *gives* where it "
            "should gather.",
            "the matrix is square, and fits either way.",
        ),
        Mistake(
            "hidden after the softmax",
            _cut_afterwards,
            "You set the weights of hidden positions to 0 after the softmax: "
            "what is left no longer sums to 1.",
            "the hidden positions are gone from the sum, as they should be.",
        ),
        Mistake(
            "those who ask are hidden",
            _askers_hidden,
            "You hid the positions that ask; nobody may look *at* the hidden "
            "ones.",
            "both axes of the scores are positions.",
        ),
    ),
    alternatives=(
        _by_torch,
        lambda q, k, v, hidden: torch.einsum(
            "bij,bcj->bci",
            (
                torch.einsum("bci,bcj->bij", q.flatten(2), k.flatten(2))
                / q.shape[1] ** 0.5
                + torch.where(hidden.flatten(), -1e9, 0.0)
            ).softmax(dim=-1),
            v.flatten(2),
        ).reshape(q.shape),
        lambda q, k, v, hidden: torch.stack(
            [
                F.scaled_dot_product_attention(
                    a.flatten(1).T,
                    b.flatten(1).T[~hidden.flatten()],
                    c.flatten(1).T[~hidden.flatten()],
                ).T.reshape(a.shape)
                for a, b, c in zip(q, k, v, strict=True)
            ]
        ),
    ),
)
