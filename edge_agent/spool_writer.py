"""Between the collector and the spool: handles a disk that refuses to write.

A full or read-only disk stops neither the sensors nor the sending of stored batches. Readings that cannot be written
wait in bounded memory and are written when the disk accepts them again. Readings dropped from memory meanwhile are
counted and recorded as a gap. A damaged file is moved aside at the next start; the agent ends for that: see
`open_or_recover`.
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

from edge_agent.batch_builder import build_batch, build_gap_record, make_batch_factory, make_merge_factories
from edge_agent.errors import AgentError
from edge_agent.sensors.sensor import Reading
from edge_agent.spool import SELECT_BATCHES, SELECT_HELD, Loss, SignedBatch, Spool
from edge_agent.wire import ReadingBatch, Signer

_LOG = logging.getLogger(__name__)
_MAX_PENDING_READINGS = 20_000  # readings: some 10 MB
_SUSPECT_SUFFIX = ".suspect"


class SpoolWriter:
    """Stores readings; `problem` describes a fault of the disk, if there is one."""

    def __init__(self, spool: Spool, *, path: Path, signer: Signer, quota: int, merge_seconds: float = 0.0) -> None:
        self.problem: str | None = None
        self.stored_at = time.monotonic()
        self.first_seq: int | None = None  # the first number given since the start
        self._spool, self._path, self._signer, self._quota = spool, path, signer, quota
        self._gap_factory = functools.partial(build_gap_record, signer=signer)
        self._pending: deque[tuple[Sequence[Reading], bool]] = deque()
        self._loss: Loss | None = None
        self._merge_seconds = merge_seconds
        self._merged_at = -math.inf  # readings held by an earlier run are merged at once

    def store(self, runs: Sequence[Sequence[Reading]], *, hist: bool) -> bool:
        """Store readings, one list a batch; False where they had to wait in memory. AgentError: damaged."""
        self._pending.extend((readings, hist) for readings in runs)
        try:
            self._write_pending()
        except sqlite3.OperationalError as error:
            self._limit_pending(error)
            self.stored_at = time.monotonic()  # in memory: a restart would lose it and mend nothing
            return False
        except sqlite3.DatabaseError as error:
            self._path.with_suffix(_SUSPECT_SUFFIX).touch()
            raise AgentError(
                f"the spool {self._path} is damaged ({error}); it is put aside at the next start"
            ) from None
        self.stored_at = time.monotonic()
        if self.problem is not None:
            _LOG.warning("the spool can be written again")
            self.problem = None
        return True

    def bind_hardware(self, hardware: str | None) -> None:
        """Begin a new incarnation if the spool comes from other hardware; call it before the first reading.

        Readings held by an earlier run are numbered first, as the original would. The original and a copy then make
        the same bytes of them, and the gateway stores them once.
        """
        try:
            self._spool.number_held(functools.partial(make_merge_factories, signer=self._signer))
            if hardware is not None and self._spool.bind_hardware(hardware):
                _LOG.warning(
                    "the spool comes from other hardware: it goes on as a new incarnation, and sends all that it holds"
                )
        except sqlite3.Error as error:
            _LOG.warning("the spool cannot be written (%s); what it holds is sent when it can", error)

    def flush(self) -> None:
        """Turn held readings into batches that can be sent."""
        try:
            self._number_held()
        except sqlite3.Error as error:
            _LOG.warning("the spool cannot be written (%s); what it holds is sent after the next start", error)

    def _write_pending(self) -> None:
        if self._loss is not None:
            self._spool.record_loss(self._loss, self._gap_factory)
            self._loss = None
        if self._merge_seconds and all(hist for _, hist in self._pending):
            self._hold_pending()
        else:
            self._number_held()
            factories = [
                make_batch_factory(readings, signer=self._signer, hist=hist) for readings, hist in self._pending
            ]
            self._record_first_seq(self._spool.add(factories))
        self._pending.clear()
        loss = self._spool.make_room(self._quota, self._gap_factory)
        if loss is not None:
            _LOG.warning("the spool is full: the %d oldest readings were let go, and the gap recorded", loss.readings)

    def _hold_pending(self) -> None:
        """There is no broker: committed at once, numbered and signed later, in few large batches."""
        node, inc = self._signer.name, self._spool.read_incarnation()
        self._spool.hold_batches(
            [build_batch(readings, node=node, inc=inc, seq=1, hist=True) for readings, _ in self._pending]
        )
        now = time.monotonic()
        if now - self._merged_at >= self._merge_seconds:
            self._pending.clear()
            self._number_held()
            self._merged_at = now

    def _number_held(self) -> None:
        self._record_first_seq(self._spool.number_held(functools.partial(make_merge_factories, signer=self._signer)))

    def _record_first_seq(self, batches: Sequence[SignedBatch]) -> None:
        if self.first_seq is None and batches:
            self.first_seq = batches[0].batch.seq

    def _limit_pending(self, error: sqlite3.OperationalError) -> None:
        if self.problem is None:
            _LOG.error("the spool %s cannot be written (%s): readings wait in memory; free the disk", self._path, error)
        self.problem = f"cannot be written ({error}): free the disk, or replace the card"
        while sum(len(readings) for readings, _ in self._pending) > _MAX_PENDING_READINGS:
            readings, _ = self._pending.popleft()
            times = [reading.observed_at for reading in readings]
            previous = self._loss or Loss(readings=0, first_at=min(times), last_at=max(times))
            self._loss = Loss(
                readings=previous.readings + len(readings),
                first_at=min(previous.first_at, *times),
                last_at=max(previous.last_at, *times),
            )


def open_or_recover(path: Path, *, node: str, is_readable: Callable[[Path], bool] | None = None) -> Spool:
    """Open the spool; move a damaged file aside and copy its readable batches.

    The new file begins a new incarnation and continues the numbers, so no number is used twice. The check reads the
    whole file, so it runs only after an unclean end.
    """
    suspect = path.with_suffix(_SUSPECT_SUFFIX)
    closed_orderly = not suspect.exists() and not path.with_name(path.name + "-wal").exists()
    if not path.exists() or closed_orderly or (is_readable or is_intact)(path):
        suspect.unlink(missing_ok=True)
        return Spool(path, node=node)
    damaged_path = path.with_name(f"{path.stem}.damaged-{time.time_ns() // 1_000_000}{path.suffix}")
    for suffix in ("", "-wal", "-shm"):
        file = path.with_name(path.name + suffix)
        if file.exists():
            file.rename(damaged_path.with_name(damaged_path.name + suffix))
    spool = Spool(path, node=node)
    count = spool.import_rows(_read_until_damage(damaged_path, SELECT_BATCHES))
    spool.hold_batches([ReadingBatch.decode(content) for (content,) in _read_until_damage(damaged_path, SELECT_HELD)])
    suspect.unlink(missing_ok=True)
    _LOG.error("the spool was damaged: it is kept as %s, and %d batches could be saved from it", damaged_path, count)
    return spool


def is_intact(path: Path) -> bool:
    """Whether SQLite finds nothing wrong with the file."""
    try:
        with sqlite3.connect(path) as db:
            (result,) = db.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError:
        return False
    return bool(result == "ok")


def _read_until_damage(path: Path, query: str) -> list[Any]:
    """Row by row until one cannot be read; signed batches are believed by their signature, not by the file."""
    rows: list[Any] = []
    try:
        for row in sqlite3.connect(path).execute(query):
            rows.append(row)  # noqa: PERF402 - rows before a damaged page are used
    except sqlite3.DatabaseError:
        _LOG.warning("%s cannot be read to its end", path)
    return rows
