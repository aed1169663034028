"""The latent image: what its page gets, PyTorch's numbers, any hand."""

import base64
import json
import re

import numpy as np
import pytest
import torch
from test_explorers import data_of, patches
from torch import nn

from vae_course.sd import AutoencoderKL
from vae_course.sd.autoencoder import Config
from vae_course.show import explorers
from vae_course.show.explorers import packing
from vae_course.show.explorers.convolutional import rounding_error


def numbers(described) -> list[np.ndarray]:
    """All that a description has in base64, weights as they will be used."""
    if isinstance(described, list):
        return [n for each in described for n in numbers(each)]
    if not isinstance(described, dict):
        return []
    kinds = {"exact": "<f4", "bias": "<f4", "shift": "<f4"}
    found = {
        name: np.frombuffer(base64.b64decode(described[name]), kind)
        for name, kind in kinds.items()
        if name in described
    }
    if "weight" in described:
        integers = np.frombuffer(base64.b64decode(described["weight"]), "i1")
        scale = np.frombuffer(base64.b64decode(described["scale"]), "<f4")
        rows = integers.reshape(len(scale), -1) * scale[:, None]
        found["weight"] = rows.ravel()
    elif "scale" in described:
        found["scale"] = np.frombuffer(
            base64.b64decode(described["scale"]), "<f4"
        )
    return [*found.values(), *numbers([*described.values()])]


def test_the_page_gets_the_whole_convolutional_decoder(monkeypatch):
    monkeypatch.setattr(packing, "FEW", 600)  # some layers are larger
    model, _ = patches()
    for p in model.decoder.parameters():
        p.data.add_(torch.rand_like(p))  # no two layers are alike
    twin = packing.as_packed(model.decoder)
    assert any(
        not torch.equal(a, b)
        for a, b in zip(
            twin.parameters(), model.decoder.parameters(), strict=True
        )
    )
    found = numbers(json.loads(json.dumps(packing.pack(model.decoder))))
    wanted = [p.detach().numpy().ravel() for p in twin.parameters()]
    assert len(found) == len(wanted)
    for values in wanted:
        assert any(
            len(values) == len(each) and np.allclose(values, each, atol=1e-6)
            for each in found
        )


def test_the_page_gets_codes_and_the_size_of_each_channel():
    model, x = patches()
    data = data_of(explorers.painting(model, x, shown=3))
    with torch.no_grad():
        codes = model.encode(x).mean
    assert len(data["pictures"]) == 3 and data["side"] == 8
    for i, picture in enumerate(data["pictures"]):
        code = np.frombuffer(base64.b64decode(picture["code"]), "<f4")
        assert np.allclose(code, codes[i].flatten(), atol=1e-5)
        given = np.frombuffer(base64.b64decode(picture["given"]), "u1")
        wanted = (x[i].flatten() + 1) * 255 / 2
        assert np.abs(given - wanted.numpy()).max() < 0.51
    spread = codes.transpose(0, 1).flatten(1)
    assert np.allclose(data["mean"], spread.mean(dim=1), atol=1e-5)
    assert np.allclose(data["std"], spread.std(dim=1), atol=1e-5)


def test_the_still_says_how_far_rounding_moves_a_painted_picture(monkeypatch):
    monkeypatch.setattr(packing, "FEW", 100)
    model, x = patches()
    explorer = explorers.painting(model, x, shown=4)
    said = float(re.search(r"more than (\d\.\d+)", explorer.words)[1])
    with torch.no_grad():
        codes = model.encode(x[:4]).mean
        error = rounding_error(model, codes)
        twin = packing.as_packed(model.decoder)(codes).clamp(-1, 1)
        wanted = (model.decode(codes).mean.clamp(-1, 1) - twin).abs().max()
    assert 0 < error == pytest.approx(wanted.item() / 2)
    assert abs(said - error) < 0.001


def test_a_code_that_the_page_cannot_paint_on_is_refused():
    model, _ = patches()
    for height, width in ((12, 12), (16, 8)):
        x = torch.zeros(2, 3, height, width)
        with pytest.raises(ValueError, match="squares"):
            explorers.painting(model, x)
    config = Config(block_out_channels=(32, 32), layers_per_block=1)
    with pytest.raises(ValueError, match="post_quant_conv"):
        explorers.painting(AutoencoderKL(config), torch.zeros(2, 3, 16, 16))
    model.decoder.conv_in = nn.Tanh()
    model.decoder.conv_in.in_channels = 4
    with pytest.raises(ValueError, match="cannot run Tanh"):
        packing.pack(model.decoder)


# --- In a browser ----------------------------------------------------------


@pytest.fixture(scope="module")
def convolutional():
    """Chapter 6's model; untrained, with weights that differ more."""
    torch.manual_seed(0)
    model = AutoencoderKL("small")
    for p in model.decoder.parameters():
        p.data.add_(0.1 * torch.randn_like(p))
    return model


@pytest.fixture(scope="module")
def painting(convolutional):
    torch.manual_seed(0)
    return explorers.painting(convolutional, 2 * torch.rand(9, 3, 32, 32) - 1)


def of(tab, expression, given=None):
    """What the page's explorer answers."""
    return tab.evaluate(
        f"""given => {{ const e = document.querySelector(".vae-explorer")
             .explorer; return {expression}; }}""",
        given,
    )


@pytest.mark.parametrize("side", [16, 32])
def test_the_page_decodes_painted_codes_as_pytorch_does(
    shown, convolutional, side
):
    x = 2 * torch.rand(6, 3, side, side) - 1
    explorer = explorers.painting(convolutional, x)
    tab = shown(explorer)
    with torch.no_grad():
        code = convolutional.encode(x[:1]).mean
    # Each of some cells of each channel at five values, and codes of noise.
    painted = [torch.randn_like(code) for _ in range(4)]
    for channel in range(4):
        for row, column in ((0, 0), (1, 3), (side // 4 - 1, 2)):
            for value in torch.linspace(-4, 4, 5):
                painted.append(code.clone())
                painted[-1][0, channel, row, column] = value
    z = torch.cat(painted)
    found = of(tab, "given.map(z => [...e.decode(z)])", z.flatten(1).tolist())
    with torch.no_grad():
        wanted = packing.as_packed(convolutional.decoder)(z).flatten(1)
    wanted = (wanted.clamp(-1, 1) + 1) / 2
    assert wanted.std() > 0.1
    assert (torch.tensor(found) - wanted).abs().max() < 1e-3
    assert tab.errors == []


def test_a_stroke_is_answered_at_once(shown, painting):
    """Decoded and painted in a few frames, also on a busy machine."""
    tab = shown(painting)
    milliseconds = of(
        tab,
        """Array.from({ length: 40 }, (_, i) => {
             const start = performance.now();
             e.go(i % 8, 3); e.paint(i / 10 - 2); e.draw();
             return performance.now() - start; }).slice(10).sort(
               (a, b) => a - b)[15]""",
    )
    assert milliseconds < 10 * 1000 / 60


def test_keys_choose_a_cell_and_paint_it(shown, painting):
    tab = shown(painting)
    board = tab.get_by_role("application")
    assert "plus and minus" in board.get_attribute("aria-label")
    view = tab.get_by_role("img")
    before = view.get_attribute("aria-label")
    assert "row 5, column 5" in before and "No pixel has changed" in before
    board.focus()
    tab.keyboard.press("ArrowUp")
    tab.keyboard.press("ArrowRight")
    assert "Channel 1, row 4, column 6" in view.get_attribute("aria-label")
    value = """() => Number(document.querySelector("[role=img]").ariaLabel
      .match(/value ([−0-9.]+)/)[1].replace("−", "-"))"""
    start = tab.evaluate(value)
    for key, step in (("+", 0.5), ("+", 0.5), ("-", -0.5)):
        tab.keyboard.press(key)
        start += step
        assert abs(tab.evaluate(value) - start) < 0.011
    tab.keyboard.press(" ")  # the brush
    assert tab.evaluate(value) == 4
    after = view.get_attribute("aria-label")
    tab.wait_for_function(
        """w => w.endsWith(document.querySelector("[role=status]")
          .textContent) && document.querySelector("[role=status]")
          .textContent""",
        arg=after,
    )
    for _ in range(20):
        tab.keyboard.press("ArrowLeft")
    assert "row 4, column 1:" in view.get_attribute("aria-label")
    tab.keyboard.press("Tab")  # and one gets out again
    assert tab.evaluate("document.activeElement.tagName") == "SELECT"
    assert tab.errors == []


def test_the_words_count_the_pixels_that_changed(
    shown, convolutional, painting
):
    tab = shown(painting)
    tab.get_by_role("combobox").last.select_option(label="3")
    of(tab, "(e.go(1, 6), e.paint(-2))")
    data = painting.data
    code = torch.frombuffer(
        bytearray(base64.b64decode(data["pictures"][0]["code"])),
        dtype=torch.float32,
    ).view(1, 4, 8, 8)
    painted = code.clone()
    painted[0, 2, 1, 6] = data["mean"][2] - 2 * data["std"][2]
    decoder = packing.as_packed(convolutional.decoder)
    with torch.no_grad():
        before, after = (decoder(z).clamp(-1, 1) for z in (code, painted))
    changed = ((after - before).abs().amax(dim=1)[0] / 2) > 0.05
    rows, columns = (changed.any(dim=d).nonzero().flatten() for d in (1, 0))
    assert 0 < changed.sum() < 1024
    words = tab.get_by_role("img").get_attribute("aria-label")
    assert "Channel 3, row 2, column 7: value −2.00" in words
    assert f"{changed.sum()} of 1024 pixels" in words
    assert f"rows {rows[0] + 1} to {rows[-1] + 1}," in words
    assert f"columns {columns[0] + 1} to {columns[-1] + 1}." in words


def test_a_pointer_paints_only_where_it_is_pressed(shown, painting):
    tab = shown(painting)
    box = tab.get_by_role("application").bounding_box()

    def at(row, column):
        wide = box["width"] / 8
        return box["x"] + (column - 0.5) * wide, box["y"] + (row - 0.5) * wide

    view = tab.get_by_role("img")
    tab.mouse.move(*at(2, 3))
    words = view.get_attribute("aria-label")
    assert "row 2, column 3" in words and "No pixel has changed" in words
    tab.mouse.down()
    tab.mouse.move(*at(2, 4))
    tab.mouse.up()
    assert "column 4: value 4.00" in view.get_attribute("aria-label")
    tab.mouse.move(*at(2, 3))
    assert "column 3: value 4.00" in view.get_attribute("aria-label")
    tab.mouse.move(*at(7, 7))
    assert "value 4.00" not in view.get_attribute("aria-label")
    tab.get_by_role("button").click()
    assert "No pixel has changed" in view.get_attribute("aria-label")


def test_a_finger_paints(shown, painting):
    tab = shown(painting, width=390, has_touch=True)
    box = tab.get_by_role("application").bounding_box()
    tab.touchscreen.tap(box["x"] + box["width"] / 16, box["y"] + 5)
    words = tab.get_by_role("img").get_attribute("aria-label")
    assert "row 1, column 1: value 4.00" in words
    assert " pixels have changed" in words


def test_another_picture_comes_with_its_own_code(shown, painting):
    tab = shown(painting)
    of(tab, "(e.go(0, 0), e.paint(3))")
    tab.get_by_role("combobox").first.select_option(label="patch 2")
    words = tab.get_by_role("img").get_attribute("aria-label")
    code = base64.b64decode(painting.data["pictures"][1]["code"])
    first = torch.frombuffer(bytearray(code), dtype=torch.float32)[0].item()
    told = (first - painting.data["mean"][0]) / painting.data["std"][0]
    assert "No pixel has changed" in words
    assert f"value {told:.2f}".replace("-", "−") in words
