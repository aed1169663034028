"""Exercises of chapter 8: the judges of a reconstruction, and their order."""

from vae_course.exercises.chapter08.adaptive import ADAPTIVE
from vae_course.exercises.chapter08.features import FEATURES
from vae_course.exercises.chapter08.hinge import HINGE
from vae_course.exercises.chapter08.two_steps import TWO_STEPS

EXERCISES = (FEATURES, HINGE, ADAPTIVE, TWO_STEPS)
