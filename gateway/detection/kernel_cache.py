"""Choose the folder of numba's cache. Without a writable folder numba cannot even be imported.

The user of a service has no home and may not write into the release. A shared folder in /tmp is never used: another
user could have filled it, and its contents are executed.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

_SERVICE_CACHE = Path("/var/cache/piekwacht")  # made by systemd's CacheDirectory= and by the image


def choose_cache_folder() -> None:
    """Set NUMBA_CACHE_DIR before numba is imported, unless numba has a writable folder already."""
    configured = os.environ.get("NUMBA_CACHE_DIR")
    if configured is not None and not _is_writable(Path(configured)):  # a container with a read-only root
        del os.environ["NUMBA_CACHE_DIR"]
    elif configured is not None or _is_writable(Path(__file__).parent) or _is_writable(_user_cache()):
        return
    if _SERVICE_CACHE.is_dir() and _SERVICE_CACHE.stat().st_uid == os.geteuid() and _is_writable(_SERVICE_CACHE):
        os.environ["NUMBA_CACHE_DIR"] = str(_SERVICE_CACHE)
        return
    folder = tempfile.mkdtemp(prefix="piekwacht-kernels-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["NUMBA_CACHE_DIR"] = folder


def _user_cache() -> Path:
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # a user without an entry in passwd
        return Path("/nonexistent")


def _is_writable(folder: Path) -> bool:
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    return os.access(existing, os.W_OK)
