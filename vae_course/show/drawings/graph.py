"""The draw inside the graph, and moved out of it: where the gradient gets to.

Two graphs of one model stand side by side, from the image at the top to the
distortion at the bottom. Values go down along thin arrows; the gradient comes
up along broad ones, as far as it was measured to get.
"""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from vae_course.show.figure import (
    INK,
    ORANGE,
    PINK,
    PIXELS,
    SOFT,
    TEXT,
    WIDTH,
    Figure,
    new_figure,
)

# In pixels of CSS.
WIDE = WIDTH * PIXELS
LEFT, RIGHT = 0.235 * WIDE, 0.68 * WIDE  # the middle of either graph
TOP = 40  # y of the image
ROW = 60  # from one station to the next
BOX = 38
NOISE = WIDE - 41  # x of the noise

# station → (row, right of the middle, width); those without a width are words.
PLACES = {
    "image x": (0, 0, 0),
    "encoder": (0.75, 0, 104),
    "μ": (1.75, -42, 76),
    "σ": (1.75, 42, 76),
    "z": (2.75, 0, 104),
    "decoder": (3.75, 0, 104),
    "distortion": (4.5, 0, 0),
}
EDGES = (
    ("image x", "encoder"),
    ("encoder", "μ"),
    ("encoder", "σ"),
    ("μ", "z"),
    ("σ", "z"),
    ("z", "decoder"),
    ("decoder", "distortion"),
)


def draw_inside_and_out(
    inside: Mapping[str, float], outside: Mapping[str, float]
) -> Figure:
    """The same model with its draw inside the graph, and with it moved out.

    Args:
        inside: the norm of the distortion's gradient where it arrives, if z
            is drawn from N(μ, σ²) in one step: at ``"μ"``, ``"σ"`` and
            ``"z"``, and at the weights of ``"encoder"`` and ``"decoder"``.
            Where nothing arrives, the entry is missing or zero.
        outside: the same for z = μ + σ ⊙ ε.

    Raises:
        ValueError: an entry names a place that is not in the graph.
    """
    unknown = {*inside, *outside} - {"encoder", "μ", "σ", "z", "decoder"}
    if unknown:
        raise ValueError(f"The graph has no {', '.join(sorted(unknown))}.")
    tall = TOP + 4.5 * ROW + 16
    figure = new_figure(WIDTH, tall / PIXELS, _alt(inside, outside))
    figure.set_layout_engine("none")  # every place is known
    axis = figure.add_axes([0, 0, 1, 1])
    axis.set(xlim=(0, WIDE), ylim=(tall, 0))
    axis.set_axis_off()
    for middle, arrives, title, draw in (
        (LEFT, inside, "z drawn in one step", "z ∼ N(μ, σ²)"),
        (RIGHT, outside, "the noise moved out", "z = μ + σ ⊙ ε"),
    ):
        _words(axis, middle, 13, title, fontweight="bold")
        _graph(axis, middle, {k: v for k, v in arrives.items() if v}, draw)
    y = TOP + PLACES["z"][0] * ROW
    _box(axis, NOISE, y, 76, PINK, BOX / 2)
    _words(axis, NOISE, y, "ε ∼ N(0, I)")
    end = RIGHT + PLACES["z"][2] / 2
    _arrow(axis, (NOISE - 38, y), (end, y), SOFT, 1.2)
    return figure


def _graph(
    axis, middle: float, arrives: Mapping[str, float], draw: str
) -> None:
    """One graph: its stations, values going down, the gradient coming up."""
    reached = {"distortion", *arrives}
    for above, below in EDGES:
        (x0, y0), (x1, y1) = (_place(name, middle) for name in (above, below))
        y0 += BOX / 2 if PLACES[above][2] else 9
        y1 -= BOX / 2 if PLACES[below][2] else 9
        x0, x1 = x0 + (x1 - x0) / 4, x1 + (x0 - x1) / 4  # not all at one spot
        _arrow(axis, (x0 - 7, y0), (x1 - 7, y1), SOFT, 1.2)
        if above in reached and below in reached:
            _arrow(axis, (x1 + 7, y1), (x0 + 7, y0), ORANGE, 2.6)
    for name, (_, _, width) in PLACES.items():
        x, y = _place(name, middle)
        if not width:
            _words(axis, x, y, name)
            continue
        size = arrives.get(name)
        drawn = name == "z" and "∼" in draw
        _box(
            axis, x, y, width,
            PINK if drawn else ORANGE if size else SOFT,
            BOX / 2 if drawn else 5,
        )  # fmt: skip
        _words(axis, x, y - 8, draw if name == "z" else name)
        said = f"gradient {size:,.0f}" if size else "none"
        if name in "μσ":
            said = said.removeprefix("gradient ")
        _words(axis, x, y + 9, said, color=ORANGE if size else SOFT)
    if "z" in reached and not {"μ", "σ"} & reached:  # it ends here
        x, y = _place("z", middle)
        y -= BOX / 2 + 5
        axis.plot([x - 30, x + 30], [y, y], color=ORANGE, lw=3.2)


def _place(name: str, middle: float) -> tuple[float, float]:
    row, across, _ = PLACES[name]
    return middle + across, TOP + row * ROW


def _words(axis, x: float, y: float, text: str, **look) -> None:
    look = {"color": INK, "fontsize": TEXT, **look}
    axis.text(x, y, text, ha="center", va="center_baseline", **look)


def _box(
    axis, x: float, y: float, width: float, colour: str, rounding: float
) -> None:
    style = f"round,pad=0,rounding_size={rounding}"
    box = FancyBboxPatch(
        (x - width / 2, y - BOX / 2), width, BOX, boxstyle=style,
        facecolor=(colour, 0.12), edgecolor=colour, linewidth=1.4,
    )  # fmt: skip
    axis.add_patch(box)


def _arrow(axis, start, end, colour: str, width: float) -> None:
    arrow = FancyArrowPatch(
        start, end, arrowstyle="-|>" if width > 2 else "->",
        mutation_scale=4 + 3.5 * width, color=colour, linewidth=width,
        shrinkA=1, shrinkB=1,
    )  # fmt: skip
    axis.add_patch(arrow)


def _alt(inside: Mapping[str, float], outside: Mapping[str, float]) -> str:
    def told(arrives: Mapping[str, float]) -> str:
        places = ("decoder", "z", "μ", "σ", "encoder")
        there = [name for name in places if arrives.get(name)]
        sizes = ", ".join(f"{name} {arrives[name]:,.0f}" for name in there)
        none = [name for name in places if name not in there]
        return sizes + (f"; nothing at {', '.join(none)}" if none else "")

    return (
        "Two graphs of a VAE side by side, from the image through encoder, μ "
        "and σ, z and decoder to the distortion; beside the arrows down, "
        "broad arrows show how far the distortion's gradient comes up. Left, "
        "z is drawn from N(μ, σ²) in one step. Norms of the gradient: "
        f"{told(inside)}. Right, z = μ + σ ⊙ ε with ε ∼ N(0, I) as an input "
        f"from the side: {told(outside)}."
    )
