"""Runs code that nobody has read, so that nothing it changes remains."""

from __future__ import annotations

import builtins
import io
import random
import sys
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np
import torch
from torch import distributions as D

_STREAMS = ("stdin", "stdout", "stderr", "__stdout__", "__stderr__")
KEPT = 2000  # characters of printed output that are kept


class Printed(io.TextIOBase):
    """Takes whatever is printed and keeps the beginning; cannot be closed."""

    encoding = "utf-8"

    def __init__(self):
        self.text = ""
        self.echo: Callable[[str], object] = str  # told what is kept

    def write(self, text: str) -> int:
        kept = text[: KEPT - len(self.text)]
        if kept:
            self.text += kept
            self.echo(kept)
        return len(text)

    def writable(self) -> bool:
        return True

    def close(self) -> None:
        """Stays open: other code prints here, too."""

    def take(self) -> str:
        """What was printed since the last call."""
        text, self.text = self.text, ""
        return text


def no_input(*_: object, **__: object) -> str:
    """Stands in for input() during a check."""
    raise RuntimeError("input() cannot be answered during a check")


def no_deeper(limit: int) -> None:
    """Leaves the recursion limit alone: beyond it, Python may just crash."""


def no_exit() -> None:
    """Stands in for what exit() does to a notebook's kernel: end it."""
    raise SystemExit


class Sandbox:
    """Saves the state of the process on entry and puts it back on exit.

    Covers what an attempt may change without meaning to: the random states of
    torch, NumPy and Python, torch's defaults and modes, the standard streams,
    the warnings filters and the recursion limit. Inside, the default dtype is
    float32, gradients are on, and printed text is caught in :attr:`printed`.
    """

    def __init__(self):
        self.printed = Printed()
        self.raised: BaseException | None = None  # by the last call that did
        self._generator = torch.default_generator
        self._restoring = ExitStack()

    def __enter__(self) -> Sandbox:
        try:
            self._enter()
        except BaseException:  # Ctrl-C at the wrong moment
            self._restoring.close()
            raise
        return self

    def _enter(self) -> None:
        undo = self._restoring.callback
        self._restoring.enter_context(warnings.catch_warnings())
        # A student may check inside any of these.
        self._restoring.enter_context(torch.inference_mode(False))
        self._restoring.enter_context(torch.autocast("cpu", enabled=False))
        if torch.get_default_device().type != "cpu":
            self._restoring.enter_context(torch.device("cpu"))
        for save, restore in _states():
            undo(restore, save())
        for stream in _STREAMS:
            undo(setattr, sys, stream, getattr(sys, stream))
            setattr(sys, stream, self.printed)
        sys.stdin = io.StringIO()
        undo(setattr, builtins, "input", builtins.input)
        builtins.input = no_input
        undo(setattr, sys, "setrecursionlimit", sys.setrecursionlimit)
        sys.setrecursionlimit = no_deeper
        shell = getattr(sys.modules.get("IPython"), "get_ipython", bool)()
        if shell:
            undo(setattr, shell, "ask_exit", shell.ask_exit)
            shell.ask_exit = no_exit
        torch.set_num_threads(1)  # small tensors are quicker so
        self.settle()

    def __exit__(self, *_: object) -> None:
        self._restoring.close()

    def seed(self, seed: int) -> None:
        """Seeds every generator that an attempt may draw from."""
        self._generator.manual_seed(seed)
        if torch.cuda.is_initialized():
            torch.cuda.manual_seed_all(seed)
        np.random.seed(seed)
        random.seed(seed)

    def settle(self) -> None:
        """Undoes what a call may have changed, before the check goes on."""
        torch.set_default_dtype(torch.float32)
        torch.set_grad_enabled(True)
        sys.stdout = sys.stderr = self.printed

    def settling(self, attempt: Any) -> Any:
        """The attempt, followed by :meth:`settle` at every call."""
        if not callable(attempt):
            return attempt

        def call(*arguments: Any, **named: Any) -> Any:
            try:
                return attempt(*arguments, **named)
            except BaseException as error:
                self.raised = error
                raise
            finally:
                self.settle()

        return call


def _set_device(device: torch.device) -> None:
    if torch.get_default_device() != device:
        torch.set_default_device(None if device.type == "cpu" else device)


def _states() -> list[tuple[Callable[[], Any], Callable[[Any], Any]]]:
    """(save, restore) of what is one value for the whole process."""
    generator = torch.default_generator
    states = [
        (generator.get_state, generator.set_state),
        (np.random.get_state, np.random.set_state),
        (random.getstate, random.setstate),
        (torch.get_default_dtype, torch.set_default_dtype),
        (torch.is_grad_enabled, torch.set_grad_enabled),
        (torch.get_default_device, _set_device),
        (torch.get_num_threads, torch.set_num_threads),
        (torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
        (
            torch.get_deterministic_debug_mode,
            torch.set_deterministic_debug_mode,
        ),
        (
            lambda: D.Distribution._validate_args,
            D.Distribution.set_default_validate_args,
        ),
        (sys.getrecursionlimit, sys.setrecursionlimit),
    ]
    if torch.cuda.is_initialized():
        states.append(
            (torch.cuda.get_rng_state_all, torch.cuda.set_rng_state_all)
        )
    if torch.backends.mps.is_available():
        states.append((torch.mps.get_rng_state, torch.mps.set_rng_state))
    return states
