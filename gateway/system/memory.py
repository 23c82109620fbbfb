"""Memory of processes that handle large arrays in several threads."""

import ctypes
import sys

_M_ARENA_MAX = -8  # of mallopt(3) in the GNU C library


def share_arena() -> None:
    """Let all threads allocate from one arena of the GNU C library, if this is it; call it before threads start.

    By default each thread has its own arena, and each retains what a micro-batch needed once. With 10,000 nodes that
    was a fifth of a gateway's memory. Threads hardly wait for each other: most allocate while they hold the
    interpreter lock.
    """
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:
        mallopt(_M_ARENA_MAX, 1)
