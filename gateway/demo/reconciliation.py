"""Reconciliation at the end of a demo: the nodes' own logs of readings against the database.

`lost` and `duplicates` compare multisets of (node, property, time, value): the generator's log lies
outside the system it judges.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path

import msgspec
import psycopg

from alerting.sql import load_queries

_QUERIES = load_queries(Path(__file__).with_name("queries.sql"))

StoredValue = tuple[str, int, float]
"""(property, ms UTC, value) of one node."""


@dataclass(frozen=True, kw_only=True)
class PastLogs:
    """The nodes' logs of the readings before the demo (node -> file), and the end of that time."""

    files: Mapping[str, Path]
    end: datetime


@dataclass(frozen=True, kw_only=True)
class Reconciliation:
    """The last line of a demo. Latencies are from observed_at to COMMIT, in s, of the readings of the demo itself.

    `unlogged` readings may be missing in a node's own log, because its disk was full or it was killed while writing.
    Of those, only values that are stored twice count as duplicates. `past_readings` and `past_events` are those of the
    time before the demo; `readings`, `events` and all other counts contain them.
    """

    readings: int
    past_readings: int
    unlogged: int
    observations: int
    duplicates: int
    lost: int
    events: int
    past_events: int
    alerts: int
    deliveries: int
    p50_seconds: float | None
    p99_seconds: float | None

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self))


@dataclass
class _NodeLog:
    """Contents of the logs of one node."""

    values: Counter[StoredValue] = field(default_factory=Counter)
    readings: int = 0
    unlogged: int = 0

    def add_file(self, path: Path) -> None:
        """Add the lines of a file."""
        for entry in _read_log(path):
            self.unlogged += 1 if entry is None else entry.omitted
            if entry is not None and entry.observed_at is not None:
                self.readings += 1
                at = entry.observed_at
                self.values.update((name, at, value) for name, value in entry.values.items() if value is not None)


def reconcile(dsn: str, logs: Mapping[str, Path], *, live: bool, past: PastLogs | None = None) -> Reconciliation:
    """Compare the nodes' logs (node -> file) with the database. Latency exists only if the simulation is live."""
    totals, past_readings = Counter[str](), 0
    with psycopg.connect(dsn) as connection:
        nodes = {*logs, *(id_ for (id_,) in connection.execute(_QUERIES["select_nodes"]))}
        for node in sorted(nodes):
            log = _NodeLog()
            if past is not None and node in past.files:
                log.add_file(past.files[node])
                past_readings += log.readings
            if node in logs:
                log.add_file(logs[node])
            stored = Counter[StoredValue](connection.execute(_QUERIES["select_values"], {"node": node}).fetchall())
            totals.update(
                readings=log.readings,
                unlogged=log.unlogged,
                observations=stored.total(),
                duplicates=_count_duplicates(stored, log),
                lost=(log.values - stored).total(),
            )
        counts = {name: _count_rows(connection, name) for name in ("events", "alerts", "deliveries")}
        end = {"end": None if past is None else past.end}
        past_events = _count_rows(connection, "count_events_before", end)
        p50, p99 = _load_latency(connection, end["end"]) if live else (None, None)
    names = ("readings", "unlogged", "observations", "duplicates", "lost")
    return Reconciliation(
        **{name: totals[name] for name in names},
        **counts,
        past_readings=past_readings,
        past_events=past_events,
        p50_seconds=None if p50 is None else round(p50, 3),
        p99_seconds=None if p99 is None else round(p99, 3),
    )


def _count_duplicates(stored: Counter[StoredValue], log: _NodeLog) -> int:
    """Count values that are stored more often than generated; once is right where the log has gaps."""
    least = 1 if log.unlogged else 0
    return sum(max(0, count - max(log.values[value], least)) for value, count in stored.items())


def _load_latency(connection: psycopg.Connection, start: datetime | None) -> tuple[float | None, float | None]:
    row = connection.execute(_QUERIES["select_latency"], {"start": start}).fetchone()
    return (None, None) if row is None else (row[0], row[1])


class _Entry(msgspec.Struct):
    """A line of a node's log: one reading, or how many readings may be missing before it."""

    observed_at: int | None = None
    values: dict[str, float | None] = {}
    omitted: int = 0


def _read_log(path: Path) -> Iterator[_Entry | None]:
    """Yield the lines; None for a line that was cut while it was written."""
    if not path.exists():
        return
    with path.open("rb") as lines:
        for line in lines:
            try:
                yield msgspec.json.decode(line, type=_Entry)
            except msgspec.DecodeError:
                yield None


def _count_rows(connection: psycopg.Connection, name: str, values: Mapping[str, datetime | None] | None = None) -> int:
    ((count,),) = connection.execute(_QUERIES[name], values).fetchall()
    return int(count)
