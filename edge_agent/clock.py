"""The time of this node, and how reliable it is.

A node without a battery-backed clock boots with a wrong time and learns the right one minutes or days later. Waiting
for it would lose readings. Every stamp therefore carries what the gateway needs to correct it: the id of the boot,
CLOCK_BOOTTIME, which neither steps nor stops, and whether the kernel considered the clock synchronised.
"""

import ctypes
import secrets
import sys
import time
from functools import cache
from pathlib import Path

from msgspec import Struct

from edge_agent.wire import ClockState

STEP_MS = 500  # wall time minus boot time moving by more than this is a step, less is steering

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_BOOTTIME = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
_SYNC_MS = 1000  # for so long an answer of the kernel is used
_TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised


class Moment(Struct, frozen=True, kw_only=True):
    """One reading of the clock: `wall` is ms UTC since 1970, `mono` is ms since boot."""

    wall: int
    mono: int
    clock: ClockState


def now() -> Moment:
    """Read the clock."""
    wall, mono = time.time_ns() // 1_000_000, time.clock_gettime_ns(_BOOTTIME) // 1_000_000
    is_synced = _SYNC_CHECK.is_synchronised(mono)
    return Moment(wall=wall, mono=mono, clock=ClockState.SYNCED if is_synced else ClockState.UNSYNCED)


@cache
def boot_id() -> str:
    """Return the first 32 bits of the kernel's boot id, enough to distinguish a node's boots; else a random id."""
    try:
        return _BOOT_ID.read_text()[:8]
    except OSError:
        return secrets.token_hex(4)


class _Timex(ctypes.Structure):
    """`struct timex` of adjtimex(2); only `modes` is ours to set, and 0 means: look, don't touch."""

    _fields_ = (("modes", ctypes.c_uint), ("reserved", ctypes.c_byte * 512))


@cache
def _libc() -> ctypes.CDLL | None:
    return ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class _SyncCheck:
    """Asks the kernel once a second: it decides by the minute, and a reading may come each 50 ms."""

    def __init__(self) -> None:
        self._is_synchronised, self._valid_until_ms = False, 0

    def is_synchronised(self, mono: int) -> bool:
        """The answer at `mono`, ms since boot, or up to a second before."""
        if not self._valid_until_ms - _SYNC_MS <= mono < self._valid_until_ms:
            self._is_synchronised, self._valid_until_ms = is_synchronised(), mono + _SYNC_MS
        return self._is_synchronised


_SYNC_CHECK = _SyncCheck()


def is_synchronised() -> bool:
    """Whether the kernel considers the clock synchronised; needs no privilege. False if the call fails."""
    libc = _libc()
    if libc is None:
        return False
    state: int = libc.adjtimex(ctypes.byref(_Timex()))
    return 0 <= state < _TIME_ERROR
