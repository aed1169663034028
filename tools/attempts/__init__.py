"""Wrong attempts, made by machine: does every exercise refuse them?

``python -m tools.attempts`` takes each right solution of each exercise (the
solution and the alternatives that stand beside it in its module), changes one
thing in it, hands the result to the exercise's own check, and writes
``results/attempts.json``. With numbers, ``python -m tools.attempts 2.3 2.4``,
it does these alone and leaves the other entries as they are; ``--survivors``
prints what was accepted and is not known to be equal to the solution, and
``--rejected`` prints every attempt with what was said to it.

An accepted attempt is *equal* when it computes the same as the solution it
was made from, on the inputs of other seeds, on one row of them, on rows taken
twice, in double precision, and on far larger and smaller values. What is left
are survivors: either the trials are too weak, or there is a reason, which is
written down in :mod:`tools.attempts.reasons`.

:mod:`tools.attempts.changes` says what is changed; to try one attempt by
hand, ``vae_course.exercises.check`` does as well.
"""
