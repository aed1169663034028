"""How good are drawn digits? Four numbers, none of which suffices alone.

Whether a classifier sees the class that was asked for; whether a classifier
that learns from drawn digits alone can read real ones; how far the features of
drawn and of real digits are apart; and how close each drawn digit is to one
that was learned from. The first is blind to variety, the second to looks, the
third to the class asked for, and only the fourth would see a copying machine.

Sources: Heusel et al. 2017 (https://arxiv.org/abs/1706.08500), equation 6;
Ravuri & Vinyals 2019 (https://arxiv.org/abs/1905.10887).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vae_course.core import check_batch
from vae_course.diffusion.objective import Labelled
from vae_course.training import Losses, train, warm_up_and_decay


class Judge(nn.Module):
    """A small convolutional network that reads digits, (B, 1, 28, 28).

    In [0, 1]. It never meets the models that it judges.
    """

    def __init__(self, classes: int = 10, features: int = 64):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 16, 4, stride=2, padding=1),  # (B, 16, 14, 14)
            nn.ReLU(),
            nn.Conv2d(16, 32, 4, stride=2, padding=1),  # (B, 32, 7, 7)
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(32 * 7 * 7, features),
            nn.ReLU(),
        )
        self.head = nn.Linear(features, classes)
        self.to(memory_format=torch.channels_last)

    def features(self, x: Tensor) -> Tensor:
        """What the last layer decides by, (B, features)."""
        check_batch(x, (1, 28, 28), "images")
        return self.body(x)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of the classes, (B, classes)."""
        return self.head(self.features(x))


@dataclass(frozen=True)
class LabelledImages:
    """Images in [0, 1] and what they show, for the training loop."""

    images: Tensor  # (N, 1, 28, 28)
    labels: Tensor  # (N,)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index) -> Labelled:
        return Labelled(self.images[index], self.labels[index])

    def to(self, device: torch.device | str) -> LabelledImages:
        return LabelledImages(self.images.to(device), self.labels.to(device))


def cross_entropy(
    judge: nn.Module, batch: Labelled, beta: float = 1.0
) -> Losses:
    """−log p(label|x) of each image, in nats: an objective for a judge."""
    x, labels = batch
    return Losses(F.cross_entropy(judge(x), labels, reduction="none"))


def trained_judge(
    images: Tensor, labels: Tensor, *, seen: int = 60_000, seed: int = 0
) -> Judge:
    """A judge that has learned from these images.

    Args:
        images: in [0, 1], (N, 1, 28, 28).
        labels: what they show, (N,).
        seen: images to look at, the same one counted each time.
        seed: of its weights and of the order.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        judge = Judge()
    train(
        judge,
        LabelledImages(images, labels),
        epochs=max(1, round(seen / len(images))),
        objective=cross_entropy,
        batch_size=64,
        lr=warm_up_and_decay(4e-3),
        seed=seed,
        progress=False,
    )
    return judge


@torch.no_grad()
def accuracy(judge: Judge, images: Tensor, labels: Tensor) -> float:
    """The share of images in which the judge sees what the label says.

    Of drawn digits and the classes asked for it is called agreement.
    """
    said = torch.cat([judge(x).argmax(dim=1) for x in images.split(1000)])
    return (said == labels).float().mean().item()


@torch.no_grad()
def frechet_distance(judge: Judge, images: Tensor, others: Tensor) -> float:
    """How far two sets lie apart in the judge's features.

    The squared 2-Wasserstein distance of two Gaussians with their means and
    covariances: ‖μ − μ'‖² + tr(Σ + Σ' − 2 (Σ Σ')^½). With another judge it is
    another number, so it compares only what one judge has seen; and a small
    set is farther away than a large one, so compare equal numbers.
    """
    moments = []
    for each in (images, others):
        found = torch.cat([judge.features(x) for x in each.split(1000)])
        found = found.double()
        moments.append((found.mean(dim=0), torch.cov(found.T)))
    (mean, cov), (other_mean, other_cov) = moments
    # The trace of (ΣΣ')^½ is the sum of the roots of the eigenvalues of ΣΣ',
    # which are those of the symmetric Σ^½ Σ' Σ^½.
    values, vectors = torch.linalg.eigh(cov)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    product = torch.linalg.eigvalsh(root @ other_cov @ root).clamp(min=0)
    apart = (mean - other_mean).square().sum()
    spread = cov.trace() + other_cov.trace() - 2 * product.sqrt().sum()
    return (apart + spread).item()


def nearest(images: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """Each image's nearest among others: its distance and its place, (N,).

    The Euclidean distance of pixels; 0 is a copy.
    """
    found = [
        torch.cdist(x.flatten(1), others.flatten(1)).min(dim=1)
        for x in images.split(500)
    ]
    return (
        torch.cat([each.values for each in found]),
        torch.cat([each.indices for each in found]),
    )
