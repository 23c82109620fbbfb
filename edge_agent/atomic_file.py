"""Replace a small file so that a power cut leaves the old content or the new, never a part of it."""

import os
from pathlib import Path


def write_atomically(path: Path, content: bytes) -> None:
    """Write to `<name>.new`, force it to the disk, and rename it over `path`. Raises OSError.

    The temporary name contains the whole name: files that differ only in their suffix are written by different threads.
    """
    temporary = path.with_name(path.name + ".new")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
