"""Remove compiled kernels if any source of the package changed.

numba compares only the file of a function: a caller would keep using the old code of a callee in another file
(https://numba.readthedocs.io/en/stable/developer/caching.html, "Limitations").
"""

import hashlib
from contextlib import suppress
from pathlib import Path
from typing import Any


def remove_stale_cache(kernel: Any) -> None:
    """Remove kernels that were compiled from other sources, if the cache folder can be written.

    `kernel`: any kernel of the package; its statistics hold the path of the cache.
    """
    package = Path(__file__).parent
    sources = [*sorted(package.glob("*.py")), package.parent / "records.py"]
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
    cache = Path(str(kernel.stats.cache_path))
    marker = cache / "kernels.sha256"
    with suppress(OSError):
        if marker.exists() and marker.read_text() == digest:
            return
    with suppress(OSError):
        for file in cache.glob("*.nb[ic]"):
            file.unlink(missing_ok=True)
        cache.mkdir(parents=True, exist_ok=True)
        marker.write_text(digest)
