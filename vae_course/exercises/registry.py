"""Finds exercises by number; a chapter is imported when first asked for."""

from __future__ import annotations

import importlib
import pkgutil

import vae_course.exercises as package
from vae_course.exercises.exercise import Exercise


class NoSuchExercise(LookupError):
    """There is no exercise of this number; lists those there are."""


def chapters() -> list[int]:
    """The numbers of the chapters that have exercises."""
    names = (module.name for module in pkgutil.iter_modules(package.__path__))
    return sorted(
        int(name[7:]) for name in names if name.startswith("chapter")
    )


def exercises_of(chapter: int) -> tuple[Exercise, ...]:
    """The exercises of a chapter, in order."""
    name = f"{package.__name__}.chapter{chapter:02d}"
    return importlib.import_module(name).EXERCISES


def all_exercises() -> list[Exercise]:
    """Every exercise of the course, in order."""
    return [each for chapter in chapters() for each in exercises_of(chapter)]


def find(number: str) -> Exercise:
    """The exercise of this number, such as ``"2.3"``.

    Raises:
        NoSuchExercise: there is none, or the number is not text.
    """
    if issubclass(type(number), str):
        chapter, _, place = number.strip().partition(".")
        known = chapters()
        if chapter in map(str, known):
            for exercise in exercises_of(int(chapter)):
                if exercise.number == f"{chapter}.{place}":
                    return exercise
            there = ", ".join(e.number for e in exercises_of(int(chapter)))
        else:
            ends = [
                (e[0].number, e[-1].number) for e in map(exercises_of, known)
            ]
            there = ", ".join(f"{first} to {last}" for first, last in ends)
        raise NoSuchExercise(
            f"There is no exercise {number[:20]!r}. There are: {there}."
        )
    raise NoSuchExercise(
        'Write the number of the exercise as text, in quotes: check("2.3", …).'
    )
