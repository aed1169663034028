"""Exercise 7.2: from the encoder's output to a latent."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from vae_course.core import diagonal_gaussian
from vae_course.exercises.exercise import Exercise, Mistake, trials_against


def draw_latent(moments, noise):
    """A latent drawn from q(z|x), given the encoder's output.

    Args:
        moments: the means, then the log-variances, (B, 2·C, h, w).
        noise: draws from N(0, 1), (B, C, h, w).

    Returns:
        The latent z = μ + σ ⊙ ε, (B, C, h, w), with log σ² clamped to
        [−30, 20].
    """
    mean, log_var = moments.chunk(2, dim=1)
    std = torch.exp(0.5 * log_var.clamp(-30, 20))
    return mean + std * noise


def _by_torch(moments: Tensor, noise: Tensor) -> Tensor:
    c = moments.shape[1] // 2
    log_var = torch.clamp(moments[:, c:], -30, 20)
    q = diagonal_gaussian(moments[:, :c], log_var)
    return q.mean + q.stddev * noise


def _inputs() -> Iterator[dict[str, Tensor]]:
    yield {
        "moments": torch.tensor([1.0, -2.0]).view(1, 2, 1, 1),
        "noise": torch.tensor([0.5]).view(1, 1, 1, 1),
    }
    for batch, channels, size, dtype in (
        (2, 4, 2, torch.float32),
        (1, 3, 3, torch.float32),
        (3, 2, 3, torch.float64),
        (2, 1, 2, torch.float32),  # one channel, which may not get lost
    ):
        moments = torch.randn(batch, 2 * channels, size, size, dtype=dtype)
        noise = torch.randn(batch, channels, size, size, dtype=dtype)
        # Beyond the clamp, and just inside. Half of 50 is beyond 20, too; at
        # a bound itself the gradient would be a matter of taste.
        far = torch.tensor([50.0, 25.0, 17.0, -40.0], dtype=dtype)
        moments[0, channels].view(-1)[:4] = far
        noise[0, 0, 1, 1] = 1e8  # or nobody would see the −40
        means = torch.tensor([90.0, -70.0], dtype=dtype)  # stay as they are
        moments[-1, channels - 1].view(-1)[:2] = means
        if size > 2:
            moments[-1, -1, 2, 2], noise[-1, -1, 2, 2] = -27.0, 1e7
        yield {"moments": moments, "noise": noise}


def _with(std):
    def draw(moments, noise):
        mean, log_var = moments.chunk(2, dim=1)
        return mean + std(log_var) * noise

    return draw


def _split_late(moments, noise):
    std = torch.exp(0.5 * moments.clamp(-30, 20))
    drawn = moments + std * torch.cat([noise, noise], dim=1)
    return drawn.chunk(2, dim=1)[0]


MOMENTS = Exercise(
    number="7.2",
    title="From moments to a latent",
    prompt="""\
The encoder ends in 2·C channels: first C means, then C log-variances. Draw a
latent from them with the noise that is given, and clamp the log-variance to
[−30, 20] before anything else is done to it. An encoder learns through it, so
gradients must reach the moments.""",
    solution=draw_latent,
    why="""\
Half the channels are means and half are log-variances, in this order; σ is the
exponential of *half* the log-variance. The clamp costs nothing and keeps a bad
batch early in training from overflowing: e¹⁰ is the largest σ. The latent has
C channels: the split comes before the draw.""",
    proved="your latents are those of Stable Diffusion, for the same noise, "
    "and their gradients too.",
    hints=(
        "Which axis holds means and log-variances, and in which order?",
        "`moments.chunk(2, dim=1)` splits it. A log-variance of −2 is a "
        "standard deviation of e⁻¹.",
        "Clamp log_var to (−30, 20), halve it, take exp: that is σ. Then "
        "μ + σ · noise.",
    ),
    trials=lambda: trials_against(_by_torch, _inputs(), ["moments"]),
    mistakes=(
        Mistake(
            "the ½ is missing",
            _with(lambda log_var: log_var.clamp(-30, 20).exp()),
            "exp(log σ²) is the variance; the standard deviation is "
            "exp(½ log σ²).",
            "one exp undoes one log, and σ² looks like σ.",
        ),
        Mistake(
            "the halves swapped",
            lambda moments, noise: (
                moments.chunk(2, dim=1)[1]
                + (0.5 * moments.chunk(2, dim=1)[0].clamp(-30, 20)).exp()
                * noise
            ),
            "Means and log-variances have changed places: the means come "
            "first.",
            "both halves have the same shape, and nothing complains.",
        ),
        Mistake(
            "even and odd channels",
            lambda moments, noise: (
                moments[:, 0::2]
                + (0.5 * moments[:, 1::2].clamp(-30, 20)).exp() * noise
            ),
            "You take every second channel; the first C channels are the "
            "means.",
            "pairs of (mean, log-variance) would be just as sensible.",
        ),
        Mistake(
            "split after the draw",
            _split_late,
            "You draw first and split afterwards: your spread comes from the "
            "channels of the means.",
            "`chunk` is one line, and looks at home on either side of the "
            "draw.",
        ),
        Mistake(
            "no clamp",
            _with(lambda log_var: (0.5 * log_var).exp()),
            "The log-variance is not clamped: at 50 your σ is e²⁵, about "
            "seventy thousand million.",
            "in a trained model the clamp never acts, so no picture shows it.",
        ),
        Mistake(
            "clamped at one end alone",
            _with(lambda log_var: (0.5 * log_var.clamp(min=-30)).exp()),
            "You clamp at one end alone. The upper end keeps exp from "
            "overflowing, the lower one σ from vanishing; both are there.",
            "one end is the trouble that one has just met.",
            also=(_with(lambda log_var: (0.5 * log_var.clamp(max=20)).exp()),),
        ),
        Mistake(
            "the means are clamped, too",
            lambda moments, noise: draw_latent(moments.clamp(-30, 20), noise),
            "You clamp all moments. The bounds are for the log-variances; a "
            "mean may be anything.",
            "`moments.clamp(…)` before the split is one line for both.",
        ),
        Mistake(
            "σ is clamped",
            _with(lambda log_var: (0.5 * log_var).exp().clamp(-30, 20)),
            "You clamp σ. The bounds are for log σ²: σ itself lies between "
            "e⁻¹⁵ and e¹⁰.",
            "the clamp comes last in a diagram.",
        ),
        Mistake(
            "no gradient to the moments",
            lambda moments, noise: draw_latent(moments.detach(), noise),
            "Your latents are right, but no gradient reaches the moments.",
            "drawing feels like the end of the road.",
        ),
        Mistake(
            "no gradient to σ",
            lambda moments, noise: (
                moments.chunk(2, dim=1)[0]
                + (
                    0.5 * moments.chunk(2, dim=1)[1].detach().clamp(-30, 20)
                ).exp()
                * noise
            ),
            "The gradient reaches the means, but not the log-variances.",
            "the values are right; only the backward pass shows it.",
        ),
        Mistake(
            "clamped after halving",
            _with(lambda log_var: (0.5 * log_var).clamp(-30, 20).exp()),
            "You clamp half the log-variance; the clamp is for the "
            "log-variance itself, so your bound on σ is e²⁰ and not e¹⁰.",
            "the order of two small operations.",
        ),
        Mistake(
            "log-variance for standard deviation",
            _with(lambda log_var: log_var.clamp(-30, 20)),
            "You multiply the noise with the log-variance itself; it may even "
            "be negative.",
            "the exponential is far away, in another method.",
        ),
        Mistake(
            "noise of one's own",
            lambda moments, noise: draw_latent(
                moments, torch.randn_like(noise)
            ),
            "You draw noise of your own; use the noise that is given, so that "
            "two programs can be compared number by number.",
            "everywhere else the noise is drawn on the spot.",
        ),
        Mistake(
            "the noise is dropped",
            lambda moments, noise: moments.chunk(2, dim=1)[0].clone(),
            "You return the mean: the noise has no effect.",
            "in this family σ is so small that the picture is the same. The "
            "rate is not.",
        ),
    ),
    alternatives=(
        _by_torch,
        lambda moments, noise: torch.addcmul(
            moments[:, : noise.shape[1]],
            moments[:, noise.shape[1] :].clamp(-30, 20).exp().sqrt(),
            noise,
        ),
        lambda moments, noise: (
            torch.tensor_split(moments, 2, dim=1)[0]
            + torch.pow(
                torch.e,
                torch.tensor_split(moments, 2, dim=1)[1].clamp(-30, 20) / 2,
            )
            * noise
        ),
    ),
)
