"""Exercises of chapter 7: the pieces of Stable Diffusion's autoencoder."""

from vae_course.exercises.chapter07.downsample import DOWNSAMPLE
from vae_course.exercises.chapter07.latent_scale import LATENT_SCALE
from vae_course.exercises.chapter07.moments import MOMENTS
from vae_course.exercises.chapter07.names import NAMES
from vae_course.exercises.chapter07.scaling import SCALING

EXERCISES = (DOWNSAMPLE, MOMENTS, NAMES, LATENT_SCALE, SCALING)
