"""Group norm that is exact on large images, and lean in training.

Source: Wu & He 2018 (https://arxiv.org/abs/1803.08494), equations 1 to 3.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn import functional as F

PIECE = 2**17  # numbers worked on at a time: on a CPU they stay in its cache


class GroupNorm(nn.GroupNorm):
    """Gives each group of channels of each image mean 0 and variance 1.

    As :class:`torch.nn.GroupNorm`, with three differences. Its eps is 1e-6, as
    everywhere in the Stable Diffusion family, not 1e-5. It can go on to SiLU,
    which follows nearly every norm of the family: in one step the two keep
    nothing for the backward pass but their input. And on a CPU it is exact.
    There PyTorch takes the variance of channels-last maps as E[x²] − E[x]²
    from sums in single precision: four right digits are left at 1024×1024, and
    at any size fewer the further the mean is from 0. Here deviations are taken
    from a mean near at hand, piece by piece, and the pieces are added up in
    double precision. Small maps and other layouts are centred, group by group,
    before they go to PyTorch; of half precision, the groups that are far from
    0, where that rounds nothing.

    Other devices are left to PyTorch as they are, and so is whoever looks into
    the norm: ``torch.compile``, ``torch.export``, ``torch.jit.trace``, the
    transforms of ``torch.func`` and forward-mode derivatives. Second
    derivatives go through PyTorch's formula.
    """

    def __init__(self, groups: int, channels: int):
        super().__init__(groups, channels, eps=1e-6)

    def forward(self, x: Tensor, silu: bool = False) -> Tensor:
        """The norm of x, (B, C, ...), or with ``silu`` SiLU of the norm."""
        if looked_into() or _is_pytorchs(x):
            # PyTorch 2.6 has no forward derivative for other layouts.
            y = super().forward(x.contiguous() if _is_derived() else x)
            return F.silu(y, inplace=True) if silu else y
        half = x.dtype in (torch.bfloat16, torch.float16)
        channels_last = x.dim() == 4 and x.stride(1) == 1 and x.shape[1] > 1
        if channels_last and x[0].numel() > PIECE and not half:
            how = self.num_groups, self.eps, silu
            return _Norm.apply(x, self.weight, self.bias, *how)
        y = super().forward(self._nearer(x) if half else self._centred(x))
        return F.silu(y, inplace=True) if silu else y

    def _centred(self, x: Tensor) -> Tensor:
        """x with its groups around 0, by a shift that the norm takes off."""
        sides = tuple(range(2, x.dim()))
        mean = x.detach().mean(dim=sides) if sides else x.detach()
        mean = mean.view(len(x), self.num_groups, -1).mean(dim=2)
        return self._shifted(x, mean)

    def _nearer(self, x: Tensor) -> Tensor:
        """x with the groups around 0 that are far from it as they spread.

        Of such numbers a difference is exact; nearer to 0 it would be rounded,
        and PyTorch's sums lose nothing. A few rows and columns tell.
        """
        steps = (slice(None, None, max(1, n // 16)) for n in x.shape[2:])
        few = x.detach()[(..., *steps)]  # a view: nothing large is copied
        few = few.float().reshape(len(x), self.num_groups, -1)
        mean, spread = few.mean(dim=2), few.std(dim=2, correction=0)
        far = mean.abs() > 8 * spread
        return self._shifted(x, mean * far) if far.any() else x

    def _shifted(self, x: Tensor, mean: Tensor) -> Tensor:
        """x less a number for each group, (B, groups)."""
        b, c, *size = x.shape
        mean = mean.repeat_interleave(c // self.num_groups, dim=1)
        return x - mean.view(b, c, *[1] * len(size)).to(x.dtype)

    @torch.no_grad()
    def normalise(
        self, x: Tensor, moments: Sequence[Tensor], silu: bool = False
    ) -> Tensor:
        """The norm of some rows x of a map with these moments; no gradient."""
        return _forward(x, self.weight, self.bias, moments, silu)


class Moments:
    """Mean and variance of each group of channels, of a map in parts."""

    def __init__(self):
        self.counts: list[int] = []  # of each piece, and the two that follow:
        self.means: list[Tensor] = []  # (B, C)
        self.variances: list[Tensor] = []

    def add(self, x: Tensor) -> Tensor:
        """Counts in some rows of the map, (B, C, rows, W); returns them."""
        near = None
        for (piece,) in _pieces(x.detach()):  # (B, n, C)
            piece = _single(piece)
            if near is None:
                near = piece.mean(dim=1, keepdim=True)
            apart = piece - near
            rest = apart.mean(dim=1, keepdim=True)
            variance = apart.square_().mean(dim=1) - rest.square().squeeze(1)
            # On the CPU, because Apple's GPUs know no float64.
            mean = near.cpu().double() + rest.cpu()
            self.counts.append(piece.shape[1])
            self.means.append(mean.squeeze(1))
            self.variances.append(variance.cpu().double())
            near = near + rest  # is about the next piece's mean, too
        return x

    def of(self, groups: int, eps: float) -> tuple[Tensor, Tensor]:
        """Mean and 1/√(variance + eps), (B, groups) each, in float64."""
        counts = torch.tensor(self.counts, dtype=torch.float64)
        share = (counts / counts.sum()).view(-1, 1, 1, 1)
        means, variances = (
            torch.stack(m).unflatten(2, (groups, -1))
            for m in (self.means, self.variances)
        )  # (pieces, B, groups, channels of each)
        share = share / means.shape[3]
        mean = (share * means).sum(dim=(0, 3), keepdim=True)
        spread = variances + (means - mean).square()
        variance = (share * spread).sum(dim=(0, 3))
        return mean[0, ..., 0], (variance.clamp(min=0) + eps).rsqrt()


class _Norm(torch.autograd.Function):
    """Norm and SiLU. Keeps x and its moments, and computes all else twice."""

    @staticmethod
    def forward(ctx, x, weight, bias, groups, eps, silu):
        seen = Moments()
        seen.add(x)
        moments = seen.of(groups, eps)
        ctx.save_for_backward(x, weight, bias, *moments)
        ctx.how = groups, eps, silu
        return _forward(x, weight, bias, moments, silu)

    @staticmethod
    def backward(ctx, grad):
        x, weight, bias, *moments = ctx.saved_tensors
        groups, eps, silu = ctx.how
        if not torch.is_grad_enabled():
            grads = _backward(grad, x, weight, bias, moments, silu)
        else:  # somebody wants a derivative of this one
            y = F.group_norm(x, groups, weight, bias, eps)
            y = F.silu(y) if silu else y
            inputs = [t for t in (x, weight, bias) if t.requires_grad]
            found = iter(torch.autograd.grad(y, inputs, grad, None, True))
            wanted = ctx.needs_input_grad[:3]
            grads = [next(found) if want else None for want in wanted]
        return *grads, None, None, None


def _forward(x, weight, bias, moments, silu) -> Tensor:
    near, scale, shift = _to_unit(x, moments)
    weight, bias = _single(weight), _single(bias)
    scale, shift = scale * weight, torch.addcmul(bias, shift, weight)
    y = torch.empty_like(x, memory_format=torch.channels_last)
    wider = scale.dtype != x.dtype
    for piece, out in _pieces(x, y):
        apart = torch.sub(_single(piece), near, out=None if wider else out)
        made = torch.addcmul(shift, apart, scale, out=apart)
        made = F.silu(made, inplace=True) if silu else made
        if wider:
            out.copy_(made)
    return y


def _backward(grad, x, weight, bias, moments, silu) -> tuple[Tensor, ...]:
    """Gradients of x, weight and bias.

    With n the norm before weight and bias, g the gradient after them, and
    means over each group: ∂x = (w·g − mean(w·g) − n·mean(w·g·n)) / std.
    """
    near, scale, shift = _to_unit(x, moments)
    w, b = _single(weight), _single(bias)

    def again(piece, g):
        n = torch.addcmul(shift, _single(piece) - near, scale)  # (B, n, C)
        g = _single(g)
        if silu:
            g = torch.ops.aten.silu_backward(g, torch.addcmul(b, n, w))
        return n, g

    sums = torch.zeros(2, len(x), x.shape[1], dtype=torch.float64)
    for pieces in _pieces(x, grad):
        n, g = again(*pieces)
        sums[0] += g.sum(dim=1)
        sums[1] += n.mul_(g).sum(dim=1)
    d_bias, d_weight = sums.sum(dim=1).to(weight.dtype)
    groups = moments[0].shape[1]
    means = (sums * w).unflatten(2, (groups, -1)).mean(dim=3) / x[0, 0].numel()
    means = means.repeat_interleave(x.shape[1] // groups, dim=2).unsqueeze(2)
    mean_g, mean_gn = means.to(scale.dtype) * -scale  # (B, 1, C) each
    scaled = scale * w
    d_x = torch.empty_like(x, memory_format=torch.channels_last)
    for *pieces, out in _pieces(x, grad, d_x):
        n, g = again(*pieces)
        n = torch.addcmul(mean_g, n, mean_gn)
        out.copy_(n.addcmul_(g, scaled))
    return d_x, d_weight, d_bias


def looked_into() -> bool:
    """Whether somebody records the operations, or derives them forward."""
    return (
        torch.compiler.is_compiling()
        or torch.jit.is_tracing()
        or torch._C._are_functorch_transforms_active()
        or _is_derived()
    )


def _is_derived() -> bool:
    return forward_ad._current_level >= 0


def _is_pytorchs(x: Tensor) -> bool:
    """Whether PyTorch's own norm serves x better, or alone."""
    ours = x.device.type == "cpu" and x.dim() > 1 and x.numel() > 0
    return not (ours and x.is_floating_point())


def _to_unit(x: Tensor, moments: Sequence[Tensor]) -> Iterator[Tensor]:
    """near, scale, shift: (x − near)·scale + shift has mean 0, variance 1.

    x − near is exact where it matters, near the mean; the difference of x and
    a mean that is no number of single precision would not be.
    """
    mean, inverse_std = (
        m.repeat_interleave(x.shape[1] // m.shape[1], dim=1).unsqueeze(1)
        for m in moments
    )  # (B, 1, C)
    kind = torch.promote_types(x.dtype, torch.float32)
    near = mean.to(kind)
    shift = (near.double() - mean) * inverse_std
    return (t.to(x.device, kind) for t in (near, inverse_std, shift))


def _single(x: Tensor) -> Tensor:
    """x, widened to single precision where it has less."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _pieces(*maps: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Maps (B, C, H, W) in pieces (B, n, C) that lie at the same place."""
    b, c = maps[0].shape[:2]
    size = PIECE if maps[0].device.type == "cpu" else 64 * PIECE
    flat = (m.permute(0, 2, 3, 1).reshape(b, -1, c) for m in maps)
    parts = (m.split(max(1, size // (b * c)), dim=1) for m in flat)
    return zip(*parts, strict=True)
