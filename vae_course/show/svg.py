"""From matplotlib's SVG to one that follows the page.

Colours and typeface become names with a fallback, numbers get shorter, and
the pixels in it become sharp and small.
"""

from __future__ import annotations

import base64
import re
from io import BytesIO
from xml.etree import ElementTree

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
PIXELS = 96  # of CSS, an inch

SVG = "{http://www.w3.org/2000/svg}"
_LINK = "{http://www.w3.org/1999/xlink}href"
_FAMILY = re.compile(r"'DejaVu Sans'[^;]*")
_COLOUR = re.compile(r"#[0-9a-f]{6}\b")
_NUMBER = re.compile(r"-?\d+\.\d{3,}")
_PLACES = ("d", "x", "y", "width", "height", "transform", "points")

ElementTree.register_namespace("", SVG[1:-1])
ElementTree.register_namespace("xlink", _LINK[1:-5])


def tidy(root: ElementTree.Element) -> None:
    """Names the colours, shortens numbers, drops what nothing refers to."""
    for child in root.findall(f"{SVG}metadata"):
        root.remove(child)
    for definitions in root.findall(f"{SVG}defs"):
        # A style for everything would hold for the whole page.
        for child in definitions.findall(f"{SVG}style"):
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
        if node.tag == f"{SVG}image":
            _upright(node)
        if node.text and not node.text.strip():
            node.text = None
        if node.tail and not node.tail.strip():
            node.tail = None
    for group in root.iter(f"{SVG}g"):
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
    markers = group.findall(f"{SVG}use")
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
    link = f"data:image/webp;base64,{_small(image)}"
    place = {"x": x, "y": y, "width": width, "height": height}
    node.attrib = {
        _LINK: link,
        "preserveAspectRatio": "none",
        **{key: f"{value:.2f}" for key, value in place.items()},
    }


def _small(image: Image.Image) -> str:
    """A picture in base64, pixel by pixel as it was, in a third fewer bytes
    than PNG needs for it."""
    if image.mode == "RGBA" and image.getextrema()[3][0] == 255:
        image = image.convert("RGB")
    out = BytesIO()
    image.save(out, format="WEBP", lossless=True, method=2)
    return base64.b64encode(out.getvalue()).decode("ascii")
