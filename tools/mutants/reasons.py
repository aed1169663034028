"""Why some changes that no test notices are no faults.

The key is a module, or "any", and a piece of the change in words, as
results/mutants.json lists it, or several with " … " between them. What a
reader of the course would notice has no reason: it needs a test.
"""

from __future__ import annotations

REASONS: dict[tuple[str, str], str] = {
    ("core", "in return D.Independent … validate_args=False"): (
        "it looks at nothing that its base has not looked at"
    ),
    ("core", "validate_args=False) -> D.Independent"): (
        "it looks at nothing that its base has not looked at"
    ),
    ("diffusion.objective", "1 + 0 * s -> 1 - 0 * s"): "the same number",
    ("diffusion.objective", "1 + 0 * a -> 1 - 0 * a"): "the same number",
    ("diffusion.objective", "in return D.Independent … validate_args=False"): (
        "it looks at nothing that its base has not looked at"
    ),
    ("diffusion.objective", "torch.rand(len(z), device=z.device)"): (
        "on a CPU the same; the tests have no GPU"
    ),
    ("diffusion.sampling", "max(t, 1) -> max(1, t)"): "the same number",
}
