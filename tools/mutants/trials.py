"""The tests of one module, on a copy of the package, the likely ones first.

A mutant costs what it takes until one test fails. So the tests go in the order
of what they took and of how often they noticed something, and the one that
noticed this very change before goes first.
"""

from __future__ import annotations

import compileall
import gc
import importlib
import multiprocessing
import os
import py_compile
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

# What tests and pytest import of others. Read once here, it is there in every
# fork; that takes longer than most tests.
OTHERS = (
    *("torch", "torchvision.datasets", "torchvision.transforms.functional"),
    *("diffusers.models", "hypothesis", "safetensors.torch"),
    *("IPython.core.interactiveshell", "matplotlib.pyplot", "nbval.plugin"),
    *("playwright.sync_api", "scipy.stats", "sklearn.datasets", "xdist"),
)
OURS = ("vae_course", "tools", "tests", "conftest")
ROOT = Path(__file__).parent.parent.parent


class Trial(NamedTuple):
    """How the tests went, until the first that failed."""

    passed: bool
    seconds: dict[str, float]  # of each test that ran
    noticed_by: str | None = None  # None also where nothing could be run


class Trials:
    """The tests of one module on a copy of the package.

    Args:
        copy: the folder of the copy.
        tests: files or folders in it.

    Raises:
        RuntimeError: they fail while nothing is wrong.
    """

    def __init__(self, copy: Path, tests: list[str]):
        self.copy, self.tests = copy, tests
        # By content: a mutant may be as long as the module, and as old.
        by_content = py_compile.PycInvalidationMode.CHECKED_HASH
        compileall.compile_dir(
            copy / "vae_course", quiet=2, invalidation_mode=by_content
        )
        self.noticed = Counter()
        clean = self._run([], limit=3600)
        if not clean.passed:
            raise RuntimeError(
                "Tests fail before anything is wrong: "
                f"{clean.noticed_by or ', '.join(tests)}"
            )
        self.seconds = clean.seconds

    def on_mutant(self, first: str | None = None) -> Trial:
        """The tests on the copy as it is now, one of them before all others.

        What takes much longer than it should has failed: it would hang.
        """
        limit = 30 + 5 * sum(self.seconds.values())
        trial = self._run([first, *self._order()], limit)
        self.noticed[trial.noticed_by] += 1
        return trial

    def _order(self) -> list[str]:
        def price(name: str) -> float:
            return self.seconds[name] / (1 + self.noticed[name])

        return sorted(self.seconds, key=price)

    def _run(self, order: list[str | None], limit: float) -> Trial:
        for name in OTHERS:
            importlib.import_module(name)
        gc.freeze()  # what is there already need not be looked through again
        fork = multiprocessing.get_context("fork")
        receiver, sender = fork.Pipe(duplex=False)
        child = fork.Process(
            target=_test, args=(self.copy, self.tests, order, sender)
        )
        child.start()
        sender.close()
        trial = Trial(False, {})  # if nothing is heard of it in time
        try:
            if receiver.poll(limit):
                trial = Trial(*receiver.recv())
        except EOFError:  # the process died, as its user's would have
            trial = Trial(False, {})
        finally:
            child.kill()
            child.join()
        return trial


class _Watch:
    """A plugin of pytest: sorts the tests, and tells how they went.

    It ends the process, with which nobody wants to tidy up.
    """

    def __init__(self, order: list[str | None], sender):
        self.places = {name: place for place, name in enumerate(order)}
        self.sender = sender
        self.seconds: Counter = Counter()

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list) -> None:
        last = len(self.places)
        items.sort(key=lambda item: self.places.get(item.nodeid, last))

    def pytest_runtest_logreport(self, report) -> None:
        self.seconds[report.nodeid] += report.duration
        if report.failed:
            self._end(False, report.nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, exitstatus: int) -> None:
        self._end(exitstatus == 0, None)

    def _end(self, passed: bool, noticed_by: str | None) -> None:
        self.sender.send((passed, dict(self.seconds), noticed_by))
        self.sender.close()
        os._exit(0)


def _test(copy: Path, tests: list[str], order: list, sender) -> None:
    os.chdir(copy)
    sys.dont_write_bytecode = bool(order)  # of tests, when nothing is wrong
    os.environ |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(copy)}
    roots = {"", str(ROOT)}
    sys.path[:] = [str(copy), *(p for p in sys.path if p not in roots)]
    for name in [n for n in sys.modules if n.split(".")[0] in OURS]:
        del sys.modules[name]  # the copy's own are imported
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    watch = _Watch(order, sender)
    options = ["-q", "--tb=native", "-p", "no:cacheprovider"]  # the quickest
    pytest.main([*options, *tests], plugins=[watch])
    os._exit(1)  # it could not even begin
