"""Exercises of chapter 10: exhibits of the museum, to be mended."""

from vae_course.exercises.chapter10.accumulated import ACCUMULATED
from vae_course.exercises.chapter10.attention import ATTENTION
from vae_course.exercises.chapter10.judge import JUDGE
from vae_course.exercises.chapter10.loss import LOSS
from vae_course.exercises.chapter10.noised import NOISED
from vae_course.exercises.chapter10.normaliser import NORMALISER
from vae_course.exercises.chapter10.rate import RATE
from vae_course.exercises.chapter10.weighted import WEIGHTED

EXERCISES = (
    LOSS,
    RATE,
    NORMALISER,
    WEIGHTED,
    ATTENTION,
    JUDGE,
    ACCUMULATED,
    NOISED,
)
