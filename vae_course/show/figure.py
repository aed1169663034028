"""A figure that is drawn once and reads well on any page.

A :class:`Figure` shows itself as SVG. Its colours are names that a page may
define (``var(--figure-ink, #1f2328)``): the book does, so that lines and words
follow it from light to dark; Jupyter, Colab and GitHub do not, and show dark
ink on white paper. Words stay words, in the page's own typeface. Each figure
carries an alt text wherever it goes.
"""

from __future__ import annotations

import base64
import re
from io import BytesIO
from xml.etree import ElementTree

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as MatplotlibFigure
from matplotlib.text import Text
from PIL import Image

# Okabe & Ito's palette, which colour-blind readers can tell apart, and inks.
INK = "#1f2328"
SOFT = "#6b7280"  # grids, and what only helps
PAPER = "#ffffff"
BLUE = "#0072b2"
ORANGE = "#d55e00"
GREEN = "#009e73"
PINK = "#cc79a7"
AMBER = "#e69f00"
SKY = "#56b4e9"
BROWN = "#8c4a00"
PURPLE = "#7a5195"
COLOURS = (BLUE, ORANGE, GREEN, PINK, AMBER, SKY, PURPLE, BROWN, SOFT, INK)
NAMES = {
    INK: "ink",
    SOFT: "soft",
    PAPER: "paper",
    BLUE: "blue",
    ORANGE: "orange",
    GREEN: "green",
    PINK: "pink",
    AMBER: "amber",
    SKY: "sky",
    BROWN: "brown",
    PURPLE: "purple",
}

WIDTH = 4.6  # inches; with TEXT it is what a phone can show
TEXT = 10.5  # points; 11 pixels when a phone shrinks WIDTH to 350 pixels
PIXELS = 96  # of CSS, an inch
SHARP = 2 * PIXELS  # pixels an inch, for what is drawn as pixels

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

_SVG = "http://www.w3.org/2000/svg"
_LINK = "{http://www.w3.org/1999/xlink}href"
_FAMILY = re.compile(r"'DejaVu Sans'[^;]*")
_COLOUR = re.compile(r"#[0-9a-f]{6}\b")
_NUMBER = re.compile(r"-?\d+\.\d{3,}")
_PLACES = ("d", "x", "y", "width", "height", "transform", "points")

ElementTree.register_namespace("", _SVG)
ElementTree.register_namespace("xlink", _LINK[1:-5])


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
        _tidy(root)
        root.set(  # black, which matplotlib leaves out, is ink
            "style", f"fill: var(--figure-ink, {INK}); stroke-linejoin: round"
        )
        paper = {
            "class": "figure-paper",
            "width": "100%",
            "height": "100%",
            "fill": f"var(--figure-paper, {PAPER})",
        }
        root.insert(0, ElementTree.Element(f"{{{_SVG}}}rect", paper))
        return ElementTree.tostring(root, encoding="unicode")

    def _repr_mimebundle_(self, include=None, exclude=None):
        return (
            {"image/svg+xml": self.svg(), "text/plain": self.alt},
            {"image/svg+xml": {"alt": self.alt}},
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


# --- From matplotlib's SVG to ours -------------------------------------------


def _tidy(root: ElementTree.Element) -> None:
    """Names the colours, shortens numbers, drops what nothing refers to."""
    for child in root.findall(f"{{{_SVG}}}metadata"):
        root.remove(child)
    for definitions in root.findall(f"{{{_SVG}}}defs"):
        # A style for everything would hold for the whole page.
        for child in definitions.findall(f"{{{_SVG}}}style"):
            definitions.remove(child)
    text = ElementTree.tostring(root, encoding="unicode")
    wanted = set(re.findall(r'(?:url\(|href=")#([^)"]+)', text))
    for node in root.iter():
        if node.get("id") not in wanted:
            node.attrib.pop("id", None)
        for key, value in node.attrib.items():
            if key == "style":
                node.set(key, _styled(value))
            elif key in _PLACES:
                node.set(key, _NUMBER.sub(_shorter, value))
        if node.tag == f"{{{_SVG}}}image":
            _upright(node)
        if node.text and not node.text.strip():
            node.text = None
        if node.tail and not node.tail.strip():
            node.tail = None
    for group in root.iter(f"{{{_SVG}}}g"):
        _hoist(group)


def _styled(style: str) -> str:
    """A style whose colours and typeface are names with a fallback."""
    style = _FAMILY.sub("var(--figure-font, sans-serif)", style)
    style = style.replace("#000000", INK)  # matplotlib's own default
    return _COLOUR.sub(_named, style)


def _named(match: re.Match) -> str:
    colour = match[0]
    name = NAMES.get(colour)
    return f"var(--figure-{name}, {colour})" if name else colour


def _shorter(match: re.Match) -> str:
    return f"{float(match[0]):.2f}".rstrip("0").rstrip(".")


def _hoist(group: ElementTree.Element) -> None:
    """Says the style of a thousand equal markers once."""
    markers = group.findall(f"{{{_SVG}}}use")
    styles = {marker.get("style") for marker in markers}
    if len(markers) > 1 and len(styles) == 1 and len(group) == len(markers):
        (style,) = styles
        if style:
            group.set("style", style)
            for marker in markers:
                del marker.attrib["style"]


def _upright(node: ElementTree.Element) -> None:
    """Gives pixels a plain place, sharp edges and few bytes.

    Matplotlib writes some of them upside down, and leaves it to the browser to
    enlarge small ones, which blurs them or makes them uneven. Here each pixel
    becomes a square of whole pixels, at least two for one of the screen.
    """
    x, y, width, height = (
        float(node.get(key, 0)) for key in ("x", "y", "width", "height")
    )
    data = base64.b64decode(node.get(_LINK).partition(",")[2])
    with Image.open(BytesIO(data)) as image:
        image.load()
    move = [float(n) for n in re.findall(r"-?[\d.]+", node.get("transform"))]
    if node.get("transform").startswith("matrix"):
        a, _, _, d, x, y = move
        width, height = a * width, d * height
    else:  # scale(1 -1) translate(0 -height)
        y, height = -y + height, -height
    if height < 0:
        y, height = y + height, -height
        image = image.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    wanted = 2 * width * PIXELS / 72
    times = -(-int(wanted) // image.width)
    if times > 1:
        size = (times * image.width, times * image.height)
        image = image.resize(size, Image.Resampling.NEAREST)
    link = f"data:image/png;base64,{_small_png(image)}"
    place = {"x": x, "y": y, "width": width, "height": height}
    node.attrib = {
        _LINK: link,
        "preserveAspectRatio": "none",
        **{key: f"{value:.2f}" for key, value in place.items()},
    }


def _small_png(image: Image.Image) -> str:
    """A picture in base64, in as few bytes as PNG needs for it."""
    if image.mode == "RGBA" and image.getextrema()[3][0] == 255:
        image = image.convert("RGB")
    if image.mode in ("RGB", "RGBA"):
        red, green, blue, *_ = image.split()
        if red.tobytes() == green.tobytes() == blue.tobytes():
            image = image.convert("L" if image.mode == "RGB" else "LA")
    out = BytesIO()
    image.save(out, format="PNG", optimize=True)
    return base64.b64encode(out.getvalue()).decode("ascii")
