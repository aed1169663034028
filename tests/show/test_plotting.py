"""Every figure describes itself, wherever it is shown."""

import math

import matplotlib.pyplot as plt
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from matplotlib.figure import Figure as MatplotlibFigure

from vae_course.mlp import MLPVAE
from vae_course.show import plotting
from vae_course.training import Halves, History

IMAGES = torch.rand(12, 1, 6, 5)
HISTORY = History(
    train=[Halves(100.0, 20.0), Halves(90.0, 22.0)],
    held_out=[Halves(95.0, 21.0), Halves(91.0, 22.0)],
)


def every_figure(alt=""):
    z, labels = torch.randn(30, 2), torch.arange(30) % 10
    vae = MLPVAE((1, 6, 5), hidden=8, latent=2)
    rows = {"original": IMAGES, "copy": IMAGES}
    return {
        "image_grid": plotting.image_grid(IMAGES, columns=5, alt=alt),
        "colour": plotting.image_grid(torch.rand(2, 3, 4, 4), alt=alt),
        "comparison": plotting.comparison(rows, alt=alt),
        "panels": plotting.panels({"a": IMAGES[0], "b": IMAGES[1]}, alt=alt),
        "lines": plotting.lines(
            [1, 2], {"up": [1, 2]}, xlabel="x", ylabel="nats", alt=alt
        ),
        "loss_curves": plotting.loss_curves(HISTORY, alt=alt),
        "latent_scatter": plotting.latent_scatter(z, labels, alt=alt),
        "latent_map": plotting.latent_map(vae, steps=4, alt=alt),
        "bars": plotting.bars({"a": 1.0, "b": 2.0}, unit="nats", alt=alt),
    }


@pytest.mark.parametrize("name", list(every_figure()))
def test_a_figure_shown_by_a_kernel_carries_its_alt_text(name):
    format_object = InteractiveShell.instance().display_formatter.format
    for alt in ("", "A sentence of the author's."):
        figure = every_figure(alt)[name]
        content, metadata = format_object(figure)
        assert content["image/svg+xml"].startswith("<svg")
        assert len(metadata["image/svg+xml"]["alt"]) > 10
        assert content["text/plain"] == metadata["image/svg+xml"]["alt"]
        if alt:
            assert content["text/plain"] == alt


def test_the_alt_text_survives_the_inline_backend():
    shell = InteractiveShell.instance()
    shell.display_formatter.formatters["image/png"].for_type(
        MatplotlibFigure, lambda figure: b"drawn by the backend"
    )
    content, metadata = shell.display_formatter.format(
        plotting.image_grid(IMAGES, alt="Twelve grey images.")
    )
    assert "Twelve grey images." in content["image/svg+xml"]
    assert metadata["image/svg+xml"]["alt"] == "Twelve grey images."
    assert content["text/plain"] == "Twelve grey images."


def test_a_figure_without_alt_text_refuses_to_be_shown():
    figure = plotting.new_figure(2, 2, alt=" ")
    with pytest.raises(ValueError, match="no alt text"):
        figure._repr_mimebundle_()


def test_figures_do_not_pile_up_in_pyplot():
    before = plt.get_fignums()
    every_figure()
    assert plt.get_fignums() == before


def test_the_same_figure_is_the_same_file():
    first, second = (
        plotting.image_grid(IMAGES)._repr_mimebundle_()[0] for _ in range(2)
    )
    assert first == second


def test_the_alt_text_of_bars_says_the_numbers():
    figure = plotting.bars({"PCA": 12.5, "network": 7.25}, unit="nats")
    assert "PCA 12.5" in figure.alt and "network 7.25" in figure.alt


def test_the_map_lies_at_equal_shares_of_the_prior():
    class Recorder(MLPVAE):
        def decode(self, z):
            self.seen = z
            return super().decode(z)

    vae = Recorder((1, 6, 5), hidden=8, latent=2)
    plotting.latent_map(vae, steps=3)
    share = 0.5 * (1 + torch.erf(vae.seen / math.sqrt(2)))
    ticks = torch.tensor([1 / 6, 3 / 6, 5 / 6])
    columns, rows = share.view(3, 3, 2).unbind(dim=-1)
    torch.testing.assert_close(columns, ticks.expand(3, 3))
    torch.testing.assert_close(rows, ticks.flip(0)[:, None].expand(3, 3))


def test_what_is_not_two_dimensional_is_refused():
    with pytest.raises(ValueError, match=r"\(2,\), got \(3,\)"):
        plotting.latent_map(MLPVAE((1, 6, 5), hidden=8, latent=3))
    with pytest.raises(ValueError, match=r"\(N, 2\), got \(4, 3\)"):
        plotting.latent_scatter(torch.zeros(4, 3), torch.zeros(4))


def test_rows_of_different_length_are_refused_by_name():
    rows = {"original": IMAGES, "copy": IMAGES[:3]}
    with pytest.raises(ValueError, match="'original': 12, 'copy': 3"):
        plotting.comparison(rows)


def test_every_class_of_a_scatter_has_a_look_of_its_own():
    looks = set(zip(plotting.COLOURS, plotting.MARKERS, strict=True))
    assert len(looks) == 10 == len(set(plotting.COLOURS))
    assert len(set(plotting.MARKERS)) == 10


def test_images_lie_where_they_belong():
    shades = torch.linspace(0, 1, 6).view(6, 1, 1, 1).expand(6, 1, 10, 10)
    canvas = plotting.tiled(shades, columns=4)
    assert canvas.shape == (4, 2 * 10 + 1, 4 * 10 + 3)
    for number in range(6):
        top, left = number // 4 * 11, number % 4 * 11
        tile = canvas[:, top : top + 10, left : left + 10]
        assert torch.equal(tile[:3], shades[number].expand(3, 10, 10))
        assert (tile[3] == 1).all()
    assert (canvas[3, 10] == 0).all() and (canvas[3, :, 10] == 0).all()
    assert (canvas[3, 11:, 22:] == 0).all(), "no image, no ink"


def test_grey_stays_what_it_is_in_every_figure():
    """A dark image is dark: no figure stretches greys to fill the scale."""
    dark = torch.full((2, 1, 4, 4), 0.25)
    figures = (
        plotting.image_grid(dark),
        plotting.comparison({"dark": dark}),
        plotting.panels({"dark": dark[0]}),
    )
    for figure in figures:
        (image,) = figure.axes[0].images
        values = image.get_array()
        if values.ndim == 2:  # a colour map is between
            assert (image.norm.vmin, image.norm.vmax) == (0, 1)
        assert values.ravel()[0] == pytest.approx(0.25)


def test_curves_are_named_where_they_end():
    figure = plotting.lines(
        [1, 2, 4], {"rate": [3, 2, 1]}, xlabel="β", ylabel="nats"
    )
    (words,) = figure.axes[0].texts
    assert words.get_text() == "rate" and words.xy == (4, 1)
    assert words.get_color() == figure.axes[0].lines[0].get_color()
    assert "rate ends at 1" in figure.alt
