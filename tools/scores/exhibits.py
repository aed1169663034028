"""The museum's exhibits, put where they can be seen from outside.

Some exhibits are whole models. A piece, such as a residual block or a
distance, is put into the course's own model at its place, with nothing else
changed. What is no part of a VAE (masks of a language model, guidance, the
steps of an optimizer) cannot be seen by looking at one, and is counted apart.

``EXPECTED`` says which instrument names each fault. It was written from the
exhibit's code, before ``diagnose`` was run on any exhibit here: the instrument
that measures, on a whole model, what the exhibit's own gauge measures on the
piece (noise for a draw, weight for a factor in the loss, bound for what the
loss claims, parity for a layer that loads the same weights, gradient for a
term that is cut off). Two are named where the fault is in two places by
construction: a mean beside a sum changes β, and with it whether the code
stays empty; a density with a wrong normaliser is in the loss, and is no
density. Whoever wrote it knew the instruments and the museum. So the score of
the exhibits says that each instrument hears what it was built for, no more;
the held-out faults are the test. It is changed if an exhibit changes, never
because an instrument stayed silent.

The mended ``normed-log-variance`` keeps its batch norm and does not use it;
that two of its weights get no gradient is found, and true.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import torch
from torch import distributions as D
from torch import nn

from tools.scores.cases import Case, Patient, binary, grey, patches
from vae_course import MLPVAE
from vae_course.core import log_importance_weights
from vae_course.museum import exhibits
from vae_course.museum.exhibit import Exhibit
from vae_course.museum.vae import trained
from vae_course.sd import AutoencoderKL, Downsample, ResnetBlock

STEPS = 60
# Exhibit → the instruments that name its fault.
EXPECTED = {
    "one-sided-noise": "noise",
    "one-spread-for-all": "noise",
    "variance-for-deviation": "noise",
    "moments-of-the-sample": "weight",
    "mean-beside-sum": "weight collapse",
    "rate-of-the-batch": "weight",
    "normed-log-variance": "batch",
    "free-fall": "weight decoder",
    "grey-world": "decoder",
    "worst-draw-wins": "bound",
    "its-cousin": "parity",
    "one-of-two": "parity",
    "seven-pixels": "parity",
    "once-too-often": "repeat",
    "judge-unheard": "gradient",
    "root-of-nothing": "gradient",
    "old-acquaintances": "heldout",
    "still-practising": "repeat",
    "one-way-scale": "scale",
    "larger-than-life": "scale",
}


def _model(seed: int, **options) -> MLPVAE:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return MLPVAE(hidden=100, **options)


def _small(seed: int, config="small") -> AutoencoderKL:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return AutoencoderKL(config)


def in_network(kind: type) -> Callable:
    """A block of another class, everywhere in the small autoencoder."""

    def put(piece: type, seed: int) -> Patient:
        model = _small(seed)
        for layer in model.modules():
            if type(layer) is kind:
                layer.__class__ = piece
        return Patient(model, patches()[1])

    return put


def nll(piece: Callable, seed: int) -> Patient:
    model = _model(seed, likelihood="normal")

    def loss(x):
        q = model.encode(x)
        p = model.decode(q.rsample())
        log_scale = model.likelihood.log_scale
        cost = piece(x, p.mean, log_scale).flatten(1).sum(dim=1)
        return (cost + D.kl_divergence(q, model.prior)).mean()

    return Patient(model, grey()[1], {"loss": loss, "beta": 1.0})


def weighted(piece: Callable, seed: int) -> Patient:
    model = _model(seed)

    def bound(x, samples):
        return -piece(-log_importance_weights(model, x, samples))

    return Patient(model, binary()[1], {"bound": bound})


def scaled(piece: Callable, seed: int) -> Patient:
    model = _small(seed)
    said = {"scale": lambda z: piece(z, 0.18215)}
    said["unscale"] = lambda z: z / 0.18215
    return Patient(model, patches()[1], said)


def unscaled(piece: Callable, seed: int) -> Patient:
    model = _small(seed)

    def unscale(z):
        stub = SimpleNamespace(
            unscale=lambda z: z / 0.18215,
            decode=lambda z: SimpleNamespace(mean=z),
        )
        return piece(stub, z)

    said = {"scale": lambda z: 0.18215 * z, "unscale": unscale}
    return Patient(model, patches()[1], said)


def judged(piece: Callable, seed: int) -> Patient:
    """A term that a judge of squared differences gives."""

    def judge(image, x):
        return (image - x).square().flatten(1).sum(dim=1)

    judge.requires_grad_ = lambda value: None

    def distance(image, x):
        each = [
            piece(judge, image[i : i + 1], x[i : i + 1]) for i in range(len(x))
        ]
        return torch.stack(each)

    return Patient(_small(seed), patches()[1], {"distance": distance})


def unit(piece: Callable, seed: int) -> Patient:
    """A distance of normalised features, which are 0 where it is black."""

    def distance(image, x):
        a, b = (piece(each + 1) for each in (image, x))
        return (a - b).square().flatten(1).sum(dim=1)

    images = patches()[1].clone()
    images[:, :, :8, :8] = -1  # black: no feature there
    return Patient(_small(seed), images, {"distance": distance})


def divided(piece: Callable, seed: int) -> Patient:
    images = torch.cat(binary())[:2000]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        seen, unseen = piece(images, 400)
    return Patient(_model(seed), unseen, {"train_images": seen})


def measured(piece: Callable, seed: int) -> Patient:
    """A model as a measurement leaves it."""
    model = _model(seed)
    model.encoder[1] = nn.Sequential(nn.ReLU(), nn.Dropout(0.2))
    model.train()
    piece(lambda_of(model), binary()[1][:32])
    return Patient(model, binary()[1])


def lambda_of(model: MLPVAE) -> Callable:
    """Images → copies, with the model's own modes."""

    def copies(x):
        return model.decode(model.encode(x).mean).mean

    copies.eval, copies.train = model.eval, model.train
    return copies


def configured(piece: Callable, seed: int) -> Patient:
    return Patient(_small(seed, piece()), patches()[1])


PLACES: dict[str, Callable] = {
    "its-cousin": in_network(ResnetBlock),
    "one-of-two": in_network(ResnetBlock),
    "seven-pixels": in_network(Downsample),
    "once-too-often": scaled,
    "free-fall": nll,
    "worst-draw-wins": weighted,
    "judge-unheard": judged,
    "root-of-nothing": unit,
    "old-acquaintances": divided,
    "still-practising": measured,
    "one-way-scale": unscaled,
    "larger-than-life": configured,
}


def whole(exhibit: Exhibit, version: str, seed: int) -> Patient:
    """A model of exchangeable parts, shortly trained on its own loss."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = getattr(exhibit, version)()
    seen, unseen = binary()
    trained(model, seen[:4000], steps=STEPS, seed=seed)
    return Patient(model, unseen, {"train_images": seen})


def case(exhibit: Exhibit, version: str) -> Case | None:
    """An exhibit to examine; None if it cannot be seen from outside."""
    expected = frozenset(EXPECTED.get(exhibit.name, "").split())
    expected = expected if version == "broken" else frozenset()

    def make(seed: int) -> Patient:
        if exhibit.visible:
            return whole(exhibit, version, seed)
        return PLACES[exhibit.name](exhibit.piece(version), seed)

    if not exhibit.visible and exhibit.name not in PLACES:
        return None
    return Case(exhibit.name, make, expected)


def all_cases(version: str) -> list[Case]:
    """The exhibits that can be seen, in the museum's order."""
    found = (case(each, version) for each in exhibits())
    return [each for each in found if each is not None]


def unseen() -> list[str]:
    """The names of those that cannot."""
    return [e.name for e in exhibits() if case(e, "broken") is None]
