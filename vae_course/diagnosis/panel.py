"""The instruments as a panel: a needle for each, and its green band."""

from __future__ import annotations

import math

from vae_course.diagnosis.instruments import INSTRUMENTS
from vae_course.diagnosis.reading import Reading
from vae_course.diagnosis.report import Report
from vae_course.show import plotting
from vae_course.show.figure import Figure

FAR = 3.0  # where needles stop


def needle(reading: Reading) -> float:
    """Where a number lies: −1 to 1 inside its band, up to ±3 outside it.

    Outside, a number ten times as far from the band's middle is one further.
    A band with one end has its middle at 0, or far inside.
    """
    low, high, value = reading.low, reading.high, reading.value
    if math.isnan(value):
        return FAR
    if reading.healthy and low == high:
        return 0.0
    if math.isinf(low):
        middle, half = 0.0, high
    elif math.isinf(high):
        if low > 0 and value >= low:
            return -low / value
        middle, half = 2 * low if low > 0 else low + 1, abs(low) or 1.0
    else:
        middle, half = (low + high) / 2, (high - low) / 2
    far = (value - middle) / (half if half > 0 else 1.0)
    if reading.healthy:
        return max(-1.0, min(1.0, far))
    beyond = min(FAR, 1.2 + math.log10(max(1.0, abs(far))))
    return math.copysign(beyond, far)


def worst(report: Report, instrument: str) -> Reading | None:
    """Of an instrument's judged readings the one furthest out."""
    judged = [
        r for r in report.readings if r.instrument == instrument and r.judged
    ]
    if not judged:
        return None
    return max(judged, key=lambda r: (not r.healthy, abs(needle(r))))


def panel(report: Report, title: str = "", alt: str = "") -> Figure:
    """Every instrument with its worst reading, against the healthy band.

    Args:
        report: of an examination.
        title: the figure's one message; the summary's last words if empty.
        alt: what there is to see; every needle in words if empty.
    """
    names = [
        name
        for name in INSTRUMENTS
        if name in report.used or name in report.unasked
    ]
    shown = {name: worst(report, name) for name in names}
    count = len(report.named)
    judged = sum(reading is not None for reading in shown.values())
    few = "All instruments are in the green"
    some = f"{count} of {judged} instruments ring"
    figure = plotting.new_figure(
        height=0.3 * len(names) + 0.75, alt=alt or _words(report, shown)
    )
    axis = figure.subplots()
    axis.axvspan(-1, 1, color=plotting.GREEN, alpha=0.18, linewidth=0)
    for row, name in enumerate(names):
        reading = shown[name]
        if reading is None:
            plotting.label(
                axis,
                0,
                row,
                _silence(report, name),
                plotting.SOFT,
                ha="center",
                xytext=(0, 0),
            )
            continue
        x = needle(reading)
        good = reading.healthy
        axis.plot(
            x,
            row,
            "o" if good else "D",
            color=plotting.GREEN if good else plotting.ORANGE,
            markersize=6 if good else 8,
        )
        if not good:
            right = x < 1.5
            plotting.label(
                axis,
                x,
                row,
                reading.number,
                plotting.ORANGE,
                ha="left" if right else "right",
                xytext=(8 if right else -8, 0),
            )
    axis.set(
        xlim=(-FAR - 0.3, FAR + 0.3),
        ylim=(len(names) - 0.5, -0.5),
        xticks=[-1, 1],
        xticklabels=["too low", "too high"],
        yticks=range(len(names)),
        yticklabels=names,
    )
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    figure.suptitle(title or (some if count else few))
    return figure


def _silence(report: Report, instrument: str) -> str:
    """Why an instrument has no needle."""
    return "no band here" if instrument in report.used else "not asked"


def _words(report: Report, shown: dict[str, Reading | None]) -> str:
    lines = [report.summary]
    for name, reading in shown.items():
        if reading is None:
            lines.append(f"{name}: {_silence(report, name)}.")
        elif reading.healthy:
            lines.append(f"{name}: inside its band.")
        else:
            lines.append(
                f"{name}: {reading.what}, {reading.number}, outside "
                f"{reading.band}."
            )
    return " ".join(lines)
