"""A folder of anything: what is used, what is skipped and why, what is held
out, and which crops are seen."""

import os
import shutil
import warnings

import numpy as np
import pytest
import torch
from PIL import Image

from vae_course.data import DataError, folders, open_folder
from vae_course.data.folders import Crops, stack
from vae_course.data.shards import Source


def photo(path, seed, size=(40, 44), mode="RGB", **options):
    """A picture of noise, so that no two have the same content."""
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).convert(mode).save(path, **options)
    return path


def bad_files(root):
    """One of each kind that must be skipped; name → a word of its reason."""
    (root / "empty.png").touch()
    (root / "words.jpg").write_text("no image")
    whole = photo(root / "whole.jpg", 900).read_bytes()
    (root / "broken.jpg").write_bytes(whole[: len(whole) // 2])
    (root / "whole.jpg").unlink()
    photo(root / "cut.png", 901)
    content = (root / "cut.png").read_bytes()
    (root / "cut.png").write_bytes(content[:-900])
    photo(root / "pixel.png", 902, size=(1, 1))
    Image.new("1", (10_000, 10_000)).save(root / "huge.png")
    Image.new("1", (20_000, 10_000)).save(root / "bomb.png")
    return {
        "empty.png": "empty",
        "words.jpg": "damaged",
        "broken.jpg": "damaged",
        "cut.png": "damaged",
        "pixel.png": "1×1",
        "huge.png": "100 megapixels",
        "bomb.png": "megapixels",
    }


def odd_files(root):
    """Kinds that must be used."""
    frames = [
        Image.fromarray(np.full((40, 40, 3), 60 * i, np.uint8))
        for i in range(3)
    ]
    frames[0].save(
        root / "animated.gif", save_all=True, append_images=frames[1:]
    )
    photo(root / "cmyk.jpg", 910, mode="CMYK")
    grey = np.random.default_rng(911).integers(0, 65536, (40, 40), np.uint16)
    Image.fromarray(grey).save(root / "deep.png")
    photo(root / "grey.webp", 912, mode="L")
    photo(root / "palette.png", 913, mode="P")
    photo(root / "UPPER.JPG", 914)
    photo(root / "a" / "b" / "nested.png", 915)
    return 7


@pytest.fixture(scope="module")
def thousand(tmp_path_factory):
    root = tmp_path_factory.mktemp("thousand")
    bad = bad_files(root)
    odd = odd_files(root)
    for number in range(1000 - len(bad) - odd):
        photo(root / f"{number:04d}.png", number, size=(33, 33))
    (root / "notes.txt").write_text("not an image, and none by its name")
    return root, bad


def test_of_a_thousand_files_each_is_used_or_listed_with_its_reason(thousand):
    root, bad = thousand
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        folder = open_folder(root, 32)
    used = len(folder.train) + len(folder.held_out)
    assert used + len(folder.skipped) == 1000
    reasons = {os.path.basename(p): why for p, why in folder.skipped}
    assert reasons.keys() == bad.keys()
    for name, word in bad.items():
        assert word in reasons[name], (name, reasons[name])
    report = folder.report()
    assert all(name in report for name in bad) and "7 skipped" in report
    batch = stack(folder.train, [(i, 0) for i in range(len(folder.train))])
    assert batch.shape == (len(folder.train), 3, 32, 32)
    assert batch.min() >= -1 and batch.max() <= 1


def test_about_a_tenth_is_held_out_and_no_image_is_on_both_sides(thousand):
    folder = open_folder(thousand[0], 32)
    assert 60 < len(folder.held_out) < 140
    train = {p.digest for p in folder.train.photos}
    assert train.isdisjoint(p.digest for p in folder.held_out.photos)


def sides(folder):
    return {
        p.digest: side
        for side in ("train", "held_out")
        for p in getattr(folder, side).photos
    }


def test_the_split_survives_new_files_names_and_places(tmp_path):
    root = tmp_path / "here"
    for number in range(30):
        photo(root / f"{number}.png", number)
    before = sides(open_folder(root, 32, held_out=0.3))
    for number in range(30, 60):
        photo(root / f"{number}.png", number)
    shutil.copy(root / "3.png", root / "copy of 3.png")
    (root / "4.png").rename(root / "renamed.png")
    (tmp_path / "there").mkdir()
    root.rename(tmp_path / "there" / "moved")
    moved = tmp_path / "there" / "moved"
    folder = open_folder(moved, 32, held_out=0.3)
    after = sides(folder)
    assert before.items() <= after.items()
    assert len(folder.train) + len(folder.held_out) == 61


def test_a_larger_share_only_adds_to_what_is_held_out(tmp_path):
    for number in range(30):
        photo(tmp_path / f"{number}.png", number)
    small = open_folder(tmp_path, 32, held_out=0.2).held_out.photos
    large = open_folder(tmp_path, 32, held_out=0.5).held_out.photos
    assert {p.digest for p in small} < {p.digest for p in large}


def test_an_image_at_the_very_border_is_on_one_side_alone(tmp_path):
    for number in range(9):
        photo(tmp_path / f"{number}.png", number)
    folder = open_folder(tmp_path, 32, held_out=0.5)
    places = sorted(p.place for p in [*folder[0].photos, *folder[1].photos])
    again = open_folder(tmp_path, 32, held_out=places[4])
    assert len(again.train) == 5 and len(again.held_out) == 4


def test_crops_depend_on_seed_epoch_and_photograph_alone(tmp_path):
    for number in range(12):
        photo(tmp_path / f"{number}.png", number, size=(60, 70))
    one = open_folder(tmp_path, 32, held_out=0.4).train
    two = open_folder(tmp_path, 32, held_out=0.4).train
    two.crop(0, 5)  # what was read before makes no difference
    assert torch.equal(one.crop(1, 3), two.crop(1, 3))
    assert not torch.equal(one.crop(1, 3), one.crop(1, 4))
    other = open_folder(tmp_path, 32, held_out=0.4, seed=1).train
    assert not torch.equal(one.crop(1, 3), other.crop(1, 3))


def test_about_half_of_the_crops_are_mirrored_and_none_of_the_measured(
    tmp_path,
):
    for number in range(12):
        photo(tmp_path / f"{number}.png", number, size=(32, 32))
    folder = open_folder(tmp_path, 32, held_out=0.4)
    as_it_is = folder.train.decode(0).float() / 127.5 - 1
    crops = [folder.train.crop(0, epoch) for epoch in range(40)]
    plain = sum(torch.equal(c, as_it_is) for c in crops)
    mirrored = sum(torch.equal(c, as_it_is.flip(2)) for c in crops)
    assert plain + mirrored == 40 and 8 < mirrored < 32
    first = folder.held_out.crop(0, 0)
    assert torch.equal(first, folder.held_out.crop(0, 7))


def test_the_shorter_side_is_brought_to_a_length(tmp_path):
    for number in range(12):
        photo(tmp_path / f"{number}.png", number, size=(20, 35))
    with pytest.raises(DataError, match="less than a crop of 32"):
        open_folder(tmp_path, 32)
    folder = open_folder(tmp_path, 32, shorter=48, held_out=0.4)
    assert folder.train.decode(0).shape == (3, 48, 84)
    assert folder.train.crop(0).shape == (3, 32, 32)


def test_fine_stripes_become_grey_and_no_pattern(tmp_path):
    stripes = np.zeros((96, 96, 3), np.uint8)
    stripes[:, ::2] = 255
    for number in range(9):
        stripes[0, 0] = number
        Image.fromarray(stripes).save(tmp_path / f"{number}.png")
    crops = open_folder(tmp_path, 32, shorter=32, held_out=0.4).train
    inside = crops.decode(0)[:, 1:, 1:-1].float()
    assert (inside - 127.5).abs().max() < 30


@pytest.mark.parametrize("shorter", [None, 37])
def test_what_is_kept_in_memory_changes_nothing(tmp_path, shorter):
    for number in range(16):
        size = (40 + number, 40)
        size = size if number % 2 else size[::-1]  # upright, or not
        photo(tmp_path / f"{number}.png", number, size=size)
    crops = open_folder(tmp_path, 32, shorter=shorter, held_out=0.4).train
    before = [crops.crop(i, 2) for i in range(len(crops))]
    exactly = sum(crops.decode(i).numel() for i in range(len(crops)))
    assert not crops.keep(exactly - 1) and not crops._kept
    assert crops.keep(exactly)
    shutil.rmtree(tmp_path)  # it is in memory, or this would fail
    for i, crop in enumerate(before):
        assert torch.equal(crops.crop(i, 2), crop)


def test_the_index_saves_reading_and_notices_changes(tmp_path, monkeypatch):
    root, index = tmp_path / "photos", tmp_path / "index.json"
    for number in range(10):
        photo(root / f"{number}.png", number)
    (root / "bad.png").write_text("bad")
    first = open_folder(root, 32, held_out=0.4, index=index)
    seen = []
    examine = folders._examine
    monkeypatch.setattr(
        folders,
        "_examine",
        lambda source, most: (
            seen.append(os.path.basename(source.path)) or examine(source, most)
        ),
    )
    again = open_folder(root, 32, held_out=0.4, index=index)
    assert not seen and again == first
    photo(root / "3.png", 99, size=(41, 41))
    os.utime(root / "3.png", ns=(1, 1))
    open_folder(root, 32, held_out=0.4, index=index)
    assert seen == ["3.png"]
    index.write_text('{"x": 5}')  # damaged: everything is read again
    assert open_folder(root, 32, held_out=0.4, index=index).skipped
    assert len(seen) == 12


def test_a_file_that_changes_under_way_is_an_error(tmp_path):
    for number in range(10):
        photo(tmp_path / f"{number}.png", number)
    crops = open_folder(tmp_path, 32, held_out=0.4).train
    photo(tmp_path / os.path.basename(crops.photos[0].path), 5, size=(99, 50))
    with pytest.raises(DataError, match="changed while"):
        crops.crop(0)


def test_nonsense_is_refused_with_what_to_do(tmp_path):
    with pytest.raises(DataError, match="no folder"):
        open_folder(tmp_path / "nowhere", 32)
    with pytest.raises(DataError, match="There is no image"):
        open_folder(tmp_path, 32)
    (tmp_path / "bad.png").write_text("bad")
    with pytest.raises(
        DataError, match=r"Nothing that .*bad.png: it is damaged"
    ):
        open_folder(tmp_path, 32)
    with pytest.raises(ValueError, match="no shorter than a crop"):
        open_folder(tmp_path, 32, shorter=31)
    with pytest.raises(ValueError, match="share between 0 and 1"):
        open_folder(tmp_path, 32, held_out=1.0)


def test_an_empty_side_of_the_split_says_which_share_would_do(tmp_path):
    photo(tmp_path / "one.png", 1)
    photo(tmp_path / "two.png", 2)
    with pytest.raises(DataError, match="a little above") as error:
        open_folder(tmp_path, 32, held_out=1e-9)
    share = float(str(error.value).split("above ")[1].split(" ")[0]) + 0.002
    assert len(open_folder(tmp_path, 32, held_out=share).held_out) == 1
    with pytest.raises(DataError, match="a little below"):
        open_folder(tmp_path, 32, held_out=1 - 1e-9)


def test_a_set_that_cannot_be_fetched_says_so(tmp_path, monkeypatch):
    with pytest.raises(DataError, match="choose one of"):
        folders.open_named("imagenet")

    def no_network(root):
        raise OSError("no network")

    monkeypatch.setitem(folders.NAMED, "pets", no_network)
    with pytest.raises(DataError, match="cannot be fetched"):
        folders.open_named("pets", tmp_path)


def test_the_middle_is_measured():
    pixels = torch.zeros(3, 6, 8, dtype=torch.uint8)
    pixels[:, 2:4, 3:5] = 255
    item = folders.Photo(Source("x", "x"), "0" * 64, 6, 8)
    crops = Crops([item], 2, whole=True, _kept={0: pixels})
    assert (crops.crop(0) == 1).all()
