"""Images of any kind are read as people expect, and cut without leaks."""

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image

from vae_course.data import photos
from vae_course.data.images import DATA_VARIABLE, DataError

RED = [220, 30, 40]


@pytest.fixture(autouse=True)
def no_kodak(tmp_path, monkeypatch):
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def colour_of(path) -> list[int]:
    """The one colour of an image file, as it is read."""
    pixels = photos.read_image(path)
    assert pixels.dtype == torch.uint8 and pixels.shape == (3, 4, 6)
    assert (pixels == pixels[:, :1, :1]).all()
    return pixels[:, 0, 0].tolist()


def saved(path, array, mode=None, **options):
    Image.fromarray(np.asarray(array), mode).save(path, **options)
    return path


def flat(colour, dtype=np.uint8):
    return np.broadcast_to(np.array(colour, dtype), (4, 6, *np.shape(colour)))


def test_rgb(tmp_path):
    assert colour_of(saved(tmp_path / "x.png", flat(RED))) == RED


def test_grey_becomes_three_equal_channels(tmp_path):
    assert colour_of(saved(tmp_path / "x.png", flat(90))) == [90] * 3


def test_one_bit_is_black_and_white(tmp_path):
    image = Image.fromarray(flat(255)).convert("1")
    image.save(tmp_path / "x.png")
    assert colour_of(tmp_path / "x.png") == [255] * 3


@pytest.mark.parametrize("ending", ["png", "tif"])
@pytest.mark.parametrize("grey", [0, 1000, 32896, 199 * 257, 65535])
def test_sixteen_bits_keep_their_brightness(tmp_path, ending, grey):
    path = saved(tmp_path / f"x.{ending}", flat(grey, np.uint16))
    assert colour_of(path) == [round(grey / 257)] * 3


@pytest.mark.parametrize("value, byte", [(0.5, 128), (1.0, 255)])
def test_floats_from_0_to_1(tmp_path, value, byte):
    path = saved(tmp_path / "x.tif", flat(value, np.float32))
    assert colour_of(path) == [byte] * 3


def test_transparent_lies_on_white(tmp_path):
    path = saved(tmp_path / "x.png", flat([*RED, 0]))
    assert colour_of(path) == [255] * 3
    path = saved(tmp_path / "x.png", flat([*RED, 255]))
    assert colour_of(path) == RED
    path = saved(tmp_path / "x.png", flat([0, 0, 0, 128]))
    assert colour_of(path) == [127] * 3


def test_grey_with_transparency(tmp_path):
    image = Image.fromarray(flat([0, 0, 0, 0])).convert("LA")
    image.save(tmp_path / "x.png")
    assert colour_of(tmp_path / "x.png") == [255] * 3


def test_palettes(tmp_path):
    image = Image.fromarray(flat(RED)).quantize(2)
    image.save(tmp_path / "x.png")
    assert colour_of(tmp_path / "x.png") == RED
    index = image.getpixel((0, 0))
    image.save(tmp_path / "y.png", transparency=index)
    assert colour_of(tmp_path / "y.png") == [255] * 3


def test_cmyk(tmp_path):
    image = Image.fromarray(flat([255, 0, 0])).convert("CMYK")
    image.save(tmp_path / "x.jpg", quality=100)
    assert colour_of(tmp_path / "x.jpg") == pytest.approx([255, 0, 0], abs=3)


def test_exif_turns_the_picture(tmp_path):
    pixels = np.zeros((6, 4, 3), np.uint8)
    pixels[0] = 255  # the top row of the file is the right side of the scene
    image = Image.fromarray(pixels)
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "x.png", exif=exif)
    read = photos.read_image(tmp_path / "x.png")
    assert read.shape == (3, 4, 6)
    assert (read[:, :, -1] == 255).all() and (read[:, :, :-1] == 0).all()


def test_an_animation_shows_its_first_frame(tmp_path):
    first, second = (Image.fromarray(flat(c)) for c in (RED, [0, 0, 255]))
    path = tmp_path / "x.gif"
    first.save(path, save_all=True, append_images=[second])
    assert colour_of(path) == RED


@pytest.mark.parametrize("content", [b"", b"no image", None, "cut"])
def test_what_is_no_image_is_named(tmp_path, content):
    path = tmp_path / "x.png"
    if content == "cut":
        saved(
            path, np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)
        )
        path.write_bytes(path.read_bytes()[:2000])
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"x\.png cannot be read"):
        photos.read_image(path)


def test_two_photographs_are_always_there():
    found = photos.photographs()
    assert [*found] == ["china", "flower"]
    assert {tuple(p.shape) for p in found.values()} == {(3, 427, 640)}


def test_kodaks_photographs_join_them(tmp_path, monkeypatch):
    (tmp_path / "kodak").mkdir()
    saved(tmp_path / "kodak" / "kodim01.png", flat(RED))
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    assert [*photos.photographs()] == ["china", "flower", "kodim01"]
    assert [*photos.bundled()] == ["china", "flower"]


def test_kodaks_photographs_come_in_the_order_of_their_names(
    tmp_path, monkeypatch
):
    (tmp_path / "kodak").mkdir()
    names = [f"kodim{number:02d}" for number in (3, 1, 4, 2)]
    for name in names:
        saved(tmp_path / "kodak" / f"{name}.png", flat(RED))
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    assert [*photos.photographs()][2:] == sorted(names)


def test_patches_are_cut_the_same_again():
    a, b = (photos.photo_patches(16, train=20, test=5) for _ in range(2))
    assert torch.equal(a.train.pixels, b.train.pixels)
    assert a.train.pixels.shape == (20, 3, 16, 16) and len(a.test) == 5
    c = photos.photo_patches(16, train=20, test=5, seed=1)
    assert not torch.equal(a.train.pixels, c.train.pixels)


def test_no_test_patch_shares_a_pixel_with_a_training_patch():
    width = torch.arange(256).to(torch.uint8).expand(3, 40, 256)
    patches = photos.photo_patches(16, 3000, 2000, photos={"ramp": width})
    assert patches.train.pixels.max() < 192 <= patches.test.pixels.min()
    assert {0, 191, 192, 255} <= {  # and no column is left out
        *patches.train.pixels.unique().tolist(),
        *patches.test.pixels.unique().tolist(),
    }


def test_places_for_the_test_are_not_those_of_training():
    rows = torch.arange(200).to(torch.uint8)[:, None].expand(3, 200, 256)
    patches = photos.photo_patches(16, 50, 50, photos={"ramp": rows})
    tops = [part.pixels[:, 0, 0, 0] for part in patches[:2]]
    assert (tops[0] == tops[1]).sum() < 10


def test_a_photograph_that_is_too_small_is_named():
    with pytest.raises(ValueError, match=r"tiny is 30×90.*smaller size"):
        photos.photo_patches(32, photos={"tiny": torch.zeros(3, 30, 90)})
    with pytest.raises(ValueError, match="no photographs"):
        photos.photo_patches(photos={})


def test_a_folder_of_images_becomes_a_data_set(tmp_path):
    (tmp_path / "more").mkdir()
    saved(tmp_path / "a.png", flat(RED))
    saved(tmp_path / "more" / "b.JPG", flat(90), format="jpeg")
    (tmp_path / "notes.txt").write_text("no image")
    images = photos.image_folder(tmp_path, 4)
    assert images.pixels.shape == (2, 3, 4, 4)
    assert images.pixels[0, :, 2, 2].tolist() == RED
    with pytest.raises(DataError, match="no image in"):
        photos.image_folder(tmp_path / "none", 4)


def test_fine_stripes_become_grey_and_no_pattern(tmp_path):
    stripes = np.zeros((96, 144, 3), np.uint8)
    stripes[:, ::2] = 255
    saved(tmp_path / "a.png", stripes)
    (image,) = photos.image_folder(tmp_path, 32).pixels
    assert image.shape == (3, 32, 32)
    assert (image.float() - 127.5).abs().max() < 30


def test_centred_images_go_from_minus_one_to_one():
    images = photos.photo_patches(16, train=50, test=5).train
    centred = dataclasses.replace(images, centred=True)
    torch.testing.assert_close(centred[:], 2 * images[:] - 1)
