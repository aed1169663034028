"""The Stable Diffusion autoencoder against diffusers' and against its paper.

``diffusers`` is the reference. Weights go from it to us by
``load_state_dict`` with no mapping at all, which is itself a test of names.
"""

import contextlib
import copy
import gc
import math
import weakref
from dataclasses import replace

import pytest
import torch
from diffusers_reference import CONFIGS, reference, relative
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from vae_course.core import elbo, importance_weighted_bound, standard_normal
from vae_course.metrics import latent_scale
from vae_course.sd import (
    PRESETS,
    Attention,
    AutoencoderKL,
    Config,
    Downsample,
    ResnetBlock,
    Upsample,
    doubling,
    parameter_counts,
    strips,
)


def twins(config: Config, seed: int = 0, dtype=torch.float64):
    """Our model and the reference, with the same random weights."""
    torch.manual_seed(seed)
    theirs = reference(config)
    with torch.no_grad():  # norms start as the identity, which hides mistakes
        for parameter in theirs.parameters():
            if parameter.dim() == 1:
                parameter.add_(0.2 * torch.randn_like(parameter))
    ours = AutoencoderKL(config)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    return ours.to(dtype), theirs.to(dtype)


def images(config: Config, size=(2, 3), batch=2, dtype=torch.float64):
    """Random images in [−1, 1] with latents of this size."""
    sides = [config.factor * side for side in size]
    return 2 * torch.rand(batch, config.in_channels, *sides, dtype=dtype) - 1


@pytest.mark.parametrize(
    "dtype, bound", [("float32", 1e-5), ("float64", 1e-12)]
)
@pytest.mark.parametrize("name", CONFIGS)
def test_equal_to_the_reference(name, dtype, bound):
    config, dtype = CONFIGS[name], getattr(torch, dtype)
    ours, theirs = twins(config, dtype=dtype)
    x = images(config, dtype=dtype)
    q = theirs.encode(x).latent_dist
    noise = torch.randn_like(q.mean)
    z = q.mean + q.std * noise
    assert relative(ours.moments(x), theirs._encode(x)) < bound
    assert relative(ours.encode(x).mean, q.mean) < bound
    sample = ours.encode(x).mean + ours.encode(x).stddev * noise
    assert relative(sample, z) < bound
    assert relative(ours.decode(z).mean, theirs.decode(z).sample) < bound
    kl = torch.distributions.kl_divergence(ours.encode(x), ours.prior)
    assert relative(kl, q.kl()) < bound


@pytest.mark.parametrize("name", ["narrowing", "no quant"])
def test_gradients_equal_the_references(name):
    ours, theirs = twins(CONFIGS[name])
    x = images(CONFIGS[name]).requires_grad_()
    noise = torch.randn_like(ours.encode(x).mean)

    def gradients(model, q, decode):
        std = q.stddev if hasattr(q, "stddev") else q.std
        out = decode(q.mean + std * noise)
        loss = out.square().sum() + std.log().sum()
        names = [name for name, _ in model.named_parameters()]
        grads = torch.autograd.grad(loss, [x, *model.parameters()])
        return dict(zip(["x", *names], grads, strict=True))

    a = gradients(ours, ours.encode(x), lambda z: ours.decode(z).mean)
    b = gradients(
        theirs, theirs.encode(x).latent_dist, lambda z: theirs.decode(z).sample
    )
    assert a.keys() == b.keys()
    scale = max(g.norm() for g in b.values())  # some are zero but for rounding
    worst = max((a[k] - b[k]).norm() for k in a) / scale
    assert worst < 1e-12


def test_a_seed_draws_the_references_latent():
    ours, theirs = twins(PRESETS["small"])
    q, x = ours.encode, images(PRESETS["small"], size=(4, 4))
    torch.manual_seed(7)
    z = q(x).sample()
    generator = torch.Generator().manual_seed(7)
    assert relative(z, theirs.encode(x).latent_dist.sample(generator)) < 1e-12


def test_the_full_size_model_equals_the_reference():
    ours, theirs = twins(PRESETS["sd1"], dtype=torch.float32)
    x = images(PRESETS["sd1"], size=(4, 6), batch=1, dtype=torch.float32)
    with torch.no_grad():
        q = theirs.encode(x).latent_dist
        assert relative(ours.moments(x), q.parameters) < 1e-5
        image = theirs.decode(q.mean).sample
        assert relative(ours.decode(q.mean).mean, image) < 1e-5


def test_large_images_equal_the_references_in_single_precision():
    # PyTorch's own group norm would leave a difference of 1e-4 here.
    config = replace(PRESETS["small"], block_out_channels=(8, 8, 8, 16))
    ours, theirs = twins(config, dtype=torch.float32)
    x = images(config, (128, 128), batch=1, dtype=torch.float32)
    with torch.no_grad():
        q = theirs.encode(x).latent_dist
        assert relative(ours.moments(x), q.parameters) < 1e-5
        image = theirs.decode(q.mean).sample
        assert relative(ours.decode(q.mean).mean, image) < 1e-5
        by_strips = strips.decode(ours, q.mean).mean
        assert relative(by_strips, ours.decode(q.mean).mean) < 1e-5


@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    widths=st.lists(st.sampled_from([4, 8, 12]), min_size=1, max_size=3),
    layers=st.integers(1, 2),
    groups=st.sampled_from([1, 2, 4]),
    channels=st.tuples(*[st.integers(1, 4)] * 3),
    quant=st.tuples(st.booleans(), st.booleans()),
    size=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    batch=st.integers(1, 3),
)
def test_equal_in_any_configuration_and_size(
    widths, layers, groups, channels, quant, size, batch
):
    # PyTorch refuses to normalise a single number.
    assume(batch * min(widths) // groups * size[0] * size[1] > 1)
    config = Config(
        *channels, tuple(widths), layers, groups, *quant, sample_size=8
    )
    ours, theirs = twins(config)
    x = images(config, size, batch)
    z = torch.randn(batch, config.latent_channels, *size, dtype=x.dtype)
    with torch.no_grad():
        # Norms of one or two numbers are rounding divided by eps: hence 1e-9.
        assert relative(ours.moments(x), theirs._encode(x)) < 1e-9
        assert relative(ours.decode(z).mean, theirs.decode(z).sample) < 1e-9


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_has_the_references_names_and_shapes(preset):
    with torch.device("meta"):
        ours = AutoencoderKL(preset).state_dict()
        theirs = reference(PRESETS[preset]).state_dict()
    assert {k: v.shape for k, v in ours.items()} == {
        k: v.shape for k, v in theirs.items()
    }


@pytest.mark.parametrize("preset", ["sd1", "sdxl"])
def test_parameters_are_where_the_paper_has_them(preset):
    with torch.device("meta"):
        vae = AutoencoderKL(preset)
    assert parameter_counts(vae) == {
        "encoder": 34_163_592,
        "decoder": 49_490_179,
        "quant_conv": 72,
        "post_quant_conv": 20,
        "total": 83_653_863,
    }
    assert len(vae.state_dict()) == 248


@pytest.mark.parametrize(
    "preset, scale, shift",
    [
        ("sd1", 0.18215, 0.0),
        ("sdxl", 0.13025, 0.0),
        ("sd3", 1.5305, 0.0609),
        ("flux", 0.3611, 0.1159),
    ],
)
def test_presets_scale_as_published(preset, scale, shift):
    config = PRESETS[preset]
    assert (config.scaling_factor, config.shift_factor) == (scale, shift)
    assert config.factor == 8


def test_all_52_norms_have_32_groups_and_eps_1e_6():
    with torch.device("meta"):
        modules = AutoencoderKL("sd1").modules()
    norms = [m for m in modules if isinstance(m, nn.GroupNorm)]
    assert len(norms) == 52
    assert {(n.num_groups, n.eps) for n in norms} == {(32, 1e-6)}


def test_upsample_is_repeat_then_convolve():
    layer = Upsample(5).double()
    x = torch.randn(2, 5, 3, 4, dtype=torch.float64)
    repeated = F.interpolate(x, scale_factor=2, mode="nearest")
    torch.testing.assert_close(layer(x), layer.conv(repeated))


def by_repeating(layer: Upsample, x: torch.Tensor) -> torch.Tensor:
    return layer.conv(F.interpolate(x, scale_factor=2, mode="nearest"))


@pytest.mark.parametrize("grad", [False, True])
@pytest.mark.parametrize(
    "change",
    [
        lambda layer: layer.conv.weight.data.mul_(2),  # no count of changes
        lambda layer: layer.conv.weight.data[0, 0, 1, 1].add_(1e-3),
        lambda layer: nn.init.normal_(layer.conv.weight),
        lambda layer: setattr(
            layer.conv, "weight", nn.Parameter(torch.randn(5, 5, 3, 3))
        ),
        lambda layer: layer.load_state_dict(Upsample(5).state_dict()),
        lambda layer: layer.load_state_dict(
            Upsample(5).state_dict(), assign=True
        ),
        lambda layer: layer.double(),
        lambda layer: layer.half().float(),
        lambda layer: copy.deepcopy(layer).conv.weight.data.zero_(),
    ],
)
def test_the_kept_kernel_follows_the_weights(change, grad):
    layer, x = Upsample(5), torch.randn(2, 5, 3, 4)
    with torch.no_grad():
        layer(x)
    change(layer)
    x = x.to(layer.conv.weight.dtype)
    with torch.set_grad_enabled(grad):
        torch.testing.assert_close(layer(x), by_repeating(layer, x))


def test_the_kernel_is_made_once_and_kept_out_of_sight(monkeypatch):
    layer, x = Upsample(5), torch.randn(2, 5, 3, 4)
    made, kernel = [], doubling.doubled_kernel

    def count(weight):
        made.append(weight)
        return kernel(weight)

    monkeypatch.setattr(doubling, "doubled_kernel", count)
    before = copy.deepcopy(layer.__dict__).keys(), [*layer.state_dict()]
    with torch.no_grad():
        layer(x), layer(x), layer(x)
    assert len(made) == 1
    assert (layer.__dict__.keys(), [*layer.state_dict()]) == before
    layer(x).sum().backward()  # a gradient passes through the sums
    assert len(made) == 2 and layer.conv.weight.grad is not None
    assert layer.conv not in doubling._made
    gone = weakref.ref(layer.conv)
    with torch.no_grad():
        layer(x)
    del layer, made[:]
    gc.collect()
    assert gone() is None


def test_a_kernel_made_in_inference_mode_serves_a_gradient():
    layer, x = Upsample(5).requires_grad_(False), torch.randn(1, 5, 3, 4)
    with torch.inference_mode():
        layer(x)
    x.requires_grad_()
    layer(x).sum().backward()
    assert x.grad is not None


def test_downsample_looks_right_and_down_only():
    layer = Downsample(1).double()
    nn.init.ones_(layer.conv.weight)
    nn.init.zeros_(layer.conv.bias)
    x = torch.zeros(1, 1, 4, 4, dtype=torch.float64)
    x[..., 0, 0] = 1.0
    assert layer(x).tolist() == [[[[1.0, 0.0], [0.0, 0.0]]]]
    x = torch.ones(1, 1, 4, 4, dtype=torch.float64)
    assert layer(x).tolist() == [[[[9.0, 6.0], [6.0, 4.0]]]]


def test_attention_is_softmax_over_all_positions():
    layer = Attention(6, 3).double()
    x = torch.randn(2, 6, 3, 2, dtype=torch.float64)
    rows = layer.group_norm(x).flatten(2).transpose(1, 2)
    q, k, v = (f(rows) for f in (layer.to_q, layer.to_k, layer.to_v))
    weights = (q @ k.transpose(1, 2) / 6**0.5).softmax(dim=-1)
    y = layer.to_out[0](weights @ v).transpose(1, 2).reshape(x.shape)
    torch.testing.assert_close(layer(x), x + y)


@pytest.mark.parametrize("layer", [ResnetBlock(4, 4, 2), ResnetBlock(4, 6, 2)])
def test_no_layer_changes_its_input(layer):
    x = torch.randn(2, 4, 3, 3)
    before = x.clone()
    layer(x)
    assert torch.equal(x, before)


def test_models_leave_their_inputs_alone():
    vae = AutoencoderKL("small")
    x = 2 * torch.rand(1, 3, 16, 16) - 1
    z = torch.randn(1, 4, 4, 4)
    copies = x.clone(), z.clone()
    with torch.no_grad():
        vae.encode(x), vae.decode(z), vae.scale(z), vae.unscale(z)
        vae.reconstruct(x)
    assert torch.equal(x, copies[0])
    assert torch.equal(z, copies[1])


def test_scale_and_unscale_undo_each_other():
    vae = AutoencoderKL(replace(PRESETS["flux"], block_out_channels=(32,)))
    z = torch.randn(2, 16, 3, 3)
    expected = (z - 0.1159) * 0.3611
    torch.testing.assert_close(vae.scale(z), expected)
    torch.testing.assert_close(vae.unscale(vae.scale(z)), z)


def test_the_distortion_is_the_sum_of_absolute_errors():
    # Laplace pixels with b = 1: the error, and log 2 for each number.
    vae = AutoencoderKL("small").double()
    x = images(PRESETS["small"], size=(2, 3))
    p = vae.decode(vae.encode(x).mean)
    error = (x - p.mean).abs().flatten(1).sum(dim=1)
    constant = x[0].numel() * math.log(2)
    torch.testing.assert_close(-p.log_prob(x), error + constant)


def test_log_variance_is_clamped():
    vae = AutoencoderKL("small")
    with torch.no_grad():
        vae.encoder.conv_out.bias[4:6] = 1e4
        vae.encoder.conv_out.bias[6:] = -1e4
        std = vae.encode(torch.zeros(1, 3, 8, 8)).stddev
    assert std.log().mul(2).unique().tolist() == pytest.approx([-30, 20])


@pytest.mark.parametrize("size", [(64, 64), (16, 40)])
def test_one_prior_serves_every_image_size(size):
    vae = AutoencoderKL("small")
    x = 2 * torch.rand(2, 3, *size) - 1
    q = vae.encode(x)
    z = q.sample()
    flat = standard_normal(torch.zeros(z[0].shape))
    rate = torch.distributions.kl_divergence(q, vae.prior)
    exact = torch.distributions.kl_divergence(q, flat)
    torch.testing.assert_close(rate, exact)
    torch.testing.assert_close(vae.prior.log_prob(z), flat.log_prob(z))
    assert elbo(vae, x).value.shape == (2,)
    assert importance_weighted_bound(vae, x, 3).shape == (2,)


def test_a_draw_from_the_prior_decodes_at_the_models_own_size():
    vae = AutoencoderKL("small")
    z = vae.prior.sample((2,))
    assert vae.decode(z).mean.shape == (2, 3, 32, 32)
    assert vae.prior.event_shape == z.shape[1:]


def test_the_prior_refuses_latents_of_another_depth():
    vae = AutoencoderKL("small")
    with pytest.raises(ValueError, match=r"latents \(4, h, w\).*\(3, 8, 8\)"):
        vae.prior.log_prob(torch.zeros(2, 3, 8, 8))
    q = standard_normal(torch.zeros(5, 8, 8))
    with pytest.raises(ValueError, match=r"\(5, 8, 8\)"):
        torch.distributions.kl_divergence(q, vae.prior)


@pytest.mark.parametrize(
    "size, nearest",
    [
        ((63, 64), "64×64"),
        ((64, 63), "64×64"),
        ((30, 33), "32×32"),
        ((1, 64), "4×64"),
    ],
)
def test_a_size_that_does_not_fit_is_named_with_the_nearest(size, nearest):
    vae = AutoencoderKL("small")
    with pytest.raises(ValueError, match=f"{size[0]}×{size[1]}.*{nearest}"):
        vae.encode(torch.zeros(1, 3, *size))


def test_padding_takes_any_size_and_gives_it_back():
    vae = AutoencoderKL("small")
    x = 2 * torch.rand(1, 3, 13, 18) - 1
    with torch.no_grad():
        y = vae.reconstruct(x, pad=True)
        padded = torch.cat([x, *[x[:, :, -1:]] * 3], dim=2)
        padded = torch.cat([padded, *[padded[..., -1:]] * 2], dim=3)
        assert torch.equal(y, vae.reconstruct(padded)[..., :13, :18])


@pytest.mark.parametrize(
    "x", [torch.zeros(3, 64, 64), torch.zeros(1, 4, 64, 64), torch.zeros(64)]
)
def test_a_batch_of_the_wrong_shape_is_refused(x):
    with pytest.raises(ValueError, match=r"images of shape \(B, 3"):
        AutoencoderKL("small").encode(x)


def test_bytes_are_refused():
    with pytest.raises(ValueError, match=r"floating-point.*uint8"):
        AutoencoderKL("small").encode(torch.zeros(1, 3, 8, 8).byte())


@pytest.mark.parametrize(
    "change, words",
    [
        ({"block_out_channels": (32, 48)}, r"\(32, 48\).*norm_num_groups=32"),
        ({"block_out_channels": ()}, "block_out_channels"),
        ({"block_out_channels": (32, 48.0)}, r"\(32, 48\.0\)"),
        ({"latent_channels": 0}, "latent_channels must be a whole.*got 0"),
        ({"layers_per_block": 2.5}, "layers_per_block must be a whole.*2.5"),
        ({"in_channels": True}, "in_channels must be a whole.*True"),
        ({"use_quant_conv": None}, "use_quant_conv must be True or False"),
        ({"shift_factor": float("nan")}, "shift_factor must be a finite"),
        ({"scaling_factor": "0.2"}, "scaling_factor must be a finite"),
        ({"scaling_factor": -1.0}, "scaling_factor must be positive"),
        ({"scaling_factor": 0.0}, "scaling_factor must be positive"),
        ({"scaling_factor": 10**400}, "scaling_factor must be a finite"),
        ({"layers_per_block": 65535}, "no autoencoder has more than 64"),
    ],
)
def test_an_impossible_configuration_is_refused(change, words):
    with pytest.raises(ValueError, match=words):
        Config(**change)


def test_an_unknown_preset_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"sd2.*small.*sd1.*flux"):
        AutoencoderKL("sd2")


def test_latent_scale_gives_unit_variance():
    torch.manual_seed(0)
    vae = AutoencoderKL("small")
    x = 2 * torch.rand(40, 3, 32, 32) - 1
    state = torch.get_rng_state()
    scale = latent_scale(vae, x)
    assert torch.equal(torch.get_rng_state(), state)
    with torch.no_grad():
        z = torch.cat([vae.encode(x).sample() for _ in range(5)])
    assert (scale * z).std().item() == pytest.approx(1, abs=0.01)
    assert latent_scale(vae, x, batch_size=7) == pytest.approx(scale, rel=0.01)
    vae.config = replace(vae.config, scaling_factor=scale)
    assert vae.scale(z).std().item() == pytest.approx(1, abs=0.01)
    with pytest.raises(ValueError, match="no images"):
        latent_scale(vae, x[:0])


def large_means(name: str) -> tuple[AutoencoderKL, AutoencoderKL]:
    """A model whose activations have means of about 100, and its double."""
    config = CONFIGS[name]
    ours, _ = twins(config, dtype=torch.float32)
    with torch.no_grad():
        for layer in ours.modules():
            if isinstance(layer, nn.Conv2d) and layer.out_channels > 4:
                layer.bias.add_(100)
    return ours, copy.deepcopy(ours).double()


def test_activations_of_large_mean_keep_their_digits():
    ours, exact = large_means("no quant")
    x = images(CONFIGS["no quant"], (6, 8), 1, torch.float32)
    with torch.no_grad():
        z = exact.encode(x.double()).mean
        assert relative(ours.encode(x).mean, z) < 3e-5
        image = exact.decode(z).mean
        assert relative(ours.decode(z.float()).mean, image) < 3e-5


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_a_trace_serves_other_sizes(part):
    vae, wide = AutoencoderKL("small"), {"encoder": 3, "decoder": 4}[part]
    stage, side = getattr(vae, part), 96 if part == "encoder" else 24
    traced = torch.jit.trace(stage, torch.randn(1, wide, side, side))
    for size in ((side, side), (8, 12), (side + 4, side - 8)):
        x = torch.randn(1, wide, *size)
        with torch.no_grad():
            assert relative(traced(x), stage(x)) < 1e-4


@pytest.mark.skipif(
    torch.__version__.startswith("2.6."),
    reason="it cannot trace a cache of weak references",
)
def test_it_exports_with_sizes_of_its_own():
    decoder = AutoencoderKL("small").decoder
    h, w = (torch.export.Dim(name, min=2, max=64) for name in "hw")
    exported = torch.export.export(
        decoder, (torch.randn(1, 4, 8, 8),), dynamic_shapes=({2: h, 3: w},)
    ).module()
    z = torch.randn(1, 4, 7, 30)
    with torch.no_grad():
        assert relative(exported(z), decoder(z)) < 1e-4


@pytest.mark.parametrize("plain", [True, False])
def test_second_and_forward_derivatives_need_the_plain_attention(plain):
    decoder = AutoencoderKL("small").decoder.double()
    z = torch.randn(1, 4, 3, 3, dtype=torch.float64)
    kernel = sdpa_kernel(SDPBackend.MATH)
    refused = pytest.raises((RuntimeError, NotImplementedError))

    def slope(z):
        z = z.detach().requires_grad_()
        loss = decoder(z).square().sum()
        return z, torch.autograd.grad(loss, z, create_graph=True)[0]

    with kernel if plain else contextlib.nullcontext():
        with contextlib.nullcontext() if plain else refused:
            ones, step = torch.ones_like(z), 1e-6
            _, along = torch.func.jvp(decoder, (z,), (ones,))
            secant = decoder(z + step) - decoder(z - step)
            assert relative(along, secant / (2 * step)) < 1e-6
        with contextlib.nullcontext() if plain else refused:
            at, first = slope(z)
            (second,) = torch.autograd.grad(first.sum(), at)
            secant = slope(z + step)[1] - slope(z - step)[1]
            assert relative(second, secant / (2 * step)) < 1e-6
