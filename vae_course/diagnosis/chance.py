"""How far a healthy number may stray: bands from the number of draws.

A band is wide enough that a healthy subject leaves it by chance less than once
in a million readings (5 standard errors of a normal number; 5.7e-7 on both
sides together). With some thirty such readings a report, one report in 50,000
or so has a false alarm from chance alone.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

ERRORS = 5.0  # standard errors
# Kolmogorov: P(√N · distance > t) ≈ 2 exp(−2t²), which is 6e-7 here.
KOLMOGOROV = 2.74


def of_mean(count: int) -> float:
    """Half the band of a mean of ``count`` standard normal numbers."""
    return ERRORS / math.sqrt(count)


def of_variance(count: int, worst_of: int = 1) -> tuple[float, float]:
    """The band of a mean of ``count`` squared standard normal numbers.

    Wilson & Hilferty 1931: the cube root of χ²/n is nearly normal.

    Args:
        count: of numbers in the mean.
        worst_of: of how many such means the worst is looked at. The tail of a
            normal number at 5 falls by a factor of 10 for each 0.44.
    """
    errors = ERRORS + 0.44 * math.log10(worst_of)
    spread = 2 / (9 * count)
    ends = (1 - spread + sign * errors * math.sqrt(spread) for sign in (-1, 1))
    low, high = (max(0.0, end) ** 3 for end in ends)
    return low, high


def of_pairs(differences: Tensor) -> float:
    """Half the band of a mean of paired differences, (N,)."""
    if len(differences) < 2:
        return math.inf
    return ERRORS * (differences.std() / math.sqrt(len(differences))).item()


def kolmogorov_distance(values: Tensor, most: int = 20_000) -> float:
    """√N · sup |F_N − Φ|, of at most ``most`` values, to N(0, 1)."""
    values = values.flatten().double()[:most].sort().values
    share = torch.special.ndtr(values)
    count = len(values)
    above = torch.arange(1, count + 1).to(share) / count - share
    below = share - torch.arange(count).to(share) / count
    return math.sqrt(count) * torch.maximum(above, below).max().item()
