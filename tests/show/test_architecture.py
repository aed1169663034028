"""The drawn architecture against what the real modules do."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest
import torch

from vae_course.sd import PRESETS, AutoencoderKL, Config, parameter_counts
from vae_course.show.drawings import architecture as drawing
from vae_course.show.drawings.architecture import architecture, road

SHAPE = re.compile(r"\d+×\d+×\d+")


def words(figure):
    """All words of a figure's SVG, in the order of the drawing."""
    root = ElementTree.fromstring(figure.svg())
    return ["".join(t.itertext()).strip() for t in root.iter() if is_text(t)]


def is_text(node):
    return node.tag.endswith("}text")


def times(shape):
    return "×".join(map(str, shape))


def traced(config, height, width):
    """What a real forward pass with real numbers gives, leaf by leaf.

    Every convolution, norm and linear layer says what came out; the shapes at
    which a residual block or an attention ends are those of its last layer.
    """
    vae = AutoencoderKL(config)
    seen = {}
    for name, module in vae.named_modules():
        module.register_forward_hook(
            lambda _, given, out, name=name: seen.update({name: out})
        )
    with torch.no_grad():
        z = vae.encode(torch.zeros(1, config.in_channels, height, width)).mean
        seen["z"] = z
        seen["x̂"] = vae.decode(z).mean
    return {name: tuple(out.shape[1:]) for name, out in seen.items()}


@pytest.mark.parametrize("name", PRESETS)
def test_drawn_blocks_and_shapes_are_those_of_a_real_pass(name):
    # Full width would take long on a CPU: the shapes of a small image.
    config = PRESETS[name]
    height, width = 2 * config.factor, 3 * config.factor
    real = traced(config, height, width)
    blocks = road(config, height, width)
    for block in blocks:
        assert block.shape == real[block.name], block.name
    drawn = words(architecture(config, height, width))
    shapes = [word for word in drawn if SHAPE.fullmatch(word)]
    images = [(config.in_channels, height, width), real["x̂"]]
    wanted = [b.shape for b in blocks if b.kind != "latent"] + images
    assert sorted(shapes) == sorted(map(times, wanted))
    assert f"latent z: {times(real['z'])}" in drawn
    for kind in {block.kind for block in blocks} - {"latent"}:
        count = sum(block.kind == kind for block in blocks)
        assert drawn.count(kind) == count, kind


@pytest.mark.parametrize("name", PRESETS)
def test_the_drawn_blocks_hold_every_parameter_once(name):
    blocks = road(name)
    with torch.device("meta"):
        vae = AutoencoderKL(name)
    assert len({block.name for block in blocks}) == len(blocks)
    total = sum(block.parameters for block in blocks)
    assert total == parameter_counts(vae)["total"]


def test_the_work_of_each_block_is_what_its_layers_multiply():
    blocks = {block.name: block for block in road("sd1")}
    first = blocks["encoder.conv_in"]
    assert first.multiplications == 512 * 512 * 128 * 3 * 9
    last_up = blocks["decoder.up_blocks.2.upsamplers.0"]  # 4 in place of 9
    assert last_up.multiplications == 512 * 512 * 256 * 256 * 4
    attention = blocks["encoder.mid_block.attentions.0"]
    projections = 4 * 64**2 * 512**2
    assert attention.multiplications == projections + 2 * 512 * 64**4
    assert blocks["encoder.conv_norm_out"].multiplications == 0


def test_blocks_are_drawn_in_the_order_in_which_an_image_passes():
    blocks = road("sd1")
    names = [block.name for block in blocks]
    assert names[0] == "encoder.conv_in" and names[-1] == "decoder.conv_out"
    middle = names.index("z")
    assert names[middle - 1] == "quant_conv"
    assert names[middle + 1] == "post_quant_conv"
    assert blocks[middle].shape == (4, 64, 64)
    assert "quant_conv" not in [block.name for block in road("flux")]


def test_the_columns_hold_encoder_and_decoder_on_either_side(monkeypatch):
    drawn = []
    keep = drawing._draw

    def note(axis, block, side, level, centre, top):
        drawn.append((block, side, top))
        keep(axis, block, side, level, centre, top)

    monkeypatch.setattr(drawing, "_draw", note)
    architecture("small")
    blocks = road("small")
    middle = [block.kind for block in blocks].index("latent")
    left = sorted((top, b) for b, side, top in order(drawn) if side < 0)
    right = sorted((-top, b) for b, side, top in order(drawn) if side > 0)
    assert [name for _, name in left[1:]] == [
        block.name for block in blocks[:middle]
    ]
    assert [name for _, name in right[:-1]] == [
        block.name for block in blocks[middle + 1 :]
    ]


def order(drawn):
    return [(block.name, side, top) for block, side, top in drawn]


def test_any_configuration_is_drawn():
    odd = replace(
        PRESETS["small"],
        block_out_channels=(16, 32),
        layers_per_block=3,
        use_post_quant_conv=True,
    )
    for config in (odd, Config(block_out_channels=(32,))):
        figure = architecture(config, 16, 32)
        assert "residual" in figure.alt and "image 3×16×32" in figure.alt
    with pytest.raises(ValueError, match="multiples"):
        architecture("sd1", 100)


@pytest.mark.parametrize("name", PRESETS)
def test_it_fits_a_phone_and_a_first_screen(name):
    width, height = architecture(name).get_size_inches() * 96
    assert width <= 4.61 * 96  # so text of 10.5 points is 11 px at 350 px
    assert height <= 500
