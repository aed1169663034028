"""A figure shows itself as SVG that any page can dress."""

import base64
from io import BytesIO
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from vae_course.show.figure import (
    BLUE,
    COLOURS,
    INK,
    PAPER,
    SOFT,
    TEXT,
    WIDTH,
    label,
    new_figure,
)
from vae_course.show.svg import NAMES

SVG = "{http://www.w3.org/2000/svg}"
LINK = "{http://www.w3.org/1999/xlink}href"
PHONE = 350  # pixels of a page of 390


def drawn(figure):
    return ElementTree.fromstring(figure.svg())


def a_line(alt="A line that rises from one to three."):
    figure = new_figure(alt=alt)
    axis = figure.subplots()
    axis.plot([1, 2], [1, 3], color=BLUE)
    label(axis, 2, 3, "the line", BLUE)
    axis.set(xlabel="x", ylabel="nats")
    axis.grid()
    return figure


def pixels(figure):
    """The pictures in a figure: their places and their pixels."""
    for node in drawn(figure).iter(f"{SVG}image"):
        data = base64.b64decode(node.get(LINK).partition(",")[2])
        place = [float(node.get(k)) for k in ("x", "y", "width", "height")]
        with Image.open(BytesIO(data)) as image:
            yield place, image.convert("RGBA")


def test_a_figure_shows_itself_with_its_text():
    figure = a_line("Two  words\nhere.")
    data, metadata = figure._repr_mimebundle_()
    assert data["text/plain"] == figure.alt
    assert data["image/svg+xml"].startswith("<svg ")
    assert metadata["image/svg+xml"]["alt"] == figure.alt
    root = drawn(figure)
    assert root.get("role") == "img"
    assert root.get("aria-label") == "Two words here."
    assert repr(figure) == figure.alt == "Two  words\nhere."


def test_pixels_go_along_for_viewers_that_show_no_svg():
    figure = a_line()
    data, metadata = figure._repr_mimebundle_()
    (kind,) = set(data) - {"image/svg+xml", "text/plain"}
    assert kind == "image/png", "a few lines are smaller as PNG"
    assert metadata[kind]["alt"] == figure.alt
    assert len(data[kind]) < 15_000
    with Image.open(BytesIO(base64.b64decode(data[kind]))) as image:
        seen = np.asarray(image.convert("RGB")).astype(int)
    assert seen.shape[1] == pytest.approx(96 * WIDTH, abs=1)
    assert tuple(seen[0, 0]) == (255, 255, 255), "on white, in the dark too"
    blue = np.array([int(BLUE[i : i + 2], 16) for i in (1, 3, 5)])
    rows, columns = np.nonzero(np.abs(seen - blue).sum(axis=2) < 60)
    assert len(rows) > 200, "the line is there"
    assert np.corrcoef(rows, columns)[0, 1] < -0.9, "and it rises"


def test_a_photograph_goes_along_as_jpeg():
    figure = new_figure(alt="Noise in colours, as rough as a photograph.")
    noise = np.random.default_rng(0).random((200, 300, 3))
    figure.subplots().imshow(noise)
    data, _ = figure._repr_mimebundle_()
    with Image.open(BytesIO(base64.b64decode(data["image/jpeg"]))) as image:
        assert image.format == "JPEG"


@pytest.mark.parametrize("alt", ["", "   "])
def test_a_figure_without_text_is_refused(alt):
    with pytest.raises(ValueError, match="no alt text"):
        a_line(alt).svg()


def test_every_colour_is_a_name_that_a_page_may_set():
    text = a_line().svg()
    for colour in (INK, SOFT, PAPER, BLUE):
        assert f"var(--figure-{NAMES[colour]}, {colour})" in text
        bare = text.replace(f", {colour})", "")
        assert colour not in bare
    assert set(COLOURS) <= set(NAMES)


def test_black_is_ink_also_where_svg_leaves_it_out():
    figure = new_figure(alt="A word and a bar.")
    axis = figure.subplots()
    axis.text(0.5, 0.5, "word")
    axis.bar([0], [1], color="black")
    root = drawn(figure)
    assert f"fill: var(--figure-ink, {INK})" in root.get("style")
    assert "#000000" not in ElementTree.tostring(root, encoding="unicode")


def test_words_stay_words_in_the_pages_typeface():
    words = list(drawn(a_line()).iter(f"{SVG}text"))
    assert {"the line", "nats"} <= {node.text for node in words}
    for node in words:
        assert "var(--figure-font, sans-serif)" in node.get("style")


def test_words_are_readable_on_a_phone():
    figure = a_line()
    figure.axes[0].text(1, 2, "small print", fontsize=5)
    root = drawn(figure)
    for node in root.iter(f"{SVG}text"):
        size = node.get("style").split("font-size: ")[1].split("px")[0]
        assert float(size) >= TEXT
    units = float(root.get("viewBox").split()[2])
    assert TEXT * PHONE / units >= 11
    assert float(root.get("width")) == round(96 * WIDTH)
    assert float(root.get("data-text")) == pytest.approx(TEXT * 96 / 72)


def test_the_same_figure_is_the_same_file():
    assert a_line().svg() == a_line().svg()


def test_nothing_in_a_figure_reaches_beyond_it():
    root = drawn(a_line())
    assert not list(root.iter(f"{SVG}style")), "would hold for the whole page"
    assert not list(root.iter(f"{SVG}metadata"))
    text = ElementTree.tostring(root, encoding="unicode")
    for node in root.iter():
        if node.get("id"):
            assert f"#{node.get('id')}" in text, "an id that nothing uses"


@pytest.mark.parametrize("rasterized", [False, True])
def test_pictures_are_upright_sharp_and_in_place(rasterized):
    figure = new_figure(alt="Four pixels.")
    axis = figure.add_subplot(position=[0.25, 0.25, 0.5, 0.5])
    figure.set_layout_engine("none")
    four = np.array([[0.0, 0.25], [0.5, 1.0]])
    axis.set_axis_off()
    if rasterized:
        axis.pcolormesh(
            four[::-1], cmap="gray", vmin=0, vmax=1, rasterized=True
        )
    else:
        look = {"cmap": "gray", "vmin": 0, "vmax": 1, "aspect": "auto"}
        axis.imshow(four, interpolation="none", **look)
    ((place, image),) = pixels(figure)
    width, height = 72 * WIDTH, 72 * 3.0
    wanted = (width / 4, height / 4, width / 2, height / 2)
    assert place == pytest.approx(wanted, abs=1.0)
    assert image.width >= 1.9 * place[2] * 96 / 72, "blurred on sharp screens"
    for across in (0, 1):
        for down in (0, 1):
            spot = (
                round((0.25 + 0.5 * across) * image.width),
                round((0.25 + 0.5 * down) * image.height),
            )
            seen = image.getpixel(spot)[0] / 255
            assert seen == pytest.approx(four[down, across], abs=0.02)


def test_a_pictures_pixels_are_not_mixed():
    figure = new_figure(alt="A checkerboard of black and white.")
    board = np.indices((8, 8)).sum(axis=0) % 2
    figure.subplots().imshow(board, cmap="gray", interpolation="none")
    ((_, image),) = pixels(figure)
    assert set(np.asarray(image.convert("L")).ravel()) == {0, 255}
    assert image.width % 8 == 0 and image.height % 8 == 0


def test_a_thousand_points_say_their_style_once():
    figure = new_figure(alt="Points.")
    xy = np.random.default_rng(0).normal(size=(1000, 2))
    figure.subplots().scatter(*xy.T, s=9, color=BLUE, linewidths=0)
    assert len(figure.svg()) < 90_000
    assert figure.svg().count(f"var(--figure-blue, {BLUE})") < 10


def test_the_session_keeps_its_own_style():
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    a_line().svg()
    assert dict(mpl.rcParams) == before
