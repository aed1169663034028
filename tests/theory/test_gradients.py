"""Both gradient estimators, against gradients known in closed form."""

import pytest
import torch
from scipy import integrate
from scipy.stats import norm

from vae_course.theory.gradients import (
    pathwise_gradient,
    score_function_gradient,
)

MEAN, STD = (
    torch.tensor([0.5, -1.0]).double(),
    torch.tensor([0.3, 2.0]).double(),
)
SAMPLES = 200_000


def square(z):
    return z.square().sum(dim=1)


def wave(z):
    return z.sin().sum(dim=1)


# d/dμ E[Σ z²] = 2μ and d/dμ E[Σ sin z] = exp(−σ²/2) cos μ.
TRUTHS = [(square, 2 * MEAN), (wave, torch.exp(-(STD**2) / 2) * MEAN.cos())]
ESTIMATORS = {
    "pathwise": pathwise_gradient,
    "score": score_function_gradient,
    "score with baseline": lambda *a: score_function_gradient(
        *a, baseline=True
    ),
}


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.mark.parametrize(("f", "truth"), TRUTHS)
@pytest.mark.parametrize("name", ESTIMATORS)
def test_estimators_are_unbiased(name, f, truth):
    gradients = ESTIMATORS[name](f, MEAN, STD, SAMPLES)
    assert gradients.shape == (SAMPLES, 2)
    error = gradients.std(dim=0) / SAMPLES**0.5
    assert ((gradients.mean(dim=0) - truth).abs() < 5 * error).all()


def test_pathwise_gradient_is_the_functions_own_slope_at_the_sample():
    spread = pathwise_gradient(square, MEAN, STD, SAMPLES).var(dim=0)
    torch.testing.assert_close(spread, 4 * STD**2, rtol=0.02, atol=0)


def test_score_function_spread_is_what_the_integral_says():
    mean, std = 0.5, 0.8

    def moment(power):
        def integrand(z):
            score = (z - mean) / std**2
            return (z**2 * score) ** power * norm.pdf(z, mean, std)

        return integrate.quad(integrand, -15, 15)[0]

    estimates = score_function_gradient(
        square, torch.tensor([mean]), torch.tensor([std]), SAMPLES
    )
    exact = moment(2) - moment(1) ** 2
    assert estimates.var().item() == pytest.approx(exact, rel=0.05)


def test_score_function_spreads_more_the_more_dimensions_there_are():
    ratios = []
    for size in (1, 10, 100):
        mean, std = torch.ones(size), torch.ones(size)
        score, path = (
            ESTIMATORS[name](square, mean, std, 5000).var(dim=0).mean()
            for name in ("score", "pathwise")
        )
        ratios.append(score / path)
    assert 1 < ratios[0] < ratios[1] / 3 < ratios[2] / 30


def test_a_baseline_lowers_the_spread():
    mean, std = torch.ones(10), torch.ones(10)
    plain, better = (
        ESTIMATORS[name](square, mean, std, 5000).var(dim=0).mean()
        for name in ("score", "score with baseline")
    )
    assert better < 0.5 * plain


@pytest.mark.parametrize("baseline", [False, True])
def test_the_spread_for_a_square_is_the_derivation_pages(baseline):
    size, mean, std = 6, 0.7, 0.4
    a, v = mean**2 + std**2, 2 * std**4 + 4 * mean**2 * std**2
    c = mean**4 + 18 * mean**2 * std**2 + 15 * std**4
    cross = 2 * a * (a + 2 * std**2)
    moment = (size - 1) ** 2 * a**2 + (size - 1) * (v + cross) + c
    if baseline:  # the exact mean, which the formula subtracts
        moment = (size - 1) * v + c - cross + a**2
    estimates = score_function_gradient(
        lambda z: square(z) - baseline * size * a,
        torch.full((size,), mean).double(),
        torch.full((size,), std).double(),
        SAMPLES,
    )
    expected = torch.tensor(moment / std**2 - 4 * mean**2).double()
    found = estimates.var(dim=0).mean()
    torch.testing.assert_close(found, expected, rtol=0.02, atol=0)


def test_with_a_baseline_a_constant_costs_nothing():
    # The mean of the others is the constant itself, so nothing is left.
    def constant(z):
        return torch.full((len(z),), 7.0, dtype=z.dtype)

    found = score_function_gradient(constant, MEAN, STD, 5, baseline=True)
    torch.testing.assert_close(found, torch.zeros_like(found))


def test_the_baseline_of_a_sample_does_not_contain_it():
    # With its own value in it, two samples would give half the gradient; in
    # thousands of samples nobody would notice.
    pairs = torch.stack(
        [
            score_function_gradient(wave, MEAN, STD, 2, baseline=True).mean(0)
            for _ in range(5000)
        ]
    )
    error = pairs.std(dim=0) / len(pairs) ** 0.5
    truth = TRUTHS[1][1]
    assert ((pairs.mean(dim=0) - truth).abs() < 5 * error).all()
    assert truth[0].abs() > 10 * error[0]  # so that half of it would show


def test_a_function_with_a_step_has_no_path_to_differentiate():
    def step(z):
        return (z > 0).double().sum(dim=1)

    with pytest.raises(ValueError, match="no path to differentiate"):
        pathwise_gradient(step, MEAN, STD, 10)
    estimates = score_function_gradient(step, MEAN, STD, SAMPLES)
    truth = torch.tensor([norm.pdf(0, 0.5, 0.3), norm.pdf(0, -1, 2)])
    error = estimates.std(dim=0) / SAMPLES**0.5
    assert ((estimates.mean(dim=0) - truth).abs() < 5 * error).all()


@pytest.mark.parametrize(
    "estimator", [pathwise_gradient, score_function_gradient]
)
def test_a_function_that_mixes_the_samples_is_refused(estimator):
    with pytest.raises(ValueError, match=r"\(10,\), got \(\)"):
        estimator(lambda z: z.square().sum(), MEAN, STD, 10)


def test_a_baseline_needs_a_second_sample():
    with pytest.raises(ValueError, match="samples=2"):
        score_function_gradient(square, MEAN, STD, 1, baseline=True)
