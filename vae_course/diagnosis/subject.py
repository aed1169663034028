"""What can be diagnosed, and what it can be asked.

A :class:`Subject` is a list of answers: how images become codes, how codes
become images, how a code is drawn, what the loss is. A model with the course's
interface becomes one by itself (:meth:`Subject.of`); any other code becomes
one by naming its functions. What a subject cannot answer is not asked.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch import distributions as D

from vae_course.core import (
    VAE,
    diagonal_gaussian,
    elbo,
    importance_weighted_elbo,
    standard_normal,
)

LIKELIHOODS = ("bernoulli", "normal", "laplace")


@dataclass(frozen=True)
class Subject:
    """A model as its author uses it, function by function.

    Args:
        encode: images (B, C, H, W) → q(z|x): a distribution, a pair (mean,
            log-variance), or a tensor, which is a code without noise.
        decode: latents → p(x|z): a distribution, or its mean, (B, C, H, W).
        prior: p(z), or a function that gives it, as where it is learned; None
            is N(0, I).
        likelihood: of pixels around a decoder's plain image: ``"bernoulli"``,
            ``"normal"`` or ``"laplace"``, the latter two with scale 1.
        draw: (mean, log-variance) → z, where a code is drawn by a function;
            None draws from the distribution.
        rate: (mean, log-variance) → the KL to the prior that the author
            computes, (B,), in nats per image.
        loss: images → the number that training minimises, or an object with
            ``loss``, such as :class:`~vae_course.core.ELBO`, whose distortion
            and rate then claim to be nats per image.
        beta: what the author takes the weight of the rate to be; None if
            nobody said.
        other_terms: the loss holds more than distortion and rate, or is
            another bound, so that it is not held against their sum.
        terms: images → the loss's terms by name; each should reach some
            weights.
        distance: (x̂, x) → (B,), a perceptual distance that the loss uses.
        bound: (images, K) → the K-sample bound on log p(x) that the author
            computes, (B,).
        scale: latents → what a diffusion model is given.
        unscale: the way back.
        module: whose parameters are trained; None if there are none to see.
        factor: how many times smaller the latent is than the image, on either
            side; None where it is no image.
        reference: a subject or model that is right and has the same weights.
    """

    encode: Callable[[Tensor], Any]
    decode: Callable[[Tensor], Any]
    prior: D.Distribution | Callable[[], D.Distribution] | None = None
    likelihood: str = "normal"
    draw: Callable[[Tensor, Tensor], Tensor] | None = None
    rate: Callable[[Tensor, Tensor], Tensor] | None = None
    loss: Callable[[Tensor], Any] | None = None
    beta: float | None = 1.0
    other_terms: bool = False
    terms: Callable[[Tensor], dict[str, Tensor]] | None = None
    distance: Callable[[Tensor, Tensor], Tensor] | None = None
    bound: Callable[[Tensor, int], Tensor] | None = None
    scale: Callable[[Tensor], Tensor] | None = None
    unscale: Callable[[Tensor], Tensor] | None = None
    module: nn.Module | None = None
    factor: int | None = None
    reference: Any = None

    def __post_init__(self):
        if self.likelihood not in LIKELIHOODS:
            raise ValueError(
                f"Unknown likelihood {self.likelihood!r}; choose one of "
                f"{LIKELIHOODS}."
            )
        if self.beta is not None and not self.beta >= 0:
            raise ValueError(
                f"beta={self.beta}: a weight of the rate is 0 or positive."
            )
        for name in ("encode", "decode"):
            if not callable(getattr(self, name)):
                raise TypeError(
                    f"{name} must be a function, got "
                    f"{type(getattr(self, name)).__name__}."
                )

    @classmethod
    def of(
        cls, model: Any, objective: Callable | None = None, **given
    ) -> Subject:
        """The subject that a model is.

        Args:
            model: a subject, a :class:`~vae_course.core.VAE`, or any object
                with ``encode`` and ``decode``. If it has a method
                ``objective(x)``, that is its loss.
            objective: (model, images, β) → the loss, as
                :func:`~vae_course.training.train` takes it. A VAE without one
                is taken to be trained on :func:`~vae_course.core.elbo`.
            given: anything a subject holds, to say it or to overrule it.

        Raises:
            TypeError: the model has no ``encode`` or ``decode``, or something
                is said of it that a subject does not hold.
        """
        known = {field.name for field in fields(cls)}
        if unknown := sorted(given.keys() - known):
            raise TypeError(
                f"A subject holds no {', '.join(unknown)}; it holds "
                f"{', '.join(sorted(known))}."
            )
        if isinstance(model, Subject):
            return replace(model, **given)
        if not (hasattr(model, "encode") and hasattr(model, "decode")):
            raise TypeError(
                f"A {type(model).__name__} has no encode and decode. Give a "
                "model that has both, or diagnosis.Subject(encode=…, "
                "decode=…) with your own functions."
            )
        answers: dict[str, Any] = {
            "encode": model.encode,
            "decode": model.decode,
        }
        if isinstance(model, nn.Module):
            answers["module"] = model
        own = getattr(model, "objective", None)
        if objective is None and callable(own):
            answers["loss"] = own
        elif objective is not None or isinstance(model, VAE):
            beta = given.get("beta")
            beta = 1.0 if beta is None else beta
            answers["loss"] = partial(_ask, objective or elbo, model, beta)
            inner = getattr(objective, "func", objective)
            answers["other_terms"] = inner is importance_weighted_elbo
        for name in ("bound", "scale", "unscale"):
            if callable(getattr(model, name, None)):
                answers[name] = getattr(model, name)
        config = getattr(model, "config", None)
        if isinstance(getattr(config, "factor", None), int):
            answers["factor"] = config.factor
            if objective is None and "loss" not in given:
                answers["beta"] = None  # this family trains on tiny ones
        answers |= given
        if "prior" not in answers and isinstance(model, VAE):
            answers["prior"] = lambda: model.prior
        return cls(**answers)

    def posterior(self, x: Tensor) -> D.Distribution | None:
        """q(z|x) as a distribution; None where codes have no noise."""
        q = self.encode(x)
        if isinstance(q, D.Distribution):
            return q
        if isinstance(q, Tensor):
            return None
        mean, log_var = q
        return diagonal_gaussian(mean, log_var)

    def codes(self, x: Tensor) -> Tensor:
        """What the decoder is given if nothing is drawn: the mean of q."""
        q = self.encode(x)
        if isinstance(q, D.Distribution):
            return q.mean
        return q if isinstance(q, Tensor) else q[0]

    def drawn(self, q: D.Distribution) -> Tensor:
        """One latent of each image, drawn as the author draws."""
        if self.draw is None:
            return q.rsample()
        return self.draw(q.mean, 2 * q.stddev.log())

    def pixels(self, z: Tensor) -> D.Distribution:
        """p(x|z) as a distribution; one event an image."""
        p = self.decode(z)
        if isinstance(p, D.Distribution):
            return p
        return _around(p, self.likelihood)

    def image(self, z: Tensor) -> Tensor:
        """The mean of p(x|z), (B, C, H, W)."""
        p = self.decode(z)
        return p.mean if isinstance(p, D.Distribution) else p

    def prior_over(self, q: D.Distribution) -> D.Distribution:
        """p(z) over latents such as q has."""
        if self.prior is not None:
            return self.prior() if callable(self.prior) else self.prior
        return standard_normal(torch.zeros_like(q.mean[0]))

    def true_rate(self, q: D.Distribution) -> Tensor:
        """KL(q(z|x) ‖ p(z)), (B,), by ``torch.distributions``."""
        return D.kl_divergence(q, self.prior_over(q))


def _ask(objective: Callable, model: Any, beta: float, x: Tensor) -> Any:
    """The objective of a model; told β only if it would listen."""
    if beta == 1 or "beta" not in _names(objective):
        return objective(model, x)
    return objective(model, x, beta)


def _names(function: Callable) -> set[str]:
    try:
        return set(inspect.signature(function).parameters)
    except (TypeError, ValueError):  # built-in, or written in another language
        return set()


def _around(mean: Tensor, likelihood: str) -> D.Independent:
    """Pixels of a family around their mean, (B, C, H, W)."""
    if likelihood == "bernoulli":
        probs = mean.clamp(1e-6, 1 - 1e-6)
        pixels = D.Bernoulli(probs=probs, validate_args=False)
    else:
        family = D.Normal if likelihood == "normal" else D.Laplace
        pixels = family(mean, 1.0, validate_args=False)
    return D.Independent(pixels, mean.dim() - 1, validate_args=False)
