"""A claim that cannot fail is found."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from tools.address import ROOT
from tools.claims import empty_claims

PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def found(*cells: str) -> list[str]:
    return list(empty_claims(new_notebook(cells=[*map(new_code_cell, cells)])))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_every_claim_could_have_failed(path):
    assert not list(empty_claims(nbformat.read(path, as_version=4)))


@pytest.mark.parametrize(
    "condition",
    [
        "True",
        "1 < 2",
        "not False",
        "loss < 3 or True",
        "loss == loss",
        "loss >= loss",
        "bool(1)",
        "[loss < 3]",
        "(loss < 3, 'said')",
        "'loss'",
        "len(runs) >= 0",
        "len(runs) > -1",
        "0 <= abs(loss)",
        "loss ** 2 >= 0",
        "error.square().sum() >= 0",
        "error.abs().max().item() >= 0",
        "all([True, 1 < 2])",
        "all(x >= x for x in runs)",
        "any([loss < 3, True])",
        "(1 < 2).all()",
        "784 * math.log(2) > 543",
        "width * width == 784",
        "fine",
        "fine and width > 27",
        "lambda: loss < 3",
        "holds=True",
    ],
)
def test_what_cannot_fail_is_named(condition):
    setup = "width = 28\nfine = True\nloss, runs, error = measure()"
    call = f"claim('the sentence', {condition})"
    assert found(setup, call) == ["'the sentence'"], condition


@pytest.mark.parametrize(
    "condition",
    [
        "loss < 3",
        "loss < 3 and True",
        "abs(loss - 3) < 0.1",
        "len(runs) > 0",
        "error.abs().max() <= 1e-6",
        "(error < 1).all()",
        "(error < 1).all().item()",
        "torch.equal(f(x), f(x))",
        "f(x) == f(x)",
        "all(b < a for a, b in pairwise(runs))",
        "rates == sorted(rates)",
        "fine",
        "width < loss",
        "total > 1",
        "holds=loss < 3",
    ],
)
def test_what_could_fail_is_left_alone(condition):
    setup = (
        "width = 28\nloss, runs, error = measure()\nfine = loss < 3\n"
        "total = 2\nfor run in runs:\n    total += run\nrates = list(runs)"
    )
    assert found(setup, f"claim('the sentence', {condition})") == []


def test_a_claim_without_a_condition_is_named():
    assert found("claim('the sentence')") == ["'the sentence'"]
