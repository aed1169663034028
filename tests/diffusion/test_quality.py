"""Four measures of drawn digits, against what they must say."""

import pytest
import torch

from vae_course.data import small_digits
from vae_course.diffusion.quality import (
    Judge,
    accuracy,
    frechet_distance,
    nearest,
    trained_judge,
)


class Given(Judge):
    """A judge whose features are the first two pixels."""

    def features(self, x):
        return x.flatten(1)[:, :2]


def as_images(points):
    images = torch.zeros(len(points), 1, 28, 28)
    images.flatten(1)[:, :2] = points
    return images


def test_a_judge_learns_to_read_digits():
    digits = small_digits()
    judge = trained_judge(digits.train[:], digits.train.labels, seen=15_000)
    right = accuracy(judge, digits.test[:], digits.test.labels)
    assert right > 0.9
    shuffled = digits.test.labels.roll(1)
    assert accuracy(judge, digits.test[:], shuffled) < 0.3
    again = trained_judge(digits.train[:50], digits.train.labels[:50], seen=50)
    other = trained_judge(digits.train[:50], digits.train.labels[:50], seen=50)
    for a, b in zip(again.parameters(), other.parameters(), strict=True):
        assert a.equal(b)


def test_the_frechet_distance_of_gaussians_is_its_closed_form():
    torch.manual_seed(0)
    n = 200_000
    first = torch.randn(n, 2) * torch.tensor([1.0, 2.0])
    second = torch.randn(n, 2) * torch.tensor([3.0, 2.0])
    second = second + torch.tensor([1.0, -1.0])
    found = frechet_distance(Given(), as_images(first), as_images(second))
    # ‖(1, −1)‖² + (3 − 1)² + (2 − 2)²
    assert found == pytest.approx(6, abs=0.1)


def test_it_sees_correlations_and_is_zero_for_the_same_images():
    torch.manual_seed(0)
    first = torch.randn(50_000, 2)
    turned = first[:, :1].expand(-1, 2)  # same variances, one line
    found = frechet_distance(Given(), as_images(first), as_images(turned))
    # Eigenvalues 1, 1 against 2, 0: 4 − 2·√2.
    assert found == pytest.approx(4 - 2 * 2**0.5, abs=0.05)
    same = frechet_distance(Given(), as_images(first), as_images(first))
    assert same == pytest.approx(0, abs=1e-6)
    back = frechet_distance(Given(), as_images(turned), as_images(first))
    assert back == pytest.approx(found, abs=1e-6)


def test_the_nearest_neighbour_is_found_and_a_copy_is_at_distance_0():
    torch.manual_seed(0)
    others = torch.rand(700, 1, 28, 28)
    images = others[[5, 600]].clone()
    images[1, 0, 0, 0] += 0.5
    distance, place = nearest(images, others)
    assert place.tolist() == [5, 600]
    assert distance.tolist() == pytest.approx([0, 0.5], abs=2e-2)
