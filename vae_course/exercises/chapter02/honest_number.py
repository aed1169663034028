"""Exercise 2.7: an honest number."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor
from torch import distributions as D

from vae_course.core import elbo
from vae_course.exercises.chapter02.rate import gaussian_kl
from vae_course.exercises.engine.results import a_number
from vae_course.exercises.exercise import AtMost, Exercise, Mistake, Trial
from vae_course.mlp import MLPVAE
from vae_course.training import evaluate


def honest_loss(vae, train_images, test_images, batch_size):
    """The mean negative ELBO that belongs in a table of results.

    Args:
        vae: a trained VAE.
        train_images: the images that it was trained on, (N, C, H, W).
        test_images: images that it has never seen, (M, C, H, W).
        batch_size: how many images may be encoded at a time; it need not
            divide the number of images.

    Returns:
        Distortion plus rate with one sample of z for each image, in nats,
        averaged over the images; one number.
    """
    total = 0.0
    for x in test_images.split(batch_size):
        distortion, rate = elbo(vae, x)  # (B,) each, z sampled from q(z|x)
        total += (distortion + rate).sum().item()
    return total / len(test_images)


class _LinearVAE(MLPVAE):
    """A VAE without hidden layers: its mean distortion has a closed form.

    It notes how many images it was given at a time.
    """

    def __init__(self):
        super().__init__((1, 1, 3), (), 2, "normal", likelihood_scale=1.0)
        self.largest = self.encoded = 0
        with torch.no_grad():
            encode, decode = self.encoder[0], self.decoder[0]
            encode.weight.copy_(
                torch.tensor(
                    [[0.5, 0.2, 0.0], [0.0, -0.3, 0.4], [0.0] * 3, [0.0] * 3]
                )
            )
            encode.bias.copy_(torch.tensor([0.3, -0.2, -0.6, -0.4]))
            decode.weight.copy_(
                torch.tensor([[1.0, 0.0], [0.5, -1.0], [0.0, 1.5]])
            )
            decode.bias.zero_()

    def encode(self, x: Tensor) -> D.Distribution:
        self.largest = max(self.largest, len(x))
        self.encoded += len(x)
        return super().encode(x)

    def mean_negative_elbo(self, x: Tensor) -> float:
        """Expected distortion plus rate, averaged over the images."""
        mean, log_var = self.encoder[0](x.flatten(1)).double().chunk(2, dim=1)
        variance = log_var.exp()
        weight = self.decoder[0].weight.double()
        centre = mean @ weight.T + self.decoder[0].bias.double()
        error = (x.flatten(1).double() - centre).square().sum(dim=1)
        spread = variance @ weight.square().sum(dim=0)
        distortion = 0.5 * (error + spread + 3 * math.log(2 * math.pi))
        return (distortion + gaussian_kl(mean, log_var)).mean().item()


def _honest_trials() -> Iterator[Trial]:
    for images, batch_size in (
        (2001, 250),
        (1500, 26),
        (1000, 625),
        (5, 2),  # so few that one more or less would show
    ):
        vae = _LinearVAE()
        train = torch.randn(1700, 1, 1, 3)
        test = 1.5 * torch.randn(images, 1, 1, 3)
        # The last, smaller batch is unlike the others.
        test[-(images % batch_size) :] *= 4
        # Each slip leaves its own trace: a first or a last image that is
        # skipped, a batch that is left out or counted twice.
        test[:batch_size] *= 1.5
        test[0], test[-1] = 70.0, 90.0
        yield Trial(
            {
                "vae": vae,
                "train_images": train,
                "test_images": test,
                "batch_size": batch_size,
            },
            {
                "nats per image": vae.mean_negative_elbo(test),
                "images encoded at a time": AtMost(batch_size),
                "times that each image was encoded": AtMost(3),
            },
            _evaluation,
            # Over seeds, the noise of z moves this mean by 0.05 to 0.1 nats
            # of at least 20; 0.02 · (1 + expected) is four times that.
            tolerance=0.02,
            likeness=0.03,
            shown=f"{images} test images in batches of {batch_size}",
        )


def _evaluation(
    attempt: Callable, vae: _LinearVAE, *arguments
) -> dict[str, float]:
    nats = a_number(attempt(vae, *arguments))
    times = vae.encoded / len(arguments[1])
    # What is allowed is one and the same, or it would hide other mistakes.
    return {
        "nats per image": nats,
        "images encoded at a time": float(max(vae.largest, arguments[2])),
        "times that each image was encoded": max(times, 3.0),
    }


def _summed(
    vae: MLPVAE, images: Tensor, batch_size: int, terms: Callable
) -> float:
    total = sum(terms(vae, x).sum().item() for x in images.split(batch_size))
    return total / len(images)


def _both_halves(vae: MLPVAE, x: Tensor) -> Tensor:
    return sum(elbo(vae, x))


def _at_the_mean_code(vae: MLPVAE, x: Tensor) -> Tensor:
    q = vae.encode(x)
    return D.kl_divergence(q, vae.prior) - vae.decode(q.mean).log_prob(x)


HONEST = Exercise(
    number="2.7",
    title="An honest number",
    prompt="""\
Which number goes into the table of results? You get the training images *and*
the test images. Return the mean negative ELBO, in nats per image, that an
honest paper would report: with z sampled, as the ELBO says, in batches of at
most `batch_size` images, and averaged over images. The last batch may be
smaller than the others. Use `elbo(vae, x)` from the package, which gives
distortion and rate, `(B,)` each.""",
    solution=honest_loss,
    why="""\
Only images that the model has never seen tell how well it describes the
*data*, not its memory. The ELBO is an expectation over q(z|x), so z is
sampled; at the mean code the distortion is smaller than it honestly is. And a
mean over images is a sum over images divided by their number: the mean of the
batches' means counts each image of a small last batch too much.""",
    proved="your number agrees with a closed form, for batches that do not "
    "divide the number of images.",
    hints=(
        "Which of the two sets has the model seen? And how many images are "
        "in the last batch?",
        "`test_images.split(batch_size)` goes through the batches. Add up "
        "sums, not means, and divide once, at the end.",
        "For each batch, `elbo(vae, x)` gives distortion and rate, one number "
        "an image. Add the sum of both to a total that starts at 0. The only "
        "division, by the number of images, comes after the loop.",
    ),
    trials=_honest_trials,
    seconds=45.0,  # enough for one image at a time, on a slow machine
    mistakes=(
        Mistake(
            "evaluating on training data",
            lambda vae, train, test, size: _summed(
                vae, train, size, _both_halves
            ),
            "You measured on the images that the model was trained on.",
            "the training loss is already there, and looks better.",
        ),
        Mistake(
            "the mean of the batches' means",
            lambda vae, train, test, size: (
                sum(elbo(vae, x).loss.item() for x in test.split(size))
                / len(test.split(size))
            ),
            "You averaged the batches' means, so each image of the smaller "
            "last batch counts more than the others.",
            "it is right when all batches have the same size, as they have "
            "with the usual 10,000 images in hundreds.",
        ),
        Mistake(
            "z is not sampled",
            lambda vae, train, test, size: _summed(
                vae, test, size, _at_the_mean_code
            ),
            "You used the mean of q(z|x) instead of a sample: your "
            "distortion is too small, and the number no longer a bound.",
            "a reconstruction uses the mean, and a fixed code gives a number "
            "that does not tremble.",
        ),
        Mistake(
            "the rate is forgotten",
            lambda vae, train, test, size: _summed(
                vae, test, size, lambda vae, x: elbo(vae, x).distortion
            ),
            "You left out the rate: this is the distortion alone, which any "
            "autoencoder can make small.",
            "the reconstruction error is what one sees in the pictures.",
        ),
        Mistake(
            "the distortion is forgotten",
            lambda vae, train, test, size: _summed(
                vae, test, size, lambda vae, x: elbo(vae, x).rate
            ),
            "You left out the distortion: this is the rate alone, the price "
            "of the code without that of the image.",
            "the second of two numbers is taken, and the first is lost.",
        ),
        Mistake(
            "the sum of the batches' means",
            lambda vae, train, test, size: sum(
                elbo(vae, x).loss.item() for x in test.split(size)
            ),
            "You added the batches' means and never divided; and a sum of "
            "means cannot be divided right any more, as the last batch is "
            "smaller.",
            "`.loss` is a mean already, so it looks finished.",
        ),
        Mistake(
            "divided twice",
            lambda vae, train, test, size: (
                sum(elbo(vae, x).loss.item() for x in test.split(size))
                / len(test)
            ),
            "You divided twice: each `.loss` is a mean over its batch, and "
            "you divided their sum by the number of images once more.",
            "the sum over a batch and its mean differ by one call.",
        ),
        Mistake(
            "divided by the number of training images",
            lambda vae, train, test, size: (
                _summed(vae, test, size, _both_halves) * len(test) / len(train)
            ),
            "You added up the test images and divided by the number of "
            "training images.",
            "both sets are at hand, and the two names differ by a word.",
        ),
        Mistake(
            "the sign",
            lambda vae, train, test, size: (
                -_summed(vae, test, size, _both_halves)
            ),
            "You returned the ELBO, which is negative here; the loss is its "
            "negative.",
            "papers report both, and call both the ELBO.",
        ),
        Mistake(
            "the last batch is dropped",
            lambda vae, train, test, size: _summed(
                vae, test[: len(test) // size * size], size, _both_halves
            ),
            "You left out the last, smaller batch; all test images count.",
            "`drop_last` is useful in training, where images come again. Here "
            "it changes the set on which the number is measured.",
        ),
        Mistake(
            "not divided",
            lambda vae, train, test, size: (
                _summed(vae, test, size, _both_halves) * len(test)
            ),
            "You returned the sum over all images: divide by their number.",
            "the running total is what the loop leaves behind.",
        ),
        Mistake(
            "one batch",
            lambda vae, train, test, size: elbo(vae, test[:size]).loss.item(),
            "You measured a single batch; all test images count.",
            "one batch is quick, and its number lies close by.",
        ),
        Mistake(
            "chunk for split",
            lambda vae, train, test, size: (
                torch.cat([_both_halves(vae, x) for x in test.chunk(size)])
                .mean()
                .item()
            ),
            "You made as many batches as there should be images in one: "
            "`split` takes the size of a part, `chunk` takes their number.",
            "both cut a tensor into parts, and take one number.",
        ),
        Mistake(
            "all images at once",
            lambda vae, train, test, size: elbo(vae, test).loss.item(),
            "Your number is right, but you encoded all images at once.",
            "it is the shortest way, as long as the memory lasts.",
        ),
    ),
    alternatives=(
        lambda vae, train, test, size: torch.cat(
            [
                sum(elbo(vae, test[i : i + size]))
                for i in range(0, len(test), size)
            ]
        ).mean(),
        lambda vae, train, test, size: (
            evaluate(vae, test, batch_size=size).total
        ),
        lambda vae, train, test, size: np.average(
            [elbo(vae, x).loss.item() for x in test.split(size)],
            weights=[len(x) for x in test.split(size)],
        ),
    ),
)
