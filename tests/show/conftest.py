"""Explorers alone on a page, in a real browser."""

import pytest

READY = """count => document.querySelectorAll(
  ".vae-explorer[data-alive]").length === count"""


@pytest.fixture
def shown(chromium, tmp_path):
    """Shows explorers alone on a page, from disk."""
    contexts = []

    def show(*all_of_them, width=900, **given):
        file = tmp_path / "page.html"
        body = "".join(each.html for each in all_of_them)
        head = '<!doctype html><html lang="en"><meta charset="utf-8">'
        file.write_text(f"{head}<title>x</title>{body}", "utf-8")
        size = {"width": width, "height": 2500}
        context = chromium.new_context(viewport=size, **given)
        contexts.append(context)
        tab = context.new_page()
        tab.errors = []
        tab.on("pageerror", lambda e: tab.errors.append(str(e)))
        tab.goto(file.as_uri())
        if given.get("java_script_enabled", True):
            tab.wait_for_function(READY, arg=len(all_of_them))
        return tab

    yield show
    for context in contexts:
        context.close()
