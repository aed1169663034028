"""What could not be done goes to standard error."""

from __future__ import annotations

import sys


def complain(message) -> int:
    """Says it on standard error; returns the exit code."""
    print(message, file=sys.stderr)
    return 1
