"""A claim: one sentence, the condition it stands on, and the numbers.

``claim("the rate falls with β", rates == sorted(rates)[::-1], "61 → 0 nats")``
prints ``✓ the rate falls with β (61 → 0 nats)``, and stops the notebook where
the condition does not hold. When a notebook is tested, the sentence is
compared with the one that the page shows; what stands in brackets may differ
from machine to machine (``notebooks/sanitize.cfg``).
"""

from __future__ import annotations

import numpy as np
import torch


def claim(sentence: str, holds: bool, numbers: str = "") -> None:
    """Says what was found, if it was found.

    Args:
        sentence: what is claimed, no stronger than the condition. It has no
            brackets after a space, because these set off the numbers.
        holds: the condition, one truth value: Python's, NumPy's or a tensor's.
        numbers: what was measured, shown in brackets.

    Raises:
        AssertionError: the condition is false; the message is the sentence.
        TypeError: the condition is no truth value. A list or a number would
            count as true whatever it says.
        ValueError: the sentence is empty, has more than one line, or has
            brackets that would be taken for the numbers.
    """
    if not sentence.strip() or "\n" in sentence + numbers or " (" in sentence:
        raise ValueError(
            "A claim is one sentence on one line, without brackets after a "
            f"space; numbers go into the third argument: {sentence!r}."
        )
    said = f"{sentence} ({numbers})" if numbers else sentence
    if not _truth(holds):
        raise AssertionError(f"This does not hold: {said}")
    print(f"✓ {said}")


def _truth(holds: object) -> bool:
    if isinstance(holds, torch.Tensor | np.ndarray):
        if holds.ndim == 0 and holds.dtype in (torch.bool, np.dtype(bool)):
            return bool(holds)
    elif isinstance(holds, bool | np.bool_):
        return bool(holds)
    raise TypeError(
        "The condition of a claim is one truth value, got "
        f"{type(holds).__name__}; compare, and use all(…) or .all() over many."
    )
