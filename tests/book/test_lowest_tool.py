"""The tool that tests beside the oldest packages; those weigh 6 GB."""

import importlib.metadata

import pytest

from tools import lowest


def test_a_lower_bound_becomes_the_last_of_its_series():
    assert lowest.series("torch>=2.5") == "torch>=2.5,==2.5.*"
    assert lowest.series("a-b>=1.0.4") == "a-b>=1.0.4,==1.0.*"
    assert lowest.series("pytest>=8") == "pytest>=8,==8.*"


@pytest.mark.parametrize("bound", ["torch", "torch==2.5", "torch>=2,<3"])
def test_what_has_no_lower_bound_alone_is_refused(bound):
    with pytest.raises(ValueError, match="lower bound"):
        lowest.series(bound)


def test_dependencies_and_the_tests_extras_are_taken_and_no_others():
    asked = [
        "torch>=2.5",
        'diffusers>=0.30; extra == "test"',
        'ruff>=0.6; extra == "test"',
        'jupyter-book<2,>=1.0.4; extra == "book"',
        'accelerate>=0.30; extra == "train"',
        'accelerate>=0.30; extra == "test"',
    ]
    assert lowest.wanted(asked) == [
        "torch>=2.5,==2.5.*",
        "diffusers>=0.30,==0.30.*",
        "ruff>=0.6",
        "accelerate>=0.30,==0.30.*",
    ]


def test_every_requirement_of_the_course_has_a_lower_bound():
    ours = importlib.metadata.requires(lowest.PACKAGE)
    names = {each.partition(">=")[0] for each in lowest.wanted(ours)}
    assert {"torch", "numpy", "diffusers", "accelerate", "pytest"} <= names
