"""Which latents diffuse well, and what a denoiser is best asked for.

``python -m benchmarks.latents`` trains chapter 9's autoencoder with KL weights
from 1e-8 to 1, and on the latents of each the same denoiser, for half of the
chapter's codes. Then, on the latents of one of them, denoisers that are asked
for the noise, for v, and for flow matching's speed, each on a road that suits
it: the cosine's end leaves too little signal to ask for noise there. It prints
what comes back from the codes, what is drawn, and how far both are from real
digits, and writes it to results/latents.json. A Fréchet distance of 1,000
digits is larger than one of 2,000, so these compare with each other alone.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from pathlib import Path

import torch

from vae_course.challenge import first_stage, second_stage, split
from vae_course.data import ImageSet, mnist
from vae_course.diffusion import (
    Denoising,
    DigitAutoencoder,
    Latents,
    encoded,
    quality,
    sample,
    schedule,
)
from vae_course.training import evaluate

RESULTS = Path(__file__).parent.parent / "results" / "latents.json"
COMMAND = "python -m benchmarks.latents"
WEIGHTS = {
    "kl_1e8": 1e-8,
    "kl_1e4": 1e-4,
    "kl_1e2": 1e-2,
    "kl_1e1": 0.1,
    "kl_1": 1.0,
}
OBJECTIVES = {  # the road of each
    "noise": schedule.linear(),
    "v": schedule.cosine(),
    "flow": schedule.straight(),
}
SEEN = 40_000  # codes that a denoiser learns from
DRAWN = 1000


def returned(
    vae: DigitAutoencoder, test: ImageSet, judge: quality.Judge
) -> dict[str, float]:
    """What comes back from the codes of unseen digits; shares in percent."""
    halves = evaluate(vae, test)
    with torch.no_grad():
        x = vae.decode(vae.encode(test[:DRAWN]).mean).mean
    readable = quality.accuracy(judge, x, test.labels[:DRAWN])
    frechet = quality.frechet_distance(judge, x, test[-DRAWN:])
    return {
        "distortion": round(halves.distortion, 2),
        "rate": round(halves.rate, 2),
        "readable": round(100 * readable, 1),
        "frechet": round(frechet, 2),
    }


def drawn(
    vae: DigitAutoencoder,
    codes: Latents,
    prediction: str,
    test: ImageSet,
    judge: quality.Judge,
    seed: int,
) -> dict[str, float]:
    """What a denoiser of these codes draws; shares in percent."""
    road = OBJECTIVES[prediction]
    objective = Denoising(road, prediction)
    model = second_stage(codes, objective, SEEN, seed)
    asked = torch.arange(DRAWN) % 10
    way = {"guidance": 1.25, "seed": seed}
    z = sample(model, road, prediction, asked, **way)
    with torch.no_grad():
        x = vae.decode(vae.unscale(z)).mean
    agreement = quality.accuracy(judge, x, asked)
    frechet = quality.frechet_distance(judge, x, test[-DRAWN:])
    return {
        "agreement": round(100 * agreement, 1),
        "frechet": round(frechet, 2),
    }


def measure(seed: int = 0) -> dict[str, dict]:
    """All runs, one after the other; prints each when it is done."""
    digits = mnist()
    if digits.name != "MNIST":
        raise SystemExit(
            "This benchmark needs MNIST; see `vae-course doctor`."
        )
    learned, apart = split(digits)
    judge = quality.trained_judge(apart[:], apart.labels)
    halves = digits.test[:DRAWN], digits.test[-DRAWN:]
    real = round(quality.frechet_distance(judge, *halves), 2)
    latents, objectives = {}, {}
    for name, weight in WEIGHTS.items():
        vae = first_stage(learned, weight, seed)
        codes = encoded(vae, learned)
        found = drawn(vae, codes, "v", digits.test, judge, seed)
        back = returned(vae, digits.test, judge)
        latents[name] = {"weight": weight, "returned": back, "drawn": found}
        print(name, latents[name], flush=True)
        if weight == 0.1:
            for prediction in OBJECTIVES:
                if prediction != "v":
                    found = drawn(
                        vae, codes, prediction, digits.test, judge, seed
                    )
                else:
                    found = latents[name]["drawn"]
                objectives[prediction] = found
                print(prediction, found, flush=True)
    return {
        "real": {"frechet": real},
        "latents": latents,
        "objectives": objectives,
    }


def main() -> None:
    """Runs everything and writes it to results/."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    seed = parser.parse_args().seed
    start = time.process_time()
    found = measure(seed)
    record = {
        "command": COMMAND + (f" --seed {seed}" if seed else ""),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__.split("+")[0],
        "cpu_seconds": round(time.process_time() - start),
        "codes_seen": SEEN,
        "drawn": DRAWN,
        **found,
    }
    text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
    RESULTS.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
