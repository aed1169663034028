"""Exercises of chapter 1: codes, reconstructions, and equal subspaces."""

from vae_course.exercises.chapter01.angle import PRINCIPAL_ANGLE
from vae_course.exercises.chapter01.nonlinear import NONLINEAR
from vae_course.exercises.chapter01.pca import PCA
from vae_course.exercises.chapter01.sequence import SEQUENCE
from vae_course.exercises.chapter01.squared_error import SQUARED_ERROR

EXERCISES = (SEQUENCE, SQUARED_ERROR, PCA, PRINCIPAL_ANGLE, NONLINEAR)
