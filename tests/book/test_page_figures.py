"""Drawings on the pages: in the page's ink, their pixels in small files."""

import base64
import io
import re
from xml.etree import ElementTree as xml

import pytest
from course_pages import svg
from PIL import Image

from tools.address import ROOT
from vae_course.show.svg import NAMES

SHEET = (ROOT / "book" / "_static" / "course.css").read_text("utf-8")
PAGE = {"light": "#ffffff", "dark": "#121212"}


def noise(width=60, height=40):
    """A picture that cannot be packed."""
    state, pixels = 1, bytearray()
    for _ in range(3 * width * height):
        state = (1103515245 * state + 12345) % 2**31
        pixels.append(state >> 16 & 255)
    return Image.frombytes("RGB", (width, height), bytes(pixels))


def encoded(picture):
    out = io.BytesIO()
    picture.save(out, "png")
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()


def drawing(inside, **attributes):
    given = {
        "width": "400",
        "height": "200",
        "viewBox": "0 0 300 150",
        "aria-label": "What there is to see.",
        "data-text": "14",
        **attributes,
    }
    text = " ".join(f'{k}="{v}"' for k, v in given.items() if v is not None)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" '
        f'xmlns:xlink="http://www.w3.org/1999/xlink" {text}>{inside}</svg>'
    )


def image(picture, more="", place='x="30" y="15" width="60" height="30"'):
    return f'<image xlink:href="{encoded(picture)}" {place} {more}/>'


@pytest.mark.parametrize(
    "fault",
    [
        {"aria-label": None},
        {"aria-label": " "},
        {"viewBox": None},
        {"width": None},
        {"width": "100%"},
    ],
)
def test_a_drawing_says_what_it_shows_and_how_large_it_is(fault):
    with pytest.raises(ValueError, match="a drawing"):
        svg.take_apart(drawing("", **fault), "f1")


def test_no_two_drawings_share_a_name():
    inside = (
        '<defs><path id="a" d="M 0 0"/><clipPath id="c"/></defs>'
        '<use xlink:href="#a" clip-path="url(#c)"/>'
    )
    markup = svg.take_apart(drawing(inside), "f7").markup
    assert re.findall(r'id="([^"]+)"', markup) == ["f7-a", "f7-c"]
    assert 'href="#f7-a"' in markup and "url(#f7-c)" in markup
    assert "xmlns" not in markup and "xlink" not in markup


def test_a_picture_lies_where_the_drawing_has_it_without_loss():
    before = noise()
    (found,) = svg.take_apart(drawing(image(before)), "f").pixels
    assert (found.left, found.top) == pytest.approx((10, 10))
    assert (found.width, found.height) == pytest.approx((20, 20))
    after = Image.open(io.BytesIO(found.content)).convert("RGB")
    assert after.tobytes() == before.tobytes()
    assert not found.pixelated


def test_a_picture_is_moved_and_turned_over_with_its_group():
    before = noise()
    place = 'x="0" y="-45" width="60" height="30"'
    picture = image(before, 'transform="scale(1 -1)"', place)
    turned = f'<g transform="translate(30 0)">{picture}</g>'
    (found,) = svg.take_apart(drawing(turned), "f").pixels
    assert (found.left, found.top) == pytest.approx((10, 10))
    after = Image.open(io.BytesIO(found.content)).convert("RGB")
    upright = before.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    assert after.tobytes() == upright.tobytes()


def test_what_the_drawing_cuts_or_turns_stays_in_it():
    hole = '<rect x="30" y="15" width="9" height="9"/>'
    clip = f'<clipPath id="c">{hole}</clipPath>'
    cut = f'{clip}<g clip-path="url(#c)">{image(noise())}</g>'
    turned = image(noise(), 'transform="rotate(30)"')
    for inside in (cut, turned):
        found = svg.take_apart(drawing(inside), "f")
        assert not found.pixels and "<image" in found.markup


def test_a_picture_rounded_up_is_fitted_into_what_it_fills():
    hole = '<rect x="30" y="15" width="58.5" height="28.5"/>'
    clip = f'<clipPath id="c">{hole}</clipPath>'
    inside = f'{clip}<g clip-path="url(#c)">{image(noise())}</g>'
    (found,) = svg.take_apart(drawing(inside), "f").pixels
    assert (found.width, found.height) == pytest.approx((19.5, 19))


def test_a_tiny_picture_stays_in_the_drawing():
    found = svg.take_apart(drawing(image(noise(4, 4))), "f")
    assert not found.pixels
    assert "data:image/" in found.markup


def test_pixels_that_shall_be_seen_are():
    inside = image(noise(), 'style="image-rendering: pixelated"')
    (found,) = svg.take_apart(drawing(inside), "f").pixels
    assert found.pixelated


def test_the_smaller_file_is_taken():
    flat = Image.new("RGB", (300, 300), "#345678")
    content, kind = svg.smallest(flat)
    png = io.BytesIO()
    flat.save(png, "png", optimize=True)
    assert len(content) <= len(png.getvalue())
    assert kind in ("webp", "png")


def test_pixels_for_other_viewers_are_not_on_the_page(sound):
    assert len(sound.select(".sheet")) == 2
    assert not sound.select("img") and "Words." not in sound.get_text()


# --- On the site -------------------------------------------------------------


@pytest.fixture
def sheets(soups):
    found = [
        sheet for soup in soups.values() for sheet in soup.select(".sheet")
    ]
    assert found, "no drawing on any page"
    return found


def test_every_drawing_says_how_small_it_may_be(sheets):
    for sheet in sheets:
        style = sheet.parent["style"]
        said = dict(part.split(":") for part in style.split(";"))
        assert float(said["--figure-width"]) == float(sheet.svg["width"])
        assert float(said["--figure-height"]) == float(sheet.svg["height"])
        assert float(said["--figure-text"]) > 0
        assert xml.fromstring(str(sheet.svg)) is not None


def test_pictures_are_small_and_lossless(sheets):
    """Which of them wait is tested with what a page loads."""
    for sheet in sheets:
        for picture in sheet.find_all("img"):
            assert int(picture["width"]) > 0 and int(picture["height"]) > 0
            assert re.search(r"_images/\w+\.(webp|png)$", picture["src"])
        for data in re.findall(r"base64,([^\"]+)", str(sheet.svg)):
            if "clip-path" not in str(sheet.svg):
                assert len(data) <= svg.TINY * 4 / 3 + 4


def test_no_page_carries_pictures_that_nobody_sees(site, soups):
    shown = {
        picture["src"].rpartition("/")[2]
        for soup in soups.values()
        for picture in soup.select("img[src]")
    }
    shipped = {path.name for path in (site / "_images").iterdir()}
    assert shipped <= shown


def rules(theme):
    """The figures' colours of a theme, as course.css has them."""
    start = 'html[data-theme="dark"] {' if theme == "dark" else "\nhtml {"
    found = {}
    for block in SHEET.split(start)[1:]:
        found.update(
            re.findall(r"--figure-(\w+): (#\w{6});", block.partition("}")[0])
        )
    return found


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", PAGE)
def test_each_colour_of_the_figures_stands_out_on_the_page(theme):
    colours = rules(theme)
    assert set(colours) == set(NAMES.values()) - {"paper"}
    for name, colour in colours.items():
        pair = sorted([luminance(colour), luminance(PAGE[theme])])
        contrast = (pair[1] + 0.05) / (pair[0] + 0.05)
        assert contrast >= (4.5 if name in ("ink", "soft") else 3), name
