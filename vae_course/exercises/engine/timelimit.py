"""Runs a task in a thread of its own and stops it when its time is up.

A thread works where signals do not: on Windows, and in a kernel that keeps the
main thread for itself. Meanwhile the caller only waits, so Ctrl-C reaches it
at once.

One thing cannot be stopped from Python by anybody: a single call into C that
keeps the interpreter to itself, such as ``10**10**9``.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Any

PATIENCE = 1.0  # seconds that a task has to wind up when it is told to stop


class OutOfTime(Exception):
    """The task took longer than it may."""


class StopTask(SystemExit):
    """Ends the task's thread from within; threads die of it in silence."""


class SleepForever(SystemExit):
    """Puts to sleep a thread that catches every exception and carries on.

    Python makes the instance in the thread in which it raises the exception.
    The constructor runs there, then, and never returns: the loop around it
    will not turn again and takes no more time from anybody.
    """

    def __init__(self, *_: object):
        if is_stopping():
            threading.current_thread().asleep = True
            threading.Event().wait()


def is_stopping() -> bool:
    """Whether the thread that asks is one that has been told to stop."""
    thread = threading.current_thread()
    return isinstance(thread, Worker) and thread.stopping


class Worker(threading.Thread):
    """The thread of one task."""

    def __init__(self, task: Callable[[], Any]):
        super().__init__(daemon=True, name="exercise")
        self.task = task
        self.done = threading.Event()
        self.stopping = False
        self.asleep = False
        self.result: Any = None
        self.error: BaseException | None = None

    def run(self) -> None:
        """Keeps the result, or the exception, for the thread that waits."""
        try:
            if not self.stopping:  # Ctrl-C may come before the first line
                self.result = self.task()
        except BaseException as error:
            self.error = error
        finally:
            self.done.set()

    def stop(self) -> None:
        """Asks the task to end, then puts it to sleep; takes 2 s at most."""
        self.stopping = True
        for order in (StopTask, SleepForever):
            end = monotonic() + PATIENCE
            while self.is_alive() and not self.asleep and monotonic() < end:
                with suppress(KeyboardInterrupt):  # pressed once more
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(
                        ctypes.c_ulong(self.ident), ctypes.py_object(order)
                    )
                    self.join(0.02)


def limited(task: Callable[[], Any], seconds: float) -> Any:
    """The result of ``task()``.

    Raises:
        OutOfTime: it took more than ``seconds``.
        KeyboardInterrupt: the user pressed Ctrl-C, and the task was stopped.
    """
    worker = Worker(task)
    end = monotonic() + seconds
    try:
        worker.start()
        while not worker.done.wait(0.05):  # short, because Windows
            if monotonic() > end:  # ignores Ctrl-C while it waits
                worker.stop()
                raise OutOfTime
    except KeyboardInterrupt:
        worker.stop()
        raise
    if worker.error is not None:
        raise worker.error
    return worker.result
