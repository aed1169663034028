"""Chapter 5's drawings: the plane, weights of losses, the parts of a rate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from vae_course.show.figure import (
    AMBER,
    BLUE,
    GREEN,
    INK,
    ORANGE,
    SOFT,
    WIDTH,
    Figure,
    label,
    new_figure,
)
from vae_course.training import Halves

RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
LEVELS = 20  # nats from one line of equal ELBO to the next

# Where a regime's name stands: shares of the plane's width and height.
REGIMES = {
    "auto-decoding": (0.17, 0.93),
    "trade-off": (0.36, 0.40),
    "auto-encoding": (0.84, 0.25),
}
ERRORS = {
    "bce": ("o", BLUE, ""),
    "mse": ("s", ORANGE, "σₓ"),
    "l1": ("D", GREEN, "b"),
}


def plane(points: Mapping[float, Halves], *, empty: float) -> Figure:
    """Models on the rate-distortion plane, with lines of equal ELBO.

    Args:
        points: β → distortion and rate of the model trained with it, in nats
            per image.
        empty: the distortion of a model without a code.
    """
    rates = [half.rate for half in points.values()]
    distortions = [half.distortion for half in points.values()]
    best = min(points, key=lambda beta: points[beta].total)
    said = "; ".join(
        f"beta {beta:g}, rate {half.rate:.1f}, distortion "
        f"{half.distortion:.0f}"
        for beta, half in points.items()
    )
    figure = new_figure(
        WIDTH,
        4.1,
        "Models on a plane, rate across and distortion up, on a falling "
        f"curve that flattens to the right: {said}. Diagonals of slope minus "
        f"one join points of equal ELBO; beta {best:g} lies on the best of "
        f"them. A dashed line at {empty:.0f} nats is where models without a "
        "code are. From left to right stand the regimes: "
        f"{', '.join(REGIMES)}.",
    )
    axis = figure.subplots()
    right, top = 1.16 * max(rates), empty + 0.14 * empty
    bottom = min(distortions) - 0.12 * (empty - min(distortions))
    axis.set(
        xlabel="rate, nats per image",
        ylabel="distortion, nats per image",
        xlim=(-0.02 * right, right),
        ylim=(bottom, top),
    )
    for level in range(0, round(top + right), LEVELS):
        faint = {"color": SOFT, "lw": 0.7, "alpha": 0.4, "zorder": 0}
        axis.plot((0, right), (level, level - right), **faint)
    total = points[best].total
    axis.plot((0, right), (total, total - right), color=INK, lw=1.2)
    label(axis, 0, total, "best ELBO", va="top", xytext=(4, -24))
    axis.axhline(empty, color=SOFT, ls="--", lw=1)
    label(axis, right, empty, "no code", SOFT, ha="right", xytext=(0, 8))
    for name, (across, up) in REGIMES.items():
        words = {"ha": "center", "color": ORANGE, "fontstyle": "italic"}
        axis.text(across, up, name, transform=axis.transAxes, **words)
    axis.plot(rates, distortions, "o-", color=BLUE)
    for beta, half in points.items():
        place = {"xytext": (5, 9), "fontweight": "bold"}
        words = f"β = {beta:g}"
        label(axis, half.rate, half.distortion, words, BLUE, **place)
    figure.suptitle(f"One architecture, trained at {len(points)} weights β")
    return figure


def weights_of_losses(losses: Sequence) -> Figure:
    """The β of losses on one axis, heaviest first.

    Args:
        losses: of :class:`~vae_course.theory.conventions.PublicLoss`.
    """
    losses = sorted(losses, key=lambda loss: -loss.effective.beta)
    lines = []
    for loss in losses:
        beta, scale = loss.effective
        symbol = ERRORS[loss.convention.error][2]
        noise = "" if scale is None else f" ({symbol} = {short(scale, 2)})"
        lines.append(f"{loss.name}: {short(beta)}{noise}")
    figure = new_figure(
        WIDTH,
        0.42 * len(losses) + 1.1,
        "The weights β of public losses, on an axis of powers of ten. "
        + "; ".join(lines)
        + ".",
    )
    axis = figure.subplots()
    axis.axvline(1, color=SOFT, lw=1)
    for row, (loss, words) in enumerate(zip(losses, lines, strict=True)):
        marker, colour, _ = ERRORS[loss.convention.error]
        axis.axhline(row, color=SOFT, lw=0.7, alpha=0.4)
        axis.plot(loss.effective.beta, row, marker, color=colour)
        label(axis, 3e-8, row, words, colour, xytext=(0, 9))
    axis.set(xscale="log", xlabel="β", yticks=[], xlim=(3e-8, 3e3))
    axis.set_xticks([1e-6, 1e-3, 1, 1e3], ["10⁻⁶", "0.001", "1", "1,000"])
    axis.set_ylim(len(losses) - 0.5, -0.9)
    axis.spines["left"].set_visible(False)
    figure.suptitle("The weight on the rate, as published")
    return figure


def short(value: float, digits: int = 3) -> str:
    """So many digits, and small powers of ten as one writes them."""
    exponent = math.floor(math.log10(value))
    if exponent > -4:
        return f"{value:.{digits}g}"
    power = str(exponent).translate(RAISED)
    times = f"{value / 10**exponent:.{digits}g}"
    return f"10{power}" if times == "1" else f"{times} · 10{power}"


def parts_of_the_rate(
    parts: Mapping[float, tuple[float, float]], *, most: float
) -> Figure:
    """Each model's rate as information and as divergence of the aggregate.

    Args:
        parts: β → information and divergence, in nats per image.
        most: log N, which no information exceeds.
    """
    # Estimates of nothing may be a little below it.
    parts = {beta: [max(0.0, p) for p in both] for beta, both in parts.items()}
    said = "; ".join(
        f"beta {beta:g}, {known:.1f} and {rest:.1f}"
        for beta, (known, rest) in parts.items()
    )
    figure = new_figure(
        WIDTH,
        3.5,
        "A bar for each beta: its rate in nats, as information and, on top "
        f"of it, divergence of the aggregate posterior: {said}. A dashed "
        f"line stands at log N, {most:.1f} nats.",
    )
    axis = figure.subplots()
    names = [f"β = {beta:g}" for beta in parts]
    known, rest = zip(*parts.values(), strict=True)
    axis.barh(names, known, color=GREEN)
    axis.barh(names, rest, left=known, color=AMBER)
    axis.axvline(most, color=INK, lw=1.2, ls="--")
    axis.invert_yaxis()
    last = len(names) - 1
    label(axis, most, last, f"log N = {most:.1f} nats")
    label(axis, most, last - 1, "green: information", GREEN)
    label(axis, most, last - 1.6, "amber: divergence", AMBER)
    axis.set(xlabel="rate, nats per image")
    axis.set_xlim(left=0)
    figure.suptitle("What the rate is made of")
    return figure
