"""Exercises of chapter 5: losses in nats, whatever they are written in."""

from vae_course.exercises.chapter05.calibrated import CALIBRATED
from vae_course.exercises.chapter05.free_bits import FREE_BITS
from vae_course.exercises.chapter05.hidden_beta import HIDDEN_BETA
from vae_course.exercises.chapter05.laplace import LAPLACE

EXERCISES = (HIDDEN_BETA, CALIBRATED, LAPLACE, FREE_BITS)
