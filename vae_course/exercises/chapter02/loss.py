"""Exercise 2.4: the loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch import distributions as D
from torch.nn import functional as F

from vae_course.exercises.chapter02.distortion import (
    bernoulli_distortion,
    bernoulli_of_torch,
    kept_from_zero,
)
from vae_course.exercises.chapter02.rate import gaussian_kl, kl_of_torch
from vae_course.exercises.exercise import (
    Exercise,
    Mistake,
    after,
    before,
    trials_against,
)


def vae_loss(logits, x, mean, log_var):
    """What training a VAE minimises: the mean of distortion plus rate.

    Args:
        logits: the decoder's output for a sampled code, (B, C, H, W).
        x: binary images, (B, C, H, W).
        mean: means of q(z|x), (B, D).
        log_var: logarithms of its variances, (B, D).

    Returns:
        The mean negative ELBO in nats per image, a tensor of shape ().
    """
    bce = torch.nn.functional.binary_cross_entropy_with_logits
    nats = bce(logits, x, reduction="none")  # (B, C, H, W)
    distortion = nats.flatten(1).sum(dim=1)  # (B,)
    kl = 0.5 * (mean.square() + log_var.exp() - 1 - log_var)  # (B, D)
    rate = kl.sum(dim=1)  # (B,)
    return (distortion + rate).mean()


def _loss_of_torch(
    logits: Tensor, x: Tensor, mean: Tensor, log_var: Tensor
) -> Tensor:
    return (bernoulli_of_torch(logits, x) + kl_of_torch(mean, log_var)).mean()


def _batches() -> Iterator[dict[str, Tensor]]:
    for pixels, images, latent, dtype in (
        ((1, 1, 2), 2, 2, torch.float32),
        ((1, 3, 3), 5, 2, torch.float64),
        ((3, 8, 8), 4, 6, torch.float32),
        ((1, 2, 3), 1, 4, torch.float64),
        ((2, 2, 2), 3, 1, torch.float32),
    ):
        if images == 2:  # small round numbers, which can be checked by hand
            yield {
                "logits": torch.tensor([1.0, 2.0, 2.0, -1.0]).view(2, *pixels),
                "x": torch.tensor([1.0, 0.0, 1.0, 0.0]).view(2, *pixels),
                "mean": torch.tensor([[1.0, 0.0], [0.0, 3.0]]),
                "log_var": torch.tensor([[0.0, 1.0], [0.0, 0.0]]),
            }
            continue
        size = (images, *pixels)
        # Each image has its own scale; the last has logits up to ±200.
        scale = torch.logspace(0, 2, images, dtype=dtype)
        yield {
            "logits": (
                scale.view(-1, 1, 1, 1) * torch.randn(size, dtype=dtype)
            ).clamp(-200, 200),
            "x": torch.bernoulli(torch.full(size, 0.5, dtype=dtype)),
            "mean": torch.linspace(0.5, 5, images, dtype=dtype)[:, None]
            * torch.randn(images, latent, dtype=dtype),
            "log_var": torch.linspace(1, 4, images, dtype=dtype)[:, None]
            * torch.randn(images, latent, dtype=dtype),
        }
    # Images that cost nothing and codes that cost nearly nothing: a floor
    # under either would show.
    yield {
        "logits": torch.tensor([20.0, -20.0]).view(2, 1, 1, 1),
        "x": torch.tensor([1.0, 0.0]).view(2, 1, 1, 1),
        "mean": torch.tensor([[0.01, 0.0], [0.0, -0.02]]),
        "log_var": torch.tensor([[0.0, 0.02], [-0.01, 0.0]]),
    }


def _with_distortion(distortion: Callable) -> Callable:
    """The loss with another distortion of each image."""

    def loss(logits, x, mean, log_var):
        return (distortion(logits, x) + gaussian_kl(mean, log_var)).mean()

    return loss


LOSS = Exercise(
    number="2.4",
    title="The loss, in one unit",
    prompt="""\
Put the two together: the loss of a VAE is the distortion plus the rate, both
in nats per image, **summed** over pixels and over the code, and averaged over
the batch *and nothing else*. One number comes out.""",
    solution=vae_loss,
    why="""\
Both halves are nats of the same image, so they may be added, and only images
may be averaged. Every other average (over pixels, over the code) divides one
half and not the other, and so changes β, the exchange rate between the two, by
a factor of hundreds without saying so. Chapter 5 reads the β out of other
people's losses.""",
    proved="your loss is minus the ELBO, in nats per image, and its "
    "gradients are right for the decoder's output and for both halves "
    "of the code.",
    hints=(
        "First get one distortion and one rate for each image, both of shape "
        "(B,). You have written both already.",
        "Sum each over everything that belongs to one image: pixels for the "
        "distortion, numbers of the code for the rate. Then add them.",
        "Both are now of shape (B,), in nats per image: add them, and average "
        "over the batch. That is the only mean in the whole function; within "
        "an image, everything is summed.",
    ),
    trials=lambda: trials_against(
        _loss_of_torch, _batches(), ("logits", "mean", "log_var")
    ),
    mistakes=(
        Mistake(
            "mean over pixels with summed KL",
            lambda logits, x, mean, log_var: (
                F.binary_cross_entropy_with_logits(logits, x)
                + gaussian_kl(mean, log_var).mean()
            ),
            "You averaged the distortion over the pixels and summed the rate "
            "over the code: on MNIST that is β = 784, and the codes will say "
            "nothing about the images.",
            "the library's loss averages by default, and the KL is written "
            "by hand. Several well-known tutorials have this line.",
        ),
        Mistake(
            "the KL summed over the batch",
            lambda logits, x, mean, log_var: (
                bernoulli_distortion(logits, x).mean()
                + gaussian_kl(mean, log_var).sum()
            ),
            "You averaged the distortion over the batch and summed the rate "
            "over it: with B images that is β = B.",
            "`torch.sum` in the one half and `.mean()` in the other each "
            "look right alone.",
        ),
        Mistake(
            "the KL averaged over the code",
            lambda logits, x, mean, log_var: (
                bernoulli_distortion(logits, x).mean()
                + gaussian_kl(mean, log_var).mean() / mean.shape[1]
            ),
            "You averaged the rate over the numbers of the code: with D of "
            "them that is β = 1/D, and samples from the prior will not look "
            "like images.",
            "`.mean()` on the (B, D) terms is one call where sum and mean "
            "are two.",
        ),
        Mistake(
            "the distortion summed over the batch",
            lambda logits, x, mean, log_var: (
                bernoulli_distortion(logits, x).sum()
                + gaussian_kl(mean, log_var).mean()
            ),
            "You summed the distortion over the batch and averaged the rate "
            "over it: with B images that is β = 1/B.",
            '`reduction="sum"` sums over pixels and images alike.',
        ),
        Mistake(
            "summed over the batch",
            lambda logits, x, mean, log_var: (
                bernoulli_distortion(logits, x) + gaussian_kl(mean, log_var)
            ).sum(),
            "Both halves are summed over the batch: the balance is right, "
            "but the loss grows with the size of the batch, and so do the "
            "steps of plain gradient descent.",
            "Adam hardly notices a factor, so this one trains well. It "
            "cannot be compared with anyone's number, though.",
            upon=lambda solution: (
                lambda logits, *others: len(logits) * solution(logits, *others)
            ),
        ),
        Mistake(
            "averaged over everything",
            lambda logits, x, mean, log_var: (
                F.binary_cross_entropy_with_logits(logits, x)
                + gaussian_kl(mean, log_var).mean() / mean.shape[1]
            ),
            "You averaged the distortion over pixels and the rate over the "
            "code: on MNIST with 20 latents that is β = 784 / 20 = 39.",
            "averaging both looks fair. But one was divided by 784 and the "
            "other by 20.",
        ),
        Mistake(
            "mean over pixels with the KL summed over everything",
            lambda logits, x, mean, log_var: (
                F.binary_cross_entropy_with_logits(logits, x)
                + gaussian_kl(mean, log_var).sum()
            ),
            "You averaged the distortion over pixels and images, and summed "
            "the rate over code and images: with B images of 784 pixels that "
            "is β = 784 · B.",
            "one line is the library's default and the other the formula. No "
            "line is met more often in tutorials.",
        ),
        Mistake(
            "a summed distortion with an averaged KL",
            lambda logits, x, mean, log_var: (
                bernoulli_distortion(logits, x).sum()
                + gaussian_kl(mean, log_var).mean() / mean.shape[1]
            ),
            "You summed the distortion over everything and averaged the rate "
            "over everything: with B images and D numbers that is β = 1 / (B "
            "· D).",
            '`reduction="sum"` and `.mean()` each look right alone.',
        ),
        Mistake(
            "the sign",
            lambda logits, x, mean, log_var: (
                -(bernoulli_distortion(logits, x) + gaussian_kl(mean, log_var))
            ).mean(),
            "You returned the ELBO; what training minimises is its negative.",
            "the ELBO is what the book derives, and it is to be maximised.",
            upon=after(lambda nats: -nats),
        ),
        Mistake(
            "the sign of the distortion",
            lambda logits, x, mean, log_var: (
                gaussian_kl(mean, log_var) - bernoulli_distortion(logits, x)
            ).mean(),
            "You subtract the distortion: your loss pays the decoder for bad "
            "images.",
            "log-likelihood minus KL is the bound; here both signs turn.",
        ),
        Mistake(
            "the KL without its half",
            lambda logits, x, mean, log_var: (
                bernoulli_distortion(logits, x)
                + 2 * gaussian_kl(mean, log_var)
            ).mean(),
            "The ½ of the KL is missing, which is training with β = 2.",
            "the ½ stands outside the bracket, where it is easily left.",
        ),
        Mistake(
            "the KL without its −1",
            lambda logits, x, mean, log_var: (
                bernoulli_distortion(logits, x)
                + gaussian_kl(mean, log_var)
                + mean.shape[1] / 2
            ).mean(),
            "The −1 of the KL is missing: your loss is ½ too large for each "
            "number of the code.",
            "a constant does not change the gradient. It does change the "
            "bound.",
        ),
        Mistake(
            "the sign of the KL",
            lambda logits, x, mean, log_var: (
                bernoulli_distortion(logits, x) - gaussian_kl(mean, log_var)
            ).mean(),
            "You subtract the rate: your loss pays the encoder for moving "
            "its codes away from the prior, without end.",
            "the bound is log-likelihood minus KL. When the sign of the "
            "first is turned to make a loss, the second has to turn with it.",
        ),
        Mistake(
            "log σ read as log σ²",
            lambda logits, x, mean, log_var: vae_loss(
                logits, x, mean, 2 * log_var
            ),
            "You took log_var for log σ: your σ² is exp(2 log_var), the "
            "square of the variance.",
            "some programs let the encoder return log σ and others log σ², "
            "and the name seldom says which.",
            upon=before(lambda logits, x, mean, v: (logits, x, mean, 2 * v)),
        ),
        Mistake(
            "sigmoid twice",
            lambda logits, *others: vae_loss(logits.sigmoid(), *others),
            "The sigmoid was applied twice: once by you, and once inside the "
            "function that takes logits. No pixel can then be surer than "
            "0.73.",
            "decoders often end in a sigmoid, and `…_with_logits` brings one "
            "of its own.",
            upon=before(lambda logits, *others: (logits.sigmoid(), *others)),
        ),
        Mistake(
            "a probability kept from zero",
            _with_distortion(
                lambda logits, x: (
                    F.binary_cross_entropy(
                        logits.sigmoid(), x, reduction="none"
                    )
                    .flatten(1)
                    .sum(dim=1)
                )
            ),
            "It is right for small logits; for large ones the cost of a wrong "
            "pixel stops growing, and with it the gradient stops.",
            "a small number inside the logarithm, a clamp, or torch's own "
            "limit of 100 in `binary_cross_entropy` makes the infinity go "
            "away, and the truth with it. Work on logits instead.",
            also=tuple(
                _with_distortion(kept_from_zero(eps, clamp))
                for eps in (1e-5, 1e-6, 1e-7, 1e-8, 1e-10, 1e-12)
                for clamp in (True, False)
            ),
        ),
        Mistake(
            "divided by the pixels, too",
            lambda logits, x, mean, log_var: (
                vae_loss(logits, x, mean, log_var) / x[0].numel()
            ),
            "You divided the whole loss by the number of pixels: the balance "
            "is right, and the number is nats per pixel.",
            "it makes losses of images of different sizes comparable. Only "
            "say so, and use it nowhere else.",
            upon=lambda solution: (
                lambda logits, x, *others: (
                    solution(logits, x, *others) / x[0].numel()
                )
            ),
        ),
        Mistake(
            "not averaged",
            lambda logits, x, mean, log_var: (
                bernoulli_distortion(logits, x) + gaussian_kl(mean, log_var)
            ),
            "There is still one loss for each image; `backward()` needs a "
            "single number: average them.",
            "everything else is right.",
        ),
        Mistake(
            "no KL",
            lambda logits, x, mean, log_var: (
                bernoulli_distortion(logits, x).mean()
                + 0 * gaussian_kl(mean, log_var).mean()
            ),
            "The rate is missing: this is the loss of an autoencoder with "
            "noise, and the encoder will learn to make the noise vanish.",
            "reconstructions are better without it.",
            also=(
                lambda logits, x, mean, log_var: bernoulli_distortion(
                    logits, x
                ).mean(),
            ),
        ),
    ),
    alternatives=(
        lambda logits, x, mean, log_var: (
            (
                F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
                - 0.5 * torch.sum(1 + log_var - mean**2 - log_var.exp())
            )
            / len(x)
        ),
        lambda logits, x, mean, log_var: (
            D.kl_divergence(
                D.Independent(D.Normal(mean, log_var.exp().sqrt()), 1),
                D.Independent(D.Normal(torch.zeros_like(mean), 1), 1),
            )
            - D.Independent(D.Bernoulli(logits=logits), 3).log_prob(x)
        ).mean(),
        lambda logits, x, mean, log_var: (
            sum(
                bernoulli_distortion(
                    logits[i : i + 1].double(), x[i : i + 1].double()
                )
                .add(
                    gaussian_kl(
                        mean[i : i + 1].double(), log_var[i : i + 1].double()
                    )
                )
                .squeeze()
                for i in range(len(x))
            )
            .div(len(x))
            .to(x.dtype)
        ),
    ),
)
