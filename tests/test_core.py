"""The bounds, against closed forms and other ways to the same number."""

import math

import pytest
import torch
from exact_models import LinearGaussian, NoisyCode
from torch import distributions as D
from torch.nn import functional as F

from vae_course.core import (
    Likelihood,
    PixelBernoulli,
    StandardNormalField,
    averaged_elbo,
    diagonal_gaussian,
    elbo,
    importance_weighted_bound,
    importance_weighted_elbo,
    log_importance_weights,
    standard_normal,
)
from vae_course.mlp import MLPVAE


def test_std_is_exp_of_half_the_log_variance():
    mean, log_var = torch.randn(4, 3), torch.randn(4, 3)
    q = diagonal_gaussian(mean, log_var)
    torch.testing.assert_close(q.mean, mean)
    torch.testing.assert_close(q.variance, log_var.exp())
    assert q.batch_shape == (4,) and q.event_shape == (3,)


def test_any_log_variance_is_taken_as_it_is():
    log_var = torch.tensor([[-20.0, -9.0, 9.0, 20.0]])
    q = diagonal_gaussian(torch.zeros(1, 4), log_var)
    torch.testing.assert_close(q.variance.log(), log_var)


def test_a_sample_of_the_posterior_has_the_moments_it_claims():
    q = diagonal_gaussian(torch.tensor([[2.0]]), torch.tensor([[math.log(9)]]))
    z = q.rsample((200_000,)).flatten()
    # Uniform noise would have 0.289 of this spread, and a bounded range.
    assert abs(z.mean() - 2) < 5 * 3 / math.sqrt(200_000)
    assert abs(z.std() - 3) < 0.03
    kurtosis = ((z - z.mean()) ** 4).mean() / z.var() ** 2
    assert abs(kurtosis - 3) < 0.1


def test_rate_equals_the_closed_form_of_kingma_and_welling():
    vae = MLPVAE((1, 5, 4), hidden=8, latent=3)
    x = torch.rand(7, 1, 5, 4)
    q = vae.encode(x)
    closed_form = 0.5 * (q.mean**2 + q.variance - q.variance.log() - 1).sum(
        dim=1
    )
    _, rate = elbo(vae, x)
    torch.testing.assert_close(rate, closed_form)
    assert rate.shape == (7,)


def test_one_prior_is_over_latents_of_any_size():
    prior = StandardNormalField(torch.zeros(2, 3, 5))
    z, log_var = torch.randn(2, 7, 2, 4, 6)
    same = standard_normal(torch.zeros(2, 4, 6))
    torch.testing.assert_close(prior.log_prob(z), same.log_prob(z))
    q = diagonal_gaussian(z, log_var)
    rate = D.kl_divergence(q, prior)
    torch.testing.assert_close(rate, D.kl_divergence(q, same))
    assert rate.shape == (7,)
    assert prior.sample((7,)).shape == (7, 2, 3, 5)  # the size of its origin
    assert prior.mean.shape == prior.event_shape == (2, 3, 5)
    for wrong in ((3, 4, 6), (2, 4), (2, 2, 4, 6)):
        with pytest.raises(ValueError, match=r"latents \(2, h, w\)"):
            prior.over(wrong)


def test_rate_equals_its_monte_carlo_estimate():
    q = diagonal_gaussian(torch.randn(1, 4), torch.randn(1, 4))
    p = standard_normal(torch.zeros(4))
    z = q.sample((100_000,))
    log_ratio = (q.log_prob(z) - p.log_prob(z)).flatten()
    exact = D.kl_divergence(q, p).item()
    assert abs(log_ratio.mean() - exact) < 5 * log_ratio.std() / 100_000**0.5


def test_distortion_is_summed_over_pixels_not_averaged():
    vae = MLPVAE((1, 5, 4), hidden=8, latent=3)
    x = torch.rand(7, 1, 5, 4)
    torch.manual_seed(3)
    distortion, _ = elbo(vae, x)
    torch.manual_seed(3)
    logits = vae.decode(vae.encode(x).rsample()).base_dist.logits
    cross_entropy = F.binary_cross_entropy_with_logits(
        logits, x, reduction="none"
    )
    torch.testing.assert_close(distortion, cross_entropy.sum(dim=(1, 2, 3)))


def test_distortion_of_a_gaussian_pixel_is_what_the_integral_says():
    vae = NoisyCode(std=0.5)
    x = torch.full((200_000, 1, 1, 1), 0.7)
    distortion, _ = elbo(vae, x)
    exact = vae.expected_distortion()
    assert abs(distortion.mean() - exact) < 5 * distortion.std() / 200_000**0.5


def test_beta_weighs_the_rate_and_nothing_else():
    vae, x = NoisyCode(), torch.randn(5, 1, 1, 1)
    torch.manual_seed(0)
    plain = elbo(vae, x)
    torch.manual_seed(0)
    weighted = elbo(vae, x, beta=4.0)
    torch.testing.assert_close(weighted.rate, plain.rate)
    torch.testing.assert_close(weighted.distortion, plain.distortion)
    torch.testing.assert_close(
        weighted.value, -(plain.distortion + 4 * plain.rate)
    )
    torch.testing.assert_close(weighted.loss, -weighted.value.mean())


def test_the_elbo_is_the_evidence_at_the_true_posterior():
    vae = LinearGaussian()
    x = vae.draw(50)
    # The integrand log p(x,z) − log q is the same for every z, so one sample
    # gives log p(x) exactly.
    one_sample = importance_weighted_bound(vae, x, 1)
    torch.testing.assert_close(one_sample, vae.log_evidence(x))


def test_elbo_below_importance_weighted_bound_below_evidence():
    vae = LinearGaussian(shift=0.4)
    x = vae.draw(400)
    evidence = vae.log_evidence(x).mean()
    repeated = x.repeat(100, 1, 1, 1)  # 40,000 estimates of each bound
    bounds = [elbo(vae, repeated).value]
    bounds += [importance_weighted_bound(vae, repeated, k) for k in (5, 50)]
    means = [bound.mean() for bound in bounds]
    noise = 5 * max(b.std() / len(b) ** 0.5 for b in bounds)
    assert means[0] + noise < means[1] < means[2] < evidence + noise
    assert evidence - means[2] < 0.2 * (evidence - means[0])


def test_the_gap_of_the_elbo_is_the_kl_to_the_true_posterior():
    exact, shifted = LinearGaussian(), LinearGaussian(shift=0.3)
    x = exact.draw(1)
    gap = D.kl_divergence(shifted.encode(x), exact.encode(x))
    bound = elbo(shifted, x.repeat(100_000, 1, 1, 1)).value
    expected = exact.log_evidence(x) - gap
    noise = 5 * bound.std() / 100_000**0.5
    assert abs(bound.mean() - expected) < noise
    assert gap > 2 * noise  # so that the noise cannot hide the gap


@pytest.mark.parametrize("bound", [averaged_elbo, importance_weighted_elbo])
def test_several_samples_are_five_unless_asked_otherwise(bound):
    vae, x = LinearGaussian(), LinearGaussian().draw(3)
    values = []
    for asked in ({}, {"samples": 5}, {"samples": 6}):
        torch.manual_seed(1)
        values.append(bound(vae, x, **asked).distortion)
    assert torch.equal(values[0], values[1])
    assert not torch.equal(values[0], values[2])


def test_importance_weights_are_unbiased_for_the_evidence():
    vae = LinearGaussian(shift=0.2)
    x = vae.draw(1)
    log_weights = log_importance_weights(vae, x, 200_000)
    assert log_weights.shape == (200_000, 1)
    ratio = (log_weights - vae.log_evidence(x)).exp()
    assert abs(ratio.mean() - 1) < 5 * ratio.std() / 200_000**0.5


def test_samples_stay_with_their_image():
    vae = LinearGaussian(shift=0.1)
    x = vae.draw(3)
    together = log_importance_weights(vae, x, 50_000).logsumexp(dim=0)
    alone = torch.cat(
        [log_importance_weights(vae, i[None], 50_000).logsumexp(0) for i in x]
    )
    torch.testing.assert_close(together, alone, atol=0.02, rtol=0)


@pytest.mark.parametrize("likelihood", Likelihood.FAMILIES)
def test_gradients_reach_every_weight_of_encoder_and_decoder(likelihood):
    vae = MLPVAE((1, 5, 4), hidden=8, latent=3, likelihood=likelihood)
    elbo(vae, torch.rand(16, 1, 5, 4)).loss.backward()
    for name, weight in vae.named_parameters():
        assert weight.grad is not None and weight.grad.abs().sum() > 0, name


@pytest.mark.parametrize("likelihood", Likelihood.FAMILIES)
def test_what_is_not_finite_shows_in_the_bound_and_nowhere_before(likelihood):
    """The training loop then says at which step it broke, and why."""
    vae = MLPVAE((1, 5, 4), hidden=8, latent=3, likelihood=likelihood)
    torch.nn.init.constant_(vae.encoder[-1].bias, math.nan)
    terms = elbo(vae, torch.rand(2, 1, 5, 4))
    assert terms.distortion.isnan().all() and terms.rate.isnan().all()


def test_the_distortion_alone_sends_a_gradient_into_the_encoder():
    vae = MLPVAE((1, 5, 4), hidden=8, latent=3)
    elbo(vae, torch.rand(16, 1, 5, 4)).distortion.sum().backward()
    assert vae.encoder[0].weight.grad.abs().sum() > 0


def test_each_likelihood_is_the_distribution_of_its_name():
    output, x = torch.randn(4, 1, 2, 2), torch.rand(4, 1, 2, 2)
    scale = torch.tensor(0.3)
    expected = {
        "normal": D.Normal(output, scale).log_prob(x),
        "laplace": D.Laplace(output, scale).log_prob(x),
    }
    for family, log_prob in expected.items():
        p = Likelihood(family, 0.3)(output)
        torch.testing.assert_close(p.log_prob(x), log_prob.sum(dim=(1, 2, 3)))
        torch.testing.assert_close(p.mean, output)
    bernoulli = Likelihood("bernoulli")(output)
    torch.testing.assert_close(bernoulli.mean, output.sigmoid())
    torch.testing.assert_close(
        bernoulli.log_prob(x.round()),
        D.Bernoulli(logits=output).log_prob(x.round()).sum(dim=(1, 2, 3)),
    )


def test_a_scale_that_is_given_is_not_trained_and_one_that_is_not_is():
    assert not Likelihood("normal", 0.5).log_scale.requires_grad
    learned = Likelihood("normal").log_scale
    assert learned.requires_grad and learned.exp() == 1


@pytest.mark.parametrize(
    ("family", "scale"), [("poisson", None), ("normal", 0.0), ("bernoulli", 1)]
)
def test_an_impossible_likelihood_is_refused(family, scale):
    with pytest.raises(ValueError, match=r"choose one of|positive number"):
        Likelihood(family, scale)


@pytest.mark.parametrize("bad", [-0.1, 1.1, math.inf])
def test_bernoulli_pixels_outside_zero_to_one_are_refused(bad):
    pixels = PixelBernoulli(logits=torch.zeros(3))
    with pytest.raises(ValueError, match=r"pixels in \[0, 1\].*normalisation"):
        pixels.log_prob(torch.tensor([0.0, bad, 1.0]))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.bool])
def test_integers_are_refused_with_what_to_do(dtype):
    vae = MLPVAE((1, 5, 4), hidden=8, latent=3)
    with pytest.raises(ValueError, match=f"{dtype}.*divide by 255"):
        vae.encode(torch.zeros(2, 1, 5, 4, dtype=dtype))
    with pytest.raises(ValueError, match="latents as floating-point"):
        vae.decode(torch.zeros(2, 3, dtype=dtype))


def test_grey_pixels_pay_their_entropy_even_when_predicted_perfectly():
    grey = torch.tensor([0.3])
    best = -PixelBernoulli(probs=grey).log_prob(grey)
    entropy = -(0.3 * math.log(0.3) + 0.7 * math.log(0.7))
    assert best.item() == pytest.approx(entropy, rel=1e-5)
