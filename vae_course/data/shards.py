"""Images in shards of WebDataset, read where they lie.

A shard is a plain tar file: an image in it is a span of bytes, and can be read
in any order without unpacking the rest. So a set in shards is a set like any
other: split by content, and with crops that follow from the seed. A set that
is streamed, shard after shard, has neither.

Source: the format of Aizman et al. 2019 (https://arxiv.org/abs/2001.01858).
"""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import NamedTuple

SUFFIX = ".tar"
BLOCK = 512  # bytes; everything in a tar file is a multiple
RECORD = 20 * BLOCK  # to a multiple of which zeros fill the file up


class Source(NamedTuple):
    """Where the bytes of an image are: a file, or a span of one."""

    path: str  # its name; in a shard, as if that were a folder
    file: str
    start: int = 0
    size: int = -1  # to the end

    def read(self) -> bytes:
        """The image's bytes, as they were before they went into a shard.

        Raises:
            OSError: the file cannot be read.
        """
        with open(self.file, "rb") as file:
            file.seek(self.start)
            return file.read(self.size)


def members(shard: Path, suffixes: tuple[str, ...]) -> list[Source]:
    """The images in a shard, in its order.

    Args:
        shard: a tar file that is not compressed.
        suffixes: what the name of an image ends in.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no such file, or was cut off; says so.
    """
    try:
        # Names are read, nothing is unpacked.
        with tarfile.open(shard, "r:") as archive:
            found = archive.getmembers()
    except tarfile.TarError as error:
        raise ValueError(
            f"it was cut off, or is no tar file without compression ({error})"
        ) from error
    last = found[-1] if found else None
    end = last.offset_data + -(-last.size // BLOCK) * BLOCK if last else 0
    with shard.open("rb") as file:
        file.seek(end)
        rest = file.read(2 * RECORD)
    # Nobody would read what follows the zeros: the second of two files in one.
    if len(rest) < BLOCK or any(rest):
        raise ValueError(
            f"it does not end at byte {end:,}, where it should: it was cut "
            "off, is damaged, or holds several archives"
        )
    return [
        Source(f"{shard}/{m.name}", str(shard), m.offset_data, m.size)
        for m in found
        if m.isreg() and Path(m.name).suffix.lower() in suffixes
    ]
