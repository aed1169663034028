"""Where data comes from, and that nothing damaged is ever taken for whole."""

import gzip
import hashlib
import importlib
import os
import shutil
from dataclasses import replace
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits
from torchvision import datasets

# By its name: the function mnist hides the module in the package.
data = importlib.import_module("vae_course.data.mnist")

NAMES = [name for name, _ in datasets.MNIST.resources]


def idx(values: torch.Tensor) -> bytes:
    """A compressed IDX file, as MNIST's are."""
    header = bytes([0, 0, 8, values.dim()])
    sizes = b"".join(size.to_bytes(4, "big") for size in values.shape)
    content = header + sizes + bytes(values.flatten().tolist())
    return gzip.compress(content, mtime=0)


@pytest.fixture
def tiny_mnist(tmp_path, monkeypatch):
    """A folder laid out as MNIST, with its own checksums; 5 + 3 images."""
    generator = torch.Generator().manual_seed(0)
    contents = []
    for count in (5, 3):
        shape = (count, 28, 28)
        contents.append(torch.randint(0, 256, shape, generator=generator))
        contents.append(torch.arange(count) % 10)
    raw = tmp_path / "source" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    resources = []
    for name, values in zip(NAMES, contents, strict=True):
        compressed = idx(values)
        (raw / name).write_bytes(compressed)
        resources.append((name, hashlib.md5(compressed).hexdigest()))
    monkeypatch.setattr(datasets.MNIST, "resources", resources)
    return tmp_path / "source", contents


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, and no VAE_COURSE_DATA."""
    monkeypatch.delenv(data.DATA_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return data.cache_folder()


@pytest.fixture
def network(tiny_mnist, monkeypatch):
    """A network that serves the tiny MNIST; a test may break it."""
    served = {"sabotage": lambda content: content}

    def urlretrieve(url, filename, *args, **kwargs):
        name = url.rsplit("/", 1)[1]
        content = (tiny_mnist[0] / "MNIST" / "raw" / name).read_bytes()
        Path(filename).write_bytes(served["sabotage"](content))

    def no_redirect(url, **kwargs):
        return url

    from torchvision.datasets import utils

    monkeypatch.setattr(utils, "_urlretrieve", urlretrieve)
    monkeypatch.setattr(utils, "_get_redirect_url", no_redirect)
    return served


def no_network(content):
    raise URLError("no route to host")


def test_named_folder_comes_before_the_cache(tiny_mnist, cache, monkeypatch):
    root, contents = tiny_mnist
    monkeypatch.setenv(data.DATA_VARIABLE, str(root))
    digits = data.mnist()
    assert data.find_mnist() == root
    assert digits.name == "MNIST"
    assert torch.equal(digits.train.pixels, contents[0].unsqueeze(1).byte())
    assert torch.equal(digits.test.labels, contents[3])
    assert not cache.exists()
    shutil.copytree(root, cache)
    assert data.find_mnist() == root


def test_a_folder_that_cannot_be_written_is_read_all_the_same(tiny_mnist):
    root, _ = tiny_mnist
    before = sorted(root.rglob("*"))
    data.mnist(root)
    assert sorted(root.rglob("*")) == before


def test_download_fills_the_cache_once(cache, network, capsys):
    assert data.mnist().name == "MNIST"
    assert sorted(os.listdir(cache / "MNIST" / "raw")) == sorted(NAMES)
    assert os.listdir(cache) == ["MNIST"]  # no scratch folder stays behind
    network["sabotage"] = no_network
    assert data.mnist().name == "MNIST"
    assert capsys.readouterr().out == ""


def test_without_a_network_one_line_says_what_takes_its_place(
    cache, network, capsys
):
    network["sabotage"] = no_network
    digits = data.mnist()
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1 and "scikit-learn" in printed
    assert digits.name == "scikit-learn digits"
    assert len(digits.train) == 1497 and len(digits.test) == 300
    assert digits.train.image_shape == (1, 28, 28)


def test_a_timeout_counts_as_no_network(cache, network):
    def never(content):
        raise TimeoutError("timed out")

    network["sabotage"] = never
    assert data.mnist().name == "scikit-learn digits"


@pytest.mark.parametrize("kept", [0, 10, 100, 1000])
def test_a_truncated_download_is_refused_and_leaves_nothing(
    cache, network, kept
):
    network["sabotage"] = lambda content: content[
        : min(kept, len(content) - 1)
    ]
    with pytest.raises(
        data.DataError, match=r"arrived damaged.*run this again"
    ):
        data.mnist()
    assert data.find_mnist() is None
    assert os.listdir(cache / "MNIST" / "raw") == []
    network["sabotage"] = lambda content: content
    assert data.mnist().name == "MNIST"


def test_a_download_that_breaks_off_halfway_is_not_taken_for_whole(
    cache, network
):
    calls = []

    def breaks_at_the_third(content):
        calls.append(content)
        if len(calls) >= 3:
            raise URLError("connection reset")
        return content

    network["sabotage"] = breaks_at_the_third
    assert data.mnist().name == "scikit-learn digits"
    assert data.find_mnist() is None


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("damage", ["truncate", "flip a bit", "empty"])
def test_a_damaged_file_is_named_and_nothing_is_read(tiny_mnist, name, damage):
    root, _ = tiny_mnist
    path = root / "MNIST" / "raw" / name
    content = bytearray(path.read_bytes())
    if damage == "truncate":
        content = content[:-1]
    elif damage == "flip a bit":
        content[len(content) // 2] ^= 1
    else:
        content = b""
    path.write_bytes(content)
    with pytest.raises(data.DataError, match=f"{name} is damaged.*Delete"):
        data.mnist(root)


def test_a_named_root_without_mnist_is_an_error_not_a_download(
    tmp_path, cache, network
):
    with pytest.raises(FileNotFoundError, match="MNIST/raw"):
        data.mnist(tmp_path / "nowhere")
    assert not cache.exists()


def test_a_folder_with_three_of_four_files_is_passed_over(
    tiny_mnist, cache, network, monkeypatch
):
    root, _ = tiny_mnist
    partial = root.parent / "partial"
    shutil.copytree(root, partial)
    (partial / "MNIST" / "raw" / NAMES[2]).unlink()
    monkeypatch.setenv(data.DATA_VARIABLE, str(partial))
    assert data.find_mnist() is None
    assert data.mnist().name == "MNIST"  # from the network, into the cache
    assert data.find_mnist() == cache


def test_a_cache_that_cannot_be_written_says_what_to_set(cache, network):
    cache.parent.mkdir(parents=True)
    cache.write_text("a file where the folder should be")
    with pytest.raises(data.DataError, match=r"cannot be written.*XDG_CACHE"):
        data.mnist()


def test_bytes_become_floats_between_zero_and_one(stripes):
    images = stripes[3:7]
    assert images.dtype == torch.float32 and images.shape == (4, 1, 6, 5)
    torch.testing.assert_close(images * 255, stripes.pixels[3:7].float())
    assert stripes[[1, 5]].shape == (2, 1, 6, 5)
    assert stripes[torch.tensor([2])].shape == (1, 1, 6, 5)
    assert stripes[stripes.labels == 1].shape == (32, 1, 6, 5)


def test_stochastic_binarization_draws_anew_with_the_right_mean(stripes):
    drawn = stripes.binarized()
    first, second = drawn[:], drawn[:]
    assert not torch.equal(first, second)
    assert set(first.unique().tolist()) == {0.0, 1.0}
    mean = torch.stack([drawn[:] for _ in range(2000)]).mean(dim=0)
    # Five standard errors of 2,000 coins, at their worst.
    assert (mean - stripes[:]).abs().max() < 5 * 0.5 / 2000**0.5


def test_fixed_binarization_is_drawn_once_for_each_seed(stripes):
    fixed = stripes.binarized(seed=0)
    assert torch.equal(fixed[:], fixed[:])
    assert torch.equal(fixed[:], stripes.binarized(seed=0)[:])
    assert not torch.equal(fixed[:], stripes.binarized(seed=1)[:])
    assert set(fixed[:].unique().tolist()) == {0.0, 1.0}


def test_fixed_binarization_leaves_the_random_state_alone(stripes):
    before = torch.get_rng_state()
    stripes.binarized(seed=0)
    assert torch.equal(before, torch.get_rng_state())


def test_what_an_image_set_is_told_it_stays_on_every_device(stripes):
    told = replace(stripes.binarized(), centred=True)
    moved = told.to("cpu")
    assert moved.stochastic and moved.centred
    assert set(moved[:].unique().tolist()) == {-1.0, 1.0}
    fixed = told.binarized(seed=0)
    assert torch.equal(fixed[:], 2 * stripes.binarized(seed=0)[:] - 1)


def test_no_images_and_wrong_types_are_refused():
    labels = torch.zeros(0, dtype=torch.long)
    with pytest.raises(ValueError, match=r"at least one image.*0 images"):
        data.ImageSet(torch.zeros(0, 1, 2, 2, dtype=torch.uint8), labels)
    with pytest.raises(ValueError, match="a label for each"):
        data.ImageSet(torch.zeros(2, 1, 2, 2, dtype=torch.uint8), labels)
    with pytest.raises(ValueError, match="must be bytes"):
        data.ImageSet(torch.zeros(2, 1, 2, 2), labels)
    with pytest.raises(ValueError, match=r"\(N, C, H, W\)"):
        data.ImageSet(torch.zeros(2, 2, 2, dtype=torch.uint8), labels)


def test_the_bundled_digits_are_scikit_learns_made_smoothly_larger():
    bunch = load_digits()
    test, train = slice(0, None, 6), np.arange(1797) % 6 > 0
    digits = data.small_digits()
    for part, chosen in ((digits.test, test), (digits.train, train)):
        assert part.labels.tolist() == bunch.target[chosen].tolist()
        for image, small in zip(
            part.pixels[:20, 0], bunch.images[chosen], strict=False
        ):
            grey = Image.fromarray((small * 255 / 16).astype(np.float32))
            large = grey.resize((28, 28), Image.Resampling.BILINEAR)
            assert np.abs(image.numpy() - np.asarray(large)).max() < 1


def test_the_bundled_digits_split_without_overlap_and_hold_every_class():
    digits = data.small_digits()
    assert len(digits.train) + len(digits.test) == 1797
    for part in (digits.train, digits.test):
        assert part.labels.unique().tolist() == list(range(10))
        assert part.pixels.max() == 255 and part.pixels.min() == 0
