"""A chapter begins in the course's form, and nothing there is overwritten."""

import nbformat
import pytest

from tools import chapter, stamping

TOC = """\
chapters:
  - caption: Chapters
    chapters:
      - file: notebooks/01_one
      - file: notebooks/09_two
      - file: book/solutions
"""


@pytest.fixture
def root(tmp_path):
    (tmp_path / "notebooks").mkdir()
    for name in ("01_one", "09_two"):
        (tmp_path / "notebooks" / f"{name}.ipynb").write_text("{}")
    (tmp_path / "_toc.yml").write_text(TOC)
    return tmp_path


def test_it_takes_the_next_number_and_its_place_in_the_book(root):
    path = chapter.begin("hierarchies", "Hierarchies of latents", root)
    assert path == root / "notebooks" / "10_hierarchies.ipynb"
    lines = (root / "_toc.yml").read_text().splitlines()
    place = lines.index("      - file: notebooks/10_hierarchies")
    assert lines[place - 1].endswith("09_two")
    assert len(lines) == len(TOC.splitlines()) + 1
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.cells[0].source.startswith("# 10. Hierarchies of latents")
    first = [cell.id for cell in notebook.cells[:5]]
    assert first == ["header", "install", "opening", "aims", "imports"]
    assert notebook.cells[-2].source.count("Question ") == 5


def test_its_cells_run_as_they_stand_and_can_be_stamped():
    notebook = chapter.skeleton(4, "elbo", "A title")
    names = {}
    for cell in notebook.cells:
        if cell.cell_type == "code" and cell.id != "install":
            exec(cell.source, names)
    time = {"python": "3.11", "torch": "2.4", "threads": 1, "seconds": 1}
    time |= {"cores": 2, "data": "MNIST"}
    stamping.stamp_header(notebook, "04_elbo", time)
    assert "**Time:** about " in notebook.cells[3].source


@pytest.mark.parametrize(
    ("name", "title", "said"),
    [
        ("Big Name", "A title", "small letters"),
        ("../out", "A title", "small letters"),
        ("two", "A title", "already"),
        ("three", " ", "TITLE"),
    ],
)
def test_what_does_not_do_writes_nothing(root, name, title, said):
    before = sorted(path.name for path in root.rglob("*"))
    with pytest.raises(chapter.ChapterError, match=said):
        chapter.begin(name, title, root)
    assert sorted(path.name for path in root.rglob("*")) == before
    assert (root / "_toc.yml").read_text() == TOC
