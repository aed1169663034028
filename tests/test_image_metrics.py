"""PSNR and SSIM against their definitions, written out slowly."""

import math

import numpy as np
import pytest
import torch

from vae_course.metrics import psnr, ssim


def slow_ssim(x: np.ndarray, y: np.ndarray, data_range: float) -> float:
    """Wang et al. 2004, equation 13, one window after the other."""
    offsets = np.arange(11) - 5
    line = np.exp(-(offsets**2) / (2 * 1.5**2))
    window = np.outer(line, line) / line.sum() ** 2
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    values = []
    for channel in range(x.shape[0]):
        for i in range(x.shape[1] - 10):
            for j in range(x.shape[2] - 10):
                a = x[channel, i : i + 11, j : j + 11]
                b = y[channel, i : i + 11, j : j + 11]
                ma, mb = (window * a).sum(), (window * b).sum()
                va = (window * (a - ma) ** 2).sum()
                vb = (window * (b - mb) ** 2).sum()
                cov = (window * (a - ma) * (b - mb)).sum()
                values.append(
                    (2 * ma * mb + c1)
                    * (2 * cov + c2)
                    / ((ma**2 + mb**2 + c1) * (va + vb + c2))
                )
    return float(np.mean(values))


@pytest.mark.parametrize("data_range", [1.0, 2.0])
def test_ssim_is_its_definition(data_range):
    x = torch.rand(2, 3, 14, 13, dtype=torch.float64)
    y = (x + 0.1 * torch.randn_like(x)).clamp(0, 1)
    found = ssim(x, y, data_range)
    slow = [
        slow_ssim(a.numpy(), b.numpy(), data_range)
        for a, b in zip(x, y, strict=True)
    ]
    assert found.tolist() == pytest.approx(slow, abs=1e-10)


def test_ssim_is_one_for_equal_images_alone():
    x = torch.rand(2, 1, 16, 16, dtype=torch.float64)
    assert ssim(x, x).tolist() == pytest.approx([1, 1])
    assert (ssim(x, 1 - x) < 0.5).all()


def test_psnr_of_a_known_error():
    x = torch.zeros(2, 3, 4, 4)
    y = torch.stack([torch.full((3, 4, 4), 0.1), torch.zeros(3, 4, 4)])
    assert psnr(x, y).tolist() == pytest.approx([20.0, math.inf])
    scaled = psnr(2 * x - 1, 2 * y - 1, data_range=2)
    assert scaled.tolist() == pytest.approx([20.0, math.inf], abs=1e-4)


def test_images_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        psnr(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 5))
    with pytest.raises(ValueError, match="11×11"):
        ssim(torch.zeros(1, 1, 10, 20), torch.zeros(1, 1, 10, 20))
