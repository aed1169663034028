"""The way back from noise, with denoisers that are known to be right."""

from itertools import pairwise

import diffusers
import pytest
import torch
from exact_gaussian import ExactDenoiser, two_by_two

from vae_course.diffusion import (
    Denoiser,
    guided,
    recovered,
    sample,
    schedule,
    step,
    times,
    travel,
)

ROADS = {
    "noise": schedule.linear(),
    "z0": schedule.cosine(),
    "v": schedule.zero_terminal_snr(schedule.stable_diffusion()),
    "flow": schedule.straight(),
}
MEAN, COVARIANCE = two_by_two()


def affine(prediction, road, eta):
    """Mean and covariance of what the sampler draws, without sampling.

    With the exact denoiser every step is affine in z_t and in its noise.
    """
    exact = ExactDenoiser(MEAN, COVARIANCE, road, prediction)
    mean, covariance = torch.zeros(1, 4).double(), torch.eye(4).double()
    probes = torch.cat([torch.zeros(1, 4), torch.eye(4)]).double()
    stops = times(road, road.steps)
    for t, to in pairwise(stops):
        share = torch.full((5,), t / road.steps, dtype=torch.float64)
        said = exact(probes, share)
        still, drawn = (
            step(road, prediction, probes, said, t, to, eta, noise)
            for noise in (torch.zeros(5, 4), torch.ones(5, 4))
        )
        slope = still[1:] - still[:1]  # rows: where each axis goes
        fresh = (drawn - still)[0, 0]
        mean = still[:1] + mean @ slope
        covariance = slope.T @ covariance @ slope + fresh**2 * torch.eye(4)
    return mean[0], covariance


@pytest.mark.parametrize("prediction", ROADS)
def test_without_noise_the_exact_denoiser_gives_back_its_gaussian(prediction):
    mean, covariance = affine(prediction, ROADS[prediction], 0.0)
    torch.testing.assert_close(mean, MEAN, atol=0.02, rtol=0)
    torch.testing.assert_close(covariance, COVARIANCE, atol=0.02, rtol=0.02)


@pytest.mark.parametrize("prediction", ["noise", "z0", "v"])
def test_with_fresh_noise_it_does_so_too(prediction):
    mean, covariance = affine(prediction, ROADS[prediction], 1.0)
    torch.testing.assert_close(mean, MEAN, atol=0.02, rtol=0)
    torch.testing.assert_close(covariance, COVARIANCE, atol=0.02, rtol=0.05)


def test_more_steps_come_closer():
    errors = []
    for steps in (10, 100, 1000):
        road = schedule.straight(steps)
        _, covariance = affine("flow", road, 0.0)
        errors.append((covariance - COVARIANCE).abs().max().item())
    assert errors[0] > 5 * errors[1] > 25 * errors[2]


@pytest.mark.parametrize("prediction", ["v", "flow"])
def test_without_noise_the_way_to_noise_is_the_way_back(prediction):
    road = ROADS[prediction]
    exact = ExactDenoiser(MEAN, COVARIANCE, road, prediction)
    torch.manual_seed(0)
    z = (
        MEAN + torch.randn(8, 4).double() @ torch.linalg.cholesky(COVARIANCE).T
    ).view(8, 1, 2, 2)
    back = times(road, 500, start=990)
    *_, noise = travel(exact, road, prediction, z, None, back[::-1])
    *_, again = travel(exact, road, prediction, noise, None, back)
    assert (noise - z).abs().max() > 1
    torch.testing.assert_close(again, z, atol=0.02, rtol=0)


def test_one_step_to_any_stop_with_the_truth_is_exact():
    road = ROADS["v"]
    z, noise = torch.randn(2, 3, 4, 2, 2, dtype=torch.float64)
    for t, to in ((900, 400), (400, 900), (1000, 1), (700, 0)):
        a, s = road.at(t, z)
        said = a * noise - s * z
        there = step(road, "v", a * z + s * noise, said, t, to)
        a, s = road.at(to, z)
        torch.testing.assert_close(there, a * z + s * noise)


def test_on_the_straight_road_it_is_eulers_step():
    road = ROADS["flow"]
    z_t, said = torch.randn(2, 3, 4, 2, 2, dtype=torch.float64)
    there = step(road, "flow", z_t, said, 700, 650)
    torch.testing.assert_close(there, z_t + (0.650 - 0.700) * said)
    theirs = diffusers.FlowMatchEulerDiscreteScheduler()
    theirs.set_timesteps(sigmas=[0.7, 0.65])
    single = theirs.step(said.float(), theirs.timesteps[0], z_t.float())
    torch.testing.assert_close(
        there.float(), single.prev_sample, atol=1e-6, rtol=0
    )


KINDS = {"noise": "epsilon", "z0": "sample", "v": "v_prediction"}


@pytest.mark.parametrize("prediction", KINDS)
@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("t", [50, 500, 950])
def test_steps_equal_those_of_diffusers(prediction, eta, t):
    theirs = diffusers.DDIMScheduler(
        prediction_type=KINDS[prediction],
        clip_sample=False,
        beta_schedule="squaredcos_cap_v2",
    )
    theirs.set_timesteps(20)  # strides of 50
    theirs.alphas_cumprod = schedule.cosine().abar[1:]  # double precision
    road = schedule.cosine()
    z_t, said, noise = torch.randn(3, 2, 4, 2, 2)
    expected = theirs.step(
        said, t - 1, z_t, eta=eta, variance_noise=noise
    ).prev_sample
    ours = step(road, prediction, z_t, said, t, t - 50, eta, noise)
    torch.testing.assert_close(ours, expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("t", [1, 2, 300, 1000])
def test_a_single_noisy_step_equals_ddpm_of_diffusers(t):
    theirs = diffusers.DDPMScheduler(clip_sample=False)
    theirs.alphas_cumprod = schedule.linear().abar[1:]  # in double precision
    z_t, said = torch.randn(2, 2, 4, 2, 2)
    noise = torch.randn(2, 4, 2, 2, generator=torch.Generator().manual_seed(5))
    expected = theirs.step(
        said, t - 1, z_t, generator=torch.Generator().manual_seed(5)
    ).prev_sample
    ours = step(schedule.linear(), "noise", z_t, said, t, t - 1, 1.0, noise)
    torch.testing.assert_close(ours, expected, atol=1e-6, rtol=1e-6)


class Linear(torch.nn.Module):
    """Says z_t · (class + 1), and z_t alone where no class is given."""

    no_class = 10
    calls = 0

    def forward(self, z, t, labels):
        self.calls += 1
        factor = torch.where(labels == self.no_class, 0, labels) + 1
        return factor.view(-1, 1, 1, 1) * z


def test_guidance_goes_from_no_class_through_the_class_and_beyond():
    model = Linear()
    z, t, labels = torch.ones(2, 4, 1, 1), torch.ones(2), torch.tensor([1, 4])
    for weight in (0.0, 1.0, 3.0):
        said = guided(model, z, t, labels, weight)
        expected = 1 + weight * torch.tensor([1.0, 4.0])
        assert said[..., 0, 0].equal(expected[:, None].expand(2, 4))
    before = model.calls
    guided(model, z, t, labels, 1.0)
    guided(model, z, t, labels, 2.0)
    assert model.calls == before + 2  # both branches in one call


def test_guiding_v_and_guiding_the_noise_are_the_same():
    road, z_t = schedule.cosine(), torch.randn(2, 4, 2, 2).double()
    with_class, without = torch.randn(2, 2, 4, 2, 2).double()
    v = without + 3 * (with_class - without)
    _, noises = zip(
        *(
            recovered("v", road, z_t, said, 400)
            for said in (v, with_class, without)
        ),
        strict=True,
    )
    torch.testing.assert_close(
        noises[0], noises[2] + 3 * (noises[1] - noises[2])
    )


def test_stops_are_even_and_end_at_the_clean_latent():
    assert times(schedule.cosine(), 4) == [1000, 750, 500, 250, 0]
    assert times(schedule.cosine(), 2, start=600) == [600, 300, 0]
    assert times(schedule.cosine(10), 10) == [*range(10, -1, -1)]
    assert times(schedule.cosine(), 1) == [1000, 0]
    for steps, start in ((0, None), (11, None), (5, 4), (1, 11)):
        with pytest.raises(ValueError, match="one gets to 0"):
            times(schedule.cosine(10), steps, start)


def test_a_sample_follows_its_seed_and_leaves_everything_as_it_was():
    torch.manual_seed(0)
    model = Denoiser(widths=(8, 16))
    torch.nn.init.normal_(model.conv_out.weight, std=0.1)
    model.train()
    state = torch.get_rng_state()
    how = (model, schedule.cosine(), "v", torch.arange(3))
    first = sample(*how, steps=3, eta=1.0)
    assert first.shape == (3, 4, 4, 4) and not first.requires_grad
    assert first.equal(sample(*how, steps=3, eta=1.0))
    assert not first.equal(sample(*how, steps=3, eta=1.0, seed=1))
    assert torch.get_rng_state().equal(state) and model.training


def test_unless_asked_otherwise_a_sample_takes_ddims_twenty_steps_quietly(
    capsys,
):
    modes = []

    class Watched(Denoiser):
        def forward(self, *given):
            modes.append(self.training)
            return super().forward(*given)

    torch.manual_seed(0)
    model = Watched(widths=(8, 16))
    torch.nn.init.normal_(model.conv_out.weight, std=0.1)
    how = (model.train(), schedule.cosine(), "v", torch.arange(3))
    found = sample(*how)
    assert len(modes) == 20 and not any(modes)
    assert found.equal(sample(*how, steps=20, guidance=1.0, eta=0.0, seed=0))
    said = capsys.readouterr()
    assert not said.out + said.err
    sample(*how, progress=True)
    assert "20/20" in capsys.readouterr().err
