"""The tested code under the course on variational autoencoders.

The names below are imported when first asked for. So ``import vae_course``
costs nothing beyond ``import torch``, and ``vae-course doctor`` can say that
torch is missing instead of failing on it.
"""

from importlib import import_module

_HOMES = {
    "ELBO": "core",
    "VAE": "core",
    "elbo": "core",
    "importance_weighted_bound": "core",
    "importance_weighted_elbo": "core",
    "log_importance_weights": "core",
    "MLPVAE": "mlp",
    "Autoencoder": "mlp",
    "diagnose": "diagnosis",
    "squared_error": "mlp",
}

__all__ = list(_HOMES)


def __getattr__(name: str):
    if name in _HOMES:
        return getattr(import_module(f"vae_course.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
