"""Between the collector and the spool: what to do when the disk refuses.

A disk that is full or read-only must stop neither the sensors nor what is in the spool already. What
cannot be written waits in memory, bounded, and is written when the disk takes it again; what falls
out of memory meanwhile is counted and recorded as a gap. A file that is damaged is put aside at the
next start, which the agent brings about by ending: see `recovered`.
"""

import functools
import logging
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from edge_agent.collector import gap_record, signing
from edge_agent.errors import AgentError
from edge_agent.sensors.sensor import Reading
from edge_agent.spool import ALL_ROWS, Loss, Spool
from edge_agent.wire import Signer

_LOG = logging.getLogger(__name__)
_IN_MEMORY = 20_000  # readings: some 10 MB
_SUSPECT = ".suspect"


class Keeper:
    """Stores what was read; says in `trouble` what is wrong with the disk, if anything."""

    def __init__(self, spool: Spool, *, path: Path, signer: Signer, quota: int) -> None:
        self.trouble: str | None = None
        self.stored_at = time.monotonic()
        self.first: int | None = None  # the first number given since the start
        self._spool, self._path, self._signer, self._quota = spool, path, signer, quota
        self._gap = functools.partial(gap_record, signer=signer)
        self._waiting: deque[tuple[Sequence[Reading], bool]] = deque()
        self._lost: Loss | None = None

    def store(self, columns: Sequence[Sequence[Reading]], *, hist: bool) -> bool:
        """Store readings, one list a batch; False where they had to wait in memory. AgentError: damaged."""
        self._waiting.extend((readings, hist) for readings in columns)
        try:
            self._write()
        except sqlite3.OperationalError as error:
            self._hold(error)
            self.stored_at = time.monotonic()  # in memory: a restart would lose it and mend nothing
            return False
        except sqlite3.DatabaseError as error:
            self._path.with_suffix(_SUSPECT).touch()
            raise AgentError(
                f"the spool {self._path} is damaged ({error}); it is put aside at the next start"
            ) from None
        self.stored_at = time.monotonic()
        if self.trouble is not None:
            _LOG.warning("the spool can be written again")
            self.trouble = None
        return True

    def _write(self) -> None:
        signers = [signing(readings, signer=self._signer, hist=hist) for readings, hist in self._waiting]
        if self._lost is not None:
            self._spool.record(self._lost, self._gap)
            self._lost = None
        added = self._spool.add(signers)
        if self.first is None and added:
            self.first = added[0].batch.seq
        self._waiting.clear()
        loss = self._spool.make_room(self._quota, self._gap)
        if loss is not None:
            _LOG.warning("the spool is full: the %d oldest readings were let go, and the gap recorded", loss.readings)

    def _hold(self, error: sqlite3.OperationalError) -> None:
        if self.trouble is None:
            _LOG.error("the spool %s cannot be written (%s): readings wait in memory; free the disk", self._path, error)
        self.trouble = f"cannot be written ({error}): free the disk, or replace the card"
        while sum(len(readings) for readings, _ in self._waiting) > _IN_MEMORY:
            readings, _ = self._waiting.popleft()
            stamps = [reading.observed_at for reading in readings]
            before = self._lost or Loss(readings=0, first_at=min(stamps), last_at=max(stamps))
            self._lost = Loss(
                readings=before.readings + len(readings),
                first_at=min(before.first_at, *stamps),
                last_at=max(before.last_at, *stamps),
            )


def recovered(path: Path, *, node: str, check: Callable[[Path], bool] | None = None) -> Spool:
    """Open the spool; one that is damaged is put aside, and what can be read of it is taken over.

    The new file begins a new incarnation and counts on, so no number is ever used twice. The check
    costs a read of the whole file, and so is made only after an end that was not orderly.
    """
    suspect = path.with_suffix(_SUSPECT)
    orderly = not suspect.exists() and not path.with_name(path.name + "-wal").exists()
    if not path.exists() or orderly or (check or intact)(path):
        suspect.unlink(missing_ok=True)
        return Spool(path, node=node)
    aside = path.with_name(f"{path.stem}.damaged-{time.time_ns() // 1_000_000}{path.suffix}")
    for ending in ("", "-wal", "-shm"):
        part = path.with_name(path.name + ending)
        if part.exists():
            part.rename(aside.with_name(aside.name + ending))
    spool = Spool(path, node=node)
    saved = _salvage(aside, spool)
    suspect.unlink(missing_ok=True)
    _LOG.error("the spool was damaged: it is kept as %s, and %d batches could be saved from it", aside, saved)
    return spool


def intact(path: Path) -> bool:
    """Whether SQLite finds nothing wrong with the file."""
    try:
        with sqlite3.connect(path) as db:
            (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError:
        return False
    return bool(verdict == "ok")


def _salvage(aside: Path, spool: Spool) -> int:
    """Row by row until one cannot be read; signed batches are believed by their signature, not by the file."""
    rows: list[Sequence[object]] = []
    try:
        for row in sqlite3.connect(aside).execute(ALL_ROWS):
            rows.append(row)  # noqa: PERF402 - what came before a damaged page is kept
    except sqlite3.DatabaseError:
        _LOG.warning("%s cannot be read to its end", aside)
    return spool.take_over(rows)
