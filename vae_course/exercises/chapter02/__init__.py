"""Exercises of chapter 2: the first VAE, from a code to an honest number."""

from vae_course.exercises.chapter02.bits import BITS
from vae_course.exercises.chapter02.distortion import DISTORTION
from vae_course.exercises.chapter02.honest_number import HONEST
from vae_course.exercises.chapter02.interpolation import INTERPOLATE
from vae_course.exercises.chapter02.loss import LOSS
from vae_course.exercises.chapter02.rate import RATE
from vae_course.exercises.chapter02.reconstruction import RECONSTRUCT
from vae_course.exercises.chapter02.sampling import SAMPLE
from vae_course.exercises.chapter02.training_run import TRAIN

EXERCISES = (
    SAMPLE,
    RATE,
    DISTORTION,
    LOSS,
    RECONSTRUCT,
    INTERPOLATE,
    HONEST,
    BITS,
    TRAIN,
)
