"""A VAE of exchangeable parts: chapter 2's model, piece by piece.

The model of the museum is :class:`~vae_course.mlp.MLPVAE` whose draw, whose
posterior, whose pixels and whose loss are handed in. With the pieces that it
has by itself it is that model; with one broken piece it is an exhibit.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch import distributions as D
from torch.nn import functional as F

from vae_course.core import PixelBernoulli, check_batch
from vae_course.mlp import MLPVAE
from vae_course.theory.conventions import WrittenLoss
from vae_course.training import train


def draw(mean, log_var):
    """A latent of each image, by reparameterization.

    Args:
        mean: of q(z|x), (B, D).
        log_var: log σ², elementwise, (B, D).

    Returns:
        z = mean + σ · noise, with noise from N(0, I), (B, D).
    """
    std = torch.exp(0.5 * log_var)
    noise = torch.randn_like(mean)
    return mean + std * noise


def rate(moments, z):
    """The KL of each latent to N(0, I), in nats.

    Args:
        moments: what the encoder says of an image: means, then
            log-variances, (B, 2D).
        z: the latent that was drawn from them, (B, D).

    Returns:
        KL(q(z|x) ‖ N(0, I)), summed over the latent, (B,).
    """
    mean, log_var = moments.chunk(2, dim=1)
    return 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(dim=1)


def pixels(output):
    """p(x|z) of binary pixels, one by one; the decoder ends in no sigmoid.

    Args:
        output: of the decoder, any real numbers, (B, C, H, W).

    Returns:
        Bernoulli pixels, (B, C, H, W).
    """
    return PixelBernoulli(logits=output)


def posterior(moments):
    """Mean and log-variance of q(z|x), (B, D) each, from the moments."""
    mean, log_var = moments.chunk(2, dim=1)
    return mean, log_var


def loss(x, logits, kl):
    """Minus the ELBO of a batch, in nats per image.

    Args:
        x: binary images, (B, C, H, W).
        logits: of the decoder's pixels, (B, C, H, W).
        kl: KL(q(z|x) ‖ p(z)) of each latent dimension, (B, D).

    Returns:
        Cross-entropy plus KL, both summed over an image's numbers and averaged
        over the batch alone; a number.
    """
    error = F.binary_cross_entropy_with_logits(logits, x, reduction="none")
    return error.flatten(1).sum(dim=1).mean() + kl.sum(dim=1).mean()


class DrawnGaussian(D.Independent):
    """N(mean, diag(exp(log_var))) that is drawn from by a function.

    Density and KL are the Gaussian's own, whatever the function does.
    """

    def __init__(self, mean: Tensor, log_var: Tensor, function: Callable):
        normal = D.Normal(mean, torch.exp(0.5 * log_var), validate_args=False)
        super().__init__(normal, 1, validate_args=False)
        self.moments, self.function = (mean, log_var), function

    def rsample(self, sample_shape=()) -> Tensor:
        """(*sample_shape, B, D), each batch drawn by itself."""
        count = torch.Size(sample_shape).numel()
        drawn = [self.function(*self.moments) for _ in range(count)]
        shape = (*sample_shape, *self.moments[0].shape)
        return torch.stack(drawn).view(shape)

    @torch.no_grad()
    def sample(self, sample_shape=()) -> Tensor:
        """The same without a gradient."""
        return self.rsample(sample_shape)


class AssembledVAE(MLPVAE):
    """Chapter 2's VAE, whose parts are handed in.

    Args:
        draw: (mean, log_var), (B, D) each → z, (B, D).
        rate: (moments (B, 2D), z (B, D)) → what the loss takes for the rate,
            (B,); None takes the KL of q(z|x), dimension by dimension.
        pixels: the decoder's output (B, C, H, W) → its pixels.
        posterior: moments (B, 2D) → mean and log-variance, or a module's
            class, made for the number of latents.
        loss: (x, logits, KL (B, D)) → the number to minimise.
        image_shape: (C, H, W).
        hidden: width of the hidden layers.
        latent: dimensions of z.
    """

    def __init__(
        self,
        draw: Callable = draw,
        rate: Callable | None = None,
        pixels: Callable = pixels,
        posterior: Callable = posterior,
        loss: Callable = loss,
        *,
        image_shape=(1, 28, 28),
        hidden: int = 200,
        latent: int = 20,
    ):
        super().__init__(image_shape, hidden, latent)
        self.draw, self.rate, self.pixels = draw, rate, pixels
        self.loss = loss
        is_module = isinstance(posterior, type)
        self.posterior = posterior(latent) if is_module else posterior

    def encode(self, x: Tensor) -> DrawnGaussian:
        """q(z|x), (B, C, H, W) → events (latent,)."""
        check_batch(x, self.image_shape, "images")
        moments = self.encoder(x.flatten(1))
        return DrawnGaussian(*self.posterior(moments), self.draw)

    def decode(self, z: Tensor) -> D.Independent:
        """p(x|z), (B, latent) → events (C, H, W)."""
        check_batch(z, self.origin.shape, "latents")
        output = self.decoder(z).view(-1, *self.image_shape)
        return D.Independent(self.pixels(output), 3, validate_args=False)

    def claimed(self, x: Tensor) -> Tensor:
        """The loss of a batch as this model's author writes it; a number."""
        return self.objective(x).written

    def objective(self, x: Tensor, beta: float = 1.0) -> WrittenLoss:
        """The author's loss to train on, beside distortion and rate in nats.

        Distortion and rate are those of the model's own distributions.
        """
        moments = self.encoder(x.flatten(1))
        mean, log_var = self.posterior(moments)
        q = DrawnGaussian(mean, log_var, self.draw)
        z = q.rsample()
        p = self.decode(z)
        kl = D.kl_divergence(q.base_dist, D.Normal(0.0, 1.0))  # (B, D)
        shown = kl if self.rate is None else self.rate(moments, z)[:, None]
        written = self.loss(x, p.base_dist.logits, shown)
        return WrittenLoss(-p.log_prob(x), kl.sum(dim=1), written=written)


def objective(vae: AssembledVAE, x: Tensor, beta: float = 1.0) -> WrittenLoss:
    """The model's own objective, in the form that the training loop takes.

    Raises:
        ValueError: β is not 1: the author weighs the terms.
    """
    if beta != 1:
        raise ValueError(f"The loss weighs its own terms, got beta={beta:g}.")
    return vae.objective(x)


def trained(
    model: AssembledVAE, images, *, steps: int = 600, seed: int = 0
) -> AssembledVAE:
    """The model after a short training on its own loss, as its author does it.

    Batches hold 200 images, the step size is 2e-3, and both are the same for
    every exhibit, broken or mended.

    Args:
        model: an exhibit, as ``broken()`` or ``mended()`` gives it.
        images: an ImageSet or a float tensor (N, C, H, W) in [0, 1].
        steps: about so many, in whole passes over the images.
        seed: of the order and the noise.
    """
    epochs = max(1, round(steps * 200 / len(images)))
    how = {"batch_size": 200, "lr": 2e-3, "progress": False, "device": "cpu"}
    train(model, images, epochs=epochs, objective=objective, seed=seed, **how)
    return model


def with_right_draw(model: AssembledVAE) -> AssembledVAE:
    """The same weights, drawn from rightly: to judge what was learned.

    The model itself is changed back by whoever asks; its weights are shared.
    """
    judged = AssembledVAE(
        rate=model.rate,
        pixels=model.pixels,
        loss=model.loss,
        image_shape=model.image_shape,
        hidden=model.encoder[0].out_features,
        latent=len(model.origin),
    )
    judged.encoder, judged.decoder = model.encoder, model.decoder
    judged.posterior = model.posterior
    return judged.train(model.training)
