"""Readings on their way from the sensors' threads to the agent's loop.

The loop is woken only if a commit is due, many readings wait, or a sensor has ended. To wake it
for each reading would cost more processor time than making the reading. Bounded: a sensor that is faster than the spool
waits.
"""

import threading
import time
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")
_CAPACITY = 2000


class ReadingBuffer(Generic[T]):
    """Several threads put, one takes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._has_work, self._has_room = threading.Condition(self._lock), threading.Condition(self._lock)
        self._items: deque[T] = deque()
        self._due_at, self._many = 0.0, 1  # of the last `take`

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: T) -> None:
        """Add a reading; wait while the buffer is full."""
        with self._lock:
            while len(self._items) >= _CAPACITY:
                self._has_work.notify()
                self._has_room.wait()
            self._items.append(item)
            if len(self._items) >= self._many or time.monotonic() >= self._due_at:
                self._has_work.notify()

    def wake(self) -> None:
        """Let `take` return now: a sensor has ended."""
        with self._lock:
            self._has_work.notify()

    def take(self, timeout: float, *, due_at: float, many: int) -> list[T]:
        """Return all readings, after `timeout` seconds at most; earlier if `many` wait, or one does after `due_at`.

        `due_at`: monotonic seconds.
        """
        with self._lock:
            self._due_at, self._many = due_at, min(many, _CAPACITY)
            is_due = bool(self._items) and time.monotonic() >= due_at
            if timeout > 0 and not is_due and len(self._items) < self._many:
                self._has_work.wait(timeout)
            items = list(self._items)
            self._items.clear()
            self._has_room.notify_all()
            return items
