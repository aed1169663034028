"""Exercise 10.6: a term that helps nobody."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vae_course.exercises.chapter10.broken import brought_in
from vae_course.exercises.exercise import Exercise, Mistake, trials_against
from vae_course.museum.judging import broken_perceptual_term, perceptual_term


class Judge(nn.Module):
    """A small network that compares two pictures by its features."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 3, 3, 3))

    def forward(self, image: Tensor, x: Tensor) -> Tensor:
        f, g = (F.conv2d(each, self.weight.to(each)) for each in (image, x))
        # Errors at bright places of the original count more: not symmetric.
        heard = 1 + g.detach().abs()
        return ((f - g.detach()).square() * heard).flatten(1).sum(dim=1)


def _by_hand(judge, image, x):
    return sum(judge(image, x)) / len(x)


def _inputs() -> Iterator[dict[str, Any]]:
    for batch, side, dtype in (
        (1, 3, torch.float32),
        (2, 4, torch.float32),
        (3, 5, torch.float64),
        (5, 3, torch.float32),
    ):
        x = torch.rand(batch, 3, side, side, dtype=dtype) * 2 - 1
        image = x + 0.1 * torch.randn_like(x) * torch.arange(
            1, batch + 1
        ).view(-1, 1, 1, 1)
        yield {"judge": Judge(), "image": image.to(dtype), "x": x}
    x = torch.rand(2, 3, 3, 3) * 2 - 1  # so near that a floor would show
    near = x + 1e-3 * torch.randn_like(x)
    yield {"judge": Judge(), "image": near, "x": x}


JUDGE = Exercise(
    number="10.6",
    title="A term that helps nobody",
    prompt=brought_in(
        "judge-unheard",
        "The gradient that it sends to the image has norm 0. Mend it: the "
        "image learns. The judge's own weights are frozen or left out of the "
        "optimizer by the caller.",
    ),
    solution=perceptual_term,
    why="""\
`no_grad` cuts the graph at every operation, also where it leads through the
judge to the image. Its weights are kept from learning by `requires_grad_`, or
by leaving them out of the optimizer; the operations stay in the graph. Under
`no_grad` belongs only what is no function of the image: the features of the
original.""",
    proved="your term has the right value, and its gradient reaches the "
    "reconstruction.",
    hints=(
        "Through which operations does the gradient walk back from the "
        "distance to the image?",
        "Keeping weights from learning, and keeping a graph from being built, "
        "are two things.",
        "The judge is called as it is now, only not there.",
    ),
    trials=lambda: trials_against(_by_hand, _inputs(), ["image"]),
    mistakes=(
        Mistake(
            "no gradient",
            broken_perceptual_term,
            "The value is right, and no gradient reaches the image.",
            "the judge should not learn, and `no_grad` is what one knows.",
            also=(lambda judge, image, x: judge(image.detach(), x).mean(),),
        ),
        Mistake(
            "image and original exchanged",
            lambda judge, image, x: judge(x, image).mean(),
            "You gave the judge the original first: it takes the "
            "reconstruction first, and lets the gradient through there alone.",
            "a distance should not mind; this one does.",
        ),
        Mistake(
            "summed over the batch",
            lambda judge, image, x: judge(image, x).sum(),
            "You summed over the batch; the mean is asked for.",
            "all other terms are sums, over an image.",
        ),
        Mistake(
            "not averaged",
            lambda judge, image, x: judge(image, x),
            "You return a distance for each image; their mean is asked for.",
            "the judge's answer is nearly the answer.",
        ),
        Mistake(
            "minus",
            lambda judge, image, x: -judge(image, x).mean(),
            "Yours is minus the distance: training would raise it.",
            "critics are fooled by a minus; this is no critic.",
        ),
        Mistake(
            "pixels compared",
            lambda judge, image, x: (
                (image - x).square().flatten(1).sum(1).mean()
            ),
            "You compare pixels; the judge compares features.",
            "that has a gradient.",
        ),
    ),
    alternatives=(
        _by_hand,
        lambda judge, image, x: torch.stack(
            [judge(a[None], b[None])[0] for a, b in zip(image, x, strict=True)]
        ).mean(),
    ),
)
