"""The dense models: shapes, sizes, and what they refuse."""

import pytest
import torch

from vae_course.core import elbo
from vae_course.mlp import MLPVAE, Autoencoder, mlp, squared_error


@pytest.mark.parametrize("image_shape", [(1, 28, 28), (3, 7, 5), (1, 1, 3)])
@pytest.mark.parametrize("hidden", [16, [16, 8]])
def test_the_vae_takes_images_of_any_size(image_shape, hidden):
    vae = MLPVAE(image_shape, hidden=hidden, latent=2)
    x = torch.rand(4, *image_shape)
    q, p = vae.encode(x), vae.decode(vae.prior.sample((4,)))
    assert q.batch_shape == p.batch_shape == (4,)
    assert q.event_shape == vae.prior.event_shape == (2,)
    assert p.mean.shape == x.shape
    assert all(half.shape == (4,) for half in elbo(vae, x))


def test_the_vae_has_the_reference_number_of_parameters():
    # 784-400-(20 + 20) and 20-400-784, weights and biases.
    expected = 785 * 400 + 401 * 40 + 21 * 400 + 401 * 784
    assert sum(p.numel() for p in MLPVAE().parameters()) == expected


def test_hidden_widths_are_mirrored_in_the_decoder():
    vae = MLPVAE((1, 2, 2), hidden=[9, 7], latent=2)
    widths = [m.out_features for m in vae.decoder if hasattr(m, "weight")]
    assert widths == [7, 9, 4]


def test_weights_saved_and_loaded_give_the_same_model():
    first, second = MLPVAE((1, 4, 4), 8, 2), MLPVAE((1, 4, 4), 8, 2)
    second.load_state_dict(first.state_dict())
    x = torch.rand(3, 1, 4, 4)
    torch.testing.assert_close(first.encode(x).mean, second.encode(x).mean)


@pytest.mark.parametrize("hidden", [None, 16])
def test_the_autoencoder_returns_images_of_the_same_shape(hidden):
    autoencoder = Autoencoder((3, 6, 4), latent=5, hidden=hidden)
    x = torch.rand(2, 3, 6, 4)
    assert autoencoder.encode(x).shape == (2, 5)
    assert autoencoder(x).shape == x.shape


def test_an_autoencoder_without_hidden_layers_is_affine():
    autoencoder = Autoencoder((1, 3, 3), latent=2)
    a, b = torch.randn(2, 1, 1, 3, 3)
    middle = autoencoder((a + b) / 2)
    torch.testing.assert_close(middle, (autoencoder(a) + autoencoder(b)) / 2)


def test_no_activation_follows_the_last_layer():
    assert isinstance(mlp([4, 3, 2])[-1], torch.nn.Linear)
    assert len(mlp([4, 2])) == 1


def test_squared_error_is_half_the_squared_distance_of_each_image():
    autoencoder = Autoencoder((1, 3, 3), latent=2)
    x = torch.rand(4, 1, 3, 3)
    distortion, rate = squared_error(autoencoder, x)
    distance = torch.stack(
        [torch.dist(a, b) for a, b in zip(x, autoencoder(x), strict=True)]
    )
    torch.testing.assert_close(distortion, 0.5 * distance**2)
    assert (rate == 0).all()


@pytest.mark.parametrize(
    "shape", [(2, 28, 28), (2, 1, 27, 28), (2, 784), (1, 28, 28), (28,)]
)
@pytest.mark.parametrize("model", [MLPVAE(), Autoencoder()])
def test_images_of_another_shape_are_refused_by_name(model, shape):
    with pytest.raises(ValueError, match=r"\(B, 1, 28, 28\), got \("):
        model.encode(torch.zeros(shape))


def test_bytes_are_refused_with_the_way_to_mend_it():
    with pytest.raises(ValueError, match=r"divide by 255"):
        MLPVAE().encode(torch.zeros(2, 1, 28, 28, dtype=torch.uint8))


@pytest.mark.parametrize("model", [MLPVAE(), Autoencoder()])
def test_latents_of_another_size_are_refused(model):
    with pytest.raises(ValueError, match=r"\(B, 20\), got \(2, 3\)"):
        model.decode(torch.zeros(2, 3))
