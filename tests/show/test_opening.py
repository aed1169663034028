"""Pictures that are there before a notebook has run."""

import base64
import io

import pytest
from PIL import Image

from vae_course.show import opening, stored


def test_a_chapter_opens_with_its_picture():
    shown, _ = opening("03")._repr_mimebundle_()
    assert shown["image/svg+xml"].startswith("<svg")
    assert len(shown["text/plain"]) > 40
    assert "image/jpeg" not in shown


def test_what_a_command_has_stored_comes_with_pixels_and_words():
    """JupyterLab shows no SVG of a file that it does not trust."""
    shown, given = stored("09_photographs")._repr_mimebundle_()
    pixels = io.BytesIO(base64.b64decode(shown["image/jpeg"]))
    with Image.open(pixels) as image:
        assert image.format == "JPEG" and image.width > 300
    alts = {entry["alt"] for entry in given.values()}
    assert alts == {shown["text/plain"]} and len(given) == 2


def test_a_picture_that_nobody_has_stored_is_missed():
    with pytest.raises(FileNotFoundError):
        stored("99_nothing")
