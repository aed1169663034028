"""Digits as latents: encoded once, scaled, drawn anew at each read."""

from dataclasses import replace

import pytest
import torch

from vae_course.core import elbo
from vae_course.data import small_digits
from vae_course.diffusion import (
    Denoiser,
    Denoising,
    DigitAutoencoder,
    Latents,
    encoded,
    keep_scale,
    schedule,
)
from vae_course.training import Mean, evaluate, train


@pytest.fixture(scope="module")
def images():
    digits = small_digits().train
    return replace(
        digits,
        pixels=digits.pixels[:60],
        labels=digits.labels[:60],
    )


@pytest.fixture
def vae():
    torch.manual_seed(0)
    return DigitAutoencoder().eval()


def test_a_digit_becomes_a_twelfth_of_its_numbers_and_comes_back(vae, images):
    q = vae.encode(images[:5])
    assert q.event_shape == vae.prior.event_shape == (4, 4, 4)
    assert 12 * q.mean[0].numel() < images.image_shape.numel()
    p = vae.decode(q.mean)
    assert p.event_shape == (1, 28, 28) and p.batch_shape == (5,)
    distortion, rate = elbo(vae, images[:5])
    assert distortion.shape == rate.shape == (5,)
    with pytest.raises(ValueError, match=r"\(B, 1, 28, 28\)"):
        vae.encode(torch.zeros(2, 1, 32, 32))


def test_patches_go_back_to_where_they_were_cut(vae, images):
    # With the network between them taken out, cutting and joining is nothing.
    vae.encoder = vae.decoder = torch.nn.Identity()
    vae.before_decoder = lambda z: z
    x = images[:3]
    logits = vae.decode(vae.moments(x)).base_dist.logits
    assert logits.equal(2 * x - 1)


def test_latents_have_unit_variance_once_their_scale_is_kept(vae, images):
    before = encoded(vae, images)
    scale = keep_scale(vae, images)
    assert vae.config.scaling_factor == scale
    latents = encoded(vae, images)
    assert len(latents) == 60 and latents.labels.equal(images.labels)
    z, labels = latents[:]
    assert z.std().item() == pytest.approx(1, abs=0.02)
    assert labels.equal(images.labels)
    torch.testing.assert_close(latents.mean, before.mean * scale)
    torch.testing.assert_close(latents.std, before.std * scale)


def test_scaled_latents_decode_like_unscaled_ones(vae, images):
    keep_scale(vae, images)
    vae.config = replace(vae.config, shift_factor=0.3)
    q, latents = vae.encode(images[:]), encoded(vae, images)
    torch.testing.assert_close(
        vae.unscale(latents.mean), q.mean, atol=1e-5, rtol=1e-5
    )
    drawn = torch.stack([vae.unscale(latents[:].z) for _ in range(400)])
    torch.testing.assert_close(
        drawn.std(dim=0).mean(), q.stddev.mean(), atol=0, rtol=0.02
    )


def test_reading_draws_anew_and_batches_encode_alike(vae, images):
    torch.manual_seed(0)
    latents = encoded(vae, images)
    assert not latents[:4].z.equal(latents[:4].z)
    in_batches = encoded(vae, images, batch_size=7)
    torch.testing.assert_close(
        in_batches.mean, latents.mean, atol=1e-5, rtol=1e-4
    )


def test_the_courses_loop_trains_a_denoiser_on_them():
    torch.manual_seed(0)
    labels = torch.arange(200) % 10
    mean = torch.randn(10, 4, 4, 4)[labels]  # each class has a place
    latents = Latents(mean, torch.full_like(mean, 0.1), labels)
    model = Denoiser(widths=(16,))
    objective = Denoising(schedule.cosine(100))
    how = {"objective": objective, "batch_size": 50, "progress": False}
    before = evaluate(model, latents, objective=objective)
    history = train(
        model, latents, epochs=25, lr=1e-2, held_out=latents, **how
    )
    assert isinstance(history.train[-1], Mean)
    assert before.loss == pytest.approx(1, abs=0.1)
    assert history.held_out[-1].loss < 0.7 * before.loss
    assert "loss 0." in repr(history)
