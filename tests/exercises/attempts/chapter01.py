"""Chapter 1: attempts as students write them, right and wrong."""

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import torch
from scipy.linalg import subspace_angles
from sklearn.decomposition import PCA
from torch import nn

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

# --- 1.3: PCA in four lines -------------------------------------------------


def by_cov(x, k):
    _, vectors = torch.linalg.eigh(torch.atleast_2d(torch.cov(x.T)))
    kept = vectors.flip(1)[:, :k]
    mean = x.mean(0)
    return (x - mean) @ kept @ kept.T + mean


def by_sklearn(x, k):
    pca = PCA(k).fit(x.numpy())
    found = pca.inverse_transform(pca.transform(x.numpy()))
    return torch.tensor(found, dtype=x.dtype)


def by_deflation(x, k):
    left = x.double() - x.double().mean(0)
    found = x.double().mean(0).expand_as(left).clone()
    for _ in range(k):
        v = torch.ones(x.shape[1], dtype=torch.float64)
        v += 0.1 * torch.arange(x.shape[1])
        for _ in range(200):
            v = left.T @ (left @ v)
            v = v / v.norm().clamp(min=1e-300)
        found += torch.outer(left @ v, v)
        left = left - torch.outer(left @ v, v)
    return found.to(x.dtype)


def row_by_row(x, k):
    mean = sum(x) / len(x)
    directions = torch.linalg.svd(x - mean).Vh[:k]
    found = []
    for row in x:
        back = mean
        for v in directions:
            back = back + torch.dot(row - mean, v) * v
        found.append(back)
    return torch.stack(found)


RIGHT["1.3"] = {
    "the covariance": by_cov,
    "scikit-learn": by_sklearn,
    "one direction after the other": by_deflation,
    "row by row": row_by_row,
    "numpy": lambda x, k: (
        lambda m, v: torch.from_numpy(m + (x.numpy() - m) @ v.T @ v)
    )(
        x.numpy().mean(0),
        np.linalg.svd(x.numpy() - x.numpy().mean(0), full_matrices=False)[2][
            :k
        ],
    ),
    "the old svd": lambda x, k: (lambda m, v: m + (x - m) @ v @ v.T)(
        x.mean(0), torch.svd(x - x.mean(0))[2][:, :k]
    ),
    "singular values set to zero": lambda x, k: (
        lambda m, u, s, v: (
            m + u @ torch.diag(s * (torch.arange(len(s)) < k)) @ v
        )
    )(x.mean(0), *torch.linalg.svd(x - x.mean(0), full_matrices=False)),
    "by the Gram matrix": lambda x, k: (
        lambda c, u: x.mean(0) + (u @ u.T @ c).to(x.dtype)
    )(
        (x - x.mean(0)).double(),
        torch.linalg.eigh(
            (x - x.mean(0)).double() @ (x - x.mean(0)).double().T
        )[1][:, -k:],
    ),
}


def svd_of(x):
    return torch.linalg.svd(x, full_matrices=False).Vh


def onto(x, v):
    return x @ v.T @ v


WRONG["1.3"] = {
    "not centred": (lambda x, k: onto(x, svd_of(x)[:k]), "no centring"),
    "not centred, the mean added": (
        lambda x, k: onto(x, svd_of(x)[:k]) + x.mean(0),
        "no centring",
    ),
    "directions not centred": (
        lambda x, k: onto(x - x.mean(0), svd_of(x)[:k]) + x.mean(0),
        "directions of data that is not centred",
    ),
    "directions not centred, no mean": (
        lambda x, k: onto(x - x.mean(0), svd_of(x)[:k]),
        "directions of data that is not centred",  # and the mean
    ),
    "what is projected not centred": (
        lambda x, k: onto(x, svd_of(x - x.mean(0))[:k]),
        "what is projected is not centred",
    ),
    "what is projected not centred, the mean added": (
        lambda x, k: onto(x, svd_of(x - x.mean(0))[:k]) + x.mean(0),
        "what is projected is not centred",
    ),
    "no mean": (
        lambda x, k: onto(x - x.mean(0), svd_of(x - x.mean(0))[:k]),
        "the mean is not added back",
    ),
    "one mean": (
        lambda x, k: onto(x - x.mean(), svd_of(x - x.mean())[:k]) + x.mean(),
        "one mean for all pixels",
    ),
    "rows' means": (
        lambda x, k: (
            lambda c: onto(c, svd_of(c)[:k]) + x.mean(1, keepdim=True)
        )(x - x.mean(1, keepdim=True)),
        "the wrong axis",
    ),
    "the last directions": (
        lambda x, k: (
            onto(x - x.mean(0), svd_of(x - x.mean(0))[-k:]) + x.mean(0)
        ),
        None,
    ),
    "eigh from the front": (
        lambda x, k: (lambda v: x.mean(0) + (x - x.mean(0)) @ v @ v.T)(
            torch.linalg.eigh((x - x.mean(0)).T @ (x - x.mean(0)))[1][:, :k]
        ),
        "the smallest components",
    ),
    "eigh, rows": (
        lambda x, k: (lambda v: x.mean(0) + (x - x.mean(0)) @ v.T @ v)(
            torch.linalg.eigh((x - x.mean(0)).T @ (x - x.mean(0)))[1][-k:]
        ),
        None,
    ),
    "columns for rows": (
        lambda x, k: (lambda v: x.mean(0) + (x - x.mean(0)) @ v @ v.T)(
            torch.linalg.svd(x - x.mean(0)).Vh[:, :k]
        ),
        "columns where rows are meant",
    ),
    "no cut": (
        lambda x, k: (
            onto(x - x.mean(0), torch.linalg.svd(x - x.mean(0)).Vh) + x.mean(0)
        ),
        "all components",
    ),
    "no singular values": (
        lambda x, k: (lambda u, s, v: x.mean(0) + u[:, :k] @ v[:k])(
            *torch.linalg.svd(x - x.mean(0), full_matrices=False)
        ),
        "whitening",
    ),
    "one too few": (
        lambda x, k: (
            onto(x - x.mean(0), svd_of(x - x.mean(0))[: k - 1]) + x.mean(0)
        ),
        "one component too few",
    ),
    "one too many": (
        lambda x, k: (
            onto(x - x.mean(0), svd_of(x - x.mean(0))[: k + 1]) + x.mean(0)
        ),
        None,
    ),
    "the first one skipped": (
        lambda x, k: (
            onto(x - x.mean(0), svd_of(x - x.mean(0))[1 : k + 1]) + x.mean(0)
        ),
        None,
    ),
    "always the first": (
        lambda x, k: (
            onto(x - x.mean(0), svd_of(x - x.mean(0))[:1]) + x.mean(0)
        ),
        None,
    ),
    "the codes": (
        lambda x, k: (x - x.mean(0)) @ svd_of(x - x.mean(0))[:k].T,
        None,
    ),
    "the mean alone": (lambda x, k: x.mean(0).expand_as(x).clone(), None),
    "standardised": (
        lambda x, k: (
            lambda m, s: onto((x - m) / s, svd_of((x - m) / s)[:k]) * s + m
        )(x.mean(0), x.std(0) + 1e-6),
        None,
    ),
    "the mean twice": (
        lambda x, k: by_cov(x, k) + x.mean(0),
        None,
    ),
    "the first pixels": (
        lambda x, k: torch.cat([x[:, :k], 0 * x[:, k:]], 1),
        None,
    ),
    "centred in place": (
        lambda x, k: (lambda m: onto(x.sub_(m), svd_of(x)[:k]) + m)(x.mean(0)),
        None,
    ),
    "squeezed": (lambda x, k: by_cov(x, k).squeeze(), None),
}

# --- 1.4: the angle between two subspaces -----------------------------------


def q_of(a):
    return torch.linalg.qr(a).Q


def cosines(a, b):
    return torch.linalg.svdvals(q_of(a).T @ q_of(b))


def by_gram_schmidt(a, b):
    bases = []
    for matrix in (a.double(), b.double()):
        found = []
        for column in matrix.T:
            for each in found:
                column = column - (column @ each) * each
            found.append(column / column.norm())
        bases.append(torch.stack(found, 1))
    smallest = torch.linalg.svdvals(bases[0].T @ bases[1])[-1].item()
    return math.degrees(math.acos(min(smallest, 1.0)))


def by_eigenvalues(a, b):
    a, b = a.double(), b.double()
    m = torch.linalg.lstsq(a, b).solution
    n = torch.linalg.lstsq(b, a).solution
    squares = torch.linalg.eigvals(m @ n).real.clamp(0, 1)
    return float(squares.min().sqrt().acos() * 180 / torch.pi)


def whitened(a):
    values, vectors = torch.linalg.eigh(a.T @ a)
    return a @ vectors / values.sqrt()


RIGHT["1.4"] = {
    "scipy": lambda a, b: np.rad2deg(
        subspace_angles(a.numpy(), b.numpy())
    ).max(),
    "Gram-Schmidt": by_gram_schmidt,
    "eigenvalues": by_eigenvalues,
    "whitened by hand": lambda a, b: torch.rad2deg(
        torch.linalg.svdvals(whitened(a.double()).T @ whitened(b.double()))
        .clamp(max=1)
        .acos()
        .max()
    ),
    "one-element tensor": lambda a, b: torch.rad2deg(
        cosines(a, b)[-1:].clamp(-1, 1).acos()
    ),
    "math": lambda a, b: math.degrees(
        math.acos(min(1.0, cosines(a, b).min().item()))
    ),
    "the sine and the cosine": lambda a, b: (
        lambda qa, qb: math.degrees(
            math.atan2(
                torch.linalg.matrix_norm(qb - qa @ (qa.T @ qb), 2),
                torch.linalg.svdvals(qa.T @ qb)[-1],
            )
        )
    )(q_of(a.double()), q_of(b.double())),
}


def degrees(cosine):
    return torch.rad2deg(torch.arccos(cosine.clamp(-1, 1)))


WRONG["1.4"] = {
    "the largest cosine": (
        lambda a, b: degrees(cosines(a, b).max()),
        "the smallest angle",
    ),
    "the first": (
        lambda a, b: degrees(cosines(a, b)[0]),
        "the smallest angle",
    ),
    "the smallest angle": (
        lambda a, b: degrees(cosines(a, b)).min(),
        "the smallest angle",
    ),
    "radians": (
        lambda a, b: cosines(a, b).min().clamp(max=1).acos(),
        "radians",
    ),
    "the cosine": (lambda a, b: cosines(a, b).min(), "the cosine itself"),
    "no clamp": (
        lambda a, b: torch.rad2deg(torch.arccos(cosines(a, b).min())),
        "no clamp",
    ),
    "no clamp, all angles": (
        lambda a, b: torch.rad2deg(torch.arccos(cosines(a, b))).max(),
        "no clamp",
    ),
    "the mean": (
        lambda a, b: degrees(cosines(a, b)).mean(),
        "the mean of the angles",
    ),
    "the mean cosine": (
        lambda a, b: degrees(cosines(a, b).mean()),
        "the mean of the angles",
    ),
    "the sum": (lambda a, b: degrees(cosines(a, b)).sum(), None),
    "all of them": (lambda a, b: degrees(cosines(a, b)), None),
    "the product of the cosines": (
        lambda a, b: degrees(cosines(a, b).prod()),
        None,
    ),
    "the norm of the cosines": (
        lambda a, b: degrees(cosines(a, b).norm() / a.shape[1] ** 0.5),
        None,
    ),
    "not orthonormal": (
        lambda a, b: degrees(torch.linalg.svdvals(a.T @ b).min()),
        "bases that are not orthonormal",
    ),
    "unit columns": (
        lambda a, b: degrees(
            torch.linalg.svdvals(
                nn.functional.normalize(a, dim=0).T
                @ nn.functional.normalize(b, dim=0)
            ).min()
        ),
        "bases that are not orthonormal",
    ),
    "one of them": (
        lambda a, b: degrees(torch.linalg.svdvals(q_of(a).T @ b).min()),
        None,
    ),
    "whole spaces": (
        lambda a, b: degrees(
            torch.linalg.svdvals(
                torch.linalg.svd(a)[0].T @ torch.linalg.svd(b)[0]
            ).min()
        ),
        "the whole space",
    ),
    "complete bases": (
        lambda a, b: degrees(
            torch.linalg.svdvals(
                torch.linalg.qr(a, mode="complete").Q.T
                @ torch.linalg.qr(b, mode="complete").Q
            ).min()
        ),
        "the whole space",
    ),
    "the complement": (
        lambda a, b: torch.rad2deg(cosines(a, b).min().clamp(max=1).asin()),
        "the complement",
    ),
    "column by column": (
        lambda a, b: degrees(
            nn.functional.cosine_similarity(q_of(a), q_of(b), dim=0)
        ).max(),
        None,
    ),
    "unit columns, one by one": (
        lambda a, b: degrees(torch.cosine_similarity(a, b, dim=0)).max(),
        "column by column",
    ),
    "the wrong factor": (
        lambda a, b: torch.deg2rad(degrees(cosines(a, b).min())),
        "radians",
    ),
    "times π": (
        lambda a, b: cosines(a, b).min().clamp(max=1).acos() / math.pi,
        None,
    ),
    "the triangular factor": (
        lambda a, b: degrees(
            torch.linalg.svdvals(
                torch.linalg.qr(a).R.T @ torch.linalg.qr(b).R
            ).min()
        ),
        None,
    ),
    "the eigenvalues": (
        lambda a, b: degrees(
            torch.linalg.eigvals(q_of(a).T @ q_of(b)).abs().min()
        ),
        None,
    ),
    "the diagonal": (
        lambda a, b: degrees((q_of(a).T @ q_of(b)).diagonal().min()),
        None,
    ),
    "rows for columns": (
        lambda a, b: degrees(
            torch.linalg.svdvals(q_of(a.T).T @ q_of(b.T)).min()
        ),
        "the whole space",
    ),
    "clamped below one": (
        lambda a, b: torch.rad2deg(
            cosines(a, b).min().clamp(max=1 - 1e-4).acos()
        ),
        None,
    ),
    "made a number": (
        lambda a, b: torch.nan_to_num(
            torch.rad2deg(cosines(a, b).min().acos()), nan=90.0
        ),
        None,
    ),
}

# --- 1.5: a non-linear autoencoder ------------------------------------------


class Bent(nn.Module):
    """Right; the wrong ones below change one thing in it."""

    hidden = 16
    activation = nn.ELU

    def __init__(self, image_shape, latent):
        super().__init__()
        self.shape, self.latent = tuple(image_shape), latent
        pixels = math.prod(self.shape)
        self.one = nn.Linear(pixels, self.hidden)
        self.two = nn.Linear(self.hidden, latent)
        self.three = nn.Linear(latent, self.hidden)
        self.four = nn.Linear(self.hidden, pixels)
        self.bend = self.activation()

    def encode(self, x):
        return self.two(self.bend(self.one(x.flatten(1))))

    def decode(self, z):
        return self.four(self.bend(self.three(z))).view(len(z), *self.shape)

    def forward(self, x):
        return self.decode(self.encode(x))


class Tanh(Bent):
    activation = nn.Tanh


class Leaky(Bent):
    activation = nn.LeakyReLU
    hidden = 100


class SigmoidOut(Bent):
    def decode(self, z):
        return super().decode(z).sigmoid()


class BentOnce(Bent):
    """The encoder is linear."""

    def encode(self, x):
        return self.two(self.one(x.flatten(1)))


class Deep(nn.Module):
    def __init__(self, image_shape, latent):
        super().__init__()
        pixels = math.prod(image_shape)
        sizes = [pixels, 40, 20, latent]
        self.there, self.back = nn.ModuleList(), nn.ModuleList()
        for a, b in pairwise(sizes):
            self.there.append(nn.Linear(a, b))
            self.back.insert(0, nn.Linear(b, a))
        self.image_shape = image_shape

    def encode(self, x):
        x = x.reshape(x.shape[0], -1)
        for layer in self.there[:-1]:
            x = nn.functional.gelu(layer(x))
        return self.there[-1](x)

    def decode(self, z):
        for layer in self.back[:-1]:
            z = nn.functional.gelu(layer(z))
        return self.back[-1](z).unflatten(1, tuple(self.image_shape))

    def forward(self, x):
        return self.decode(self.encode(x))


class Normed(Bent):
    def __init__(self, image_shape, latent):
        super().__init__(image_shape, latent)
        self.bend = nn.Sequential(nn.LayerNorm(self.hidden), nn.SiLU())


class Lazy(Bent):
    def __init__(self, image_shape, latent):
        super().__init__(image_shape, latent)
        self.one = nn.LazyLinear(self.hidden)


RIGHT["1.5"] = {
    "ELU": Bent,
    "tanh": Tanh,
    "leaky": Leaky,
    "a sigmoid on the pixels": SigmoidOut,
    "a linear encoder": BentOnce,
    "deep": Deep,
    "normalised inside": Normed,
    "lazy": Lazy,
}


class Straight(Bent):
    activation = nn.Identity


class Softplus(Bent):
    def encode(self, x):
        return nn.functional.softplus(super().encode(x))


class SigmoidCode(Bent):
    def encode(self, x):
        return super().encode(x).sigmoid()


class TanhCode(Bent):
    def encode(self, x):
        return 3 * super().encode(x).tanh()


class UnitCode(Bent):
    def encode(self, x):
        return nn.functional.normalize(super().encode(x))


class SoftmaxCode(Bent):
    def encode(self, x):
        return super().encode(x).softmax(1)


class RoundedCode(Bent):
    def encode(self, x):
        code = super().encode(x)
        return code + (code.round() - code).detach()


class BatchNormCode(Bent):
    def __init__(self, image_shape, latent):
        super().__init__(image_shape, latent)
        self.norm = nn.BatchNorm1d(latent, track_running_stats=False)

    def encode(self, x):
        return self.norm(super().encode(x))


class NoisyCode(Bent):
    def encode(self, x):
        code = super().encode(x)
        return code + torch.randn_like(code)


class DropsAlways(Bent):
    def encode(self, x):
        return nn.functional.dropout(super().encode(x), 0.3)


class Remembers(Bent):
    def encode(self, x):
        self.x = x
        return super().encode(x)

    def decode(self, z):
        return super().decode(z) + 0.1 * self.x.mean()


class ForwardSkips(Bent):
    def forward(self, x):
        return x + super().forward(x)


class ForwardAlone(Bent):
    def forward(self, x):
        return self.decode(self.bend(self.encode(x)))


class SigmoidInForward(Bent):
    def forward(self, x):
        return super().forward(x).sigmoid()


class FlatCodes(Bent):
    def encode(self, x):
        return super().encode(x)[:, :, None]


class FlatImages(Bent):
    def decode(self, z):
        return super().decode(z).flatten(1)


class OneImage(Bent):
    def decode(self, z):
        return super().decode(z).view(*self.shape)


class Mnist(Bent):
    def encode(self, x):
        return super().encode(x.view(-1, 784))


class FixedLatent(Bent):
    def __init__(self, image_shape, latent):
        super().__init__(image_shape, 2)


class SizeOfLastBatch(Bent):
    def encode(self, x):
        self.size = x.shape
        return super().encode(x)

    def decode(self, z):
        return super().decode(z).view(self.size)


class Detached(Bent):
    def encode(self, x):
        return super().encode(x).detach()


class Frozen(Bent):
    def __init__(self, image_shape, latent):
        super().__init__(image_shape, latent)
        self.requires_grad_(False)


class Spare(Bent):
    def __init__(self, image_shape, latent):
        super().__init__(image_shape, latent)
        self.spare = nn.Linear(3, 3)


class InPlace(Bent):
    def encode(self, x):
        return super().encode(x.div_(255))


class Argmax(Bent):
    def encode(self, x):
        return super().encode(x).argmax(1)


class Listed(Bent):
    def __init__(self, image_shape, latent):
        super().__init__(image_shape, latent)
        self.layers = [self.one, self.two, self.three, self.four]
        del self.one, self.two, self.three, self.four

    def encode(self, x):
        return self.layers[1](self.bend(self.layers[0](x.flatten(1))))

    def decode(self, z):
        x = self.layers[3](self.bend(self.layers[2](z)))
        return x.view(-1, *self.shape)


class Centred(Bent):
    def encode(self, x):
        return super().encode(x - x.mean(0))


class Abs(Bent):
    def encode(self, x):
        return super().encode(x).abs()


class TwoHundred(Bent):
    def encode(self, x):
        return super().encode(x).clamp(-20, 20)


class Tuple(Bent):
    def encode(self, x):
        return super().encode(x), None


class Untied(Bent):
    """Layers are made anew in every call."""

    def encode(self, x):
        return nn.Linear(self.hidden, self.latent)(
            self.bend(self.one(x.flatten(1)))
        )


WRONG["1.5"] = {
    "straight": (Straight, "linear after all"),
    "softplus": (Softplus, "a squeezed code"),
    "sigmoid": (SigmoidCode, "a squeezed code"),
    "tanh": (TanhCode, "a squeezed code"),
    "absolute": (Abs, "a squeezed code"),
    "clamped": (TwoHundred, "a squeezed code"),
    "unit length": (UnitCode, "a squeezed code"),
    "softmax": (SoftmaxCode, "a squeezed code"),
    "rounded": (RoundedCode, "a rounded code"),
    "batch norm": (BatchNormCode, "a code of the whole batch"),
    "centred images": (Centred, "a code of the whole batch"),
    "noise": (NoisyCode, None),
    "dropout": (DropsAlways, None),
    "a look at the image": (Remembers, "a way around the bottleneck"),
    "a skip in forward": (ForwardSkips, None),
    "another way forward": (ForwardAlone, None),
    "a sigmoid in forward": (SigmoidInForward, None),
    "codes with an axis": (FlatCodes, None),
    "flat images": (FlatImages, "flat images"),
    "one image": (OneImage, None),
    "784": (Mnist, "784 written down"),
    "two": (FixedLatent, None),
    "the last batch": (SizeOfLastBatch, "bound to the last batch"),
    "detached": (Detached, "cut in two"),
    "frozen": (Frozen, "parameters without a gradient"),
    "a spare layer": (Spare, "parameters without a gradient"),
    "in place": (InPlace, None),
    "the largest": (Argmax, None),
    "in a list": (Listed, "layers that nobody finds"),
    "a pair": (Tuple, None),
    "new layers": (Untied, None),
    "an instance": (Bent((1, 2, 3), 2), None),
}
