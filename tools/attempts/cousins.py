"""What is easily taken for something else: functions, values, noise."""

from __future__ import annotations

import torch
from torch import Tensor

# A function and those that a student might write in its place.
COUSINS = {
    "sum": ("mean", "prod", "amax"),
    "mean": ("sum", "median", "std", "mode"),
    "square": ("abs", "sqrt", "exp"),
    "abs": ("square", "neg"),
    "sqrt": ("square", "abs"),
    "rsqrt": ("sqrt", "reciprocal"),
    "exp": ("expm1", "abs", "sigmoid", "square"),
    "expm1": ("exp",),
    "log": ("log2", "log10", "log1p", "exp"),
    "log1p": ("log",),
    "log2": ("log", "log10"),
    "std": ("var", "mean"),
    "var": ("std",),
    "pvariance": ("variance", "pstdev"),
    "norm": ("sum", "mean"),
    "min": ("max", "mean"),
    "max": ("min", "mean"),
    "amax": ("amin", "sum"),
    "minimum": ("maximum",),
    "maximum": ("minimum",),
    "argmax": ("argmin",),
    "softmax": ("log_softmax", "sigmoid"),
    "log_softmax": ("softmax",),
    "logsumexp": ("sum", "softmax"),
    "softplus": ("relu", "sigmoid"),
    "logsigmoid": ("sigmoid", "softplus"),
    "sigmoid": ("tanh", "exp", "relu"),
    "tanh": ("sigmoid",),
    "silu": ("relu", "selu", "gelu"),
    "SiLU": ("ReLU", "SELU", "GELU", "Identity"),
    "ReLU": ("Identity", "Sigmoid"),
    "arccos": ("arcsin", "cos"),
    "acos": ("asin", "cos"),
    "arcsin": ("arccos", "sin"),
    "asin": ("acos", "sin"),
    "rad2deg": ("deg2rad",),
    "svdvals": ("det", "eigvals"),
    "logdet": ("det", "trace"),
    "slogdet": ("det",),
    "solve": ("matmul",),
    "inv": ("pinv", "det"),
    "randn": ("rand", "zeros", "ones"),
    "randn_like": ("rand_like", "zeros_like", "ones_like"),
    "rand": ("randn", "ones"),
    "rand_like": ("randn_like", "ones_like"),
    "rsample": ("sample",),
    "sample": ("rsample",),
    "mode": ("mean",),
    "scale": ("variance", "loc"),
    "stddev": ("variance",),
    "variance": ("stddev",),
    "loc": ("scale",),
    "probs": ("logits",),
    "logits": ("probs",),
    "linspace": ("arange",),
    "split": ("chunk",),
    "chunk": ("split",),
    "flatten": ("squeeze",),
    "cumsum": ("cumprod",),
    "mse_loss": ("l1_loss", "smooth_l1_loss"),
    "binary_cross_entropy_with_logits": (
        "binary_cross_entropy",
        "mse_loss",
    ),
    "log_prob": ("cdf",),
    "Laplace": ("Normal", "Cauchy"),
    "Normal": ("Laplace", "Uniform"),
    "round": ("floor", "ceil"),
    "distortion": ("rate",),
    "rate": ("distortion",),
    "loss": ("value",),
    "train_images": ("test_images",),
    "removeprefix": ("lstrip",),
    "lstrip": ("strip",),
    "interpolate": ("repeat",),
    "constant": ("reflect",),
    "masked_fill": ("mul",),
    "tril": ("triu",),
    "triu": ("tril",),
}

# What is done to a value on the way; each changes it or its graph.
WRAPS = {
    "detach": lambda v: v.detach(),
    "batch mean": lambda v: v - v.mean(0, keepdim=True) if v.ndim else v - v,
    "clamp 4": lambda v: v.clamp(-4, 4),
    "at least 0.05": lambda v: v.clamp(min=0.05),
    "half precision": lambda v: (
        v.bfloat16().to(v.dtype) if v.is_floating_point() else v
    ),
    "double": lambda v: v.double() if v.is_floating_point() else v.neg(),
    "squeeze": lambda v: v.squeeze(),
    "keepdim": lambda v: v.unsqueeze(-1),
    "sum": lambda v: v.sum(),
    "mean": lambda v: v.mean() if v.is_floating_point() else v,
    "row mean": lambda v: (
        v.mean(-1, keepdim=True).expand_as(v) if v.ndim else v
    ),
    "first row": lambda v: v[:1].expand_as(v) if v.ndim else v,
    "flipped": lambda v: v.flip(0) if v.ndim else v,
    "numpy": lambda v: v.detach().numpy(),
}


def _in_place(value: Tensor) -> Tensor:
    with torch.no_grad():
        return value.mul_(1.0)


def _relu_in_place(value: Tensor) -> Tensor:
    with torch.no_grad():
        return value.clamp_(min=-1e9)


# What is done to an input before anything else.
ARGUMENTS = {
    "detached": lambda v: v.detach(),
    "written to": _in_place,
    "clamped in place": _relu_in_place,
    "in single precision": lambda v: v.float(),
    "in half precision": lambda v: v.bfloat16().to(v.dtype),
    "squeezed": lambda v: v.squeeze(),
    "clamped to 4": lambda v: v.clamp(-4, 4),
    "clamped to 30": lambda v: v.clamp(-30, 30),
    "rounded": lambda v: v.round(),
    "first row alone": lambda v: v[:1].expand_as(v) if v.ndim else v,
    "without last row": lambda v: v[:-1],
    "centred over the batch": lambda v: (
        v - v.mean(0, keepdim=True) if v.ndim else v
    ),
    "made finite": lambda v: torch.nan_to_num(v, posinf=1e4, neginf=-1e4),
    "shifted": lambda v: v + 0.01,
}


def _antithetic(noise: Tensor) -> Tensor:
    half = noise[: (len(noise) + 1) // 2]
    return torch.cat([half, -half])[: len(noise)]


def _repeated(noise: Tensor) -> Tensor:
    half = noise[: (len(noise) + 1) // 2]
    return torch.cat([half, half])[: len(noise)]


def _column_antithetic(noise: Tensor) -> Tensor:
    return _antithetic(noise.movedim(-1, 0)).movedim(0, -1)


# Noise that is shared along an axis, or is not quite what it should be.
NOISE = {
    "one row for all": lambda n: n[:1].expand_as(n),
    "one column for all": lambda n: n[..., :1].expand_as(n),
    "one number": lambda n: n.flatten()[0].expand_as(n),
    "antithetic rows": _antithetic,
    "antithetic columns": _column_antithetic,
    "repeated rows": _repeated,
    "positive": lambda n: n.abs(),
    "clipped": lambda n: n.clamp(-2, 2),
    "signs": lambda n: n.sign(),
    "shrunk": lambda n: 0.9 * n,
    "standardised": lambda n: (n - n.mean()) / n.std(),
}
