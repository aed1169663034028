# @title Install the course's code, where it is missing
# As on Colab. What the code needs is there already; --no-deps leaves torch
# as it is.
import importlib.util
import subprocess
import sys

if importlib.util.find_spec("vae_course") is None:
    package = "vae-course @ git+{repository}"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", package]
    subprocess.run(pip, check=True)
    importlib.invalidate_caches()
