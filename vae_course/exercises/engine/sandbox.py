"""Runs code that nobody has read, so that nothing it changes remains."""

from __future__ import annotations

import builtins
import copy
import inspect
import io
import linecache
import math
import random
import sys
import threading
import time
import types
import warnings
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

import numpy as np
import torch
from torch import distributions as D
from torch import nn

_STREAMS = ("stdin", "stdout", "stderr", "__stdout__", "__stderr__")
KEPT = 2000  # characters of printed output that are kept


class Printed(io.TextIOBase):
    """Takes whatever is printed and keeps the beginning; cannot be closed."""

    encoding = "utf-8"

    def __init__(self):
        self.text = ""

    def write(self, text: str) -> int:
        self.text += text[: KEPT - len(self.text)]
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

    Covers the random states of torch, NumPy and Python, torch's defaults, the
    standard streams, the warnings filters, the recursion limit, and the
    functions of the modules and classes that :func:`guarded` lists. Inside,
    the default dtype is float32 and printed text is caught in :attr:`printed`.

    torch keeps the gradient mode and the default device for each thread by
    itself, so what an attempt does to these ends with the thread it runs in.
    """

    def __init__(self):
        self.printed = Printed()
        self.raised: BaseException | None = None  # by the last call that did
        self._generator = torch.default_generator
        self._builtins = vars(builtins)
        self._builtins_before: dict[str, Any] = {}
        self._modules = sys.modules
        self._modules_before: dict[str, Any] = {}
        self._saved: list[tuple[Any, dict[str, Any], list[int]]] = []
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
        self._builtins_before = dict(self._builtins)
        self._modules_before = dict(self._modules)
        torch.set_default_dtype(torch.float32)
        for each in guarded():
            before = dict(vars(each))
            self._saved.append((each, before, _identities(before)))
        undo(self._undo_patches)  # called first of all, on exit

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
        self._undo_patches()
        _set_default_dtype(torch.float32)
        _set_grad_enabled(True)
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

    def _undo_patches(self) -> None:
        # First of all, and without any builtin: what follows needs them.
        self._builtins.update(self._builtins_before)
        self._modules.update(self._modules_before)
        for namespace, before, identities in self._saved:
            now = vars(namespace)
            if _identities(now) == identities:
                continue  # nearly always, and quick to see
            for name, value in before.items():
                changed = now.get(name, _GONE) is not value
                if changed and _is_function(name, value):
                    setattr(namespace, name, value)
            if isinstance(namespace, type):  # new names hide inherited ones
                for name in now.keys() - before.keys():
                    if _is_function(name, now[name]):
                        delattr(namespace, name)


_GONE = object()
# Held here, because an attempt may replace them in their modules.
_set_default_dtype = torch.set_default_dtype
_set_grad_enabled = torch.set_grad_enabled


def guarded() -> list[types.ModuleType | type]:
    """The modules and classes whose functions cannot be replaced for good."""
    modules = [
        copy, inspect, linecache, math, random, threading, time, warnings,
        np, np.random, torch, torch.autograd, torch.linalg, torch.random,
        nn, nn.functional, nn.init, torch.optim, D,
    ]  # fmt: skip
    modules += [
        module
        for name, module in sys.modules.items()
        if name.split(".")[0] == "vae_course" and module is not None
    ]
    classes = [torch.Tensor, nn.Module, nn.Parameter, threading.Event]
    for module in modules[modules.index(nn) :]:
        classes += [
            each
            for each in vars(module).values()
            if isinstance(each, type)
            and each.__module__.startswith(("torch.", "vae_course."))
        ]
    return [*modules, *dict.fromkeys(classes)]


def _identities(names: Mapping[str, Any]) -> list[int]:
    return [*map(id, names.values())]


def _is_function(name: str, value: Any) -> bool:
    """Whether to put a name back; private flags and caches may change."""
    return callable(value) or not name.startswith("_")


def _states() -> list[tuple[Callable[[], Any], Callable[[Any], Any]]]:
    """(save, restore) of what is one value for the whole process."""
    generator = torch.default_generator
    states = [
        (generator.get_state, generator.set_state),
        (np.random.get_state, np.random.set_state),
        (random.getstate, random.setstate),
        (torch.get_default_dtype, torch.set_default_dtype),
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
