"""Why some attempts that are no copy of the solution are rightly accepted.

The key is an exercise, with a piece of the line that ``--survivors`` prints;
an empty piece stands for the whole exercise. Each reason says what the task
leaves open. An attempt that only got lucky has no reason: it needs a trial.
"""

from __future__ import annotations

REASONS: dict[tuple[str, str], str] = {
    ("1.1", "'double'"): "numbers of another type are the same numbers",
    ("1.1", "'numpy'"): "numbers of another type are the same numbers",
    ("1.1", "argument alone"): "a list is as good as a tensor of it",
    ("1.3", "full_matrices"): "the first directions are the same",
    ("1.3", "torch.linalg.svd(x - x.mean(0)))"): (
        "the first directions are the same"
    ),
    ("1.4", "'double'"): "a number is asked for, in any precision",
    ("1.4", "'keepdim'"): "a tensor that holds one number is a number",
    ("1.4", "'numpy'"): "a number is asked for, of any kind",
    ("1.4", "'at least 0.05'"): "a twentieth of a degree is lost in rounding",
    ("1.5", ""): (
        "any autoencoder with the seven properties is right, and each of "
        "these has them: another activation, another start, a sign inside"
    ),
    (
        "2.2",
        "'squeeze', torch.zeros_like",
    ): "zeros of any shape are the same prior",
    ("2.8", "plus one"): "three digits are enough, and they are the same",
}


def reason(number: str, line: str) -> str:
    """The reason for one survivor; empty if there is none."""
    for (of, piece), why in REASONS.items():
        if of == number and piece in line:
            return why
    return ""
