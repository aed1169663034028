"""Instruments that examine a VAE, and a report of what they found."""

from vae_course.diagnosis.examination import diagnose
from vae_course.diagnosis.instruments import INSTRUMENTS
from vae_course.diagnosis.reading import NotAsked, Reading
from vae_course.diagnosis.report import Report
from vae_course.diagnosis.subject import Subject

__all__ = [
    "INSTRUMENTS",
    "NotAsked",
    "Reading",
    "Report",
    "Subject",
    "diagnose",
]
