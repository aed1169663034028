"""The doctor finds what is there, and what is wrong."""

import subprocess
import sys
from importlib import metadata

import pytest

from vae_course import cli
from vae_course.cli import doctor
from vae_course.data.images import DATA_VARIABLE
from vae_course.data.mnist import _mnist_files


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_a_healthy_machine_gets_versions_and_the_next_step(capsys):
    assert cli.main(["doctor"]) == 0
    printed = capsys.readouterr().out
    assert metadata.version("torch") in printed
    assert "threads" in printed and "downloaded when first used" in printed
    assert "Next: open notebooks/01_autoencoders.ipynb" in printed


def test_a_missing_package_is_named_with_the_command_that_mends_it(
    capsys, monkeypatch
):
    monkeypatch.setitem(doctor.NEEDED, "no-such-package", "no_such_package")
    assert cli.main(["doctor"]) == 1
    printed = capsys.readouterr().out
    assert "MISSING  no-such-package  not installed" in printed
    assert 'python -m pip install "no-such-package"' in printed


def test_a_package_that_does_not_import_is_found(capsys, monkeypatch):
    def broken(module):
        if module == "torchvision":
            raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(doctor.importlib, "import_module", broken)
    assert cli.main(["doctor"]) == 1
    printed = capsys.readouterr().out
    assert "torchvision::nms" in printed and "must be a pair" in printed


def test_an_old_python_is_said(capsys, monkeypatch):
    monkeypatch.setattr(doctor.sys, "version_info", (3, 9, 0))
    assert cli.main(["doctor"]) == 1
    assert "install Python 3.10" in capsys.readouterr().out


def test_damaged_data_is_named(tmp_path, capsys, monkeypatch):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, _ in _mnist_files():
        (raw / name).write_bytes(b"cut off")
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    assert cli.main(["doctor"]) == 1
    printed = capsys.readouterr().out
    assert "MISSING  MNIST" in printed and "Delete this file" in printed


def test_an_unknown_command_exits_with_usage(capsys):
    with pytest.raises(SystemExit) as exit_code:
        cli.main(["operate"])
    assert exit_code.value.code == 2


def test_importing_the_package_loads_none_of_the_heavy_libraries():
    # Loaded modules, not seconds: they decide the cost, and do not jitter.
    program = (
        "import torch, sys; before = set(sys.modules); import vae_course;"
        "from vae_course import elbo, MLPVAE;"
        "from vae_course import data, metrics, training;"
        "print(*sorted({m.split('.')[0] for m in sys.modules}"
        " - {m.split('.')[0] for m in before}))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    heavy = {"torchvision", "matplotlib", "sklearn", "IPython", "PIL", "scipy"}
    assert not heavy & set(loaded)


def test_the_doctor_can_speak_even_without_torch():
    program = (
        "import sys; sys.modules['torch'] = None;"
        "from vae_course.cli import main; sys.exit(main(['doctor']))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True
    )
    assert run.returncode == 1 and "MISSING  torch" in run.stdout
    assert "Traceback" not in run.stderr
