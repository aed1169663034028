"""Who is named with a year, in prose or code, stands in the bibliography."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAMED = re.compile(
    r"\b([A-Z][\w-]+)(?:\s+et\s+al\.|\s+(?:&|and)\s+[A-Z]\w+)?"
    r",?\s+\(?((?:19|20)\d\d)\b"
)
NO_PAPERS = {"COCO", "Keras"}  # data and software, named with a year


def texts():
    """(where, text) of all pages, notebooks and modules, each on one line."""
    folders = (ROOT / "book", ROOT / "vae_course")
    for path in (p for folder in folders for p in folder.rglob("*")):
        if path.suffix in (".md", ".py"):
            yield path.name, path.read_text("utf-8")
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        for cell in json.loads(path.read_text("utf-8"))["cells"]:
            yield path.name, "".join(cell["source"])


def test_every_paper_that_is_named_is_in_the_bibliography():
    entries = (ROOT / "book" / "references.bib").read_text("utf-8")
    keys = set(re.findall(r"^@\w+{(\w+),", entries, re.MULTILINE))
    named = {}
    for where, text in texts():
        # A comment goes on behind the # of its next line.
        for name, year in NAMED.findall(re.sub(r"\n\s*#?\s*", " ", text)):
            if name not in NO_PAPERS:
                named[name.replace("-", "").lower() + year] = where
    missing = {k: named[k] for k in named.keys() - keys}
    assert not missing
    assert len(named) > 20
