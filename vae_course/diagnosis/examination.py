"""``diagnose``: all instruments on one model, and a report for people."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from vae_course.diagnosis.admission import admit
from vae_course.diagnosis.bench import Bench, random_state, undisturbed
from vae_course.diagnosis.instruments import INSTRUMENTS
from vae_course.diagnosis.reading import NotAsked
from vae_course.diagnosis.report import FAILED, Report
from vae_course.diagnosis.subject import Subject

MOST_IMAGES = 512
MOST_NUMBERS = 1_000_000  # pixel values in all, of what is examined


def diagnose(
    model: Any,
    images,
    *,
    train_images=None,
    objective: Callable | None = None,
    instruments: Sequence[str] | None = None,
    seed: int = 0,
    **said: Any,
) -> Report:
    """Runs every instrument that the model can answer to.

    The model stays as it is: its weights, buffers, gradients and mode, and the
    caller's random state, are put back. Seconds for a dense VAE, some twenty
    for a small convolutional one.

    Args:
        model: a VAE of the course, any object with ``encode`` and ``decode``,
            or a :class:`Subject` with your own functions.
        images: that the model was not trained on: an ImageSet or a float
            tensor (N, C, H, W), as the model takes them. The first 512 are
            looked at, and fewer if they are large; 64 and more are well.
        train_images: that it was trained on, to compare.
        objective: what it is trained on: (model, images, β) → a loss.
        instruments: names of those to use; None uses all.
        seed: of every draw.
        said: whatever else a :class:`Subject` holds: ``beta=1e-6``,
            ``reference=other``, ``terms=…``.

    Returns:
        The :class:`Report`: quiet if ``report.healthy``.

    Raises:
        TypeError: the model has no ``encode`` and ``decode``, or what it
            encodes to is no code.
        ValueError: the images are no batch of float images, are too few, not
            finite, or in a range that the pixels do not have; the model's
            weights or codes are not finite; it cannot encode the images; or
            there is no instrument of that name.
    """
    subject = Subject.of(model, objective, **said)
    names = list(INSTRUMENTS) if instruments is None else list(instruments)
    if unknown := [name for name in names if name not in INSTRUMENTS]:
        raise ValueError(
            f"There is no instrument {', '.join(unknown)}; choose among "
            f"{', '.join(INSTRUMENTS)}."
        )
    started = time.perf_counter()
    readings, unasked = [], {}
    cuda = sorted(
        {
            p.device.index
            for p in (subject.module.parameters() if subject.module else ())
            if p.device.type == "cuda"
        }
    )
    with (
        torch.inference_mode(False),
        torch.enable_grad(),  # also where the caller measures without
        random_state(cuda),
        undisturbed(subject.module),
    ):
        torch.manual_seed(seed)
        x = _taken(images, subject, "images")
        seen = None
        if train_images is not None:
            seen = _taken(train_images, subject, "train_images", 4)
        admit(subject, x)
        bench = Bench(subject, x, seen)
        for name in names:
            torch.manual_seed(seed)
            try:
                with undisturbed(subject.module):
                    if subject.module is not None and name != "repeat":
                        subject.module.eval()
                    found = INSTRUMENTS[name](bench)
            except NotAsked as reason:
                unasked[name] = str(reason)
            except Exception as error:  # of somebody else's code
                said_by = str(error).splitlines()[0] if str(error) else ""
                unasked[name] = (
                    f"{FAILED}: {type(error).__name__} {said_by}"
                ).strip()
            else:
                readings += [replace(r, instrument=name) for r in found]
    return Report(
        type(model).__name__,
        tuple(readings),
        unasked,
        len(x),
        time.perf_counter() - started,
    )


def _taken(images, subject: Subject, what: str, times: int = 1) -> Tensor:
    """The first of the images, on the subject's device."""
    wanted = (
        f"{what} must be (N, C, H, W): an ImageSet, or a tensor of floating-"
        "point numbers. Of a loader or a set of pairs, stack the images "
        "alone; of an array, take torch.from_numpy."
    )
    try:
        number, first = len(images), images[:1]
    except (TypeError, KeyError, NotImplementedError) as error:
        raise ValueError(f"{wanted} Got a {type(images).__name__}.") from error
    if not isinstance(first, Tensor) or first.dim() != 4:
        shape = tuple(getattr(first, "shape", ()))
        raise ValueError(
            f"{wanted} Got a {type(images).__name__}, and a slice of one "
            f"image of it is a {type(first).__name__} of shape {shape}."
        )
    if number < 2:
        raise ValueError(
            f"{what}: an examination needs two images at least, and 64 to be "
            f"of use; got {number}."
        )
    count = min(MOST_IMAGES, max(16, MOST_NUMBERS // first.numel()))
    x = images[: times * count]
    if not x.is_floating_point():
        raise ValueError(
            f"{what} must be floating-point numbers, got {x.dtype}: for bytes "
            "divide by 255, or use x.float() / 127.5 - 1 for [−1, 1]."
        )
    if not torch.isfinite(x).all():
        raise ValueError(f"{what} hold NaN or infinity: mend the data first.")
    if subject.module is not None:
        some = next(subject.module.parameters(), None)
        if some is not None:
            x = x.to(some.device, some.dtype)
    return x.detach().clone()  # a model may write into what it is given
