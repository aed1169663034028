"""Whatever an attempt does, the answer is a sentence; the kernel lives on."""

import _thread
import asyncio
import builtins
import contextlib
import dataclasses
import functools
import math
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
import warnings
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import distributions as D
from torch import nn

from vae_course.exercises import asking, check, registry
from vae_course.exercises.engine import apart
from vae_course.exercises.engine.checking import examine
from vae_course.exercises.engine.record import Record
from vae_course.exercises.engine.sandbox import Printed
from vae_course.mlp import MLPVAE

KL = registry.find("2.2")
SET_RECURSION_LIMIT = sys.setrecursionlimit  # as a student may hold it, too


def right(mean, log_var):
    return KL.solution(mean, log_var)


def state_of_the_process():
    """All that a check must leave as it was."""
    return {
        "torch": torch.get_rng_state().tolist(),
        "numpy": [*map(str, np.random.get_state(legacy=False).items())],
        "python": random.getstate(),
        "dtype": torch.get_default_dtype(),
        "device": str(torch.get_default_device()),
        "grad": torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
        "threads": torch.get_num_threads(),
        "anomaly": torch.is_anomaly_enabled(),
        "deterministic": torch.get_deterministic_debug_mode(),
        "validate": D.Distribution._validate_args,
        "recursion": sys.getrecursionlimit(),
        "streams": (sys.stdin, sys.stdout, sys.stderr),
        "input": builtins.input,
        "filters": [str(each) for each in warnings.filters],
        "showwarning": warnings.showwarning,
        "functions": [
            torch.manual_seed,
            torch.randn_like,
            torch.no_grad,
            torch.Tensor.__dict__.get("exp"),
            torch.Tensor.__dict__.get("sum"),
            torch.Tensor.backward,
            nn.Linear.forward,
            nn.functional.relu,
            D.Normal.rsample,
            D.kl_divergence,
            MLPVAE.encode,
            check,
            examine,
            np.random.seed,
            np.exp,
            random.random,
            math.exp,
            time.sleep,
            builtins.print,
            builtins.isinstance,
            builtins.len,
            sys.setrecursionlimit,
            sys.modules["torch"],
            sys.modules["math"],
        ],
    }


@pytest.fixture(autouse=True)
def nothing_changes(monkeypatch):
    monkeypatch.setattr(asking, "_record", Record())
    torch.manual_seed(5)
    np.random.seed(5)
    random.seed(5)
    before = state_of_the_process()
    yield
    for what, after in state_of_the_process().items():
        assert after == before[what], what


def sentence(answer):
    """The answer's text; every answer has one, in words and in HTML."""
    text = str(answer)
    assert answer.status in ("correct", "wrong", "not attempted", "stopped")
    assert len(text) < 3000
    assert "Traceback" not in text
    bundle = answer._repr_mimebundle_()
    assert bundle["text/plain"] == text == repr(answer)
    assert bundle["text/html"].count("<p") == bundle["text/html"].count("</p>")
    return text


# --- Attempts that go wrong by themselves ------------------------------------


def raises_system_exit(mean, log_var):
    raise SystemExit


def calls_sys_exit(mean, log_var):
    sys.exit(3)


def calls_exit(mean, log_var):
    exit()


def raises_keyboard_interrupt(mean, log_var):
    raise KeyboardInterrupt


def raises_generator_exit(mean, log_var):
    raise GeneratorExit("done")


def raises_value_error(mean, log_var):
    raise ValueError("the mean is strange")


def raises_nothing_to_say(mean, log_var):
    raise ValueError


class Masked(Exception):
    @property
    def __traceback__(self):
        raise RuntimeError("no traceback")

    @property
    def __class__(self):
        raise RuntimeError("no class")


def raises_masked(mean, log_var):
    raise Masked("behind a mask")


class Mute(Exception):
    def __str__(self):
        raise RuntimeError("no words")


def raises_mute(mean, log_var):
    raise Mute


def raises_a_book(mean, log_var):
    raise ValueError("word " * 1_000_000)


def recurses(mean, log_var):
    return recurses(mean, log_var)


def recurses_deeper(mean, log_var):
    sys.setrecursionlimit(10_000)
    return recurses(mean, log_var)


def recurses_in_repr(mean, log_var):
    class Loop:
        def __repr__(self):
            return repr(self)

    return repr(Loop())


def reads_input(mean, log_var):
    return float(input("How much? "))


def reads_stdin(mean, log_var):
    return float(sys.stdin.readline())


def asserts(mean, log_var):
    assert mean.sum() > 1e9


def divides(mean, log_var):
    return 1 / 0


def has_no_memory(mean, log_var):
    return torch.zeros(10**15)


def has_no_memory_either(mean, log_var):
    return [0] * 10**15


def undefined(mean, log_var):
    return sigma * mean  # noqa: F821


RAISING = [
    (raises_system_exit, "asks Python to quit (SystemExit"),
    (calls_sys_exit, "asks Python to quit (SystemExit: 3)"),
    (calls_exit, "asks Python to quit (SystemExit"),
    (raises_keyboard_interrupt, "raised KeyboardInterrupt"),
    (raises_generator_exit, "raised GeneratorExit: done"),
    (raises_value_error, "raised ValueError: the mean is strange"),
    (raises_nothing_to_say, "raised ValueError, without a message"),
    (raises_mute, "raised Mute: its message cannot be shown"),
    (raises_masked, "raised Masked: behind a mask"),
    (raises_a_book, "raised ValueError: word word"),
    (recurses, "calls itself without end (RecursionError"),
    (recurses_deeper, "calls itself without end (RecursionError"),
    (recurses_in_repr, "calls itself without end (RecursionError"),
    (reads_input, "input() cannot be answered during a check"),
    (reads_stdin, "raised ValueError: could not convert"),
    (asserts, "raised AssertionError"),
    (divides, "raised ZeroDivisionError: division by zero"),
    (has_no_memory, "raised RuntimeError"),
    (has_no_memory_either, "raised MemoryError"),
    (undefined, "raised NameError: name 'sigma' is not defined"),
    (lambda mean: mean, "raised TypeError"),
    (lambda: 0, "takes 0 positional arguments but 2 were given"),
    (len, "raised TypeError"),
    (functools.partial(right, 1, 2, 3), "raised TypeError"),
]


@pytest.mark.parametrize(("attempt", "words"), RAISING)
def test_an_attempt_that_raises_is_told_what_it_raised(attempt, words):
    answer = check("2.2", attempt)
    assert answer.status == "wrong"
    assert answer.mistake is None
    assert words in sentence(answer)


def test_the_students_own_line_is_shown(tmp_path):
    source = "def f(mean, log_var):\n    a = 1\n    return mean.foo(a)\n"
    file = tmp_path / "cell.py"
    file.write_text(source)
    names = {}
    exec(compile(source, str(file), "exec"), names)
    text = sentence(check("2.2", names["f"]))
    assert "'Tensor' object has no attribute 'foo'" in text
    assert "3: return mean.foo(a)" in text
    assert "vae_course" not in text


def test_a_line_inside_torch_is_traced_back_to_the_students_own():
    def attempt(mean, log_var):
        return nn.functional.cross_entropy(mean, log_var[:, 0] * 7)

    line = attempt.__code__.co_firstlineno + 1
    text = sentence(check("2.2", attempt))
    assert f"{line}: return nn.functional.cross_entropy" in text


# --- Attempts that return something strange ----------------------------------


async def coroutine(mean, log_var):
    return mean


async def asynchronous_generator(mean, log_var):
    yield mean


def generator(mean, log_var):
    yield mean


class Hostile:
    """Raises at every question."""

    def __getattribute__(self, name):
        raise RuntimeError("no attribute")

    def __repr__(self):
        raise RuntimeError("no repr")

    def __str__(self):
        raise RuntimeError("no str")

    def __bool__(self):
        raise RuntimeError("no bool")

    def __eq__(self, other):
        raise RuntimeError("no eq")

    __hash__ = None


class Lying(type):
    @property
    def __name__(cls):
        raise RuntimeError("no name")


class Nameless(metaclass=Lying):
    pass


class Angry(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        raise RuntimeError("do not touch")


class Sly(torch.Tensor):
    """Reports the right shape, whatever it holds."""

    @property
    def shape(self):
        return torch.Size([1])


def sparse(mean, log_var):
    return right(mean, log_var).to_sparse()


def on_meta(mean, log_var):
    return torch.empty(len(mean), device="meta")


def endless_list(mean, log_var):
    items = []
    items.append(items)
    return items


STRANGE = [
    (lambda m, v: [1.0], "is a list; expected a tensor of shape (1,)"),
    (lambda m, v: (m,), "is a tuple"),
    (lambda m, v: {}, "is a dict"),
    (lambda m, v: 0.5, "is a float (0.5); expected a tensor of shape (1,)"),
    (lambda m, v: True, "is a bool (True)"),
    (lambda m, v: 10**400, "is an int (an int of ten digits or more)"),
    (lambda m, v: "0.5" * 10**6, "is a str"),
    (lambda m, v: b"0", "is a bytes"),
    (lambda m, v: object(), "is an object"),
    (lambda m, v: NotImplemented, "is a NotImplementedType"),
    (lambda m, v: right(m, v).detach().numpy(), "is a ndarray"),
    (lambda m, v: right, "is a function"),
    (lambda m, v: torch.exp, "Was it meant to be called?"),
    (lambda m, v: nn.Linear, "Was it meant to be called?"),
    (lambda m, v: nn.Linear(2, 1), "is a Linear"),
    (lambda m, v: D.Normal(m, 1.0), "is a Normal"),
    (lambda m, v: np.float64(0.5), "is a float64"),
    (lambda m, v: Hostile(), "raised RuntimeError: no attribute"),
    (lambda m, v: Nameless(), "is a Nameless"),
    (lambda m, v: torch, "is a module"),
    (endless_list, "is a list"),
    (coroutine, "has to be awaited"),
    (asynchronous_generator, "is an async_generator"),
    (
        generator,
        "A function with `yield` returns a generator".replace("`", ""),
    ),
    (lambda m, v: range(10**12), "is a range"),
    (on_meta, "on the device 'meta'"),
    (sparse, "the layout torch.sparse_coo"),
    (
        lambda m, v: torch.nested.nested_tensor(
            [right(m, v)], layout=torch.jagged
        ),
        "not right yet",  # what torch says of these differs by version
    ),
    (lambda m, v: m.sum(), "has shape (); expected (1,)"),
    (lambda m, v: m, "has shape (1, 2); expected (1,)"),
    (lambda m, v: torch.tensor([]), "has shape (0,); expected (1,)"),
    (lambda m, v: torch.zeros(0, 10**9), "has shape (0, 1000000000)"),
    (
        lambda m, v: torch.zeros(1).expand(10**14),
        "has shape (100000000000000,)",
    ),
    (lambda m, v: torch.zeros(2, 2).as_subclass(Sly), "has shape (2, 2)"),
    (lambda m, v: right(m, v).double(), "holds torch.float64"),
    (lambda m, v: right(m, v).half(), "holds torch.float16"),
    (lambda m, v: right(m, v).long(), "holds torch.int64"),
    (lambda m, v: right(m, v) > 0, "holds torch.bool"),
    (lambda m, v: right(m, v) + 0j, "holds torch.complex64"),
    (lambda m, v: right(m, v) * math.nan, "nan"),
    (lambda m, v: right(m, v) + math.inf, "inf"),
]


@pytest.mark.parametrize(("attempt", "words"), STRANGE)
def test_a_strange_result_is_told_what_it_is(attempt, words):
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)  # nobody awaited it
        answer = check("2.2", attempt)
    assert answer.status == "wrong"
    assert answer.mistake is None
    assert words in sentence(answer)


@pytest.mark.parametrize("nothing", [None, ...])
def test_nothing_is_not_attempted(nothing):
    for attempt in (nothing, lambda mean, log_var: nothing):
        answer = check("2.2", attempt)
        assert answer.status == "not attempted"
        assert not answer
        assert "Fill in gaussian_kl" in sentence(answer)


def test_nothing_for_some_inputs_only_is_wrong():
    def attempt(mean, log_var):
        if len(mean) == 1:
            return right(mean, log_var)

    answer = check("2.2", attempt)
    assert answer.status == "wrong"
    assert "The result is None." in sentence(answer)


@pytest.mark.parametrize(
    "attempt",
    [
        right,
        functools.partial(KL.solution),
        staticmethod(right).__func__,
        type("Callable", (), {"__call__": lambda self, m, v: right(m, v)})(),
        lambda *both: right(*both),
        lambda mean, log_var, beta=1.0: beta * right(mean, log_var),
        lambda m, v: right(m, v).as_subclass(Angry),
        lambda m, v: nn.Parameter(right(m, v)) if 0 else right(m, v),
        lambda m, v: right(m, v).requires_grad_(),
        torch.no_grad()(lambda m, v: None) and right,
        type("Rate", (nn.Module,), {"forward": lambda s, m, v: right(m, v)})(),
    ],
)
def test_a_right_attempt_of_any_make_is_right(attempt):
    answer = check("2.2", attempt)
    assert answer.status == "correct", answer
    assert answer
    assert sentence(answer).startswith("✓")


@pytest.mark.parametrize(
    "attempt",
    [
        3,
        0.5,
        "gaussian_kl",
        [right],
        torch.zeros(3),
        {"f": right},
        pytest.param(Hostile(), id="hostile"),
    ],
)
def test_what_is_no_function_is_told_so(attempt):
    answer = check("2.2", attempt)
    assert answer.status == "wrong"
    assert "should be the function itself, not a" in sentence(answer)
    assert 'check("2.2", gaussian_kl)' in sentence(answer)


@pytest.mark.parametrize("number", ["2.2", "1.5", "2.8"])
def test_an_attempt_that_cannot_be_asked_anything(number):
    class HostileCallable(Hostile):
        def __call__(self, *arguments):
            raise RuntimeError("no call")

    for attempt in (HostileCallable(), HostileCallable, Nameless, Nameless()):
        answer = check(number, attempt)
        assert answer.status == "wrong"
        sentence(answer)
    assert check(Hostile(), right).status == "unknown"


def test_an_object_is_no_class():
    class Model(nn.Module):
        pass

    answer = check("1.5", Model())
    assert "should be the class itself, not a Model" in sentence(answer)


@pytest.mark.parametrize("attempts", [(), (right,), (right, right, right)])
def test_too_few_and_too_many_are_told_so(attempts):
    answer = check("1.1", *attempts)
    assert answer.status == "wrong"
    assert 'check("1.1", compress, expand)' in sentence(answer)


@pytest.mark.parametrize(
    "value",
    [
        "0.18",
        [0.18],
        True,
        0.18 + 0j,
        torch.tensor([0.18, 0.18]),
        torch.tensor(0.18 + 0j),
        torch.tensor(True),
        torch.tensor(0.18, device="meta"),
        np.array([0.18, 0.18]),
        np.array("0.18"),
        np.bool_(True),
        lambda: 0.18,
        math.nan,
        -math.inf,
        10**400,
        pytest.param(Hostile(), id="hostile"),
        pytest.param(Nameless(), id="nameless"),
    ],
)
def test_a_strange_value_is_told_what_it_is(value):
    answer = check("2.8", value)
    assert answer.status == "wrong"
    sentence(answer)


@pytest.mark.parametrize(
    "value",
    [
        Fraction(18, 100),
        Decimal("0.18"),
        np.array(0.18),
        np.array([0.18]),
        np.float16(0.18),
        torch.tensor([0.18]),
        torch.tensor([[0.18]], dtype=torch.bfloat16),
        nn.Parameter(torch.tensor(0.18)),
    ],
)
def test_a_number_of_any_kind_is_a_number(value):
    assert check("2.8", value)


def test_a_truth_value_is_no_number():
    text = sentence(check("2.8", True))
    assert "The result is a bool (True); expected a number." in text


def test_a_value_without_values_is_told_so():
    text = sentence(check("2.8", torch.tensor(0.18, device="meta")))
    assert "tensors have a shape and no values" in text


# --- Attempts that meddle ----------------------------------------------------


def mutates(mean, log_var):
    result = right(mean, log_var)
    with torch.no_grad():
        mean.mul_(0)
    return result


def mutates_the_second(mean, log_var):
    return (
        0.5 * (mean**2 + log_var.exp() - 1 - log_var.mul_(1.0)).sum(1)
        + 0 * log_var.detach().zero_().sum()
    )


def resizes(mean, log_var):
    result = right(mean, log_var).detach()
    mean.resize_(0)
    return result


def retypes(mean, log_var):
    result = right(mean, log_var)
    mean.data = mean.data.double()
    return result


@pytest.mark.parametrize(
    ("attempt", "name"),
    [
        (mutates, "mean"),
        (mutates_the_second, "log_var"),
        (resizes, "mean"),
        (retypes, "mean"),
    ],
)
def test_an_attempt_that_changes_its_input_is_told_so(attempt, name):
    answer = check("2.2", attempt)
    assert answer.status == "wrong"
    assert f"changes its input {name} in place" in sentence(answer)


def test_changing_a_list_or_a_model_is_noticed_too():
    compress, expand = registry.find("1.1").solution

    def emptying(sequence):
        code = compress(sequence)
        sequence.clear()
        return code

    answer = check("1.1", emptying, expand)
    assert "changes its input sequence in place" in sentence(answer)

    def training(vae, x):
        result = vae.decode(vae.encode(x).mean).mean
        with torch.no_grad():
            next(vae.parameters()).zero_()
        return result

    answer = check("2.5", training)
    assert "changes its input vae in place" in sentence(answer)


def test_deleting_an_input_is_the_attempts_own_business():
    def attempt(mean, log_var):
        result = right(mean, log_var)
        del mean, log_var
        return result

    assert check("2.2", attempt)


@pytest.mark.parametrize(
    ("attempt", "name"),
    [
        (lambda m, v: right(m, v).detach(), "mean"),
        (torch.no_grad()(right), "mean"),
        (torch.inference_mode()(right), "mean"),
        (lambda m, v: right(m.detach(), v), "mean"),
        (lambda m, v: right(m, v.detach()), "log_var"),
        (
            lambda m, v: torch.from_numpy(right(m, v).detach().numpy()),
            "mean",
        ),
        (lambda m, v: torch.tensor(right(m, v).tolist()).to(m), "mean"),
    ],
)
def test_a_missing_gradient_is_told_so(attempt, name):
    answer = check("2.2", attempt)
    assert answer.status == "wrong"
    assert f"No gradient reaches {name}" in sentence(answer)


def test_a_wrong_gradient_is_shown():
    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(context, value):
            return value.clone()

        @staticmethod
        def backward(context, gradient):
            return 2 * gradient

    answer = check("2.2", lambda m, v: right(Twice.apply(m), v))
    text = sentence(answer)
    assert "gradient with respect to mean" in text
    assert "Expected: [[2, 0]]" in text and "Got:      [[4, 0]]" in text


def reseeds(mean, log_var):
    torch.manual_seed(0)
    np.random.seed(0)
    random.seed(0)
    return right(mean, log_var)


def patches_torch(mean, log_var):
    torch.manual_seed = lambda seed: None
    torch.randn_like = torch.zeros_like
    torch.no_grad = None
    torch.Tensor.exp = lambda self: self
    torch.Tensor.sum = None
    nn.Linear.forward = None
    nn.functional.relu = None
    D.Normal.rsample = None
    D.kl_divergence = None
    return torch.zeros(len(mean))


def patches_the_rest(mean, log_var):
    result = right(mean, log_var)
    np.random.seed = np.exp = random.random = math.exp = time.sleep = None
    MLPVAE.encode = None
    warnings.showwarning = None
    builtins.print = builtins.len = builtins.isinstance = None
    builtins.id = builtins.callable = builtins.vars = builtins.setattr = None
    return result


def patches_the_check(mean, log_var):
    from vae_course.exercises.engine import checking, sandbox, trying

    checking.examine = checking._judge = trying.take_through = None
    sandbox.Sandbox.seed = None
    return right(mean, log_var)


def forgets_all_modules(mean, log_var):
    result = right(mean, log_var)
    sys.modules.clear()
    return result


def deletes(mean, log_var):
    result = right(mean, log_var)
    del torch.manual_seed, torch.Tensor.backward, builtins.print
    return result


def changes_defaults(mean, log_var):
    result = right(mean, log_var)
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")
    torch.set_grad_enabled(False)
    torch.set_num_threads(2)
    torch.autograd.set_detect_anomaly(True)
    D.Distribution.set_default_validate_args(False)
    warnings.simplefilter("error")
    sys.setrecursionlimit(5000)
    SET_RECURSION_LIMIT(5000)
    return result


def closes_its_streams(mean, log_var):
    sys.stdout.close()
    sys.stderr.close()
    sys.__stdout__.close()
    print("closed", flush=True)
    sys.stdout = None
    sys.stdin = None
    return right(mean, log_var)


def prints_a_megabyte(mean, log_var):
    for _ in range(1000):
        print("x" * 1000)
    sys.stderr.write("y" * 1_000_000)
    return right(mean, log_var)


def warns(mean, log_var):
    warnings.warn("careful", stacklevel=1)
    return right(mean, log_var)


def starts_threads(mean, log_var):
    threads = [threading.Thread(target=random.random) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return right(mean, log_var)


def runs_a_loop(mean, log_var):
    async def inner():
        return right(mean, log_var)

    return asyncio.run(inner())


def enters_inference_mode_for_good(mean, log_var):
    result = right(mean, log_var)
    torch.no_grad().__enter__()
    return result


@pytest.mark.filterwarnings("ignore:careful")
@pytest.mark.parametrize(
    ("attempt", "status"),
    [
        (reseeds, "correct"),
        (patches_torch, "wrong"),
        (patches_the_rest, None),  # it may break its own copy
        (patches_the_check, None),  # it may break its own copy
        (deletes, None),  # it may break its own copy
        (forgets_all_modules, None),  # it may break its own copy
        (changes_defaults, "correct"),
        (closes_its_streams, "correct"),
        (prints_a_megabyte, "correct"),
        (warns, "correct"),
        (starts_threads, "correct"),
        (runs_a_loop, "correct"),
        (enters_inference_mode_for_good, "correct"),
    ],
)
def test_what_an_attempt_changes_does_not_outlive_it(attempt, status, capfd):
    answer = check("2.2", attempt)
    assert status in (answer.status, None), answer
    sentence(answer)
    assert check("2.2", right)
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""


def test_threads_that_start_later_compute_with_as_many_as_before():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert check("2.2", right)
        found = [torch.get_num_threads()]
        thread = threading.Thread(
            target=lambda: found.append(torch.get_num_threads())
        )
        thread.start()
        thread.join()
    finally:
        torch.set_num_threads(before)
    assert found == [2, 2]


def test_a_student_in_another_mode_can_check_too():
    for mode in (
        torch.no_grad(),
        torch.inference_mode(),
        torch.device("meta"),
    ):
        with mode:
            assert check("2.2", right)
            assert check("2.1", registry.find("2.1").solution)
            assert check("2.2", lambda m, v: 2 * right(m, v)).mistake


def test_no_more_is_kept_of_what_is_printed_than_is_shown():
    printed = Printed()
    for _ in range(10):
        assert printed.write("x" * 1_000_000) == 1_000_000
    assert len(printed.take()) < 5000
    assert printed.take() == ""


def test_what_a_wrong_attempt_prints_is_shown_in_part():
    def attempt(mean, log_var):
        print("mean is", mean)
        for line in range(1000):
            print(line)
        return mean

    text = sentence(check("2.2", attempt))
    assert "Printed: mean is tensor([[0., 0.]])" in text
    assert "…" in text


def test_a_check_inside_an_attempt_is_refused():
    def attempt(mean, log_var):
        print(check("2.2", attempt))
        return mean

    assert "Another check is still running" in sentence(check("2.2", attempt))


# --- Attempts without an end -------------------------------------------------


@pytest.fixture
def impatient(monkeypatch):
    """The check gives up after half a second."""
    assert KL.seconds == 10
    hasty = dataclasses.replace(KL, seconds=0.5)
    monkeypatch.setattr(registry, "find", lambda number: hasty)


def loops(mean, log_var):
    while True:
        pass


def loops_and_sums(mean, log_var):
    while True:
        mean = mean + right(mean, log_var).sum()


def swallows(mean, log_var):
    while True:
        try:
            while True:
                pass
        except BaseException:
            continue


def swallows_and_sleeps(mean, log_var):
    while True:
        try:
            time.sleep(0.01)
        except BaseException:
            continue


def swallows_everywhere(mean, log_var):
    def inner():
        try:
            math.sqrt(2)
        except BaseException:
            return inner
        finally:
            with contextlib.suppress(BaseException):
                math.sqrt(2)

    while True:
        try:
            inner()
        except BaseException:
            inner()


def turns_it_into_another(mean, log_var):
    try:
        while True:
            pass
    except BaseException:
        raise ValueError("never mind") from None


def clings(mean, log_var):
    try:
        while True:
            pass
    finally:
        while True:
            pass


def sleeps(mean, log_var):
    time.sleep(30)


def waits(mean, log_var):
    threading.Event().wait()


def works_hard(mean, log_var):
    matrix = torch.rand(1000, 1000)
    while True:
        matrix = matrix @ matrix


def prints_for_ever(mean, log_var):
    while True:
        print("and on")


@pytest.mark.parametrize(
    "attempt",
    [
        loops,
        loops_and_sums,
        swallows,
        swallows_and_sleeps,
        swallows_everywhere,
        turns_it_into_another,
        clings,
        sleeps,
        waits,
        works_hard,
        prints_for_ever,
    ],
)
def test_an_attempt_without_an_end_is_stopped(attempt, impatient):
    start = time.monotonic()
    answer = check("2.2", attempt)
    assert time.monotonic() - start < 60
    assert answer.status == "wrong"
    assert "stopped after 0.5 seconds" in sentence(answer)
    assert "Input:" in sentence(answer)
    assert_idle()
    assert check("2.2", right)


def assert_idle():
    """Nothing that was stopped goes on computing."""
    before = time.process_time()
    time.sleep(0.3)
    assert time.process_time() - before < 0.2


def test_a_stopped_attempt_leaves_no_patches(impatient):
    def attempt(mean, log_var):
        torch.manual_seed = torch.Tensor.exp = builtins.print = None
        torch.set_default_dtype(torch.float64)
        swallows(mean, log_var)

    assert check("2.2", attempt).status == "wrong"


def test_a_stopped_attempt_does_no_damage_later(impatient):
    woken = threading.Event()

    def attempt(mean, log_var):
        try:
            woken.wait()
        finally:
            torch.manual_seed(0)
            torch.set_default_dtype(torch.float64)
        return mean

    assert check("2.2", attempt).status == "wrong"
    before = torch.get_rng_state()
    woken.set()
    time.sleep(0.3)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_default_dtype() == torch.float32


@pytest.fixture
def ctrl_c():
    """Presses Ctrl-C after so many seconds."""
    # A job in the background ignores it unless it is told otherwise.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield lambda after: threading.Timer(after, _thread.interrupt_main).start()
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("attempt", [loops, swallows, sleeps])
def test_ctrl_c_stops_a_check_with_a_sentence(attempt, ctrl_c):
    ctrl_c(0.4)
    start = time.monotonic()
    answer = check("2.2", attempt)
    assert time.monotonic() - start < 60
    assert answer.status == "stopped"
    assert "You stopped the check" in sentence(answer)
    assert_idle()
    assert check("2.2", right)


# --- Attempts that only a copy of the process can hold -----------------------

copied = pytest.mark.skipif(
    not apart.can_copy(), reason="no copy on this system, or beside a GPU"
)


def loops_in_c(mean, log_var):
    return sum(range(10**12))


def never_ends_a_list(mean, log_var):
    everything = []
    while True:
        everything.append("x" * 10**6)


def wants_it_all_at_once(mean, log_var):
    return torch.zeros(60_000, 60_000) + mean.sum()


def kills_itself(mean, log_var):
    os.kill(os.getpid(), signal.SIGKILL)


def leaves_at_once(mean, log_var):
    os._exit(0)


@copied
def test_a_loop_in_c_is_stopped(impatient):
    start = time.monotonic()
    text = sentence(check("2.2", loops_in_c))
    assert time.monotonic() - start < 60
    assert "stopped after 0.5 seconds" in text and "Input:" in text


@copied
@pytest.mark.parametrize(
    ("attempt", "words"),
    [
        (never_ends_a_list, "raised MemoryError"),
        (wants_it_all_at_once, "can't allocate memory"),
    ],
)
def test_memory_has_an_end(attempt, words, monkeypatch):
    monkeypatch.setattr(apart, "MEMORY", 2**28)  # full sooner
    assert words in sentence(check("2.2", attempt))


@copied
@pytest.mark.parametrize("attempt", [kills_itself, leaves_at_once])
def test_an_attempt_that_ends_python_ends_a_copy(attempt):
    text = sentence(check("2.2", attempt))
    assert "ended the Python that ran it (exit code" in text
    assert "Input:" in text


@copied
def test_no_copy_is_left_behind(impatient):
    check("2.2", loops)
    check("2.2", right)
    with pytest.raises(ChildProcessError):  # there are no children
        os.waitpid(-1, os.WNOHANG)


def test_what_is_printed_before_the_time_is_up_is_shown(impatient):
    def attempt(mean, log_var):
        print("round", 1)
        while True:
            pass

    assert "Printed: round 1" in sentence(check("2.2", attempt))


# --- Where there is no copy --------------------------------------------------


@pytest.fixture
def without_copies(monkeypatch):
    """As on Windows, on macOS, and beside a GPU."""
    monkeypatch.setattr(apart, "can_copy", lambda: False)


@pytest.mark.parametrize(
    "attempt", [loops, loops_and_sums, turns_it_into_another, works_hard]
)
def test_without_a_copy_a_loop_is_stopped_too(
    attempt, impatient, without_copies
):
    start = time.monotonic()
    answer = check("2.2", attempt)
    assert time.monotonic() - start < 60
    assert "stopped after 0.5 seconds" in sentence(answer)
    assert check("2.2", right)


def test_without_a_copy_ctrl_c_stops_a_check(ctrl_c, without_copies):
    ctrl_c(0.4)
    answer = check("2.2", loops)
    assert answer.status == "stopped"
    assert check("2.2", right)


@pytest.mark.filterwarnings("ignore:careful")
@pytest.mark.parametrize(
    "attempt",
    [
        reseeds,
        changes_defaults,
        prints_a_megabyte,
        warns,
        starts_threads,
        runs_a_loop,
        enters_inference_mode_for_good,
    ],
)
def test_without_a_copy_what_is_changed_by_accident_is_put_back(
    attempt, without_copies
):
    assert check("2.2", attempt)
    assert check("2.2", right)


@pytest.mark.parametrize(
    ("attempt", "words"),
    [
        (calls_sys_exit, "asks Python to quit"),
        (raises_keyboard_interrupt, "raised KeyboardInterrupt"),
        (recurses, "calls itself without end"),
        (divides, "raised ZeroDivisionError"),
        (mutates, "changes its input mean in place"),
    ],
)
def test_without_a_copy_the_answers_are_the_same(
    attempt, words, without_copies
):
    assert words in sentence(check("2.2", attempt))


def test_in_another_thread_a_check_works_too(without_copies):
    found = []
    thread = threading.Thread(target=lambda: found.append(check("2.2", right)))
    thread.start()
    thread.join()
    assert found[0]


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT by kill")
def test_a_signal_stops_a_script_and_the_script_goes_on(tmp_path):
    script = """
        import signal
        from vae_course.exercises import check

        signal.signal(signal.SIGINT, signal.default_int_handler)

        def attempt(mean, log_var):
            while True:
                pass

        print("ready", flush=True)
        print(check("2.2", attempt))
        print("alive")
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        assert process.stdout.readline() == "ready\n"
        time.sleep(1.5)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert "You stopped the check" in out
    assert out.endswith("alive\n")
    assert err == ""
    assert process.returncode == 0


def test_a_script_ends_although_an_attempt_does_not():
    script = """
        import dataclasses, time
        from vae_course.exercises import registry
        from vae_course.exercises.engine.checking import examine

        def attempt(mean, log_var):
            while True:
                try:
                    time.sleep(0.01)
                except BaseException:
                    pass

        hasty = dataclasses.replace(registry.find("2.2"), seconds=0.3)
        print(examine(hasty, (attempt,)).status)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("wrong\n", "", 0)
