"""The exact model, against integration, Bayes' rule and other libraries."""

import math

import pytest
import torch
from scipy.stats import multivariate_normal
from torch import distributions as D

from vae_course.core import (
    averaged_elbo,
    diagonal_gaussian,
    elbo,
    importance_weighted_elbo,
)
from vae_course.theory.linear_gaussian import LinearGaussian
from vae_course.theory.own_posteriors import OwnPosteriors
from vae_course.training import train


def model(latent=2, scale=0.7, seed=3):
    torch.manual_seed(seed)
    return LinearGaussian((1, 2, 3), latent, scale).double()


def draws(vae, count=5):
    with torch.no_grad():
        return vae.decode(vae.prior.sample((count,))).sample()


def some_posteriors(vae, count=5):
    return diagonal_gaussian(
        torch.randn(count, 2).double(), torch.randn(count, 2).double()
    )


@torch.no_grad()
def test_evidence_equals_its_integral_over_a_grid():
    vae = model(latent=1)
    x = draws(vae, 3)
    z = torch.linspace(-12, 12, 20_001, dtype=torch.float64)[:, None]
    for image in x:
        joint = vae.decode(z).log_prob(image) + vae.prior.log_prob(z)
        integral = torch.logsumexp(joint, dim=0) + math.log(24 / 20_000)
        expected = vae.log_evidence(image[None])[0]
        torch.testing.assert_close(integral, expected, rtol=0, atol=1e-9)


@torch.no_grad()
def test_evidence_equals_scipys_gaussian():
    vae = model()
    x = draws(vae)
    weight = vae.decoder.weight.numpy()
    covariance = weight @ weight.T + 0.7**2 * torch.eye(6).numpy()
    gaussian = multivariate_normal(vae.decoder.bias.numpy(), covariance)
    expected = torch.tensor(gaussian.logpdf(x.flatten(1).numpy()))
    torch.testing.assert_close(vae.log_evidence(x), expected)


@torch.no_grad()
def test_posterior_obeys_bayes_rule_at_any_latent():
    vae = model()
    x, z = draws(vae), torch.randn(5, 2).double()
    joint = vae.decode(z).log_prob(x) + vae.prior.log_prob(z)
    by_bayes = joint - vae.log_evidence(x)
    torch.testing.assert_close(vae.posterior(x).log_prob(z), by_bayes)


@torch.no_grad()
def test_evidence_is_elbo_plus_gap_for_any_q():
    vae = model()
    x = draws(vae)
    q = some_posteriors(vae)
    bound = vae.exact_elbo(x, q).value
    torch.testing.assert_close(bound + vae.gap(x, q), vae.log_evidence(x))
    assert (vae.gap(x, q) > 0).all()


@torch.no_grad()
def test_the_gap_is_zero_at_the_true_posterior_alone():
    vae = model()
    x = draws(vae)
    q = vae.posterior(x)
    zero = torch.zeros(5).double()
    torch.testing.assert_close(vae.gap(x, q), zero)
    torch.testing.assert_close(vae.exact_elbo(x, q).value, vae.log_evidence(x))
    moved = D.MultivariateNormal(q.mean + 0.1, q.covariance_matrix)
    assert (vae.gap(x, moved) > 1e-3).all()


@torch.no_grad()
def test_the_sampled_elbo_agrees_with_the_exact_one():
    vae = model()
    x = draws(vae, 1).expand(200_000, -1, -1, -1)
    sampled, exact = elbo(vae, x), vae.exact_elbo(x[:1])
    noise = 5 * sampled.distortion.std() / len(x) ** 0.5
    assert abs(sampled.distortion.mean() - exact.distortion[0]) < noise
    torch.testing.assert_close(sampled.rate[:1], exact.rate)


@torch.no_grad()
def test_exact_elbo_weighs_the_rate_with_beta():
    vae = model()
    plain, weighted = (vae.exact_elbo(draws(vae), beta=b) for b in (1, 3))
    torch.testing.assert_close(
        weighted.value, -(weighted.distortion + 3 * weighted.rate)
    )
    assert plain.beta == 1


@torch.no_grad()
def test_mean_field_leaves_the_gap_that_the_formula_says():
    vae = model()
    x = draws(vae)
    gap = vae.gap(x, vae.mean_field(x))
    torch.testing.assert_close(gap, vae.mean_field_gap().expand(5))
    assert vae.mean_field_gap() > 1e-3


@torch.no_grad()
def test_no_other_diagonal_gaussian_comes_closer_than_mean_field():
    vae = model()
    x = draws(vae, 1)
    best = vae.mean_field(x)
    for _ in range(50):
        nearby = diagonal_gaussian(
            best.mean + 0.1 * torch.randn(1, 2).double(),
            best.variance.log() + 0.1 * torch.randn(1, 2).double(),
        )
        assert vae.gap(x, nearby) > vae.gap(x, best)


@torch.no_grad()
def test_rotating_the_latents_opens_a_gap_and_leaves_the_evidence():
    vae = model().fit(
        torch.randn(200, 1, 2, 3).double()
        * torch.arange(1, 7).double().view(1, 1, 2, 3)
    )
    x = draws(vae)
    before = vae.log_evidence(x)
    assert vae.mean_field_gap() < 1e-12
    turn = torch.tensor([[0.6, -0.8], [0.8, 0.6]]).double()
    vae.decoder.weight.copy_(vae.decoder.weight @ turn)
    torch.testing.assert_close(vae.log_evidence(x), before)
    assert vae.mean_field_gap() > 0.01


def test_fit_is_a_maximum_of_the_likelihood():
    x = torch.randn(300, 1, 2, 3).double() * torch.arange(1, 7).double().view(
        1, 1, 2, 3
    )
    vae = model().fit(x)
    best = vae.log_evidence(x).mean()
    slopes = torch.autograd.grad(
        best, [vae.decoder.weight, vae.decoder.bias, vae.log_scale]
    )
    for slope in slopes:
        assert slope.abs().max() < 1e-9
    with torch.no_grad():
        for parameter in (vae.decoder.weight, vae.decoder.bias, vae.log_scale):
            kept = parameter.clone()
            parameter.add_(0.05 * torch.randn_like(parameter))
            assert vae.log_evidence(x).mean() < best
            parameter.copy_(kept)


@torch.no_grad()
def test_after_fit_the_encoder_is_the_true_posterior():
    x = torch.randn(300, 1, 2, 3).double() * torch.arange(1, 7).double().view(
        1, 1, 2, 3
    )
    vae = model().fit(x)
    q, truth = vae.encode(x), vae.posterior(x)
    torch.testing.assert_close(q.mean, truth.mean)
    torch.testing.assert_close(
        q.variance.diag_embed(), truth.covariance_matrix
    )
    torch.testing.assert_close(vae.exact_elbo(x).value, vae.log_evidence(x))


def test_a_step_of_em_raises_the_bound_and_the_evidence_to_the_optimum():
    x = draws(model(seed=8), 500)
    best = model().fit(x).log_evidence(x).mean()
    vae = model(scale=2.0, seed=9).requires_grad_(False)
    for _ in range(200):
        before, q = vae.log_evidence(x).mean(), vae.posterior(x)
        bound = vae.em_step(x).exact_elbo(x, q).value.mean()
        assert before - 1e-9 <= bound <= vae.log_evidence(x).mean() + 1e-9
    torch.testing.assert_close(vae.log_evidence(x).mean(), best)


def test_the_m_step_is_where_the_bound_has_no_slope():
    x = draws(model(seed=8), 50)
    vae = model(seed=9)
    q = vae.posterior(x)
    q = D.MultivariateNormal(q.mean.detach(), q.covariance_matrix.detach())
    vae.em_step(x)
    slopes = torch.autograd.grad(
        vae.exact_elbo(x, q).value.mean(),
        [vae.decoder.weight, vae.decoder.bias, vae.log_scale],
    )
    for slope in slopes:
        assert slope.abs().max() < 1e-9


@torch.no_grad()
def test_the_averaged_elbo_agrees_with_the_exact_one_and_is_less_noisy():
    vae = model()
    x = draws(vae, 1).expand(50_000, -1, -1, -1)
    sampled, exact = averaged_elbo(vae, x), vae.exact_elbo(x[:1])
    noise = 5 * sampled.distortion.std() / len(x) ** 0.5
    assert abs(sampled.distortion.mean() - exact.distortion[0]) < noise
    torch.testing.assert_close(sampled.rate[:1], exact.rate)
    single = elbo(vae, x).distortion.var()
    torch.testing.assert_close(
        sampled.distortion.var(), single / 5, rtol=0.1, atol=0
    )


@torch.no_grad()
def test_both_halves_of_the_weighted_bound_are_the_pages_formula():
    vae, samples = model(), 7
    x = draws(vae, 3)
    torch.manual_seed(5)
    distortion, rest = importance_weighted_elbo(vae, x, samples=samples)
    torch.manual_seed(5)
    q = vae.encode(x)
    z = q.rsample((samples,))
    likelihood = torch.stack([vae.decode(each).log_prob(x) for each in z])
    ratio = q.log_prob(z) - vae.prior.log_prob(z)
    weights = (likelihood - ratio).exp()
    shares = weights / weights.sum(dim=0)
    torch.testing.assert_close(distortion, -(shares * likelihood).sum(dim=0))
    torch.testing.assert_close(
        rest,
        (shares * (ratio + shares.log())).sum(dim=0) + math.log(samples),
    )


def test_own_posteriors_close_the_amortisation_gap_alone():
    vae = model()
    x = draws(vae, 4)
    weights = [w.clone() for w in vae.parameters()]
    torch.manual_seed(0)
    q = OwnPosteriors(vae, x).fit(steps=3000, lr=0.02).encode(x)
    left = vae.gap(x, q)
    torch.testing.assert_close(
        left, vae.mean_field_gap().expand(4), rtol=0, atol=0.01
    )
    assert (vae.gap(x, vae.encode(x)) > left + 0.1).all()
    for before, after in zip(weights, vae.parameters(), strict=True):
        assert torch.equal(before, after) and after.grad is None
    with pytest.raises(ValueError, match="4 images, got 2"):
        OwnPosteriors(vae, x).encode(x[:2])


def test_training_reaches_the_analytic_likelihood():
    source = model(seed=8)
    x = draws(source, 2000).float()
    best = LinearGaussian((1, 2, 3), 2).fit(x).log_evidence(x).mean()
    torch.manual_seed(0)
    trained = LinearGaussian((1, 2, 3), 2)
    for lr in (1e-2, 1e-3):
        train(trained, x, epochs=40, lr=lr, batch_size=100, progress=False)
    assert best - trained.log_evidence(x).mean() < 0.05
    assert best - trained.exact_elbo(x).value.mean() < 0.05


@pytest.mark.parametrize(
    ("latent", "scale"), [(6, 1.0), (0, 1.0), (2, 0.0), (2, -1.0)]
)
def test_an_impossible_model_is_refused(latent, scale):
    with pytest.raises(ValueError, match="0 < latent < pixels"):
        LinearGaussian((1, 2, 3), latent, scale)


def test_images_without_noise_cannot_be_fitted():
    with pytest.raises(ValueError, match="more images, or fewer latents"):
        model().fit(torch.zeros(10, 1, 2, 3).double())
