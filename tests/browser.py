"""A real browser for the tests: Chromium, driven by Playwright.

Found as `chromium`, `chromium-browser`, `google-chrome` or `chrome`, or named
by the variable `VAE_COURSE_BROWSER`. Where none is found, the tests that need
one are left out and say so in a line; where `VAE_COURSE_NEEDS_BROWSER` is
set, as `.ci/run` does, they fail.
"""

import os
import shutil

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


def program() -> str | None:
    """The browser's program, if there is one."""
    named = os.environ.get("VAE_COURSE_BROWSER")
    return shutil.which(named) if named else _first(NAMES)


def _first(names) -> str | None:
    return next(filter(None, map(shutil.which, names)), None)


def launched(playwright):
    """A browser; without one, the test fails or is left out."""
    found = program()
    if found is None:
        said = (
            "No browser found: install Chromium, or name one in "
            "VAE_COURSE_BROWSER, to check the pages as readers see them."
        )
        if os.environ.get("VAE_COURSE_NEEDS_BROWSER"):
            pytest.fail(said)
        pytest.skip(said)
    return playwright.chromium.launch(
        executable_path=found, args=["--no-sandbox", "--disable-gpu"]
    )
