"""Whether an accepted attempt computes the same as the solution, elsewhere."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vae_course.exercises.exercise import Exercise

SEEDS = (101, 102, 103)
CALLS = 12  # inputs that are kept from each seed


def differs(exercise: Exercise, right: tuple, attempt: tuple) -> str:
    """Where the two differ: words, or nothing where they agree.

    Both are called with the inputs that the trials of other seeds would give
    to the right solution, and with these inputs changed.
    """
    if exercise.value:
        same = _same(*map(_plain, (right[0], attempt[0])))
        return "" if same else "its value"
    if any(isinstance(each, type) for each in right):
        return "a class: its weights differ at every building"
    for seed in SEEDS:
        for place, arguments in _calls(exercise, right, seed):
            for words, changed in _elsewhere(arguments):
                one = _called(right[place], changed)
                if isinstance(one, str):
                    continue  # not an input that the task is about
                other = _called(attempt[place], changed)
                if not _same(one, other):
                    return words
    return ""


def _calls(
    exercise: Exercise, right: tuple, seed: int
) -> list[tuple[int, tuple]]:
    """(which part, arguments) of what the trials call."""
    seen: list[tuple[int, tuple]] = []

    def watched(place: int, part: Callable) -> Callable:
        def call(*arguments):
            if len(seen) < CALLS:
                seen.append((place, tuple(map(_copied, arguments))))
            return part(*arguments)

        return call

    watching = tuple(watched(i, part) for i, part in enumerate(right))
    _seed(seed)
    for trial in exercise.trials():
        given = copy.deepcopy(trial.arguments)
        if trial.measure is None:
            watching[0](*given.values())
        else:
            trial.measure(*watching, *given.values())
    return seen


def _copied(value: Any) -> Any:
    """A copy without the graph that made it."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    return copy.deepcopy(value)


def _elsewhere(arguments: tuple) -> Iterator[tuple[str, tuple]]:
    """The input itself, and others like it."""
    yield "the inputs of another seed", arguments
    # From here on: other shapes and types, which show what was clamped.
    tensors = [a for a in arguments if isinstance(a, Tensor) and a.ndim]
    if not tensors:
        return
    rows = len(tensors[0])

    def every(change: Callable) -> tuple:
        return tuple(
            change(a) if isinstance(a, Tensor) and a.ndim else a
            for a in arguments
        )

    if rows > 1:
        yield "the first row", every(lambda t: t[:1] if len(t) == rows else t)
    yield (
        "rows taken twice",
        every(lambda t: torch.cat([t, t]) if len(t) == rows else t),
    )
    if not any(isinstance(a, nn.Module) for a in arguments):
        yield (
            "double precision",
            every(lambda t: t.double() if t.is_floating_point() else t),
        )
    for factor in (0.1, 5.0):
        yield (
            f"values {factor:g} times as large",
            every(
                lambda t, factor=factor: (
                    t * factor if t.is_floating_point() and _is_free(t) else t
                )
            ),
        )


def _is_free(values: Tensor) -> bool:
    """Whether values look as if they could be any others."""
    inside = ((values >= 0) & (values <= 1)).all()  # probabilities, images
    return not inside


def _called(part: Callable, arguments: tuple) -> Any:
    """The result as plain data; text for an exception."""
    _seed(7)
    given = copy.deepcopy(arguments)
    try:
        result = _plain(part(*given))
    except Exception as error:
        return type(error).__name__
    finally:
        torch.set_grad_enabled(True)
    if not _same(_plain(given), _plain(arguments)):
        return "wrote to its input"
    return result


def _plain(value: Any) -> Any:
    if isinstance(value, Tensor):
        return (str(value.dtype), value.detach().clone())
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, nn.Module):
        return _plain(list(value.state_dict().values()))
    if isinstance(value, torch.distributions.Distribution):
        return [_plain(v) for v in vars(value).values() if v is not None]
    if isinstance(value, np.ndarray | np.generic):
        return torch.as_tensor(value)
    return value


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return one.shape == other.shape and torch.allclose(
            one.double(), other.double(), rtol=1e-4, atol=1e-5, equal_nan=True
        )
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, int | float) and isinstance(other, int | float):
        return abs(one - other) <= 1e-4 * (abs(one) + 0.1) or one == other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(
            _same(one[k], other[k]) for k in one
        )
    return type(one) is type(other) and bool(one == other)


def _seed(seed: int) -> None:
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)
