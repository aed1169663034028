"""Noising in closed form, and what a network may be asked for."""

import diffusers
import pytest
import torch

from vae_course.diffusion import (
    PREDICTIONS,
    Denoiser,
    Denoising,
    Labelled,
    forward_process,
    recovered,
    schedule,
    target,
)

COSINE, STRAIGHT = schedule.cosine(100), schedule.straight(100)


def test_the_closed_form_is_many_small_steps_in_one():
    betas = torch.tensor([0.1, 0.3, 0.2, 0.5], dtype=torch.float64)
    road = schedule.from_betas(betas)
    z = torch.tensor([[2.0, -1.0]], dtype=torch.float64)
    mean, variance = z, torch.zeros(())
    for t, beta in enumerate(betas, 1):
        mean = (1 - beta).sqrt() * mean
        variance = (1 - beta) * variance + beta
        q = forward_process(road, z, t)
        torch.testing.assert_close(q.mean, mean)
        torch.testing.assert_close(q.variance, variance.expand_as(z))


@pytest.mark.parametrize("road", [COSINE, STRAIGHT], ids=["vp", "straight"])
def test_draws_have_the_moments_of_the_closed_form(road):
    torch.manual_seed(0)
    z = torch.tensor([[1.5, -0.5]]).expand(200_000, 2)
    t = torch.full((len(z),), 40)
    drawn = forward_process(road, z, t).sample()
    a, s = road.signal[40], road.noise[40]
    torch.testing.assert_close(
        drawn.double().mean(dim=0), a * z[0].double(), atol=0.01, rtol=0
    )
    torch.testing.assert_close(
        torch.cov(drawn.double().T),
        s**2 * torch.eye(2).double(),
        atol=0.01,
        rtol=0,
    )


def test_noising_equals_that_of_diffusers():
    theirs, ours = diffusers.DDPMScheduler(), schedule.linear()
    # Their column is ours (see test_schedule) in single precision, whose
    # rounding a root magnifies; with our column the formulas are compared.
    theirs.alphas_cumprod = ours.abar[1:]
    z, noise = torch.randn(2, 5, 4, 2, 2, dtype=torch.float64)
    t = torch.tensor([1, 2, 300, 999, 1000])
    a, s = ours.at(t, z)
    torch.testing.assert_close(
        a * z + s * noise,
        theirs.add_noise(z, noise, t - 1),
        atol=1e-6,
        rtol=0,
    )
    torch.testing.assert_close(
        target("v", ours, z, noise, t),
        theirs.get_velocity(z, noise, t - 1),
        atol=1e-6,
        rtol=0,
    )


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("t", [1, 50, 99])
def test_what_was_mixed_is_recovered(prediction, t):
    road = STRAIGHT if prediction == "flow" else COSINE
    z, noise = torch.randn(2, 3, 4, 2, 2, dtype=torch.float64)
    a, s = road.at(t, z)
    said = target(prediction, road, z, noise, t)
    back = recovered(prediction, road, a * z + s * noise, said, t)
    torch.testing.assert_close(back, (z, noise), atol=1e-9, rtol=0)


def test_the_targets_are_what_their_names_say():
    z, noise = torch.randn(2, 3, 4, 2, 2)
    a, s = COSINE.at(30, z)
    assert target("noise", COSINE, z, noise, 30).equal(noise)
    assert target("z0", COSINE, z, noise, 30).equal(z)
    v = target("v", COSINE, z, noise, 30)
    torch.testing.assert_close(v, a * noise - s * z)
    flow = target("flow", STRAIGHT, z, noise, 30)
    torch.testing.assert_close(flow, noise - z)
    # The field is the speed along the straight road.
    ahead, here = STRAIGHT.at(31, z), STRAIGHT.at(30, z)
    moved = (ahead[0] - here[0]) * z + (ahead[1] - here[1]) * noise
    torch.testing.assert_close(flow, 100 * moved, atol=1e-4, rtol=1e-4)


def test_without_signal_noise_prediction_is_refused_and_v_is_not():
    road = schedule.zero_terminal_snr(schedule.stable_diffusion())
    z_t = said = torch.randn(2, 4, 2, 2)
    with pytest.raises(ValueError, match="Predict 'v'"):
        recovered("noise", road, z_t, said, 1000)
    z, noise = recovered("v", road, z_t, said, 1000)
    torch.testing.assert_close(z, -said)
    torch.testing.assert_close(noise, z_t)


def test_an_unknown_prediction_is_named():
    with pytest.raises(ValueError, match=r"'epsilon'.*'noise'"):
        target("epsilon", COSINE, torch.zeros(1), torch.zeros(1), 3)


def batch(size=4000):
    return Labelled(torch.randn(size, 4, 4, 4), torch.arange(size) % 10)


@pytest.mark.parametrize("prediction", ["noise", "v"])
def test_a_silent_network_pays_one_per_number(prediction):
    torch.manual_seed(0)
    model = Denoiser(widths=(8,))  # starts out silent
    losses = Denoising(COSINE, prediction)(model, batch())
    assert losses.each.shape == (4000,)
    assert losses.loss.item() == pytest.approx(1.0, abs=0.01)
    flow = Denoising(STRAIGHT, "flow")(model, batch())
    assert flow.loss.item() == pytest.approx(2.0, abs=0.02)


class Listening(torch.nn.Module):
    """Says what it is told to, and remembers what it was asked."""

    no_class = 10

    def forward(self, z, t, labels):
        self.z, self.t, self.labels = z, t, labels
        return torch.zeros_like(z)


def test_the_network_sees_noised_latents_and_its_loss_is_against_the_noise():
    torch.manual_seed(3)
    model, given = Listening(), batch(6)
    losses = Denoising(COSINE, "noise")(model, given)
    t = (100 * model.t).round().long()
    a, s = COSINE.at(t, given.z)
    noise = (model.z - a * given.z) / s
    assert t.min() >= 1 and t.max() <= 100
    torch.testing.assert_close(
        losses.each, noise.square().flatten(1).mean(1), atol=1e-3, rtol=1e-3
    )
    apart = (noise[0] - noise[1]).abs().max()
    assert apart > 0.1  # each latent has noise of its own


def test_steps_are_drawn_from_all_of_the_road_alike():
    torch.manual_seed(0)
    model = Listening()
    Denoising(COSINE)(model, Labelled(torch.zeros(50_000, 1, 1, 1), 0))
    counts = (100 * model.t).round().long().bincount(minlength=101)
    assert counts[0] == 0
    assert counts[1:].min() > 380 and counts[1:].max() < 620


def test_a_tenth_of_the_labels_is_hidden_and_the_others_are_kept():
    torch.manual_seed(0)
    model, given = Listening(), batch(20_000)
    Denoising(COSINE)(model, given)
    hidden = model.labels == model.no_class
    assert hidden.float().mean().item() == pytest.approx(0.1, abs=0.01)
    assert model.labels[~hidden].equal(given.labels[~hidden])
    Denoising(COSINE, dropout=0.0)(model, given)
    assert model.labels.equal(given.labels)
