"""Exercises that answer back.

``check("2.3", my_function)`` says at once whether an attempt is right or which
mistake it is; ``hint("2.3")`` gives a hint, one more at each call;
``solution("2.3")`` shows a tested solution and why it is one; ``progress(2)``
shows what is done. Nothing leaves the machine, and nothing is kept beyond the
session unless you name a file.
"""

from vae_course.exercises.asking import check, hint, progress, solution

__all__ = ["check", "hint", "progress", "solution"]
