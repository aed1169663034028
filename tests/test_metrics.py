"""The metrics, on models whose answers are known."""

import math

import pytest
import torch
from exact_models import LinearGaussian
from torch import distributions as D

from vae_course.core import VAE, standard_normal
from vae_course.metrics import (
    active_units,
    bits_per_dimension,
    latent_scale,
    negative_log_likelihood,
    posterior_means,
)
from vae_course.mlp import MLPVAE


def test_the_likelihood_estimate_finds_the_exact_evidence():
    vae = LinearGaussian(shift=0.1)
    x = vae.draw(20)
    estimate = negative_log_likelihood(vae, x, samples=20_000)
    assert (estimate + vae.log_evidence(x)).abs().max() < 0.02


def test_it_is_exact_at_the_true_posterior_with_any_number_of_samples():
    vae = LinearGaussian()
    x = vae.draw(5)
    for samples in (1, 7):
        estimate = negative_log_likelihood(vae, x, samples=samples)
        torch.testing.assert_close(estimate, -vae.log_evidence(x))


def test_chunks_of_any_size_cover_all_samples_and_images():
    vae = LinearGaussian()  # exact, so every chunking must agree
    x = vae.draw(5)
    for bound in (1, 3, 7, 1000):
        estimate = negative_log_likelihood(
            vae, x, samples=7, decoded_at_once=bound
        )
        torch.testing.assert_close(estimate, -vae.log_evidence(x))


def test_every_image_has_draws_of_its_own_whatever_the_batches():
    vae = LinearGaussian(shift=0.5)
    x = vae.draw(1).expand(6, -1, -1, -1)
    for bound in (3, 6, 1000):
        estimates = negative_log_likelihood(
            vae, x, samples=3, decoded_at_once=bound
        )
        assert len(estimates.unique()) == 6


def test_no_more_images_are_decoded_at_once_than_allowed():
    class Counting(LinearGaussian):
        largest = 0

        def decode(self, z):
            Counting.largest = max(Counting.largest, len(z))
            return super().decode(z)

    vae = Counting()
    negative_log_likelihood(vae, vae.draw(9), samples=50, decoded_at_once=20)
    assert 0 < Counting.largest <= 20


def test_more_samples_give_a_lower_estimate():
    vae = LinearGaussian(shift=0.5)
    x = vae.draw(500)
    few = negative_log_likelihood(vae, x, samples=1).mean()
    many = negative_log_likelihood(vae, x, samples=100).mean()
    assert many < few


def test_what_is_not_asked_for_is_as_the_docstring_says():
    vae, x = MLPVAE((1, 4, 4), 8, 2), torch.rand(5, 1, 4, 4)
    asked = negative_log_likelihood(vae, x, samples=1000, seed=0)
    assert torch.equal(negative_log_likelihood(vae, x), asked)
    assert latent_scale(vae, x) == latent_scale(vae, x, seed=0)
    assert latent_scale(vae, x) != latent_scale(vae, x, seed=1)


def test_measuring_changes_neither_mode_nor_random_state():
    vae, x = MLPVAE((1, 4, 4), 8, 2).train(), torch.rand(3, 1, 4, 4)
    before = torch.get_rng_state()
    negative_log_likelihood(vae, x, samples=4)
    assert vae.training
    assert torch.equal(before, torch.get_rng_state())


class TwoActive(VAE):
    """Of three dimensions, one never moves: its mean is always 0."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor([1.0, 0.0, 0.2]))

    def encode(self, x):
        mean = x.flatten(1) * self.weight
        return D.Independent(D.Normal(mean, 1.0), 1)

    @property
    def prior(self):
        return standard_normal(torch.zeros(3))


def test_a_unit_whose_mean_never_moves_is_not_active():
    x = torch.randn(5000, 1, 1, 1)
    assert active_units(TwoActive(), x).tolist() == [True, False, True]


def test_the_threshold_is_on_the_variance_not_on_the_deviation():
    x = torch.randn(5000, 1, 1, 1)  # variances 1, 0 and 0.04
    active = active_units(TwoActive(), x, threshold=0.1)
    assert active.tolist() == [True, False, False]


def test_means_are_in_the_images_order_whatever_the_batch_size():
    vae = MLPVAE((1, 4, 4), 8, 2)
    x = torch.rand(10, 1, 4, 4)
    torch.testing.assert_close(
        posterior_means(vae, x, batch_size=3), vae.encode(x).mean
    )


def test_bits_per_dimension_of_a_fair_coin_a_pixel_is_one():
    nats = 784 * math.log(2)
    assert bits_per_dimension(nats, (1, 28, 28)) == pytest.approx(1)


def test_nothing_to_measure_is_said_plainly():
    vae, nothing = MLPVAE((1, 4, 4), 8, 2), torch.zeros(0, 1, 4, 4)
    with pytest.raises(ValueError, match="0 images"):
        negative_log_likelihood(vae, nothing)
    with pytest.raises(ValueError, match="samples=0"):
        negative_log_likelihood(vae, torch.zeros(1, 1, 4, 4), samples=0)
    with pytest.raises(ValueError, match="no images"):
        posterior_means(vae, nothing)
    with pytest.raises(ValueError, match="two images or more, got 1"):
        active_units(vae, torch.zeros(1, 1, 4, 4))


@pytest.mark.parametrize("batch_size", [1, 500])
def test_the_scale_of_latents_is_of_their_spread_about_their_mean(batch_size):
    class Far(torch.nn.Linear):
        def encode(self, x):
            mean = 5 + x.flatten(1)
            return torch.distributions.Normal(mean, 2.0)

    images = torch.zeros(4000, 1, 2, 2)
    found = latent_scale(Far(1, 1), images, batch_size=batch_size)
    assert found == pytest.approx(1 / 2, rel=0.03)
