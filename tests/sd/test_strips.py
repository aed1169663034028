"""Decoding by strips is the plain decode, whatever the strips."""

import pytest
import torch

from vae_course.sd import PRESETS, AutoencoderKL, Config, ResnetBlock, strips

CONFIGS = {
    "small": PRESETS["small"],
    "narrowing": Config(
        block_out_channels=(12, 24, 18), norm_num_groups=6, layers_per_block=1
    ),
}


def model(name: str, dtype=torch.float64) -> AutoencoderKL:
    """A decoder whose norms are not the identity."""
    torch.manual_seed(0)
    vae = AutoencoderKL(CONFIGS[name]).to(dtype)
    with torch.no_grad():
        for parameter in vae.parameters():
            if parameter.dim() == 1:
                parameter.add_(0.2 * torch.randn_like(parameter))
    return vae


@pytest.mark.parametrize("rows", [1, 2, 3, 16, 1000])
@pytest.mark.parametrize("size", [(1, 1), (5, 7), (8, 2)])
@pytest.mark.parametrize("name", CONFIGS)
def test_strips_equal_the_plain_decode(name, size, rows):
    vae = model(name)
    z = torch.randn(2, 4, *size, dtype=torch.float64)
    with torch.no_grad():
        plain = vae.decode(z).mean
    by_strips = strips.decode(vae, z, rows).mean
    assert ((by_strips - plain).norm() / plain.norm()).item() < 1e-12


def test_in_single_precision_too():
    vae = model("small", torch.float32)
    z = torch.randn(1, 4, 16, 16)
    with torch.no_grad():
        plain = vae.decode(z).mean
    by_strips = strips.decode(vae, z).mean
    assert ((by_strips - plain).norm() / plain.norm()).item() < 1e-5


def test_the_latent_is_left_alone():
    vae = model("small", torch.float32)
    z = torch.randn(1, 4, 8, 8)
    before = z.clone()
    strips.decode(vae, z)
    assert torch.equal(z, before)


def test_a_strip_needs_a_row_and_a_latent():
    vae = model("small", torch.float32)
    with pytest.raises(ValueError, match="rows=0"):
        strips.decode(vae, torch.zeros(1, 4, 8, 8), rows=0)
    with pytest.raises(ValueError, match="latents"):
        strips.decode(vae, torch.zeros(1, 3, 8, 8))


def test_a_residual_block_writes_over_its_input():
    # What strips are for: no second map of full size where widths stay.
    layer = ResnetBlock(8, 8, 4)
    x = torch.randn(1, 8, 12, 10)
    plain = layer(x.clone())
    with torch.no_grad():
        out = strips._residual(layer, x, rows=5)
    assert out.data_ptr() == x.data_ptr()
    torch.testing.assert_close(out, plain)
