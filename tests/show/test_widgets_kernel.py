"""A slider that is moved in the page moves the picture, through a kernel."""

import queue
import time

import pytest

CODE = """
import torch
from vae_course.mlp import MLPVAE
from vae_course.show import explore
torch.manual_seed(0)
explore(MLPVAE((1, 8, 6), 16, latent=2))
"""
VIEW = "application/vnd.jupyter.widget-view+json"


@pytest.fixture(scope="module")
def client():
    manager_module = pytest.importorskip("jupyter_client.manager")
    pytest.importorskip("ipywidgets")
    manager, client = manager_module.start_new_kernel(kernel_name="python3")
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def heard(client, until, seconds=60):
    """Messages on the public channel, up to the first that fits."""
    messages, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            messages.append(client.get_iopub_msg(timeout=1))
        except queue.Empty:
            continue
        if until(messages[-1]):
            return messages
    raise TimeoutError(f"not heard within {seconds} s: {messages}")


def is_idle(message):
    return message["content"].get("execution_state") == "idle"


def states(messages):
    """The models that the page was told of: id → (state, buffers)."""
    return {
        m["content"]["comm_id"]: (m["content"]["data"]["state"], m["buffers"])
        for m in messages
        if m["msg_type"] == "comm_open"
    }


def test_a_slider_moved_in_the_page_changes_the_picture_once(client):
    client.execute(CODE)
    messages = heard(client, is_idle)
    (shown,) = [m for m in messages if m["msg_type"] == "execute_result"]
    data = shown["content"]["data"]
    still = {"image/svg+xml", "image/png", "text/plain"}
    assert {VIEW, *still} == set(data)

    models = states(messages)
    assert data[VIEW]["model_id"] in models
    (slider,) = [
        key for key, (s, _) in models.items() if s.get("description") == "z₁"
    ]
    ((picture, before),) = [
        (key, buffers)
        for key, (s, buffers) in models.items()
        if s["_model_name"] == "ImageModel"
    ]
    move = {"method": "update", "state": {"value": 2.0}, "buffer_paths": []}
    content = {"comm_id": slider, "data": move}
    client.shell_channel.send(client.session.msg("comm_msg", content))
    updates = [
        m
        for m in heard(client, is_idle)
        if m["msg_type"] == "comm_msg"
        and m["content"]["comm_id"] == picture
        and m["content"]["data"]["method"] == "update"
    ]
    assert len(updates) == 1
    (after,) = updates[0]["buffers"]
    assert bytes(after).startswith(b"\x89PNG")
    assert bytes(after) != bytes(before[0])
