"""What a student reads: answers, hints, solutions and progress."""

import html
import json
import re
import subprocess
import sys
import textwrap

import pytest

from vae_course.exercises import (
    asking,
    check,
    hint,
    progress,
    registry,
    solution,
)
from vae_course.exercises.engine.describing import brief, contrast, first_lines
from vae_course.exercises.engine.record import Record
from vae_course.exercises.engine.report import Card

KL = registry.find("2.2")


def no_half(mean, log_var):
    return 2 * KL.solution(mean, log_var)


def empty(mean, log_var): ...


@pytest.fixture(autouse=True)
def record(monkeypatch):
    """A student who has done nothing yet."""
    monkeypatch.setattr(asking, "_record", Record())
    return asking._record


# --- Answers -----------------------------------------------------------------


def test_a_right_answer_reads_well_alone():
    answer = check("2.2", KL.solution)
    assert repr(answer) == (
        "✓ Exercise 2.2, The rate in closed form: correct.\n"
        "You have just shown that your rate and its gradients equal those of "
        "torch.distributions, to single precision and in double."
    )


def test_a_known_mistake_is_named_and_shown():
    answer = check("2.2", no_half)
    assert answer.mistake == "no half"
    assert repr(answer) == (
        "✗ Exercise 2.2, The rate in closed form: not right yet.\n"
        "A known mistake, “no half”: The ½ is missing: your rate is twice "
        "what it should be, which is training with β = 2.\n"
        "Why it is tempting: a factor in a loss looks like a matter of taste. "
        "Against a second term in the same unit it is not.\n"
        "Input:    gaussian_kl(mean=[[2, 0]], log_var=[[0, 0]])\n"
        "Expected: [2]\n"
        "Got:      [4]\n"
        'Stuck? hint("2.2") gives hint 1 of 3.'
    )


def test_an_unknown_mistake_is_shown_by_the_smallest_input():
    answer = check("2.2", lambda m, v: 0.7 * KL.solution(m, v))
    assert answer.mistake is None
    assert "gaussian_kl(mean=[[2, 0]], log_var=[[0, 0]])" in repr(answer)
    assert "Expected: [2]\nGot:      [1.4]" in repr(answer)


def test_a_mistake_is_recognised_by_what_it_computes():
    def in_other_words(mean, log_var):
        total = 0
        for column in range(mean.shape[1]):
            m, v = mean[:, column].double(), log_var[:, column].double()
            total = total - (1 + v - m * m - v.exp())
        return total.to(mean.dtype)

    assert check("2.2", in_other_words).mistake == "no half"


def test_source_that_looks_like_a_mistake_is_not_one():
    def looks_wrong(mean, log_var):
        torch_std_of_half_log_var = "torch.std(0.5 * log_var) rand sum() -KL"
        assert torch_std_of_half_log_var
        return KL.solution(mean, log_var)

    assert check("2.2", looks_wrong)


def test_an_empty_stub_is_not_attempted():
    answer = check("2.2", empty)
    assert answer.status == "not attempted"
    assert not answer
    assert repr(answer) == (
        "○ Exercise 2.2, The rate in closed form: not attempted yet.\n"
        "Fill in gaussian_kl, then run this cell. (If that is done: is a "
        "return missing?)"
    )


def test_an_empty_value_is_not_attempted():
    assert "Put your answer in the place of ..." in repr(check("2.8", ...))


def test_the_same_answer_is_the_same_text():
    first = check("2.1", lambda mean, log_var: mean + 0 * log_var)
    second = check("2.1", lambda mean, log_var: mean + 0 * log_var)
    assert first.mistake == "no noise"
    assert first._repr_mimebundle_() == second._repr_mimebundle_()


@pytest.mark.parametrize(
    ("number", "words"),
    [
        ("2.99", "There are: 2.1, 2.2"),
        ("99.1", "There are: 1.1 to 1.5, 2.1 to 2.9, 3.1 to 3.4"),
        ("", "There are: 1.1"),
        ("2", "There are: 2.1"),
        ("two", "There are: 1.1"),
        ("²", "There are: 1.1"),
        ("9" * 10_000, "There are: 1.1"),
        (2.2, "in quotes"),
        (None, "in quotes"),
        (KL.solution, "in quotes"),
    ],
)
def test_an_unknown_number_is_answered_with_those_there_are(number, words):
    for answer in (check(number, empty), hint(number), solution(number)):
        assert answer.status == "unknown"
        assert words in repr(answer)
        assert len(repr(answer)) < 300


def test_a_number_may_have_space_around_it():
    assert check(" 2.2 ", KL.solution)


# --- Looks -------------------------------------------------------------------


def cards():
    yield check("2.2", KL.solution)
    yield check("2.2", no_half)
    yield check("2.2", empty)
    yield check("2.2", lambda mean, log_var: mean.foo)
    yield check("1.5", lambda image_shape, latent: None)
    yield check("9.9", empty)
    yield hint("2.2")
    yield progress()
    yield progress(3)
    yield progress(99)


def test_html_says_what_the_text_says():
    for card in cards():
        page = card._repr_html_()
        words = html.unescape(re.sub(r"<[^>]+>", " ", page))
        for line in repr(card).splitlines():
            for word in line.split():
                assert word.rstrip(":,.") in words.replace("`", ""), word


def test_html_fits_any_page():
    for card in cards():
        page = card._repr_html_()
        assert " id=" not in page and "<script" not in page
        # The book's style sheet knows this class; nothing else depends on it.
        assert re.findall(r'class="(.*?)"', page) == ["exercise-answer"]
        # Text has the page's own colour, so it reads on light and on dark.
        colours = re.findall(r"color:([^;\"]+)", page)
        assert set(colours) <= {"transparent", "inherit"}
        tags = "p dl dt dd div code strong span details summary"
        for tag in tags.split():
            assert len(re.findall(f"<{tag}[ >]", page)) == page.count(
                f"</{tag}>"
            )


def test_a_word_and_a_symbol_stand_beside_the_colour():
    heads = [repr(card).splitlines()[0] for card in cards()]
    assert heads[0].startswith("✓") and heads[0].endswith("correct.")
    assert heads[1].startswith("✗") and heads[1].endswith("not right yet.")
    assert heads[2].startswith("○") and heads[2].endswith("attempted yet.")


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("page", ["#ffffff", "#000000", "#1e1e1e", "#2a2a2a"])
def test_the_line_beside_an_answer_is_seen_on_any_page(page):
    for card in cards():
        line = re.search(r"solid (#\w+)", card._repr_html_())[1]
        lighter, darker = sorted(
            (luminance(line) + 0.05, luminance(page) + 0.05), reverse=True
        )
        assert lighter / darker >= 3


def test_what_an_attempt_says_cannot_become_html():
    def attempt(mean, log_var):
        print("<script>alert(1)</script> `x`")
        raise ValueError("<img src=x onerror=alert(2)> & `<b>`")

    page = check("2.2", attempt)._repr_html_()
    assert "<script" not in page and "<img" not in page and "<b>" not in page
    assert "&lt;script&gt;" in page and "&lt;img" in page


def test_an_answer_shows_itself_only_where_it_is_asked_to():
    code = """
        from vae_course.exercises import check
        answer = check("2.2", lambda mean, log_var: None)
        for _ in range(3):
            check("2.8", 0.18)
        print(answer)
        print(answer.status, bool(answer), bool(check("2.8", 0.18)))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        encoding="utf-8",
        env={"PYTHONIOENCODING": "utf-8"},
        check=True,
    )
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert len(lines) == 3
    assert lines[-1] == "not attempted False True"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2.0, "2"),
        (-0.28867, "−0.2887"),
        (1e-12, "1e−12"),
        (float("nan"), "nan"),
        (3, "3"),
        (10**30, "an int of ten digits or more"),
        (True, "True"),
        ("a" * 100, repr("a" * 57 + "…")),
        ([1, [2.5, 3]], "[1, [2.5, 3]]"),
        ((1,), "(1)"),
        (list(range(50)), "a list of 50"),
        ({}, "a dict"),
        (object(), "an object"),
    ],
)
def test_values_are_shown_in_short(value, text):
    assert brief(value) == text


def test_expected_and_got_never_look_the_same():
    assert contrast(1.0, 1.0 + 1e-6) == ("1", "1.000001", "")
    expected, got, _ = contrast(0.1, 0.1 + 1e-15)
    assert expected != got


def test_long_text_is_cut():
    assert first_lines("a\nb\nc\n", lines=2) == "a\nb\n…"
    assert len(first_lines("x" * 10_000)) == 72


# --- Hints and solutions -----------------------------------------------------


def test_hints_come_one_by_one():
    first, second, third, again = (repr(hint("2.2")) for _ in range(4))
    given = [KL.hints[i].replace("`", "") for i in range(3)]
    assert given[0] in first and given[1] not in first
    assert given[1] in second and given[2] not in second
    assert given[2] in third
    assert again == third
    assert 'solution("2.2")' in third
    assert "hint 1 of 3" in first and "hint 3 of 3" in third


def test_each_exercise_has_hints_of_its_own():
    hint("2.2")
    hint("2.2")
    assert "hint 1 of 3" in repr(hint("2.3"))


def test_a_wrong_answer_offers_the_next_hint():
    assert 'hint("2.2") gives hint 1 of 3.' in repr(check("2.2", no_half))
    hint("2.2")
    assert 'hint("2.2") gives hint 2 of 3.' in repr(check("2.2", no_half))
    hint("2.2")
    hint("2.2")
    assert 'solution("2.2") shows a' in repr(check("2.2", no_half))


def test_the_solution_shows_the_code_that_is_tested():
    for exercise in registry.all_exercises():
        shown = solution(exercise.number)
        bundle = shown._repr_mimebundle_()
        markdown, text = bundle["text/markdown"], bundle["text/plain"]
        code = re.search(r"```python\n(.*?)\n```", markdown, re.DOTALL)[1]
        names = {}
        exec("import math, torch\nfrom torch import nn\n" + code, names)
        assert set(exercise.names) <= set(names)
        assert exercise.why in markdown
        assert code in text
        assert exercise.why.replace("`", "") in text


# --- Progress ----------------------------------------------------------------


def signs(line):
    """number → sign, from a chapter's line."""
    found = re.findall(r"([✓○]) (\d+\.\d+)", line)
    return {number: sign for sign, number in found}


def test_progress_tells_what_is_done():
    check("2.2", KL.solution)
    check("2.2", no_half)  # what is done stays done
    check("2.1", no_half)
    check("2.3", empty)  # does not count as an attempt
    hint("2.3")
    card = progress(2)
    there = registry.exercises_of(2)
    first, summary, *lines = repr(card).splitlines()
    assert first.startswith(f"→ Chapter 2: 1 of {len(there)} done: ")
    assert signs(first) == {
        each.number: "✓" if each.number == "2.2" else "○" for each in there
    }
    count = len(registry.all_exercises())
    assert summary == f"All chapters: 1 of {count} exercises done."
    assert lines[1].strip() == first.removeprefix("→ ")
    (states,) = [
        dict(facts)
        for heading, facts in card.folded.parts
        if heading.startswith("Chapter 2:")
    ]
    states = {words.split()[0]: state for words, state in states.items()}
    assert states["2.2"] == "✓ done, tried twice"
    assert states["2.1"] == "○ open, tried once"
    assert states["2.3"] == "○ open, not tried, 1 of 3 hints"
    assert states["2.4"] == "not tried"
    assert "until this session ends" in repr(card)


def test_progress_has_a_line_for_each_chapter():
    _, _, *lines, _ = repr(progress(3)).splitlines()
    shown = {n: sign for line in lines for n, sign in signs(line).items()}
    assert shown == {each.number: "○" for each in registry.all_exercises()}
    assert [line.split()[1] for line in lines] == [
        f"{chapter}:" for chapter in registry.chapters()
    ]


def test_progress_shows_one_line_and_folds_the_rest():
    page = progress(3)._repr_html_()
    open_part, folded = page.split("<details", 1)
    assert "Chapter 3:" in open_part and "Chapter 1:" not in open_part
    assert folded.count("<summary>") == 1 and " open" not in folded[:60]
    inside, closing = folded.split("</details>")
    for each in registry.all_exercises():
        name = f"{each.number} {each.title}"
        assert html.escape(name, quote=False) in inside
    assert "until this session ends" in closing


def test_progress_without_a_number_is_of_the_chapter_checked_last():
    assert repr(progress()).startswith("→ 0 of ")
    check("2.2", KL.solution)
    assert repr(progress()).startswith("→ Chapter 2: 1 of ")
    check("5.1", 1.0)
    assert repr(progress()).startswith("→ Chapter 5: 0 of ")
    check("9.99", 1.0)  # there is none
    assert repr(progress()).startswith("→ Chapter 5: ")
    assert repr(progress(2)).startswith("→ Chapter 2: 1 of ")


@pytest.mark.parametrize("chapter", [99, 0, -1, "3", 3.5, "file.json", []])
def test_progress_of_no_chapter_is_answered_with_those_there_are(chapter):
    card = progress(chapter)
    assert card.status == "unknown"
    assert "There are 1, 2, 3" in repr(card)
    assert 'progress(file="progress.json")' in repr(card)


def test_nothing_is_written_unless_a_file_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check("2.2", KL.solution)
    hint("2.2")
    progress()
    assert list(tmp_path.iterdir()) == []


def new_session(monkeypatch):
    monkeypatch.setattr(asking, "_record", Record())


def test_progress_is_kept_in_the_file_that_is_named(tmp_path, monkeypatch):
    file = tmp_path / "my progress.json"
    check("2.2", KL.solution)
    assert f"Kept in {file}" in repr(progress(file=file))
    hint("2.3")
    check("2.8", 1.0)
    new_session(monkeypatch)
    assert "0 of" in repr(progress())
    assert repr(progress(file=str(file))).startswith("→ 1 of ")
    assert "hint 2 of 3" in repr(hint("2.3"))
    assert list(tmp_path.iterdir()) == [file]


def test_two_sessions_may_share_a_file(tmp_path, monkeypatch):
    file = tmp_path / "progress.json"
    progress(file=file)
    one = asking._record
    new_session(monkeypatch)
    progress(file=file)
    check("2.2", KL.solution)
    monkeypatch.setattr(asking, "_record", one)
    check("2.8", 0.18)
    assert "2 of" in repr(progress())
    entries = json.loads(file.read_text())["exercises"]
    assert [n for n, mark in entries.items() if mark["done"]] == ["2.2", "2.8"]


WHOLE = {
    "format": "vae-course progress 1",
    "exercises": {"2.2": {"attempts": 1, "done": True, "hints": 0}},
}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        '"text"',
        "[" * 100_000,
        "{}",
        '{"format": "other", "exercises": {}}',
        '{"format": "vae-course progress 1"}',
        '{"format": "vae-course progress 1", "exercises": []}',
        json.dumps(WHOLE)[:-10],
        json.dumps(WHOLE).replace("true", '"yes"'),
        json.dumps(WHOLE).replace('"hints": 0', '"hints": -1'),
        json.dumps(WHOLE).replace('"hints": 0', '"hints": 9'),
        json.dumps(WHOLE).replace("attempts", "tries"),
        "a diary, not JSON",
    ],
)
def test_a_damaged_file_is_refused_and_stays(tmp_path, content):
    file = tmp_path / "progress.json"
    file.write_text(content)
    check("2.2", KL.solution)
    text = repr(progress(file=file))
    assert "is damaged or was not written by this course" in text
    assert file.read_text() == content
    assert "1 of" in text  # and nothing in memory is lost
    assert "until this session ends" in text
    assert check("2.2", KL.solution)
    assert file.read_text() == content
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_that_is_no_text_is_refused_and_stays(tmp_path):
    file = tmp_path / "picture.png"
    file.write_bytes(b"\x89PNG\xff\xfe\x00")
    assert "cannot be read" in repr(progress(file=file))
    assert file.read_bytes() == b"\x89PNG\xff\xfe\x00"


def test_a_file_that_is_damaged_later_is_left_alone(tmp_path):
    file = tmp_path / "progress.json"
    progress(file=file)
    file.write_text("oh")
    answer = check("2.2", KL.solution)
    assert answer
    assert "Your progress could not be saved" in repr(answer)
    assert file.read_text() == "oh"
    file.unlink()
    assert "could not be saved" not in repr(check("2.8", 0.18))
    assert "2 of" in repr(progress())


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    for file in (tmp_path / "no" / "such" / "folder.json", tmp_path):
        text = repr(progress(file=file))
        assert "cannot be" in text
        assert "until this session ends" in text


def test_the_file_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    from vae_course.exercises.engine import record

    file = tmp_path / "progress.json"
    progress(file=file)
    before = file.read_text()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(record.os, "replace", full)
    answer = check("2.2", KL.solution)
    assert "No space left on device" in repr(answer)
    assert file.read_text() == before
    assert list(tmp_path.iterdir()) == [file]


def test_a_card_is_what_it_is_told():
    card = Card("note", "One `x`.", ("Two.",), (("A", "`b`"),), "Three.")
    assert repr(card) == "→ One x.\nTwo.\nA: b\nThree."
