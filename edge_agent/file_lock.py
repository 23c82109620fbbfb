"""A lock that only one process holds: two agents in one folder would both read the sensors and store all twice."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge_agent.errors import AgentError


@contextmanager
def hold_lock(path: Path) -> Iterator[None]:
    """Hold the lock file until the block or the process ends, also by a kill. AgentError if another process holds it.

    If no lock is possible (disk full, network file system), there is none: readings matter more.
    """
    try:
        file = path.open("ab")
    except OSError:
        yield
        return
    with file:
        _acquire(file.fileno(), path)
        yield


def _acquire(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise AgentError(
            f"another agent runs in this folder and holds {path}; stop it, or give this one its own spool"
        ) from None
    except OSError:
        return
