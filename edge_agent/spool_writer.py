"""Between the collector and the spool: what to do when the disk refuses.

A disk that is full or read-only must stop neither the sensors nor what is in the spool already. What
cannot be written waits in memory, bounded, and is written when the disk takes it again; what falls
out of memory meanwhile is counted and recorded as a gap. A file that is damaged is put aside at the
next start, which the agent brings about by ending: see `recovered`.
"""

import functools
import logging
import math
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from edge_agent.collector import columns, folding, gap_record, signing
from edge_agent.errors import AgentError
from edge_agent.sensors.sensor import Reading
from edge_agent.spool import ALL_HELD, ALL_ROWS, Loss, Numbered, Spool
from edge_agent.wire import ReadingBatch, Signer

_LOG = logging.getLogger(__name__)
_IN_MEMORY = 20_000  # readings: some 10 MB
_SUSPECT = ".suspect"


class Keeper:
    """Stores what was read; says in `trouble` what is wrong with the disk, if anything."""

    def __init__(self, spool: Spool, *, path: Path, signer: Signer, quota: int, merge_seconds: float = 0.0) -> None:
        self.trouble: str | None = None
        self.stored_at = time.monotonic()
        self.first: int | None = None  # the first number given since the start
        self._spool, self._path, self._signer, self._quota = spool, path, signer, quota
        self._gap = functools.partial(gap_record, signer=signer)
        self._waiting: deque[tuple[Sequence[Reading], bool]] = deque()
        self._lost: Loss | None = None
        self._merge_seconds, self._held_since = merge_seconds, -math.inf  # what an earlier run held is folded at once

    def store(self, columns: Sequence[Sequence[Reading]], *, hist: bool) -> bool:
        """Store readings, one list a batch; False where they had to wait in memory. AgentError: damaged."""
        self._waiting.extend((readings, hist) for readings in columns)
        try:
            self._write()
        except sqlite3.OperationalError as error:
            self._keep_in_memory(error)
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

    def finish(self) -> None:
        """What is held becomes batches that can be sent."""
        try:
            self._fold()
        except sqlite3.Error as error:
            _LOG.warning("the spool cannot be written (%s); what it holds is sent after the next start", error)

    def _write(self) -> None:
        if self._lost is not None:
            self._spool.record(self._lost, self._gap)
            self._lost = None
        if self._merge_seconds and all(hist for _, hist in self._waiting):
            self._hold()
        else:
            self._fold()
            signers = [signing(readings, signer=self._signer, hist=hist) for readings, hist in self._waiting]
            self._note(self._spool.add(signers))
        self._waiting.clear()
        loss = self._spool.make_room(self._quota, self._gap)
        if loss is not None:
            _LOG.warning("the spool is full: the %d oldest readings were let go, and the gap recorded", loss.readings)

    def _hold(self) -> None:
        """There is no broker: committed at once, numbered and signed later, in few large batches."""
        node, inc = self._signer.name, self._spool.incarnation()
        self._spool.hold([columns(readings, node=node, inc=inc, seq=1, hist=True) for readings, _ in self._waiting])
        now = time.monotonic()
        if now - self._held_since >= self._merge_seconds:
            self._waiting.clear()
            self._fold()
            self._held_since = now

    def _fold(self) -> None:
        self._note(self._spool.fold(functools.partial(folding, signer=self._signer)))

    def _note(self, added: Sequence[Numbered]) -> None:
        if self.first is None and added:
            self.first = added[0].batch.seq

    def _keep_in_memory(self, error: sqlite3.OperationalError) -> None:
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
    saved = spool.take_over(_readable(aside, ALL_ROWS))
    spool.hold([ReadingBatch.decode(columns) for (columns,) in _readable(aside, ALL_HELD)])
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


def _readable(aside: Path, query: str) -> list[Any]:
    """Row by row until one cannot be read; signed batches are believed by their signature, not by the file."""
    rows: list[Any] = []
    try:
        for row in sqlite3.connect(aside).execute(query):
            rows.append(row)  # noqa: PERF402 - what came before a damaged page is kept
    except sqlite3.DatabaseError:
        _LOG.warning("%s cannot be read to its end", aside)
    return rows
