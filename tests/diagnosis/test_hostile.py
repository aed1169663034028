"""What cannot be examined is said in a sentence, and left as it was."""

import random
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from vae_course import MLPVAE, diagnose
from vae_course.diagnosis import Subject

sys.path.insert(0, str(Path(__file__).parent))
from patients import Plain, bars, dense, trained

X = bars(64)


class Raising(MLPVAE):
    def encode(self, x):
        raise KeyError("moments")


class OfAnotherSize(MLPVAE):
    def decode(self, z):
        return self.likelihood(self.decoder(z).view(-1, 1, 4, 16))


class Rooted(MLPVAE):
    def encode(self, x):
        return super().encode((x - 0.5).log())


class Wordy(MLPVAE):
    def encode(self, x):
        return {"mean": x.flatten(1)[:, :4]}


def with_nan() -> MLPVAE:
    model = dense()
    with torch.no_grad():
        model.decoder[0].weight[0, 0] = float("nan")
    return model


def make(kind) -> MLPVAE:
    return kind((1, 8, 8), hidden=8, latent=4)


@pytest.mark.parametrize(
    ("model", "images", "error", "words"),
    [
        (dense(), X[:0], ValueError, "two images at least.*got 0"),
        (dense(), X[:1], ValueError, "two images at least.*got 1"),
        (dense(), None, ValueError, r"\(N, C, H, W\).*Got a NoneType"),
        (dense(), (X, X), ValueError, "Got a tuple"),
        (dense(), X.numpy(), ValueError, "from_numpy.*ndarray"),
        (dense(), TensorDataset(X), ValueError, "stack the images alone"),
        (dense(), DataLoader(X), ValueError, "loader.*Got a DataLoader"),
        (dense(), 2 * X - 1, ValueError, r"\[0, 1\], got \[-1, 1\].*x \+ 1"),
        (dense(), 255 * X, ValueError, r"got \[0, 255\].*x / 255"),
        (dense(), X[..., :7], ValueError, r"encode fails.*\(2, 1, 8, 7\)"),
        (with_nan(), X, ValueError, r"decoder\.0\.weight holds NaN"),
        (make(Raising), X, ValueError, r"encode fails on.*KeyError.*mend"),
        (make(Rooted), X, ValueError, "codes that are not finite.*log"),
        (make(Wordy), X, TypeError, "encode gives a dict.*pair"),
        (make(OfAnotherSize), X, ValueError, r"\(2, 1, 4, 16\).*the shape"),
    ],
)
def test_what_cannot_be_examined_is_said(model, images, error, words):
    with pytest.raises(error, match=words) as caught:
        diagnose(model, images)
    assert len(str(caught.value)) < 400 and "\n" not in str(caught.value)


def test_functions_are_refused_in_the_same_words():
    subject = Subject(encode=lambda x: x[:, 7], decode=lambda z: z)
    with pytest.raises(ValueError, match=r"encode fails on.*IndexError"):
        diagnose(subject, X)
    subject = Subject(
        encode=lambda x: x, decode=lambda z: z, likelihood="bernoulli"
    )
    with pytest.raises(ValueError, match=r"Bernoulli.*got \[-1, 1\]"):
        diagnose(subject, 2 * X - 1)


def test_a_decoder_that_fails_is_counted_in_the_first_line():
    class Half(MLPVAE):
        def decode(self, z):
            raise RuntimeError("not written yet")

    report = diagnose(make(Half), X)
    assert "noise" in report.used and "decoder" in report.failed
    first = str(report).splitlines()[0]
    assert f"; {len(report.failed)} instruments failed when asked." in first
    assert "not written yet" in report.unasked["decoder"]


class Accumulating(Plain):
    """Its loss runs backward by itself, draws from everywhere, and counts."""

    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def objective(self, x):
        self.calls += 1
        loss = super().objective(x) + 0 * np.random.rand() * random.random()
        loss.backward(retain_graph=True)
        return loss


@pytest.mark.parametrize("kind", [Accumulating, Raising])
def test_everything_is_as_it_was_also_after_an_error(kind):
    torch.manual_seed(0)
    model = (Plain if kind is Raising else kind)().train()
    model.drop.eval()
    loss = Plain.objective(model, X)
    loss.backward()
    if kind is Raising:
        model.decode = None
        subject = Subject(
            encode=Raising.encode.__get__(model),
            decode=lambda z: z,
            module=model,
        )
    else:
        subject = model
    state = {k: v.clone() for k, v in model.state_dict().items()}
    slopes = [p.grad.clone() for p in model.parameters()]
    for each in (torch.manual_seed, np.random.seed, random.seed):
        each(7)
    wanted = torch.rand(2), np.random.rand(), random.random()
    for each in (torch.manual_seed, np.random.seed, random.seed):
        each(7)
    if kind is Raising:
        with pytest.raises(ValueError, match="encode fails"):
            diagnose(subject, X)
    else:
        diagnose(subject, X)
    found = torch.rand(2), np.random.rand(), random.random()
    assert torch.equal(found[0], wanted[0]) and found[1:] == wanted[1:]
    for name, value in model.state_dict().items():
        assert torch.equal(value, state[name]), name
    for parameter, slope in zip(model.parameters(), slopes, strict=True):
        assert torch.equal(parameter.grad, slope)
    assert model.training and not model.drop.training
    assert model.inner.training


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_a_caller_without_gradients_gets_the_same_report(mode):
    model = trained()
    wanted = diagnose(model, X)
    with mode():
        found = diagnose(model, X)
    assert found.healthy, str(found)
    assert found.used == wanted.used


def test_a_dropout_left_in_training_mode_is_all_that_is_found():
    torch.manual_seed(0)
    model = Plain()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(100):
        loss = model.objective(X)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    report = diagnose(model, X, likelihood="bernoulli")
    assert report.named == ("repeat",), str(report)
    model.eval()
    assert diagnose(model, X, likelihood="bernoulli").healthy


def test_a_layer_without_weights_is_no_trouble():
    model = nn.Flatten()
    model.encode = lambda x: x.flatten(1)[:, :5]
    model.decode = lambda z: z[:, :1, None, None].expand(-1, 1, 8, 8)
    report = diagnose(model, X)
    assert not report.failed, report.unasked
