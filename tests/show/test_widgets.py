"""Sliders move pictures where a kernel runs; elsewhere a still stands."""

import subprocess
import sys
from io import BytesIO

import pytest
import torch
from PIL import Image

from vae_course.mlp import MLPVAE, Autoencoder
from vae_course.sd import AutoencoderKL
from vae_course.show import explore
from vae_course.show.widgets import codes

SHAPE = (1, 8, 6)
IMAGES = torch.rand(30, *SHAPE, generator=torch.manual_seed(0))


def autoencoder(latent=6):
    torch.manual_seed(0)
    return Autoencoder(SHAPE, latent, hidden=16)


def counted(model):
    """The model, and a list that grows by the size of each decoded batch."""
    batches, decode = [], model.decode

    def decode_and_count(z):
        batches.append(len(z))
        return decode(z)

    model.decode = decode_and_count
    return model, batches


def parts(live):
    """The sliders and the picture of a live view."""
    controls, picture = live.children
    return controls.children, picture


def pixels(picture):
    return Image.open(BytesIO(picture.value)).tobytes()


def test_without_a_kernel_there_is_a_still_picture_and_nothing_else():
    for explorer in (
        explore(autoencoder(), IMAGES),
        explore(MLPVAE(SHAPE, 8, latent=2)),
        explore({0.1: MLPVAE(SHAPE, 8, 3), 1.0: MLPVAE(SHAPE, 8, 3)}, IMAGES),
    ):
        data, metadata = explorer._repr_mimebundle_()
        assert set(data) == {"image/svg+xml", "image/png", "text/plain"}
        assert metadata["image/svg+xml"]["alt"] == data["text/plain"]
        assert len(data["text/plain"]) > 40


def test_the_course_needs_no_ipywidgets():
    code = (
        "import sys; sys.modules['ipywidgets'] = None\n"
        "import torch\n"
        "from vae_course.mlp import MLPVAE\n"
        "from vae_course.show import explore\n"
        "print(*explore(MLPVAE((1, 4, 4), 8, 2))._repr_mimebundle_()[0])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True
    )
    still = ["image/svg+xml", "image/png", "text/plain"]
    assert run.stdout.split() == still, run.stderr


def test_one_move_of_a_slider_decodes_one_code_and_sends_one_picture():
    model, batches = counted(MLPVAE(SHAPE, 16, latent=2))
    sliders, picture = parts(explore(model).build())
    sent = []
    picture.observe(lambda change: sent.append(change["new"]), "value")
    batches.clear()
    for number, value in enumerate((0.5, 1.0, -2.0), start=1):
        sliders[0].value = value
        assert batches == [1] * number and len(sent) == number
    assert len(set(sent)) == 3


def test_another_image_moves_all_sliders_and_decodes_once():
    model, batches = counted(autoencoder())
    (chooser, *sliders), _ = parts(explore(model, IMAGES).build())
    batches.clear()
    chooser.value = 4
    assert batches == [1]
    code = model.encode(IMAGES[3:4])[0]
    shown = torch.tensor([slider.value for slider in sliders])
    torch.testing.assert_close(shown, code, atol=1e-5, rtol=1e-5)


def test_the_picture_is_what_the_sliders_numbers_decode_to():
    model = autoencoder(latent=3)
    (_, *sliders), picture = parts(explore(model, IMAGES).build())
    sliders[1].value = sliders[1].max
    code = model.encode(IMAGES[:1]).detach()
    code[0, 1] = sliders[1].max
    wanted = codes._png(model.decode(code).detach()[0].clamp(0, 1))
    assert pixels(picture) == Image.open(BytesIO(wanted)).tobytes()


def test_sliders_are_for_the_numbers_that_vary_most():
    model = autoencoder(latent=9)
    quiet = [1, 4, 5]
    with torch.no_grad():
        model.encoder[-1].weight[quiet] *= 1e-3
    assert explore(model, IMAGES).dims == [0, 2, 3, 6, 7, 8]
    assert explore(model, IMAGES, dims=[4, 0]).names == ["z₅", "z₁"]


def test_every_start_lies_between_a_sliders_ends():
    for model in (autoencoder(), MLPVAE(SHAPE, 8, latent=4)):
        explorer = explore(model, 20 * IMAGES)
        for image in range(10):
            for value, (low, high) in zip(
                explorer.begin(image), explorer.ends, strict=True
            ):
                assert low <= value <= high


def test_a_vae_without_images_starts_in_the_middle_of_its_prior():
    explorer = explore(MLPVAE(SHAPE, 8, latent=2))
    assert explorer.begin() == [0, 0]
    assert explorer.ends == [(-3, 3), (-3, 3)]


def test_along_a_channel_the_slider_is_what_is_added_everywhere():
    torch.manual_seed(0)
    vae = AutoencoderKL("small").eval()
    x = 2 * torch.rand(2, 3, 32, 32) - 1
    explorer = explore(vae, x, dims=[2])
    assert explorer.names == ["channel 3"] and explorer.begin() == [0]
    (still, moved) = explorer.decode([[0.0], [0.7]])
    with torch.no_grad():
        z = vae.encode(x[:1]).mean
        z[:, 2] += 0.7
        wanted = (vae.decode(z).mean[0].clamp(-1, 1) + 1) / 2
    torch.testing.assert_close(moved, wanted, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(still, moved)


def test_a_slider_through_models_draws_each_once_and_encodes_nothing_more():
    models = {beta: MLPVAE(SHAPE, 8, latent=3) for beta in (0.1, 1.0)}
    counts = [counted(model)[1] for model in models.values()]
    explorer = explore(models, IMAGES, label="β")
    assert counts == [[10], [10]]
    slider, picture = explorer.build().children
    first = picture.value
    slider.value = 1.0
    assert "β = 1" in picture.value and picture.value != first
    slider.value = 0.1
    assert picture.value is first
    assert counts == [[10], [10]]


def test_sliders_have_names_and_follow_the_keyboard_step_by_step():
    (chooser, *sliders), _ = parts(explore(autoencoder(), IMAGES).build())
    assert chooser.description == "image"
    assert [s.description for s in sliders] == [
        "z₁",
        "z₂",
        "z₃",
        "z₄",
        "z₅",
        "z₆",
    ]
    for slider in sliders:
        assert slider.step == pytest.approx((slider.max - slider.min) / 100)


def test_the_still_says_its_numbers_in_words():
    text = repr(explore(MLPVAE(SHAPE, 8, latent=2)))
    assert "z₁ goes from −3 at the left to 3 at the right" in text
    assert repr(explore(MLPVAE(SHAPE, 8, 2), alt="My words.")) == "My words."


def test_large_pictures_are_shrunk_in_the_still():
    figure = explore(MLPVAE((3, 300, 300), 2, latent=2)).still()
    (picture,) = figure.axes[0].images
    assert picture.get_array().shape[:2] == (7 * 103 - 7,) * 2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: explore(autoencoder()), "Give explore.* images to start"),
        (lambda: explore(AutoencoderKL("small")), "images to start from"),
        (lambda: explore(autoencoder(), IMAGES, [6]), "some of 0 to 5"),
        (lambda: explore(autoencoder(), IMAGES, []), "some of 0 to 5"),
        (lambda: explore({}, IMAGES), "at least one model"),
        (lambda: explore({1: autoencoder()}), "and images for all"),
    ],
)
def test_what_cannot_be_explored_is_refused_in_a_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()
