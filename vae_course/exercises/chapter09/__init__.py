"""Exercises of chapter 9: noise a latent, and find the way back."""

from vae_course.exercises.chapter09.both_sides import BOTH_SIDES
from vae_course.exercises.chapter09.ddim import DDIM
from vae_course.exercises.chapter09.guidance import GUIDANCE
from vae_course.exercises.chapter09.loss import LOSS
from vae_course.exercises.chapter09.noising import NOISING

EXERCISES = (NOISING, LOSS, DDIM, GUIDANCE, BOTH_SIDES)
