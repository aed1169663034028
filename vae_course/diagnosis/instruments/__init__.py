"""The instruments, in the order in which they are used.

Each takes a :class:`~vae_course.diagnosis.bench.Bench` and gives readings, or
says by ``NotAsked`` why it has nothing to measure.
"""

from collections.abc import Callable

from vae_course.diagnosis.bench import Bench
from vae_course.diagnosis.instruments.batch import batch
from vae_course.diagnosis.instruments.bound import bound
from vae_course.diagnosis.instruments.collapse import collapse
from vae_course.diagnosis.instruments.decoder import decoder
from vae_course.diagnosis.instruments.gradient import gradient
from vae_course.diagnosis.instruments.heldout import heldout
from vae_course.diagnosis.instruments.noise import noise
from vae_course.diagnosis.instruments.parity import parity
from vae_course.diagnosis.instruments.posterior import posterior
from vae_course.diagnosis.instruments.repeat import repeat
from vae_course.diagnosis.instruments.scale import scale
from vae_course.diagnosis.instruments.shift import shift
from vae_course.diagnosis.instruments.weight import weight
from vae_course.diagnosis.reading import Reading

# repeat comes first, for what changes at every call confuses all others;
# weight before those that ask for the β that it measures.
INSTRUMENTS: dict[str, Callable[[Bench], list[Reading]]] = {
    each.__name__: each
    for each in (
        repeat,
        batch,
        noise,
        weight,
        collapse,
        posterior,
        bound,
        decoder,
        gradient,
        shift,
        scale,
        heldout,
        parity,
    )
}
