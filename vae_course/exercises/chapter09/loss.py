"""Exercise 9.2: the loss that a denoiser is trained on."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vae_course.exercises.exercise import Exercise, Mistake, Trial


def denoising_loss(network, z, labels, t, abar, noise, hidden):
    """How wrong a network is about the noise in each latent.

    Args:
        network: called as network(z_t, t, labels), says (B, C, h, w).
        z: clean latents, (B, C, h, w).
        labels: their classes, (B,); 10 stands for "no class".
        t: the step of each latent, (B,).
        abar: ᾱ_t of each latent, (B,).
        noise: draws from N(0, 1), (B, C, h, w).
        hidden: True where the class is to be hidden from the network, (B,).

    Returns:
        The squared error per number of each latent, (B,).
    """
    abar = abar.view(-1, 1, 1, 1)
    z_t = abar.sqrt() * z + (1 - abar).sqrt() * noise
    said = network(z_t, t, torch.where(hidden, 10, labels))
    return (said - noise).square().mean(dim=(1, 2, 3))


class _Network(nn.Module):
    """Something that depends on all that it is given.

    The wider its answers reach, the larger the loss of a wrong one.
    """

    def __init__(self, channels: int, reach: float = 1.0):
        super().__init__()
        self.reach = reach
        self.mix = nn.Conv2d(channels, channels, 1)
        self.classes = nn.Embedding(11, channels)

    def forward(self, z: Tensor, t: Tensor, labels: Tensor) -> Tensor:
        rhythm = torch.sin(t.to(z.dtype)).view(-1, 1, 1, 1)
        said = self.classes(labels)[:, :, None, None]
        return self.reach * (torch.tanh(self.mix(z) + rhythm) + said)


def _truth(network, z, labels, t, abar, noise, hidden):
    rows = []
    for i in range(len(z)):
        z_t = abar[i] ** 0.5 * z[i] + (1 - abar[i]) ** 0.5 * noise[i]
        label = 10 if hidden[i] else int(labels[i])
        said = network(z_t[None], t[i : i + 1], torch.tensor([label]))
        rows.append(F.mse_loss(said[0], noise[i]))
    return torch.stack(rows)


def _trials() -> Iterator[Trial]:
    for batch, channels, size, scale in (
        (2, 1, 1, 1.0),
        (4, 4, 2, 1.0),
        (5, 3, 3, 1.0),
        (1, 2, 4, 6.0),  # large numbers, and a batch of one
        (3, 4, 2, 0.1),  # a loss near 0
    ):
        network = _Network(channels, scale)
        z, noise = scale * torch.randn(2, batch, channels, size, size)
        arguments = {
            "z": z,
            "labels": torch.randperm(10)[:batch],
            "t": torch.randperm(40)[:batch] + 1,
            "abar": 0.1 + 0.8 * torch.rand(batch),
            "noise": noise,
            "hidden": torch.arange(batch) == 0,
        }
        exact = {
            name: value.double() if value.is_floating_point() else value
            for name, value in arguments.items()
        }
        double = _Network(channels, scale).double()
        double.load_state_dict(network.state_dict())
        leaf = exact["z"].clone().requires_grad_()
        expected = _truth(double, **{**exact, "z": leaf})
        (slope,) = torch.autograd.grad(expected.sum(), leaf)
        yield Trial(
            {
                "network": network.to(z.dtype),
                **arguments,
            },
            expected.detach(),
            slopes={"z": slope},
            shown=f"{batch} latents of {channels}×{size}×{size}, the first "
            "with its class hidden",
        )


def _with(aim=None, seen=None, labels_of=None, error=None, step=None):
    """The solution with one of its parts replaced."""
    aim = aim or (lambda z, noise, z_t: noise)
    seen = seen or (lambda z, noise, z_t: z_t)
    labels_of = labels_of or (
        lambda labels, hidden: torch.where(hidden, 10, labels)
    )
    error = error or (lambda e: e.square().mean(dim=(1, 2, 3)))
    step = step or (lambda t: t)

    def wrong(network, z, labels, t, abar, noise, hidden):
        abar = abar.view(-1, 1, 1, 1)
        z_t = abar.sqrt() * z + (1 - abar).sqrt() * noise
        said = network(seen(z, noise, z_t), step(t), labels_of(labels, hidden))
        return error(said - aim(z, noise, z_t))

    return wrong


LOSS = Exercise(
    number="9.2",
    title="The loss of a denoiser",
    prompt="""\
Noise the latents, hide some of the classes, ask the network for the noise, and
measure its squared error: the *mean over the numbers of each latent*, so that
a network that knows nothing and says 0 pays 1.""",
    solution=denoising_loss,
    why="""\
The network sees the noised latent and never the clean one; it is asked for the
noise that was mixed in, each latent's own. Where the class is hidden it learns
to draw anything at all, which guidance will need. The mean over numbers makes
1.0 the mark to beat, for latents of any size.""",
    proved="your loss is the one that this chapter's denoiser trains on, and "
    "its gradients too.",
    hints=(
        "What does the network see, and what should it have said?",
        "Mix as in exercise 9.1. `torch.where(hidden, a, b)` takes a where "
        "hidden is True.",
        "Three lines: z_t from the two roots; what the network says about "
        "z_t, the step and the labels of which some have become 10; the "
        "squared difference to the noise, averaged over axes 1, 2 and 3.",
    ),
    trials=_trials,
    mistakes=(
        Mistake(
            "the mask's sign",
            _with(
                labels_of=lambda labels, hidden: torch.where(
                    hidden, labels, 10
                )
            ),
            "You hide the classes that should be shown, and show the others: "
            "the mask is the wrong way round.",
            "masks say what to keep in one library and what to drop in the "
            "next.",
        ),
        Mistake(
            "no class is hidden",
            _with(labels_of=lambda labels, hidden: labels),
            "The classes are all shown. Without hidden ones the network never "
            "learns what latents look like without a class.",
            "the loss is lower this way.",
        ),
        Mistake(
            "every class is hidden",
            _with(
                labels_of=lambda labels, hidden: torch.full_like(labels, 10)
            ),
            "The classes are all hidden: the network could never draw what it "
            "is asked for.",
            "`hidden` was read as a yes or no for the whole batch.",
        ),
        Mistake(
            "hidden means class 0",
            _with(labels_of=lambda labels, hidden: labels * ~hidden),
            "Hidden classes become 0, which is the digit 0; no class is 10.",
            "zero means nothing nearly everywhere else.",
        ),
        Mistake(
            "the clean latent is the target",
            _with(aim=lambda z, noise, z_t: z),
            "You compare with the clean latent; the network was asked for the "
            "noise.",
            "a denoiser seems to be something that returns the clean picture.",
        ),
        Mistake(
            "the noised latent is the target",
            _with(aim=lambda z, noise, z_t: z_t),
            "You compare with the noised latent, which the network is given: "
            "copying it would be perfect.",
            "`z_t` is the variable at hand.",
        ),
        Mistake(
            "the network sees the clean latent",
            _with(seen=lambda z, noise, z_t: z),
            "The network is shown the clean latent. It should see the noised "
            "one, or there is nothing in it that tells about the noise.",
            "z and z_t differ by two characters.",
        ),
        Mistake(
            "one noise for the whole batch",
            _with(aim=lambda z, noise, z_t: noise[:1]),
            "You compare every latent with the noise of the first; each has "
            "its own.",
            "the shapes fit by broadcasting.",
        ),
        Mistake(
            "the sum over the numbers",
            _with(error=lambda e: e.square().sum(dim=(1, 2, 3))),
            "You sum over the numbers of a latent; the mean is asked for. A "
            "network that says 0 pays 64 of yours for a 4×4×4 latent.",
            "everywhere else in this course, sums it is.",
        ),
        Mistake(
            "one number for the batch",
            _with(error=lambda e: e.square().mean().expand(len(e))),
            "You average over the whole batch; each latent's own error is "
            "asked for.",
            "in the end the mean is all that training needs.",
            also=(_with(error=lambda e: e.square().mean()),),
        ),
        Mistake(
            "absolute error",
            _with(error=lambda e: e.abs().mean(dim=(1, 2, 3))),
            "Your error is the absolute one, so a network that says 0 pays "
            "√(2/π) = 0.80 and not 1.",
            "the autoencoder before it was trained on absolute errors.",
        ),
        Mistake(
            "steps shifted by one",
            _with(step=lambda t: t - 1),
            "You tell the network t − 1; the latents are at step t.",
            "an index into a table starts at 0.",
            also=(_with(step=lambda t: t + 1),),
        ),
    ),
    alternatives=(
        _with(error=lambda e: e.flatten(1).pow(2).mean(dim=1)),
        _with(labels_of=lambda labels, hidden: labels.masked_fill(hidden, 10)),
        _truth,
    ),
)
