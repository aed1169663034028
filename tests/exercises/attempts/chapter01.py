"""Chapter 1: attempts as students write them, right and wrong."""

import math
from fractions import Fraction

import numpy as np
import torch

RIGHT, WRONG = {}, {}

# --- 1.1: a code of three numbers -------------------------------------------


def step_of(s):
    return s[1] - s[0] if len(s) > 1 else 0


def counted(code):
    first, step, length = code
    found = []
    while len(found) < length:
        found.append(first)
        first += step
    return found


def three(s):
    return [s[0], step_of(s), len(s)]


def by_range(code):
    first, step, length = code
    if step == 0:
        return [first] * length
    return list(range(first, first + step * length, step))


RIGHT["1.1"] = {
    "a list and a while": (three, counted),
    "a range": (three, by_range),
    "last in place of the step": (
        lambda s: (s[0], s[-1], len(s)),
        lambda c: (
            [c[0]]
            if c[2] == 1
            else [c[0] + (c[1] - c[0]) // (c[2] - 1) * i for i in range(c[2])]
        ),
    ),
    "numpy": (
        lambda s: np.array([s[0], step_of(s), len(s)]),
        lambda c: c[0] + c[1] * np.arange(c[2]),
    ),
    "fractions": (
        lambda s: [Fraction(each) for each in three(s)],
        lambda c: [int(c[0] + c[1] * i) for i in range(int(c[2]))],
    ),
    "floats": (
        lambda s: tuple(map(float, three(s))),
        lambda c: [round(c[0] + c[1] * i) for i in range(int(c[2]))],
    ),
    "backwards": (
        lambda s: (s[-1], step_of(s), len(s)),
        lambda c: [c[0] - c[1] * i for i in reversed(range(c[2]))],
    ),
    "a generator inside": (
        three,
        lambda c: tuple(c[0] + c[1] * i for i in range(c[2])),
    ),
    "torch": (
        lambda s: torch.tensor(three(s)),
        lambda c: c[0] + c[1] * torch.arange(int(c[2])),
    ),
}

kept = {}


def keeps(s):
    kept["s"] = list(s)
    return three(s)


def counts_calls():
    calls = []

    def first(s):
        calls.append(s)
        return len(calls), 0, 0

    return first, lambda c: calls[-1]


WRONG["1.1"] = {
    "a global": (
        (keeps, lambda c: kept["s"]),
        "something passes beside the code",
    ),
    "the last call": (counts_calls(), "something passes beside the code"),
    "one too many": (
        (three, lambda c: [c[0] + c[1] * i for i in range(c[2] + 1)]),
        "one number too many",
    ),
    "one too few": (
        (three, lambda c: [c[0] + c[1] * i for i in range(c[2] - 1)]),
        None,
    ),
    "starts late": (
        (three, lambda c: [c[0] + c[1] * i for i in range(1, c[2] + 1)]),
        "the first number is lost",
    ),
    "no step": ((three, lambda c: [c[0] + i for i in range(c[2])]), None),
    "always rising": (
        (lambda s: (s[0], abs(step_of(s)), len(s)), counted),
        "the step of a sequence that falls",
    ),
    "always falling": ((lambda s: (s[0], -step_of(s), len(s)), counted), None),
    "the length by the last": (
        (
            lambda s: (s[0], s[-1], step_of(s)),
            lambda c: list(range(c[0], c[1] + 1, c[2])),
        ),
        None,
    ),
    "no single number": (
        (lambda s: (s[0], s[1] - s[0], len(s)), counted),
        "the sequence of one number",
    ),
    "no single number, from both ends": (
        (
            lambda s: (s[0], (s[-1] - s[0]) // (len(s) - 1), len(s)),
            counted,
        ),
        "the sequence of one number",
    ),
    "the whole sequence": ((tuple, list), "nothing was compressed"),
    "a list inside": ((lambda s: (list(s), 0, 0), lambda c: c[0]), None),
    "text": ((lambda s: (str(s), "", ""), lambda c: eval(c[0])), None),
    "two numbers": (
        (lambda s: (s[0], len(s)), lambda c: [c[0]] * c[1]),
        None,
    ),
    "a dict": (
        (lambda s: dict(zip("abc", three(s), strict=True)), counted),
        None,
    ),
    "maximum and minimum": (
        (
            lambda s: (min(s), max(s), len(s)),
            lambda c: [round(v) for v in np.linspace(*c).tolist()],
        ),
        None,
    ),
    "half the step": (
        (lambda s: (s[0], step_of(s) // 2, len(s)), counted),
        None,
    ),
    "the last step": (
        (lambda s: (s[0], s[-1] - s[-2], len(s)), counted),
        "the sequence of one number",
    ),
    "sorted": ((three, lambda c: sorted(counted(c))), None),
    "emptied": ((lambda s: (s.pop(0), step_of(s), len(s) + 1), counted), None),
}

# --- 1.2: half the squared error --------------------------------------------


def pixel_by_pixel(x, r):
    losses = []
    for image, other in zip(x, r, strict=True):
        loss = 0.0
        for a, b in zip(image.flatten(), other.flatten(), strict=True):
            loss = loss + (a - b) ** 2 / 2
        losses.append(loss)
    return torch.stack(losses)


def into_an_empty_tensor(x, r):
    losses = torch.empty(len(x), dtype=x.dtype)
    for i in range(len(x)):
        losses[i] = ((r[i] - x[i]) ** 2).sum() / 2
    return losses


class HalfSquare(torch.nn.Module):
    def forward(self, x, r):
        return torch.nn.MSELoss(reduction="none")(r, x).sum((1, 2, 3)) / 2


RIGHT["1.2"] = {
    "pixel by pixel": pixel_by_pixel,
    "into an empty tensor": into_an_empty_tensor,
    "a module inside": lambda x, r: HalfSquare()(x, r),
    "the module itself": HalfSquare(),
    "powers": lambda x, r: torch.pow(r - x, 2).sum((-1, -2, -3)).div(2),
    "matrix product": lambda x, r: (
        lambda d: (0.5 * d @ d.transpose(1, 2)).reshape(len(d))
    )((x - r).reshape(len(x), 1, -1)),
    "mean times size": lambda x, r: (
        0.5 * (x - r).pow(2).flatten(1).mean(1) * x[0].numel()
    ),
    "binomial": lambda x, r: (
        0.5
        * (x.double() ** 2 - 2 * x.double() * r.double() + r.double() ** 2)
        .sum((1, 2, 3))
        .to(x.dtype)
    ),
    "vmap": lambda x, r: torch.func.vmap(
        lambda a, b: 0.5 * ((a - b) ** 2).sum()
    )(x, r),
}
square = lambda x, r: (x - r).square().flatten(1)  # noqa: E731
WRONG["1.2"] = {
    "a mean": (lambda x, r: square(x, r).mean(1) / 2, "mean over the pixels"),
    "no half": (lambda x, r: square(x, r).sum(1), "no half"),
    "the library": (
        torch.nn.functional.mse_loss,
        "one mean for everything",
    ),
    "everything": (
        lambda x, r: square(x, r).sum() / 2,
        "summed over the batch, too",
    ),
    "batch mean": (
        lambda x, r: square(x, r).sum() / 2 / len(x),
        "the mean over the batch",
    ),
    "absolute": (
        lambda x, r: (x - r).abs().flatten(1).sum(1) / 2,
        "the absolute error",
    ),
    "root": (
        lambda x, r: square(x, r).sum(1).sqrt(),
        "the length, not its square",
    ),
    "sum first": (
        lambda x, r: (x - r).flatten(1).sum(1) ** 2 / 2,
        "summed, then squared",
    ),
    "negative": (lambda x, r: -square(x, r).sum(1) / 2, "the sign"),
    "negative, no half": (
        lambda x, r: -square(x, r).sum(1),
        "no half",
    ),
    "no square": (lambda x, r: (x - r).flatten(1).sum(1) / 2, None),
    "channels left": (lambda x, r: 0.5 * (x - r).square().sum((2, 3)), None),
    "one axis": (lambda x, r: 0.5 * (x - r).square().sum(1), None),
    "over the batch": (lambda x, r: 0.5 * (x - r).square().sum(0), None),
    "kept dimension": (
        lambda x, r: 0.5 * square(x, r).sum(1, keepdim=True),
        None,
    ),
    "squeezed": (lambda x, r: (0.5 * square(x, r).sum(1)).squeeze(), None),
    "detached": (lambda x, r: 0.5 * square(x, r.detach()).sum(1), None),
    "numpy": (
        lambda x, r: torch.tensor(
            0.5 * ((x - r).detach().numpy() ** 2).sum((1, 2, 3))
        ),
        None,
    ),
    "a list": (lambda x, r: (0.5 * square(x, r).sum(1)).tolist(), None),
    "in double": (lambda x, r: 0.5 * square(x, r).sum(1).double(), None),
    "huber": (
        lambda x, r: (
            torch.nn.functional.smooth_l1_loss(r, x, reduction="none")
            .flatten(1)
            .sum(1)
        ),
        None,
    ),
    "clamped": (lambda x, r: 0.5 * square(x.clamp(0, 1), r).sum(1), None),
    "cross-entropy": (
        lambda x, r: torch.nn.functional.binary_cross_entropy_with_logits(
            r, x, reduction="none"
        ).sum((1, 2, 3)),
        None,
    ),
    "in place": (lambda x, r: 0.5 * x.sub_(r).square().sum((1, 2, 3)), None),
    "a constant more": (
        lambda x, r: (
            0.5 * square(x, r).sum(1)
            + x[0].numel() * 0.5 * math.log(2 * math.pi)
        ),
        None,
    ),
}
