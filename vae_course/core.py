"""A variational autoencoder is three distributions; everything else follows.

Every model of this course, from two dense layers to Stable Diffusion's
autoencoder, is a :class:`VAE`: it offers q(z|x), p(x|z) and p(z), and nothing
else. The bounds below are written once against these three. All of them are in
nats per image: summed over pixels and latent dimensions, never averaged over
them.

Sources: Kingma & Welling 2013 (https://arxiv.org/abs/1312.6114),
Burda et al. 2015 (https://arxiv.org/abs/1509.00519),
Alemi et al. 2017 (https://arxiv.org/abs/1711.00464).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch import distributions as D


class VAE(nn.Module):
    """What every VAE of this course offers: three distributions.

    A subclass defines :meth:`encode`, :meth:`decode` and :attr:`prior`. Images
    are (B, C, H, W); latents are (B, ...) with the event shape of the prior.
    Each distribution treats one image, or one latent, as one event, so every
    ``log_prob`` returns (B,).
    """

    def encode(self, x: Tensor) -> D.Distribution:
        """The approximate posterior q(z|x) of images x, (B, C, H, W)."""
        raise NotImplementedError

    def decode(self, z: Tensor) -> D.Distribution:
        """The likelihood p(x|z) of latents z, (B, ...); its mean is x̂."""
        raise NotImplementedError

    @property
    def prior(self) -> D.Distribution:
        """The prior p(z): what latents look like before an image is seen."""
        raise NotImplementedError


def diagonal_gaussian(mean: Tensor, log_var: Tensor) -> D.Independent:
    """N(mean, diag(exp(log_var))), one event per row.

    Networks return the log-variance because it may be any real number, while a
    variance must be positive. Both arguments are (B, ...); the result's
    ``log_prob`` is (B,).
    """
    std = torch.exp(0.5 * log_var)  # half: the root of the variance
    normal = D.Normal(mean, std, validate_args=False)
    return D.Independent(normal, mean.dim() - 1, validate_args=False)


def standard_normal(origin: Tensor) -> D.Independent:
    """N(0, I) with the shape, dtype and device of ``origin``, all zeros."""
    normal = D.Normal(origin, torch.ones_like(origin), validate_args=False)
    return D.Independent(normal, origin.dim(), validate_args=False)


class StandardNormalField(D.Independent):
    """N(0, I) over latents (C, h, w) of any height and width.

    The latent of a convolutional VAE has no fixed size: it follows the image.
    Its prior does not mind, since it is the same N(0, 1) at every position. So
    ``log_prob`` and ``kl_divergence`` take latents of whatever size they are
    given, and only what has to choose a size (``sample``, ``mean``,
    ``event_shape``) goes by ``origin``, the size the model was made for.
    """

    def __init__(self, origin: Tensor):
        super().__init__(standard_normal(origin).base_dist, origin.dim())

    def over(self, event_shape: Sequence[int]) -> D.Independent:
        """The same prior over latents of this shape.

        Raises:
            ValueError: it is not (C, h, w) with this prior's C.
        """
        channels = self.event_shape[0]
        if len(event_shape) != 3 or event_shape[0] != channels:
            raise ValueError(
                f"This prior is over latents ({channels}, h, w) of any h and "
                f"w, not over {tuple(event_shape)}."
            )
        return standard_normal(self.mean.new_zeros(event_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        return self.over(value.shape[-3:]).log_prob(value)


@D.register_kl(D.Independent, StandardNormalField)
def _kl_to_field(q: D.Independent, prior: StandardNormalField) -> Tensor:
    return D.kl_divergence(q, prior.over(q.event_shape))


class PixelBernoulli(D.Bernoulli):
    """Bernoulli pixels that can also be asked about grey images.

    For pixels that are 0 or 1, ``log_prob`` is the log-probability of the
    image. For pixels in between it is minus the cross-entropy that many VAEs
    train on. That number is no log-likelihood: no grey image can be drawn from
    Bernoulli pixels, and even a perfect decoder pays the entropy of the image.

    Raises:
        ValueError: ``log_prob`` was given an image with a value outside [0,
        1].
    """

    support = D.constraints.unit_interval

    def log_prob(self, value: Tensor) -> Tensor:
        low, high = value.min(), value.max()
        if low < 0 or high > 1:  # NaN passes, and shows in the result
            raise ValueError(
                "A Bernoulli likelihood needs pixels in [0, 1], got "
                f"[{low:g}, {high:g}]. Undo the normalisation of the images "
                "(0 is black, 1 is white), or choose likelihood='normal' or "
                "'laplace'."
            )
        return super().log_prob(value)


class Likelihood(nn.Module):
    """Turns a decoder's output into p(x|z), one event per image.

    Args:
        family: ``"bernoulli"`` (the output holds logits), ``"normal"`` or
            ``"laplace"`` (the output is the mean).
        scale: the noise of ``"normal"`` (its σ) or ``"laplace"`` (its b), in
            units of a pixel's value. None makes it one learned number for all
            pixels, which starts at 1 (Rybkin et al. 2020,
            https://arxiv.org/abs/2006.13202, section 4).

    Raises:
        ValueError: the family is unknown, or the scale is not positive.
    """

    FAMILIES = ("bernoulli", "normal", "laplace")

    def __init__(self, family: str = "bernoulli", scale: float | None = None):
        super().__init__()
        if family not in self.FAMILIES:
            raise ValueError(
                f"Unknown likelihood {family!r}; "
                f"choose one of {self.FAMILIES}."
            )
        if scale is not None and (family == "bernoulli" or not scale > 0):
            raise ValueError(
                f"likelihood_scale={scale} with likelihood={family!r}: a "
                "scale is a positive number, and only 'normal' and 'laplace' "
                "have one."
            )
        self.family = family
        self.log_scale = None
        if family != "bernoulli":
            log_scale = torch.tensor(0.0 if scale is None else math.log(scale))
            self.log_scale = nn.Parameter(
                log_scale, requires_grad=scale is None
            )

    def forward(self, output: Tensor) -> D.Independent:
        """p(x|z) for a decoder's output of shape (B, C, H, W)."""
        if self.log_scale is None:
            pixels = PixelBernoulli(logits=output, validate_args=False)
        else:
            family = D.Normal if self.family == "normal" else D.Laplace
            pixels = family(output, self.log_scale.exp(), validate_args=False)
        return D.Independent(pixels, output.dim() - 1, validate_args=False)


@dataclass(frozen=True)
class ELBO:
    """The evidence lower bound of a batch, in its two halves; nats per image.

    Unpacks as ``distortion, rate = elbo(vae, x)``.
    """

    distortion: Tensor  # (B,)  −log p(x|z): what the reconstruction costs
    rate: Tensor  # (B,)  KL(q(z|x) ‖ p(z)): what the code costs
    beta: float = 1.0

    @property
    def value(self) -> Tensor:
        """−(distortion + β · rate), (B,); the ELBO at β = 1.

        In expectation, a lower bound on log p(x) for every β ≥ 1, and a looser
        one the larger β is.
        """
        return -(self.distortion + self.beta * self.rate)

    @property
    def loss(self) -> Tensor:
        """What training minimises: −value, averaged over the batch alone."""
        return -self.value.mean()

    def __iter__(self) -> Iterator[Tensor]:
        return iter((self.distortion, self.rate))


def elbo(vae: VAE, x: Tensor, beta: float = 1.0) -> ELBO:
    """The evidence lower bound of images x, from one sample of each z.

    Kingma & Welling 2013, equation 3, with the weight β of Higgins et al. 2017
    on the rate. The rate is exact; the distortion is an unbiased estimate.

    Args:
        vae: the model.
        x: images, (B, C, H, W).
        beta: weight of the rate. Only β = 1 gives the ELBO; β > 1 gives a
            looser bound on log p(x), β < 1 none.

    Returns:
        Distortion and rate, (B,) each, in nats per image.
    """
    q = vae.encode(x)
    p = vae.decode(q.rsample())
    return ELBO(-p.log_prob(x), D.kl_divergence(q, vae.prior), beta)


def averaged_elbo(
    vae: VAE, x: Tensor, beta: float = 1.0, samples: int = 5
) -> ELBO:
    """The evidence lower bound, from the mean of several samples of each z.

    The same bound as :func:`elbo` with less noise in it, at the cost of the
    importance-weighted bound: the fair control for training on that one (Burda
    et al. 2015, section 5).

    Args:
        vae: the model.
        x: images, (B, C, H, W).
        beta: weight of the rate, as in :func:`elbo`.
        samples: the number K of draws for each image.

    Returns:
        Distortion and rate, (B,) each, in nats per image.

    Raises:
        ValueError: K is not positive.
    """
    q = vae.encode(x)
    _, log_likelihood = _draws(vae, x, q, samples)  # (K, B)
    rate = D.kl_divergence(q, vae.prior)
    return ELBO(-log_likelihood.mean(dim=0), rate, beta)


def log_importance_weights(vae: VAE, x: Tensor, samples: int) -> Tensor:
    """log [ p(x|z) p(z) / q(z|x) ] for ``samples`` draws of z from q(z|x).

    Burda et al. 2015, section 3. The mean of the weights (not of their
    logarithms) is an unbiased estimate of p(x).

    Args:
        vae: the model.
        x: images, (B, C, H, W).
        samples: the number K of draws for each image.

    Returns:
        (K, B), in nats per image.

    Raises:
        ValueError: K is not positive.
    """
    log_likelihood, log_ratio = _importance_terms(vae, x, samples)
    return log_likelihood + log_ratio


def importance_weighted_bound(vae: VAE, x: Tensor, samples: int) -> Tensor:
    """The K-sample importance-weighted bound, (B,), in nats per image.

    Burda et al. 2015, equation 8. With K = 1 it is a one-sample ELBO; it rises
    with K, in expectation, towards log p(x).

    Args:
        vae: the model.
        x: images, (B, C, H, W).
        samples: the number K of draws for each image.

    Raises:
        ValueError: K is not positive.
    """
    log_weights = log_importance_weights(vae, x, samples)
    return torch.logsumexp(log_weights, dim=0) - math.log(samples)


def importance_weighted_elbo(
    vae: VAE, x: Tensor, beta: float = 1.0, samples: int = 5
) -> ELBO:
    """The importance-weighted bound in two halves, for the training loop.

    The bound needs no halves, but it has them. With w̃ the weights normalised
    to a sum of 1, −bound = Σ w̃ (−log p(x|z)) + rest is an identity. The first
    term is the distortion of the code that the weighted samples stand for; the
    rest is no less, in expectation, than that code's KL to the prior, and
    tends to it as K grows (Cremer et al. 2017, https://arxiv.org/abs/
    1704.02916). Their sum is the bound itself, so the loss and its gradient
    are those of Burda et al. 2015, equation 8, whose weights are
    differentiated too, not detached.

    Choose K with ``functools.partial(importance_weighted_elbo, samples=K)``.

    Args:
        vae: the model.
        x: images, (B, C, H, W).
        beta: 1; here to fit the training loop.
        samples: the number K of draws for each image.

    Returns:
        Distortion and rate, (B,) each, in nats per image.

    Raises:
        ValueError: K is not positive; or β is not 1. The rate stands inside a
            logarithm of a mean, and no weight on it leaves a bound.
    """
    if beta != 1:
        raise ValueError(
            f"The importance-weighted bound has no β, got beta={beta:g}. "
            "Leave beta at 1, or train on core.elbo."
        )
    log_likelihood, log_ratio = _importance_terms(vae, x, samples)
    log_weights = log_likelihood + log_ratio  # (K, B)
    bound = torch.logsumexp(log_weights, dim=0) - math.log(samples)  # (B,)
    shares = torch.softmax(log_weights, dim=0)  # (K, B), columns sum to 1
    distortion = -(shares * log_likelihood).sum(dim=0)  # (B,)
    return ELBO(distortion, -bound - distortion)


def _importance_terms(
    vae: VAE, x: Tensor, samples: int
) -> tuple[Tensor, Tensor]:
    """log p(x|z) and log p(z)/q(z|x) of draws from q(z|x), (K, B) each."""
    q = vae.encode(x)
    z, log_likelihood = _draws(vae, x, q, samples)
    return log_likelihood, vae.prior.log_prob(z) - q.log_prob(z)


def _draws(
    vae: VAE, x: Tensor, q: D.Distribution, samples: int
) -> tuple[Tensor, Tensor]:
    """Draws z from q, (K, B, ...), and log p(x|z) of each, (K, B)."""
    if samples < 1:
        raise ValueError(
            f"A bound needs at least one sample of z, got samples={samples}."
        )
    z = q.rsample((samples,))  # (K, B, ...)
    repeated = x.expand(samples, *x.shape).flatten(0, 1)  # (K·B, C, H, W)
    log_likelihood = vae.decode(z.flatten(0, 1)).log_prob(repeated)  # (K·B,)
    return z, log_likelihood.view(samples, len(x))


def check_batch(batch: Tensor, event_shape: Sequence[int], what: str) -> None:
    """Raises ValueError unless ``batch`` is a float tensor (B, *event_shape).

    ``what`` names the batch in the message: "images" or "latents".
    """
    shape = tuple(event_shape)
    if tuple(batch.shape[1:]) != shape or batch.dim() != 1 + len(shape):
        wanted = ", ".join(map(str, ("B", *shape)))
        raise ValueError(
            f"This model takes {what} of shape ({wanted}), got "
            f"{tuple(batch.shape)}. Bring them to that shape, or build the "
            "model for the shape you have."
        )
    if not batch.is_floating_point():
        raise ValueError(
            f"This model takes {what} as floating-point numbers, got "
            f"{batch.dtype}. For bytes, divide by 255 first, x.float() / 255, "
            "if the model wants [0, 1]; for the [−1, 1] of the Stable "
            "Diffusion family x.float() / 127.5 - 1."
        )
