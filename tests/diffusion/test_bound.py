"""The ELBO of a diffusion model, against evidence that is known."""

import pytest
import torch
from exact_gaussian import ExactDenoiser, two_by_two
from torch import distributions as D

from vae_course.diffusion import forward_process, schedule
from vae_course.diffusion.bound import GaussianDiffusion

MEAN, COVARIANCE = two_by_two()


def model(steps=50, road=None):
    return GaussianDiffusion(MEAN, COVARIANCE, road or schedule.cosine(steps))


def data(size):
    """Points whose own mean and covariance are those of the data, exactly.

    Every term is quadratic in x, so their averages are the expectations.
    """
    torch.manual_seed(0)
    x = torch.randn(size, 4, dtype=torch.float64)
    x = x - x.mean(dim=0)
    root = torch.linalg.cholesky(torch.cov(x.T, correction=0))
    white = torch.linalg.solve_triangular(root, x.T, upper=False).T
    return MEAN + white @ torch.linalg.cholesky(COVARIANCE).T


@pytest.mark.parametrize("steps", [1, 2, 10, 200])
def test_the_elbo_is_below_the_evidence_for_every_image(steps):
    chain, x = model(steps), data(500)
    assert (chain.terms(x).value < chain.log_evidence(x)).all()


@pytest.mark.parametrize("steps", [1, 2, 10, 200])
def test_the_gap_is_the_sum_of_the_steps_gaps(steps):
    chain, x = model(steps), data(50)
    gap = (chain.log_data(x) - chain.terms(x).value).mean()
    total = chain.gaps().sum()
    assert (chain.gaps() >= 0).all() and len(chain.gaps()) == steps + 1
    assert gap.item() == pytest.approx(total.item(), rel=1e-9)


def test_the_gap_shrinks_as_one_over_the_steps():
    sums = [
        model(road=schedule.even(steps)).gaps()[1:-1].sum()
        for steps in (100, 200, 400)
    ]
    assert sums[0] / sums[1] == pytest.approx(2, abs=0.15)
    assert sums[1] / sums[2] == pytest.approx(2, abs=0.15)


def test_the_chains_evidence_is_below_the_datas_on_average():
    chain, x = model(10), data(50)
    assert chain.log_evidence(x).mean() < chain.log_data(x).mean()


def test_the_evidence_is_the_density_of_what_the_chain_draws():
    road = schedule.cosine(5)
    chain = model(road=road)
    exact = ExactDenoiser(MEAN, COVARIANCE, road, "z0")
    torch.manual_seed(0)
    z = torch.randn(50_000, 4, dtype=torch.float64)
    for t in range(5, 1, -1):
        x = exact(z, torch.full((1,), t / 5, dtype=torch.float64))
        q = backward(road, z, x, t)
        z = q.sample()
    x = exact(z, torch.full((1,), 1 / 5, dtype=torch.float64))
    x = x + chain.last_variance.sqrt() * torch.randn_like(x)
    drawn = D.MultivariateNormal(x.mean(dim=0), torch.cov(x.T))
    at = data(50)
    torch.testing.assert_close(
        chain.log_evidence(at), drawn.log_prob(at), atol=0.05, rtol=0.03
    )


def backward(road, z_t, x, t):
    """q(z_{t−1}|z_t, x) by Bayes' rule for Gaussians."""
    a, s = road.signal, road.noise
    kept = a[t] / a[t - 1]
    added = s[t] ** 2 - kept**2 * s[t - 1] ** 2
    precision = 1 / s[t - 1] ** 2 + kept**2 / added
    mean = (a[t - 1] * x / s[t - 1] ** 2 + kept * z_t / added) / precision
    return D.Normal(mean, precision.rsqrt())


@pytest.mark.parametrize("t", [2, 7, 10])
def test_a_denoising_term_is_the_expected_kl_of_its_step(t):
    road = schedule.cosine(10)
    chain = model(road=road)
    exact = ExactDenoiser(MEAN, COVARIANCE, road, "z0")
    x = data(50)[:1].expand(50_000, 4)
    z_t = forward_process(road, x, t).sample()
    share = torch.full((1,), t / 10, dtype=torch.float64)
    p = backward(road, z_t, exact(z_t, share), t)
    q = backward(road, z_t, x, t)
    kl = D.kl_divergence(q, p).sum(dim=1).mean()
    said = chain.terms(x[:1]).denoising[0, t - 2]
    assert said.item() == pytest.approx(kl.item(), rel=0.02)


def test_prior_and_reconstruction_are_what_their_names_say():
    road = schedule.linear(4, 0.1, 0.5)
    chain, x = model(road=road), data(50)[:3]
    terms = chain.terms(x)
    q = forward_process(road, x, 4)
    standard = D.Independent(D.Normal(0 * x, 1.0), 1)
    torch.testing.assert_close(terms.prior, D.kl_divergence(q, standard))
    exact = ExactDenoiser(MEAN, COVARIANCE, road, "z0")
    many = x.repeat_interleave(50_000, dim=0)
    z = forward_process(road, many, 1).sample()
    guess = exact(z, torch.full((1,), 1 / 4, dtype=torch.float64))
    p = D.Independent(D.Normal(guess, chain.last_variance.sqrt()), 1)
    sampled = -p.log_prob(many).view(3, -1).mean(dim=1)
    torch.testing.assert_close(
        terms.reconstruction, sampled, atol=0.02, rtol=0
    )
