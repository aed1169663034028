"""A figure that is drawn once and reads well on any page.

A :class:`Figure` shows itself as SVG. Its colours are names that a page may
define (``var(--figure-ink, #1f2328)``): the book does, so that lines and words
follow it from light to dark; Jupyter, Colab and GitHub do not, and show dark
ink on white paper. Words stay words, in the page's own typeface. JupyterLab
shows no SVG of a notebook that it did not run itself, so that a small picture
in pixels goes along. Each figure carries an alt text wherever it goes.
"""

from __future__ import annotations

import base64
from io import BytesIO
from xml.etree import ElementTree

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as MatplotlibFigure
from matplotlib.text import Text
from PIL import Image

from vae_course.show.svg import (
    AMBER,
    BLUE,
    BROWN,
    GREEN,
    INK,
    ORANGE,
    PAPER,
    PINK,
    PIXELS,
    PURPLE,
    SKY,
    SOFT,
    SVG,
    tidy,
)

COLOURS = (BLUE, ORANGE, GREEN, PINK, AMBER, SKY, PURPLE, BROWN, SOFT, INK)

WIDTH = 4.6  # inches; with TEXT it is what a phone can show
TEXT = 10.5  # points; 11 pixels when a phone shrinks WIDTH to 350 pixels
SHARP = 2 * PIXELS  # pixels an inch, for what is drawn as pixels
STAND_IN = PIXELS  # pixels an inch, where no SVG is shown

STYLE = {
    "font.size": TEXT,
    "axes.titlesize": TEXT,
    "axes.labelsize": TEXT,
    "xtick.labelsize": TEXT,
    "ytick.labelsize": TEXT,
    "legend.fontsize": TEXT,
    "figure.titlesize": TEXT + 1,
    "figure.titleweight": "bold",
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.edgecolor": SOFT,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": mpl.cycler(color=COLOURS[:8]),
    "grid.color": SOFT,
    "grid.alpha": 0.25,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "patch.edgecolor": INK,
    "svg.fonttype": "none",  # words stay words
    "svg.hashsalt": "vae-course",  # the same picture, the same file
    "savefig.dpi": SHARP,
}


class Figure(MatplotlibFigure):
    """A matplotlib figure with an alt text, which shows itself as SVG.

    ``alt`` says in a few sentences what there is to see, numbers included.
    """

    def __init__(self, *args, alt: str = "", **kwargs):
        kwargs = {"layout": "constrained", "facecolor": "none", **kwargs}
        super().__init__(*args, dpi=PIXELS, **kwargs)
        FigureCanvasSVG(self)
        self.alt = alt

    def __repr__(self) -> str:
        return self.alt

    def subplots(self, *args, **kwargs):
        """As matplotlib's, in the course's style."""
        with mpl.rc_context(STYLE):
            return super().subplots(*args, **kwargs)

    def add_subplot(self, *args, **kwargs):
        """As matplotlib's, in the course's style."""
        with mpl.rc_context(STYLE):
            return super().add_subplot(*args, **kwargs)

    def suptitle(self, text: str, **kwargs):
        """As matplotlib's, in the course's style; nothing for no title."""
        if not text:
            return None
        with mpl.rc_context(STYLE):
            return super().suptitle(text, **kwargs)

    def svg(self) -> str:
        """The figure as SVG whose colours and typeface a page may set.

        No words are smaller than a phone can show: ``TEXT`` points.

        Raises:
            ValueError: there is no alt text.
        """
        if not self.alt.strip():
            raise ValueError("This figure has no alt text: set figure.alt.")
        for words in self.findobj(Text):
            words.set_fontsize(max(words.get_fontsize(), TEXT))
        drawn = BytesIO()
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        with mpl.rc_context(STYLE):
            self.savefig(drawn, format="svg", metadata=nothing)
        root = ElementTree.fromstring(drawn.getvalue())
        width, height = self.get_size_inches() * PIXELS
        root.attrib = {
            "class": "figure",
            "width": f"{width:.0f}",
            "height": f"{height:.0f}",
            "viewBox": root.attrib["viewBox"],
            "role": "img",
            "aria-label": " ".join(self.alt.split()),
            "data-text": f"{TEXT * PIXELS / 72:.0f}",
        }
        tidy(root)
        root.set(  # black, which matplotlib leaves out, is ink
            "style", f"fill: var(--figure-ink, {INK}); stroke-linejoin: round"
        )
        paper = {
            "class": "figure-paper",
            "width": "100%",
            "height": "100%",
            "fill": f"var(--figure-paper, {PAPER})",
        }
        root.insert(0, ElementTree.Element(f"{SVG}rect", paper))
        return ElementTree.tostring(root, encoding="unicode")

    def stand_in(self) -> tuple[str, str]:
        """The figure in pixels, on white, for viewers that show no SVG.

        Returns:
            Its MIME type and its bytes in base64: PNG for lines, JPEG where
            photographs make that the smaller.
        """
        drawn = BytesIO()
        with mpl.rc_context(STYLE):
            self.savefig(drawn, format="png", dpi=STAND_IN, facecolor=PAPER)
        with Image.open(drawn) as image:
            image = image.convert("RGB")
        png, jpeg = BytesIO(), BytesIO()
        image.quantize(64).save(png, "PNG", optimize=True)
        image.save(jpeg, "JPEG", quality=70, optimize=True)
        kind, smaller = min(
            ("image/png", png.getvalue()),
            ("image/jpeg", jpeg.getvalue()),
            key=lambda each: len(each[1]),
        )
        return kind, base64.b64encode(smaller).decode("ascii")

    def _repr_mimebundle_(self, include=None, exclude=None):
        svg = self.svg()
        kind, pixels = self.stand_in()
        return (
            {"image/svg+xml": svg, kind: pixels, "text/plain": self.alt},
            {each: {"alt": self.alt} for each in ("image/svg+xml", kind)},
        )


def new_figure(
    width: float = WIDTH, height: float = 3.0, alt: str = ""
) -> Figure:
    """An empty figure of this size in inches, with its alt text."""
    return Figure(figsize=(width, height), alt=alt)


def label(axis, x: float, y: float, text: str, colour: str = INK, **kwargs):
    """Words beside what they name, on paper, in its colour.

    Args:
        axis: where.
        x: in the axis' units.
        y: likewise.
        text: the words.
        colour: of what they name.
        kwargs: for ``axis.annotate``: ``ha``, ``va``, ``xytext``, …; the text
            stands 5 points right of the point if nothing else is said.
    """
    settings = {
        "xytext": (5, 0),
        "textcoords": "offset points",
        "va": "center",
        "color": colour,
        "fontsize": TEXT,
        "annotation_clip": False,
        **kwargs,
    }
    return axis.annotate(text, (x, y), **settings)
