"""Checks of this machine: its clock and its disks."""

import ctypes
import shutil
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
from msgspec import Struct
from psycopg.rows import class_row

from gateway.doctor.finding import Finding, FindingFactory
from gateway.errors import StartError
from gateway.store.connection import QUERIES, connect

_EARLIEST = datetime(2026, 11, 1, tzinfo=UTC)  # before this program was written: no correct clock shows it
_LATEST = datetime(2100, 1, 1, tzinfo=UTC)
_MAX_DIFFERENCE = timedelta(seconds=2)
_TIME_ERROR = 5  # adjtimex(2): not synchronised
_GIGABYTE = 10**9


class Clocks(Struct, frozen=True, kw_only=True):
    """Times and clock state; None if they could not be read."""

    local: datetime
    database: datetime | None = None
    newest_batch: datetime | None = None
    authority_made: datetime | None = None
    synchronised: bool | None = None


def check_clock(clocks: Clocks) -> Iterator[Finding]:
    """Whether this machine's clock is right. Pure."""
    finding, local = FindingFactory("clock"), clocks.local
    summary, remedy = f"this machine's clock shows {local:%Y-%m-%d %H:%M:%S}Z", "set it: `timedatectl set-ntp true`"
    if not _EARLIEST < local < _LATEST:
        yield finding.fault(f"{summary}, which is impossible", remedy)
    elif clocks.authority_made is not None and local < clocks.authority_made:
        yield finding.fault(f"{summary}, before the certificate authority was created", remedy)
    elif clocks.newest_batch is not None and local < clocks.newest_batch - _MAX_DIFFERENCE:
        yield finding.fault(
            f"{summary}, and the newest stored batch is of {clocks.newest_batch:%Y-%m-%d %H:%M:%S}Z", remedy
        )
    elif clocks.database is not None and abs(clocks.database - local) > _MAX_DIFFERENCE:
        difference = abs(clocks.database - local).total_seconds()
        yield finding.fault(f"this machine and the database differ by {difference:.0f} s", "synchronise both by NTP")
    elif clocks.synchronised is False:
        yield finding.warning("nothing synchronises this machine's clock", remedy)
    else:
        yield finding.ok(f"{summary}{', synchronised by NTP' if clocks.synchronised else ''}")


def read_clocks(dsn: str, authority_made: datetime | None) -> Clocks:
    """Read the clocks of the kernel and of the database."""
    database_clock = _read_database_clock(dsn)
    return Clocks(
        local=datetime.now(UTC),
        database=database_clock.now,
        newest_batch=database_clock.newest_batch,
        authority_made=authority_made,
        synchronised=is_synchronised(),
    )


class _DatabaseClock(Struct, frozen=True, kw_only=True):
    now: datetime | None = None
    newest_batch: datetime | None = None


def _read_database_clock(dsn: str) -> _DatabaseClock:
    try:
        with connect(dsn) as connection:
            cursor = connection.cursor(row_factory=class_row(_DatabaseClock))
            return cursor.execute(QUERIES["select_database_clock"]).fetchone() or _DatabaseClock()
    except (StartError, psycopg.Error):  # the check of the database reports it
        return _DatabaseClock()


class _Timex(ctypes.Structure):
    _fields_ = (("modes", ctypes.c_uint), ("rest", ctypes.c_byte * 512))  # modes 0: read only


def is_synchronised() -> bool | None:
    """Whether the kernel's clock is synchronised; None if the kernel does not report it."""
    if sys.platform != "linux":
        return None
    state: int = ctypes.CDLL(None).adjtimex(ctypes.byref(_Timex()))
    return None if state < 0 else state < _TIME_ERROR


class Disk(Struct, frozen=True, kw_only=True):
    """One file system with its sizes in bytes; `path` is one of our folders on it."""

    path: Path
    total: int
    free: int


def check_disk(disk: Disk) -> Finding:
    """Whether the disk has enough free space. Pure."""
    finding, share = FindingFactory("disk"), disk.free / max(disk.total, 1)
    summary = f"{disk.free / _GIGABYTE:.1f} GB ({share:.0%}) are free at {disk.path}"
    remedy = "free space or enlarge the disk, before the database stops"
    if disk.free < _GIGABYTE // 5 or share < 0.02:
        return finding.fault(f"only {summary}", remedy)
    if disk.free < _GIGABYTE or share < 0.1:
        return finding.warning(f"only {summary}", remedy)
    return finding.ok(summary)


def read_disks(paths: Sequence[Path]) -> Iterator[Disk]:
    """Read each file system once, for the folders that exist on this machine."""
    devices = set()
    for path in paths:
        try:
            device = path.stat().st_dev
            usage = shutil.disk_usage(path)
        except OSError:
            continue
        if device not in devices:
            devices.add(device)
            yield Disk(path=path, total=usage.total, free=usage.free)
