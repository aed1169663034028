"""Quizzes: five questions a chapter, each answer with its reason."""

import re

import nbformat
import pytest

from tools.address import ROOT

QUESTION = re.compile(
    r"^\*\*Question (?P<number>\d)\.\*\* (?P<text>.+?)\n\n"
    r"(?P<answers>(?:- .+\n(?:  .+\n)*)+)\n"
    r"<details><summary>Answer to question (?P=number)</summary>\n\n"
    r"(?P<why>.+?)\n\n</details>$",
    re.MULTILINE | re.DOTALL,
)
LETTER = re.compile(r"^(?:- )?\*\*([A-D])\.\*\* ?(.*)", re.MULTILINE)


def quizzes() -> dict[str, str]:
    """The quiz of each chapter that has one, by the notebook's name."""
    found = {}
    for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.source.startswith("## Quiz\n"):
                found[path.stem] = cell.source
    return found


def faults(source: str) -> list[str]:
    """What is wrong with a quiz, in sentences."""
    found = []
    questions = list(QUESTION.finditer(source))
    numbers = [int(q["number"]) for q in questions]
    if numbers != [1, 2, 3, 4, 5]:
        found.append(f"questions 1 to 5 are wanted, in form: {numbers}")
    for question in questions:
        number = question["number"]
        answers = [m[1] for m in LETTER.finditer(question["answers"])]
        reasons = dict(LETTER.findall(question["why"]))
        said = [m[1] for m in LETTER.finditer(question["why"])]
        right = [letter for letter in said if "Right." in reasons[letter]]
        if not 2 <= len(answers) <= 4 or answers != sorted(set(answers)):
            found.append(f"question {number}: answers {answers}")
        if sorted(said) != answers:
            found.append(f"question {number}: reasons for {said} alone")
        if len(right) != 1 or right != said[:1]:
            found.append(f"question {number}: right are {right}")
        if any(len(reason) < 15 for reason in reasons.values()):
            found.append(f"question {number}: an empty reason")
    return found


QUIZZES = quizzes()


@pytest.mark.parametrize("name", QUIZZES)
def test_each_answer_of_five_questions_has_its_reason(name):
    assert faults(QUIZZES[name]) == []


def test_the_first_seven_chapters_ask():
    assert {name[:2] for name in QUIZZES} >= {f"0{n}" for n in range(1, 8)}


def test_the_right_answer_has_no_place_of_its_own():
    """Who always chooses one letter gets less than half of them right."""
    right = re.findall(r"\*\*([A-D])\.\*\* Right\.", "".join(QUIZZES.values()))
    assert len(right) == 5 * len(QUIZZES)
    assert max(right.count(letter) for letter in "ABC") < len(right) / 2


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("**Question 3.**", "**Question 4.**"),
        ("Right. ", ""),
        ("</details>", ""),
    ],
)
def test_a_fault_is_found(before, after):
    sound = next(iter(QUIZZES.values()))
    assert before in sound
    assert faults(sound.replace(before, after, 1))


def test_two_right_answers_are_found():
    sound = next(iter(QUIZZES.values()))
    place = sound.rindex("\n- **") + len("\n- **A.** ")
    assert faults(sound[:place] + "Right. " + sound[place:])


def test_a_missing_reason_is_found():
    sound = next(iter(QUIZZES.values()))
    fold = sound[: sound.index("</details>")]
    last = fold.rindex("\n- **")
    assert faults(sound[:last] + "\n\n" + sound[sound.index("</details>") :])


# --- In the book -------------------------------------------------------------


@pytest.mark.parametrize("name", QUIZZES)
def test_the_page_has_five_cards(soups, name):
    cards = soups[f"notebooks/{name}"].select(".quiz")
    assert len(cards) == 5
    for card in cards:
        letters = [li["data-letter"] for li in card.select("li")]
        why = [p["data-letter"] for p in card.select("details .quiz-why")]
        assert sorted(why) == letters
        assert card["data-answer"] == why[0]
        assert card.select_one("details:not([open]) > summary")
        label = card.find(id=card["aria-labelledby"])
        assert label.get_text().startswith("Question ")


def test_a_broken_question_is_a_warning_of_the_build(small):
    _, warnings = small
    for fault in ("no-reason", "two-right", "no-answer-fold"):
        assert any("Question 1" in w for w in warnings[fault]), fault
