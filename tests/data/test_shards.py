"""Images in tar files of WebDataset's layout, read without unpacking."""

import io
import json
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image

from vae_course.data import DataError, folders, open_folder


def picture(seed, size=(40, 44)):
    """The bytes of a PNG of noise."""
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def shard(path, contents, mode="w"):
    """A tar file with these members; returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode, format=tarfile.PAX_FORMAT) as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def sample(number, **options):
    """One of WebDataset's samples: an image, and what belongs to it."""
    return {
        f"{number:04d}.png": picture(number, **options),
        f"{number:04d}.cls": b"7",
        f"{number:04d}.json": json.dumps({"a": number}).encode(),
    }


@pytest.fixture
def both(tmp_path):
    """The same twenty pictures, as files and in two shards."""
    for number in range(20):
        where = tmp_path / "files" / f"{number:04d}.png"
        where.parent.mkdir(exist_ok=True)
        where.write_bytes(picture(number))
    for part in range(2):
        samples = [sample(n) for n in range(10 * part, 10 * part + 10)]
        merged = {k: v for s in samples for k, v in s.items()}
        shard(tmp_path / "shards" / f"{part:03d}.tar", merged)
    return tmp_path


def test_a_shard_is_a_folder_to_whoever_trains(both):
    files = open_folder(both / "files", 32, held_out=0.3)
    shards = open_folder(both / "shards", 32, held_out=0.3)
    assert shards.skipped == []
    for a, b in zip(files[:2], shards[:2], strict=True):
        assert len(a) == len(b) > 0
        assert a.fingerprint() == b.fingerprint()
        for index in range(len(a)):
            assert torch.equal(a.crop(index, 3), b.crop(index, 3))


def test_files_and_shards_may_stand_side_by_side(both):
    found = open_folder(both, 32, held_out=0.3)
    assert len(found.train) + len(found.held_out) == 40
    names = {photo.path for photo in [*found.train.photos]}
    assert any("001.tar/0013.png" in name for name in names)


def test_long_names_folders_and_links_inside_do_not_disturb(tmp_path):
    path = tmp_path / "a.tar"
    long = "/".join(["folder" * 8] * 5)
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as archive:
        folder = tarfile.TarInfo("pictures.png")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        link = tarfile.TarInfo("link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        for number in range(9):
            member = tarfile.TarInfo(f"{long}/é{number}.PNG")
            content = picture(number)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    found = open_folder(tmp_path, 32, held_out=0.4)
    assert len(found.train) + len(found.held_out) == 9 and not found.skipped


def test_what_cannot_be_used_is_listed_with_its_reason(tmp_path):
    good = {k: v for n in range(9) for k, v in sample(n).items()}
    shard(tmp_path / "good.tar", good | {"bad.png": b"no", "none.png": b""})
    shard(tmp_path / "packed.tar", sample(11), mode="w:gz")
    (tmp_path / "words.tar").write_text("no archive" * 100)
    (tmp_path / "empty.tar").touch()
    whole = shard(tmp_path / "cut.tar", sample(12) | sample(13)).read_bytes()
    (tmp_path / "cut.tar").write_bytes(whole[:6000])
    end = whole.rindex(b"0013.json")  # a header is the first that is missing
    (tmp_path / "tail.tar").write_bytes(whole[:end])
    (tmp_path / "head.tar").write_bytes(whole[: end + 100])
    (tmp_path / "two.tar").write_bytes(whole + whole)
    found = open_folder(tmp_path, 32, held_out=0.4)
    assert len(found.train) + len(found.held_out) == 9
    said = {
        s.path.removeprefix(f"{tmp_path}/"): s.reason for s in found.skipped
    }
    wanted = {
        "good.tar/bad.png": "damaged",
        "good.tar/none.png": "empty",
        "packed.tar": "without compression",
        "words.tar": "no tar file",
        "empty.tar": "no tar file",
        "cut.tar": "cut off",
        "tail.tar": "cut off",
        "head.tar": "cut off",
        "two.tar": "several archives",
    }
    assert said.keys() == wanted.keys()
    assert all(word in said[name] for name, word in wanted.items()), said


def test_nothing_but_a_damaged_shard_is_an_error_that_names_it(tmp_path):
    (tmp_path / "words.tar").write_text("no archive" * 100)
    with pytest.raises(DataError, match=r"words.tar: .*no tar file"):
        open_folder(tmp_path, 32)


def test_the_index_remembers_each_member_and_notices_another_shard(
    both, monkeypatch
):
    index, seen = both / "index.json", []
    first = open_folder(both / "shards", 32, held_out=0.3, index=index)
    examine = folders._examine
    monkeypatch.setattr(
        folders,
        "_examine",
        lambda source, most: seen.append(source.path) or examine(source, most),
    )
    again = open_folder(both / "shards", 32, held_out=0.3, index=index)
    assert again == first and not seen
    samples = {k: v for n in range(30, 41) for k, v in sample(n).items()}
    shard(both / "shards" / "001.tar", samples)
    open_folder(both / "shards", 32, held_out=0.3, index=index)
    assert len(seen) == 11 and all("001.tar" in path for path in seen)


def test_a_shard_that_has_gone_is_an_error(both):
    crops = open_folder(both / "shards", 32, held_out=0.3).train
    for path in (both / "shards").iterdir():
        path.unlink()
    with pytest.raises(DataError, match="cannot be read any more"):
        crops.crop(0)
