"""The book's page of solutions says what the exercises' objects say."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from vae_course.exercises import registry
from vae_course.exercises.engine import cells

BOOK = Path(__file__).parents[2] / "book"
EXERCISES = registry.all_exercises()

CONF = f"""
import sys
sys.path.insert(0, {str(BOOK / "_ext")!r})
extensions = ["myst_parser", "sphinx_design", "solutions"]
myst_enable_extensions = ["amsmath", "attrs_inline", "dollarmath"]
myst_heading_anchors = 3
smartquotes = False
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page, built with warnings as errors in a book of its own."""
    folder = tmp_path_factory.mktemp("book")
    (folder / "conf.py").write_text(CONF, encoding="utf-8")
    shutil.copy(BOOK / "solutions.md", folder / "index.md")
    for chapter in registry.chapters():
        name = folder / "notebooks" / f"{chapter:02d}_any.md"
        name.parent.mkdir(exist_ok=True)
        name.write_text(f"---\norphan: true\n---\n# {chapter}. Any\n")
    command = [sys.executable, "-m", "sphinx", "-W", "-n", "--keep-going"]
    built = subprocess.run(
        [*command, str(folder), str(folder / "html")],
        capture_output=True,
        encoding="utf-8",
    )
    assert built.returncode == 0, built.stderr
    html = (folder / "html" / "index.html").read_text(encoding="utf-8")
    return BeautifulSoup(html, "html.parser")


def words(text):
    """Text without spaces, and without links and the marks of Markdown."""
    text = re.sub(r"\[([^\]]*)\]\(http[^)]*\)", r"\1", text)
    return re.sub(r"[\s`*]", "", text)


@pytest.fixture(params=EXERCISES, ids=lambda exercise: exercise.number)
def exercise(request):
    return request.param


@pytest.fixture
def section(page, exercise):
    heading = f"Exercise {exercise.number}: {exercise.title}"
    (found,) = [
        each
        for each in page.find_all("h3")
        if each.get_text().removesuffix("¶").removesuffix("#") == heading
    ]
    return found.find_parent("section")


def test_every_part_of_an_exercise_is_there(section, exercise):
    text = words(section.get_text())
    for part in (exercise.why, *exercise.hints):
        assert words(part) in text
    for mistake in exercise.mistakes:
        assert words(mistake.diagnosis) in text
        assert words(mistake.tempting) in text
    for part in re.split(r"\$+[^$]*\$+", exercise.prompt):
        assert words(part) in text


def test_the_solution_is_the_code_that_is_tested(section, exercise):
    shown = section.find("div", class_="highlight-python").get_text()
    code = "\n\n\n".join(cells.source(each) for each in exercise.solutions)
    assert shown.strip() == code


def test_hints_are_folded(section):
    folded = section.find_all("details")
    assert len(folded) == 3
    for count, details in enumerate(folded, 1):
        assert not details.has_attr("open")
        assert f"Hint {count}" in details.find("summary").get_text()


def test_mistakes_stand_in_a_table(section, exercise):
    rows = section.find("table").find("tbody").find_all("tr")
    assert len(rows) == len(exercise.mistakes)


def test_each_chapter_leads_to_its_notebook(page):
    links = [link["href"] for link in page.find_all("a", href=True)]
    for chapter in registry.chapters():
        assert f"notebooks/{chapter:02d}_any.html" in links


def test_an_exercise_can_be_linked_to(page, exercise):
    assert page.find(id="solution-" + exercise.number.replace(".", "-"))
