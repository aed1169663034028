"""Rate, active units, and the posterior of all images against the prior."""

from __future__ import annotations

import torch

from vae_course.diagnosis.bench import Bench
from vae_course.diagnosis.reading import Reading

ACTIVE = 0.01  # variance of μ over images (Burda et al. 2015, section 5.2)
LEAST_WEIGHT = 0.5  # β below which the rate hardly shapes the code
# Of healthy models of the course after short training; see `posterior`.
SECOND = (1 / 3, 3.0)


def posterior(bench: Bench) -> list[Reading]:
    """Rate, posterior's spread, active units, aggregate posterior. Chapter 5.

    The rate is in nats per image, by ``torch.distributions``. A trained model
    with no active unit has an empty code.

    At a minimum of the loss E[μ² + σ²] = 1 in every latent that a dense or
    convolutional layer reads, whatever β: stretching the latent and shrinking
    that layer's weights would leave the distortion as it is, so the rate alone
    decides, and its derivative is β (E[μ² + σ²] − 1). Short training only
    comes near, so the mean over all latents is judged, from a third to three
    times, where β is at least ½ and training has begun.
    """
    q, subject = bench.posterior, bench.subject
    rate = subject.true_rate(q)
    mean = q.mean
    active = mean.var(dim=0) > ACTIVE if len(mean) > 1 else mean[0] * 0 > 1
    beta = bench.beta if bench.beta is not None else subject.beta
    units = mean[0].numel()
    found = [
        Reading("rate", rate.mean().item(), unit="nats"),
        Reading("mean σ of q(z|x)", q.stddev.mean().item()),
        Reading(
            f"active units of {units:,}",
            float(active.sum()),
            low=1 if bench.trained and len(mean) > 1 else -float("inf"),
            symptom="The code is empty: no latent's mean moves with the "
            "image. Posterior collapse.",
            looks="The loss is stable, all reconstructions are one blurred "
            "image, and samples look as good as reconstructions.",
            chapter=5,
        ),
        Reading("variance of the images that copies explain", bench.explained),
    ]
    if subject.rate is not None:
        with torch.no_grad():
            log_var = 2 * q.stddev.log()
            claimed = subject.rate(q.mean, log_var).mean()
        found.append(
            Reading(
                "the rate as it is computed over the true KL",
                (claimed / rate.mean()).item(),
                0.999,
                1.001,
                "The rate in the loss is not KL(q(z|x) ‖ p(z)), summed over "
                "the latent, of the distribution that is drawn from.",
                "The loss looks like a bound, and often a better one.",
                4,
            )
        )
    if bench.trained and beta is not None and beta >= LEAST_WEIGHT:
        second = mean.square() + q.variance
        second = second.mean().item()
        found.append(
            Reading(
                "E z², mean over all latents",
                second,
                *SECOND,
                "The codes of all images together are not spread as the prior "
                "is: the rate has not done its work on them.",
                "Reconstructions are fine, and samples from N(0, I) are not.",
                2,
            )
        )
    return found
