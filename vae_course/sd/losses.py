"""The terms of the loss, and the gradient each of them sends.

Every term but the rate depends on the model through the reconstruction x̂
alone. So its gradient is taken at x̂, once, and then sent through the decoder
together with the others: the critic and the perceptual network are walked back
through once each, although their gradients are needed twice, by themselves for
the adaptive weight and in sum for the step. And the critic's own parameters
are not among what is asked for, so the autoencoder's step leaves no gradient
in them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch import distributions as D

from vae_course.core import diagonal_gaussian
from vae_course.sd.autoencoder import AutoencoderKL
from vae_course.sd.critics import HEAVIEST, adaptive_weight, deception


class Coded(NamedTuple):
    """A batch that went through an autoencoder."""

    image: Tensor  # x̂, (B, 3, H, W)
    rate: Tensor  # KL(q(z|x) ‖ p(z)), (B,), in nats per image
    log_scale: Tensor  # log b of the errors, one number


class Coder(nn.Module):
    """An autoencoder with the noise handed in, and the scale of its errors.

    One forward pass does all that training needs, because what wraps a module
    for many devices sees its forward pass alone.

    Args:
        vae: the model.
        learned_scale: learn log b; otherwise it stays 0.
    """

    def __init__(self, vae: AutoencoderKL, learned_scale: bool = False):
        super().__init__()
        self.vae = vae
        zero = torch.zeros(())
        self.log_scale = nn.Parameter(zero, requires_grad=learned_scale)

    def forward(self, x: Tensor, noise: Tensor) -> Coded:
        """x (B, 3, H, W) in [-1, 1]; noise (B, C, H/f, W/f) from N(0, I)."""
        # Sums over a latent want single precision, also under autocast.
        mean, log_var = self.vae.moments(x).float().chunk(2, dim=1)
        q = diagonal_gaussian(mean, log_var.clamp(-30, 20))
        z = q.mean + q.stddev * noise
        rate = D.kl_divergence(q, self.vae.prior)
        return Coded(self.vae.decode(z).mean, rate, self.log_scale)

    @property
    def last_layer(self) -> nn.Parameter:
        """The weights at which the terms' gradients are compared."""
        return self.vae.decoder.conv_out.weight


class Step(NamedTuple):
    """What the autoencoder's half of a step is made of."""

    loss: Tensor  # a number whose gradient is that of all terms
    terms: dict[str, Tensor]  # each term, detached; nats per image


def absolute_error(x: Tensor, y: Tensor) -> Tensor:
    """Σ|x − y| of each image, (B,)."""
    return (x - y).abs().flatten(1).sum(dim=1)


def generator_step(
    coder: Coder,
    coded: Coded,
    x: Tensor,
    *,
    beta: float,
    perceptual: Callable[[Tensor, Tensor], Tensor] | None = None,
    perceptual_weight: float = 1.0,
    critic: Callable[[Tensor], Tensor] | None = None,
    adversarial_weight: float = 0.5,
    adaptive: bool = True,
    mean: Callable[[Tensor], Tensor] = lambda tensor: tensor,
    magnify: float = 1.0,
) -> Step:
    """The autoencoder's loss of a batch, and each of its terms.

    Args:
        coder: the model itself, not what wraps it.
        coded: what it made of x, with a graph.
        x: images, (B, 3, H, W) in [-1, 1].
        beta: weight of the rate.
        perceptual: (x̂, x) → distances (B,), or None.
        perceptual_weight: nats for a distance of 1, per value of an image.
        critic: images → scores, or None.
        adversarial_weight: of minus the mean score; with ``adaptive`` a factor
            on the adaptive weight.
        adaptive: weigh by gradients at the decoder's last layer.
        mean: averages a tensor over all devices.
        magnify: the critic's gradient is computed this much larger, and made
            smaller again, for half precision.
    """
    values = x[0].numel()
    image = coded.image.float()
    y = image.detach().requires_grad_()
    error = absolute_error(x, y)
    terms = {"error": error.mean()}
    if perceptual is not None and perceptual_weight > 0:
        distance = perceptual(y, x)
        terms["perceptual"] = distance.mean()
        error = error + perceptual_weight * values * distance
    log_scale = coded.log_scale
    (gradient,) = torch.autograd.grad(
        (error * (-log_scale.detach()).exp()).mean(), y
    )
    if critic is not None and adversarial_weight > 0:
        fooled = deception(critic(y))
        (pull,) = torch.autograd.grad(magnify * fooled, y)
        pull = pull / magnify
        weight = gradient.new_tensor(1.0)
        if adaptive:
            sides = (
                torch.autograd.grad(
                    coded.image,
                    coder.last_layer,
                    g.to(coded.image.dtype),
                    retain_graph=True,
                )[0]
                for g in (gradient, pull)
            )
            weight = adaptive_weight(*map(mean, sides), HEAVIEST)
        weight = adversarial_weight * weight
        terms |= {"adversarial": fooled, "critic_weight": weight}
        gradient = gradient + weight * pull
    rate = coded.rate.mean()
    # Its gradient at x̂ is ``gradient``; its value means nothing.
    carrier = (image * gradient).sum()
    # Σ|e|/b + log(2b) a value: with b learned, a Laplace log-likelihood.
    scaled = (error.detach() * (-log_scale).exp()).mean() + values * (
        log_scale + math.log(2)
    )
    terms |= {"rate": rate, "scale": log_scale.exp()}
    total = (scaled + beta * rate).detach()
    if "adversarial" in terms:
        total = total + terms["critic_weight"] * terms["adversarial"].detach()
    terms["loss"] = total
    loss = carrier + beta * rate + (scaled if log_scale.requires_grad else 0)
    return Step(loss, {name: t.detach() for name, t in terms.items()})
