"""Exercises of chapter 6: the pieces of a convolutional VAE."""

from vae_course.exercises.chapter06.attention import ATTENTION
from vae_course.exercises.chapter06.group_norm import GROUP_NORM
from vae_course.exercises.chapter06.psnr import PSNR
from vae_course.exercises.chapter06.residual import RESIDUAL

EXERCISES = (RESIDUAL, GROUP_NORM, ATTENTION, PSNR)
