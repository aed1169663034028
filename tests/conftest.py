"""What tests share: a seed, images, and a browser."""

import pytest
import torch
from browser import launched

from vae_course.data import ImageSet


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.fixture
def stripes():
    """64 images of 1×6×5 with a pattern in them, as bytes, in two classes."""
    generator = torch.Generator().manual_seed(2)
    labels = torch.arange(64) % 2
    pixels = torch.randint(0, 60, (64, 1, 6, 5), generator=generator)
    pixels[labels == 0, :, ::2] += 180
    pixels[labels == 1, :, :, ::2] += 180
    return ImageSet(pixels.to(torch.uint8), labels)


@pytest.fixture(scope="module")  # while it is open, no other loop may run
def chromium():
    """A browser without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = launched(playwright)
        yield browser
        browser.close()
