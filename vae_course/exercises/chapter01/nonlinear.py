"""Exercise 1.5: a non-linear autoencoder."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from vae_course.exercises.engine.results import Flawed, a_tensor
from vae_course.exercises.exercise import Exercise, Mistake, Trial


class NonlinearAutoencoder(nn.Module):
    """An autoencoder with a hidden layer on either side, for any images."""

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


def _anatomy(
    build: Callable, image_shape: tuple, latent: int
) -> dict[str, bool]:
    """What holds of an autoencoder whatever its weights are."""
    model = build(image_shape, latent)
    x, other = 3 * torch.randn(2, 4, *image_shape)

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
    whole = a_tensor(
        model(x), x.shape, x, "the reconstruction", weigh_values=False
    )
    if whole.requires_grad:
        whole.sum().backward()
    trained = all(p.grad is not None for p in model.parameters())
    model.eval()
    with torch.no_grad():
        code = encode(x)
        first, _, again = decode(code), decode(encode(other)), decode(code)
        agree = torch.allclose(model(x), first, atol=1e-5)
        middle = model((x + other) / 2)
        bend = (model(x) + model(other) - 2 * middle).abs().max()
        turned = (model(x) - model(other)).abs().max()
        far = encode(1000 * torch.randn(64, *image_shape))
    return {
        "the image depends on the code alone": torch.equal(first, again),
        "model(x) is decode(encode(x))": agree,
        "a code may be any real number, such as −2 or 2": bool(
            far.min() < -1 and far.max() > 1
        ),
        "the model is non-linear": bool(bend > 1e-4 * turned),
        "every parameter gets a gradient": trained,
    }


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
Build an autoencoder that bends: at least one non-linearity, a code of `latent`
numbers in the middle, and images of any `image_shape` in and out. Nothing but
the code may pass from `encode` to `decode`, and each number of a code may be
any real number.""",
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
                (
                    "the image depends on the code alone",
                    "model(x) is decode(encode(x))",
                    "a code may be any real number, such as −2 or 2",
                    "the model is non-linear",
                    "every parameter gets a gradient",
                ),
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
            also=(_TanhCode, _ReluCode),
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
