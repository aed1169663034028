"""Exercises of chapter 4: divergences, the gap, and bounds of many samples."""

from vae_course.exercises.chapter04.effective_samples import EFFECTIVE
from vae_course.exercises.chapter04.gap import GAP
from vae_course.exercises.chapter04.gaussian_kl import KL
from vae_course.exercises.chapter04.weighted_bound import BOUND

EXERCISES = (KL, GAP, BOUND, EFFECTIVE)
