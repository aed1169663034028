"""Exercise 1.3: PCA in four lines."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from vae_course.exercises.exercise import Exercise, Mistake, trials_against


def pca_reconstruction(x, components):
    """The best linear reconstruction of x from a code of few numbers.

    Args:
        x: flattened images, one a row, (N, P).
        components: how many principal components to keep, at most N and P.

    Returns:
        Each row of x projected onto the subspace of the first principal
        components of x, and back in pixels, (N, P).
    """
    mean = x.mean(dim=0)  # (P,)
    _, _, directions = torch.linalg.svd(x - mean, full_matrices=False)
    directions = directions[:components]  # (components, P), one a row
    code = (x - mean) @ directions.T  # (N, components)
    return mean + code @ directions


def _by_covariance(x: Tensor, components: int) -> Tensor:
    """The same by the eigenvectors of the covariance."""
    centred = x - x.mean(dim=0, keepdim=True)
    _, vectors = torch.linalg.eigh(centred.T @ centred)  # rising eigenvalues
    kept = vectors[:, x.shape[1] - components :]  # (P, components)
    return x.mean(dim=0, keepdim=True) + centred @ kept @ kept.T


def _point_clouds() -> Iterator[dict]:
    yield {
        "x": torch.tensor([[0.0, 3.0], [1.0, 3.0], [2.0, 3.0]]),
        "components": 1,
    }
    yield {
        "x": torch.tensor([[5.0, 1.0], [5.0, -1.0], [9.0, 1.0], [9.0, -1.0]]),
        "components": 1,
    }
    for n, p, k, dtype in (
        (6, 4, 2, torch.float32),
        (40, 9, 3, torch.float64),
        (5, 30, 3, torch.float32),
        (20, 6, 6, torch.float64),
    ):
        # Spread 2, 1, ½, … along random axes, far from the origin; what is
        # left out is much smaller, so that iterative methods arrive, too.
        basis, _ = torch.linalg.qr(torch.randn(p, p, dtype=dtype))
        spread = 2.0 ** torch.arange(1, 1 - p, -1, dtype=dtype)
        spread[k:] *= 0.02
        for _ in range(2):  # the same shape twice, but other numbers
            x = torch.randn(n, p, dtype=dtype) * spread @ basis
            x = x + 20 * torch.randn(p, dtype=dtype)
            yield {"x": x, "components": k}
    # Two images are the fewest that vary; of one there is no variance.
    yield {
        "x": torch.tensor([[2.0, -1.0, 5.0], [4.0, 0.5, 5.0]]),
        "components": 1,
    }
    yield {"x": torch.tensor([[2.0], [-1.0], [7.0]]), "components": 1}


def _directions(x: Tensor) -> Tensor:
    """The right singular vectors of x as it is, one a row."""
    return torch.linalg.svd(x, full_matrices=False)[2]


def _onto(x: Tensor, directions: Tensor) -> Tensor:
    return x @ directions.T @ directions


def _left_vectors(x: Tensor, components: int) -> Tensor:
    mean = x.mean(dim=0)
    vectors, _, _ = torch.linalg.svd((x - mean).T, full_matrices=True)
    directions = vectors[
        :components
    ]  # rows, where the columns are the directions
    return mean + (x - mean) @ directions.T @ directions


def _whitened(x: Tensor, components: int) -> Tensor:
    mean = x.mean(dim=0)
    _, scale, directions = torch.linalg.svd(x - mean, full_matrices=False)
    directions, scale = directions[:components], scale[:components]
    return mean + (x - mean) @ directions.T / scale @ directions


PCA = Exercise(
    number="1.3",
    title="PCA in four lines",
    prompt="""\
Before training a linear autoencoder, write down what it should find.
`pca_reconstruction` encodes each row of `x` with the first few principal
components and decodes it again: subtract the mean row, project onto the
directions of largest variance, come back to pixels, and add the mean.
`torch.linalg.svd` gives the directions as rows of its third result, in falling
order of variance.""",
    solution=pca_reconstruction,
    why="""\
The singular vectors of the centred data are the axes along which it varies
most, and no other linear code of the same length leaves a smaller squared
error (Eckart and Young, 1936). The projection is an encoder and a decoder that
share their weights; centring is what their biases do. That is why a linear
autoencoder, trained well, ends in this very subspace.""",
    proved="this is the best that any linear autoencoder can do, for data of "
    "several shapes, down to rounding.",
    hints=(
        "Three steps to the code (centre, find directions, project) and the "
        "same in reverse. What has to be added at the very end?",
        "Centre with the mean image, `x.mean(dim=0)`. `torch.linalg.svd` of "
        "the centred images, with `full_matrices=False`, hands back three "
        "tensors; the rows of the last are the directions, the most important "
        "first.",
        "Keep the first rows: `directions`, (components, P). Centred images "
        "times its transpose are the codes, (N, components). Codes times "
        "`directions` are centred images again, so one thing is still "
        "missing.",
    ),
    trials=lambda: trials_against(_by_covariance, _point_clouds()),
    mistakes=(
        Mistake(
            "no centring",
            lambda x, k: (lambda v: x @ v.T @ v)(
                torch.linalg.svd(x, full_matrices=False)[2][:k]
            ),
            "You did not subtract the mean: your first direction points at "
            "the middle of the data, not along it.",
            "the singular value decomposition never complains. It finds the "
            "best subspace through the origin, and PCA's goes through the "
            "mean.",
            also=(lambda x, k: x.mean(dim=0) + _onto(x, _directions(x)[:k]),),
        ),
        Mistake(
            "directions of data that is not centred",
            lambda x, k: (lambda m, v: m + (x - m) @ v.T @ v)(
                x.mean(dim=0), torch.linalg.svd(x, full_matrices=False)[2][:k]
            ),
            "You centred what you project, and not what the directions come "
            "from: the first of them points at the mean.",
            "the mean is subtracted and added in the last line, where the "
            "formula shows it; the decomposition one line above got the "
            "images as they were.",
        ),
        Mistake(
            "what is projected is not centred",
            lambda x, k: (
                x.mean(dim=0) + _onto(x, _directions(x - x.mean(dim=0))[:k])
            ),
            "Your directions come from centred data, and what you project "
            "onto them is not centred.",
            "`svd(x - mean)` does its subtraction on the way, and leaves `x` "
            "as it was.",
            also=(lambda x, k: _onto(x, _directions(x - x.mean(dim=0))[:k]),),
        ),
        Mistake(
            "one mean for all pixels",
            lambda x, k: (
                x.mean() + _onto(x - x.mean(), _directions(x - x.mean())[:k])
            ),
            "You subtracted one number, the mean of all pixels of all images; "
            "each pixel has its own, `x.mean(dim=0)`.",
            "`.mean()` without `dim` is the shortest thing to write, and "
            "broadcasting takes it everywhere.",
        ),
        Mistake(
            "the mean is not added back",
            lambda x, k: pca_reconstruction(x, k) - x.mean(dim=0),
            "Your reconstructions are centred at zero: you took the mean "
            "away and did not give it back.",
            "the projection looks like the end of the work.",
            upon=lambda solution: lambda x, k: solution(x, k) - x.mean(dim=0),
        ),
        Mistake(
            "the wrong axis",
            lambda x, k: pca_reconstruction(x.T, min(k, *x.shape)).T,
            "You centred each image by its own mean brightness; the mean is "
            "over the images, `dim=0`, one for each pixel.",
            "rows and columns are easily swapped, and the shapes fit either "
            "way.",
            also=(
                lambda x, k: (
                    lambda m: (
                        m
                        + (lambda v: (x - m) @ v.T @ v)(
                            torch.linalg.svd(x - m, full_matrices=False)[2][:k]
                        )
                    )
                )(x.mean(dim=1, keepdim=True)),
            ),
        ),
        Mistake(
            "rows where columns are meant",
            _left_vectors,
            "You took rows of a matrix whose columns are the principal "
            "directions.",
            "some functions return the directions as rows and others as "
            "columns, and a square matrix fits both ways. `eigh` and the "
            "first result of `svd` have columns.",
        ),
        Mistake(
            "columns where rows are meant",
            lambda x, k: (lambda m, v: m + (x - m) @ v[:, :k] @ v[:, :k].T)(
                x.mean(dim=0), torch.linalg.svd(x - x.mean(dim=0))[2]
            ),
            "You took columns of the third result of `svd`; its rows are the "
            "principal directions.",
            "it is called V on paper, where the directions are columns. What "
            "comes back is V transposed.",
        ),
        Mistake(
            "one component too few",
            lambda x, k: (
                lambda m: m + _onto(x - m, _directions(x - m)[: max(0, k - 1)])
            )(x.mean(dim=0)),
            "You kept one component less than you were asked for.",
            "a count from 0 stops one before the number that is written.",
        ),
        Mistake(
            "whitening",
            _whitened,
            "You divided the code by the singular values, and did not "
            "multiply by them on the way back: every component is shrunk to "
            "the same size.",
            "whitened codes have unit scale, which is handy elsewhere. The "
            "decoder has to undo whatever the encoder does.",
        ),
        Mistake(
            "the smallest components",
            lambda x, k: (
                lambda m: (
                    m
                    + (lambda v: (x - m) @ v @ v.T)(
                        torch.linalg.eigh((x - m).T @ (x - m))[1][:, :k]
                    )
                )
            )(x.mean(dim=0)),
            "You kept the directions of least variance.",
            "`torch.linalg.eigh` sorts its eigenvalues upwards, `svd` sorts "
            "its singular values downwards.",
        ),
        Mistake(
            "all components",
            lambda x, k: 1 * x,
            "Your reconstruction is perfect, so nothing went through the "
            "bottleneck: keep only the first components.",
            "without the cut, everything else is right, and the error is "
            "zero.",
        ),
    ),
    alternatives=(
        lambda x, k: _by_covariance(x.double(), k).to(x.dtype),
        lambda x, k: (lambda m, v: m + (x - m) @ (v @ v.T))(
            x.mean(0, keepdim=True),
            torch.pca_lowrank(x, q=min(x.shape), center=True, niter=4)[2][
                :, :k
            ],
        ),
        lambda x, k: (lambda u, s, v: x.mean(0) + u[:, :k] * s[:k] @ v[:k])(
            *torch.linalg.svd(x - x.mean(0), full_matrices=False)
        ),
    ),
)
