"""The repository's public address: one home, and everything that repeats it.

``pyproject.toml`` holds the address. Badges, links and the notebooks' first
cell repeat it, because Colab and GitHub show them without a build.
``disagreements`` finds the places that differ,
``python -m tools.address NEW_URL`` changes the address everywhere, and
``python -m tools.address --is URL`` refuses to go on where it is another.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent

# Repositories of other people that the course names, as "owner/name". Every
# other repository on a code host has to be the course's own.
CITED: frozenset[str] = frozenset(
    {
        "googlecolab/backend-info",
        "keras-team/keras",
        "madebyollin/taesd",
        "YOU/YOUR-REPOSITORY",  # README's example
    }
)

WRITTEN_IN = (
    "pyproject.toml",
    "_config.yml",
    "*.md",
    "*.cff",
    ".github/workflows/*.yml",
    "book/**/*.md",
    "book/*.bib",
    "notebooks/*.ipynb",
    "vae_course/**/*.py",
)

_HOME = re.compile(r'^Repository = "(?P<url>[^"]+)"', re.MULTILINE)
_FORM = re.compile(r"https://github\.com/([\w-]+)/([\w.-]+?)(?:\.git)?/?")
_NAMED = re.compile(
    r"(?P<host>github\.com|colab\.research\.google\.com/github"
    r"|raw\.githubusercontent\.com|gitlab\.com|bitbucket\.org|codeberg\.org)"
    r"/(?P<repository>[\w-]+/[\w.-]*[\w-])"
    r"|(?<![\w-])(?P<owner>[\w-]{1,39})\.github\.io/(?P<site>[\w.-]*[\w-])"
)


class Address(NamedTuple):
    """A repository on GitHub, from where Colab opens notebooks."""

    owner: str
    name: str

    @classmethod
    def parse(cls, url: str) -> Address:
        """Reads ``https://github.com/OWNER/NAME``.

        Raises:
            ValueError: the address has another form.
        """
        match = _FORM.fullmatch(url.strip())
        if match is None:
            raise ValueError(
                f"{url!r} is not of the form https://github.com/OWNER/NAME, "
                "the only one from which Colab opens notebooks."
            )
        return cls(*match.groups())

    @property
    def repository(self) -> str:
        """OWNER/NAME."""
        return f"{self.owner}/{self.name}"

    @property
    def url(self) -> str:
        """The repository's page."""
        return f"https://github.com/{self.repository}"

    @property
    def site(self) -> str:
        """Where the book is published, with a slash at its end."""
        return f"https://{self.owner}.github.io/{self.name}/"

    def colab(self, notebook: str) -> str:
        """Where Colab opens a notebook, given its file name."""
        return (
            f"https://colab.research.google.com/github/{self.repository}"
            f"/blob/main/notebooks/{notebook}"
        )


def address(root: Path = ROOT) -> Address:
    """The one address, read from ``pyproject.toml``.

    Raises:
        ValueError: ``[project.urls]`` has no Repository, or not one on GitHub.
    """
    match = _HOME.search((root / "pyproject.toml").read_text("utf-8"))
    if match is None:
        raise ValueError(
            'pyproject.toml needs a line Repository = "https://github.com/'
            'OWNER/NAME" under [project.urls].'
        )
    return Address.parse(match["url"])


def disagreements(root: Path = ROOT) -> Iterator[str]:
    """One sentence for each place that names another repository or site."""
    ours = address(root)
    for path in _files(root):
        lines = path.read_text("utf-8").splitlines()
        for number, line in enumerate(lines, start=1):
            for match in _NAMED.finditer(line):
                if _repository(match) not in CITED | {ours.repository}:
                    where = path.relative_to(root).as_posix()
                    yield (
                        f"{where}, line {number}: {match[0]} is not at the "
                        f"course's address, {ours.url}. Run `python -m "
                        f"tools.address {ours.url}` to mend it; if the course "
                        "cites that repository, name it in CITED in "
                        "tools/address.py."
                    )


def move(new: Address, root: Path = ROOT) -> list[Path]:
    """Writes a new address wherever the course's own stands.

    Returns:
        The files that changed.
    """

    def renamed(match: re.Match) -> str:
        if _repository(match) in CITED | {new.repository}:
            return match[0]
        if match["site"]:
            return f"{new.owner}.github.io/{new.name}"
        git = ".git" if match["repository"].endswith(".git") else ""
        host = match["host"] if "github" in match["host"] else "github.com"
        return f"{host}/{new.repository}{git}"

    changed = []
    for path in _files(root):
        # Bytes, so that line endings stay what they are.
        old = path.read_bytes().decode("utf-8")
        text = _NAMED.sub(renamed, old)
        if text != old:
            path.write_bytes(text.encode("utf-8"))
            changed.append(path)
    return changed


def _files(root: Path) -> list[Path]:
    return sorted({p for pattern in WRITTEN_IN for p in root.glob(pattern)})


def _repository(match: re.Match) -> str:
    if match["site"]:
        return f"{match['owner']}/{match['site']}"
    return match["repository"].removesuffix(".git")


def main(arguments: list[str] | None = None) -> None:
    """``python -m tools.address NEW_URL``, or ``--is URL``."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.address",
        description="Changes the course's public address everywhere.",
    )
    parser.add_argument("url", help="https://github.com/OWNER/NAME")
    parser.add_argument(
        "--is",
        dest="only_ask",
        action="store_true",
        help="change nothing; fail if the course's address is another",
    )
    options = parser.parse_args(arguments)
    try:
        new = Address.parse(options.url)
    except ValueError as error:
        sys.exit(str(error))
    if options.only_ask:
        ours = address()
        if new.repository.lower() != ours.repository.lower():
            sys.exit(
                f"This repository is {new.url}, but its pages would send "
                f"readers to {ours.url}. Run `make address URL={new.url}`, "
                "commit what it changes, and push again."
            )
        return
    changed = move(new)
    for path in changed:
        print(f"changed {path.relative_to(ROOT).as_posix()}")
    print(f"The course is at {new.url}: {len(changed)} files changed.")


if __name__ == "__main__":
    main()
