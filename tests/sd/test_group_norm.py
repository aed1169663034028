"""Group norm: right to the last digits at every size and around any mean."""

import pytest
import torch
from diffusers_reference import relative
from torch import nn
from torch.nn import functional as F

from vae_course.sd.group_norm import GroupNorm, Moments


def norm(groups: int, channels: int) -> GroupNorm:
    """One whose scale and shift are not the identity."""
    torch.manual_seed(0)
    layer = GroupNorm(groups, channels)
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    return layer


def maps(*shape: int) -> torch.Tensor:
    """Random maps, channels-last, their channels of unlike means."""
    torch.manual_seed(1)
    x = torch.randn(shape) + torch.linspace(-2, 2, shape[1]).view(1, -1, 1, 1)
    return x.contiguous(memory_format=torch.channels_last)


def by_hand(layer: GroupNorm, x: torch.Tensor) -> torch.Tensor:
    """Wu & He 2018, equations 1 to 3, in double precision; eps is 1e-6."""
    b, c, h, w = x.shape
    grouped = x.double().view(b, layer.num_groups, -1, h, w)
    mean = grouped.mean(dim=(2, 3, 4), keepdim=True)
    var = (grouped - mean).square().mean(dim=(2, 3, 4), keepdim=True)
    y = ((grouped - mean) / (var + 1e-6).sqrt()).view(b, c, h, w)
    return y * layer.weight.view(-1, 1, 1) + layer.bias.view(-1, 1, 1)


@pytest.mark.parametrize("mean", [0.0, 30.0, 1000.0])
@pytest.mark.parametrize("side", [1, 7, 64, 105, 300])
def test_it_is_right_to_the_last_digits_at_every_size(side, mean):
    # PyTorch's sums are off by 1e-4 at a mean of 30, and by 50 at 1000.
    layer, x = norm(3, 12), mean + maps(2, 12, side, side)
    assert relative(layer(x), by_hand(layer, x)) < 1e-6


def test_double_precision_keeps_all_its_digits():
    layer, x = norm(3, 12).double(), 100 + maps(1, 12, 120, 120).double()
    assert relative(layer(x), by_hand(layer, x)) < 1e-13


@pytest.mark.parametrize("mean", [3.0, 30.0, 1000.0])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_types_keep_scale_and_shift_in_single_precision(dtype, mean):
    layer, x = norm(3, 12), (mean + 2 * maps(2, 12, 130, 140)).to(dtype)
    expected = by_hand(layer.to(dtype), x)
    rounding = torch.finfo(dtype).eps
    assert relative(layer(x).double(), expected) < rounding
    moments = Moments()
    moments.add(x)
    by_parts = layer.normalise(x, moments.of(3, layer.eps))
    assert by_parts.dtype == dtype
    assert relative(by_parts.double(), expected) < rounding


@pytest.mark.parametrize(
    "shape", [(0, 12, 8, 8), (2, 12), (2, 12, 9), (2, 12, 3, 4, 5)]
)
def test_other_shapes_are_as_in_pytorch(shape):
    layer, x = norm(3, 12), torch.randn(shape)
    expected = nn.GroupNorm.forward(layer, x)
    torch.testing.assert_close(layer(x), expected)
    torch.testing.assert_close(layer(x, silu=True), F.silu(expected))


def test_a_layout_that_is_none_of_the_usual_is_no_matter():
    layer, x = norm(3, 12), 30 + maps(2, 12, 140, 130)
    expected = by_hand(layer, x)
    for odd in (x.contiguous(), x.mT.contiguous().mT, x[:, :, ::2, 1:]):
        odd_expected = by_hand(layer, odd)
        assert relative(layer(odd), odd_expected) < 1e-6
    assert relative(layer(x), expected) < 1e-6


def gradients(forward, x, layer, **options):
    torch.manual_seed(2)
    y = forward(x)
    loss = (y * torch.randn_like(y)).sum()
    inputs = [x, layer.weight, layer.bias]
    return torch.autograd.grad(loss, inputs, **options)


@pytest.mark.parametrize("mean", [0.0, 30.0])
@pytest.mark.parametrize("silu", [False, True])
@pytest.mark.parametrize("side", [9, 110])
def test_its_gradients_are_right(side, silu, mean):
    layer = norm(3, 12)
    x = (mean + maps(2, 12, side, side)).requires_grad_()
    ours = gradients(lambda x: layer(x, silu), x, layer)

    exact, wide = norm(3, 12).double(), x.detach().double().requires_grad_()
    torch.testing.assert_close(exact.weight.float(), layer.weight)

    def formula(x):
        y = by_hand(exact, x)
        return F.silu(y) if silu else y

    torch.manual_seed(2)
    like = torch.randn_like(x).double()
    loss = (formula(wide) * like).sum()
    theirs = torch.autograd.grad(loss, [wide, exact.weight, exact.bias])
    for mine, right in zip(ours, theirs, strict=True):
        assert mine.dtype == torch.float32
        assert relative(mine, right) < 2e-6


def test_only_what_is_asked_for_gets_a_gradient():
    layer, x = norm(3, 12), maps(1, 12, 110, 110)
    layer.weight.requires_grad_(False)
    x.requires_grad_()
    layer(x, silu=True).sum().backward()
    assert layer.weight.grad is None
    assert x.grad is not None and layer.bias.grad is not None


def test_it_has_second_derivatives():
    layer = norm(2, 4).double()
    x = maps(1, 4, 190, 190).double().requires_grad_()
    plain = nn.GroupNorm.forward
    (ours, *_), (theirs, *_) = (
        gradients(forward, x, layer, create_graph=True)
        for forward in (
            lambda x: layer(x, silu=True),
            lambda x: F.silu(plain(layer, x)),
        )
    )
    assert ours.requires_grad
    second = [
        torch.autograd.grad(first.square().sum(), x)[0]
        for first in (ours, theirs)
    ]
    assert relative(*second) < 1e-9


def test_norm_and_silu_keep_their_input_alone():
    kept = []

    def note(tensor):
        kept.append(tensor)
        return tensor

    layer, x = norm(3, 12), maps(1, 12, 110, 110).requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(note, lambda t: t):
        y = layer(x, silu=True)
    large = {t.data_ptr() for t in kept if t.numel() >= x.numel()}
    assert large == {x.data_ptr()}
    assert y.requires_grad


def test_silu_in_place_may_follow():
    layer, x = norm(3, 12), maps(1, 12, 110, 110).requires_grad_()
    y = F.silu(layer(x), inplace=True)
    torch.testing.assert_close(y, layer(x, silu=True))
    y.sum().backward()


def test_a_flat_map_comes_out_as_the_shift():
    layer, x = norm(2, 4), torch.full((1, 4, 200, 200), 12345.678)
    expected = layer.bias.view(1, -1, 1, 1).expand_as(x)
    for flat in (x, x.contiguous(memory_format=torch.channels_last)):
        small = flat[..., :9, :9]
        torch.testing.assert_close(
            layer(small), expected[..., :9, :9], atol=1e-6, rtol=0
        )
        torch.testing.assert_close(layer(flat), expected, atol=1e-6, rtol=0)


def test_the_callers_tensor_is_left_alone():
    layer, x = norm(2, 4), maps(1, 4, 150, 150)
    before = x.clone()
    layer(x)
    assert torch.equal(x, before)


def test_the_memory_format_stays():
    y = norm(2, 4)(maps(1, 4, 150, 150))
    assert y.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("mean", [0.0, 300.0])
@pytest.mark.parametrize("rows", [1, 4, 100])
def test_a_map_in_parts_has_the_moments_of_the_whole(mean, rows):
    layer, x = norm(3, 12), mean + maps(2, 12, 10, 7)
    x[:, :, :4] *= 3  # parts that are unlike
    moments = Moments()
    for part in x.split(rows, dim=2):
        assert moments.add(part) is part
    moments = moments.of(3, layer.eps)
    for silu in (False, True):
        parts = [
            layer.normalise(part, moments, silu) for part in x.split(3, dim=2)
        ]
        expected = by_hand(layer, x)
        expected = F.silu(expected) if silu else expected
        assert relative(torch.cat(parts, dim=2), expected) < 1e-6
