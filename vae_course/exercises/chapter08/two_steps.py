"""Exercise 8.4: whose gradient is it?"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from vae_course.exercises.engine.results import Flawed, something
from vae_course.exercises.exercise import Exercise, Mistake, Trial

DECODER, CRITIC = "the decoder's gradient", "the critic's gradient"


def both_gradients(decoder, critic, z, x):
    """The gradients of one step of a decoder, and of one of its critic.

    The decoder makes z @ decoder, and the critic scores images by
    image @ critic. The decoder's loss is the mean of Σ|x − x̂| over the batch,
    minus the mean score of x̂. The critic's is the hinge loss of exercise 8.2.

    Args:
        decoder: weights, (D, P), with a gradient.
        critic: weights, (P, 1), with a gradient.
        z: codes, (B, D).
        x: images, (B, P).

    Returns:
        The gradient that the decoder's optimizer should get, (D, P), and the
        one that the critic's should, (P, 1).
    """
    fake = z @ decoder
    loss = (x - fake).abs().sum(1).mean() - (fake @ critic).mean()
    (for_decoder,) = torch.autograd.grad(loss, decoder)
    real, fake = x @ critic, fake.detach() @ critic
    loss = 0.5 * (F.relu(1 - real).mean() + F.relu(1 + fake).mean())
    (for_critic,) = torch.autograd.grad(loss, critic)
    return for_decoder, for_critic


def _pair(attempt: Callable, decoder, critic, z, x) -> dict[str, Tensor]:
    decoder = decoder.clone().requires_grad_()
    critic = critic.clone().requires_grad_()
    found = attempt(decoder, critic, z, x)
    something(found)
    if not isinstance(found, tuple | list) or len(found) != 2:
        raise Flawed(
            "kind",
            "The function should return a pair: the decoder's gradient, and "
            "the critic's.",
        )
    return dict(zip((DECODER, CRITIC), found, strict=True))


def _by_hand(decoder, critic, z, x) -> dict[str, Tensor]:
    """Both gradients without autograd."""
    fake = z @ decoder
    count = len(x)
    at_fake = (fake - x).sign() / count - critic.T / count  # (B, P)
    real_short = (1 - x @ critic > 0).to(x)  # (B, 1)
    fake_short = (1 + fake @ critic > 0).to(x)
    for_critic = fake.T @ fake_short - x.T @ real_short
    return {DECODER: z.T @ at_fake, CRITIC: 0.5 * for_critic / count}


def _trials() -> Iterator[Trial]:
    for b, d, p, dtype in (
        (1, 1, 2, torch.float32),
        (6, 2, 4, torch.float32),
        (5, 3, 4, torch.float64),
    ):
        arguments = {
            "decoder": torch.randn(d, p, dtype=dtype),
            "critic": torch.randn(p, 1, dtype=dtype) / 2,
            "z": torch.randn(b, d, dtype=dtype),
            "x": torch.randn(b, p, dtype=dtype),
        }
        if b == 1:  # a pair inside the margin, whatever is drawn
            arguments["critic"] = torch.tensor([[0.3], [-0.2]])
            arguments["decoder"] = torch.tensor([[0.5, 1.0]])
            arguments["z"] = torch.tensor([[1.0]])
            arguments["x"] = torch.tensor([[1.0, 0.5]])
        expected = _by_hand(*(a.double() for a in arguments.values()))
        yield Trial(
            arguments,
            expected,
            measure=_pair,
            shown=f"{b} images of {p} pixels, codes of {d}",
        )


def _written(leak: bool, detach: bool, sign: float = 1.0, dull: bool = False):
    """The step by ``backward`` and ``.grad``, as optimizers see it."""

    def gradients(decoder, critic, z, x):
        fake = z @ decoder
        seen = fake.detach() if dull else fake
        loss = (x - fake).abs().sum(1).mean() - sign * (seen @ critic).mean()
        loss.backward(retain_graph=True)
        if not leak:
            critic.grad = None
        for_decoder = decoder.grad.clone()
        shown = fake.detach() if detach else fake
        real, scores = x @ critic, shown @ critic
        loss = 0.5 * (F.relu(1 - real).mean() + F.relu(1 + scores).mean())
        loss.backward()
        if not detach:
            for_decoder = decoder.grad
        return for_decoder, critic.grad

    return gradients


def _blind(decoder, critic, z, x):
    """No score in the decoder's loss at all."""
    return _written(False, True, 0.0)(decoder, critic, z, x)


def _exchanged(decoder, critic, z, x):
    first, second = both_gradients(decoder, critic, z, x)
    return second, first


TWO_STEPS = Exercise(
    number="8.4",
    title="Whose gradient is it?",
    prompt="""\
Two models with opposite aims share one graph: the decoder's loss runs through
the critic, and the critic's loss starts from what the decoder made. Each must
learn from its own loss alone. Return the two gradients that the two optimizers
should get; the models here are two matrices, so that nothing else is in the
way.""",
    solution=both_gradients,
    why="""\
The decoder's loss has to go *through* the critic, so detaching there would
silence it; only it must not leave its gradient *in* the critic. Asking for the
gradient of one matrix does that; so does clearing the critic's gradients
before its own step. The critic's loss takes the reconstruction detached: else
it trains the decoder to be caught.""",
    proved="each of your gradients is that of its own loss, and nothing of "
    "the other's is in it.",
    hints=(
        "Which of the two losses may send a gradient to the decoder? And "
        "which to the critic?",
        "`torch.autograd.grad(loss, weights)` gives a gradient and stores "
        "nothing. `backward` adds to `.grad` of *everything* that the loss "
        "depends on; then something has to be cleared.",
        "For the decoder keep the critic in the graph. For the critic score "
        "the same reconstructions again, from `.detach()`.",
    ),
    trials=_trials,
    mistakes=(
        Mistake(
            "the first step's gradient stays in the critic",
            _written(leak=True, detach=True),
            "The decoder's step left its gradient in the critic, and the "
            "critic's own was added to it: part of your critic's step makes "
            "it *easier* to fool.",
            "the decoder's optimizer moves the decoder alone, so nothing "
            "seems to happen to the critic. Its `.grad` fills all the same.",
        ),
        Mistake(
            "the reconstruction is not detached",
            _written(leak=False, detach=False),
            "The critic's loss reaches the decoder: your decoder also learns "
            "to be caught.",
            "it is the same reconstruction, and both losses are computed "
            "anyway.",
        ),
        Mistake(
            "both leaks",
            _written(leak=True, detach=False),
            "Each gradient holds part of the other's loss: one `backward` "
            "through everything moved both.",
            "adding the two losses and going back once is shorter.",
        ),
        Mistake(
            "detached where it must not be",
            _written(leak=False, detach=True, dull=True),
            "Your decoder hears nothing from the critic: the reconstruction "
            "is detached in the *decoder's* loss, too.",
            "one detach is right, so two seem safer.",
            also=(_blind,),
        ),
        Mistake(
            "the sign of the score",
            _written(leak=False, detach=True, sign=-1.0),
            "Your decoder is paid for *low* scores: it learns to be caught. "
            "Its loss has *minus* the mean score.",
            "losses are minimised, and what is to be large needs a minus.",
        ),
        Mistake(
            "exchanged",
            _exchanged,
            "The two gradients are exchanged: the decoder's comes first.",
            "a pair has an order.",
        ),
    ),
    alternatives=(
        _written(leak=False, detach=True),
        lambda decoder, critic, z, x: tuple(
            _by_hand(decoder.detach(), critic.detach(), z, x).values()
        ),
        lambda decoder, critic, z, x: [
            *torch.autograd.grad(
                (z @ decoder - x).abs().sum() / len(x)
                - (z @ decoder @ critic.detach()).mean(),
                decoder,
            ),
            *torch.autograd.grad(
                F.relu(
                    torch.cat(
                        [1 - x @ critic, 1 + (z @ decoder).detach() @ critic]
                    )
                ).mean(),
                critic,
            ),
        ],
    ),
)
