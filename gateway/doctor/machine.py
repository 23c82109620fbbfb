"""The machine under it all: its clock and its disks."""

import ctypes
import shutil
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
from msgspec import Struct

from gateway.doctor.finding import Finding, FindingFactory
from gateway.errors import StartError
from gateway.store.connection import QUERIES
from gateway.store.migrate import connect

_EARLIEST = datetime(2026, 11, 1, tzinfo=UTC)  # no clock that is right shows a time before this program was written
_LATEST = datetime(2100, 1, 1, tzinfo=UTC)
_MAX_DIFFERENCE = timedelta(seconds=2)
_TIME_ERROR = 5  # adjtimex(2): not synchronised
_GIGABYTE = 10**9


class Clocks(Struct, frozen=True, kw_only=True):
    """What is known of the time; None where it could not be asked."""

    here: datetime
    database: datetime | None = None
    newest_row: datetime | None = None
    authority_made: datetime | None = None
    synchronised: bool | None = None


def check_clock(clocks: Clocks) -> Iterator[Finding]:
    """Whether this machine's clock is to be believed. Pure."""
    finding, here = FindingFactory("clock"), clocks.here
    summary, remedy = f"this machine's clock shows {here:%Y-%m-%d %H:%M:%S}Z", "set it: `timedatectl set-ntp true`"
    if not _EARLIEST < here < _LATEST:
        yield finding.fault(f"{summary}, which cannot be", remedy)
    elif clocks.authority_made is not None and here < clocks.authority_made:
        yield finding.fault(f"{summary}, before the certificate authority was made", remedy)
    elif clocks.newest_row is not None and here < clocks.newest_row - _MAX_DIFFERENCE:
        yield finding.fault(
            f"{summary}, and the newest stored batch is of {clocks.newest_row:%Y-%m-%d %H:%M:%S}Z", remedy
        )
    elif clocks.database is not None and abs(clocks.database - here) > _MAX_DIFFERENCE:
        difference = abs(clocks.database - here).total_seconds()
        yield finding.fault(f"this machine and the database differ by {difference:.0f} s", "synchronise both by NTP")
    elif clocks.synchronised is False:
        yield finding.warning("nothing keeps this machine's clock right", remedy)
    else:
        yield finding.ok(f"{summary}{', kept right by NTP' if clocks.synchronised else ''}")


def read_clocks(dsn: str, authority_made: datetime | None) -> Clocks:
    """Ask the kernel and the database."""
    database, newest_row = _read_database_clock(dsn)
    return Clocks(
        here=datetime.now(UTC),
        database=database,
        newest_row=newest_row,
        authority_made=authority_made,
        synchronised=is_synchronised(),
    )


def _read_database_clock(dsn: str) -> tuple[datetime | None, datetime | None]:
    try:
        with connect(dsn) as connection:
            row = connection.execute(QUERIES["select_database_clock"]).fetchone()
    except (StartError, psycopg.Error):  # said by the check of the database
        return None, None
    now, newest = row or (None, None)
    return (None if now is None else datetime.fromtimestamp(now, UTC)), (
        None if newest is None else datetime.fromtimestamp(newest, UTC)
    )


class _Timex(ctypes.Structure):
    _fields_ = (("modes", ctypes.c_uint), ("rest", ctypes.c_byte * 512))  # modes 0: look, don't touch


def is_synchronised() -> bool | None:
    """What the kernel says of its clock; None where it cannot be asked."""
    if sys.platform != "linux":
        return None
    state: int = ctypes.CDLL(None).adjtimex(ctypes.byref(_Timex()))
    return None if state < 0 else state < _TIME_ERROR


class Disk(Struct, frozen=True, kw_only=True):
    """One file system, in bytes, and what of ours is on it."""

    path: Path
    total: int
    free: int


def check_disk(disk: Disk) -> Finding:
    """Whether there is room. Pure."""
    finding, share = FindingFactory("disk"), disk.free / max(disk.total, 1)
    summary = f"{disk.free / _GIGABYTE:.1f} GB ({share:.0%}) are free at {disk.path}"
    remedy = "make room or grow the disk, before the database stops"
    if disk.free < _GIGABYTE // 5 or share < 0.02:
        return finding.fault(f"only {summary}", remedy)
    if disk.free < _GIGABYTE or share < 0.1:
        return finding.warning(f"only {summary}", remedy)
    return finding.ok(summary)


def read_disks(paths: Sequence[Path]) -> Iterator[Disk]:
    """Each file system once, where there is such a folder on this machine."""
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
