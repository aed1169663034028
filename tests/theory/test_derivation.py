"""The derivation page: what the chapters cite is there."""

import json
import re
from pathlib import Path

from vae_course.exercises import registry

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "book" / "elbo.md").read_text("utf-8")
KINDS = ("definition", "proposition", "theorem")
TITLES = re.findall(rf"{{prf:(?:{'|'.join(KINDS)})}} (.+)", PAGE)
LABELS = re.findall(r"^:label: (\S+)$", PAGE, re.MULTILINE)
# "the theorem *The exact gap*", "*The exact gap* on the", "proof of *…*"
CITED = re.compile(
    r"(?:theorem|proposition|proof of)\s+\*([^*]+)\*"
    r"|\*([^*]+)\*\s+on\s+the\s+(?:\[?derivation)"
)


def cited():
    """(where, title) for each statement cited in a chapter or exercise."""
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for cell in json.loads(path.read_text("utf-8"))["cells"]:
            if cell["cell_type"] == "markdown":
                yield from found(path.name, "".join(cell["source"]))
    for exercise in registry.all_exercises():
        yield from found(exercise.number, exercise.prompt)


def found(where, text):
    for match in CITED.finditer(text):
        yield where, " ".join((match[1] or match[2]).split())


def test_every_statement_that_a_chapter_cites_is_on_the_page():
    missing = [(w, title) for w, title in cited() if title not in TITLES]
    assert not missing
    assert len({title for _, title in cited()}) >= 5


def test_every_statement_has_a_label_and_a_title_of_its_own():
    assert len(TITLES) == len(LABELS) == len(set(TITLES)) == len(set(LABELS))


def test_every_proposition_and_theorem_is_followed_by_its_proof():
    blocks = re.findall(r"^`{3,}{prf:(\w+)}", PAGE, re.MULTILINE)
    for block, following in zip(blocks, [*blocks[1:], ""], strict=True):
        if block in ("proposition", "theorem"):
            assert following == "proof"


def test_every_reference_leads_to_a_label():
    references = re.findall(r"{prf:ref}`([^`]+)`", PAGE)
    assert references and set(references) <= set(LABELS)


def test_equations_can_be_printed():
    # LaTeX refuses an align inside a displayed equation.
    for equation in re.findall(r"\$\$(.*?)\$\$", PAGE, re.DOTALL):
        assert "begin{align" not in equation
