"""The derivation page: what the chapters cite is there."""

import json
import re
from pathlib import Path

from vae_course.exercises import registry

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "book" / "elbo.md").read_text("utf-8")
KINDS = ("definition", "proposition", "theorem", "corollary")
TITLES = re.findall(rf"{{prf:(?:{'|'.join(KINDS)})}} (.+)", PAGE)
LABELS = re.findall(r"^:label: (\S+)$", PAGE, re.MULTILINE)
# A link to a statement, as notebooks and exercises write it: …/elbo.html#label
LINK = re.compile(r"/book/elbo\.html#([\w-]+)")
# "the theorem *The exact gap*", "*The exact gap* on the", "proof of *…*"
CITED = re.compile(
    r"(?:theorem|proposition|proof of)\s+\*([^*]+)\*"
    r"|\*([^*]+)\*\s+on\s+the\s+(?:\[?derivation)"
)
HERE = re.compile(r"\.\./notebooks/(\w+\.ipynb)#([\w-]+)")


def notebook_texts():
    """(name, text) for each Markdown cell of the notebooks."""
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for cell in json.loads(path.read_text("utf-8"))["cells"]:
            if cell["cell_type"] == "markdown":
                yield path.name, "".join(cell["source"])


def texts():
    """(where, text) for everything that may cite a statement."""
    yield from notebook_texts()
    for exercise in registry.all_exercises():
        yield exercise.number, exercise.prompt


def slug(heading):
    """The anchor of a heading, as the book makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_every_statement_that_a_chapter_cites_is_on_the_page():
    places = {*LABELS, *map(slug, re.findall(r"^## (.+)", PAGE, re.MULTILINE))}
    cited = {(w, label) for w, text in texts() for label in LINK.findall(text)}
    assert not {(w, label) for w, label in cited if label not in places}
    assert len({label for _, label in cited}) >= 10
    named = {
        (where, " ".join((match[1] or match[2]).split()))
        for where, text in texts()
        for match in CITED.finditer(text)
    }
    assert not {(w, title) for w, title in named if title not in TITLES}


def test_the_page_leads_to_sections_that_chapters_have():
    sections = {
        (name, slug(heading))
        for name, text in notebook_texts()
        for heading in re.findall(r"^#+ (.+)", text, re.MULTILINE)
    }
    assert len(HERE.findall(PAGE)) >= 10
    assert {*HERE.findall(PAGE)} <= sections


def test_every_statement_has_a_label_and_a_title_of_its_own():
    assert len(TITLES) == len(LABELS) == len(set(TITLES)) == len(set(LABELS))


def test_every_proposition_and_theorem_is_followed_by_its_proof():
    blocks = re.findall(r"^`{3,}{prf:(\w+)}", PAGE, re.MULTILINE)
    for block, following in zip(blocks, [*blocks[1:], ""], strict=True):
        if block in ("proposition", "theorem", "corollary"):
            assert following == "proof"


def test_every_reference_leads_to_a_label():
    references = re.findall(r"{prf:ref}`([^`]+)`", PAGE)
    assert references and set(references) <= set(LABELS)


def test_equations_can_be_printed():
    # LaTeX refuses an align inside a displayed equation.
    for equation in re.findall(r"\$\$(.*?)\$\$", PAGE, re.DOTALL):
        assert "begin{align" not in equation
