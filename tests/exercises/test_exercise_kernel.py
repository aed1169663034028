"""The checks inside a real notebook kernel, where students meet them."""

import time

import pytest
from jupyter_client.manager import start_new_kernel

PREPARATION = """
import sys, torch
from vae_course.exercises import check, registry
right = registry.find("2.2").solution
torch.manual_seed(3)
state = torch.get_rng_state()
"""


@pytest.fixture(scope="module")
def kernel():
    manager, client = start_new_kernel(extra_arguments=["--log-level=ERROR"])
    try:
        outputs, reply = run(client, PREPARATION)
        assert reply["status"] == "ok", outputs
        yield manager, client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def run(client, code, after_start=None):
    """Executes a cell; returns (outputs, reply)."""
    request = client.execute(code, allow_stdin=False)
    outputs = []
    while True:
        message = client.get_iopub_msg(timeout=120)
        if message["parent_header"].get("msg_id") != request:
            continue
        content, kind = message["content"], message["msg_type"]
        if kind == "execute_input" and after_start is not None:
            after_start()
        if kind == "status" and content["execution_state"] == "idle":
            break
        if kind in ("stream", "execute_result", "display_data", "error"):
            outputs.append((kind, content))
    return outputs, client.get_shell_msg(timeout=60)["content"]


def answer(outputs):
    """The one output of a cell that ends with a check, as text."""
    ((kind, content),) = outputs
    assert kind == "execute_result", outputs
    assert "exercise-answer" in content["data"]["text/html"]
    return content["data"]["text/plain"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("...", "not attempted yet"),
        ("return right(mean, log_var)", "correct"),
        ("return 2 * right(mean, log_var)", "no half"),
        ("sys.exit(1)", "asks Python to quit"),
        ("raise KeyboardInterrupt", "raised KeyboardInterrupt"),
        ("return attempt(mean, log_var)", "calls itself without end"),
        ("return input()", "input() cannot be answered"),
        ("exit()", "asks Python to quit"),
        ("print('x' * 1_000_000); return mean", "xxx"),
        ("torch.manual_seed = None; return right(mean, log_var)", "correct"),
        ("torch.manual_seed(0); return right(mean, log_var)", "correct"),
        ("sys.stdout.close(); return right(mean, log_var)", "correct"),
        ("sys.stdout = None; return right(mean, log_var)", "correct"),
        ("torch.set_default_dtype(torch.float64); return mean", "has shape"),
        ("torch.set_grad_enabled(False); return right(mean, log_var)", "✗"),
        ("return mean.foo", "2: return mean.foo"),
    ],
)
def test_the_kernel_lives_on(kernel, body, words):
    _, client = kernel
    cell = f"def attempt(mean, log_var):\n    {body}\n\ncheck('2.2', attempt)"
    outputs, reply = run(client, cell)
    assert reply["status"] == "ok"
    assert words in answer(outputs)
    outputs, _ = run(
        client,
        "print(torch.equal(state, torch.get_rng_state()),"
        " torch.get_default_dtype(), torch.is_grad_enabled(),"
        " torch.manual_seed.__module__)",
    )
    text = "".join(content["text"] for _, content in outputs)
    assert text == "True torch.float32 True torch.random\n"


def test_interrupting_the_kernel_stops_a_check_with_a_sentence(kernel):
    manager, client = kernel

    def interrupt():
        time.sleep(1.0)
        manager.interrupt_kernel()

    cell = (
        "def attempt(mean, log_var):\n    while True:\n        pass\n\n"
        "check('2.2', attempt)"
    )
    start = time.monotonic()
    outputs, reply = run(client, cell, interrupt)
    assert time.monotonic() - start < 60
    assert reply["status"] == "ok"
    assert "You stopped the check" in answer(outputs)
    outputs, _ = run(client, "check('2.2', right)")
    assert "correct" in answer(outputs)


def test_ten_seconds_are_enough_and_no_more(kernel):
    _, client = kernel
    cell = (
        "def attempt(mean, log_var):\n    while True:\n        pass\n\n"
        "check('2.2', attempt)"
    )
    start = time.monotonic()
    outputs, _ = run(client, cell)
    assert 9.5 < time.monotonic() - start < 60
    assert "stopped after 10 seconds" in answer(outputs)
