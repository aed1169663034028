"""Asked twice, it says the same, and leaves what it was given as it was."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from vae_course.diagnosis.bench import Bench, undisturbed
from vae_course.diagnosis.reading import Reading

SAME = 1e-4  # relative; single precision in another order of sums


def difference(a: Tensor, b: Tensor) -> float:
    """‖a − b‖ over ‖a − its mean‖, or ‖a‖ if a is constant."""
    a, b = a.double(), b.double()
    size = (a - a.mean()).norm()
    size = size if size > 1e-6 * a.norm() else a.norm()
    return ((a - b).norm() / size.clamp(min=1e-30)).item()


def repeat(bench: Bench) -> list[Reading]:
    """A second call, the mode, and the caller's tensors. Chapters 2 and 7.

    q(z|x) and p(x|z) are functions: the same input gives the same parameters.
    Relative differences, no unit; the band is 1e-4, which single precision
    keeps. "As it is handed over" is compared with evaluation mode: a model
    that is left in training mode answers with dropout or with the statistics
    of its batch. Inputs are compared bit by bit.
    """
    subject, module = bench.subject, bench.subject.module
    x = bench.some
    found = []
    with torch.no_grad():
        z = subject.codes(x).clone()
        given = moments(bench, x), subject.image(z)
        for name, before, again in (
            ("encoding", given[0], lambda: moments(bench, x)),
            ("decoding", given[1], lambda: subject.image(z)),
        ):
            found.append(
                Reading(
                    f"{name} twice: difference",
                    difference(before, again()),
                    high=SAME,
                    symptom=f"A second call of {name[:-3]}e differs from the "
                    "first: something in it is random, remembers, or changes "
                    "what it is given.",
                    looks="Reconstructions flicker from run to run.",
                    chapter=2,
                )
            )
        if module is not None and module.training:
            with undisturbed(module):
                module.eval()
                quiet = moments(bench, x), subject.image(z)
            worst = max(
                difference(b, a) for a, b in zip(given, quiet, strict=True)
            )
            found.append(
                Reading(
                    "as it is handed over, against evaluation mode",
                    worst,
                    high=SAME,
                    symptom="The model was left in training mode, and that "
                    "changes what it says: call eval() before you measure.",
                    looks="Held-out numbers that are a little worse, and "
                    "differ between batches.",
                    chapter=2,
                )
            )
    found.append(_untouched(bench, x, z))
    return found


def moments(bench: Bench, x: Tensor) -> Tensor:
    """Mean and σ of q(z|x), side by side; or the code."""
    q = bench.subject.posterior(x)
    if q is None:
        return bench.subject.codes(x)
    return torch.cat([q.mean.flatten(1), q.stddev.flatten(1)], dim=1)


def _untouched(bench: Bench, x: Tensor, z: Tensor) -> Reading:
    """How many of its functions change the tensor that they are handed."""
    subject = bench.subject
    mean, log_var = z.clone(), torch.zeros_like(z)

    def fresh(tensor: Tensor, function: Callable) -> bool:
        handed = tensor.clone()
        with undisturbed(subject.module), torch.no_grad():
            function(handed)
        return torch.equal(handed, tensor)

    calls = {"encode": (x, subject.encode), "decode": (z, subject.decode)}
    if subject.loss is not None:
        calls["loss"] = (x, subject.loss)
    if subject.draw is not None:
        calls["draw"] = (mean, lambda m: subject.draw(m, log_var))
    if subject.rate is not None:
        calls["rate"] = (mean, lambda m: subject.rate(m, log_var))
    if subject.distance is not None:
        calls["distance"] = (x, lambda y: subject.distance(y, x))
    for name in ("scale", "unscale"):
        if getattr(subject, name) is not None:
            calls[name] = (z, getattr(subject, name))
    changed = [name for name, call in calls.items() if not fresh(*call)]
    return Reading(
        "functions that change their caller's tensor",
        float(len(changed)),
        0,
        0,
        f"What is handed to {', '.join(changed)} comes back changed: "
        "something is computed in place.",
        "The second use of the same tensor is wrong, far from the fault.",
        7,
    )
