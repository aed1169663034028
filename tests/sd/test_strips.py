"""By strips is as plain, whatever the strips and whatever is kept."""

import pytest
import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from vae_course.sd import PRESETS, AutoencoderKL, Config, strips

CONFIGS = {
    "small": PRESETS["small"],
    "narrowing": Config(
        block_out_channels=(12, 24, 18), norm_num_groups=6, layers_per_block=1
    ),
}


def model(name: str, dtype=torch.float64) -> AutoencoderKL:
    """A decoder whose norms are not the identity."""
    torch.manual_seed(0)
    vae = AutoencoderKL(CONFIGS[name]).to(dtype)
    with torch.no_grad():
        for parameter in vae.parameters():
            if parameter.dim() == 1:
                parameter.add_(0.2 * torch.randn_like(parameter))
    return vae


def apart(a: torch.Tensor, b: torch.Tensor) -> float:
    return ((a - b).norm() / b.norm()).item()


@pytest.mark.parametrize("memory", [None, 0, 20_000])
@pytest.mark.parametrize("rows", [1, 3, 1000])
@pytest.mark.parametrize("size", [(1, 1), (5, 7)])
@pytest.mark.parametrize("name", CONFIGS)
def test_strips_equal_the_plain_way(name, size, rows, memory):
    vae = model(name)
    z = torch.randn(2, 4, *size, dtype=torch.float64)
    sides = [vae.config.factor * side for side in size]
    x = 2 * torch.rand(2, 3, *sides, dtype=torch.float64) - 1
    with torch.no_grad():
        plain, q = vae.decode(z).mean, vae.encode(x)
    assert apart(strips.decode(vae, z, rows, memory).mean, plain) < 1e-12
    by_strips = strips.encode(vae, x, rows, memory)
    assert apart(by_strips.mean, q.mean) < 1e-12
    assert apart(by_strips.stddev, q.stddev) < 1e-12


@pytest.mark.parametrize("memory", [None, 0])
def test_in_single_precision_too(memory):
    vae = model("small", torch.float32)
    z, x = torch.randn(1, 4, 16, 16), 2 * torch.rand(1, 3, 64, 48) - 1
    with torch.no_grad():
        plain, q = vae.decode(z).mean, vae.encode(x)
    by_strips = strips.decode(vae, z, memory=memory).mean
    assert apart(by_strips, plain) < 1e-5
    assert apart(strips.encode(vae, x, memory=memory).mean, q.mean) < 1e-5


@pytest.mark.parametrize("memory", [None, 0])
def test_the_callers_tensors_are_left_alone(memory):
    vae = model("small", torch.float32)
    z, x = torch.randn(1, 4, 8, 8), torch.rand(1, 3, 32, 32)
    copies = z.clone(), x.clone()
    strips.decode(vae, z, memory=memory)
    strips.encode(vae, x, memory=memory)
    assert torch.equal(z, copies[0]) and torch.equal(x, copies[1])


def test_a_strip_needs_a_row_and_a_fitting_input():
    vae = model("small", torch.float32)
    with pytest.raises(ValueError, match="rows=0"):
        strips.decode(vae, torch.zeros(1, 4, 8, 8), rows=0)
    with pytest.raises(ValueError, match="latents"):
        strips.decode(vae, torch.zeros(1, 3, 8, 8))
    with pytest.raises(ValueError, match="30×32 do not fit"):
        strips.encode(vae, torch.zeros(1, 3, 30, 32))


def test_no_gradient_is_kept():
    vae = model("small", torch.float32)
    assert not strips.decode(vae, torch.zeros(1, 4, 8, 8)).mean.requires_grad
    assert not strips.encode(vae, torch.zeros(1, 3, 8, 8)).mean.requires_grad


class Alive(TorchDispatchMode):
    """The largest number of bytes in tensors that were alive at once."""

    def __init__(self):
        super().__init__()
        self.storages, self.most = {}, 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor) and tensor.numel() > 200:
                storage = tensor.untyped_storage()
                at, size = storage.data_ptr(), storage.nbytes()
                if at not in self.storages or size > 10_000:
                    self.storages[at] = StorageWeakRef(storage), size
                    self._count()
        return out

    def _count(self):
        gone = [at for at, (ref, _) in self.storages.items() if ref.expired()]
        for at in gone:
            del self.storages[at]
        alive = sum(size for _, size in self.storages.values())
        self.most = max(self.most, alive)


@pytest.mark.parametrize("task", ["encode", "decode"])
def test_what_does_not_fit_is_never_whole(task, monkeypatch):
    """Kept maps are let go row by row; those that do not fit are not kept."""
    monkeypatch.setattr(strips, "SHARE", 1)  # strips as high as is asked for
    vae = AutoencoderKL(Config(3, 3, 4, (32, 8, 8, 8), 1, norm_num_groups=4))
    given, f = torch.randn(1, 4, 16, 2), 8
    if task == "encode":
        given = torch.rand(1, 3, 16 * f, 2 * f)
    largest = 32 * 16 * f * 2 * f * 4  # bytes of a map at full size
    most = {}
    for memory in (None, largest // 3):
        with Alive() as alive:
            getattr(strips, task)(vae, given, 4, memory)
        most[memory] = alive.most
    # What goes into a block, what is inside it, and some strips of each.
    assert most[None] < 2.2 * largest
    assert most[largest // 3] < 0.85 * largest


def test_what_the_middle_takes_grows_with_the_picture():
    with torch.device("meta"):
        vae = AutoencoderKL("sd1")
    of_one = 8 * 512 * 4  # eight maps of 512 channels in single precision
    assert strips.middle(vae, 512, 512) == of_one * 64 * 64
    assert strips.middle(vae, 505, 8) == of_one * 64
