"""What Python's garbage collector need not look at again."""

import gc


def freeze_gc(*, raise_thresholds: bool = False) -> None:
    """What is there from the start stays: a collection that looks through it all makes everybody wait 0.1 to 0.3 s.

    `seldom`: for whoever handles micro-batches, each a hundred thousand objects without a cycle: looking for some
    cost a fifth of ingest.
    """
    gc.collect()
    gc.freeze()
    if raise_thresholds:
        gc.set_threshold(200_000, 20, 20)
