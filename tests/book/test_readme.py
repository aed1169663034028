"""README says what is there."""

import re

from tools.address import ROOT

README = (ROOT / "README.md").read_text("utf-8")
# In every checkout, or made by a build; not what a reader looks for.
LEFT_OUT = {
    *("CHANGELOG.md", "CITATION.cff", "CODE_OF_CONDUCT.md"),
    *("CONTRIBUTING.md", "LICENSE", "Makefile", "README.md"),
    *("pyproject.toml", "requirements.txt", "__init__.py"),
}


def folder_map() -> set[str]:
    """The paths that the map names."""
    block = re.search(r"## Folders\n\n```\n(.+?)```", README, re.DOTALL)[1]
    paths, above = set(), ""
    for line in block.splitlines():
        indent, name = re.match(r"( *)(\S+)", line).groups()
        path = name if not indent else above + name
        above = above if indent else name
        paths.add(path)
    return paths


def test_the_folder_map_is_the_tree():
    there = {
        *(p for p in ROOT.iterdir() if p.name not in LEFT_OUT),
        *(p for p in (ROOT / "vae_course").iterdir()),
    }
    wanted = set()
    for path in there:
        name = path.relative_to(ROOT).as_posix()
        if path.name in LEFT_OUT or path.name.startswith((".", "_build")):
            continue
        if path.name == "__pycache__":
            continue
        wanted.add(name + "/" * path.is_dir())
    assert folder_map() - {".ci/run"} == wanted


def test_every_dependency_earns_its_place():
    settings = (ROOT / "pyproject.toml").read_text("utf-8")
    names = re.findall(r'^    "([\w-]+)[<>=]', settings, re.MULTILINE)
    assert len(names) > 15
    for name in names:
        assert re.search(rf"^\| [^|]*\b{name}\b", README, re.MULTILINE), name


def test_nobody_is_sent_to_a_site_that_may_not_exist():
    outside = README.split("## Put it online")[0]
    assert ".github.io" not in outside
    assert "make address URL=" in README
