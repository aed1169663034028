"""A drawing taken apart: vectors for the page, pixels for files.

What is drawn with lines and words stays SVG. The pictures inside it become
files of their own, losslessly, unless they are tiny; they lie under the
drawing, which is transparent there.
"""

from __future__ import annotations

import base64
import re
from io import BytesIO
from typing import NamedTuple
from xml.etree import ElementTree as xml

from PIL import Image

SVG = "{http://www.w3.org/2000/svg}"
LINK = "{http://www.w3.org/1999/xlink}href"
TINY = 2000  # bytes; below, a file of its own is more trouble than it is worth
SLACK = 2.0  # matplotlib rounds a picture up to whole pixels of its own

_CALL = re.compile(r"(\w+)\s*\(([^)]*)\)")
_NUMBER = re.compile(r"-?(?:\d+\.?\d*|\.\d+)(?:e-?\d+)?")

xml.register_namespace("", SVG[1:-1])
xml.register_namespace("xlink", LINK[1:-5])


class Pixels(NamedTuple):
    """A picture inside a drawing: its file and its place, in per cent."""

    content: bytes
    kind: str  # "webp" or "png"
    size: tuple[int, int]
    left: float
    top: float
    width: float
    height: float
    pixelated: bool


class Drawing(NamedTuple):
    """A drawing without its larger pictures, which lie under it."""

    markup: str
    alt: str
    width: float
    height: float
    text: float  # the size of its smallest words
    pixels: tuple[Pixels, ...]


def take_apart(source: str, name: str) -> Drawing:
    """Reads a figure of the course.

    Args:
        source: the SVG.
        name: goes before each of its ids, so that no two on a page agree.

    Raises:
        ValueError: it does not say what there is to see, or how large it is.
    """
    root = xml.fromstring(source)
    alt = root.get("aria-label", "").strip()
    if not alt:
        raise ValueError("a drawing without aria-label: nobody described it")
    try:
        width, height = float(root.get("width")), float(root.get("height"))
        box = tuple(map(float, root.get("viewBox").split()))
        text = float(root.get("data-text", "14"))
    except (TypeError, ValueError, AttributeError):
        raise ValueError(
            "a drawing needs width, height and viewBox in plain numbers"
        ) from None
    clips = {clip.get("id"): clip for clip in root.iter(f"{SVG}clipPath")}
    pixels = tuple(_take(root, (1, 1, 0, 0), box, box, clips))
    _rename(root, name)
    root.set("role", "img")
    root.set("focusable", "false")
    markup = xml.tostring(root, encoding="unicode")
    markup = markup.replace("xlink:href", "href")
    markup = re.sub(r' xmlns(:xlink)?="[^"]*"', "", markup)
    return Drawing(markup, alt, width, height, text, pixels)


def _rename(root: xml.Element, name: str) -> None:
    """Puts ``name`` before each id and wherever one is referred to."""
    for node in root.iter():
        for key, value in node.attrib.items():
            if key == "id":
                node.set(key, f"{name}-{value}")
            elif value.startswith("#") and key in (LINK, "href"):
                node.set(key, f"#{name}-{value[1:]}")
            elif "url(#" in value:
                node.set(key, value.replace("url(#", f"url(#{name}-"))


# --- Pixels ------------------------------------------------------------------
# A scale and a shift (sx, sy, tx, ty) bring a place to the drawing's own
# units; a box is (left, top, width, height).


def _take(node, place, box, clip, clips):
    """Takes the pictures out of a node; yields them in their order."""
    for child in list(node):
        there = _moved(place, child.get("transform", ""))
        inside = _clipped(child, there, clip, clips)
        if child.tag == f"{SVG}image":
            pixels = _pixels(child, there, box, inside)
            if pixels is not None:
                node.remove(child)
                yield pixels
        elif child.tag not in (f"{SVG}defs", f"{SVG}clipPath"):
            yield from _take(child, there, box, inside, clips)


def _pixels(image, place, box, clip) -> Pixels | None:
    """The picture of an ``<image>``; None where it has to stay."""
    head, _, data = image.get(LINK, image.get("href", "")).partition(",")
    if not head.startswith("data:image/"):
        return None
    with Image.open(BytesIO(base64.b64decode(data))) as opened:
        opened.load()
        picture = opened.convert("RGBA" if "A" in opened.mode else "RGB")
    if place is not None and place[1] < 0:
        picture = picture.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    content, kind = smallest(picture)
    where = place and _box(image, place)
    if len(content) < TINY or not where or not _within(where, clip):
        if place is None or place[1] > 0:  # else it would stand on its head
            data = base64.b64encode(content).decode("ascii")
            image.attrib.pop(LINK, None)
            image.set("href", f"data:image/{kind};base64,{data}")
        return None
    left, top, width, height = _seen(where, clip)
    return Pixels(
        content,
        kind,
        picture.size,
        100 * (left - box[0]) / box[2],
        100 * (top - box[1]) / box[3],
        100 * width / box[2],
        100 * height / box[3],
        "pixelated" in image.get("style", "") + str(image.attrib),
    )


def smallest(picture: Image.Image) -> tuple[bytes, str]:
    """A picture in as few bytes as can be, without loss, and their kind."""
    grey = picture.convert("L").convert(picture.mode)
    webp, png = BytesIO(), BytesIO()
    picture.save(webp, "webp", lossless=True, quality=50, method=3)
    if picture.mode == "RGB" and grey.tobytes() == picture.tobytes():
        picture = picture.convert("L")
    picture.save(png, "png", optimize=True)
    found = [(webp.getvalue(), "webp"), (png.getvalue(), "png")]
    return min(found, key=lambda each: len(each[0]))


def _moved(place, transform: str):
    """A place moved by an SVG transform; None where it turns or slants."""
    for call in _CALL.finditer(transform):
        if place is None:
            return None
        sx, sy, tx, ty = place
        name, numbers = call[1], list(map(float, _NUMBER.findall(call[2])))
        if name == "translate":
            dx, dy = (*numbers, 0.0)[:2]
            place = (sx, sy, tx + sx * dx, ty + sy * dy)
        elif name == "scale":
            kx, ky = (numbers * 2)[:2]
            place = (sx * kx, sy * ky, tx, ty)
        elif name == "matrix" and not numbers[1] and not numbers[2]:
            kx, _, _, ky, dx, dy = numbers
            place = (sx * kx, sy * ky, tx + sx * dx, ty + sy * dy)
        elif name != "rotate" or numbers[0]:
            return None
    return place


def _box(node, place):
    """Where a rectangle or picture lies; None where that is not plain."""
    try:
        x, y, width, height = (
            float(node.get(key, "0").removesuffix("px"))
            for key in ("x", "y", "width", "height")
        )
    except ValueError:  # per cent, say
        return None
    sx, sy, tx, ty = place
    if sx <= 0:
        return None
    top = ty + sy * (y if sy > 0 else y + height)
    return tx + sx * x, top, sx * width, abs(sy) * height


def _clipped(node, place, clip, clips):
    """What a node lets one see; None where that is no rectangle."""
    match = re.match(r"url\(#(.+)\)", node.get("clip-path", ""))
    if match is None or clip is None:
        return clip
    shapes = list(clips.get(match[1], ()))
    if place is None or len(shapes) != 1 or shapes[0].tag != f"{SVG}rect":
        return None
    found = _box(shapes[0], place)
    if found is None:
        return None
    return _seen(found, clip)


def _seen(box, clip):
    """What two boxes have in common."""
    left, top = max(clip[0], box[0]), max(clip[1], box[1])
    right = min(clip[0] + clip[2], box[0] + box[2])
    bottom = min(clip[1] + clip[3], box[1] + box[3])
    return left, top, right - left, bottom - top


def _within(box, clip) -> bool:
    """Whether all of a picture is seen."""
    return clip is not None and (
        box[0] >= clip[0] - SLACK
        and box[1] >= clip[1] - SLACK
        and box[0] + box[2] <= clip[0] + clip[2] + SLACK
        and box[1] + box[3] <= clip[1] + clip[3] + SLACK
    )
