"""Compiled code is kept only as long as the sources of the whole package are the same.

numba looks at the file of a function alone: a caller whose callee stands in another file would go on with the old one
(https://numba.readthedocs.io/en/stable/developer/caching.html, "Limitations").
"""

import hashlib
from contextlib import suppress
from pathlib import Path
from typing import Any


def remove_stale_cache(kernel: Any) -> None:
    """Remove what was compiled of this package from sources other than those that stand here, where it can be written.

    One of its kernels says where that is kept.
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
