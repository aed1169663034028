"""Chapter 5's drawings say what they show, and show what they are given."""

import pytest

from vae_course.show.drawings.rate_distortion import (
    REGIMES,
    parts_of_the_rate,
    plane,
    short,
    weights_of_losses,
)
from vae_course.theory import PUBLIC_LOSSES
from vae_course.training import Halves

POINTS = {
    0.1: Halves(79.0, 61.0),
    1.0: Halves(93.0, 23.0),
    100.0: Halves(207.0, 0.0),
}


def test_the_plane_names_its_models_and_the_best_of_them():
    figure = plane(POINTS, empty=206.0)
    (axis,) = figure.axes
    words = [text.get_text() for text in axis.texts]
    assert {"β = 0.1", "β = 1", "β = 100", "no code", *REGIMES} <= {*words}
    assert "beta 1 lies on the best" in figure.alt
    assert "rate 61.0, distortion 79" in figure.alt
    curve = [line for line in axis.lines if line.get_marker() == "o"]
    assert curve[0].get_xydata().tolist() == [
        [half.rate, half.distortion] for half in POINTS.values()
    ]


def test_lines_of_equal_elbo_fall_by_a_nat_a_nat():
    (axis,) = plane(POINTS, empty=206.0).axes
    for line in axis.lines:
        if line.get_marker() == "o" or line.get_linestyle() == "--":
            continue
        (x0, y0), (x1, y1) = line.get_xydata()
        assert (y1 - y0) / (x1 - x0) == pytest.approx(-1)


def test_every_public_loss_has_its_line():
    figure = weights_of_losses(PUBLIC_LOSSES)
    words = [text.get_text() for text in figure.axes[0].texts]
    assert len(words) == len(PUBLIC_LOSSES)
    for loss in PUBLIC_LOSSES:
        (line,) = [w for w in words if w.startswith(loss.name + ": ")]
        beta, scale = loss.effective
        assert f": {short(beta)}" in line
        assert ("(" in line) == (scale is not None)
        assert line in figure.alt


def test_the_parts_of_a_rate_are_stacked():
    parts = {0.1: (9.2, 51.5), 10.0: (1.9, 0.2)}
    figure = parts_of_the_rate(parts, most=9.21)
    bars = figure.axes[0].patches
    ends = [bar.get_x() + bar.get_width() for bar in bars]
    assert ends == pytest.approx([9.2, 1.9, 60.7, 2.1])
    assert "9.2 and 51.5" in figure.alt
    assert "log N, 9.2 nats" in figure.alt


def test_small_numbers_are_written_as_powers_of_ten():
    assert [short(x) for x in (784.0, 1.536, 0.5, 1e-6, 2.5e-7)] == [
        "784",
        "1.54",
        "0.5",
        "10⁻⁶",
        "2.5 · 10⁻⁷",
    ]


def test_an_estimate_below_zero_is_drawn_as_nothing():
    figure = parts_of_the_rate({100.0: (-0.01, 0.02)}, most=9.21)
    assert figure.axes[0].patches[0].get_width() == 0
    assert "beta 100, 0.0 and 0.0" in figure.alt
