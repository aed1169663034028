"""Exercises on the pages: their frame, their help, their solutions."""

import re

import pytest

from tools.address import ROOT, address
from vae_course.exercises import registry
from vae_course.exercises.engine import cells

EXERCISES = registry.all_exercises()
NOTEBOOKS = {
    int(path.stem[:2]): path.stem
    for path in (ROOT / "notebooks").glob("*.ipynb")
}


@pytest.fixture(params=EXERCISES, ids=lambda exercise: exercise.number)
def exercise(request):
    return request.param


@pytest.fixture
def chapter(exercise):
    return int(exercise.number.partition(".")[0])


@pytest.fixture
def name(exercise):
    return exercise.number.replace(".", "-")


@pytest.fixture
def frame(soups, chapter, name):
    page = soups[f"notebooks/{NOTEBOOKS[chapter]}"]
    return page.find("section", id=f"exercise-{name}")


@pytest.fixture
def section(soups, chapter, name):
    page = soups[f"book/solutions/chapter{chapter:02d}"]
    return page.find(id=f"solution-{name}").find_parent("section", id=True)


def plain(text):
    """Text without spaces and without the marks of Markdown."""
    text = re.sub(r"^```\w*$", "", text, flags=re.MULTILINE)
    for quote, plain_one in zip("“”‘’", "\"\"''", strict=True):
        text = text.replace(quote, plain_one)  # the page sets them by itself
    return re.sub(r"[\s`*]", "", text)


def around_formulas(markdown):
    """The plain pieces of a text between its formulas."""
    unlinked = re.sub(r"\[([^]]+)\]\([^)]+\)", r"\1", markdown)
    return map(plain, re.split(r"\$+[^$]*\$+", unlinked))


def folds(place):
    """The folds of a place by their summaries, which are closed."""
    found = place.select("details.fold:not(.fold-code)")
    assert not any(fold.has_attr("open") for fold in found)
    return {fold.summary.get_text(): fold for fold in found}


def test_a_frame_ends_with_the_exercise(sound):
    frame = sound.find("section", id="exercise-2-1")
    assert "exercise" in frame["class"]
    assert "The task." in frame.get_text()
    assert "answer" in frame.select_one(".cell_output").get_text()
    last = frame.find_all(recursive=False)[-1]
    assert last["class"] == ["exercise-help"]
    assert "Text that follows." not in frame.get_text()
    following = frame.find_next_sibling()
    assert following.get_text() == "Text that follows."
    assert following.find_next_sibling("section").h3


def test_help_for_no_exercise_is_an_error(small):
    _, warnings = small
    assert any(
        "no exercise '2.99'" in said for said in warnings["no-exercise"]
    )


def test_the_exercise_is_framed_and_in_the_contents(
    frame, exercise, soups, chapter, name
):
    assert "exercise" in frame["class"]
    heading = f"Exercise {exercise.number}: {exercise.title}"
    assert plain(frame.h3.get_text().rstrip("¶#")) == plain(heading)
    assert frame.select_one(".cell.tag_exercise .cell_output")
    page = soups[f"notebooks/{NOTEBOOKS[chapter]}"]
    contents = page.select(f'nav.page-toc a[href="#exercise-{name}"]')
    assert [plain(a.get_text()) for a in contents] == [plain(heading)]


def test_this_cell_opens_in_colab(frame, chapter, name):
    (link,) = frame.find_all("a", string="Open this cell in Colab")
    url = address().colab(f"{NOTEBOOKS[chapter]}.ipynb")
    assert link["href"] == f"{url}#scrollTo=exercise-{name}"


@pytest.mark.parametrize("place", ["frame", "section"])
def test_hints_and_solution_are_one_fold_away(request, place, exercise):
    there = folds(request.getfixturevalue(place))
    about = f"for exercise {exercise.number}"
    for count, hint in enumerate(exercise.hints, 1):
        text = plain(there[f"Hint {count} {about}"].get_text())
        for part in around_formulas(hint):
            assert part in text
    solution = there[f"Solution {about}"]
    code = "\n\n\n".join(cells.source(each) for each in exercise.solutions)
    assert solution.select_one(".highlight-python").get_text().strip() == code
    for part in around_formulas(exercise.why):
        assert part in plain(solution.get_text())


def test_on_the_page_of_solutions_the_mistakes_are_folded_too(
    section, exercise
):
    for part in around_formulas(exercise.prompt):
        assert part in plain(section.get_text())
    (summary,) = [s for s in folds(section) if s.startswith("Known mistakes")]
    fold = folds(section)[summary]
    rows = fold.select("table tbody tr")
    assert len(rows) == len(exercise.mistakes)
    for mistake, row in zip(exercise.mistakes, rows, strict=True):
        for words in (mistake.diagnosis, mistake.tempting):
            for part in around_formulas(words):
                assert part in plain(row.get_text())


def test_the_solution_leads_to_its_exercise(section, chapter, name):
    (link,) = section.find_all("a", string="To the exercise in its chapter")
    place = f"../../notebooks/{NOTEBOOKS[chapter]}.html#exercise-{name}"
    assert link["href"] == place


@pytest.mark.parametrize("number", registry.chapters())
def test_a_page_of_solutions_names_its_chapter(soups, number):
    page = soups[f"book/solutions/chapter{number:02d}"].find("article")
    title = soups[f"notebooks/{NOTEBOOKS[number]}"].h1.get_text().rstrip("¶#")
    assert page.h1.get_text().rstrip("¶#") == f"Solutions to chapter {number}"
    (link,) = page.select("h1 + p a")
    assert link.get_text() == title
    assert link["href"] == f"../../notebooks/{NOTEBOOKS[number]}.html"


def test_a_chapter_has_one_page_of_solutions():
    pages = sorted((ROOT / "book" / "solutions").glob("*.md"))
    numbers = [int(page.stem.removeprefix("chapter")) for page in pages]
    assert numbers == registry.chapters()
