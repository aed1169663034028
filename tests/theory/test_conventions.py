"""Translations of other code's losses, against the losses themselves."""

import itertools
import math

import pytest
import torch

from vae_course.core import elbo
from vae_course.mlp import MLPVAE
from vae_course.theory.conventions import (
    PUBLIC_LOSSES,
    AsWritten,
    LossConvention,
    effective_beta,
)

SHAPE, LATENT, BATCH = (3, 4, 2), 5, 6
FAMILIES = {"bce": "bernoulli", "mse": "normal", "l1": "laplace"}
REDUCTIONS = [*itertools.product(("sum", "mean"), repeat=4)]


def model(convention, scale=None):
    torch.manual_seed(0)
    return MLPVAE(SHAPE, 16, LATENT, FAMILIES[convention.error], scale)


def direction(vae, objective, x, **options):
    """The loss's gradient in the networks' weights, as one long vector."""
    torch.manual_seed(7)
    networks = [*vae.encoder.parameters(), *vae.decoder.parameters()]
    loss = objective(vae, x, **options).loss
    slopes = torch.autograd.grad(loss, networks)
    return torch.cat([slope.flatten() for slope in slopes]).double()


def assert_proportional(one, other):
    factor = one.norm() / other.norm()
    torch.testing.assert_close(one, factor * other, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("error", FAMILIES)
@pytest.mark.parametrize("reductions", REDUCTIONS)
def test_training_at_the_effective_beta_is_training_on_the_loss(
    error, reductions
):
    convention = LossConvention(
        error, *reductions, error_weight=0.7, rate_weight=0.2
    )
    x = torch.rand(BATCH, *SHAPE, generator=torch.Generator().manual_seed(1))
    at = None if error == "bce" else 0.8
    found = effective_beta(
        convention, SHAPE, LATENT, batch_size=BATCH, scale=at or 1.0
    )
    written = direction(model(convention, at), AsWritten(convention), x)
    ours = direction(model(convention, at), elbo, x, beta=found.beta)
    assert_proportional(written, ours)
    if error != "bce":  # the other reading: the plain ELBO at its own noise
        plain = direction(model(convention, found.scale), elbo, x)
        assert_proportional(written, plain)
    off = direction(model(convention, at), elbo, x, beta=2 * found.beta)
    with pytest.raises(AssertionError):  # so the comparison can tell
        assert_proportional(written, off)


def test_a_pixel_mean_beside_a_summed_rate_hides_the_number_of_pixels():
    grey = LossConvention("bce", pixels="mean")
    assert effective_beta(grey, (1, 28, 28), 20) == (784, None)
    assert effective_beta(grey, (3, 28, 28), 20).beta == 3 * 784


def test_a_rate_averaged_over_latents_hides_their_number():
    convention = LossConvention("bce", latents="mean")
    found = effective_beta(convention, (1, 28, 28), 20)
    assert found.beta == pytest.approx(1 / 20)


def test_squared_error_without_half_is_noise_of_root_one_half():
    found = effective_beta(LossConvention("mse"), (1, 28, 28), 20)
    assert found == (0.5, pytest.approx(math.sqrt(0.5)))


def test_absolute_error_is_a_laplace_of_unit_noise():
    assert effective_beta(LossConvention("l1"), (1, 2, 2), 3) == (1.0, 1.0)


def test_at_the_implied_noise_beta_is_one():
    for error in ("mse", "l1"):
        convention = LossConvention(error, pixels="mean", rate_weight=0.1)
        implied = effective_beta(convention, SHAPE, LATENT).scale
        again = effective_beta(convention, SHAPE, LATENT, scale=implied)
        assert again.beta == pytest.approx(1)


def test_the_batch_matters_only_where_its_reductions_differ():
    same = LossConvention("bce", error_batch="sum", rate_batch="sum")
    assert effective_beta(same, SHAPE, LATENT).beta == 1
    mixed = LossConvention("bce", error_batch="mean", rate_batch="sum")
    assert effective_beta(mixed, SHAPE, LATENT, batch_size=64).beta == 64
    other = LossConvention("bce", error_batch="sum", rate_batch="mean")
    assert effective_beta(other, SHAPE, LATENT, batch_size=64).beta == 1 / 64
    with pytest.raises(ValueError, match="give batch_size"):
        effective_beta(mixed, SHAPE, LATENT)


def test_the_public_losses_come_out_as_worked_by_hand():
    by_hand = {
        "PyTorch's VAE example": (1, None),
        "Keras's VAE example, summer of 2016": (784, None),
        "Keras's VAE example, since 2020": (1, None),
        "Hands-On Machine Learning, 2nd ed.": (1, None),
        "Hands-On Machine Learning, 3rd ed.": (0.5, 0.7071),
        "Generative Deep Learning, 1st ed.": (0.392, 0.6261),
        "Generative Deep Learning, 2nd ed.": (2.048, None),
        "PyTorch-VAE, VanillaVAE": (1.536, 1.2394),
        "Lightning Bolts, VAE": (0.6, 0.7746),
        "Stable Diffusion's autoencoder": (1e-6, 1e-6),
    }
    found = {loss.name: loss.effective for loss in PUBLIC_LOSSES}
    assert found.keys() == by_hand.keys() and len(found) >= 8
    for name, (beta, scale) in by_hand.items():
        assert found[name].beta == pytest.approx(beta, rel=1e-3), name
        if scale is not None:
            scale = pytest.approx(scale, rel=1e-3)
        assert found[name].scale == scale, name


@pytest.mark.parametrize(
    "settings",
    [
        {"error": "huber"},
        {"pixels": "median"},
        {"latents": "none"},
        {"error_weight": 0.0},
        {"rate_weight": math.inf},
        {"rate_weight": math.nan},
    ],
)
def test_an_impossible_convention_is_refused(settings):
    with pytest.raises(ValueError, match=r"choose one|reduction|positive"):
        LossConvention(**settings)


def test_impossible_sizes_are_refused():
    for arguments in (((0, 28, 28), 20), ((1, 28, 28), 0)):
        with pytest.raises(ValueError, match="must be positive"):
            effective_beta(LossConvention(), *arguments)


def test_a_convention_takes_no_second_beta():
    convention = LossConvention()
    with pytest.raises(ValueError, match="weighs its own terms"):
        AsWritten(convention)(model(convention), torch.rand(2, *SHAPE), 2.0)
