"""Exercise 1.5: a non-linear autoencoder."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from vae_course.exercises.engine.results import Flawed, a_tensor
from vae_course.exercises.exercise import Exercise, Mistake, Trial


class NonlinearAutoencoder(nn.Module):
    """An autoencoder that is not linear, for images of any shape."""

    def __init__(self, image_shape, latent):
        """Layers for images (C, H, W) and codes of so many numbers each."""
        super().__init__()
        self.image_shape = image_shape
        pixels = torch.Size(image_shape).numel()
        self.encoder = nn.Sequential(
            nn.Flatten(),
            nn.Linear(pixels, 64),
            nn.ReLU(),
            nn.Linear(64, latent),
        )
        self.decoder = nn.Sequential(
            nn.Linear(latent, 64), nn.ReLU(), nn.Linear(64, pixels)
        )

    def encode(self, x):
        """The codes of images x, (B, C, H, W) → (B, latent)."""
        return self.encoder(x)

    def decode(self, z):
        """The images of codes z, (B, latent) → (B, C, H, W)."""
        return self.decoder(z).view(-1, *self.image_shape)

    def forward(self, x):
        """Reconstructions of images x, (B, C, H, W) → (B, C, H, W)."""
        return self.decode(self.encode(x))


ALONE = "the image depends on the code alone"
WHOLE = "model(x) is decode(encode(x))"
ANY_BATCH = "a code can be decoded without the others of its batch"
OWN = "the code depends on its own image alone, and is the same each time"
FREE = "a code may be any real number, such as −2, 0.5 or 200"
BENDS = "the model is non-linear"
TRAINS = "every parameter gets a gradient"


def _anatomy(
    build: Callable, image_shape: tuple, latent: int
) -> dict[str, bool]:
    """What holds of an autoencoder whatever its weights are."""
    model = build(image_shape, latent)
    x, other = 3 * torch.randn(2, 4, *image_shape)
    given = x.clone()

    def encode(images: Tensor) -> Tensor:
        wanted = (len(images), latent)
        return a_tensor(
            model.encode(images), wanted, x, "the code", weigh_values=False
        )

    def decode(codes: Tensor) -> Tensor:
        wanted = (len(codes), *image_shape)
        images = model.decode(codes)
        return a_tensor(
            images, wanted, x, "the decoded image", weigh_values=False
        )

    decode(encode(x))
    if not isinstance(model, nn.Module) or not list(model.parameters()):
        raise Flawed(
            "parameters",
            "Your model has no parameters that an optimizer could train. "
            "Layers count when they are attributes of the module or sit in "
            "`nn.Sequential` or `nn.ModuleList`; in a plain list they are "
            "not found.",
        )
    a_tensor(model(x), x.shape, x, "the reconstruction", weigh_values=False)
    if not torch.equal(x, given):
        raise Flawed(
            "mutated",
            "Your model changes its input images in place, and so the "
            "caller's own data. Compute something new instead.",
        )
    model.eval()
    trains = _trains(model, x)
    leaf = x.clone().requires_grad_()
    back = decode(encode(leaf)).sum()
    with torch.no_grad():
        code = encode(x)
        first, _, again = decode(code), decode(encode(other)), decode(code)
        agree = torch.allclose(model(x), first, atol=1e-5)
        middle = model((x + other) / 2)
        bend = (model(x) + model(other) - 2 * middle).abs().max()
        turned = (model(x) - model(other)).abs().max()
        one_by_one = _or_none(
            lambda: torch.cat([decode(c[None]) for c in code])
        )
        single = _or_none(lambda: torch.cat([encode(i[None]) for i in x]))
    return {
        ALONE: torch.equal(first, again),
        WHOLE: agree,
        OWN: _near(single, code) and _near(encode(x), code),
        ANY_BATCH: _near(one_by_one, first),
        FREE: not torch.equal(code, code.round()) and _free(model, x, latent),
        BENDS: bool(bend > 1e-4 * turned),
        TRAINS: trains,
        # No demands of their own: they tell one mistake from another.
        "the way back": back.requires_grad and _reaches(back, leaf),
        "whole numbers": torch.equal(code, code.round()),
    }


def _reaches(back: Tensor, leaf: Tensor) -> bool:
    (gradient,) = torch.autograd.grad(back, leaf, allow_unused=True)
    return gradient is not None and bool((gradient != 0).any())


def _or_none(task: Callable) -> Tensor | None:
    try:
        return task()
    except Exception:
        return None


def _near(found: Tensor | None, wanted: Tensor) -> bool:
    return found is not None and torch.allclose(
        found, wanted, rtol=1e-3, atol=1e-4
    )


def _trains(model: nn.Module, x: Tensor) -> bool:
    """Whether a gradient other than zero reaches every parameter.

    Asked of weights that are moved a little, because some start at zero.
    """
    moved = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in moved.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    loss = (moved(x) - x).square().sum()
    if loss.requires_grad:
        loss.backward()
    return all(
        p.grad is not None and bool((p.grad != 0).any())
        for p in moved.parameters()
    )


def _free(model: nn.Module, x: Tensor, latent: int) -> bool:
    """Whether each number of a code goes beyond ±100 with some weights.

    Untrained weights are small, and hidden sigmoids keep codes near zero; so
    weights a thousand times as large are drawn, several times.
    """
    low, high = torch.full((2, latent), 0.0)
    freedom = 0
    for _ in range(6):
        loud = copy.deepcopy(model)
        with torch.no_grad():
            for parameter in loud.parameters():
                parameter.copy_(100 * torch.randn_like(parameter))
            far = loud.encode(1000 * torch.randn(64, *x.shape[1:]))
        if far.isfinite().all():
            low = torch.minimum(low, far.amin(dim=0))
            high = torch.maximum(high, far.amax(dim=0))
            centred = (far - far.mean(dim=0)).double()
            rank = torch.linalg.matrix_rank(centred, rtol=1e-5).item()
            freedom = max(freedom, rank)
    # A normalised code lacks one dimension: its numbers have a fixed sum.
    tied = freedom == latent - 1
    return bool((low < -100).all() and (high > 100).all()) and not tied


class _Fixed784(NonlinearAutoencoder):
    def __init__(self, image_shape, latent):
        super().__init__((1, 28, 28), latent)


class _Skip(NonlinearAutoencoder):
    def encode(self, x):
        self.seen = x
        return super().encode(x)

    def decode(self, z):
        return super().decode(z) + self.seen


class _Flat(NonlinearAutoencoder):
    def decode(self, z):
        return self.decoder(z)


class _SigmoidCode(NonlinearAutoencoder):
    def encode(self, x):
        return super().encode(x).sigmoid()


class _TanhCode(NonlinearAutoencoder):
    def encode(self, x):
        return super().encode(x).tanh()


class _ReluCode(NonlinearAutoencoder):
    def encode(self, x):
        return super().encode(x).relu()


class _NormalisedCode(NonlinearAutoencoder):
    def __init__(self, image_shape, latent):
        super().__init__(image_shape, latent)
        self.norm = nn.LayerNorm(latent)

    def encode(self, x):
        return self.norm(super().encode(x))


class _ClampedCode(NonlinearAutoencoder):
    def encode(self, x):
        return super().encode(x).clamp(-3, 3)


class _RoundedCode(NonlinearAutoencoder):
    def encode(self, x):
        code = super().encode(x)
        return code + (code.round() - code).detach()  # with a gradient


class _RoundedOff(NonlinearAutoencoder):
    def encode(self, x):
        return super().encode(x).round()


class _Spare(NonlinearAutoencoder):
    def __init__(self, image_shape, latent):
        super().__init__(image_shape, latent)
        self.spare = nn.Linear(latent, latent)


class _CentredCode(NonlinearAutoencoder):
    def encode(self, x):
        code = super().encode(x)
        return code - code.mean(dim=0)


class _LastBatch(NonlinearAutoencoder):
    def encode(self, x):
        self.images = len(x)
        return super().encode(x)

    def decode(self, z):
        return self.decoder(z).view(self.images, *self.image_shape)


class _CutInTwo(NonlinearAutoencoder):
    def decode(self, z):
        return super().decode(z.detach())


class _Linear(NonlinearAutoencoder):
    def __init__(self, image_shape, latent):
        super().__init__(image_shape, latent)
        self.encoder[2] = self.decoder[1] = nn.Identity()


class _PlainList(NonlinearAutoencoder):
    def __init__(self, image_shape, latent):
        super().__init__(image_shape, latent)
        layers = list(self.encoder), list(self.decoder)
        del self.encoder, self.decoder
        self.layers = layers

    def encode(self, x):
        for layer in self.layers[0]:
            x = layer(x)
        return x

    def decode(self, z):
        for layer in self.layers[1]:
            z = layer(z)
        return z.view(-1, *self.image_shape)


class _Convolutional(nn.Module):
    """A right solution of another kind."""

    def __init__(self, image_shape, latent):
        super().__init__()
        channels, height, width = image_shape
        self.encode = nn.Sequential(
            nn.Conv2d(channels, 8, 3, padding=1),
            nn.SiLU(),
            nn.Flatten(),
            nn.Linear(8 * height * width, latent),
        )
        self.decode = nn.Sequential(
            nn.Linear(latent, 8 * height * width),
            nn.SiLU(),
            nn.Unflatten(1, (8, height, width)),
            nn.Conv2d(8, channels, 3, padding=1),
            nn.Sigmoid(),
        )

    def forward(self, x):
        return self.decode(self.encode(x))


class _ByHand(nn.Module):
    """Another: its own weights, normalisation and dropout."""

    def __init__(self, image_shape, latent):
        super().__init__()
        self.image_shape = image_shape
        pixels = torch.Size(image_shape).numel()
        self.down = nn.Parameter(torch.randn(pixels, latent) / pixels**0.5)
        self.up = nn.ModuleList([nn.Linear(latent, 32), nn.Linear(32, pixels)])
        self.norm = nn.BatchNorm1d(32)
        self.dropout = nn.Dropout(0.1)

    def encode(self, x):
        return torch.einsum("bp,pd->bd", x.flatten(1), self.down)

    def decode(self, z):
        hidden = self.dropout(self.norm(self.up[0](z)).tanh())
        return self.up[1](hidden).reshape(len(z), *self.image_shape)

    def forward(self, x):
        return self.decode(self.encode(x))


NONLINEAR = Exercise(
    number="1.5",
    title="A non-linear autoencoder",
    prompt="""\
Build an autoencoder that bends: images of any `image_shape` in and out, a code
of `latent` numbers in the middle, and a non-linearity in a hidden layer of the
encoder, of the decoder, or of both. Nothing but the code may pass from
`encode` to `decode`, the code of an image is its own (not its batch's), and
each number of a code may be any real number.""",
    solution=NonlinearAutoencoder,
    why="""\
The last layer of the encoder stays linear, so that codes can go wherever they
are needed; the last layer of the decoder does, too.
`torch.Size(image_shape).numel()` counts the pixels and `view` brings the shape
back, so no 784 is written anywhere. `encode` and `decode` are separate methods
because from now on we shall use them separately: codes without images, images
without encoder.""",
    proved="your autoencoder takes images of any size, bends, and lets "
    "nothing past its bottleneck.",
    hints=(
        "Dense layers work on rows, so an image has to be flattened on the "
        "way in and put back into shape on the way out. Who remembers the "
        "shape?",
        "`torch.Size(image_shape).numel()` counts the pixels. The encoder "
        "goes pixels → hidden → latent, the decoder latent → hidden → "
        "pixels, with a ReLU after each hidden layer.",
        "The encoder is an `nn.Sequential` of four: `nn.Flatten()`, a linear "
        "layer to 64 numbers, a ReLU, a linear layer to `latent`. The decoder "
        "has three, in reverse, with no ReLU at its end. Its rows become "
        "images with `view`, which takes −1 for the batch and then the "
        "numbers of `image_shape`.",
    ),
    trials=lambda: [
        Trial(
            {"image_shape": image_shape, "latent": latent},
            dict.fromkeys(
                (ALONE, WHOLE, OWN, ANY_BATCH, FREE, BENDS, TRAINS),
                True,
            ),
            _anatomy,
        )
        for image_shape, latent in (
            ((1, 2, 3), 2),
            ((1, 28, 28), 8),
            ((3, 5, 7), 4),
        )
    ],
    mistakes=(
        Mistake(
            "784 written down",
            _Fixed784,
            "Your model fits images of 28×28 pixels and no others.",
            "every MNIST tutorial has the number 784 in it, until somebody "
            "brings other images.",
        ),
        Mistake(
            "a way around the bottleneck",
            _Skip,
            "Something of the image reaches the decoder without going "
            "through the code.",
            "it makes the loss wonderfully small, and the code worthless.",
        ),
        Mistake(
            "flat images",
            _Flat,
            "Your decoder returns rows of pixels, not images: bring them "
            "back to (B, C, H, W).",
            "a loss on flattened pixels works just as well, so nothing "
            "complains until the first plot.",
        ),
        Mistake(
            "a squeezed code",
            _SigmoidCode,
            "Something at the end of your encoder squeezes the code into an "
            "interval or to one side of zero.",
            "an activation after each layer looks tidy. After the last one "
            "it takes away room that the code needs.",
            also=(_TanhCode, _ReluCode, _ClampedCode, _NormalisedCode),
        ),
        Mistake(
            "a rounded code",
            _RoundedCode,
            "Your codes are whole numbers: between 0 and 1 there is nothing.",
            "whole numbers are cheap to store. What they cost is the slope, "
            "and with it the training.",
            also=(_RoundedOff,),
        ),
        Mistake(
            "parameters without a gradient",
            _Spare,
            "Some of your parameters never get a gradient: they are frozen, "
            "or have no part in what the model computes.",
            "a layer that was tried and left out stays in `__init__`.",
        ),
        Mistake(
            "a code of the whole batch",
            _CentredCode,
            "Your code of an image depends on the other images of its batch: "
            "alone, the same image gets another code.",
            "a mean over `dim=0` makes tidy codes, as long as whole batches "
            "go in.",
        ),
        Mistake(
            "bound to the last batch",
            _LastBatch,
            "Your decoder takes as many codes as images were encoded last, "
            "and no other number of them.",
            "in training the two are always the same. New images are made "
            "from codes that no image was encoded to.",
        ),
        Mistake(
            "cut in two",
            _CutInTwo,
            "No gradient passes from the decoder to the encoder, so the "
            "encoder would never learn.",
            "`detach` makes an error message go away, and the way back with "
            "it.",
        ),
        Mistake(
            "linear after all",
            _Linear,
            "Your model is linear: two linear layers in a row are one.",
            "more layers look like more power. Without a non-linearity "
            "between them they can do no more than PCA.",
        ),
        Mistake(
            "layers that nobody finds",
            _PlainList,
            "Your layers are hidden from `parameters()`, so an optimizer "
            "would train nothing.",
            "a Python list of layers computes the right thing. Only "
            "`nn.ModuleList` and `nn.Sequential` register what they hold.",
        ),
    ),
    alternatives=(_Convolutional, _ByHand),
)
