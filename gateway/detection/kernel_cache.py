"""Where numba may keep compiled kernels. Where it may keep them nowhere, it refuses even to be imported.

The user of a service has no home and may not write into the release. Never a folder in /tmp that others could have
filled before us: what is in it is run.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

_OURS = Path("/var/cache/piekwacht")  # made by systemd's CacheDirectory= and by the image


def provide() -> None:
    """Before numba is imported: leave it its ways where it has one, else name a folder that is ours alone."""
    given = os.environ.get("NUMBA_CACHE_DIR")
    if given is not None and not _writable(Path(given)):  # the image names one; a read-only root may have no hole there
        del os.environ["NUMBA_CACHE_DIR"]
    elif given is not None or _writable(Path(__file__).parent) or _writable(_of_home()):
        return
    if _OURS.is_dir() and _OURS.stat().st_uid == os.geteuid() and _writable(_OURS):
        os.environ["NUMBA_CACHE_DIR"] = str(_OURS)
        return
    folder = tempfile.mkdtemp(prefix="piekwacht-kernels-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["NUMBA_CACHE_DIR"] = folder


def _of_home() -> Path:
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # a user that nobody knows
        return Path("/nonexistent")


def _writable(folder: Path) -> bool:
    existing = next(one for one in (folder, *folder.parents) if one.exists())
    return os.access(existing, os.W_OK)
