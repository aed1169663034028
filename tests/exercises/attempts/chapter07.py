"""Chapter 7: attempts as students write them, right and wrong."""

import math
import re
from decimal import Decimal

import numpy as np
import torch
from torch import distributions as D
from torch import nn
from torch.nn import functional as F

from vae_course.exercises import registry

RIGHT, WRONG = {}, {}

# --- 7.1: the asymmetric downsample ------------------------------------------

down = registry.find("7.1").solution


def down_by_loops(x, weight, bias):
    b, _, h, w = x.shape
    wide = torch.cat([x, x.new_zeros(b, x.shape[1], 1, w)], dim=2)
    wide = torch.cat([wide, wide.new_zeros(b, x.shape[1], h + 1, 1)], dim=3)
    rows = []
    for i in range(0, h, 2):
        row = [
            (wide[:, None, :, i : i + 3, j : j + 3] * weight).sum((2, 3, 4))
            for j in range(0, w, 2)
        ]
        rows.append(torch.stack(row, dim=-1))
    return torch.stack(rows, dim=-2) + bias[:, None, None]


def down_by_modules(x, weight, bias):
    conv = nn.Conv2d(x.shape[1], len(weight), 3, stride=2, dtype=x.dtype)
    conv.weight = nn.Parameter(weight)
    conv.bias = nn.Parameter(bias)
    return conv(nn.ZeroPad2d((0, 1, 0, 1))(x))


def down_by_loading(x, weight, bias):
    conv = nn.Conv2d(x.shape[1], len(weight), 3, stride=2, dtype=x.dtype)
    with torch.no_grad():
        conv.weight.copy_(weight)
        conv.bias.copy_(bias)
    return conv(F.pad(x, (0, 1, 0, 1), mode="constant", value=0))


def down_into_zeros(x, weight, bias):
    wide = torch.zeros(
        *x.shape[:2], x.shape[2] + 1, x.shape[3] + 1, dtype=x.dtype
    )
    wide[..., :-1, :-1] = x
    return F.conv2d(wide, weight, bias, stride=(2, 2))


def down_by_unfold(x, weight, bias):
    h, w = x.shape[2:]
    columns = F.unfold(F.pad(x, [0, 1, 0, 1]), 3, stride=2)
    y = weight.flatten(1) @ columns + bias[:, None]
    return y.unflatten(2, (h // 2, w // 2))


RIGHT["7.1"] = {
    "loops": down_by_loops,
    "modules": down_by_modules,
    "loaded modules": down_by_loading,
    "into zeros": down_into_zeros,
    "unfold": down_by_unfold,
    "every second of all": lambda x, w, b: F.conv2d(x, w, b, padding=1)[
        ..., 1::2, 1::2
    ],
    "bias afterwards": lambda x, w, b: (
        F.conv2d(F.pad(x, (0, 1, 0, 1)), w, stride=2) + b.view(1, -1, 1, 1)
    ),
    "padded by two, cropped": lambda x, w, b: F.conv2d(
        x, w, b, stride=2, padding=2
    )[:, :, 1:, 1:],
    "two on the right side": lambda x, w, b: F.conv2d(
        F.pad(x, (0, 2, 0, 2)), w, b, stride=2
    ),
    "one axis after the other": lambda x, w, b: F.conv2d(
        F.pad(F.pad(x, (0, 1)), (0, 0, 0, 1)), w, b, stride=2
    ),
}


def padded(pad, **how):
    return lambda x, w, b: F.conv2d(F.pad(x, pad, **how), w, b, stride=2)


WRONG["7.1"] = {
    "padding=1": (
        lambda x, w, b: F.conv2d(x, w, b, stride=2, padding=1),
        "padding on both sides",
    ),
    "all four": (padded((1, 1, 1, 1)), "padding on both sides"),
    "left, top": (padded((1, 0, 1, 0)), "padding on both sides"),
    "left, bottom": (
        padded((1, 0, 0, 1)),
        "one axis padded at its beginning",
    ),
    "right, top": (padded((0, 1, 1, 0)), "one axis padded at its beginning"),
    "right alone": (padded((0, 1, 0, 0)), None),
    "bottom alone": (padded((0, 0, 0, 1)), None),
    "as (top, bottom, left, right) 1 0": (padded((1, 0)), None),
    "none": (
        lambda x, w, b: F.conv2d(x, w, b, stride=2),
        "no padding",
    ),
    "padding=2": (
        lambda x, w, b: F.conv2d(x, w, b, stride=2, padding=2),
        None,
    ),
    "padding=2, wrong crop": (
        lambda x, w, b: F.conv2d(x, w, b, stride=2, padding=2)[:, :, :-1, :-1],
        None,
    ),
    "replicate": (padded((0, 1, 0, 1), mode="replicate"), "the edge repeated"),
    "reflect": (padded((0, 1, 0, 1), mode="reflect"), "the edge repeated"),
    "circular": (padded((0, 1, 0, 1), mode="circular"), "the edge repeated"),
    "ones": (padded((0, 1, 0, 1), value=1.0), "the padding is not zero"),
    "no bias": (
        lambda x, w, b: F.conv2d(F.pad(x, (0, 1, 0, 1)), w, stride=2),
        "the bias is forgotten",
    ),
    "bias twice": (lambda x, w, b: down(x, w, 2 * b), None),
    "stride 1": (
        lambda x, w, b: F.conv2d(F.pad(x, (0, 1, 0, 1)), w, b),
        None,
    ),
    "stride 1, first of two": (
        lambda x, w, b: F.conv2d(x, w, b, padding=1)[..., ::2, ::2],
        "padding on both sides",
    ),
    "averaged": (
        lambda x, w, b: F.avg_pool2d(F.conv2d(x, w, b, padding=1), 2),
        "pooled",
    ),
    "largest": (
        lambda x, w, b: F.max_pool2d(F.conv2d(x, w, b, padding=1), 2),
        None,
    ),
    "averaged first": (
        lambda x, w, b: F.conv2d(F.avg_pool2d(x, 2), w, b, padding=1),
        None,
    ),
    "skipped first": (
        lambda x, w, b: F.conv2d(x[..., ::2, ::2], w, b, padding=1),
        None,
    ),
    "interpolated": (
        lambda x, w, b: F.interpolate(
            F.conv2d(x, w, b, padding=1), scale_factor=0.5
        ),
        "padding on both sides",
    ),
    "kernel turned": (
        lambda x, w, b: down(x, w.flip(2, 3), b),
        "a kernel turned round",
    ),
    "kernel transposed": (
        lambda x, w, b: down(x, w.mT, b),
        "width and height exchanged",
    ),
    "image transposed": (
        lambda x, w, b: down(x.mT, w, b).mT,
        "width and height exchanged",
    ),
    "shifted": (lambda x, w, b: down(x.roll((-1, -1), (2, 3)), w, b), None),
    "detached": (lambda x, w, b: down(x.detach(), w, b), None),
    "under no_grad": (torch.no_grad()(down), None),
    "activated": (lambda x, w, b: F.silu(down(x, w, b)), None),
    "first image": (
        lambda x, w, b: down(x[:1], w, b).expand(len(x), -1, -1, -1),
        None,
    ),
    "clamped": (
        lambda x, w, b: down(x.clamp(-4, 4), w, b),
        None,
    ),
    "clipped weights": (
        lambda x, w, b: down(x, w.clamp(-4, 4), b.clamp(-4, 4)),
        None,
    ),
}

# --- 7.2: from moments to a latent -------------------------------------------

draw = registry.find("7.2").solution


def draw_by_loops(moments, noise):
    out = torch.empty_like(noise)
    b, c, h, w = noise.shape
    for n in range(b):
        for k in range(c):
            for i in range(h):
                for j in range(w):
                    log_var = moments[n, c + k, i, j].clamp(-30, 20)
                    out[n, k, i, j] = (
                        moments[n, k, i, j]
                        + torch.exp(log_var / 2) * noise[n, k, i, j]
                    )
    return out


def draw_in_place(moments, noise):
    mean, log_var = (each.clone() for each in moments.chunk(2, 1))
    log_var.clamp_(-30, 20).mul_(0.5)
    return mean.add_(log_var.exp().mul(noise))


def draw_with_minimum(moments, noise):
    c = noise.shape[1]
    mean, log_var = torch.split(moments, [c, c], dim=1)
    log_var = torch.minimum(log_var, torch.full_like(log_var, 20))
    log_var = torch.maximum(log_var, torch.full_like(log_var, -30))
    return mean + log_var.exp().sqrt() * noise


RIGHT["7.2"] = {
    "loops": draw_by_loops,
    "in place on a copy": draw_in_place,
    "minimum, maximum": draw_with_minimum,
    "tensor_split": lambda m, e: (
        torch.tensor_split(m, 2, 1)[0]
        + e * m.tensor_split(2, 1)[1].clip(-30, 20).mul(0.5).exp()
    ),
    "unflatten": lambda m, e: (
        lambda p: p[:, 0] + (p[:, 1].clamp(-30, 20) / 2).exp() * e
    )(m.unflatten(1, (2, -1))),
    "einsum": lambda m, e: (
        m[:, : e.shape[1]]
        + torch.einsum(
            "bchw,bchw->bchw",
            torch.exp(torch.clamp(m[:, e.shape[1] :], -30.0, 20.0) * 0.5),
            e,
        )
    ),
    "a distribution": lambda m, e: (lambda q: q.loc + q.scale * e)(
        D.Normal(m.chunk(2, 1)[0], (m.chunk(2, 1)[1].clamp(-30, 20) / 2).exp())
    ),
    "half the bounds": lambda m, e: (
        m.chunk(2, 1)[0] + (0.5 * m.chunk(2, 1)[1]).clamp(-15, 10).exp() * e
    ),
    "noise cut off": lambda m, e: draw(m, e.detach()),
    "σ bounded": lambda m, e: (
        m.chunk(2, 1)[0]
        + (m.chunk(2, 1)[1].clamp(-60, 60) / 2)
        .exp()
        .clamp(math.exp(-15), math.exp(10))
        * e
    ),
}


def std(change):
    return lambda m, e: m.chunk(2, 1)[0] + change(m.chunk(2, 1)[1]) * e


WRONG["7.2"] = {
    "no half": (
        std(lambda v: v.clamp(-30, 20).exp()),
        "the ½ is missing",
    ),
    "a quarter": (std(lambda v: (v.clamp(-30, 20) / 4).exp()), None),
    "minus": (std(lambda v: (-v.clamp(-30, 20) / 2).exp()), None),
    "no clamp": (std(lambda v: (v / 2).exp()), "no clamp"),
    "clamp thrown away": (
        std(lambda v: (v.clamp(-30, 20), (v / 2).exp())[1]),
        "no clamp",
    ),
    "upper alone": (
        std(lambda v: (v.clamp(max=20) / 2).exp()),
        "clamped at one end alone",
    ),
    "lower alone": (
        std(lambda v: (v.clamp(min=-30) / 2).exp()),
        "clamped at one end alone",
    ),
    "after halving": (
        std(lambda v: (v / 2).clamp(-30, 20).exp()),
        "clamped after halving",
    ),
    "±20": (std(lambda v: (v.clamp(-20, 20) / 2).exp()), None),
    "±30": (std(lambda v: (v.clamp(-30, 30) / 2).exp()), None),
    "exchanged bounds": (std(lambda v: (v.clamp(-20, 30) / 2).exp()), None),
    "±10": (std(lambda v: (v.clamp(-10, 10) / 2).exp()), None),
    "to [−30, 10]": (std(lambda v: (v.clamp(-30, 10) / 2).exp()), None),
    "σ clamped": (
        std(lambda v: (v / 2).exp().clamp(-30, 20)),
        "σ is clamped",
    ),
    "means clamped": (
        lambda m, e: draw(m.clamp(-30, 20), e),
        "the means are clamped, too",
    ),
    "latent clamped": (lambda m, e: draw(m, e).clamp(-30, 20), None),
    "log-variance": (
        std(lambda v: v.clamp(-30, 20)),
        "log-variance for standard deviation",
    ),
    "half of it": (std(lambda v: v.clamp(-30, 20) / 2), None),
    "root of it": (std(lambda v: v.clamp(0, 20).sqrt()), None),
    "softplus": (std(F.softplus), None),
    "1 + e^v": (std(lambda v: 1 + (v.clamp(-30, 20) / 2).exp()), None),
    "halves exchanged": (
        lambda m, e: draw(torch.cat(m.chunk(2, 1)[::-1], 1), e),
        "the halves swapped",
    ),
    "even and odd": (
        lambda m, e: draw(torch.cat([m[:, ::2], m[:, 1::2]], 1), e),
        "even and odd channels",
    ),
    "split late": (
        lambda m, e: (
            m + (m.clamp(-30, 20) / 2).exp() * torch.cat([e, e], 1)
        ).chunk(2, 1)[0],
        "split after the draw",
    ),
    "the mean": (lambda m, e: m.chunk(2, 1)[0] * 1, "the noise is dropped"),
    "own noise": (
        lambda m, e: draw(m, torch.randn_like(e)),
        "noise of one's own",
    ),
    "own noise, another way": (
        lambda m, e: draw(m, torch.rand_like(e)),
        None,
    ),
    "noise subtracted": (lambda m, e: draw(m, -e), None),
    "one noise for all channels": (
        lambda m, e: draw(m, e[:, :1].expand_as(e)),
        None,
    ),
    "one noise for all images": (
        lambda m, e: draw(m, e[:1].expand_as(e)),
        None,
    ),
    "detached": (
        lambda m, e: draw(m.detach(), e),
        "no gradient to the moments",
    ),
    "under no_grad": (torch.no_grad()(draw), "no gradient to the moments"),
    "σ detached": (
        lambda m, e: (
            m.chunk(2, 1)[0]
            + (m.chunk(2, 1)[1].clamp(-30, 20) / 2).exp().detach() * e
        ),
        "no gradient to σ",
    ),
    "scaled": (lambda m, e: 0.18215 * draw(m, e), None),
    "split along the batch": (
        lambda m, e: draw(m.chunk(2, 0)[0], e),
        None,
    ),
    "clamped in place": (
        lambda m, e: (
            m[:, : e.shape[1]]
            + (m[:, e.shape[1] :].clamp_(-30, 20) / 2).exp() * e
        ),
        None,
    ),
    "noise without axes of one": (
        lambda moments, noise: draw(moments, noise.squeeze()),
        None,
    ),
}

# --- 7.3: one block, two names -----------------------------------------------

named = registry.find("7.3").solution
START = "first_stage_model."


def named_by_splitting(name):
    parts = name.split(".")[1:]
    parts[1:3] = ["up_blocks", str(3 - int(parts[2]))]
    parts[3] = "resnets"
    if parts[5] == "nin_shortcut":
        parts[5] = "conv_shortcut"
    return ".".join(parts)


def named_by_replacing(name):
    name = name.replace(START, "").replace("nin_", "conv_")
    for i in range(4):
        name = name.replace(f".up.{i}.block.", f".up_blocks.{3 - i}.resnets.")
    return name


def named_letter_by_letter(name):
    name = name[len(START) :]
    at = name.index("up.") + 3
    level = {"0": "3", "1": "2", "2": "1", "3": "0"}[name[at]]
    tail = name[at + len("0.block.") :]
    tail = "conv_shortcut".join(tail.split("nin_shortcut"))
    return f"decoder.up_blocks.{level}.resnets.{tail}"


RIGHT["7.3"] = {
    "splitting": named_by_splitting,
    "replacing": named_by_replacing,
    "letter by letter": named_letter_by_letter,
    "a pattern": lambda name: re.sub(
        r".*up\.(\d)\.block\.(\d)\.(?:(nin)_)?(.*)",
        lambda m: (
            f"decoder.up_blocks.{3 - int(m[1])}.resnets.{m[2]}."
            f"{'conv_' if m[3] else ''}{m[4]}"
        ),
        name,
    ),
    "match": lambda name: (
        lambda m: "decoder.up_blocks.{}.resnets.{}.{}.{}".format(
            "3210"[int(m["level"])],
            m["block"],
            m["layer"].replace("nin", "conv"),
            m["kind"],
        )
    )(
        re.match(
            r"first_stage_model\.decoder\.up\.(?P<level>\d)\.block\."
            r"(?P<block>\d)\.(?P<layer>\w+)\.(?P<kind>\w+)",
            name,
        )
    ),
    "partition": lambda name: (
        lambda level, _, rest: (
            f"decoder.up_blocks.{abs(int(level) - 3)}.resnets."
            + rest.replace("nin_shortcut", "conv_shortcut")
        )
    )(*name.partition(".up.")[2].partition(".block.")),
    "bits": lambda name: "decoder.up_blocks.{}.resnets.{}.{}.{}".format(
        ~int(name.split(".")[3]) & 3,
        *name.replace("nin", "conv").split(".")[5:],
    ),
}


def renamed(change):
    return lambda name: change(named(name))


WRONG["7.3"] = {
    "level kept": (
        lambda name: re.sub(
            r"up_blocks\.\d", "up_blocks." + name.split(".")[3], named(name)
        ),
        "levels not reversed",
    ),
    "from 4": (
        lambda name: re.sub(
            r"up_blocks\.\d",
            f"up_blocks.{4 - int(name.split('.')[3])}",
            named(name),
        ),
        "levels counted from 4",
    ),
    "block reversed": (
        lambda name: re.sub(
            r"resnets\.(\d)", lambda m: f"resnets.{2 - int(m[1])}", named(name)
        ),
        "blocks reversed, too",
    ),
    "prefix kept": (renamed(lambda n: START + n), "the prefix stays"),
    "shortcut kept": (
        renamed(lambda n: n.replace("conv_sh", "nin_sh")),
        "the shortcut keeps its name",
    ),
    "block kept": (
        renamed(lambda n: n.replace("resnets", "block")),
        "block, not resnets",
    ),
    "blocks": (renamed(lambda n: n.replace("resnets", "blocks")), None),
    "resnet": (renamed(lambda n: n.replace("resnets", "resnet")), None),
    "up kept": (renamed(lambda n: n.replace("up_blocks", "up")), None),
    "up_block": (renamed(lambda n: n.replace("up_blocks", "up_block")), None),
    "twice": (
        renamed(lambda n: n.replace("up_blocks", "up_blocks_blocks")),
        "every up replaced",
    ),
    "no decoder": (renamed(lambda n: n.removeprefix("decoder.")), None),
    "encoder": (renamed(lambda n: n.replace("decoder", "encoder")), None),
    "down": (renamed(lambda n: n.replace("up_", "down_")), None),
    "lstrip": (
        lambda name: named(name).lstrip(START),
        None,
    ),
    "the first word lost": (lambda name: named(name)[3:], None),
    "level 3 always": (
        lambda name: re.sub(r"up_blocks\.\d", "up_blocks.3", named(name)),
        None,
    ),
    "1 − i": (
        lambda name: re.sub(
            r"up_blocks\.\d",
            f"up_blocks.{1 - int(name.split('.')[3])}",
            named(name),
        ),
        None,
    ),
    "every 0 a 3": (
        lambda name: named_by_splitting(name).replace("0", "3"),
        None,
    ),
    "no kind": (renamed(lambda n: n.rsplit(".", 1)[0]), None),
    "weights alone": (
        renamed(lambda n: n.rsplit(".", 1)[0] + ".weight"),
        None,
    ),
    "the example": (
        lambda name: "decoder.up_blocks.3.resnets.0.conv_shortcut.weight",
        None,
    ),
    "as it was": (lambda name: name, None),
    "a list": (renamed(lambda n: n.split(".")), None),
    "in capitals": (renamed(str.upper), None),
    "with a blank": (renamed(lambda n: n + " "), None),
    "slashes": (renamed(lambda n: n.replace(".", "/")), None),
    "a tuple": (renamed(lambda n: (n,)), None),
    "bytes": (renamed(str.encode), None),
    "every nin": (renamed(lambda n: n.replace("conv", "nin")), None),
}

# --- 7.4: the latent scale ---------------------------------------------------

scale_of = registry.find("7.4").solution
RIGHT["7.4"] = {
    "a float": lambda z: 1.0 / z.std().item(),
    "a tensor of one": lambda z: (1 / z.flatten().std()).reshape(1),
    "numpy": lambda z: 1 / np.std(z.numpy()),
    "loops": lambda z: (
        lambda v: (
            (sum((a - sum(v) / len(v)) ** 2 for a in v) / len(v)) ** -0.5
            if len(v) < 0
            else 1 / np.std(v)
        )
    )(z.flatten().tolist()),
    "two moments": lambda z: (
        z.double().square().mean() - z.double().mean() ** 2
    ).rsqrt(),
    "variances and means": lambda z: (
        (
            z.double().var((2, 3), correction=0).mean()
            + z.double().mean((2, 3)).var(correction=0)
        )
        ** -0.5
    ),
    "Decimal": lambda z: Decimal(1) / Decimal(z.std().item()),
    "a power": lambda z: torch.pow(z.var(unbiased=False), -0.5),
    "an array of one": lambda z: np.array([1 / z.numpy().std(ddof=1)]),
    "detached": lambda z: (
        z.detach().clone().sub_(z.mean()).norm() ** -1 * z.numel() ** 0.5
    ),
}
WRONG["7.4"] = {
    "std": (lambda z: z.std(), "the standard deviation itself"),
    "1 over var": (lambda z: 1 / z.var(), "one over the variance"),
    "var": (lambda z: z.var(), None),
    "root mean square": (
        lambda z: z.square().mean().rsqrt(),
        "the mean is forgotten",
    ),
    "1 over mean": (lambda z: 1 / z.mean(), None),
    "channels": (
        lambda z: 1 / z.std((0, 2, 3)).mean(),
        "each channel by itself",
    ),
    "channels, inverted first": (
        lambda z: (1 / z.std((0, 2, 3))).mean(),
        "each channel by itself",
    ),
    "a number a channel": (lambda z: 1 / z.std((0, 2, 3)), None),
    "images": (
        lambda z: 1 / z.std((1, 2, 3)).mean(),
        "each image by itself",
    ),
    "images, variances": (
        lambda z: 1 / z.var((1, 2, 3)).mean().sqrt(),
        "each image by itself",
    ),
    "images, inverted first": (
        lambda z: (1 / z.std((1, 2, 3))).mean(),
        "each image by itself",
    ),
    "positions": (
        lambda z: 1 / z.std((2, 3)).mean(),
        "each position by itself",
    ),
    "batch std": (lambda z: 1 / z.std(0).mean(), None),
    "first image": (lambda z: 1 / z[0].std(), "one image alone"),
    "first channel": (lambda z: 1 / z[:, 0].std(), None),
    "constant": (lambda z: 0.18215, "Stable Diffusion's own number"),
    "constant, SDXL": (lambda z: 0.13025, None),
    "one": (lambda z: 1.0, None),
    "absolute": (
        lambda z: 1 / (z - z.mean()).abs().mean(),
        "the mean absolute deviation",
    ),
    "absolute, no mean": (lambda z: 1 / z.abs().mean(), None),
    "range": (lambda z: 1 / (z.max() - z.min()), "one over the range"),
    "largest": (lambda z: 1 / z.abs().max(), "one over the range"),
    "root of it": (lambda z: z.std().rsqrt(), None),
    "norm": (lambda z: 1 / z.norm(), None),
    "scaled latents": (lambda z: z / z.std(), None),
    "a pair": (lambda z: (1 / z.std(), z.mean()), None),
    "rounded": (lambda z: (1 / z.std()).round(decimals=1), None),
    "minus": (lambda z: -1 / z.std(), None),
    "plus eps": (lambda z: 1 / (z.std() + 0.01), None),
    "median": (lambda z: 1 / (z - z.median()).abs().median(), None),
    "half the latents": (lambda z: 1 / z[: -(-len(z) // 2)].std(), None),
    "rows": (lambda z: 1 / z.std(3).mean(), None),
    "at most 1": (lambda z: (1 / z.std()).clamp(max=1), None),
    "a floor under the deviation": (
        lambda z: 1 / z.std().clamp(min=0.05),
        None,
    ),
}

# --- 7.5: scaling latents ----------------------------------------------------

scale = registry.find("7.5").solution


def scale_by_loops(z, scale, shift):
    flat = [(each - shift) * scale for each in z.flatten().tolist()]
    return torch.tensor(flat, dtype=z.dtype).view(z.shape)


RIGHT["7.5"] = {
    "loops": scale_by_loops,
    "in place on a copy": lambda z, s, t: z.clone().sub_(t).mul_(s),
    "numpy": lambda z, s, t: torch.from_numpy((z.numpy() - t) * s).to(z),
    "multiplied out": lambda z, s, t: z * s - s * t,
    "under no_grad": torch.no_grad()(scale),
    "divided": lambda z, s, t: (z - t) / (1 / s),
    "addcmul": lambda z, s, t: torch.addcmul(
        torch.full_like(z, -s * t), z, torch.full_like(z, s)
    ),
    "an affine map": lambda z, s, t: D.AffineTransform(-s * t, s)(z),
    "+= on what is new": lambda z, s, t: (z - t).mul_(s),
    "einsum": lambda z, s, t: torch.einsum(
        "bchw,->bchw", z - t, torch.tensor(s, dtype=z.dtype)
    ),
}


def in_place(z, scale, shift):
    z -= shift
    z *= scale
    return z


def half_in_place(z, scale, shift):
    z -= shift
    return z * scale


WRONG["7.5"] = {
    "in place": (in_place, "in place"),
    "half in place": (half_in_place, "in place"),
    "undone in place": (
        lambda z, s, t: (z.sub_(t), z * s, z.add_(t))[1],
        "in place",
    ),
    "scale first": (lambda z, s, t: z * s - t, "scale first"),
    "added": (lambda z, s, t: (z + t) * s, "the shift added"),
    "back": (lambda z, s, t: z / s + t, "the way back"),
    "back, no brackets": (lambda z, s, t: (z + t) / s, None),
    "divided": (lambda z, s, t: (z - t) / s, "divided"),
    "no shift": (lambda z, s, t: z * s, "no shift"),
    "no scale": (lambda z, s, t: z - t, "the scale is forgotten"),
    "neither": (lambda z, s, t: z.clone(), None),
    "shift scaled": (
        lambda z, s, t: z - t * s,
        "the shift is scaled twice",
    ),
    "shift scaled twice": (
        lambda z, s, t: (z - t * s) * s,
        "the shift is scaled twice",
    ),
    "wrong way round": (
        lambda z, s, t: (t - z) * s,
        "subtracted the wrong way round",
    ),
    "scale for shift": (lambda z, s, t: (z - s) * t, None),
    "Flux's numbers": (lambda z, s, t: (z - 0.1159) * 0.3611, None),
    "SD1's number": (lambda z, s, t: (z - t) * 0.18215, None),
    "standardised": (
        lambda z, s, t: (z - z.mean()) / z.std(),
        "statistics of the batch",
    ),
    "own mean": (lambda z, s, t: (z - z.mean()) * s, None),
    "clamped": (lambda z, s, t: scale(z, s, t).clamp(-5, 5), None),
    "clamped far out": (lambda z, s, t: scale(z, s, t).clamp(-20, 20), None),
    "first channel alone": (
        lambda z, s, t: torch.cat([scale(z[:, :1], s, t), z[:, 1:]], 1),
        None,
    ),
    "shift where negative": (lambda z, s, t: (z - t * z.sign()) * s, None),
    "half precision": (
        lambda z, s, t: scale(z.half(), s, t).to(z.dtype),
        None,
    ),
    "rounded": (lambda z, s, t: scale(z, s, t).round(decimals=2), None),
    "in double": (lambda z, s, t: scale(z.double(), s, t).float(), None),
    "squared": (lambda z, s, t: (z - t) * s * s, None),
    "root": (lambda z, s, t: (z - t) * s**0.5, None),
    "flattened": (lambda z, s, t: scale(z, s, t).flatten(1), None),
    "averaged": (lambda z, s, t: scale(z, s, t).mean(), None),
}
