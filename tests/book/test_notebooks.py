"""The notebooks' grammar, and the tool that keeps it."""

import importlib
import json
import re
from pathlib import Path

import nbformat
import pytest
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from tools import notebooks as tool
from tools.address import ROOT

PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MARKER = "# NBVAL_CHECK_OUTPUT"
MYST = re.compile(r"^\s*(:::|(```+|~~~+)\s*\{)|\{[\w:.-]+\}`", re.MULTILINE)
SECONDS_EACH, SECONDS_IN_ALL = 120, 900


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


# --- What every notebook keeps to --------------------------------------------


def test_the_book_holds_every_notebook():
    contents = (ROOT / "_toc.yml").read_text("utf-8")
    listed = re.findall(r"file: notebooks/(\S+)", contents)
    assert listed == [path.stem for path in PATHS]


def test_the_title_carries_the_number_of_the_file(path, notebook):
    title = notebook.cells[0].source.splitlines()[0]
    match = re.fullmatch(r"# (\d+)\. \S.*", title)
    assert match, f"{path.name} starts with {title!r}, not '# N. Title'"
    assert int(match[1]) == int(path.stem[:2])


def test_the_header_says_what_the_reader_needs_to_know(path, notebook):
    header = notebook.cells[0].source
    lines = header.splitlines()
    assert tool.colab_line(path.stem) in lines
    assert re.search(r"^\**You will\b.*\n+[-*] ", header, re.MULTILINE)
    assert "Prerequisites" in header
    measured = tool.read_times()[path.stem]
    assert tool.time_line(measured) in lines, "run `make notebooks`"


def test_the_first_code_cell_is_the_same_everywhere(code):
    assert code[0].source == tool.first_cell()
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


def test_enough_outputs_are_compared_with_every_new_run(code):
    compared = [cell for cell in code if tool.is_compared(cell)]
    assert len(compared) >= 4
    for cell in compared:
        assert cell.outputs, f"{cell.id} is compared, but shows nothing"
    for cell in code:
        if MARKER in cell.source:
            assert cell.source.splitlines()[0] == MARKER, cell.id


def test_cells_are_short(code):
    long = [c.id for c in code if len(c.source.splitlines()) > 25]
    assert not long, f"over 25 lines: {long}"


def test_prose_reads_the_same_outside_the_book(prose):
    found = MYST.search(prose)
    assert not found, f"MyST syntax, which Colab shows raw: {found[0]!r}"


def test_the_file_is_small(path):
    assert path.stat().st_size < 1_500_000


def test_every_picture_says_what_there_is_to_see(code):
    for cell in code:
        shown = tool.pictures(cell)
        assert len(shown) <= 1, cell.id
        if shown:
            options = cell.metadata.get("mystnb", {}).get("image", {})
            alt = options.get("alt", "").strip()
            assert " " in alt, f"{cell.id}: run `make notebooks`"
            assert not re.search(r"\.(png|svg|jpe?g|gif)$", alt), alt


def test_no_output_names_a_place_on_some_machine(code):
    for cell in code:
        assert not tool.machine_path(tool.published_text(cell)), cell.id


def test_nothing_but_results_is_stored(notebook, code):
    assert notebook.metadata == tool.METADATA
    for cell in code:
        assert "execution" not in cell.metadata
        kinds = [k for out in cell.outputs for k in out.get("data", {})]
        assert not any("widget" in kind for kind in kinds), cell.id


def test_cells_have_names_of_their_own(path):
    # Read as JSON: nbformat gives doubles new names without a word.
    names = [c["id"] for c in json.loads(path.read_text("utf-8"))["cells"]]
    assert len(set(names)) == len(names)


def test_the_end_sums_up_and_looks_at_the_real_thing(prose):
    sections = re.findall(r"^## (.+)$", prose, re.MULTILINE)
    assert sections[-2:] == [
        "Summary",
        "What the real one does differently",
    ]


def test_each_notebook_is_quick_and_all_of_them_are():
    times = tool.read_times()
    assert sorted(times) == [path.stem for path in PATHS]
    for name, measured in times.items():
        assert measured["seconds"] <= SECONDS_EACH, name
        assert measured["data"] not in tool.SUBSTITUTES, name
    assert sum(m["seconds"] for m in times.values()) <= SECONDS_IN_ALL


# --- The tool ----------------------------------------------------------------


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
    tool.tidy(notebook, "02_x")
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
    with pytest.raises(tool.NotebookError) as refusal:
        tidied(*outputs)
    assert complaint in str(refusal.value)
    assert "02_x: cell 1 (it)" in str(refusal.value)


def test_the_home_folder_counts_wherever_it_is(monkeypatch):
    home = Path("/mnt/ada")
    monkeypatch.setattr(Path, "home", lambda: home)
    assert tool.machine_path(f"found {home / 'MNIST'}") == str(home)
    assert tool.machine_path(f"found {home}m") is None


@pytest.mark.parametrize(
    "text",
    ["a/b", "1/2", "vae_course/core.py", "https://x.org/home/a", "θ → 1/θ"],
)
def test_a_slash_alone_is_no_path(text):
    assert tool.machine_path(text) is None


def test_progress_bars_go_and_the_rest_stays():
    bar = new_output("display_data", {tool.WIDGET: {}, "text/plain": "0%|"})
    text = stream("\r 50%|█████     | 5/10 [00:01<00:01, 4.9it/s]", "stderr")
    cell = tidied(bar, text, stream("done\n"), execution={"iopub": "now"})
    assert cell.outputs == [stream("done\n")]
    assert cell.metadata == {}


def test_pieces_of_a_stream_become_one():
    cell = tidied(stream("a\n"), stream("b\n"), source=f"{MARKER}\nf()")
    assert cell.outputs == [stream("a\nb\n")]


def test_a_compared_cell_draws_no_bar():
    bar = new_output("display_data", {tool.WIDGET: {}, "text/plain": "0%|"})
    with pytest.raises(tool.NotebookError, match="progress bar"):
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


def test_stamping_twice_changes_nothing_more():
    header = new_markdown_cell("# 2. X\n\n**You will**\n\n- see.")
    notebook = notebook_of(header, new_code_cell("import torch"))
    stamped = []
    for _ in range(2):
        tool.stamp_first_cell(notebook)
        tool.stamp_header(notebook, "02_x", MEASURED)
        stamped.append([cell.source for cell in notebook.cells])
    assert stamped[0] == stamped[1]
    title, badge, *_, time = stamped[0][0].split("\n\n")
    assert title == "# 2. X"
    assert badge == tool.colab_line("02_x")
    assert time == tool.time_line(MEASURED)
    assert "50 seconds" in time and "2 CPU cores with 1 thread (" in time
    assert stamped[0][1:] == [tool.first_cell(), "import torch"]


def test_a_notebook_without_a_title_is_refused():
    with pytest.raises(tool.NotebookError, match="must be Markdown"):
        tool.stamp_header(notebook_of(new_code_cell("1")), "02_x", MEASURED)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A place with one notebook, for the whole tool."""
    monkeypatch.setattr(tool, "NOTEBOOKS", tmp_path / "notebooks")
    monkeypatch.setattr(tool, "TIMES", tmp_path / "results/notebooks.json")
    monkeypatch.setattr(
        tool, "measurement", lambda notebook, seconds: MEASURED
    )
    tool.NOTEBOOKS.mkdir()
    return tool.NOTEBOOKS


def test_executing_again_changes_no_byte(folder, capsys):
    path = folder / "02_x.ipynb"
    cells = [new_markdown_cell("# 2. X"), new_code_cell("6 * 7", id="six")]
    nbformat.write(notebook_of(*cells), path)
    tool.main(["02"])
    first = path.read_bytes()
    stored = nbformat.read(path, as_version=4).cells[-1]
    assert stored.outputs[0].data["text/plain"] == "42"
    assert stored.execution_count == 2
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


def test_an_unknown_name_lists_the_known_ones(folder):
    (folder / "02_x.ipynb").write_text("{}")
    with pytest.raises(SystemExit) as stop:
        tool.main(["07"])
    assert "02_x" in str(stop.value.code)
