"""Explorers come when they are near, and then they are alive."""

import gzip

from test_site import CONTENTS


def explorers_of(soups):
    for name in CONTENTS:
        for explorer in soups[name].select(".vae-explorer"):
            yield name, explorer


def test_no_page_carries_an_explorer_before_it_is_seen(site, soups):
    found = list(explorers_of(soups))
    assert len({name for name, _ in found}) == 6
    for name, explorer in found:
        script = (site / f"{name}.html").parent / explorer["data-script"]
        code = script.read_text("utf-8")
        assert f'"{explorer["data-explorer"]}"' in code
        picture = explorer.select_one(".x-still img")
        assert ((site / f"{name}.html").parent / picture["src"]).is_file()
        assert picture["alt"] and picture["loading"] == "lazy"
    for name in CONTENTS:
        html = (site / f"{name}.html").read_bytes()
        assert len(gzip.compress(html)) < 150_000, name
