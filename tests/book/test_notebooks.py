"""The notebooks' grammar: what every chapter keeps to."""

import ast
import copy
import json
import re

import nbformat
import pytest
import torch
import yaml

from tools import notebooks as tool
from tools import stamping, tidying
from tools.address import ROOT
from tools.claims import claims

PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MARKER = "# NBVAL_CHECK_OUTPUT"
MYST = re.compile(r"^\s*(:::|(```+|~~~+)\s*\{)|\{[\w:.-]+\}`", re.MULTILINE)
TOP = ["header", "install", "opening", "aims", "imports"]
OPENING = """\
# @title The chapter in one picture
from vae_course.show import opening

opening("{}")"""
CAPTION = re.compile(r"\*\*Figure (\d+)\.(\d+)\.\*\* \S")
PREDICT = re.compile(r"^\*\*Predict\.\*\*", re.MULTILINE)
CARD = re.compile(
    r"^\*\*Predict\.\*\* (?P<question>.+?)\n\n"
    r"(?P<answers>- \*\*A\.\*\* .+?)\n\n"
    r"<details><summary>What happened</summary>\n\n"
    r"\*\*(?P<right>[A-D])\.\*\* .+?\n\n</details>",
    re.MULTILINE | re.DOTALL,
)
BOOLEAN = re.compile(r"\b(?:True|False)\b")
STUDENTS = {"check", "hint", "progress", "solution"}


@pytest.fixture(scope="module", params=PATHS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture(scope="module")
def notebook(path):
    return nbformat.read(path, as_version=4)


@pytest.fixture(scope="module")
def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.fixture(scope="module")
def prose(notebook):
    cells = [c for c in notebook.cells if c.cell_type == "markdown"]
    return "\n\n".join(cell.source for cell in cells)


def called(cell, name: str) -> bool:
    """Whether a cell calls a function of this name."""
    return any(
        isinstance(node, ast.Call)
        and name == getattr(node.func, "id", getattr(node.func, "attr", ""))
        for node in ast.walk(ast.parse(cell.source))
    )


# --- The first screen --------------------------------------------------------


def test_the_book_holds_every_notebook():
    contents = (ROOT / "_toc.yml").read_text("utf-8")
    listed = re.findall(r"file: notebooks/(\S+)", contents)
    assert listed == [path.stem for path in PATHS]


def test_the_title_carries_the_number_of_the_file(path, notebook):
    title = notebook.cells[0].source.splitlines()[0]
    match = re.fullmatch(r"# (\d+)\. \S.*", title)
    assert match, f"{path.name} starts with {title!r}, not '# N. Title'"
    assert int(match[1]) == int(path.stem[:2])


def test_the_first_screen_is_a_paragraph_and_a_picture(path, notebook):
    assert [cell.id for cell in notebook.cells[:5]] == TOP
    _, badge, *paragraphs = notebook.cells[0].source.split("\n\n")
    assert badge == stamping.colab_line(path.stem)
    assert len(paragraphs) == 1
    assert len(paragraphs[0].split()) <= 70
    opening = notebook.cells[2]
    assert opening.source == OPENING.format(path.stem[:2])


def test_the_picture_at_the_top_is_the_chapters_own(path, notebook, code):
    stored = stamping.opening_file(path.stem).read_text("utf-8")
    top, drawn = (
        [c for c in code if c.id == "opening"],
        [c for c in code if stamping.OPENS in c.metadata.get("tags", [])],
    )
    for cell in top + drawn:
        (output,) = cell.outputs
        assert output.data["image/svg+xml"] == stored, "run `make notebooks`"
    assert len(top) == len(drawn) == 1


def test_the_aims_say_what_the_reader_needs_to_know(path, notebook):
    aims = notebook.cells[3].source
    listed = re.search(r"^\*\*You will\*\*\n\n((?:[- ] .+\n)+)", aims, re.M)
    assert listed, aims
    assert len(re.findall(r"^- ", listed[1], re.M)) <= 3
    assert "**Prerequisites:**" in aims
    measured = tool.read_times()[path.stem]
    minutes = stamping.reading_minutes(notebook)
    line = stamping.time_line(measured, minutes)
    assert line in aims.splitlines(), "run `make notebooks`"


# --- What is stored ----------------------------------------------------------


def test_the_first_code_cell_is_the_same_everywhere(code):
    assert code[0].source == stamping.first_cell()
    assert code[0].outputs == []


def test_one_run_from_top_to_bottom_is_stored(code):
    counts = [cell.execution_count for cell in code]
    assert counts == list(range(1, len(code) + 1))


def test_no_cell_may_fail(notebook, code):
    for cell in code:
        assert "raises-exception" not in cell.metadata.get("tags", [])
        assert all(out.output_type != "error" for out in cell.outputs)
    assert "allow_errors" not in json.dumps(notebook.metadata)
    config = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))
    assert config["execute"]["allow_errors"] is False


def test_the_file_is_small(path):
    assert path.stat().st_size < 1_500_000


def test_no_output_names_a_place_on_some_machine(code):
    for cell in code:
        text = tidying.published_text(cell)
        assert not tidying.machine_path(text), cell.id


def test_nothing_but_results_is_stored(notebook, code):
    assert notebook.metadata == tidying.METADATA
    for cell in code:
        assert "execution" not in cell.metadata
        kinds = [k for out in cell.outputs for k in out.get("data", {})]
        assert not any("widget" in kind for kind in kinds), cell.id


def test_cells_have_names_of_their_own(path):
    # Read as JSON: nbformat gives doubles new names without a word.
    names = [c["id"] for c in json.loads(path.read_text("utf-8"))["cells"]]
    assert len(set(names)) == len(names)


def test_every_notebooks_time_was_measured_on_the_real_data():
    """How long it took is no test: machines differ by a factor of three."""
    times = tool.read_times()
    assert sorted(times) == [path.stem for path in PATHS]
    for name, measured in times.items():
        assert measured["seconds"] > 0
        assert measured["data"] not in tool.SUBSTITUTES, name


# --- Claims ------------------------------------------------------------------


def test_what_is_claimed_is_compared_with_every_new_run(code):
    claiming = [c for c in code if any(claims(ast.parse(c.source)))]
    assert len(claiming) >= 4
    for cell in claiming:
        assert tidying.is_compared(cell), f"{cell.id} lacks its tag"
        said = "".join(o.get("text", "") for o in cell.outputs)
        assert "✓ " in said, f"{cell.id} says nothing"


def test_what_is_compared_can_be(code):
    for cell in code:
        if not tidying.is_compared(cell):
            assert MARKER not in cell.source, cell.id
            continue
        assert cell.outputs, f"{cell.id} is compared, but shows nothing"
        assert not tidying.pictures(cell), (
            f"{cell.id}: pictures differ from machine to machine"
        )
        if MARKER in cell.source:
            assert cell.source.splitlines()[0] == MARKER, cell.id


def test_a_reader_meets_sentences_not_truth_values(code):
    for cell in code:
        assert not re.search(r"^\s*assert\b", cell.source, re.M), cell.id
        for output in cell.outputs:
            said = output.get("text", "")
            if "text/markdown" not in output.get("data", {}):
                said += output.get("data", {}).get("text/plain", "")
            assert not BOOLEAN.search(said), f"{cell.id} prints {said!r}"


def test_no_claim_is_made_twice(code):
    said = re.findall(
        r"^✓ ([^\n(]+)",
        "".join(o.get("text", "") for c in code for o in c.outputs),
        re.MULTILINE,
    )
    assert len(set(said)) == len(said)


# --- Code --------------------------------------------------------------------


def test_cells_are_short(code):
    long = [c.id for c in code if len(c.source.splitlines()) > 25]
    assert not long, f"over 25 lines: {long}"


def test_folded_cells_are_folded_everywhere(notebook, path):
    again = copy.deepcopy(notebook)
    stamping.stamp_folds(again, path.stem)
    for cell, stamped in zip(notebook.cells, again.cells, strict=True):
        assert cell.metadata == stamped.metadata, "run `make notebooks`"


def test_code_that_only_draws_or_imports_is_folded(code):
    for cell in code:
        if stamping.is_folded(cell):
            continue
        draws = tidying.pictures(cell) and not called(cell, "explore")
        assert not draws, f"{cell.id} draws in the open"
        assert not called(cell, "subplots"), f"{cell.id} draws in the open"
        body = ast.parse(cell.source).body
        imports = (ast.Import, ast.ImportFrom)
        assert not all(isinstance(n, imports) for n in body), cell.id
        assert not called(cell, "show_source"), f"{cell.id} shows its call"


def test_students_can_ask_before_the_first_exercise(code):
    names = set()
    for cell in code:
        if "exercise" in cell.metadata.get("tags", []):
            break
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.ImportFrom):
                names |= {a.asname or a.name for a in node.names}
    assert names >= STUDENTS


def test_the_chapters_exercises_end_with_what_is_done(path, code):
    (last,) = [c for c in code if called(c, "progress")]
    assert f"progress({int(path.stem[:2])})" in last.source


# --- Figures and prose -------------------------------------------------------


def test_every_picture_says_what_there_is_to_see(code):
    for cell in code:
        shown = tidying.pictures(cell)
        assert len(shown) <= 1, cell.id
        if shown:
            options = cell.metadata.get("mystnb", {}).get("image", {})
            alt = options.get("alt", "").strip()
            assert len(alt.split()) > 5, f"{cell.id}: say more than {alt!r}"
            assert not re.search(r"\.(png|svg|jpe?g|gif)$", alt), alt


def test_every_figure_has_its_caption_in_order(path, notebook):
    chapter, numbers = int(path.stem[:2]), []
    for cell, after in zip(
        notebook.cells, [*notebook.cells[1:], None], strict=True
    ):
        if cell.cell_type == "code" and tidying.pictures(cell):
            match = after and CAPTION.match(after.source)
            assert match, f"no caption under {cell.id}"
            assert int(match[1]) == chapter, after.id
            numbers.append(int(match[2]))
    assert numbers == list(range(1, len(numbers) + 1))


def test_line_figures_are_drawn_as_lines(code):
    for cell in code:
        for _, kind in tidying.pictures(cell):
            assert kind == "image/svg+xml", f"{cell.id} shows {kind}"


def test_jupyter_shows_pictures_before_the_notebook_has_run(code):
    """JupyterLab shows no SVG of a file that it does not trust."""
    for cell in code:
        for output, _ in tidying.pictures(cell):
            pixels = {"image/png", "image/jpeg"} & set(output.data)
            assert pixels, f"{cell.id}: run the notebook again"


def test_predictions_can_be_made_and_are_answered(prose):
    cards = list(CARD.finditer(prose))
    assert len(cards) == len(PREDICT.findall(prose)) >= 3
    for card in cards:
        letters = re.findall(r"^- \*\*([A-Z])\.\*\*", card["answers"], re.M)
        assert letters == list("ABCD")[: len(letters)], card["question"]
        assert 2 <= len(letters) <= 4, card["question"]
        assert card["right"] in letters, card["question"]


def test_prose_reads_the_same_outside_the_book(prose):
    found = MYST.search(prose)
    assert not found, f"MyST syntax, which Colab shows raw: {found[0]!r}"


def test_links_work_outside_the_book(prose):
    for target in re.findall(r"\]\(([^)]+)\)", prose):
        assert target.startswith("https://"), f"{target}: dead on Colab"


def test_the_end_sums_up_and_looks_at_the_real_thing(prose):
    sections = re.findall(r"^## (.+)$", prose, re.MULTILINE)
    assert sections[-2:] == [
        "Summary",
        "What the real one does differently",
    ]


# --- What no claim can see ---------------------------------------------------


def test_chapter_8_changes_the_photographs_that_everybody_has():
    """Bytes that are doubled before they are scaled run over, unnoticed."""
    from vae_course.data import photos

    path = ROOT / "notebooks" / "08_training_it.ipynb"
    cells = {c.id: c.source for c in nbformat.read(path, as_version=4).cells}
    names = {}
    for name in ("imports", "pieces"):
        exec(cells[name], names)
    whole = photos.bundled()
    for image, (photo, top, left) in zip(
        names["x"], names["places"], strict=True
    ):
        there = whole[photo][:, top : top + 128, left : left + 128]
        assert torch.equal(((image + 1) * 127.5).round().byte(), there)
