"""Exercise 10.7: nothing to complain about."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch

from vae_course.exercises.chapter10.broken import brought_in
from vae_course.exercises.engine.results import something
from vae_course.exercises.exercise import Exercise, Mistake, Trial
from vae_course.museum.training import accumulated, broken_accumulated

LR = 0.5


class _Counting(torch.optim.SGD):
    """An optimizer that counts its steps."""

    taken = 0

    def step(self, closure=None):
        self.taken += 1
        return super().step(closure)


def _epoch(attempt: Callable, batches: list, parts: int) -> dict:
    """Where a weight that learns towards each batch stands afterwards."""
    weight = torch.zeros((), requires_grad=True)
    optimizer = _Counting([weight], lr=LR)
    attempt(
        lambda batch: 0.5 * (weight - batch) ** 2, optimizer, batches, parts
    )
    untouched = weight.grad is None and not optimizer.taken
    if untouched and len(batches) >= parts:
        something(None)  # the stub, or as good as it
    left = 0.0 if weight.grad is None else weight.grad.item()
    return {
        "the weight": weight.item(),
        "steps": float(optimizer.taken),
        "gradient left over": left,
    }


def _by_hand(batches: list, parts: int) -> dict:
    weight, steps = 0.0, 0
    for start in range(0, len(batches), parts):
        share = batches[start : start + parts]
        weight -= LR * sum(weight - batch for batch in share) / parts
        steps += 1
    return {
        "the weight": weight,
        "steps": float(steps),
        "gradient left over": 0.0,
    }


def _trials() -> Iterator[Trial]:
    for count, parts in (
        (2, 2),
        (1, 2),
        (4, 2),
        (5, 2),
        (10, 4),
        (3, 1),
        (7, 3),
    ):
        batches = (4 * torch.rand(count, dtype=torch.float64) + 1).tolist()
        yield Trial(
            {"batches": batches, "parts": parts},
            _by_hand(batches, parts),
            _epoch,
            shown=f"{count} batches, {parts} to a step",
        )


def _other(
    now: Callable = lambda number, parts, count: number % parts == 0,
    weigh: Callable = lambda parts: 1 / parts,
    forget: bool = True,
    at_the_end: bool = True,
) -> Callable:
    def wrong(loss, optimizer, batches, parts):
        for number, batch in enumerate(batches, 1):
            (loss(batch) * weigh(parts)).backward()
            last = number == len(batches) and at_the_end
            if now(number, parts, len(batches)) or last:
                optimizer.step()
                if forget:
                    optimizer.zero_grad()

    return wrong


def _twice_at_the_end(loss, optimizer, batches, parts):
    accumulated(loss, optimizer, batches, parts)
    optimizer.step()


def _always_once_more(loss, optimizer, batches, parts):
    broken_accumulated(loss, optimizer, batches, parts)
    optimizer.step()
    optimizer.zero_grad()


def _left_in_place(loss, optimizer, batches, parts):
    broken_accumulated(loss, optimizer, batches, parts)
    if len(batches) % parts:
        optimizer.step()


def _only_the_last_part(loss, optimizer, batches, parts):
    for number, batch in enumerate(batches, 1):
        optimizer.zero_grad()
        (loss(batch) / parts).backward()
        if number % parts == 0 or number == len(batches):
            optimizer.step()
    optimizer.zero_grad()


def _own_count(loss, optimizer, batches, parts):
    for start in range(0, len(batches), parts):
        share = batches[start : start + parts]
        for batch in share:
            (loss(batch) / len(share)).backward()
        optimizer.step()
        optimizer.zero_grad()


def _thrown_away(loss, optimizer, batches, parts):
    broken_accumulated(loss, optimizer, batches, parts)
    optimizer.zero_grad()


def _by_shares(loss, optimizer, batches, parts):
    for start in range(0, len(batches), parts):
        share = batches[start : start + parts]
        sum(loss(batch) / parts for batch in share).backward()
        optimizer.step()
        optimizer.zero_grad()


def _behind(loss, optimizer, batches, parts):
    broken_accumulated(loss, optimizer, batches, parts)
    if len(batches) % parts:
        optimizer.step()
        optimizer.zero_grad()


ACCUMULATED = Exercise(
    number="10.7",
    title="Nothing to complain about",
    prompt=brought_in(
        "the-last-two",
        "Of ten batches, four to a step, two never move the weights. Mend it: "
        "after one epoch each batch has counted, with a weight of 1/parts, "
        "and no gradient is left over.",
    ),
    solution=accumulated,
    why="""\
What is left at the end of an epoch is a step as well, a shorter one: each of
its batches weighs what every other batch weighs. Left where they are, those
gradients are lost with the program, or mixed into the next epoch's first step,
computed for weights that are no more.""",
    proved="every batch counts once, each with the same weight, and nothing "
    "is left over.",
    hints=(
        "Take five batches, two to a step, and write down after which of "
        "them the weights move.",
        "When must a step be taken, besides at every multiple of `parts`?",
        "The loop knows when it is at its end: the number of the batch is "
        "then how many there are. It must hold once, not twice.",
    ),
    trials=_trials,
    mistakes=(
        Mistake(
            "the last ones left over",
            broken_accumulated,
            "The last batches are accumulated and never used: their gradient "
            "is left over.",
            "counts are mostly divisible, in examples.",
        ),
        Mistake(
            "the last ones thrown away",
            _thrown_away,
            "Nothing is left over, because the last gradients are thrown "
            "away; their batches never counted.",
            "a clean start for the next epoch.",
        ),
        Mistake(
            "one step more, always",
            _always_once_more,
            "A step is taken at the end in any case, also where nothing has "
            "been accumulated.",
            "a step without a gradient does little. Of momentum it does.",
        ),
        Mistake(
            "the last gradient stays",
            _left_in_place,
            "The last step is taken, and its gradient is left for the next "
            "epoch, which adds it once more.",
            "`step` uses the gradient, and does not use it up.",
        ),
        Mistake(
            "not divided",
            _other(weigh=lambda parts: 1.0),
            "The loss is not divided by the number of parts: steps are that "
            "much longer.",
            "gradients add up by themselves; the mean has to be made.",
        ),
        Mistake(
            "a step for each batch",
            _other(now=lambda number, parts, count: True),
            "You step after every batch, so nothing is accumulated.",
            "then no batch is lost.",
        ),
        Mistake(
            "one step an epoch",
            _other(now=lambda number, parts, count: False),
            "There is one step, at the end of the epoch.",
            "`or` became `and`, or the first condition went.",
        ),
        Mistake(
            "never forgotten",
            _other(forget=False),
            "Gradients are never set to zero: each step uses those of all "
            "steps before.",
            "it is one line, and nothing fails without it.",
        ),
        Mistake(
            "only the last part counts",
            _only_the_last_part,
            "Gradients are forgotten before every batch: of each step only "
            "the last part counts.",
            "`zero_grad` before `backward` is the habit.",
        ),
        Mistake(
            "the first alone",
            _other(now=lambda number, parts, count: number % parts == 1),
            "You count from 0 or 1 otherwise than the loop does: the first "
            "batch steps alone.",
            "off by one.",
        ),
        Mistake(
            "a mean over what is there",
            _own_count,
            "The last step is divided by its own number of batches: these "
            "weigh more than the others. A weight of 1/parts is asked for.",
            "a mean of two is a mean.",
        ),
    ),
    alternatives=(_by_shares, _behind),
)
