"""Group norm: PyTorch's on small maps, and right on large ones, too."""

import pytest
import torch
from diffusers_reference import relative
from torch import nn

from vae_course.sd.group_norm import GroupNorm


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


@pytest.mark.parametrize("side", [1, 7, 64, 65, 600])
def test_it_is_right_to_the_last_digits_at_every_size(side):
    layer, x = norm(3, 12), maps(2, 12, side, side)
    assert relative(layer(x), by_hand(layer, x)) < 1e-6


def test_its_gradients_are_those_of_pytorchs():
    layer, x = norm(3, 12), maps(1, 12, 80, 70).requires_grad_()
    weighting = torch.randn_like(x)

    def gradients(forward):
        loss = (forward(x) * weighting).sum()
        return torch.autograd.grad(loss, [x, layer.weight, layer.bias])

    ours = gradients(layer)
    for mine, theirs in zip(
        ours, gradients(lambda x: nn.GroupNorm.forward(layer, x)), strict=True
    ):
        assert relative(mine, theirs) < 1e-5


def test_a_flat_map_comes_out_as_the_shift():
    layer, x = norm(2, 4), torch.full((1, 4, 200, 200), 3.0)
    expected = layer.bias.view(1, -1, 1, 1).expand_as(x)
    torch.testing.assert_close(layer(x), expected, atol=1e-3, rtol=0)


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
def test_scale_and_shift_are_the_norm(mean, rows):
    layer, x = norm(3, 12), mean + maps(2, 12, 10, 7)
    scale, shift = layer.scale_and_shift(x, rows)
    assert scale.shape == shift.shape == (2, 12, 1, 1)
    # With a mean of 300, scale · x and the shift cancel to 1 in 300.
    torch.testing.assert_close(
        scale * x + shift,
        by_hand(layer, x).float(),
        atol=2e-6 * max(1, mean),
        rtol=0,
    )
