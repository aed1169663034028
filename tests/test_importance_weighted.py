"""The importance-weighted objective, against the bound and the exact model."""

from functools import partial

import pytest
import torch
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from vae_course import MLPVAE
from vae_course.core import (
    elbo,
    importance_weighted_bound,
    importance_weighted_elbo,
    log_importance_weights,
)
from vae_course.theory.linear_gaussian import LinearGaussian
from vae_course.training import train


def dense(dtype=torch.float64):
    torch.manual_seed(0)
    return MLPVAE((1, 5, 4), hidden=8, latent=3).to(dtype)


def binary_images(count=16):
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 2, (count, 1, 5, 4), generator=generator).double()


def exact_model():
    torch.manual_seed(3)
    return LinearGaussian((1, 2, 3), latent=2, scale=0.7).double()


def gradients(vae, loss):
    slopes = torch.autograd.grad(loss, [*vae.parameters()], retain_graph=True)
    return torch.cat([slope.flatten() for slope in slopes])


@pytest.mark.parametrize("samples", [1, 2, 5, 50])
def test_the_halves_add_up_to_minus_the_bound(samples):
    vae, x = dense(), binary_images()
    torch.manual_seed(5)
    terms = importance_weighted_elbo(vae, x, samples=samples)
    torch.manual_seed(5)
    bound = importance_weighted_bound(vae, x, samples)
    torch.testing.assert_close(terms.value, bound)
    torch.testing.assert_close(terms.loss, -bound.mean())
    assert terms.distortion.shape == terms.rate.shape == (16,)


def test_its_gradient_is_that_of_the_bound():
    vae, x = dense(), binary_images()
    torch.manual_seed(5)
    ours = gradients(vae, importance_weighted_elbo(vae, x, samples=7).loss)
    torch.manual_seed(5)
    bound = importance_weighted_bound(vae, x, 7)
    torch.testing.assert_close(ours, gradients(vae, -bound.mean()))


@pytest.mark.parametrize(
    "objective",
    [
        lambda vae, x: elbo(vae, x).loss,
        lambda vae, x: -importance_weighted_bound(vae, x, 5).mean(),
        lambda vae, x: importance_weighted_elbo(vae, x, samples=5).loss,
    ],
    ids=["elbo", "bound", "halves"],
)
def test_gradients_are_slopes(objective):
    # Whatever is detached on the way (the sample, a weight, log q) is missing
    # from autograd's gradient, but not from the difference of two values.
    vae, x = dense(), binary_images()
    here = parameters_to_vector(vae.parameters()).detach()
    generator = torch.Generator().manual_seed(2)
    step = 1e-5 * torch.randn(len(here), generator=generator).double()

    def loss(parameters):
        vector_to_parameters(parameters, vae.parameters())
        torch.manual_seed(5)  # the same draws everywhere
        return objective(vae, x)

    difference = (loss(here + step) - loss(here - step)) / 2
    torch.testing.assert_close(
        gradients(vae, loss(here)) @ step, difference, rtol=1e-6, atol=0
    )


def test_its_gradient_weighs_each_sample_by_its_share():
    # Burda et al. 2015, equation 14: the sum over the samples of the
    # normalised weight, held fixed, times the gradient of its logarithm.
    vae, x = dense(), binary_images()
    torch.manual_seed(5)
    ours = gradients(vae, importance_weighted_elbo(vae, x, samples=7).loss)
    torch.manual_seed(5)
    log_weights = log_importance_weights(vae, x, 7)
    weights = (log_weights - log_weights.max(dim=0).values).exp()
    shares = (weights / weights.sum(dim=0)).detach()
    by_hand = gradients(vae, -(shares * log_weights).sum(dim=0).mean())
    torch.testing.assert_close(ours, by_hand)
    plain = gradients(vae, -log_weights.mean())  # K ordinary ELBOs
    assert not torch.allclose(ours, plain, rtol=0.05)


def test_a_bound_of_equal_weights_is_any_one_of_them():
    # At the true posterior every weight is p(x): forgetting to take off log K
    # would show as log K here.
    vae = exact_model()
    x = vae.decode(vae.prior.sample((5,))).sample()
    vae.encode = vae.posterior
    terms = importance_weighted_elbo(vae, x, samples=50)
    torch.testing.assert_close(terms.value, vae.log_evidence(x))


@pytest.mark.parametrize("samples", [1, 5])
def test_weights_too_small_for_a_float_leave_the_bounds_finite(samples):
    # exp(−1000) is zero in double precision: only log-sum-exp survives this.
    vae = exact_model()
    x = vae.decode(vae.prior.sample((3,))).sample() + 50
    torch.manual_seed(5)
    log_weights = log_importance_weights(vae, x, samples)
    assert log_weights.max() < -1000
    highest = log_weights.max(dim=0).values
    shifted = (log_weights - highest).exp().mean(dim=0).log() + highest
    for bound in (
        lambda: importance_weighted_bound(vae, x, samples),
        lambda: importance_weighted_elbo(vae, x, samples=samples).value,
    ):
        torch.manual_seed(5)
        torch.testing.assert_close(bound(), shifted)


@torch.no_grad()
def test_it_rises_with_the_samples_to_the_exact_evidence():
    vae = exact_model()
    x = vae.decode(vae.prior.sample((1,))).sample().expand(20_000, -1, -1, -1)
    bounds = [
        importance_weighted_elbo(vae, x, samples=k).value for k in (1, 5, 50)
    ]
    noise = max(5 * b.std() / len(b) ** 0.5 for b in bounds)
    low, middle, high = (b.mean() for b in bounds)
    evidence = vae.log_evidence(x[:1]).squeeze()
    assert low + noise < middle < high < evidence + noise
    assert middle + noise < high


@torch.no_grad()
def test_with_many_samples_the_halves_are_those_of_the_true_posterior():
    vae = exact_model()
    x = vae.decode(vae.prior.sample((4,))).sample()
    terms = importance_weighted_elbo(vae, x, samples=200_000)
    truth = vae.exact_elbo(x, vae.posterior(x))
    torch.testing.assert_close(
        terms.distortion, truth.distortion, rtol=0, atol=0.05
    )
    torch.testing.assert_close(terms.rate, truth.rate, rtol=0, atol=0.05)


def test_it_has_no_beta():
    with pytest.raises(ValueError, match=r"no β.*core\.elbo"):
        importance_weighted_elbo(dense(), binary_images(), beta=0.5)


def test_the_training_loop_takes_it_as_any_other_objective():
    vae, x = dense(torch.float32), binary_images(64).float()
    objective = partial(importance_weighted_elbo, samples=3)
    history = train(
        vae, x, epochs=20, held_out=x, objective=objective, progress=False
    )
    assert history.train[-1].total < history.train[0].total
    assert history.held_out[-1].rate > 0


@pytest.mark.parametrize("samples", [0, -1])
def test_a_bound_needs_a_sample(samples):
    vae, x = dense(), binary_images(2)
    for bound in (importance_weighted_bound, log_importance_weights):
        with pytest.raises(ValueError, match=f"samples={samples}"):
            bound(vae, x, samples)
    with pytest.raises(ValueError, match=f"samples={samples}"):
        importance_weighted_elbo(vae, x, samples=samples)
