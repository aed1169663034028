"""Exercises of chapter 3: samples with a gradient and without."""

from vae_course.exercises.chapter03.price import PRICE
from vae_course.exercises.chapter03.rsample import RSAMPLE
from vae_course.exercises.chapter03.score import SCORE
from vae_course.exercises.chapter03.way_back import WAY_BACK

EXERCISES = (RSAMPLE, WAY_BACK, SCORE, PRICE)
