"""The tested code under the course on variational autoencoders.

Only the mathematics is imported here, so that ``import vae_course`` costs next
to nothing beyond ``import torch``. Import the other rooms where they are used:
``from vae_course import data, plotting``.
"""

from vae_course.core import (
    ELBO,
    VAE,
    elbo,
    importance_weighted_bound,
    importance_weighted_elbo,
    log_importance_weights,
)
from vae_course.mlp import MLPVAE, Autoencoder, squared_error

__all__ = [
    "ELBO",
    "MLPVAE",
    "VAE",
    "Autoencoder",
    "elbo",
    "importance_weighted_bound",
    "importance_weighted_elbo",
    "log_importance_weights",
    "squared_error",
]
