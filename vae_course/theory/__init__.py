"""What chapters 3 to 5 check: gradients, an exact model, other losses."""

from vae_course.theory.conventions import (
    PUBLIC_LOSSES,
    LossConvention,
    effective_beta,
)
from vae_course.theory.gradients import (
    pathwise_gradient,
    score_function_gradient,
)
from vae_course.theory.linear_gaussian import LinearGaussian
from vae_course.theory.own_posteriors import OwnPosteriors

__all__ = [
    "PUBLIC_LOSSES",
    "LinearGaussian",
    "LossConvention",
    "OwnPosteriors",
    "effective_beta",
    "pathwise_gradient",
    "score_function_gradient",
]
