"""Explorers for the page: what they carry, and that it is what they say."""

import base64
import json
import math
import re

import numpy as np
import pytest
import torch
from torch import nn

from vae_course.mlp import MLPVAE, Autoencoder
from vae_course.sd import AutoencoderKL
from vae_course.sd.autoencoder import Config
from vae_course.show import explorers
from vae_course.show.explorers import packing, page, trained
from vae_course.show.explorers.by_hand import terms

MODULES = (
    "latent",
    "reparameterization",
    "bound",
    "beta",
    "noise",
    "painting",
)


@pytest.fixture
def models(monkeypatch):
    monkeypatch.setattr(packing, "FEW", 100)  # the first layer has 32
    torch.manual_seed(0)
    shape = (1, 8, 8)
    return {
        "VAE": MLPVAE(shape, hidden=16, latent=2),
        "autoencoder": Autoencoder(shape, latent=2, hidden=16),
    }


@pytest.fixture
def digits():
    return torch.rand(12, 1, 8, 8), torch.arange(12) % 10


def data_of(explorer) -> dict:
    """The data that the page's script gets."""
    html = explorer._repr_mimebundle_()["text/html"]
    return json.loads(re.search(r"^const DATA = (.*);$", html, re.M)[1])


def test_what_the_page_gets_is_the_rounded_network(models):
    decoder = models["VAE"].decoder
    packed = json.loads(json.dumps(packing.pack(decoder, sigmoid=True)))
    twin = packing.as_packed(decoder)
    assert ["exact" in layer for layer in packed["layers"]] == [True, False]
    for layer, linear in zip(
        packed["layers"], packing.linears(twin), strict=True
    ):
        if "exact" in layer:
            exact = np.frombuffer(base64.b64decode(layer["exact"]), "<f4")
            wanted = linear.weight.detach().numpy().ravel()
            assert np.array_equal(exact, wanted)
            continue
        integers = np.frombuffer(base64.b64decode(layer["weight"]), "i1")
        scale = np.frombuffer(base64.b64decode(layer["scale"]), "<f4")
        weight = integers.reshape(layer["shape"]) * scale[:, None]
        assert np.allclose(weight, linear.weight.detach().numpy(), atol=1e-7)
        bias = np.frombuffer(base64.b64decode(layer["bias"]), "<f4")
        assert np.array_equal(bias, linear.bias.detach().numpy())


def test_rounding_moves_a_weight_by_half_a_step_at_most(models):
    for before, after in zip(
        packing.linears(models["VAE"].decoder),
        packing.linears(packing.as_packed(models["VAE"].decoder)),
        strict=True,
    ):
        step = before.weight.abs().amax(dim=1, keepdim=True) / packing.LARGEST
        assert ((before.weight - after.weight).abs() <= 0.51 * step).all()


def test_a_network_that_the_page_cannot_run_is_refused():
    for layers in ([nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 2)], []):
        with pytest.raises(ValueError, match="ReLU"):
            packing.pack(nn.Sequential(*layers), sigmoid=False)


@pytest.mark.parametrize("reach", [0.5, 2.0, 30.0])
def test_units_that_do_not_bend_in_the_plane_are_not_missed(models, reach):
    decoder = models["VAE"].decoder
    fewer = packing.within(decoder, reach)
    z = trained.grid(reach, 21)
    assert torch.allclose(fewer(z), decoder(z), atol=1e-4)
    if reach < 1:
        assert fewer[0].out_features < decoder[0].out_features


def test_packing_changes_no_model(models):
    before = {k: v.clone() for k, v in models["VAE"].state_dict().items()}
    packing.as_packed(models["VAE"].decoder)
    after = models["VAE"].state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_the_plane_holds_both_models_and_their_codes(models, digits):
    explorer = explorers.latent(models, *digits)
    data = data_of(explorer)
    assert [m["name"] for m in data["models"]] == ["VAE", "autoencoder"]
    assert [m["draws"] for m in data["models"]] == [True, False]
    for described, model in zip(data["models"], models.values(), strict=True):
        codes = trained._means(model, digits[0])
        assert torch.allclose(
            torch.tensor(described["codes"]), codes, atol=0.006
        )
        assert codes.abs().max() <= described["reach"]
    assert data["labels"] == digits[1].tolist()


def test_the_still_says_how_far_rounding_moves_a_pixel(models, digits):
    explorer = explorers.latent(models, *digits)
    said = float(re.search(r"more than (\d\.\d+)", explorer.words)[1])
    reach = {m["name"]: m["reach"] for m in data_of(explorer)["models"]}
    errors = [
        trained.rounding_error(model, reach[name])
        for name, model in models.items()
    ]
    assert abs(said - max(errors)) < 0.001
    assert 0 < max(errors) < 0.02


def test_a_plane_has_two_numbers(digits):
    vae = MLPVAE((1, 8, 8), hidden=4, latent=3)
    with pytest.raises(ValueError, match="3 latent numbers"):
        explorers.latent({"VAE": vae}, *digits)


def test_the_bound_and_its_gap_add_up_wherever_q_is():
    mean, std = torch.randn(100), torch.rand(100) + 0.1
    found = terms(2.0, 1.3, 0.7, mean, std)
    whole = found["elbo"] + found["gap"]
    assert torch.allclose(whole, found["evidence"], atol=1e-4)
    assert (found["gap"] >= -1e-6).all()


def road(steps=(0, 400, 1000), side=8):
    """Pictures on their way to noise and back, and the signal's share."""
    given, drawn = (
        {t: torch.rand(5, 1, side, side) for t in steps} for _ in range(2)
    )
    return given, drawn, {t: math.cos(t / 1000) for t in steps}


def test_each_stop_of_the_road_has_its_own_pictures():
    given, drawn, signal = road()
    stops = data_of(explorers.noise(given, drawn, signal))["stops"]
    assert [stop["t"] for stop in stops] == [0, 400, 1000]
    for stop in stops:
        for name, way in (("given", given), ("drawn", drawn)):
            found = np.frombuffer(base64.b64decode(stop[name]), "u1") / 255
            wanted = way[stop["t"]].numpy().ravel()
            assert np.abs(found - wanted).max() <= 0.5 / 255 + 1e-6
        assert abs(stop["signal"] - signal[stop["t"]]) < 1e-4


def test_a_road_with_other_stops_on_the_way_back_is_refused():
    given, _, signal = road()
    with pytest.raises(ValueError, match="same steps"):
        explorers.noise(given, road((0, 500, 1000))[1], signal)
    with pytest.raises(ValueError, match="different shapes"):
        explorers.noise(given, road(side=6)[1], signal)


def patches(side=16):
    """A model whose code is half as wide as its images, and images."""
    settings = {"block_out_channels": (8, 16), "layers_per_block": 1}
    settings |= {"norm_num_groups": 4, "use_quant_conv": False}
    config = Config(**settings, use_post_quant_conv=False)
    return AutoencoderKL(config), 2 * torch.rand(9, 3, side, side) - 1


@pytest.fixture
def each(models, digits):
    """One of every kind."""
    return {
        "latent": explorers.latent(models, *digits),
        "reparameterization": explorers.reparameterization(),
        "bound": explorers.bound(),
        "beta": explorers.beta(
            {0.1: models["VAE"], 10.0: models["VAE"]}, digits[0], shown=4
        ),
        "noise": explorers.noise(*road()),
        "painting": explorers.painting(*patches()),
    }


def test_an_output_is_whole_and_loads_nothing(each):
    assert set(each) == set(MODULES)
    for name, explorer in each.items():
        bundle = explorer._repr_mimebundle_()
        html = bundle["text/html"]
        assert 'alt="' in html and len(bundle["text/plain"]) > 60
        assert not re.search(r"https?:(?!//www\.w3\.org)", html), name
        assert "import " not in html and "export " not in html
        assert "fetch(" not in html and "document.currentScript" not in html
        assert html.count("</script>") == 1, "the data ends the script"


def test_the_same_explorer_is_the_same_text(models, digits):
    once, again = (explorers.latent(models, *digits) for _ in range(2))
    assert once.html == again.html


def test_data_cannot_end_the_script(models, digits):
    nasty = {"</script><b>": models["VAE"]}
    html = explorers.latent(nasty, *digits).html
    assert html.count("</script>") == 1
    assert (
        data_of(explorers.latent(nasty, *digits))["models"][0]["name"]
        == "</script><b>"
    )


def test_what_is_too_large_for_a_page_is_refused(models, digits, monkeypatch):
    monkeypatch.setattr(page, "MOST", 1000)
    with pytest.raises(ValueError, match="fewer images"):
        explorers.latent(models, *digits)


def test_modules_share_no_name():
    """They become one script, where a name can stand for one thing only."""
    for module in MODULES:
        names = re.findall(
            r"^(?:const|let|function|async function) (\w+)",
            page.script(module),
            re.MULTILINE,
        )
        assert len(names) == len(set(names)), module
