"""Reconciliation at the end of a demo: the nodes' own logs of readings against the database.

`lost` and `duplicates` compare multisets of (node, property, time, value): the generator's log lies
outside the system it judges.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec
import psycopg

from alerting.sql import load_queries

_QUERIES = load_queries(Path(__file__).with_name("queries.sql"))

StoredValue = tuple[str, str, int, float]


@dataclass(frozen=True, kw_only=True)
class Reconciliation:
    """The last line of a demo. Latencies are from observed_at to COMMIT, in seconds.

    `unlogged` readings may be missing in a node's own log, because its disk was full or it was killed while writing.
    Of those, only values that are stored twice count as duplicates.
    """

    readings: int
    unlogged: int
    observations: int
    duplicates: int
    lost: int
    events: int
    alerts: int
    deliveries: int
    p50_seconds: float | None
    p99_seconds: float | None

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self))


def reconcile(dsn: str, logs: Mapping[str, Path], *, live: bool) -> Reconciliation:
    """Compare the nodes' logs (node -> file) with the database. Latency exists only if the simulation is live."""
    generated, readings, unlogged = Counter[StoredValue](), 0, Counter[str]()
    for node, path in logs.items():
        for entry in _read_log(path):
            unlogged[node] += 1 if entry is None else entry.omitted
            if entry is not None and entry.observed_at is not None:
                readings += 1
                generated.update(
                    (node, name, entry.observed_at, value) for name, value in entry.values.items() if value is not None
                )
    with psycopg.connect(dsn) as connection:
        stored = Counter[StoredValue](connection.execute(_QUERIES["select_values"]).fetchall())
        counts = {name: _count_rows(connection, name) for name in ("events", "alerts", "deliveries")}
        p50, p99 = (connection.execute(_QUERIES["select_latency"]).fetchone() if live else None) or (None, None)
    return Reconciliation(
        readings=readings,
        unlogged=unlogged.total(),
        observations=stored.total(),
        duplicates=_count_duplicates(stored, generated, incomplete_logs={node for node, n in unlogged.items() if n}),
        lost=(generated - stored).total(),
        **counts,
        p50_seconds=None if p50 is None else round(p50, 3),
        p99_seconds=None if p99 is None else round(p99, 3),
    )


def _count_duplicates(stored: Counter[StoredValue], generated: Counter[StoredValue], incomplete_logs: set[str]) -> int:
    """Count values that are stored more often than generated; once is right where the log has gaps."""
    return sum(max(0, count - max(generated[value], value[0] in incomplete_logs)) for value, count in stored.items())


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


def _count_rows(connection: psycopg.Connection, name: str) -> int:
    ((count,),) = connection.execute(_QUERIES[name]).fetchall()
    return int(count)
