"""Exercises of chapter 3: samples with a gradient and without."""

from vae_course.exercises.chapter03.laplace import LAPLACE
from vae_course.exercises.chapter03.price import PRICE
from vae_course.exercises.chapter03.score import SCORE
from vae_course.exercises.chapter03.way_back import WAY_BACK

EXERCISES = (LAPLACE, WAY_BACK, SCORE, PRICE)
