"""Reconciliation at the end of a demo: the nodes' own logs of readings against the database.

`lost` and `duplicates` compare multisets of (node, property, time, value): the generator's log lies
outside the system it judges.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import psycopg

from alerting.sql import load_queries

_QUERIES = load_queries(Path(__file__).with_name("queries.sql"))

StoredValue = tuple[str, str, int, float]


@dataclass(frozen=True, kw_only=True)
class Reconciliation:
    """The last line of a demo. Latencies are from observed_at to COMMIT, in seconds."""

    readings: int
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
    readings, generated = 0, Counter[StoredValue]()
    for node, path in logs.items():
        for observed_at, values in _read_log(path):
            readings += 1
            generated.update((node, name, observed_at, value) for name, value in values.items() if value is not None)
    with psycopg.connect(dsn) as connection:
        stored = Counter[StoredValue](connection.execute(_QUERIES["select_values"]).fetchall())
        counts = {name: _count_rows(connection, name) for name in ("events", "alerts", "deliveries")}
        p50, p99 = (connection.execute(_QUERIES["select_latency"]).fetchone() if live else None) or (None, None)
    return Reconciliation(
        readings=readings,
        observations=stored.total(),
        duplicates=(stored - generated).total(),
        lost=(generated - stored).total(),
        **counts,
        p50_seconds=None if p50 is None else round(p50, 3),
        p99_seconds=None if p99 is None else round(p99, 3),
    )


def _read_log(path: Path) -> Iterator[tuple[int, dict[str, float | None]]]:
    if not path.exists():
        return
    with path.open() as lines:
        for line in lines:
            entry = json.loads(line)
            yield entry["observed_at"], entry["values"]


def _count_rows(connection: psycopg.Connection, name: str) -> int:
    ((count,),) = connection.execute(_QUERIES[name]).fetchall()
    return int(count)
