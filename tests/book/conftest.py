"""The book as its tests see it: the real one, and a small one with faults."""

import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from tools.address import ROOT, address

sys.path.insert(0, str(ROOT / "book" / "_ext"))  # for course_pages

SITE = address().site
CONF = f"""
import sys
sys.path[:0] = [{str(ROOT / "book" / "_ext")!r}, {str(ROOT)!r}]
extensions = ["myst_nb", "sphinx_proof", "sphinxcontrib.bibtex"]
extensions += ["course_pages"]
bibtex_bibfiles = ["references.bib"]
bibtex_cite_id = "{{key}}"
nb_execution_mode = "off"
html_theme = "basic"
root_doc = "index"
"""
PIXELS = (  # one, in PNG
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEA"
    "sTj2FAAAAABJRU5ErkJggg=="
)
DRAWING = """<svg xmlns="http://www.w3.org/2000/svg" class="figure" width="442"
height="288" viewBox="0 0 331.2 216" role="img" aria-label="The rate falls
from 60.7 nats to 0." data-text="14"><defs><path id="tick" d="M 0 0"/></defs>
<use href="#tick"/></svg>"""
PREDICT = """**Predict.** You encode one image twice. Are the codes the same?

- **A.** The same, always.
- **B.** Different, $z \\sim q$.

<details><summary>What happened</summary>

**B.** The draw differs.

</details>

After the card."""


@pytest.fixture(scope="session")
def site(tmp_path_factory) -> Path:
    """The book, built once, with every warning an error."""
    jupyter_book = shutil.which(
        "jupyter-book", path=str(Path(sys.executable).parent)
    )
    assert jupyter_book, (
        "jupyter-book is missing: pip install -r requirements.txt"
    )
    folder = tmp_path_factory.mktemp("site")
    options = ["-W", "-n", "--keep-going", "--path-output", str(folder)]
    build = subprocess.run(
        [jupyter_book, "build", str(ROOT), *options],
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        timeout=300,
    )
    assert build.returncode == 0, build.stdout[-4000:] + build.stderr[-4000:]
    return folder / "_build" / "html"


@pytest.fixture(scope="session")
def soups(site) -> dict[str, BeautifulSoup]:
    """Every HTML page of the site, by its name without the ending."""
    return {
        path.relative_to(site).with_suffix("").as_posix(): BeautifulSoup(
            path.read_text("utf-8"), "html.parser"
        )
        for path in sorted(site.rglob("*.html"))
        if "_static" not in path.relative_to(site).parts
    }


# --- A small book, with everything and with every fault ----------------------


def code(source, *outputs, tags=(), name="c"):
    """A code cell that ran."""
    return new_code_cell(
        source,
        id=name,
        metadata={"tags": list(tags)},
        execution_count=1,
        outputs=list(outputs),
    )


def printed(text):
    return new_output("stream", name="stdout", text=text)


def drawn(svg=DRAWING):
    """A figure as a notebook stores it: lines, pixels and words."""
    data = {"image/svg+xml": svg, "image/png": PIXELS, "text/plain": "Words."}
    return new_output("execute_result", data)


def words(text, name="m"):
    return new_markdown_cell(text, id=name)


QUESTION = """**Question 1.** What does the encoder give?

- **A.** A code.
- **B.** A distribution.

<details><summary>Answer to question 1</summary>

**B.** Right. A mean and a variance.

- **A.** That is chapter 1.

</details>

After it."""

SOUND = [
    words("# 2. Sound", "title"),
    code("# @title Imports\nimport torch", tags=["hide-input"], name="i"),
    code(
        "# @title The rate\ndraw()",
        drawn(),
        tags=["hide-input"],
        name="d",
    ),
    words("**Figure 2.1.** The rate falls.\n\nAnd on.", "cap"),
    code("x = 1", drawn(), name="d2"),
    words("**Figure 2.2.** Again.", "cap2"),
    words(PREDICT, "p"),
    words(QUESTION, "q"),
    code(
        "claims()", printed("✓ it falls (60 → 0)\n✓ `f(x)` = y\n"), name="cl"
    ),
    code("mixed()", printed("epoch 1\n✓ it falls (2 (of 3))\n"), name="mi"),
    code("plain()", printed("no ✓ here\n"), name="pl"),
    words("## Part\n\n### Exercise 2.1: Sampling\n\nThe task.", "et"),
    code("def f(): ...", printed("answer\n"), tags=["exercise"], name="e0"),
    words("Text that follows.\n\n### Next\n\nMore.", "after"),
    words(
        f"[nat]({SITE}index.html#term-nat), [this]({SITE}sound.html), "
        f"[paper]({SITE}index.html#burda2015), [root]({SITE}), "
        f"[gap]({SITE}index.html#thm-gap)",
        "links",
    ),
]
SOUND[12]["id"] = "exercise-2-1"
INDEX = """# Index

```{toctree}
:glob:
*
```

```{glossary}
nat
  A unit.
```

````{prf:theorem} The gap
:label: thm-gap

It is there.
````

```{prf:proof}
By hand.
```

````{prf:theorem} Another
:label: thm-other

It is, too.
````

```{prf:proof}
Likewise.
```

```{bibliography}
:all:
```
"""
FAULTS = {
    "one-answer": PREDICT.replace("- **B.** Different, $z \\sim q$.\n", ""),
    "five-answers": PREDICT.replace(
        "\n\n<details>",
        "\n- **C.** c\n- **D.** d\n- **E.** e\n\n<details>",
    ),
    "no-letter": PREDICT.replace("**B.** The draw", "The draw"),
    "two-letters": PREDICT.replace(
        "**B.** The draw", "**B.** **A.** The draw"
    ),
    "unknown-letter": PREDICT.replace("**B.** The draw", "**C.** The draw"),
    "no-fold": PREDICT.split("<details>")[0],
    "no-reason": QUESTION.replace("- **A.** That is chapter 1.\n\n", ""),
    "two-right": QUESTION.replace("That is", "Right. That is"),
    "no-answer-fold": QUESTION.split("<details>")[0],
    "old-form": "**Predict:** will it fall?\n\nIt fell.",
    "no-picture": "**Figure 2.1.** There is none.",
    "unknown-page": f"[x]({SITE}notebooks/99.html)",
    "unknown-place": f"[x]({SITE}index.html#term-gnat)",
    "no-ending": f"[x]({SITE}index)",
}


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """The small book: the soup of each page, and the warnings of each."""
    folder = tmp_path_factory.mktemp("small")
    (folder / "conf.py").write_text(CONF, "utf-8")
    (folder / "index.md").write_text(INDEX, "utf-8")
    bibliography = "@misc{burda2015, author={Burda}, title={T}, year={2015}}"
    (folder / "references.bib").write_text(bibliography, "utf-8")
    pages = {"sound": SOUND}
    for name, text in FAULTS.items():
        pages[name] = [words(f"# {name}", "title"), words(text, "fault")]
    undescribed = DRAWING.replace("aria-label", "data-label")
    pages["undescribed"] = [words("# u", "t"), code("d()", drawn(undescribed))]
    lost = code("f()", tags=["exercise"])
    lost["id"] = "exercise-2-99"
    pages["no-exercise"] = [words("# Exercise 2.99: x", "t"), lost]
    kernel = {"display_name": "Python 3", "name": "python3"}
    metadata = {
        "kernelspec": kernel,
        "language_info": {"name": "python", "pygments_lexer": "ipython3"},
    }
    for name, cells in pages.items():
        notebook = nbformat.v4.new_notebook(cells=cells, metadata=metadata)
        nbformat.write(notebook, folder / f"{name}.ipynb")
    html = folder / "_build" / "html"
    built = subprocess.run(
        [sys.executable, "-m", "sphinx", "-n", str(folder), str(html)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
    )
    assert built.returncode == 0, built.stderr[-3000:]
    warnings = {name: [] for name in ["index", *pages]}
    for line in built.stderr.splitlines():
        path, _, said = line.partition(": WARNING: ")
        if not said:
            path, _, said = line.partition(": ERROR: ")
        if said:
            warnings[Path(path.rpartition(":")[0] or path).stem].append(said)
    soups = {
        name: BeautifulSoup(
            (html / f"{name}.html").read_text("utf-8"), "html.parser"
        )
        for name in warnings
    }
    return soups, warnings


@pytest.fixture
def sound(small):
    """The page on which everything is as it should be."""
    soups, warnings = small
    assert warnings["sound"] == [] == warnings["index"]
    return soups["sound"]
