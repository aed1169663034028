"""The tool that runs the notebooks and keeps their grammar."""

import importlib
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from tools import notebooks as tool
from tools import stamping, tidying

MARKER = "# NBVAL_CHECK_OUTPUT"


def cell_with(*outputs, source="show()", **metadata):
    return new_code_cell(
        source,
        id="it",
        execution_count=1,
        outputs=list(outputs),
        metadata=metadata,
    )


def notebook_of(*cells):
    return nbformat.v4.new_notebook(cells=list(cells))


def picture(alt=None):
    metadata = {} if alt is None else {"image/png": {"alt": alt}}
    return new_output(
        "display_data", {"image/png": "iVBORw0KGgo="}, metadata=metadata
    )


def stream(text, name="stdout"):
    return new_output("stream", name=name, text=text)


def tidied(*outputs, **cell):
    notebook = notebook_of(cell_with(*outputs, **cell))
    tidying.tidy(notebook, "02_x")
    return notebook.cells[0]


def test_a_pictures_text_goes_where_the_book_looks_for_it():
    cell = tidied(picture("Ten  digits\nin a row."))
    assert cell.metadata.mystnb.image.alt == "Ten digits in a row."


def test_a_pictures_text_may_stand_in_the_cell():
    options = {"image": {"alt": "A digit."}}
    cell = tidied(picture(), mystnb=options)
    assert cell.metadata.mystnb.image.alt == "A digit."


def test_a_text_without_its_picture_goes():
    cell = tidied(stream("no picture"), mystnb={"image": {"alt": "A digit."}})
    assert "mystnb" not in cell.metadata


@pytest.mark.parametrize(
    ("outputs", "complaint"),
    [
        ([picture()], "without alternative text"),
        ([picture("  ")], "without alternative text"),
        ([picture("One."), picture("Two.")], "shows 2 pictures"),
        ([stream("read /home/ada/x.png")], "/home/ada/x.png"),
        ([stream(r"read C:\Users\ada\x.png")], r"C:\Users\ada"),
        ([stream("<Line2D at 0x7f5c2b1e9d90>")], "0x7f5c2b1e9d90"),
    ],
)
def test_what_cannot_be_published_is_refused(outputs, complaint):
    with pytest.raises(tidying.NotebookError) as refusal:
        tidied(*outputs)
    assert complaint in str(refusal.value)
    assert "02_x: cell 1 (it)" in str(refusal.value)


def test_the_home_folder_counts_wherever_it_is(monkeypatch):
    home = Path("/mnt/ada")
    monkeypatch.setattr(Path, "home", lambda: home)
    assert tidying.machine_path(f"found {home / 'MNIST'}") == str(home)
    assert tidying.machine_path(f"found {home}m") is None


@pytest.mark.parametrize(
    "text",
    ["a/b", "1/2", "vae_course/core.py", "https://x.org/home/a", "θ → 1/θ"],
)
def test_a_slash_alone_is_no_path(text):
    assert tidying.machine_path(text) is None


def test_progress_bars_go_and_the_rest_stays():
    bar = new_output("display_data", {tidying.WIDGET: {}, "text/plain": "0%|"})
    text = stream("\r 50%|█████     | 5/10 [00:01<00:01, 4.9it/s]", "stderr")
    cell = tidied(bar, text, stream("done\n"), execution={"iopub": "now"})
    assert cell.outputs == [stream("done\n")]
    assert cell.metadata == {}


def test_of_a_widget_the_still_picture_stays():
    still = {"image/svg+xml": "<svg/>", "text/plain": "A still."}
    shown = new_output(
        "execute_result",
        {tidying.WIDGET: {"model_id": "1f"}, **still},
        metadata={"image/svg+xml": {"alt": "A still."}},
    )
    cell = tidied(shown)
    assert cell.outputs[0].data == still
    assert cell.metadata.mystnb == {"image": {"alt": "A still."}}


def test_pieces_of_a_stream_become_one():
    cell = tidied(stream("a\n"), stream("b\n"), source=f"{MARKER}\nf()")
    assert cell.outputs == [stream("a\nb\n")]


def test_a_compared_cell_draws_no_bar():
    bar = new_output("display_data", {tidying.WIDGET: {}, "text/plain": "0%|"})
    with pytest.raises(tidying.NotebookError, match="progress bar"):
        tidied(bar, source=f"{MARKER}\ntrain()")


MEASURED = {
    "seconds": 50,
    "cores": 2,
    "threads": 1,
    "python": "3.11.7",
    "torch": "2.15.0",
    "data": "MNIST",
}


@pytest.mark.parametrize(
    ("change", "moves"),
    [
        ({"seconds": 60}, False),
        ({"seconds": 40, "torch": "2.16.0"}, False),
        ({"seconds": 61}, True),
        ({"seconds": 39}, True),
        ({"cores": 4}, True),
        ({"data": "scikit-learn digits"}, True),
    ],
)
def test_a_measured_time_moves_only_for_a_reason(change, moves):
    new = MEASURED | change
    assert tool.settled(MEASURED, new) == (new if moves else MEASURED)


def test_the_header_names_the_images_that_the_notebook_saw(monkeypatch):
    digits = notebook_of(new_code_cell("digits = mnist()"))
    patches = notebook_of(new_code_cell("photo_patches(size=32)"))
    mnist = importlib.import_module("vae_course.data.mnist")
    for found, seen in ((None, tool.SUBSTITUTES[0]), (object(), "MNIST")):
        monkeypatch.setattr(mnist, "find_mnist", lambda f=found: f)
        assert tool.data_at_hand(digits) == seen
    for count in (2, 26):
        photos = dict.fromkeys(range(count))
        monkeypatch.setattr("vae_course.data.photos.photographs", photos.copy)
        assert tool.data_at_hand(patches) == f"{count} photographs"
    assert f"{2} photographs" in tool.SUBSTITUTES
    both = notebook_of(new_code_cell("photo_patches(32, photos.bundled())"))
    seen = tool.data_at_hand(both)  # not what happens to lie on this machine
    assert "bundled" in seen and seen not in tool.SUBSTITUTES


def aims(text="**You will**\n\n- see."):
    return new_markdown_cell(text, id="aims")


def test_stamping_twice_changes_nothing_more():
    header = new_markdown_cell("# 2. X\n\nOne paragraph.")
    notebook = notebook_of(header, aims(), new_code_cell("import torch"))
    stamped = []
    for _ in range(2):
        stamping.stamp_first_cell(notebook)
        stamping.stamp_header(notebook, "02_x", MEASURED)
        stamped.append([cell.source for cell in notebook.cells])
    assert stamped[0] == stamped[1]
    badge = stamping.colab_line("02_x")
    assert stamped[0][0].split("\n\n") == ["# 2. X", badge, "One paragraph."]
    assert stamped[0][1] == stamping.first_cell()
    time = stamping.time_line(MEASURED, 5)
    assert stamped[0][2].split("\n\n")[-1] == time
    assert "50 seconds" in time and "2 CPU cores with 1 thread (" in time
    assert "5 minutes to read" in time


def test_more_words_take_longer_to_read():
    text, open_code = "word " * 1800, "x = 1\n" * 200
    folded = {"tags": [stamping.FOLDED]}
    for cells, minutes in (
        ([new_markdown_cell("# 2. X")], 5),
        ([new_markdown_cell(text)], 10),
        ([new_markdown_cell(text), new_code_cell(open_code)], 20),
        ([new_code_cell(open_code, metadata=folded)], 5),
    ):
        assert stamping.reading_minutes(notebook_of(*cells)) == minutes


def folding(source, **metadata):
    notebook = notebook_of(new_code_cell(source, id="it", metadata=metadata))
    stamping.stamp_folds(notebook, "02_x")
    return notebook.cells[0].metadata


def test_a_folded_cell_is_folded_in_every_front_end():
    found = folding("# @title Draw it\ndraw()", tags=["hide-input"])
    assert found["jupyter"] == {"source_hidden": True}
    assert found["cellView"] == "form"
    assert found["mystnb"]["code_prompt_show"] == "Code: Draw it"


def test_a_cell_that_is_open_again_is_open_everywhere():
    closed = folding("# @title Draw it\ndraw()", tags=["hide-input"])
    assert folding("draw()", **{**closed, "tags": []}) == {"tags": []}
    alt = {"image": {"alt": "A digit."}}
    kept = folding("draw()", mystnb={**closed["mystnb"], **alt})
    assert kept == {"mystnb": alt}


def test_a_folded_cell_without_a_title_is_refused():
    with pytest.raises(tidying.NotebookError, match="'# @title …'"):
        folding("draw()", tags=["hide-input"])


def test_colab_finds_an_exercises_cell():
    assert folding("...", tags=["exercise"])["id"] == "it"
    assert "id" not in folding("...")


def test_a_notebook_without_a_title_is_refused():
    with pytest.raises(tidying.NotebookError, match="must be Markdown"):
        cells = notebook_of(new_code_cell("1"))
        stamping.stamp_header(cells, "02_x", MEASURED)


DRAW = """
class Drawn:
    __repr__ = lambda self: "The final one."

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {KIND: "<svg>final</svg>"}, {KIND: {"alt": "The final one."}}

KIND = "image/svg+xml"
Drawn()
"""


def small():
    """The cells that every notebook has, and a picture for the top."""
    top = DRAW.replace("final", "first")
    return [
        new_markdown_cell("# 2. X"),
        new_code_cell(top, id="opening"),
        aims(),
        new_code_cell(DRAW, metadata={"tags": [stamping.OPENS]}),
    ]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A place with one notebook, for the whole tool."""
    monkeypatch.setattr(tool, "NOTEBOOKS", tmp_path / "notebooks")
    monkeypatch.setattr(tool, "TIMES", tmp_path / "results/notebooks.json")
    monkeypatch.setattr(stamping, "OPENINGS", tmp_path / "openings")
    monkeypatch.setattr(
        tool, "measurement", lambda notebook, seconds: MEASURED
    )
    tool.NOTEBOOKS.mkdir()
    return tool.NOTEBOOKS


def test_executing_again_changes_no_byte(folder, capsys):
    path = folder / "02_x.ipynb"
    nbformat.write(notebook_of(*small(), new_code_cell("6 * 7")), path)
    tool.main(["02"])
    first = path.read_bytes()
    stored = nbformat.read(path, as_version=4).cells
    assert stored[-1].outputs[0].data["text/plain"] == "42"
    assert stored[-1].execution_count == 4
    drawn, top = stored[-2].outputs[0], stored[2].outputs[0]
    assert top.data == drawn.data and "final" in top.data["image/svg+xml"]
    picture = stamping.opening_file("02_x").read_text("utf-8")
    assert picture == drawn.data["image/svg+xml"]
    assert stored[2].metadata["mystnb"]["image"] == {"alt": "The final one."}
    tool.main([])
    assert path.read_bytes() == first
    assert "unchanged" in capsys.readouterr().out
    assert tool.read_times() == {"02_x": MEASURED}
    assert [p.name for p in folder.iterdir()] == ["02_x.ipynb"]


def test_a_failing_cell_is_named_and_the_file_stays(folder, capsys):
    path = folder / "02_x.ipynb"
    cells = [new_markdown_cell("# 2. X"), new_code_cell("1 / 0", id="zero")]
    nbformat.write(notebook_of(*cells), path)
    before = path.read_bytes()
    with pytest.raises(SystemExit) as stop:
        tool.main([])
    message = str(stop.value.code)
    assert "02_x: cell 3 (zero) failed" in message
    assert "ZeroDivisionError" in message
    assert path.read_bytes() == before
    assert tool.read_times() == {}


def test_a_notebook_without_aims_is_refused():
    header = new_markdown_cell("# 2. X")
    with pytest.raises(tidying.NotebookError, match="'aims'"):
        stamping.stamp_header(notebook_of(header), "02_x", MEASURED)


@pytest.mark.parametrize("drawings", [0, 2])
def test_a_chapter_opens_with_one_picture(folder, drawings):
    path = folder / "02_x.ipynb"
    *first, drawing = small()
    again = new_code_cell(DRAW, metadata=dict(drawing.metadata))
    cells = [*first, *[drawing, again][:drawings]]
    nbformat.write(notebook_of(*cells), path)
    with pytest.raises(SystemExit) as stop:
        tool.main([])
    assert f"found 1 and {drawings}" in str(stop.value.code)


def test_an_unknown_name_lists_the_known_ones(folder):
    (folder / "02_x.ipynb").write_text("{}")
    with pytest.raises(SystemExit) as stop:
        tool.main(["07"])
    assert "02_x" in str(stop.value.code)
