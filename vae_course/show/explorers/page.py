"""An explorer as one piece of HTML, which needs nothing else.

It holds a still picture with its words, a style and a script. Where scripts
run, the script puts the live explorer in the picture's place once it comes
into view; where they do not, the picture stays.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from vae_course.show.figure import Figure

HERE = Path(__file__).parent
MOST = 700_000  # bytes of one output

_IMPORT = re.compile(r'^import \{[^}]*\} from "\./(\w+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=const|function|class|async)", re.MULTILINE)

_PAGE = """<div class="vae-explorer" data-explorer="{key}">
<style>{style}</style>
<div class="x-still">{still}<p>{words}</p></div>
</div>
<script>
(() => {{
{script}
const DATA = {data};
const begin = (root) => {{
  if (root.dataset.alive) return;
  root.dataset.alive = "true";
  root.explorer = start(root, DATA);
}};
let tries = 0;
const find = () => {{
  const all = document.querySelectorAll(
    '[data-explorer="{key}"]:not([data-seen])');
  if (!all.length && tries++ < 100) return setTimeout(find, 50);
  for (const root of all) {{
    root.dataset.seen = "true";
    const watch = new IntersectionObserver((entries) => {{
      if (!entries.some((entry) => entry.isIntersecting)) return;
      watch.disconnect();
      begin(root);
    }}, {{ rootMargin: "300px" }});
    watch.observe(root);
  }}
}};
find();
}})();
</script>"""


class LiveExplorer:
    """An output that is alive wherever scripts run.

    Args:
        module: the name of the ``.js`` file beside this one that starts it.
        data: what its ``start(root, data)`` gets, as JSON can hold it; its
            ``title`` is the explorer's name.
        still: the picture where no script runs, with its alt text.
        words: what stands under that picture.

    Raises:
        ValueError: the output would be larger than a page should carry.
    """

    def __init__(
        self, module: str, data: dict[str, Any], still: Figure, words: str
    ):
        self.module, self.data = module, data
        self.still, self.words = still, words
        self.html = self._html()
        if len(self.html.encode()) > MOST:
            raise ValueError(
                f"This explorer has {len(self.html.encode()):,} bytes, and a "
                f"page carries at most {MOST:,} for one: give it fewer "
                "images, or a smaller model."
            )

    def _html(self) -> str:
        svg = base64.b64encode(self.still.svg().encode()).decode("ascii")
        width, height = (round(96 * n) for n in self.still.get_size_inches())
        image = (
            f'<img src="data:image/svg+xml;base64,{svg}" width="{width}" '
            f'height="{height}" alt="{escape(self.still.alt)}">'
        )
        data = json.dumps(
            self.data, ensure_ascii=False, separators=(",", ":")
        ).replace("</", "<\\/")
        parts = {
            "style": (HERE / "explorers.css").read_text("utf-8"),
            "still": image,
            "words": escape(self.words),
            "script": script(self.module),
            "data": data,
        }
        everything = "".join(parts.values()).encode()
        key = hashlib.sha256(everything).hexdigest()[:12]
        return _PAGE.format(key=key, **parts)

    def __repr__(self) -> str:
        return self.still.alt

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/html": self.html, "text/plain": self.still.alt}


@cache
def script(module: str) -> str:
    """A module after all that it imports, as one plain script.

    The files are ES modules, which a page without a server cannot load one
    from another; here each stands before those that import it, without its
    ``import`` and ``export``.
    """
    order: list[str] = []

    def visit(name: str) -> None:
        text = (HERE / f"{name}.js").read_text("utf-8")
        for wanted in _IMPORT.findall(text):
            if wanted not in order:
                visit(wanted)
        order.append(name)

    visit(module)
    texts = [(HERE / f"{name}.js").read_text("utf-8") for name in order]
    return "".join(_EXPORT.sub("", _IMPORT.sub("", text)) for text in texts)
