"""The public address stands in one place; whatever repeats it agrees."""

import shutil

import pytest
import yaml

from tools.address import (
    ROOT,
    Address,
    address,
    disagreements,
    main,
    move,
)

GITHUB = "https://github.com"
ELSEWHERE = Address("someone", "a-fork")


@pytest.fixture
def copy(tmp_path):
    """The files that repeat the address, in a folder of their own."""
    for name in ("pyproject.toml", "_config.yml", "README.md", "CITATION.cff"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("book", "notebooks", "vae_course", ".github"):
        shutil.copytree(
            ROOT / name,
            tmp_path / name,
            ignore=shutil.ignore_patterns("_static", "__pycache__"),
        )
    return tmp_path


def test_every_page_and_badge_agrees():
    found = list(disagreements())
    assert not found, "\n".join(found)


def test_moving_the_course_takes_everything_along(copy):
    changed = {
        path.relative_to(copy).as_posix() for path in move(ELSEWHERE, copy)
    }
    assert {"pyproject.toml", "_config.yml", "README.md"} <= changed
    assert address(copy) == ELSEWHERE
    assert not list(disagreements(copy))
    config = (copy / "_config.yml").read_text("utf-8")
    assert "url: https://github.com/someone/a-fork\n" in config
    for path in copy.glob("notebooks/*.ipynb"):
        text = path.read_text("utf-8")
        assert f"github/someone/a-fork/blob/main/notebooks/{path.name}" in text
        assert "git+https://github.com/someone/a-fork" in text


def test_moving_there_and_back_changes_no_byte(copy):
    before = {p: p.read_bytes() for p in copy.rglob("*") if p.is_file()}
    move(ELSEWHERE, copy)
    move(address(), copy)
    assert {p: p.read_bytes() for p in before} == before


@pytest.mark.parametrize(
    "link",
    [
        "https://github.com/someone/else",
        "git+https://github.com/someone/else.git",
        "https://colab.research.google.com/github/someone/else/blob/main/x",
        "https://someone.github.io/else/book/intro.html",
        "https://gitlab.com/someone/else",
    ],
)
def test_a_place_that_disagrees_is_named(copy, link):
    with (copy / "README.md").open("a", encoding="utf-8") as readme:
        readme.write(f"\nSee {link}.\n")
    (found,) = disagreements(copy)
    number = len((copy / "README.md").read_text("utf-8").splitlines())
    assert f"README.md, line {number}:" in found
    assert f"python -m tools.address {address().url}" in found
    move(address(), copy)
    assert not list(disagreements(copy))


@pytest.mark.parametrize(
    "url",
    ["github.com/a/b", "https://gitlab.com/a/b", "https://github.com/a", "x"],
)
def test_an_address_that_colab_cannot_open_is_refused(url):
    with pytest.raises(SystemExit) as stop:
        main([url])
    assert "https://github.com/OWNER/NAME" in str(stop.value.code)


def test_a_project_without_an_address_says_what_it_needs(tmp_path):
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    with pytest.raises(ValueError, match="Repository"):
        address(tmp_path)


def test_publishing_from_another_repository_is_refused_with_the_mend():
    main(["--is", address().url])
    main(["--is", address().url.upper().replace("HTTPS://GITHUB.COM", GITHUB)])
    with pytest.raises(SystemExit) as refusal:
        main(["--is", ELSEWHERE.url])
    assert f"make address URL={ELSEWHERE.url}" in refusal.value.code
    assert address() != ELSEWHERE


def test_the_workflow_asks_before_it_builds():
    text = (ROOT / ".github/workflows/deploy.yml").read_text("utf-8")
    steps = yaml.safe_load(text)["jobs"]["publish"]["steps"]
    commands = [step.get("run", "") for step in steps]
    (asks,) = [c for c in commands if "tools.address --is" in c]
    assert "${{ github.server_url }}/${{ github.repository }}" in asks
    assert commands.index(asks) < commands.index("make book")


def test_the_sites_address_follows_the_repositorys():
    assert ELSEWHERE.site == "https://someone.github.io/a-fork/"
