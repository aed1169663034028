"""A signal to stop waits for the end of the step that is at work."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def at_the_end_of_the_step(asked: threading.Event) -> Iterator[None]:
    """Notes a signal to stop, so that no step is left half done.

    Between the autoencoder's half of a step and the critic's there is no state
    that a run could go on from.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread hears signals
        return

    def note(signum, frame):
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    wanted = (signal.SIGINT, signal.SIGTERM)
    before = {each: signal.signal(each, note) for each in wanted}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
