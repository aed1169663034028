"""Runs a task where it can be stopped, with what it changes kept apart.

On Linux without a GPU the task runs in a copy of the process (a fork), which
is ended from outside when its time is up, whatever it is doing, and which may
take only so much memory. All that it changes ends with it.

Elsewhere there is no such copy: Windows has no fork, and on macOS and beside
a GPU torch cannot compute after one. There the task runs where the caller is,
and an exception is raised into it when its time is up. One thing cannot be
stopped so: a single call into C that keeps Python waiting, as in
``sum(range(10**12))``. The kernel has to be restarted then.
"""

from __future__ import annotations

import _thread
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from time import monotonic
from typing import Any

import torch

MEMORY = 2 * 2**30  # bytes that a task may take beyond what is there already

Task = Callable[[Callable[[Any], None]], None]


class Stopped(BaseException):
    """The task was stopped from outside."""


class OutOfTime(Stopped):
    """It took longer than it may."""


class Interrupted(Stopped, KeyboardInterrupt):
    """The user pressed Ctrl-C, or the notebook's stop button."""


class Ended(Exception):
    """The task took its process with it; holds the exit code."""


def can_copy() -> bool:
    """Whether a task can run in a copy of this process."""
    gpu = torch.cuda.is_available() or (
        hasattr(torch, "xpu") and torch.xpu.is_available()
    )
    return sys.platform == "linux" and not gpu


def apart(task: Task, receive: Callable[[Any], None], seconds: float) -> None:
    """Runs ``task(send)``, and calls ``receive`` with all that it sends.

    Raises:
        OutOfTime: it took more than ``seconds``.
        KeyboardInterrupt: the user pressed Ctrl-C, and the task was stopped.
        Ended: it ended its process.
    """
    if can_copy():
        _in_a_copy(task, receive, seconds)
    elif threading.current_thread() is threading.main_thread():
        here(task, receive, seconds)
    else:  # nothing can be raised into another thread
        task(receive)


def _in_a_copy(task: Task, receive: Callable, seconds: float) -> None:
    reading, writing = multiprocessing.Pipe(duplex=False)
    with warnings.catch_warnings():
        # Python warns of other threads. None of them holds what we need: the
        # kernel's own wait for messages, and torch's for work.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        _be_the_copy(task, writing)
    writing.close()
    end = monotonic() + seconds
    done = False
    try:
        while not done:
            if not reading.poll(0.1):
                if monotonic() > end:
                    raise OutOfTime
                continue
            try:
                sent = pickle.loads(reading.recv_bytes())
            except EOFError:
                break
            done = sent is _DONE
            if not done:
                receive(*sent)
    finally:
        reading.close()
        os.kill(child, signal.SIGKILL)  # if it has ended, nothing happens
        _, status = os.waitpid(child, 0)
    if not done:
        raise Ended(os.waitstatus_to_exitcode(status))


_DONE = None  # is itself again after pickling


def _be_the_copy(task: Task, connection: Connection) -> None:
    """Never returns: what belongs to the original must not run twice."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # meant for the original
        _limit_memory()
        torch.set_num_threads(1)  # the others were not copied,
        torch.set_num_threads = int  # and waiting for them has no end

        def send(what: Any) -> None:
            connection.send_bytes(pickle.dumps((what,)))

        task(send)
        connection.send_bytes(pickle.dumps(_DONE))
    except BaseException:
        os._exit(1)
    os._exit(0)


def _limit_memory() -> None:
    import resource  # only where there is a fork

    with open("/proc/self/statm") as file:
        taken = int(file.read().split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    with suppress(ValueError, OSError):  # a lower limit stands already
        resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, hard))


def here(task: Task, receive: Callable, seconds: float) -> None:
    """The same without a copy; only in the main thread."""
    late = False
    over = threading.Event()
    ending = threading.Lock()
    main = threading.get_ident()

    def raise_into(number: int, frame: Any) -> None:
        raise OutOfTime if late else Interrupted

    def strike() -> None:
        nonlocal late
        while not over.wait(1.0 if late else seconds):
            with ending:
                late = True
                if over.is_set():
                    return
                if hasattr(signal, "pthread_kill"):  # wakes from a sleep, too
                    signal.pthread_kill(main, signal.SIGINT)
                else:
                    _thread.interrupt_main()

    before = signal.signal(signal.SIGINT, raise_into)
    try:
        threading.Thread(target=strike, daemon=True).start()
        task(receive)
    finally:
        with ending:
            over.set()
        signal.signal(signal.SIGINT, before)
    if late:  # the task turned the exception into another
        raise OutOfTime
