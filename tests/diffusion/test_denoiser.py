"""The small U-Net."""

import pytest
import torch
from torch.nn import functional as F

from vae_course.diffusion import Denoiser, TimedBlock, waves
from vae_course.sd import ResnetBlock


def stirred(module):
    """The module with all parameters moved, so that nothing is silent."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return module.eval()


def asked(batch=3):
    torch.manual_seed(1)
    return torch.randn(batch, 4, 4, 4), torch.rand(batch), torch.arange(batch)


def test_it_says_one_number_for_each_number_and_starts_silent():
    z, t, labels = asked()
    said = Denoiser(widths=(8, 16))(z, t, labels)
    assert said.shape == z.shape and (said == 0).all()


@pytest.mark.parametrize("widths", [(8,), (8, 16), (8, 16, 16)])
def test_it_takes_latents_of_its_shape_alone(widths):
    model = Denoiser((3, 4, 8), widths=widths)
    t, labels = torch.rand(2), torch.tensor([0, 10])
    assert model(torch.randn(2, 3, 4, 8), t, labels).shape == (2, 3, 4, 8)
    with pytest.raises(ValueError, match=r"\(B, 3, 4, 8\)"):
        model(torch.randn(2, 3, 8, 8), t, labels)


def test_a_side_that_cannot_be_halved_is_refused():
    with pytest.raises(ValueError, match="6×6 cannot be halved 2 times"):
        Denoiser((4, 6, 6), widths=(8, 8, 8))


def test_latent_step_and_class_all_matter_and_no_other_image_does():
    model = stirred(Denoiser(widths=(8, 16)))
    z, t, labels = asked()
    with torch.no_grad():
        said = model(z, t, labels)
        assert (model(z + 0.1, t, labels) - said).abs().min() > 0
        assert (model(z, t / 2, labels) - said).abs().max() > 1e-3
        assert (model(z, t, labels + 1) - said).abs().max() > 1e-3
        alone = torch.cat(
            [
                model(z[i : i + 1], t[i : i + 1], labels[i : i + 1])
                for i in range(3)
            ]
        )
    torch.testing.assert_close(alone, said, atol=1e-5, rtol=1e-4)


def test_every_parameter_learns():
    model = stirred(Denoiser(widths=(8, 16)))
    z, t, labels = asked()
    model(z, t, labels).square().sum().backward()
    for name, parameter in model.named_parameters():
        grown = parameter.grad
        assert grown is not None and grown.abs().max() > 0, name


def test_the_block_is_that_of_chapter_6_and_a_line_more():
    block = stirred(TimedBlock(8, 16, 4, 12))
    x, embedding = torch.randn(2, 8, 4, 4), torch.randn(2, 12)
    plain = ResnetBlock(8, 16, 4)
    plain.load_state_dict(
        {k: v for k, v in block.state_dict().items() if "time" not in k}
    )
    with torch.no_grad():
        h = plain.conv1(F.silu(plain.norm1(x)))
        h = h + block.time(embedding).view(2, 16, 1, 1)
        h = plain.conv2(F.silu(plain.norm2(h)))
        torch.testing.assert_close(
            block(x, embedding), h + plain.conv_shortcut(x)
        )
        for layer in (block.time.weight, block.time.bias):
            layer.zero_()
        torch.testing.assert_close(block(x, embedding), plain(x))


def test_waves_tell_all_steps_apart_and_near_ones_are_alike():
    t = torch.arange(1001) / 1000
    rows = waves(t, 32)
    assert rows.shape == (1001, 32)
    apart = torch.cdist(rows, rows) + 9 * torch.eye(1001)
    assert apart.min() > 0.1
    assert apart[500, 501] < apart[500, 510] < apart[500, 900]
    half = torch.exp(-torch.log(torch.tensor(1e4)) * torch.arange(16) / 16)
    torch.testing.assert_close(
        rows[70],
        torch.cat([(70 * half).sin(), (70 * half).cos()]),
        atol=1e-4,
        rtol=0,
    )
