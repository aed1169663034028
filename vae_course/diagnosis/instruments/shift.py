"""Move the image by f pixels, and its code moves by one."""

from __future__ import annotations

import torch
from torch import Tensor

from vae_course.diagnosis.bench import Bench, undisturbed
from vae_course.diagnosis.instruments.repeat import difference
from vae_course.diagnosis.reading import NotAsked, Reading

PATCH = 16  # side of what is moved
MARGIN = 40  # on every side, as far as most layers look
BAND = 0.01
GAIN = 0.25  # of the squared error, which a move must save to be one


def shift(bench: Bench) -> list[Reading]:
    """Translation by f pixels, and where copies lie. Chapters 6 and 7.

    A convolutional encoder gives a moved image a moved code, except near the
    border; attention without positions does, too. A patch on an even ground
    is moved by f pixels, and the two codes are compared. The number is
    relative; healthy models stay below 0.001, which the border far away
    explains, and the band is ten times that.

    A copy lies where its image lies: moving it saves no squared error, or
    less than a quarter, in a model that copies well. Only copies that explain
    half of the variance are asked.
    """
    found = []
    if bench.explained > 0.5 and _is_image(bench.copies):
        place = registration(bench.x, bench.copies)
        found.append(
            Reading(
                "shift of copies against their images",
                place,
                0,
                0,
                "Copies lie beside their images: the paddings of encoder and "
                "decoder do not belong together.",
                "Reconstructions look right, and cost more than they should.",
                7,
                "pixels",
            )
        )
    try:
        found.append(_translation(bench))
    except NotAsked:
        if not found:
            raise
    return found


def _translation(bench: Bench) -> Reading:
    f, x = bench.subject.factor, bench.x
    if not f or f > 32:
        raise NotAsked("its latent is no image")
    side = -(-(PATCH + 2 * MARGIN) // f) * f
    ground = x.mean(dim=(0, 2, 3), keepdim=True)
    rows, columns = (min(PATCH, size) for size in x.shape[-2:])
    patch = x[:2, :, :rows, :columns]
    top, left = (side - rows) // 2, (side - columns) // 2
    canvas = ground.expand(len(patch), -1, side, side)

    def coded(by: int) -> Tensor:
        image = canvas.clone()
        y, z = top + by, left + by
        image[..., y : y + rows, z : z + columns] = patch
        return bench.subject.codes(image)

    with undisturbed(bench.subject.module), torch.no_grad():
        if bench.subject.module is not None:
            bench.subject.module.eval()
        try:
            still, moved = coded(0), coded(f)
        except (ValueError, RuntimeError) as error:
            raise NotAsked("it takes images of one size alone") from error
    if still.shape[-2] * f != side:
        raise NotAsked(f"its latent is not {f} times smaller")
    # Near the patch alone: the border answers to its own paddings.
    near = [
        slice(start // f - 1, (start + size) // f + 1)
        for start, size in ((top, rows), (left, columns))
    ]
    beside = [slice(n.start + 1, n.stop + 1) for n in near]
    gap = difference(still[(..., *near)], moved[(..., *beside)])
    return Reading(
        f"code of an image moved by {f} pixels, against the moved code",
        gap,
        high=BAND,
        symptom="The code does not move with the image: a layer knows "
        "positions, or steps by another number of pixels.",
        looks="Nothing, on images of the size that was trained on.",
        chapter=6,
    )


def _is_image(copies: Tensor) -> bool:
    return copies.dim() == 4 and min(copies.shape[-2:]) >= 12


def registration(x: Tensor, y: Tensor, most: int = 4) -> float:
    """By how many pixels y must be moved to agree best with x.

    The length of the best of all moves by up to ``most`` pixels either way; 0
    where they lie on each other, or where no move saves a quarter of the
    squared error: of a blurred copy it is hard to say where it lies.
    """
    h, w = x.shape[-2:]
    inner = x[..., most : h - most, most : w - most]
    here = (inner - y[..., most : h - most, most : w - most]).square().mean()
    best, found = (1 - GAIN) * here.item(), 0.0
    for i in range(-most, most + 1):
        for j in range(-most, most + 1):
            rows = slice(most + i, h - most + i)
            moved = y[..., rows, most + j : w - most + j]
            error = (inner - moved).square().mean().item()
            if error < best:
                best, found = error, (i * i + j * j) ** 0.5
    return found
