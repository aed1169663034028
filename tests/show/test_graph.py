"""The graph of chapter 3 shows what was measured, and no more."""

import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import FancyArrowPatch

from vae_course.show.drawings.graph import draw_inside_and_out
from vae_course.show.figure import ORANGE

REACHED = {"encoder": 5.0, "μ": 4.0, "σ": 3.0, "z": 2.0, "decoder": 1234.0}
CUT = {"z": 2.0, "decoder": 1234.0}


def gradients_up(figure, left):
    """The broad arrows of one of the two graphs."""
    middle = figure.axes[0].get_xlim()[1] / 2.2
    return [
        arrow
        for arrow in figure.findobj(FancyArrowPatch)
        if to_hex(arrow.get_edgecolor()) == ORANGE
        and (arrow._posA_posB[0][0] < middle) == left
    ]


def words(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_the_gradient_is_drawn_as_far_as_it_was_measured():
    figure = draw_inside_and_out(CUT, REACHED)
    assert len(gradients_up(figure, left=True)) == 2  # to decoder and to z
    assert len(gradients_up(figure, left=False)) == 6


def test_a_measured_zero_is_no_gradient():
    zero = dict.fromkeys(("encoder", "μ", "σ"), 0.0)
    one, other = (
        draw_inside_and_out(inside, REACHED) for inside in (CUT, CUT | zero)
    )
    assert words(one) == words(other)
    assert one.alt == other.alt


def test_the_numbers_stand_in_the_picture_and_in_the_alt_text():
    figure = draw_inside_and_out(CUT, REACHED)
    assert words(figure).count("gradient 1,234") == 2
    assert words(figure).count("none") == 3
    for said in ("nothing at μ, σ, encoder", "decoder 1,234", "encoder 5"):
        assert said in figure.alt


def test_words_are_large_enough_and_inside_the_picture():
    figure = draw_inside_and_out(CUT, REACHED)
    assert min(t.get_fontsize() for t in figure.axes[0].texts) >= 10.5
    figure.canvas.draw()
    width, height = figure.bbox.size
    for text in figure.axes[0].texts:
        box = text.get_window_extent()
        assert box.x0 >= 0 and box.x1 <= width, text.get_text()
        assert box.y0 >= 0 and box.y1 <= height, text.get_text()


def test_a_place_that_is_not_in_the_graph_is_refused():
    with pytest.raises(ValueError, match="no log σ²"):
        draw_inside_and_out({"log σ²": 1.0}, REACHED)
