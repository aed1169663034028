"""The challenge: a budget that is kept, and a judge that cannot be fooled."""

import json
import time

import pytest
import torch

from vae_course import challenge
from vae_course.challenge import BadEntry, judged, load, run, split
from vae_course.data import small_digits
from vae_course.diffusion.quality import trained_judge


@pytest.fixture(scope="module")
def digits():
    return small_digits()


@pytest.fixture(scope="module")
def judge(digits):
    _, apart = split(digits)
    return trained_judge(apart[:], apart.labels, seen=10_000)


def copying(images, labels, seed):
    """An entry that hands out what it was given."""
    places = [(labels == k).nonzero()[:, 0] for k in range(10)]

    def draw(asked):
        chosen = [
            places[k][i // 10 % len(places[k])]
            for i, k in enumerate(asked.tolist())
        ]
        return images[torch.stack(chosen)]

    return draw


def test_the_judges_digits_and_the_entrys_do_not_overlap(digits):
    learned, apart = split(digits)
    assert len(learned) + len(apart) == len(digits.train)
    assert torch.cat([learned.pixels, apart.pixels]).equal(digits.train.pixels)
    assert len(apart) > 1.9 * len(learned)


def test_copies_agree_and_are_found_out(digits, judge):
    learned, _ = split(digits)
    draw, _ = run(copying, learned)
    found = judged(draw, judge, learned, digits.test, drawn=300)
    assert found["agreement"] > 0.9 and found["taught"] > 0.8
    assert found["nearest"] < 0.1  # a copy of one that was learned from


def test_grey_squares_are_told_apart_from_digits(digits, judge):
    learned, _ = split(digits)
    torch.manual_seed(0)
    grey = torch.rand(300, 1, 28, 28)
    found = judged(lambda _: grey, judge, learned, digits.test, drawn=300)
    copies = judged(
        copying(learned[:], learned.labels, 0),
        judge,
        learned,
        digits.test,
        drawn=300,
    )
    assert found["agreement"] < 0.3 and found["taught"] < 0.5
    assert found["frechet"] > 5 * copies["frechet"]
    assert found["nearest"] > 5


@pytest.mark.parametrize(
    ("drawn", "says"),
    [
        (torch.zeros(300, 28, 28), r"\(300, 1, 28, 28\), got \(300, 28"),
        (torch.zeros(10, 1, 28, 28), r"got \(10, 1, 28, 28\)"),
        (None, "got NoneType"),
        (torch.full((300, 1, 28, 28), 1.5), "in .0, 1., got .* 1.5.*clamp"),
        (torch.full((300, 1, 28, 28), torch.nan), "clamp them"),
    ],
)
def test_what_are_no_digits_is_refused(digits, judge, drawn, says):
    with pytest.raises(BadEntry, match=says):
        judged(lambda _: drawn, judge, *split(digits), drawn=300)


def busy(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        sum(range(1000))


def test_when_the_budget_is_spent_an_entry_is_interrupted(digits):
    learned, _ = split(digits)

    def patient(images, labels, seed):
        try:
            busy(60)
        except KeyboardInterrupt:
            return copying(images, labels, seed)

    draw, seconds = run(patient, learned, budget=1.0)
    assert 1.0 <= seconds < 1.25
    assert draw(torch.arange(10)).shape == (10, 1, 28, 28)

    def stubborn(images, labels, seed):
        busy(60)

    with pytest.raises(BadEntry, match=r"after 1 CPU .*train\(\)"):
        run(stubborn, learned, budget=1.0)
    busy(0.5)  # the watch is over: nobody is interrupted any more


def test_an_entry_in_time_is_left_alone(digits):
    learned, _ = split(digits)
    _, seconds = run(copying, learned, budget=30.0)
    assert seconds < 5
    with pytest.raises(BadEntry, match="draw"):
        run(lambda images, labels, seed: 3, learned)


def test_a_file_without_the_function_is_refused(tmp_path, capsys):
    with pytest.raises(BadEntry, match="no file"):
        load(tmp_path / "none.py")
    entry = tmp_path / "entry.py"
    entry.write_text("def train(images): ...\n", encoding="utf-8")
    with pytest.raises(BadEntry, match="no function learn"):
        load(entry)
    assert challenge.main([str(tmp_path / "none.py")]) == 1
    assert "no file" in capsys.readouterr().err
    entry.write_text(
        "def learn(images, labels, seed):\n    return 'digits'\n",
        encoding="utf-8",
    )
    assert load(entry)(None, None, 0) == "digits"


def test_numbers_are_kept_with_their_command(tmp_path):
    one = {"agreement": 0.9, "taught": 0.8, "frechet": 3.0, "nearest": 5.0}
    two = {"agreement": 1.0, "taught": 0.9, "frechet": 5.0, "nearest": 5.0}
    path = tmp_path / "numbers.json"
    challenge.keep(path, [one, two], "python -m vae_course.challenge")
    kept = json.loads(path.read_text("utf-8"))
    assert kept["mean"]["agreement"] == 0.95 and kept["mean"]["frechet"] == 4
    assert kept["sd"]["frechet"] == pytest.approx(2**0.5, abs=1e-4)
    assert kept["command"] == "python -m vae_course.challenge"
