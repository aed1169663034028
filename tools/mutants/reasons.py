"""Why some changes that no test notices are no faults.

The key is a module and a piece of the change in words, as results/mutants.json
lists it. What a reader of the course would notice has no reason: it needs a
test.
"""

from __future__ import annotations

REASONS: dict[tuple[str, str], str] = {}
