"""Latent diffusion on patches of photographs, shown for what it is.

``python -m benchmarks.photo_latents`` trains chapter 7's small autoencoder on
32×32 patches of photographs and, on its codes, chapter 9's denoiser, which is
told no class. It prints what both have learned and writes it to
results/photo_latents.json, and the picture to the chapter's stored ones. The
wider the codes are from the prior, the more a second model has to add: so the
same numbers are given for draws from the prior.
"""

from __future__ import annotations

import base64
import json
import platform
import time
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from vae_course import metrics
from vae_course.data import photos
from vae_course.diffusion import (
    Denoiser,
    Denoising,
    Latents,
    encoded,
    keep_scale,
    sample,
    schedule,
)
from vae_course.sd import AutoencoderKL
from vae_course.show import plotting
from vae_course.training import evaluate, train, warm_up_and_decay

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "results" / "photo_latents.json"
PICTURE = ROOT / "vae_course" / "show" / "openings" / "09_photographs.svg"
COMMAND = "python -m benchmarks.photo_latents"
EPOCHS = 12  # over the codes
DRAWN = 400
SHOWN = 12


def neighbours(z: Tensor) -> float:
    """Correlation of horizontal neighbours in (B, C, h, w), a channel each."""
    z = z - z.mean(dim=(0, 2, 3), keepdim=True)
    product = (z[..., 1:] * z[..., :-1]).mean(dim=(0, 2, 3))
    return (product / z.square().mean(dim=(0, 2, 3))).mean().item()


def first_stage(images) -> AutoencoderKL:
    """The small autoencoder, trained as in chapter 7, with its scale."""
    torch.manual_seed(0)
    vae = AutoencoderKL("small")
    lr = warm_up_and_decay(4e-3, warm_up=0.1)
    train(vae, images, epochs=1, beta=1e-6, batch_size=16, lr=lr)
    keep_scale(vae, images)
    return vae


def second_stage(codes: Latents, objective: Denoising) -> Denoiser:
    """The denoiser of chapter 9, for codes of 4×8×8 and one class for all."""
    torch.manual_seed(0)
    model = Denoiser((4, 8, 8), classes=1)
    lr = warm_up_and_decay(3e-3, 0.1)
    how = {"objective": objective, "batch_size": 128, "lr": lr}
    train(model, codes, epochs=EPOCHS, **how)
    return model


def main() -> None:
    start = time.process_time()
    patches = photos.photo_patches(size=32, train=9600, test=DRAWN)
    learned, unseen = (
        replace(part, centred=True) for part in (patches.train, patches.test)
    )
    vae = first_stage(learned)
    codes, test_codes = (
        replace(latents, labels=torch.zeros_like(latents.labels))
        for latents in (encoded(vae, learned), encoded(vae, unseen))
    )
    road = schedule.cosine()
    objective = Denoising(road, "v", dropout=0.0)
    model = second_stage(codes, objective)
    labels = torch.zeros(DRAWN, dtype=torch.long)
    drawn = sample(model, road, "v", labels, steps=50)
    generator = torch.Generator().manual_seed(0)
    of_prior = torch.randn(drawn.shape, generator=generator)

    @torch.no_grad()
    def decoded(z: Tensor) -> Tensor:
        return vae.decode(vae.unscale(z)).mean.clamp(-1, 1)

    x, back = unseen[:], decoded(test_codes.mean)
    kinds = {
        "unseen": (test_codes.mean, x),
        "back": (test_codes.mean, back),
        "drawn": (drawn, decoded(drawn)),
        "prior": (of_prior, decoded(vae.scale(of_prior))),
    }
    record = {
        "command": COMMAND,
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__.split("+")[0],
        "data": f"{len(photos.photographs())} photographs",
        "codes_seen": EPOCHS * len(codes),
        "psnr": round(metrics.psnr(x, back, 2.0).mean().item(), 2),
        "error": round(
            evaluate(model, test_codes, objective=objective).loss, 3
        ),
        "neighbours": {
            name: {
                "codes": round(neighbours(z), 3),
                "pixels": round(neighbours(image), 3),
            }
            for name, (z, image) in kinds.items()
        },
        "cpu_seconds": round(time.process_time() - start),
    }
    print(json.dumps(record, indent=2))
    figure = plotting.comparison(
        {
            "patches of photographs": (x[:SHOWN] + 1) / 2,
            "through the autoencoder": (back[:SHOWN] + 1) / 2,
            "drawn": (kinds["drawn"][1][:SHOWN] + 1) / 2,
            "from N(0, I)": (kinds["prior"][1][:SHOWN] + 1) / 2,
        },
        title="Latent diffusion on patches of photographs",
        alt="Four rows of twelve small colour pictures. Patches of "
        "photographs show leaves, bark, windows, cloth; their copies are "
        "soft. Drawn are soft patches of brown, grey and red, no two alike; "
        "draws from N(0, I) all show the same grey pattern.",
    )
    PICTURE.write_text(figure.svg(), "utf-8")
    _, pixels = figure.stand_in()  # of photographs: a JPEG
    PICTURE.with_suffix(".jpg").write_bytes(base64.b64decode(pixels))
    RESULTS.write_text(json.dumps(record, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
