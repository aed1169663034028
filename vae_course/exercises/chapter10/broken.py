"""The code that a student gets to mend, out of the museum."""

from __future__ import annotations

from vae_course.museum import exhibit


def brought_in(name: str, words: str) -> str:
    """A prompt: what its author says, the code, and what is asked."""
    each = exhibit(name)
    return f"""\
**Brought in:** “{each.title}.” {each.sees}

```python
{each.source("broken").code}
```

{words}"""
