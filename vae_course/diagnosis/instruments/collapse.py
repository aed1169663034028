"""Before training: will the loss as it is written leave the code empty?"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch import distributions as D

from vae_course.diagnosis.bench import Bench
from vae_course.diagnosis.reading import NotAsked, Reading

MOST = 1000  # images that the covariance is estimated from
RARE = 0.01  # pixels that are lit, or dark, less often are left out


def collapse(bench: Bench) -> list[Reading]:
    """The noise that the loss implies, over the data's widest direction.

    A loss with a weight β on the rate and Gaussian pixels is, up to a factor,
    the plain ELBO at the decoder variance βσ² (chapter 5; Rybkin et al. 2020).
    Where that exceeds the largest eigenvalue λ of the images' covariance, the
    empty code is a minimum of the loss, to second order around it, for linear
    decoders exactly (Lucas et al. 2019; arXiv 2510.01621): no direction of the
    data is worth its rate. The number is βσ²/λ; 1 and less is healthy.

    Bernoulli pixels of mean m have the variance m(1 − m) in σ²'s place, pixel
    by pixel. Laplace pixels have no second order: b · E|x − median| stands for
    σ², and only a number above 4 is judged. A scale that is learned is not
    asked: it follows the data.
    """
    subject = bench.subject
    beta = bench.beta if bench.beta is not None else subject.beta
    if beta is None:
        raise NotAsked("nobody said what weight the rate has")
    if len(bench.x) < 16:
        raise NotAsked("a covariance needs more images")
    if subject.posterior(bench.x[:2]) is None:
        raise NotAsked("its codes have no noise")
    p = subject.pixels(bench.codes[:2])  # with a graph: is its scale learned?
    base = getattr(p, "base_dist", p)
    source = bench.train if bench.train is not None else bench.x
    x = source[:MOST].flatten(1).double()
    limit = 1.0
    if isinstance(base, D.Bernoulli):
        mean = x.mean(dim=0)
        seen = (mean > RARE) & (mean < 1 - RARE)
        variance = (mean * (1 - mean))[seen]
    elif isinstance(base, D.Normal | D.Laplace):
        scale = base.scale
        if scale.requires_grad:
            raise NotAsked("its scale is learned, and follows the data")
        if (scale.max() - scale.min()).abs() > 1e-6 * scale.max():
            raise NotAsked("its scale differs from pixel to pixel")
        seen = x.var(dim=0) > 0
        scale = scale.max().double()
        variance = (scale**2).expand(int(seen.sum()))
        if isinstance(base, D.Laplace):
            middle = x.median(dim=0).values
            mad = (x - middle).abs().mean(dim=0)
            seen = mad > RARE * mad.max()
            variance, limit = scale * mad[seen], 4.0
    else:
        raise NotAsked(f"its pixels are {type(base).__name__}")
    if not seen.any():
        raise NotAsked("the images are all the same")
    whitened = (x - x.mean(dim=0))[:, seen] / variance.sqrt()
    ratio = beta / largest_eigenvalue(whitened)
    return [
        Reading(
            "βσ² of the loss over the largest eigenvalue of the data",
            ratio,
            high=limit,
            symptom="The loss as it is written will leave the code empty: it "
            "implies more noise than the data has in any direction.",
            looks="The loss falls fast, settles, and is stable; every "
            "reconstruction becomes the mean image.",
            chapter=5,
        )
    ]


def largest_eigenvalue(centred: Tensor) -> float:
    """Of the covariance of rows (N, P), by way of the smaller matrix."""
    count = len(centred)
    small = centred if centred.shape[1] < count else centred.T
    gram = small.T @ small / count
    value = torch.linalg.eigvalsh(gram)[-1].item()
    return value if math.isfinite(value) and value > 0 else math.nan
