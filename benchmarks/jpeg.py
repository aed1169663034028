"""A trained autoencoder against JPEG at equal bits, on unseen photographs.

After ``vae-course train --images DIR --out RUN`` this command sends each
photograph that the run held out, whole, through the run's model. The code's
rate is what it costs in bits; JPEG gets the lowest quality that takes at least
as many. Both copies are measured; the table and the run's curves go into
results/jpeg.json, and two pictures to the chapter's stored ones.

The rate is what an ideal coder would need on average, and no file. Of JPEG
only the scan is counted, without the tables of its header.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import math
import platform
from dataclasses import asdict
from pathlib import Path
from statistics import fmean

import torch
from PIL import Image
from torch import Tensor
from torch import distributions as D

from vae_course import metrics
from vae_course.data import folders
from vae_course.data.photos import image_bytes
from vae_course.sd import AutoencoderKL, checkpoints
from vae_course.sd.perceptual import PerceptualDistance
from vae_course.sd.recipe import Recipe, from_dict, read
from vae_course.sd.runs import Run
from vae_course.show import plotting
from vae_course.show.figure import Figure

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "results" / "jpeg.json"
PICTURES = ROOT / "vae_course" / "show" / "openings"
PIECE = 128  # side of what the picture shows of a photograph
SHOWN = 4


def pixels(x: Tensor) -> Tensor:
    """An image (3, H, W) in [-1, 1] as the bytes of a viewer."""
    return ((x.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)


def scan_bits(file: bytes) -> int:
    """Bits of a JPEG file from its start of scan on, where the picture is."""
    return 8 * (len(file) - file.index(b"\xff\xda"))


def jpeg(x: Tensor, quality: int) -> tuple[Tensor, int]:
    """An image (3, H, W) through JPEG, and the bits of its scan."""
    file = io.BytesIO()
    rgb = pixels(x).permute(1, 2, 0).numpy()
    Image.fromarray(rgb).save(file, "JPEG", quality=quality, optimize=True)
    with Image.open(file) as image:
        copy = image_bytes(image).float() / 127.5 - 1
    return copy, scan_bits(file.getvalue())


def jpeg_of_bits(x: Tensor, bits: float) -> tuple[Tensor, int, int]:
    """The leanest JPEG of at least so many bits: its copy, bits, quality.

    Raises:
        ValueError: no quality takes so many.
    """
    for quality in range(1, 101):
        copy, found = jpeg(x, quality)
        if found >= bits:
            return copy, found, quality
    raise ValueError(f"JPEG's best takes {found:,} bits, fewer than {bits:,}.")


@torch.no_grad()
def coded(vae: AutoencoderKL, x: Tensor) -> tuple[Tensor, float]:
    """An image (3, H, W) through the model, and the bits of its code."""
    q = vae.encode(x[None])
    bits = D.kl_divergence(q, vae.prior).item() / math.log(2)
    copy = vae.decode(q.mean).mean[0]
    return pixels(copy).float() / 127.5 - 1, bits  # as bytes, like JPEG's


class Judges:
    """What the copies of one coder come to, photograph by photograph."""

    def __init__(self, perceptual: PerceptualDistance):
        self.perceptual, self.found = perceptual, []

    @torch.no_grad()
    def look(self, x: Tensor, copy: Tensor, **also: float) -> None:
        """Adds a copy of x, both (3, H, W) in [-1, 1]."""
        x, copy = x[None], copy[None]
        line = also | {
            "bits_per_pixel": also["bits"] / x[0, 0].numel(),
            "psnr": metrics.psnr(x, copy, data_range=2.0).item(),
            "ssim": metrics.ssim(x, copy, data_range=2.0).item(),
            "perceptual": self.perceptual(copy, x, check=False).item(),
        }
        self.found.append(line)

    def means(self) -> dict[str, float]:
        """Over the photographs."""
        names = self.found[0]
        return {
            n: float(f"{fmean(line[n] for line in self.found):.4g}")
            for n in names
        }


def course_of(run: Run, recipe: Recipe) -> dict:
    """What the run's own metrics say: how long, and how it went."""
    lines = run.lines()
    steps = [line for line in lines if line["kind"] == "train"]
    images = recipe.log_every * recipe.batch
    seconds = sum(images / line["images_per_second"] for line in steps)
    names = ("psnr", "ssim", "perceptual", "bits", "critic_accuracy")
    return {
        "minutes": round(seconds / 60),
        "images_per_second": round(len(steps) * images / seconds, 1),
        "measured": [
            {"step": line["step"]}
            | {n: float(f"{line[n]:.4g}") for n in names if n in line}
            for line in lines
            if line["kind"] == "held out"
        ],
    }


def curves(course: dict) -> Figure:
    """What held-out crops say, over the steps."""
    shown = {
        "psnr": "PSNR / dB",
        "perceptual": "perceptual\ndistance",
        "bits": "rate / bits",
    }
    measured = course["measured"]
    first, last = measured[0], measured[-1]
    figure = plotting.new_figure(
        height=4.8,
        alt="Three curves over the steps of a run. "
        + " ".join(
            f"{label.replace(chr(10), ' ')} goes from {first[name]:.3g} to "
            f"{last[name]:.3g}."
            for name, label in shown.items()
        ),
    )
    panels = figure.subplots(len(shown), 1, sharex=True)
    for panel, (name, label) in zip(panels, shown.items(), strict=True):
        panel.plot(
            [line["step"] for line in measured],
            [line[name] for line in measured],
            color=plotting.BLUE,
            marker="o",
            markersize=3,
        )
        panel.set_ylabel(label)
    panels[-1].set_xlabel("steps")
    figure.suptitle("A longer run, on crops that it never trains on")
    return figure


def pieces(rows: dict[str, list[Tensor]]) -> Figure:
    """The middle of some photographs, and of each coder's copies.

    The words are about Kodak's.
    """

    def middle(x: Tensor) -> Tensor:
        top, left = ((side - PIECE) // 2 for side in x.shape[1:])
        return x[:, top : top + PIECE, left : left + PIECE]

    return plotting.comparison(
        {
            name: (torch.stack([middle(x) for x in images]) + 1) / 2
            for name, images in rows.items()
        },
        title="The same number of bits, spent twice",
        alt=f"Three rows of {SHOWN} pieces of photographs: a wheel, a ship's "
        "rigging, a white shirt, a necklace. The autoencoder's copies have "
        "shapes and colours and lose threads, ropes and grain; JPEG's, of as "
        "many bits, look like the originals.",
    )


def keep(name: str, figure: Figure) -> None:
    """Stores a picture beside the chapters' own."""
    path = PICTURES / f"{name}.svg"
    path.write_text(figure.svg(), "utf-8")
    _, stand_in = figure.stand_in()
    with Image.open(io.BytesIO(base64.b64decode(stand_in))) as picture:
        picture.convert("RGB").save(path.with_suffix(".jpg"), quality=70)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--images", required=True, help="as the run had them")
    parser.add_argument("--run", required=True, type=Path)
    parser.add_argument("--no-write", action="store_true")
    chosen = parser.parse_args()
    run = Run(chosen.run)
    recipe = from_dict(read(run.folder / "recipe.json"))
    vae = checkpoints.load(run.folder / "model").eval()
    unseen = folders.open_folder(
        chosen.images,
        recipe.size,
        shorter=recipe.shorter,
        held_out=recipe.held_out,
        seed=recipe.seed,
    ).held_out
    perceptual = PerceptualDistance()
    ours, theirs = Judges(perceptual), Judges(perceptual)
    rows: dict[str, list[Tensor]] = {
        name: [] for name in ("photograph", "autoencoder", "JPEG")
    }
    for index, photo in enumerate(unseen.photos):
        x = unseen.decode(index).float() / 127.5 - 1
        copy, bits = coded(vae, x)
        other, spent, quality = jpeg_of_bits(x, bits)
        ours.look(x, copy, bits=bits)
        theirs.look(x, other, bits=spent, quality=quality)
        for name, image in zip(rows, (x, copy, other), strict=True):
            rows[name].append(image)
        print(f"{Path(photo.path).name}: {bits:,.0f} bits, quality {quality}")
    changed = {
        name: value
        for name, value in asdict(recipe).items()
        if value != getattr(Recipe(), name)
    }
    course = course_of(run, recipe)
    record = {
        "command": "python -m benchmarks.jpeg --images DIR --run RUN",
        "recipe": changed,
        "photographs": len(unseen.photos),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__.split("+")[0],
        "run": course,
        "autoencoder": ours.means(),
        "jpeg": theirs.means(),
    }
    print(json.dumps(record, indent=2))
    if not chosen.no_write:
        keep("08_run", curves(course))
        keep("08_jpeg", pieces({n: row[:SHOWN] for n, row in rows.items()}))
        RESULTS.write_text(json.dumps(record, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
