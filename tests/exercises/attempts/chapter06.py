"""Chapter 6: attempts as students write them, right and wrong."""

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from vae_course import metrics
from vae_course.exercises import registry

RIGHT, WRONG = {}, {}

# --- 6.1: the residual block -------------------------------------------------

block = registry.find("6.1").solution


class Block(nn.Module):
    def __init__(self, *layers):
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x):
        h = x
        for norm, conv in (self.layers[:2], self.layers[2:]):
            h = conv(nn.functional.silu(norm(h)))
        return torch.add(h, x)


def in_place_on_fresh(x, norm1, conv1, norm2, conv2):
    h = F.silu(norm1(x), inplace=True)
    h = F.silu(norm2(conv1(h)), inplace=True)
    h = conv2(h)
    h += x
    return h


def with_swish(activation, join=torch.add):
    def attempt(x, norm1, conv1, norm2, conv2):
        h = conv1(activation(norm1(x)))
        return join(x, conv2(activation(norm2(h))))

    return attempt


RIGHT["6.1"] = {
    "a module": lambda x, *layers: Block(*layers)(x),
    "in place on fresh tensors": in_place_on_fresh,
    "nn.SiLU": with_swish(nn.SiLU()),
    "by sigmoid": with_swish(lambda a: a * a.sigmoid()),
    "by exp": with_swish(lambda a: a / (1 + torch.exp(-a))),
    "by tanh": with_swish(lambda a: a * (1 + torch.tanh(a / 2)) / 2),
    "image by image": lambda x, *layers: torch.cat(
        [block(each, *layers) for each in x.split(1)]
    ),
    "a copy kept": lambda x, *layers: x.clone() + (block(x, *layers) - x),
    "Sequential": lambda x, a, b, c, d: (
        nn.Sequential(a, nn.SiLU(), b, c, nn.SiLU(), d)(x) + x
    ),
    "hswish of F": with_swish(lambda a: F.silu(input=a)),
}


def overwritten(x, norm1, conv1, norm2, conv2):
    x = F.silu(norm1(x))
    h = conv1(x)
    return x + conv2(F.silu(norm2(h)))


def silu_in_place(x, norm1, conv1, norm2, conv2):
    h = conv1(norm1(F.silu(x, inplace=True)))
    return x + conv2(F.silu(norm2(h)))


WRONG["6.1"] = {
    "no second": (
        lambda x, a, b, c, d: x + d(c(b(F.silu(a(x))))),
        "no second activation",
    ),
    "no first": (
        lambda x, a, b, c, d: x + d(F.silu(c(b(a(x))))),
        "no first activation",
    ),
    "none": (lambda x, a, b, c, d: x + d(c(b(a(x)))), None),
    "ReLU": (with_swish(F.relu), "ReLU for SiLU"),
    "GELU": (with_swish(F.gelu), "GELU for SiLU"),
    "SELU": (with_swish(F.selu), "SELU for SiLU"),
    "ELU": (with_swish(F.elu), None),
    "Mish": (with_swish(F.mish), None),
    "hardswish": (with_swish(F.hardswish), None),
    "sigmoid": (with_swish(torch.sigmoid), None),
    "softplus": (with_swish(F.softplus), None),
    "leaky": (with_swish(F.leaky_relu), None),
    "no sum": (with_swish(F.silu, lambda x, h: h), "the sum is missing"),
    "difference": (with_swish(F.silu, lambda x, h: x - h), None),
    "h minus x": (with_swish(F.silu, lambda x, h: h - x), None),
    "mean": (with_swish(F.silu, lambda x, h: (x + h) / 2), None),
    "over √2": (with_swish(F.silu, lambda x, h: (x + h) / 2**0.5), None),
    "times": (with_swish(F.silu, lambda x, h: x * h), None),
    "a tenth": (with_swish(F.silu, lambda x, h: x + 0.1 * h), None),
    "after the sum": (
        with_swish(F.silu, lambda x, h: F.silu(x + h)),
        "activated after the sum",
    ),
    "x overwritten": (overwritten, "the activated input is added"),
    "convolution first": (
        lambda x, a, b, c, d: x + F.silu(c(d(F.silu(a(b(x)))))),
        "the convolution first",
    ),
    "activation first": (
        lambda x, a, b, c, d: x + d(c(F.silu(b(a(F.silu(x)))))),
        "the activation before the norm",
    ),
    "first layers twice": (
        lambda x, a, b, c, d: block(x, a, b, a, b),
        "the first layers twice",
    ),
    "first norm twice": (
        lambda x, a, b, c, d: block(x, a, b, a, d),
        "the first layers twice",
    ),
    "pairs exchanged": (lambda x, a, b, c, d: block(x, c, d, a, b), None),
    "no norms": (
        lambda x, a, b, c, d: x + d(F.silu(b(F.silu(x)))),
        "the norms left out",
    ),
    "one round": (lambda x, a, b, c, d: x + b(F.silu(a(x))), None),
    "x detached": (
        with_swish(F.silu, lambda x, h: x.detach() + h),
        None,
    ),
    "h detached": (with_swish(F.silu, lambda x, h: x + h.detach()), None),
    "under no_grad": (torch.no_grad()(block), None),
    "dropout": (
        with_swish(F.silu, lambda x, h: x + F.dropout(h, 0.1)),
        None,
    ),
    "+=": (
        lambda x, *layers: x.detach().add_(block(x, *layers) - x),
        "x itself is changed",
    ),
    "silu in place": (silu_in_place, "x itself is changed"),
    "clamped activations": (
        lambda x, *layers: block(x.clamp(-4, 4), *layers),
        None,
    ),
    "half of the first round": (
        lambda x, n1, c1, n2, c2: x + c2(F.silu(n2(0.5 * c1(F.silu(n1(x)))))),
        None,
    ),
}

# --- 6.2: group norm ---------------------------------------------------------

norm = registry.find("6.2").solution


def norm_by_loops(x, groups, eps):
    out = torch.empty_like(x)
    size = x.shape[1] // groups
    for b in range(len(x)):
        for g in range(groups):
            part = x[b, g * size : (g + 1) * size]
            mean = sum(part.flatten()) / part.numel()
            var = sum((part - mean).flatten() ** 2) / part.numel()
            out[b, g * size : (g + 1) * size] = (part - mean) / (
                var + eps
            ) ** 0.5
    return out


def norm_by_module(x, groups, eps):
    layer = nn.GroupNorm(groups, x.shape[1], eps=eps, affine=False)
    return layer(x)


def norm_by_einsum(x, groups, eps):
    g = x.unflatten(1, (groups, -1))
    n = g[0, 0].numel()
    away = g - torch.einsum("bgchw->bg", g)[..., None, None, None] / n
    var = torch.einsum("bgchw,bgchw->bg", away, away) / n
    return torch.einsum("bgchw,bg->bgchw", away, (var + eps).rsqrt()).flatten(
        1, 2
    )


def norm_by_moments(x, groups, eps):
    g = x.double().view(x.shape[0], groups, -1)
    mean, square = g.mean(-1, True), (g * g).mean(-1, True)
    return ((g - mean) / (square - mean**2 + eps).sqrt()).view_as(x).to(x)


RIGHT["6.2"] = {
    "loops": norm_by_loops,
    "a module": norm_by_module,
    "einsum": norm_by_einsum,
    "two moments, in double": norm_by_moments,
    "var_mean": lambda x, n, eps: (
        lambda g: (
            (g - g.mean(-1, True))
            / torch.sqrt(torch.var(g, -1, correction=0, keepdim=True) + eps)
        ).reshape(x.shape)
    )(x.reshape(x.shape[0] * n, -1)),
    "batch norm of groups": lambda x, n, eps: F.batch_norm(
        x.reshape(1, len(x) * n, -1), None, None, training=True, eps=eps
    ).reshape(x.shape),
    "instance norm": lambda x, n, eps: (
        F.instance_norm(x.reshape(len(x), n, -1), eps=eps).reshape(x.shape)
        if x[0].numel() > n
        else norm(x, n, eps)
    ),
    "std": lambda x, n, eps: (
        lambda g: (
            (g - g.mean((2, 3, 4), True))
            / (g.std((2, 3, 4), correction=0, keepdim=True) ** 2 + eps).sqrt()
        ).view(x.shape)
    )(x.view(len(x), n, -1, *x.shape[2:])),
}


def grouped(change):
    """From groups on their own axis, and eps."""
    return lambda x, n, eps: change(x.reshape(len(x), n, -1), eps).reshape(
        x.shape
    )


def away(g):
    return g - g.mean(2, True)


def var(g):
    return g.var(2, correction=0, keepdim=True)


def over(dims):
    return lambda x, n, eps: (
        (x - x.mean(dims, True))
        / (x.var(dims, correction=0, keepdim=True) + eps).sqrt()
    )


WRONG["6.2"] = {
    "batch norm": (over((0, 2, 3)), "batch norm"),
    "layer norm": (over((1, 2, 3)), "layer norm"),
    "instance norm": (over((2, 3)), "instance norm"),
    "a position": (over((1,)), "each position by itself"),
    "over everything": (over((0, 1, 2, 3)), None),
    "over the batch, too": (
        lambda x, n, eps: (
            lambda g: (
                (g - g.mean((0, 2), True))
                / (g.var((0, 2), correction=0, keepdim=True) + eps).sqrt()
            ).reshape(x.shape)
        )(x.reshape(len(x), n, -1)),
        "over the batch, too",
    ),
    "cards": (
        lambda x, n, eps: (
            norm(x.unflatten(1, (-1, n)).transpose(1, 2).flatten(1, 2), n, eps)
            .unflatten(1, (n, -1))
            .transpose(1, 2)
            .flatten(1, 2)
        ),
        "channels dealt out like cards",
    ),
    "n − 1": (
        grouped(lambda g, e: away(g) / (g.var(2, keepdim=True) + e).sqrt()),
        "one less than the number",
    ),
    "std(), n − 1": (
        grouped(lambda g, e: away(g) / (g.std(2, keepdim=True) + e)),
        None,
    ),
    "eps outside": (
        grouped(lambda g, e: away(g) / (var(g).sqrt() + e)),
        "eps outside the root",
    ),
    "no eps": (
        grouped(lambda g, e: away(g) / var(g).sqrt()),
        "eps is forgotten",
    ),
    "eps squared": (
        grouped(lambda g, e: away(g) / (var(g) + e**2).sqrt()),
        None,
    ),
    "eps twice": (
        grouped(lambda g, e: away(g) / ((var(g) + e).sqrt() + e)),
        None,
    ),
    "a floor": (
        grouped(lambda g, e: away(g) / var(g).clamp_min(e).sqrt()),
        "eps as a floor",
    ),
    "1e-5": (lambda x, n, eps: norm(x, n, 1e-5), "eps of 1e-5"),
    "1e-6": (lambda x, n, eps: norm(x, n, 1e-6), None),
    "mean kept": (
        grouped(lambda g, e: g / (var(g) + e).sqrt()),
        "the mean stays",
    ),
    "scale kept": (grouped(lambda g, e: away(g)), None),
    "root mean square": (
        grouped(
            lambda g, e: g / (g.square().mean(2, keepdim=True) + e).sqrt()
        ),
        None,
    ),
    "by the variance": (
        grouped(lambda g, e: away(g) / (var(g) + e)),
        "divided by the variance",
    ),
    "multiplied": (grouped(lambda g, e: away(g) * (var(g) + e).sqrt()), None),
    "absolute deviation": (
        grouped(lambda g, e: away(g) / (away(g).abs().mean(2, True) + e)),
        None,
    ),
    "first image's": (
        lambda x, n, eps: (
            lambda g: (g - g[:1].mean(2, True)) / (var(g[:1]) + eps).sqrt()
        )(x.reshape(len(x), n, -1)).reshape(x.shape),
        None,
    ),
    "channel scales": (
        lambda x, n, eps: (
            away(x.reshape(len(x), n, -1)).reshape(x.shape)
            / (x.var((2, 3), correction=0, keepdim=True) + eps).sqrt()
        ),
        "a scale for each channel",
    ),
    "detached": (lambda *a: norm(*a).detach(), "no gradient at all"),
    "under no_grad": (torch.no_grad()(norm), "no gradient at all"),
    "statistics detached": (
        grouped(
            lambda g, e: (
                (g - g.mean(2, True).detach()) / (var(g).detach() + e).sqrt()
            )
        ),
        "statistics without a gradient",
    ),
    "mean detached": (
        grouped(
            lambda g, e: (g - g.mean(2, True).detach()) / (var(g) + e).sqrt()
        ),
        "statistics without a gradient",
    ),
    "variance detached": (
        grouped(lambda g, e: away(g) / (var(g).detach() + e).sqrt()),
        "statistics without a gradient",
    ),
    "in place": (
        lambda x, n, eps: x.detach().copy_(norm(x, n, eps)),
        None,
    ),
    "clamped": (grouped(lambda g, e: norm_of(g, e).clamp(-2, 2)), None),
    "not shaped back": (
        lambda x, n, eps: norm(x, n, eps).reshape(len(x), n, -1),
        None,
    ),
    "groups for channels each": (
        lambda x, n, eps: norm(x, x.shape[1] // n, eps),
        None,
    ),
    "clamped activations": (
        lambda x, groups, eps: norm(x.clamp(-30, 30), groups, eps),
        None,
    ),
}


def norm_of(g, eps):
    return away(g) / (var(g) + eps).sqrt()


# --- 6.3: attention over space -----------------------------------------------

attention = registry.find("6.3").solution


def attention_by_loops(q, k, v, hidden):
    b, c, h, w = q.shape
    seen = [
        (i, j) for i in range(h) for j in range(w) if not hidden[i, j].item()
    ]
    out = torch.zeros_like(q)
    for n in range(b):
        for i in range(h):
            for j in range(w):
                scores = torch.stack(
                    [q[n, :, i, j] @ k[n, :, y, x] for y, x in seen]
                )
                weights = torch.softmax(scores / c**0.5, dim=0)
                out[n, :, i, j] = sum(
                    weight * v[n, :, y, x]
                    for weight, (y, x) in zip(weights, seen, strict=True)
                )
    return out


def attention_by_heads(q, k, v, hidden):
    n = hidden.numel()
    rows = [t.flatten(2).mT[:, None] for t in (q, k, v)]
    mask = torch.zeros(n, n, dtype=q.dtype)
    mask[:, hidden.flatten()] = -torch.inf
    out = F.scaled_dot_product_attention(*rows, attn_mask=mask)
    return out[:, 0].mT.unflatten(2, hidden.shape)


def attention_of_the_visible(q, k, v, hidden):
    seen = ~hidden.flatten()
    a, b, c = q.flatten(2), k.flatten(2)[..., seen], v.flatten(2)[..., seen]
    weights = torch.softmax(a.mT @ b / math.sqrt(a.shape[1]), -1)
    return (weights @ c.mT).mT.reshape(q.shape)


def attention_shifted(q, k, v, hidden):
    scores = torch.bmm(q.flatten(2).mT, k.flatten(2)) * q.shape[1] ** -0.5
    scores = scores + torch.where(hidden, -torch.inf, 0.0).flatten()
    e = (scores - scores.amax(2, keepdim=True)).exp()
    weights = e / e.sum(2, keepdim=True)
    return torch.bmm(v.flatten(2), weights.mT).view(q.shape)


RIGHT["6.3"] = {
    "loops": attention_by_loops,
    "with a head": attention_by_heads,
    "the visible alone": attention_of_the_visible,
    "by hand": attention_shifted,
    "einsum": lambda q, k, v, hidden: torch.einsum(
        "bhwyx,bcyx->bchw",
        (torch.einsum("bchw,bcyx->bhwyx", q, k) / q.shape[1] ** 0.5)
        .masked_fill(hidden, -torch.inf)
        .flatten(3)
        .softmax(-1)
        .unflatten(3, hidden.shape),
        v,
    ),
    "finfo": lambda q, k, v, hidden: (
        (q.flatten(2).mT @ k.flatten(2) / q.shape[1] ** 0.5)
        .masked_fill(hidden.reshape(1, 1, -1), torch.finfo(q.dtype).min)
        .softmax(-1)
        @ v.flatten(2).mT
    ).mT.reshape(q.shape),
    "minus a milliard": lambda q, k, v, hidden: (
        v.flatten(2)
        @ (
            (k.flatten(2).mT @ q.flatten(2)) / math.sqrt(q.shape[1])
            - 1e9 * hidden.flatten()[:, None].to(q.dtype)
        ).softmax(1)
    ).reshape(q.shape),
    "image by image": lambda q, k, v, hidden: torch.cat(
        [
            attention(a[None], b[None], c[None], hidden)
            for a, b, c in zip(q, k, v, strict=True)
        ]
    ),
}


def scored(change):
    """Scores, changed by the mask somehow, into weights into values."""

    def attempt(q, k, v, hidden):
        s = q.flatten(2).mT @ k.flatten(2) / q.shape[1] ** 0.5
        w = change(s, hidden.flatten())
        return (v.flatten(2) @ w.mT).reshape(q.shape)

    return attempt


def filled(low):
    return scored(lambda s, h: s.masked_fill(h, low).softmax(2))


WRONG["6.3"] = {
    "no root": (
        lambda q, k, v, h: attention(q * q.shape[1] ** 0.5, k, v, h),
        "no division by √C",
    ),
    "by C": (
        lambda q, k, v, h: attention(q / q.shape[1] ** 0.5, k, v, h),
        "divided by C",
    ),
    "by positions": (
        lambda q, k, v, h: attention(
            q * (q.shape[1] / h.numel()) ** 0.5, k, v, h
        ),
        "divided by the root of the positions",
    ),
    "times the root": (
        lambda q, k, v, h: attention(q * q.shape[1], k, v, h),
        None,
    ),
    "0": (filled(0.0), "hidden scores of zero"),
    "−10": (filled(-10.0), "hidden scores not low enough"),
    "−100": (filled(-100.0), "hidden scores not low enough"),
    "+∞": (filled(torch.inf), None),
    "1e-9": (filled(1e-9), "hidden scores of zero"),
    "scores times mask": (
        scored(lambda s, h: (s * ~h).softmax(2)),
        "hidden scores of zero",
    ),
    "afterwards": (
        scored(lambda s, h: s.softmax(2).masked_fill(h, 0.0)),
        "hidden after the softmax",
    ),
    "never used": (
        scored(lambda s, h: s.softmax(2)),
        "the hidden positions are seen",
    ),
    "thrown away": (
        scored(lambda s, h: (s.masked_fill(h, -torch.inf), s.softmax(2))[1]),
        "the hidden positions are seen",
    ),
    "inverted": (
        scored(lambda s, h: s.masked_fill(~h, -torch.inf).softmax(2)),
        "the mask the wrong way round",
    ),
    "sdpa, its own mask": (
        lambda q, k, v, h: F.scaled_dot_product_attention(
            *(t.flatten(2).mT for t in (q, k, v)),
            attn_mask=h.flatten().expand(h.numel(), -1),
        ).mT.reshape(q.shape),
        "the mask the wrong way round",
    ),
    "those who ask": (
        scored(
            lambda s, h: (
                s.masked_fill(h[:, None], -torch.inf).softmax(2).nan_to_num()
            )
        ),
        "those who ask are hidden",
    ),
    "bare exp": (
        scored(
            lambda s, h: (s.exp() * ~h) / (s.exp() * ~h).sum(2, keepdim=True)
        ),
        "exp without a shift",
    ),
    "bare exp, plus a little": (
        scored(
            lambda s, h: (
                (s.exp() * ~h) / ((s.exp() * ~h).sum(2, keepdim=True) + 1e-8)
            )
        ),
        "exp without a shift",
    ),
    "over those who ask": (
        scored(lambda s, h: s.masked_fill(h, -torch.inf).softmax(1)),
        None,
    ),
    "over all": (
        scored(
            lambda s, h: (
                s.masked_fill(h, -torch.inf).flatten(1).softmax(1).view_as(s)
            )
        ),
        None,
    ),
    "no softmax": (scored(lambda s, h: s.masked_fill(h, 0.0)), None),
    "sigmoid": (
        scored(lambda s, h: s.sigmoid().masked_fill(h, 0.0)),
        None,
    ),
    "not transposed": (
        scored(lambda s, h: s.masked_fill(h, -torch.inf).softmax(2).mT),
        "the weights the wrong way round",
    ),
    "q and k": (
        lambda q, k, v, h: attention(k, q, v, h),
        "queries and keys swapped",
    ),
    "k and v": (lambda q, k, v, h: attention(q, v, k, h), None),
    "q and v": (lambda q, k, v, h: attention(v, k, q, h), None),
    "reshaped": (
        lambda q, k, v, h: F.scaled_dot_product_attention(
            *(t.reshape(len(q), -1, q.shape[1]) for t in (q, k, v)),
            attn_mask=~h.flatten().expand(h.numel(), -1),
        ).reshape(q.shape),
        "reshape for transpose",
    ),
    "residual": (lambda q, k, v, h: v + attention(q, k, v, h), None),
    "not itself": (
        scored(
            lambda s, h: (
                s.masked_fill(h, -torch.inf)
                .masked_fill(torch.eye(len(h), dtype=torch.bool), -1e9)
                .softmax(2)
            )
        ),
        None,
    ),
    "causal": (
        scored(
            lambda s, h: (
                s.masked_fill(h, -1e9)
                .masked_fill(torch.ones_like(s[0]).triu(1).bool(), -2e9)
                .softmax(2)
            )
        ),
        None,
    ),
    "rows alone": (
        lambda q, k, v, h: torch.stack(
            [
                attention(q[:, :, [i]], k[:, :, [i]], v[:, :, [i]], h[[i]])[
                    :, :, 0
                ].nan_to_num()
                for i in range(q.shape[2])
            ],
            dim=2,
        ),
        None,
    ),
    "weights detached": (
        lambda q, k, v, h: attention(q.detach(), k.detach(), v, h),
        "weights without a gradient",
    ),
    "hardest": (
        scored(
            lambda s, h: F.one_hot(
                s.masked_fill(h, -torch.inf).argmax(2), len(h)
            ).to(s.dtype)
        ),
        None,
    ),
    "width and height": (
        lambda q, k, v, h: (
            attention(q.mT, k.mT, v.mT, h.reshape(h.shape[::-1])).mT
        ),
        None,
    ),
}

# --- 6.4: decibels -----------------------------------------------------------

psnr = registry.find("6.4").solution
RIGHT["6.4"] = {
    "a list": lambda x, y: [
        10 * math.log10(4 / ((a - b) ** 2).mean().item())
        for a, b in zip(x, y, strict=True)
    ],
    "numpy": lambda x, y: torch.from_numpy(
        10 * np.log10(4 / ((x.numpy() - y.numpy()) ** 2).mean((1, 2, 3)))
    ).to(x.dtype),
    "an array": lambda x, y: (
        -10
        * np.log10(
            ((x.double().numpy() - y.double().numpy()) ** 2).mean((1, 2, 3))
            / 4
        )
    ),
    "under no_grad": torch.no_grad()(psnr),
    "in [0, 1]": lambda x, y: (
        metrics.psnr((x + 1) / 2, (y + 1) / 2, 1.0)
        if x.dtype == torch.float64
        else psnr(x, y)
    ),
    "20 and a root": lambda x, y: (
        20
        * torch.log10(
            2 / F.mse_loss(x, y, reduction="none").mean((1, 2, 3)) ** 0.5
        )
    ),
    "natural": lambda x, y: (
        10
        / math.log(10)
        * (math.log(4) - (x - y).pow(2).mean((1, 2, 3)).log())
    ),
    "a tuple of tensors": lambda x, y: tuple(psnr(x, y)),
    "einsum": lambda x, y: (
        10
        * torch.log10(
            4 * x[0].numel() / torch.einsum("bchw,bchw->b", x - y, x - y)
        )
    ),
}


def of_error(change):
    return lambda x, y: change((x - y).square().flatten(1).mean(1))


WRONG["6.4"] = {
    "range 1": (of_error(lambda e: 10 * torch.log10(1 / e)), "a range of 1"),
    "range 255": (
        of_error(lambda e: 10 * torch.log10(255**2 / e)),
        "a range of 255",
    ),
    "range 255, not squared": (
        of_error(lambda e: 10 * torch.log10(255 / e)),
        None,
    ),
    "2": (of_error(lambda e: 10 * torch.log10(2 / e)), "2, not squared"),
    "twenty": (of_error(lambda e: 20 * torch.log10(4 / e)), "twenty for ten"),
    "twenty, 2": (of_error(lambda e: 20 * torch.log10(2 / e)), None),
    "root and ten": (
        of_error(lambda e: 10 * torch.log10(2 / e.sqrt())),
        "the root and ten",
    ),
    "natural": (
        of_error(lambda e: 10 * torch.log(4 / e)),
        "the natural logarithm",
    ),
    "binary": (of_error(lambda e: 10 * torch.log2(4 / e)), None),
    "bels": (of_error(lambda e: torch.log10(4 / e)), "without the ten"),
    "minus": (of_error(lambda e: 10 * torch.log10(e / 4)), "upside down"),
    "minus, range 1": (of_error(lambda e: 10 * torch.log10(e)), None),
    "plus 1e-8": (of_error(lambda e: 10 * torch.log10(4 / (e + 1e-8))), None),
    "at most 100": (
        of_error(lambda e: (10 * torch.log10(4 / e)).clamp(max=100)),
        None,
    ),
    "averaged": (
        lambda x, y: 10 * torch.log10(4 / (x - y).square().mean()),
        "averaged over the batch",
    ),
    "mean of them": (
        lambda x, y: psnr(x, y).mean(),
        "averaged over the batch",
    ),
    "sum of them": (lambda x, y: psnr(x, y).sum(), None),
    "all the same": (
        lambda x, y: (10 * torch.log10(4 / (x - y).square().mean())).expand(
            len(x)
        ),
        None,
    ),
    "summed": (
        lambda x, y: 10 * torch.log10(4 / (x - y).square().flatten(1).sum(1)),
        "summed over the pixels",
    ),
    "absolute": (
        lambda x, y: 20 * torch.log10(2 / (x - y).abs().flatten(1).mean(1)),
        "the absolute error",
    ),
    "largest pixel": (
        lambda x, y: (
            10
            * torch.log10(x.max() ** 2 / (x - y).square().flatten(1).mean(1))
        ),
        "the image's own peak",
    ),
    "own range": (
        lambda x, y: (
            10
            * torch.log10(
                (x.max() - x.min()) ** 2 / (x - y).square().flatten(1).mean(1)
            )
        ),
        "the image's own peak",
    ),
    "clamped": (lambda x, y: psnr(x, y.clamp(-1, 1)), None),
    "each channel": (
        lambda x, y: 10 * torch.log10(4 / (x - y).square().mean((2, 3))),
        None,
    ),
    "mean over channels": (
        lambda x, y: (
            10 * torch.log10(4 / (x - y).square().mean((2, 3)))
        ).mean(1),
        None,
    ),
    "each pixel": (
        lambda x, y: (
            (10 * torch.log10(4 / (x - y).square())).flatten(1).mean(1)
        ),
        None,
    ),
    "SNR": (
        lambda x, y: (
            10
            * torch.log10(
                x.square().flatten(1).mean(1)
                / (x - y).square().flatten(1).mean(1)
            )
        ),
        None,
    ),
    "variance": (
        lambda x, y: 10 * torch.log10(4 / (x - y).flatten(1).var(1)),
        None,
    ),
    "squared, then mean of x": (
        lambda x, y: (
            10
            * torch.log10(
                4 / (x.flatten(1).mean(1) - y.flatten(1).mean(1)).square()
            )
        ),
        None,
    ),
    "rounded": (lambda x, y: psnr(x, y).round(), None),
    "one float": (lambda x, y: psnr(x, y).mean().item(), None),
    "one too many": (lambda x, y: [*psnr(x, y).tolist(), 0.0], None),
    "an error of 4 at most": (
        lambda x, y: (
            10
            * torch.log10(4 / (x - y).square().flatten(1).mean(1).clamp(max=4))
        ),
        None,
    ),
    "never below a twentieth": (
        lambda x, y: psnr(x, y).clamp(min=0.05),
        None,
    ),
    "pixels kept within 30": (
        lambda x, y: psnr(x, y.clamp(-30, 30)),
        None,
    ),
}
