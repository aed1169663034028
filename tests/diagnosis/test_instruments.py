"""Each instrument tells a broken model from a healthy one.

The faults here are made by hand, and none of them is an exhibit.
"""

import sys
from pathlib import Path

import pytest
import torch
from torch import distributions as D
from torch import nn
from torch.nn import functional as F

from vae_course import MLPVAE, Autoencoder, diagnose, elbo, mlp
from vae_course.core import (
    ELBO,
    averaged_elbo,
    importance_weighted_bound,
    importance_weighted_elbo,
)
from vae_course.diagnosis import INSTRUMENTS, Subject
from vae_course.sd import AutoencoderKL
from vae_course.theory import LinearGaussian

sys.path.insert(0, str(Path(__file__).parent))
from patients import Wrapped, bars, convolutional, dense, trained, waves

X, SEEN = bars(), bars(512, seed=4)


def rings(model, instrument, images=X, **said):
    """Whether one instrument finds something; it must have measured."""
    report = diagnose(model, images, instruments=[instrument], **said)
    assert instrument in report.used, report.unasked
    return not report.healthy


# -- quiet ------------------------------------------------------------------


@pytest.mark.parametrize("make", [dense, trained])
def test_every_instrument_is_quiet_on_a_dense_vae(make):
    report = diagnose(make(), X, train_images=SEEN)
    assert report.healthy, str(report)
    assert set(report.used) == set(INSTRUMENTS) - {"shift"}


def test_every_instrument_is_quiet_on_a_convolutional_vae():
    report = diagnose(convolutional(), waves(), train_images=waves(seed=6))
    assert report.healthy, str(report)
    assert set(INSTRUMENTS) - set(report.used) <= {"collapse"}


@pytest.mark.parametrize("likelihood", ["normal", "laplace"])
def test_a_learned_scale_is_quiet(likelihood):
    report = diagnose(dense(likelihood=likelihood), X)
    assert report.healthy, str(report)


def test_an_exact_model_is_quiet():
    torch.manual_seed(1)
    x = torch.randn(400, 4) @ torch.randn(4, 16) + torch.randn(400, 16)
    model = (
        LinearGaussian((1, 4, 4), 3).double().fit(x.double().view(-1, 1, 4, 4))
    )
    report = diagnose(model, x.double().view(-1, 1, 4, 4))
    assert report.healthy, str(report)


def test_an_autoencoder_without_noise_is_asked_what_it_can_answer():
    model = Autoencoder((1, 8, 8), latent=4, hidden=32)
    report = diagnose(model, X, objective=mlp.squared_error)
    assert report.healthy, str(report)
    assert {"repeat", "batch", "decoder", "gradient"} <= set(report.used)
    assert "noise" in report.unasked


def test_other_bounds_are_quiet():
    for objective in (averaged_elbo, importance_weighted_elbo):
        report = diagnose(trained(), X, objective=objective)
        assert report.healthy, str(report)


# -- noise ------------------------------------------------------------------


def shared_over_latents(mean, log_var):
    return mean + (0.5 * log_var).exp() * torch.randn_like(mean[:, :1])


def shared_over_images(mean, log_var):
    return mean + (0.5 * log_var).exp() * torch.randn_like(mean[:1])


def always_the_same(mean, log_var):
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(mean.shape, generator=generator)
    return mean + (0.5 * log_var).exp() * noise


def laplacian(mean, log_var):
    noise = D.Laplace(torch.zeros_like(mean), 0.5**0.5).sample()
    return mean + (0.5 * log_var).exp() * noise


def cut_off(mean, log_var):
    noise = torch.randn_like(mean).clamp(-2, 2)
    return mean + (0.5 * log_var).exp() * noise


def doubled_mean(mean, log_var):
    return 2 * mean + (0.5 * log_var).exp() * torch.randn_like(mean)


@pytest.mark.parametrize(
    "draw",
    [
        shared_over_latents,
        shared_over_images,
        always_the_same,
        laplacian,
        cut_off,
        doubled_mean,
    ],
)
def test_noise_rings_on_a_wrong_draw(draw):
    assert rings(trained(), "noise", draw=draw)


def test_noise_says_what_is_shared():
    report = diagnose(
        trained(), X, instruments=["noise"], draw=shared_over_latents
    )
    assert report["noise shared by latents"].value == pytest.approx(4, rel=0.1)


# -- weight, collapse -------------------------------------------------------


class MeanOverLatents(ELBO):
    @property
    def loss(self):
        return (self.distortion + self.rate / 4).mean()


def averaged_rate(vae, x, beta=1.0):
    return MeanOverLatents(*elbo(vae, x))


def rate_over_the_batch(vae, x, beta=1.0):
    found = elbo(vae, x)
    return Number(found.distortion.mean() + found.rate.sum())


def without_a_rate(vae, x, beta=1.0):
    return Number(elbo(vae, x).distortion.mean())


def plus_a_norm(vae, x, beta=1.0):
    return Number(elbo(vae, x).loss + 3 * vae.encode(x).mean.norm())


class Number:
    def __init__(self, loss):
        self.loss = loss


@pytest.mark.parametrize(
    "objective",
    [averaged_rate, rate_over_the_batch, without_a_rate, plus_a_norm],
)
def test_weight_rings_on_a_loss_that_weighs_otherwise(objective):
    assert rings(dense(), "weight", objective=objective)


def test_weight_measures_beta_whatever_the_loss_is_divided_by():
    def scaled(vae, x, beta=1.0):
        found = elbo(vae, x)
        return Number((found.distortion + 0.25 * found.rate).mean() / 64)

    report = diagnose(
        dense(), X, objective=scaled, beta=0.25, instruments=["weight"]
    )
    assert report.healthy
    assert report["β of the loss"].value == pytest.approx(0.25, rel=1e-6)


def with_noise_of_its_own(weight=1.0, count=None):
    """The loss draws in another order than the posterior does."""

    def objective(vae, x, beta=1.0):
        q = vae.encode(x)
        noise = torch.randn(q.mean.T.shape).T.to(q.mean)
        p = vae.decode(q.mean + q.stddev * noise)
        kl = weight * D.kl_divergence(q, vae.prior)
        return ELBO(-p.log_prob(x), kl * len(x) if count else kl)

    return objective


@pytest.mark.parametrize("make", [dense, trained])
@pytest.mark.parametrize("weight", [1.0, 1.5])
def test_weight_is_not_asked_of_a_loss_with_noise_of_its_own(make, weight):
    report = diagnose(
        make(), X, objective=with_noise_of_its_own(weight), beta=1.0
    )
    assert "in a way of its own" in report.unasked["weight"]
    assert "weight" not in report.named


@pytest.mark.parametrize("make", [dense, trained])
def test_weight_still_hears_a_factor_of_eight_through_such_noise(make):
    assert rings(make(), "weight", objective=with_noise_of_its_own(count=True))


def test_a_healthy_loss_with_noise_of_its_own_never_rings():
    for seed in range(6):
        for latent in (4, 16):
            torch.manual_seed(seed)
            model = MLPVAE((1, 8, 8), 64, latent)
            report = diagnose(
                model,
                X,
                objective=with_noise_of_its_own(),
                instruments=["weight"],
                seed=seed,
            )
            assert report.healthy, report.table()
            assert report.unasked


class LearnedPrior(MLPVAE):
    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.middle = nn.Parameter(torch.linspace(-0.5, 0.5, len(self.origin)))
        self.log_width = nn.Parameter(torch.zeros(len(self.origin)))

    @property
    def prior(self):
        return D.Independent(D.Normal(self.middle, self.log_width.exp()), 1)


def test_a_learned_prior_is_quiet():
    torch.manual_seed(0)
    report = diagnose(LearnedPrior((1, 8, 8), hidden=32, latent=4), X)
    assert report.healthy, str(report)
    assert {"weight", "bound"} <= set(report.used)


def test_weight_is_not_asked_where_the_encoder_is_frozen():
    model = trained()
    model.encoder.requires_grad_(False)
    report = diagnose(model, X)
    assert report.healthy, str(report)
    assert "share in the rate" in report.unasked["weight"]


def rate_by_one_draw(vae, x, beta=1.0):
    q = vae.encode(x)
    z = q.rsample()
    rate = q.log_prob(z) - vae.prior.log_prob(z)
    return ELBO(-vae.decode(z).log_prob(x), rate)


def test_a_rate_estimated_by_one_draw_is_quiet():
    for seed in range(8):
        torch.manual_seed(seed)
        model = MLPVAE((1, 8, 8), 32, 4)
        report = diagnose(
            model, X, objective=rate_by_one_draw, instruments=["weight"]
        )
        assert report.healthy, report.table()


def test_collapse_rings_where_the_loss_implies_too_much_noise():
    assert rings(dense(), "collapse", beta=200.0)
    assert rings(dense(likelihood="normal", likelihood_scale=2.0), "collapse")
    assert not rings(
        dense(likelihood="normal", likelihood_scale=0.3), "collapse"
    )


def test_collapse_predicts_what_training_does():
    from vae_course.training import train

    x = bars(512, seed=4)
    found = {}
    for scale in (0.3, 2.0):
        model = dense(likelihood="normal", likelihood_scale=scale)
        predicted = rings(model, "collapse", images=x)
        train(model, x, epochs=40, lr=5e-3, progress=False)
        found[scale] = predicted, rings(model, "posterior", images=x)
    assert found == {0.3: (False, False), 2.0: (True, True)}


# -- posterior, bound -------------------------------------------------------


def test_posterior_rings_on_an_empty_code():
    model = trained()
    with torch.no_grad():
        model.encoder[-1].weight.zero_()
        model.encoder[-1].bias.zero_()
        model.decoder[-1].weight.zero_()
        model.decoder[-1].bias.copy_(X.mean(0).flatten().logit(eps=1e-3))
    assert rings(model, "posterior")


def test_posterior_rings_on_codes_that_are_nothing_like_the_prior():
    model = trained()
    with torch.no_grad():
        model.encoder[-1].weight[:4] *= 6
        model.encoder[-1].bias[:4] *= 6
        model.decoder[0].weight /= 6
    assert rings(model, "posterior")


@pytest.mark.parametrize(
    "rate",
    [
        lambda m, lv: 0.5 * (m**2 + lv.exp() - 1 - lv).mean(dim=1),
        lambda m, lv: 0.5 * (m**2 + lv.exp() - 1).sum(dim=1),
    ],
)
def test_posterior_rings_on_a_rate_that_is_no_kl(rate):
    assert rings(trained(), "posterior", rate=rate)


def halved_distortion(vae, x, beta=1.0):
    found = elbo(vae, x)
    return ELBO(found.distortion / 2, found.rate)


def rate_of_the_mean_alone(vae, x, beta=1.0):
    found = elbo(vae, x)
    return ELBO(found.distortion, 0.5 * vae.encode(x).mean.square().sum(1))


def without_noise(vae, x, beta=1.0):
    q = vae.encode(x)
    return ELBO(-vae.decode(q.mean).log_prob(x), D.kl_divergence(q, vae.prior))


@pytest.mark.parametrize(
    "objective", [halved_distortion, rate_of_the_mean_alone, without_noise]
)
def test_bound_rings_on_a_false_claim(objective):
    assert rings(trained(), "bound", objective=objective)


def test_bound_rings_on_draws_that_decode_better_than_they_should():
    assert rings(trained(), "bound", draw=lambda mean, log_var: mean)


def test_bound_rings_on_an_importance_weighted_bound_that_is_none():
    model = trained()

    def right(x, k):
        return importance_weighted_bound(model, x, k)

    def mean_of_logs(x, k):
        return right(x, 1) - 0.1 * k

    assert not rings(model, "bound", bound=right)
    assert rings(model, "bound", bound=mean_of_logs)
    assert rings(model, "bound", bound=lambda x, k: -right(x, k))


# -- repeat, batch ----------------------------------------------------------


class Dropped(MLPVAE):
    def encode(self, x):
        return super().encode(F.dropout(x, 0.2, self.training))


class Changing(MLPVAE):
    def decode(self, z):
        z.mul_(1.5)
        return super().decode(z)


class Remembering(MLPVAE):
    calls = 0

    def encode(self, x):
        self.calls += 1
        return super().encode(x + 0.01 * self.calls)


def test_repeat_rings_on_a_model_left_in_training_mode():
    assert not rings(trained(Dropped), "repeat")
    assert rings(trained(Dropped).train(), "repeat")


@pytest.mark.parametrize("kind", [Changing, Remembering])
def test_repeat_rings(kind):
    assert rings(trained(kind), "repeat")


def test_repeat_rings_on_a_scale_in_place():
    model = convolutional()
    assert rings(model, "repeat", waves(), scale=lambda z: z.mul_(0.18))


class Centred(MLPVAE):
    def encode(self, x):
        return super().encode(x - x.mean(dim=0))


class Ranked(MLPVAE):
    def decode(self, z):
        return super().decode(z / z.norm())


class Normed(MLPVAE):
    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.norm = nn.BatchNorm1d(32, affine=False, track_running_stats=False)
        self.norm.requires_grad_(False)
        self.encoder[0] = Wrapped(self.encoder[0], self.norm)


@pytest.mark.parametrize("kind", [Centred, Ranked])
def test_batch_rings_on_neighbours(kind):
    assert rings(trained(kind), "batch")


def test_batch_rings_on_batch_norm():
    torch.manual_seed(0)
    assert rings(Normed((1, 8, 8), hidden=32, latent=4), "batch")


# -- gradient, decoder ------------------------------------------------------


def sampled_without_a_path(vae, x, beta=1.0):
    q = vae.encode(x)
    return ELBO(
        -vae.decode(q.sample()).log_prob(x), D.kl_divergence(q, vae.prior)
    )


def detached_rate(vae, x, beta=1.0):
    found = elbo(vae, x)
    return ELBO(found.distortion, found.rate.detach())


def half_of_it_detached(vae, x, beta=1.0):
    q = vae.encode(x)
    z = q.rsample()
    z = torch.cat([z[:, :2].detach(), z[:, 2:]], dim=1)
    return ELBO(-vae.decode(z).log_prob(x), D.kl_divergence(q, vae.prior))


@pytest.mark.parametrize(
    "objective",
    [sampled_without_a_path, detached_rate, half_of_it_detached],
)
def test_gradient_rings_on_what_is_outside_the_graph(objective):
    assert rings(trained(), "gradient", objective=objective)


def test_gradient_rings_on_a_layer_that_is_never_reached():
    model = dense()
    model.spare = nn.Linear(3, 3)
    assert rings(model, "gradient")


def test_gradient_rings_on_a_term_that_reaches_nobody():
    model = dense()

    def terms(x):
        found = elbo(model, x)
        return {"distortion": found.distortion, "rate": found.rate.detach()}

    assert rings(model, "gradient", terms=terms)


@pytest.mark.parametrize(
    "distance",
    [
        lambda y, x: (y - x).square().flatten(1).sum(1).sqrt(),
        lambda y, x: (y.detach() - x).square().flatten(1).sum(1),
        lambda y, x: (y - x + 0.1).square().flatten(1).sum(1),
    ],
)
def test_gradient_rings_on_a_distance_with_a_fault(distance):
    assert rings(dense(), "gradient", distance=distance)


class TwiceSquashed(MLPVAE):
    def decode(self, z):
        probs = self.decoder(z).view(-1, 1, 8, 8).sigmoid()
        return self.likelihood(probs)


class Half(MLPVAE):
    def decode(self, z):
        p = super().decode(z)
        return D.Independent(D.Bernoulli(0.5 * p.mean, validate_args=False), 3)


class NoNormaliser(D.Normal):
    def log_prob(self, value):
        return super().log_prob(value) + 2 * self.scale.log()


@pytest.mark.parametrize("kind", [TwiceSquashed, Half])
def test_decoder_rings_on_a_range_too_small(kind):
    assert rings(trained(kind), "decoder")


@pytest.mark.parametrize("pixels", [NoNormaliser, D.Laplace])
def test_decoder_rings_on_a_density_that_is_none(pixels):
    class Odd(MLPVAE):
        def decode(self, z):
            output = self.decoder(z).view(-1, 1, 8, 8)
            p = D.Independent(pixels(output, 0.5), 3)
            if pixels is D.Laplace:  # a density of one kind, draws of another
                p.sample = D.Independent(D.Normal(output, 0.5), 3).sample
            return p

    assert rings(trained(Odd), "decoder")


# -- shift, scale, heldout, parity ------------------------------------------


def positions(h):
    return h + torch.linspace(-1, 1, h.shape[-1]).to(h)


def mirrored(h):
    return h.flip(-1)


@pytest.mark.parametrize("after", [positions, mirrored])
def test_shift_rings_on_a_layer_that_knows_positions(after):
    model = convolutional()
    model.encoder.conv_in = Wrapped(model.encoder.conv_in, after)
    assert rings(model, "shift", waves())


def test_copies_beside_their_images_are_found():
    x = waves()
    for by, ring in ((0, False), (1, True), (-1, True)):
        subject = Subject(
            encode=lambda x: 1 * x,
            decode=lambda z, by=by: z.roll(by, dims=-1),
        )
        report = diagnose(subject, x, instruments=["shift"])
        assert report.healthy is not ring


def test_scale_rings_on_one_side_alone_and_on_a_large_code():
    model = convolutional()
    assert rings(model, "scale", waves(), unscale=lambda z: z)
    assert rings(model, "scale", waves(), scale=lambda z: 0.18 * z)
    large = MLPVAE((1, 8, 8), hidden=8, latent=64)
    assert rings(large, "scale")


def test_heldout_rings_on_images_that_were_seen_or_learned_by_heart():
    assert rings(trained(), "heldout", X, train_images=X)
    mixed = torch.cat([X[:3], SEEN])
    assert rings(trained(), "heldout", X, train_images=mixed)
    from vae_course.training import train

    few, model = bars(16, seed=9), dense()
    train(model, few, epochs=600, lr=1e-2, progress=False)
    assert rings(model, "heldout", X, train_images=few)


def test_parity_rings_on_another_activation():
    model = trained()
    model.encoder[1] = nn.ELU()
    assert rings(model, "parity")
    model = trained()
    model.decoder[1] = nn.LeakyReLU(0.1)
    assert rings(model, "parity")


def test_parity_rings_on_another_padding_and_norm():
    model = convolutional()
    model.decoder.conv_in.padding_mode = "circular"
    model.decoder.conv_in._reversed_padding_repeated_twice = [1] * 4
    assert rings(model, "parity", waves())
    model = convolutional()
    model.encoder.conv_norm_out.eps = 0.1
    assert rings(model, "parity", waves())


def test_parity_takes_a_reference_that_is_given():
    model, other = dense(), dense()
    other.encoder[1] = nn.Tanh()
    subject = Subject(encode=other.encode, decode=other.decode)
    assert rings(subject, "parity", reference=model)
    assert not rings(subject, "parity", reference=other)


def test_parity_is_asked_of_a_subclass_that_changes_nothing():
    class Own(AutoencoderKL):
        """Another name, and something more."""

        def brightness(self, x):
            return x.mean()

    report = diagnose(convolutional(Own), waves(), instruments=["parity"])
    assert report.healthy and report.used == ("parity",)


class WithAnotherLayer(MLPVAE):
    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.encoder[1] = nn.ELU()


class WithAnotherRange(MLPVAE):
    def encode(self, x):
        return super().encode(2 * x - 1)


class OfItsChild(WithAnotherRange):
    pass


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        (WithAnotherLayer, "__init__"),
        (WithAnotherRange, "encode"),
        (OfItsChild, "encode"),
    ],
)
def test_parity_is_not_asked_of_a_subclass_that_is_meant_to_differ(kind, what):
    report = diagnose(trained(kind), X, instruments=["parity"])
    said = f"{kind.__name__} is MLPVAE with {what} of its own"
    assert said in report.unasked["parity"]
    # Held against a reference that is given, it rings.
    assert rings(trained(kind), "parity", reference=trained())


def test_parity_is_not_asked_without_a_reference():
    plain = Autoencoder((1, 8, 8), 4, 32)
    functions = Subject(encode=plain.encode, decode=plain.decode)
    for each in (plain, functions):
        report = diagnose(each, X, instruments=["parity"])
        assert report.unasked == {"parity": "there is no reference"}
        assert "Not asked: parity" in str(report)
        assert "parity: not asked" in report.figure().alt
    model = dense()
    model.encoder = Wrapped(model.encoder, lambda moments: moments)
    report = diagnose(model, X, instruments=["parity"])
    assert "not those of a plain MLPVAE" in report.unasked["parity"]


def test_no_weight_on_the_rate_is_healthy_where_it_is_meant():
    assert not rings(dense(), "weight", objective=elbo, beta=0.0)
    assert rings(dense(), "weight", objective=without_a_rate)
    assert not rings(dense(), "weight", objective=without_a_rate, beta=0.0)
