"""Explorers in a real browser: PyTorch's numbers, and led by any hand."""

import pytest
import torch
from test_explorers import patches

from vae_course.mlp import MLPVAE, Autoencoder
from vae_course.show import explorers
from vae_course.show.explorers import packing
from vae_course.show.explorers.by_hand import terms
from vae_course.show.explorers.trained import grid


@pytest.fixture(scope="module")
def models():
    """As large as those of chapter 2, with weights of trained ones' size."""
    torch.manual_seed(0)
    vae = MLPVAE(hidden=256, latent=2)
    plain = Autoencoder(latent=2, hidden=256)
    for model in (vae, plain):
        for p in model.decoder.parameters():
            p.data.mul_(3)
    return {"VAE": vae, "autoencoder": plain}


@pytest.fixture(scope="module")
def latent(models):
    x = torch.rand(40, 1, 28, 28)
    return explorers.latent(models, x, torch.arange(40) % 10)


def test_the_page_decodes_as_pytorch_does(shown, latent, models):
    tab = shown(latent)
    reach = [each["reach"] for each in latent.data["models"]]
    for place, model in enumerate(models.values()):
        z = grid(reach[place], 9)
        found = tab.evaluate(
            """([i, all]) => { const e = document.querySelector(
                 ".vae-explorer").explorer;
                 return all.map(z => [...e.decode(i, z)]); }""",
            [place, z.tolist()],
        )
        with torch.no_grad():
            decoder = packing.within(model.decoder, reach[place])
            wanted = packing.as_packed(decoder)(z)
            wanted = wanted.sigmoid() if place == 0 else wanted
        difference = (torch.tensor(found) - wanted).abs().max()
        assert difference < 1e-3 * max(1.0, wanted.abs().max())
    assert tab.errors == []


def test_a_move_is_answered_at_once(shown, latent):
    """Decoded and painted in a few frames, also on a busy machine.

    On an idle one it takes less than one frame of sixty a second.
    """
    tab = shown(latent)
    milliseconds = tab.evaluate(
        """() => { const e = document.querySelector(".vae-explorer").explorer;
             e.paint(); const times = [];
             for (let i = 0; i < 30; i++) { const start = performance.now();
               e.go(i / 30, -i / 20); e.paint();
               times.push(performance.now() - start); }
             return times.sort((a, b) => a - b)[15]; }"""
    )
    assert milliseconds < 10 * 1000 / 60


def test_arrow_keys_move_and_the_place_is_said_in_words(shown, latent):
    tab = shown(latent)
    plane = tab.get_by_role("application")
    assert "Arrow keys" in plane.get_attribute("aria-label")
    plane.focus()
    picture = tab.get_by_role("img")
    before = picture.get_attribute("aria-label")
    tab.keyboard.press("Shift+ArrowRight")
    tab.keyboard.press("ArrowUp")
    after = picture.get_attribute("aria-label")
    assert "at 0.00, 0.00" in before and before != after
    tab.wait_for_function(
        "w => document.querySelector('[role=status]').textContent === w",
        arg=after,
    )
    tab.keyboard.press("Tab")  # and one gets out again
    assert tab.evaluate("document.activeElement.tagName") == "SELECT"


def test_a_pointer_leads_and_a_code_shows_its_digit(shown, latent):
    tab = shown(latent)
    x, y = tab.evaluate(
        """() => { const c = document.querySelector("canvas");
             const b = c.getBoundingClientRect();
             const d = document.querySelector(".vae-explorer").explorer;
             return [b.left + b.width / 2, b.top + b.height / 2]; }"""
    )
    tab.mouse.move(x + 40, y - 40)
    label = tab.get_by_role("img").get_attribute("aria-label")
    first, second = label.split(" at ")[1].split(":")[0].split(", ")
    assert float(first) > 0 and float(second) > 0


def test_the_bound_in_the_page_is_that_of_pytorch(shown):
    tab = shown(explorers.bound(x=1.5, weight=0.8, noise=0.6))
    for mean, std in ((0.0, 1.0), (-2.0, 0.3), (1.7, 1.9)):
        found = tab.evaluate(
            """given => document.querySelector(".vae-explorer")
                 .explorer.bound(given)""",
            {"x": 1.5, "weight": 0.8, "noise": 0.6, "mean": mean, "std": std},
        )
        wanted = terms(1.5, 0.8, 0.6, torch.tensor(mean), torch.tensor(std))
        for name, value in wanted.items():
            assert abs(found[name] - value.item()) < 1e-3, name
    assert tab.errors == []


def test_a_button_closes_the_gap(shown):
    tab = shown(explorers.bound())
    tab.get_by_role("button").click()
    words = tab.get_by_role("img").get_attribute("aria-label")
    assert "plus gap 0.00" in words


def test_the_slopes_in_the_page_are_autograds(shown):
    tab = shown(explorers.reparameterization(target=0.7))
    mean, std = torch.tensor(-0.4), torch.tensor(0.9)
    mean.requires_grad_(), std.requires_grad_()
    loss = 0.5 * (mean + std * 1.3 - 0.7) ** 2
    loss.backward()
    found = tab.evaluate(
        """given => document.querySelector(".vae-explorer")
             .explorer.slopes(given)""",
        {"mean": -0.4, "std": 0.9, "noise": 1.3, "target": 0.7},
    )
    assert abs(found["loss"] - loss.item()) < 1e-5
    assert abs(found["toMean"] - mean.grad.item()) < 1e-5
    assert abs(found["toStd"] - std.grad.item()) < 1e-5


def test_sliders_move_by_keyboard_and_say_their_values(shown):
    tab = shown(explorers.reparameterization())
    slider = tab.get_by_role("slider").first
    slider.focus()
    tab.keyboard.press("ArrowRight")
    assert slider.get_attribute("aria-valuetext") == "−0.95"
    assert "z = −0.95" in tab.get_by_role("img").get_attribute("aria-label")


def test_beta_follows_its_slider(shown):
    torch.manual_seed(0)
    models = {b: MLPVAE(hidden=8, latent=3) for b in (0.1, 1.0, 10.0)}
    tab = shown(explorers.beta(models, torch.rand(20, 1, 28, 28)))
    slider = tab.get_by_role("slider")
    slider.focus()
    tab.keyboard.press("Home")
    words = tab.get_by_role("img").first.get_attribute("aria-label")
    assert "β = 0.1" in words and "nats" in words
    assert tab.errors == []


def test_the_road_shows_the_stop_of_its_slider(shown):
    """At t = 0 all is white above and black below; at t = 900 the reverse."""
    bright, dark = torch.ones(6, 1, 8, 8), torch.zeros(6, 1, 8, 8)
    road = explorers.noise(
        {0: bright, 900: dark}, {0: dark, 900: bright}, {0: 1.0, 900: 0.1}
    )
    tab = shown(road)
    rows = """() => { const c = document.querySelector("canvas");
      document.querySelector(".vae-explorer").explorer.paint();
      const at = (y) => c.getContext("2d").getImageData(
        c.width / 12, y * c.height / 148, 1, 1).data[0];
      return [at(40), at(104)]; }"""
    assert tab.evaluate(rows) == [255, 0]
    slider = tab.get_by_role("slider")
    slider.focus()
    tab.keyboard.press("End")
    assert tab.evaluate(rows) == [0, 255]
    assert slider.get_attribute("aria-valuetext") == "900"
    words = tab.get_by_role("img").get_attribute("aria-label")
    assert "Step 900 of 900: 1 % of the variance is the code" in words
    assert tab.errors == []


def test_two_on_one_page_are_two(shown):
    bound = explorers.bound()
    tab = shown(bound, explorers.reparameterization(), bound)
    assert tab.get_by_role("group").count() == 3
    assert tab.errors == []


def test_without_scripts_the_picture_and_its_words_stay(shown, latent):
    tab = shown(latent, java_script_enabled=False)
    still = tab.locator(".x-still img")
    assert still.is_visible()
    assert len(still.get_attribute("alt")) > 60
    assert "over their planes" in tab.locator(".x-still p").inner_text()


def test_a_phone_scrolls_none_of_them_sideways(shown, latent):
    tab = shown(
        latent,
        explorers.bound(),
        explorers.reparameterization(),
        explorers.painting(*patches()),
        width=320,
    )
    assert tab.evaluate("document.documentElement.scrollWidth") <= 320


def test_colours_follow_the_page(shown):
    tab = shown(explorers.bound(), color_scheme="dark")
    tab.add_style_tag(content="body { background: #111; color: #eee }")
    tab.evaluate("document.documentElement.dataset.theme = 'dark'")
    tab.wait_for_timeout(100)
    bright = tab.evaluate(
        """() => { const c = document.querySelector("canvas");
             const d = c.getContext("2d").getImageData(
               0, 0, c.width, c.height).data;
             let n = 0;
             for (let i = 0; i < d.length; i += 4)
               if (d[i + 3] > 200 && d[i] > 200 && d[i + 2] > 200) n++;
             return n; }"""
    )
    assert bright > 50, "words stay dark on dark"
