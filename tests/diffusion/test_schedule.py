"""The roads from a latent to noise."""

import diffusers
import pytest
import torch

from vae_course.diffusion import Schedule, schedule

ALL = {
    "linear": schedule.linear(),
    "stable_diffusion": schedule.stable_diffusion(),
    "cosine": schedule.cosine(),
    "zero_terminal": schedule.zero_terminal_snr(schedule.stable_diffusion()),
    "even": schedule.even(),
    "straight": schedule.straight(),
}
SD = {"beta_start": 0.00085, "beta_end": 0.012}


@pytest.mark.parametrize("road", ALL.values(), ids=ALL)
def test_a_road_leads_from_the_clean_latent_to_noise(road):
    assert road.steps == 1000
    assert (road.signal[0], road.noise[0]) == (1, 0)
    assert road.signal[-1] < 0.1 and road.noise[-1] > 0.99
    assert (road.snr.diff()[1:] < 0).all() and road.snr[0] == torch.inf
    assert road.signal.dtype == road.noise.dtype == torch.float64


@pytest.mark.parametrize("name", [*ALL])
def test_variance_is_preserved_by_all_but_the_straight_road(name):
    road = ALL[name]
    variance = road.signal.square() + road.noise.square()
    if name == "straight":
        assert variance[500].item() == pytest.approx(0.5)
    else:
        torch.testing.assert_close(variance, torch.ones_like(variance))


@pytest.mark.parametrize(
    ("road", "theirs"),
    [
        ("linear", {}),
        ("stable_diffusion", SD | {"beta_schedule": "scaled_linear"}),
        ("cosine", {"beta_schedule": "squaredcos_cap_v2"}),
        (
            "zero_terminal",
            SD
            | {
                "beta_schedule": "scaled_linear",
                "rescale_betas_zero_snr": True,
            },
        ),
    ],
)
def test_schedules_equal_those_of_diffusers(road, theirs):
    theirs = diffusers.DDIMScheduler(**theirs).alphas_cumprod.double()
    # Our step t is their timestep t − 1; their numbers are single precision.
    torch.testing.assert_close(ALL[road].abar[1:], theirs, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("name", "beta"),
    [
        ("linear", lambda i: 1e-4 + (0.02 - 1e-4) * i / 999),
        (
            "stable_diffusion",
            lambda i: (
                (0.00085**0.5 + (0.012**0.5 - 0.00085**0.5) * i / 999) ** 2
            ),
        ),
    ],
)
def test_the_product_keeps_twelve_digits(name, beta):
    product, exact = 1.0, [1.0]
    for i in range(1000):
        product *= 1 - beta(i)
        exact.append(product)
    exact = torch.tensor(exact, dtype=torch.float64)
    torch.testing.assert_close(ALL[name].abar, exact, rtol=1e-12, atol=0)


def test_a_trace_of_signal_is_left_at_the_end_of_the_cosine():
    abar = ALL["cosine"].abar
    kept = (abar[1:] / abar[:-1]).min().item()
    assert abar[-1] > 0 and kept == pytest.approx(1e-3)


def test_a_road_may_have_a_single_step():
    assert schedule.from_betas(torch.tensor([0.5])).steps == 1


def test_the_product_is_taken_over_all_steps_so_far():
    road = schedule.from_betas(torch.tensor([0.1, 0.2, 0.5]))
    expected = torch.tensor([1, 0.9, 0.9 * 0.8, 0.9 * 0.8 * 0.5]).double()
    torch.testing.assert_close(road.abar, expected, atol=1e-7, rtol=0)
    torch.testing.assert_close(road.noise.square(), 1 - road.abar)


def test_the_even_road_falls_by_the_same_factor_at_every_step():
    snr = schedule.even(5, 100.0, 0.01).snr
    assert snr[1:].tolist() == pytest.approx([100, 10, 1, 0.1, 0.01])


def test_zero_terminal_keeps_the_start_and_ends_in_nothing():
    before, after = ALL["stable_diffusion"], ALL["zero_terminal"]
    assert after.signal[-1] == 0 and after.noise[-1] == 1
    assert after.signal[1].item() == pytest.approx(before.signal[1].item())
    assert before.snr[-1] > 0.004  # SD 1 leaves a trace of the picture


def test_factors_are_given_in_the_shape_and_type_of_the_latents():
    road, z = ALL["cosine"], torch.zeros(2, 4, 3, 3, dtype=torch.float32)
    a, s = road.at(torch.tensor([0, 500]), z)
    assert a.shape == s.shape == (2, 1, 1, 1) and a.dtype == z.dtype
    assert a[0] == 1 and s[0] == 0
    a, _ = road.at(500, z)
    assert a.shape == (1, 1, 1, 1) or a.shape == ()
    assert (a * z).shape == z.shape


@pytest.mark.parametrize(
    ("signal", "noise"),
    [
        ([1.0, 0.5, 0.6], [0.0, 0.5, 0.6]),  # rises again
        ([0.9, 0.5], [0.0, 0.5]),  # does not start clean
        ([1.0, 0.5], [0.1, 0.5]),
        ([1.0, 0.5, 0.4], [0.0, 0.5, 0.5]),
        ([1.0], [0.0]),
        ([1.0, 0.5], [0.0, 0.5, 0.6]),
        ([1.0, -0.5], [0.0, 0.5]),
    ],
)
def test_what_is_no_road_is_refused(signal, noise):
    with pytest.raises(ValueError, match=r"schedule|signal"):
        Schedule(torch.tensor(signal).double(), torch.tensor(noise).double())
