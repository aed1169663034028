"""Exercise 1.4: the angle between two subspaces."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from vae_course.exercises.engine.results import a_number
from vae_course.exercises.exercise import Exercise, Mistake, Trial


def largest_principal_angle(a, b):
    """The largest angle between the spans of the columns of a and of b.

    Zero when the two subspaces are the same, 90 when some direction of one is
    perpendicular to all of the other.

    Args:
        a: linearly independent columns, (P, k); neither orthogonal nor of
            length 1.
        b: likewise, (P, k).

    Returns:
        The angle in degrees, as one number.
    """
    basis_a, _ = torch.linalg.qr(a)  # orthonormal columns, (P, k)
    basis_b, _ = torch.linalg.qr(b)
    cosines = torch.linalg.svdvals(basis_a.T @ basis_b)  # falling, (k,)
    return torch.rad2deg(torch.arccos(cosines.min().clamp(max=1)))


# Degrees: rounding in single precision makes a mistake's zero 0.03, too.
NEAR = 0.1


def _subspaces() -> Iterator[Trial]:
    """Pairs of subspaces that are made to stand at known angles."""
    eye = torch.eye(4)
    yield Trial({"a": eye[:3, :1], "b": 2 * eye[:3, 1:2]}, 90.0, likeness=NEAR)
    yield Trial(
        {"a": torch.tensor([[1.0], [0.0]]), "b": torch.tensor([[1.0], [1.0]])},
        45.0,
        tolerance=1e-3,
        likeness=NEAR,
    )
    yield Trial(  # the same plane, by other columns
        {
            "a": torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]),
            "b": torch.tensor([[1.0, 1.0], [1.0, 2.0], [0.0, 0.0]]),
        },
        0.0,
        tolerance=0.1,
        likeness=NEAR,
    )
    for dtype in (torch.float32, torch.float64):
        lines = torch.randn(60, 5, 1, dtype=dtype)
        yield Trial(
            {"a": lines, "b": 3 * lines},
            0.0,
            _largest_of_all,
            tolerance=0.1,
            likeness=NEAR,
            shown="60 random lines, each beside itself at three times its "
            "length",
        )
    for p, angles, dtype in (
        (7, (10.0, 50.0), torch.float64),
        (30, (0.0, 20.0, 70.0), torch.float32),
        (12, (5.0, 5.0, 5.0, 5.0), torch.float64),
        (40, (0.0,) * 5, torch.float32),
    ):
        k = len(angles)
        axes, _ = torch.linalg.qr(torch.randn(p, 2 * k, dtype=torch.float64))
        turn = torch.deg2rad(torch.tensor(angles, dtype=torch.float64))
        b = axes[:, :k] * turn.cos() + axes[:, k:] * turn.sin()
        # Mixing the columns moves no subspace; these mixtures are far from
        # singular.
        mix = torch.eye(k) + 0.4 * torch.rand(2, k, k) / k
        mix = mix.double() * (1 + torch.arange(k))
        if dtype == torch.float64:  # columns so long that a clamp would show
            mix *= 50
        yield Trial(
            {
                "a": (axes[:, :k] @ mix[0]).to(dtype),
                "b": (b @ mix[1]).to(dtype),
            },
            max(angles),
            # Near zero degrees the arc cosine doubles the lost digits: an
            # error of 1e-7 in the cosine is one of 4e-4 rad, or 0.03 degrees,
            # in the angle.
            tolerance=0.1 / (1 + max(angles))
            if dtype == torch.float32
            else 1e-5,
            likeness=NEAR,
            shown=f"a and b of shape ({p}, {k}), at angles of "
            + ", ".join(f"{angle:g}°" for angle in angles),
        )


def _largest_of_all(attempt: Callable, a: Tensor, b: Tensor) -> float:
    """NaN where any pair has no angle."""
    found = [a_number(attempt(*pair)) for pair in zip(a, b, strict=True)]
    return torch.tensor(found).max().item()


def _cosines(a: Tensor, b: Tensor) -> Tensor:
    first, second = torch.linalg.qr(a)[0], torch.linalg.qr(b)[0]
    return torch.linalg.svdvals(first.T @ second).clamp(max=1)


def _column_by_column(a: Tensor, b: Tensor) -> Tensor:
    cosines = torch.cosine_similarity(a, b, dim=0).clamp(-1, 1)
    return torch.rad2deg(torch.arccos(cosines)).max()


def _by_sine(a: Tensor, b: Tensor) -> float:
    """By how far one basis leaves the other's subspace; exact at zero."""
    first = torch.linalg.svd(a.double(), full_matrices=False)[0]
    second = torch.linalg.svd(b.double(), full_matrices=False)[0]
    outside = second - first @ (first.T @ second)
    return math.degrees(
        math.asin(min(1.0, torch.linalg.matrix_norm(outside, 2).item()))
    )


def _by_projectors(a: Tensor, b: Tensor) -> Tensor:
    """By the norm of the difference of the two projections."""
    a, b = a.double(), b.double()
    apart = a @ torch.linalg.pinv(a) - b @ torch.linalg.pinv(b)
    sine = torch.linalg.matrix_norm(apart, 2).clamp(max=1)
    return torch.asin(sine) * 180 / math.pi


PRINCIPAL_ANGLE = Exercise(
    number="1.4",
    title="The angle between two subspaces",
    prompt="""\
A linear autoencoder has no reason to find PCA's own directions; it is enough
that its directions *span the same subspace*. So compare subspaces: the largest
principal angle between the spans of the columns of `a` and of `b`, in degrees.
Make both bases orthonormal (`torch.linalg.qr`); the singular values of
$Q_a^\\top Q_b$ are then the cosines of the angles.""",
    solution=largest_principal_angle,
    why="""\
For two unit vectors the inner product is the cosine of their angle. For two
orthonormal bases the matrix of all inner products plays this part, and its
singular values are the cosines of the principal angles, whatever bases were
chosen. The smallest cosine belongs to the largest angle. Rounding may push a
cosine above 1, where the arc cosine is undefined, so it is clamped.""",
    proved="your angle is the one that was built in, and no change of "
    "basis moves it.",
    hints=(
        "Which properties of `a` must not matter? Its columns may be long, "
        "slanted, or in another order.",
        "`torch.linalg.qr(a)[0]` has orthonormal columns that span the same "
        "subspace. The singular values of `qa.T @ qb` are the cosines of all "
        "principal angles.",
        "A large angle has a small cosine, so one of the numbers that "
        "`torch.linalg.svdvals` gives is enough: which? Rounding may carry it "
        "above 1, where `arccos` has no value: clamp it. And `arccos` answers "
        "in radians.",
    ),
    trials=_subspaces,
    mistakes=(
        Mistake(
            "bases that are not orthonormal",
            lambda a, b: torch.rad2deg(
                torch.arccos(torch.linalg.svdvals(a.T @ b).min().clamp(max=1))
            ),
            "You did not make the columns orthonormal first, so their "
            "lengths and slants enter the angle.",
            "the formula fits columns of any kind, and PCA's happen to be "
            "orthonormal; an autoencoder's are not.",
            also=(
                lambda a, b: torch.rad2deg(
                    torch.arccos(
                        torch.linalg.svdvals(
                            (a / a.norm(dim=0)).T @ (b / b.norm(dim=0))
                        )
                        .min()
                        .clamp(max=1)
                    )
                ),
            ),
        ),
        Mistake(
            "the smallest angle",
            lambda a, b: torch.rad2deg(torch.arccos(_cosines(a, b).max())),
            "You took the largest cosine, and so the smallest angle: "
            "subspaces that share one direction would count as equal.",
            "the largest cosine sounds like the largest angle, and is the "
            "opposite.",
        ),
        Mistake(
            "radians",
            lambda a, b: torch.arccos(_cosines(a, b).min()),
            "Your angle is in radians: multiply by 180/π.",
            "every function of torch and NumPy returns radians.",
        ),
        Mistake(
            "the cosine itself",
            lambda a, b: _cosines(a, b).min(),
            "You returned the cosine of the angle, not the angle.",
            "the singular values are the end of the linear algebra, and "
            "already between 0 and 1.",
        ),
        Mistake(
            "no clamp",
            lambda a, b: torch.rad2deg(
                torch.arccos(
                    torch.linalg.svdvals(
                        torch.linalg.qr(a)[0].T @ torch.linalg.qr(b)[0]
                    ).min()
                )
            ),
            "Rounding has carried a cosine above 1, where the arc cosine has "
            "no value: clamp it first.",
            "on paper a cosine never exceeds 1, and on most inputs this one "
            "does not, either.",
            also=(
                lambda a, b: torch.rad2deg(
                    torch.arccos(
                        torch.linalg.svdvals(
                            torch.linalg.qr(a)[0].T @ torch.linalg.qr(b)[0]
                        )
                    )
                ).max(),
            ),
        ),
        Mistake(
            "the mean of the angles",
            lambda a, b: torch.rad2deg(torch.arccos(_cosines(a, b))).mean(),
            "You averaged the angles; the largest is asked for.",
            "one number for several is easily an average. It would be small "
            "for subspaces that share all directions but one.",
            also=(
                lambda a, b: torch.rad2deg(
                    torch.arccos(_cosines(a, b).mean())
                ),
            ),
        ),
        Mistake(
            "the whole space",
            lambda a, b: torch.rad2deg(
                torch.arccos(
                    torch.linalg.svdvals(
                        torch.linalg.qr(a, mode="complete")[0].T
                        @ torch.linalg.qr(b, mode="complete")[0]
                    )
                    .min()
                    .clamp(max=1)
                )
            ),
            "Your bases are square: they span the whole space, so every angle "
            "is zero. Keep as many columns as there were.",
            "`svd` completes its bases unless it is told "
            '`full_matrices=False`, and `mode="complete"` sounds safe.',
            also=(lambda a, b: 0.0,),
        ),
        Mistake(
            "the complement",
            lambda a, b: torch.rad2deg(torch.arcsin(_cosines(a, b).min())),
            "You took the arc sine of a cosine: your angle is 90° minus the "
            "right one.",
            "sine and cosine of an angle between subspaces are both in use.",
        ),
        Mistake(
            "column by column",
            _column_by_column,
            "You compared the first column with the first, the second with "
            "the second: two bases of one and the same subspace come out as "
            "different.",
            "for PCA against PCA it works, since both come sorted.",
        ),
    ),
    alternatives=(
        _by_sine,
        _by_projectors,
        lambda a, b: np.degrees(
            np.arccos(
                np.clip(
                    np.linalg.svd(
                        np.linalg.qr(a.numpy())[0].T
                        @ np.linalg.qr(b.numpy())[0],
                        compute_uv=False,
                    ),
                    -1,
                    1,
                )
            )
        ).max(),
    ),
)
