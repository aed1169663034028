"""The code that a student gets to mend, out of the museum."""

from __future__ import annotations

import textwrap

from vae_course.museum import exhibit


def brought_in(name: str, words: str) -> str:
    """A prompt: what its author says, the code, and what is asked."""
    each = exhibit(name)
    said = textwrap.fill(f"**Brought in:** “{each.title}.” {each.sees}", 79)
    words = textwrap.fill(words, 79)
    return f"""\
{said}

```python
{each.source("broken").code}
```

{words}"""
