"""Settings of Python's garbage collector for long-running processes."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def pause_gc() -> Iterator[None]:
    """Search for no cycles inside the block: imports create many objects and hardly any garbage."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def freeze_gc(*, raise_thresholds: bool = False, collect: bool = True) -> None:
    """Freeze startup objects, so that a collection skips them: a full one stops the process for 0.1 to 0.3 s.

    `raise_thresholds`: for processes that handle micro-batches, each of a hundred thousand objects without a cycle.
    Searching them for cycles took a fifth of ingest's time. `collect`: delete cycles among the startup objects first,
    which takes 0.1 s; otherwise they stay in memory.
    """
    if collect:
        gc.collect()
    gc.freeze()
    if raise_thresholds:
        gc.set_threshold(200_000, 20, 20)
