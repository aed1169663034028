"""The floor under the cross-entropy of grey pixels."""

import pytest
import torch
from torch import distributions as D

from vae_course.core import PixelBernoulli
from vae_course.data.mnist import find_mnist, mnist
from vae_course.metrics import pixel_entropy


def test_it_is_the_entropy_of_bernoulli_pixels_summed_over_the_image():
    x = torch.rand(5, 1, 3, 4).double()
    entropy = D.Bernoulli(probs=x).entropy().sum(dim=(1, 2, 3))
    torch.testing.assert_close(pixel_entropy(x), entropy)


def test_black_and_white_pixels_have_none():
    x = torch.tensor([0.0, 1.0, 1.0, 0.0]).view(1, 1, 2, 2)
    assert pixel_entropy(x).tolist() == [0.0]


def test_no_prediction_costs_less():
    x = torch.rand(20, 1, 3, 4).double()
    floor = pixel_entropy(x)
    for _ in range(50):
        guess = PixelBernoulli(
            probs=(x + 0.1 * torch.randn_like(x)).clamp(0.001, 0.999)
        )
        cost = -guess.log_prob(x).sum(dim=(1, 2, 3))
        assert (cost > floor).all()
    best = -PixelBernoulli(probs=x).log_prob(x).sum(dim=(1, 2, 3))
    torch.testing.assert_close(best, floor)


@pytest.mark.parametrize("bad", [-0.1, 1.1])
def test_pixels_outside_zero_to_one_are_refused(bad):
    with pytest.raises(ValueError, match="normalisation"):
        pixel_entropy(torch.full((1, 1, 2, 2), bad))


def test_an_empty_set_is_refused():
    with pytest.raises(ValueError, match="no images"):
        pixel_entropy(torch.empty(0, 1, 2, 2))


def test_the_grey_digits_of_mnist_have_a_floor_of_45_nats():
    if find_mnist() is None:
        pytest.skip("MNIST is not at hand")
    floor = pixel_entropy(mnist().test).mean().item()
    assert 45 < floor < 47
