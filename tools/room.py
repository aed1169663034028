"""Virtual environments that stay: other packages than the course's own."""

from __future__ import annotations

import json
import os
import subprocess
import venv
from pathlib import Path


class RoomError(RuntimeError):
    """What stands in the way of a run, and what to do."""


def furnish(room: Path, wanted: list[str], whose: str) -> Path:
    """A virtual environment with these packages; returns its Python.

    One that is there already, with the same, is used again.

    Args:
        room: its folder.
        wanted: requirements, as pip takes them.
        whose: packages they are, for a sentence: ``"Colab's"``.

    Raises:
        RoomError: pip could not install them.
    """
    folder = "Scripts" if os.name == "nt" else "bin"
    python = room.resolve() / "venv" / folder / "python"
    installed = room / "installed.json"
    if not installed.is_file() or json.loads(installed.read_text()) != wanted:
        print(f"Installing {whose} packages: minutes, and 6 GB, once.")
        venv.create(room / "venv", with_pip=True, clear=True)
        pip = [python, "-m", "pip", "install", "--quiet", *wanted]
        if subprocess.run(pip).returncode:
            raise RoomError(f"pip could not install {whose} packages.")
        installed.write_text(json.dumps(wanted))
    return python
