"""The Stable Diffusion autoencoder as a picture, drawn from the model itself.

Nothing here knows how many blocks there are. An image without content goes
through the real modules, each of which says what came out of it, and what they
say is drawn. The picture cannot differ from the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

import torch
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Polygon
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from vae_course.sd import (
    Attention,
    AutoencoderKL,
    Config,
    Downsample,
    GroupNorm,
    ResnetBlock,
    Upsample,
    preset,
)
from vae_course.show.figure import (
    BLUE,
    GREEN,
    INK,
    ORANGE,
    PINK,
    PIXELS,
    SOFT,
    TEXT,
    Figure,
    new_figure,
)

WORDS = {
    ResnetBlock: "residual",
    Attention: "attention",
    Downsample: "down",
    Upsample: "up",
    GroupNorm: "norm",
    nn.Conv2d: "conv",
}
COLOURS = {"residual": BLUE, "attention": PINK, "down": ORANGE, "up": GREEN}

# In pixels of CSS.
ROW = 18  # from one block to the next
BOX = 16  # of which the block takes
COLUMN = 212  # width of a block at full size, and how much is lost a level
STEP = 16
MARGIN = 6


@dataclass(frozen=True)
class Block:
    """One block of the model, as an image passed it."""

    name: str  # of the module, such as "encoder.down_blocks.0.resnets.0"
    kind: str  # "residual", "attention", "down", "up", "norm", "conv 3×3", …
    shape: tuple[int, int, int]  # (C, H, W) of what came out
    parameters: int
    multiplications: int  # of the convolutions, linear layers and attention

    @property
    def numbers(self) -> int:
        """How many numbers came out of it."""
        channels, height, width = self.shape
        return channels * height * width


def road(
    config: Config | str = "sd1",
    height: int | None = None,
    width: int | None = None,
) -> list[Block]:
    """Every block that an image passes, in order, with its output's shape.

    Args:
        config: a :class:`~vae_course.sd.Config`, or a preset's name.
        height: of the image; the side that the model was made for if None.
        width: of the image; as its height if None.

    Returns:
        The encoder's blocks, the latent (of kind ``"latent"``), and the
        decoder's blocks.

    Raises:
        ValueError: no preset has this name, or the image does not fit.
    """
    config = preset(config)
    height = height or config.sample_size
    with torch.device("meta"):  # shapes without content: nothing is computed
        vae = AutoencoderKL(config)
        x = torch.empty(1, config.in_channels, height, width or height)
    seen: list[Block] = []

    def note(name: str):
        def hook(module, given, out):
            count = sum(p.numel() for p in module.parameters())
            work = counter.get_total_flops() // 2  # with each an addition
            work -= sum(block.multiplications for block in seen)
            shape = tuple(out.shape[1:])
            seen.append(Block(name, _kind(module), shape, count, work))

        return hook

    def listen(name: str, module: nn.Module) -> None:
        if type(module) in WORDS:
            module.register_forward_hook(note(name))
        else:  # a stage or a level: what counts is inside
            for child, inner in module.named_children():
                listen(f"{name}.{child}".removeprefix("."), inner)

    listen("", vae)
    counter = FlopCounterMode(display=False)
    with counter:
        z = vae.encode(x).mean
        seen.append(Block("z", "latent", tuple(z.shape[1:]), 0, 0))
        vae.decode(z)
    return seen


def architecture(
    config: Config | str = "sd1",
    height: int | None = None,
    width: int | None = None,
) -> Figure:
    """The autoencoder drawn: the encoder down, the latent, the decoder up.

    Blocks whose outputs are of one size stand side by side; each says what it
    is and what comes out of it, as channels × height × width.

    Args:
        config: a :class:`~vae_course.sd.Config`, or a preset's name.
        height: of the image; the side that the model was made for if None.
        width: of the image; as its height if None.

    Raises:
        ValueError: no preset has this name, or the image does not fit.
    """
    name = config if isinstance(config, str) else "the model"
    config = preset(config)
    height = height or config.sample_size
    width = width or height
    blocks = road(config, height, width)
    middle = [b.kind for b in blocks].index("latent")
    latent = blocks[middle]
    seen = Block("x", "image", (config.in_channels, height, width), 0, 0)
    back = Block("x̂", "image", (config.out_channels, height, width), 0, 0)
    down = _levels([seen, *blocks[:middle]])
    up = _levels([*blocks[middle + 1 :], back])[::-1]
    rows = [max(map(len, pair)) for pair in zip(down, up, strict=True)]
    tall = ROW * (sum(rows) + 3) + MARGIN  # headings and the latent
    wide = 2 * COLUMN + 3 * MARGIN
    figure = new_figure(
        wide / PIXELS, tall / PIXELS, _alt(name, seen, blocks, latent)
    )
    figure.set_layout_engine("none")  # every place is known
    axis = figure.add_axes([0, 0, 1, 1])
    axis.set(xlim=(0, wide), ylim=(tall, 0))
    axis.set_axis_off()
    centre = wide / 2
    outer = centre - MARGIN / 2 - COLUMN
    words = {"va": "center", "fontsize": TEXT, "fontweight": "bold"}
    axis.text(outer, ROW / 2, "encoder ↓", color=INK, **words)
    axis.text(
        wide - outer, ROW / 2, "↑ decoder", color=INK, ha="right", **words
    )
    top = ROW
    for level, count in enumerate(rows):
        for side, column in ((-1, down[level]), (1, up[level][::-1])):
            # The encoder hangs from above, the decoder stands on the ground.
            first = top if side < 0 else top + ROW * (count - len(column))
            for i, block in enumerate(column):
                _draw(axis, block, side, level, centre, first + ROW * i)
            if len(column) < count:
                x = centre + side * (MARGIN + COLUMN) / 2
                last = top + ROW * len(column), top + ROW * count
                start, end = last if side < 0 else (first, top)
                _arrow(axis, (x, start), (x, end))
        top += ROW * count
    _latent(axis, latent, centre, top)
    return figure


def _kind(module: nn.Module) -> str:
    word = WORDS[type(module)]
    if word == "conv":
        word += " " + "×".join(map(str, module.kernel_size))
    return word


def _levels(blocks: list[Block]) -> list[list[Block]]:
    """Neighbours of one height and width, together."""
    return [list(run) for _, run in groupby(blocks, lambda b: b.shape[1:])]


def _times(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))


def _draw(axis, block, side, level, centre, top) -> None:
    """One block as a box with its name and what comes out of it.

    Args:
        axis: in pixels, with y downwards.
        block: what to draw.
        side: −1 for the encoder, left of the centre; 1 for the decoder.
        level: how many times the image was halved.
        centre: x of the line between the two.
        top: y of the box.
    """
    near = MARGIN / 2
    far = wide = near + COLUMN - STEP * level
    # What changes the size is slanted: wide towards the larger image.
    if block.kind == "down":
        wide += STEP
    if block.kind == "up":
        far -= STEP
    top, bottom = top + 1, top + 1 + BOX
    ends = sorted(centre + side * x for x in (near, far))
    colour = COLOURS.get(block.kind)
    look = {"facecolor": (colour, 0.22) if colour else "none"}
    look["edgecolor"] = "none" if block.kind == "image" else colour or SOFT
    if block.kind == "attention":
        style = f"round,pad=0,rounding_size={BOX / 2}"
        box = FancyBboxPatch(
            (ends[0], top), far - near, BOX, boxstyle=style, **look
        )
        box.set_linewidth(1.6)
    else:
        corners = (near, top), (wide, top), (far, bottom), (near, bottom)
        corners = [(centre + side * x, y) for x, y in corners]
        box = Polygon(corners, closed=True, **look)
    axis.add_patch(box)
    words = {"va": "center_baseline", "fontsize": TEXT, "color": INK}
    y, inside = (top + bottom) / 2, 5
    axis.text(ends[0] + inside, y, block.kind, **words)
    axis.text(ends[1] - inside, y, _times(block.shape), ha="right", **words)


def _arrow(axis, start, end) -> None:
    axis.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="->",
            mutation_scale=9,
            color=SOFT,
            shrinkA=2,
            shrinkB=2,
        )
    )


def _latent(axis, latent: Block, centre: float, top: float) -> None:
    """The latent under both columns, with an arrow in and an arrow out."""
    half, y = 92, top + ROW
    box = FancyBboxPatch(
        (centre - half, y - BOX / 2),
        2 * half,
        BOX,
        boxstyle="round,pad=2",
        facecolor="none",
        edgecolor=INK,
        linewidth=1.8,
    )
    axis.add_patch(box)
    axis.text(
        centre,
        y,
        f"latent z: {_times(latent.shape)}",
        ha="center",
        va="center_baseline",
        fontsize=TEXT,
        fontweight="bold",
        color=INK,
    )
    away = half + 30
    _arrow(axis, (centre - away, top), (centre - half, y))
    _arrow(axis, (centre + half, y), (centre + away, top))


def _alt(name: str, seen: Block, blocks: list[Block], latent: Block) -> str:
    kinds = [b.kind for b in blocks]
    middle = kinds.index("latent")

    def listed(part: list[str]) -> str:
        words = ("residual", "attention", "down", "up")
        return ", ".join(
            f"{part.count(word)} {word}" for word in words if word in part
        )

    return (
        f"The autoencoder {name}, two columns of blocks. The encoder goes "
        f"down from an image {_times(seen.shape)} ({listed(kinds[:middle])}); "
        f"at the bottom is the latent, {_times(latent.shape)}; the decoder "
        f"goes up again ({listed(kinds[middle:])})."
    )
