"""Checks passwords in one thread of low priority, so that requests of others do not wait for it.

argon2id needs 46 MiB and a quarter of a second by design. One check at a time bounds memory and keeps to one core.
The queue is bounded; a full one raises WorkerBusyError, and the route answers 429.
"""

import asyncio
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

from gateway.access.credentials import verify_password

MAX_WAITING = 8  # sign-ins at once in this process, the running one included
BUSY_SECONDS = 3  # in which a full queue is worked off
_NICENESS = 10


class WorkerBusyError(Exception):
    """As many sign-ins as allowed wait already."""


class PasswordWorker:
    """The thread and its queue; one instance per application."""

    def __init__(self, max_waiting: int = MAX_WAITING) -> None:
        self._executor = ThreadPoolExecutor(1, "password", initializer=_lower_priority)
        self._max_waiting, self._waiting = max_waiting, 0

    @contextmanager
    def reserve(self) -> Iterator[None]:
        """Hold a place in the queue. Raises WorkerBusyError if there is none."""
        if self._waiting >= self._max_waiting:
            raise WorkerBusyError
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1

    async def verify(self, password: str, stored: str | None) -> bool:
        """Check a password as `credentials.verify_password` does."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, verify_password, password, stored)


def _lower_priority() -> None:
    """Let the event loop go first; Linux has priorities per thread."""
    with suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
