"""The perceptual distance: its network, its range, its gradient."""

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F

from vae_course.sd import lpips, perceptual
from vae_course.sd.lpips import LPIPS
from vae_course.sd.perceptual import (
    EfficientNetStages,
    FeatureDistance,
    PerceptualDistance,
    check_range,
    unit_length,
)
from vae_course.sd.weights import CheckpointError


@pytest.fixture(scope="module")
def distance():
    return PerceptualDistance()


@pytest.fixture
def pair():
    generator = torch.Generator().manual_seed(3)
    x = torch.rand(2, 3, 48, 48, generator=generator) * 2 - 1
    return x, (x + 0.2 * torch.randn(x.shape, generator=generator))


def same_padding(x, kernel, stride):
    """TensorFlow's: as much as is needed, the odd one at right and bottom."""
    pads = []
    for side in (x.shape[3], x.shape[2]):
        short = max((-(-side // stride) - 1) * stride + kernel - side, 0)
        pads += [short // 2, short - short // 2]
    return F.pad(x, pads)


def plain_stages(x):
    """The same network out of PyTorch's own convolutions and batch norms."""
    state = load_file(perceptual.STAGES)

    def layer(x, name, kernel, stride=1, depthwise=False):
        weight = state[f"{name}.weight"]
        x = same_padding(x, kernel, stride)
        groups = weight.shape[0] if depthwise else 1
        x = F.conv2d(x, weight, stride=stride, groups=groups)
        norm = nn.BatchNorm2d(len(weight), eps=1e-3).eval()
        norm.weight.data = state[f"{name}.norm_weight"]
        norm.bias.data = state[f"{name}.norm_bias"]
        norm.running_mean = state[f"{name}.mean"]
        norm.running_var = state[f"{name}.var"]
        return norm(x)

    x = ((x + 1) * 127.5 - 127) / 128  # from bytes, as it was trained
    x = F.hardtanh(layer(x, "stem", 3, 2), 0, 6)
    maps = []
    plan = ((1, 3, 1), (2, 3, 2), (2, 5, 2), (3, 3, 2))
    for stage, (count, kernel, first) in enumerate(plan):
        for block in range(count):
            name, before = f"stages.{stage}.{block}", x
            if stage > 0:
                x = F.hardtanh(layer(x, f"{name}.expand", 1), 0, 6)
            step = first if block == 0 else 1
            x = layer(x, f"{name}.depthwise", kernel, step, depthwise=True)
            x = layer(F.hardtanh(x, 0, 6), f"{name}.project", 1)
            if block > 0:
                x = x + before
        maps.append(x)
    return maps


@pytest.mark.parametrize("size", [(48, 48), (33, 50), (17, 64)])
def test_features_equal_those_of_plain_layers(size):
    x = torch.rand(2, 3, *size) * 2 - 1
    network = EfficientNetStages()
    for ours, plain in zip(network(x), plain_stages(x), strict=True):
        assert ours.shape == plain.shape
        assert (ours - plain).norm() < 1e-5 * plain.norm()


def test_253984_parameters_and_none_of_them_learns(distance, pair):
    parameters = list(distance.parameters())
    assert sum(p.numel() for p in parameters) == 253_984
    x = pair[0].requires_grad_()
    distance.train()(x, pair[1].clamp(-1, 1)).sum().backward()
    assert x.grad.abs().sum() > 0
    assert all(p.grad is None and not p.requires_grad for p in parameters)
    assert not distance.training


def test_the_distance_is_the_formula(distance, pair):
    x, y = pair[0], pair[1].clamp(-1, 1)
    expected = torch.zeros(2)
    for f, g in zip(plain_stages(x), plain_stages(y), strict=True):
        f = F.normalize(f, dim=1)
        g = F.normalize(g, dim=1)
        expected += (f - g).square().sum(1).mean((1, 2))
    assert torch.allclose(distance(x, y), expected, rtol=1e-4)


def test_zero_for_equal_images_and_symmetric(distance, pair):
    x, y = pair[0], pair[1].clamp(-1, 1)
    assert distance(x, x).tolist() == [0, 0]
    assert torch.allclose(distance(x, y), distance(y, x))
    assert (distance(x, y) > 0).all()


def test_each_image_is_judged_by_itself(distance, pair):
    x, y = pair[0], pair[1].clamp(-1, 1)
    together = distance(x, y)
    for i in range(2):
        alone = distance(x[i : i + 1], y[i : i + 1])
        assert torch.allclose(alone, together[i : i + 1], rtol=1e-4)


def test_wrong_ranges_are_refused_with_the_way_out(distance, pair):
    x = pair[0]
    with pytest.raises(ValueError, match=r"2 \* x - 1"):
        distance(x, (x + 1) / 2)
    with pytest.raises(ValueError, match=r"/ 127.5 - 1"):
        distance(x, (x + 1) * 127.5)
    with pytest.raises(ValueError, match=r"\[-1, 1\]"):
        distance(x, x * float("nan"))
    with pytest.raises(ValueError, match="one shape"):
        distance(x, x[:1])
    with pytest.raises(ValueError, match="one shape"):
        distance(x[:, :1], x[:, :1])


def test_a_reconstruction_may_leave_the_range_and_light_images_may_pass(
    distance, pair
):
    x = pair[0]
    assert distance(1.3 * x, x).isfinite().all()
    light = (x + 1) / 2
    assert distance(light, light, check=False).tolist() == [0, 0]
    check_range(x)


class Zeros(nn.Module):
    """Features that vanish where the image is grey; a ReLU would hide NaN."""

    def forward(self, x):
        return [x, x[:, :, ::2, ::2]]


def test_the_gradient_is_finite_where_features_vanish():
    distance = FeatureDistance(Zeros(), [torch.ones(3)] * 2)
    x = torch.zeros(1, 3, 4, 4, requires_grad=True)
    target = torch.full((1, 3, 4, 4), -1.0)
    target[..., 0] = 1
    distance(x, target).sum().backward()
    assert x.grad.isfinite().all()


def test_with_eps_outside_the_root_the_gradient_would_be_nan():
    # What this guards against is real, and is not an accident of the test.
    x = torch.zeros(1, 3, 2, 2, requires_grad=True)
    (x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10)).sum().backward()
    assert x.grad.isnan().all()
    x.grad = None
    unit_length(x).sum().backward()
    assert x.grad.isfinite().all()


def test_half_precision_does_not_overflow():
    features = torch.full((1, 3, 2, 2), 500.0, dtype=torch.float16)
    length = unit_length(features).norm(dim=1)
    assert torch.allclose(length, torch.ones(1, 2, 2), atol=1e-3)


def test_weights_of_another_network_are_refused(tmp_path):
    state = load_file(perceptual.STAGES)
    state["stem.weight"] = state["stem.weight"][:16].clone()
    save_file(state, tmp_path / "x.safetensors")
    with pytest.raises(CheckpointError, match=r"stem\.weight.*Nothing was"):
        EfficientNetStages(tmp_path / "x.safetensors")


@pytest.fixture
def lpips_files(tmp_path):
    """Random weights in the two files that LPIPS is made of."""
    from torchvision.models import vgg as torchvision_vgg

    vgg = torchvision_vgg.make_layers(torchvision_vgg.cfgs["D"])[:30]
    state = {f"features.{k}": v for k, v in vgg.state_dict().items()}
    torch.save(state, tmp_path / "vgg16.pth")
    linear = {
        f"lin{i}.model.1.weight": torch.rand(1, width, 1, 1)
        for i, (width, _) in enumerate(lpips.VGG_STAGES)
    }
    torch.save(linear, tmp_path / "vgg.pth")
    return vgg.eval(), linear, tmp_path / "vgg16.pth", tmp_path / "vgg.pth"


def test_lpips_is_its_formula(lpips_files):
    vgg, linear, vgg_file, linear_file = lpips_files
    distance = LPIPS(vgg_file, linear_file)
    x, y = torch.rand(2, 2, 3, 32, 32) * 2 - 1
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    f, g = (((image + 1) / 2 - mean) / std for image in (x, y))
    expected, taps = torch.zeros(2), {3, 8, 15, 22, 29}
    with torch.no_grad():
        for number, layer in enumerate(vgg):
            f, g = layer(f), layer(g)
            if number in taps:
                weight = linear[
                    f"lin{sorted(taps).index(number)}.model.1.weight"
                ]
                a, b = F.normalize(f, dim=1), F.normalize(g, dim=1)
                expected += (weight * (a - b) ** 2).sum(1).mean((1, 2))
    assert torch.allclose(distance(x, y), expected, rtol=1e-3)
    with pytest.raises(ValueError, match="middle grey"):
        distance(x, (y + 1) / 2)


def test_lpips_says_what_it_lacks(lpips_files, tmp_path, monkeypatch):
    *_, vgg_file, linear_file = lpips_files
    monkeypatch.setattr(lpips.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(CheckpointError, match="pip install --no-deps lpips"):
        LPIPS(vgg_file)
    with pytest.raises(CheckpointError, match="does not hold"):
        LPIPS(vgg_file, vgg_file)
    with pytest.raises(CheckpointError, match="this network needs"):
        LPIPS(linear_file, linear_file)
