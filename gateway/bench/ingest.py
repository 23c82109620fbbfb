"""`piekwacht bench ingest`: signed batches from the broker's queue to committed rows, compared with COPY.

Both run on one machine in one run, into the same table of the same server. The batches are signed before the
measurement and wait in the persistent session of a gateway that is not started yet. Then a real `piekwacht gateway`
receives them, with signatures, ledger, quality, detection and live feed. Every few seconds it is halted (SIGSTOP), and
COPY is measured.
"""

import argparse
import asyncio
import json
import os
import signal
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import psycopg

from edge_agent.wire import Signer
from gateway.bench.backlog import (
    MAX_BATCHES_PER_SECOND,
    READINGS_PER_BATCH,
    ROWS_PER_BATCH,
    publish_batches,
    subscribe,
)
from gateway.bench.fixture import (
    AREA,
    enrol_nodes,
    process_tree,
    resident_megabytes,
    run_gateway,
    run_servers,
)
from gateway.errors import GatewayError
from gateway.ingest.consumer import derive_session_name
from gateway.store.connection import QUERIES, connect
from gateway.store.copy_observations import encode_observations
from gateway.system.child_process import Child

_BATCHES_PER_TRANSACTION = 1_000  # per transaction, of the gateway and of COPY
_INTERVAL_SECONDS = 3.0  # s of ingest between COPYs, so that slow and fast phases of the machine affect both
_MAX_INTERVAL_SECONDS = 30.0  # s until a turn ends, with any number of transactions
_DRAIN_SECONDS = 0.3  # s
_UNUSED_DATASTREAMS = 1_000_000  # first id of datastreams that no node has
_MIN_TRANSACTIONS = 3  # fewer transactions give no rate
_START_TIMEOUT_SECONDS = 300  # s until the gateway has received from every node


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.add_argument("--seconds", type=float, default=20.0, help="how long to take in (20)")
    parser.add_argument("--nodes", type=int, default=100, help="nodes the batches come from (100)")
    parser.add_argument("--public-log", action="store_true", help="write the public log meanwhile")
    parser.add_argument("--dsn", help="an empty database to use, such as one with TimescaleDB; else an embedded one")


def run(args: argparse.Namespace) -> int:
    """Measure and print; the last line is JSON."""
    with run_servers(args.dsn) as (folder, dsn, broker):
        nodes = enrol_nodes(dsn, args.nodes)
        key = Signer.generate("gateway.bench")
        asyncio.run(subscribe(broker.settings, derive_session_name(key, [AREA])))
        batches = args.nodes + int((args.seconds + _INTERVAL_SECONDS) * MAX_BATCHES_PER_SECOND)
        asyncio.run(publish_batches(broker.settings, nodes, batches))
        with run_gateway(folder, dsn, broker.settings, key, public_log=args.public_log) as child:
            _wait_for_nodes(dsn, child, args.nodes)
            intervals = _measure_intervals(dsn, child, args.nodes, args.seconds)
            rss = resident_megabytes(child.process.pid)
        result = _summarize(intervals, _load_transactions(dsn)) | {
            "rss_mb": round(rss, 1),
            "log_leaves": _count_leaves(dsn),
            "database": _describe_database(dsn),
        }
    turns = f"{len(intervals)} turns of {_INTERVAL_SECONDS} s"
    print(f"{turns}, batches of {ROWS_PER_BATCH} values from {args.nodes} nodes")  # noqa: T201 - a command prints
    print(json.dumps(result))  # noqa: T201 - a command prints
    return 0


def _wait_for_nodes(dsn: str, child: Child, nodes: int) -> None:
    """Wait until the gateway has a reading of every node: datastreams exist, kernels are compiled."""
    until = time.monotonic() + _START_TIMEOUT_SECONDS
    with psycopg.connect(dsn, autocommit=True) as connection:
        while (batch_count := _count_batches(connection)) < nodes:
            if time.monotonic() > until:
                raise GatewayError(f"the gateway took in {batch_count} batches: {child.read_log_tail()}")
            time.sleep(0.05)


def _count_batches(connection: psycopg.Connection) -> int:
    ((count,),) = connection.execute("SELECT count(*) FROM batch").fetchall()
    return int(count)


def _count_leaves(dsn: str) -> int:
    with psycopg.connect(dsn, autocommit=True) as connection:
        ((count,),) = connection.execute("SELECT count(*) FROM log_leaf").fetchall()
    return int(count)


@contextmanager
def _pause_gateway(child: Child) -> Iterator[None]:
    """Stop the gateway and its decoding process (SIGSTOP) and wait until the database is idle."""
    pids = process_tree(child.process.pid)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(_DRAIN_SECONDS)
    try:
        yield
    finally:
        for pid in reversed(pids):
            os.kill(pid, signal.SIGCONT)


@dataclass(frozen=True, kw_only=True)
class _Interval:
    """Measure one turn: seconds of ingest, and COPY before and after it in rows per second."""

    start: float
    end: float
    copies: list[float]


def _measure_intervals(dsn: str, child: Child, nodes: int, seconds: float) -> list[_Interval]:
    intervals, count = list[_Interval](), max(round(seconds / _INTERVAL_SECONDS), 1)
    with connect(dsn) as connection:
        copy_benchmark = _CopyBenchmark(connection, nodes)
        with _pause_gateway(child):
            before = copy_benchmark.measure_rates(_INTERVAL_SECONDS / 2)
        for _ in range(count):
            start = time.time()
            time.sleep(_INTERVAL_SECONDS)  # polling would load the database
            while (
                _count_transactions(connection, start) < _MIN_TRANSACTIONS
                and time.time() < start + _MAX_INTERVAL_SECONDS
            ):
                time.sleep(0.5)
            end = time.time()
            with _pause_gateway(child):
                after = copy_benchmark.measure_rates(_INTERVAL_SECONDS / 2)
            intervals.append(_Interval(start=start, end=end, copies=before + after))
            before = after
    return intervals


def _count_transactions(connection: psycopg.Connection, since: float) -> int:
    """Return the gateway's transactions since then."""
    query = "SELECT count(DISTINCT received_at) FROM batch WHERE committed_at > to_timestamp(%s)"
    ((count,),) = connection.execute(query, [since]).fetchall()
    return int(count)


class _CopyBenchmark:
    """COPY of prepared rows, with as many rows per transaction and datastream as the gateway's."""

    def __init__(self, connection: psycopg.Connection, nodes: int) -> None:
        self._connection, self._noise = connection, np.random.default_rng(2)
        self._rows_per_stream = max(_BATCHES_PER_TRANSACTION // nodes, 1) * READINGS_PER_BATCH
        self._next_at = time.time_ns() // 1_000_000

    def measure_rates(self, seconds: float) -> list[float]:
        """Return rows per second of each transaction into the gateway's table."""
        rates, until = list[float](), time.monotonic() + seconds
        while time.monotonic() < until or len(rates) < _MIN_TRANSACTIONS:
            rows, data = self._encode_rows()
            start = time.perf_counter()
            with self._connection.transaction(), self._connection.cursor().copy(QUERIES["copy_observations"]) as out:
                out.write(data)
            rates.append(rows / (time.perf_counter() - start))
        self._connection.execute(
            "VACUUM observation"
        )  # now, so that autovacuum does not run during the next measurement
        return rates

    def _encode_rows(self) -> tuple[int, bytes]:
        """Return the number of rows and their bytes."""
        datastreams = _BATCHES_PER_TRANSACTION * ROWS_PER_BATCH // self._rows_per_stream
        rows = datastreams * self._rows_per_stream
        self._next_at += self._rows_per_stream * 1000
        return rows, encode_observations(
            np.repeat(np.arange(datastreams), self._rows_per_stream) + _UNUSED_DATASTREAMS,
            self._next_at + np.tile(np.arange(self._rows_per_stream) * 1000, datastreams),
            self._noise.normal(10, 1, rows),
            np.zeros(rows, np.int32),
            np.full(rows, -1),
        )


@dataclass(frozen=True, kw_only=True)
class _Transaction:
    """One transaction of the gateway; its batches were received together. Times in s since 1970."""

    received_at: float
    committed_at: float
    batches: int


def _load_transactions(dsn: str) -> list[_Transaction]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        rows = connection.execute(
            "SELECT extract(epoch FROM received_at), extract(epoch FROM max(committed_at)), count(*)"
            " FROM batch GROUP BY received_at ORDER BY 2"
        )
        return [_Transaction(received_at=float(a), committed_at=float(b), batches=n) for a, b, n in rows]


def _transactions_within(interval: _Interval, transactions: Sequence[_Transaction]) -> list[_Transaction]:
    return [t for t in transactions if interval.start < t.committed_at < interval.end]


def _compute_rate(transactions: Sequence[_Transaction]) -> float:
    """Return rows per second from the first COMMIT to the last; rows of the first do not count."""
    first, *later = transactions
    return sum(t.batches for t in later) * ROWS_PER_BATCH / (later[-1].committed_at - first.committed_at)


def _summarize(intervals: Sequence[_Interval], transactions: Sequence[_Transaction]) -> dict[str, object]:
    """Compare each turn with the COPYs next to it, as the machine's speed varies; return medians."""
    pairs = [
        (_compute_rate(contained), statistics.median(interval.copies))
        for interval in intervals
        if len(contained := _transactions_within(interval, transactions)) >= _MIN_TRANSACTIONS
    ]
    if not pairs:
        raise GatewayError(
            f"in none of {len(intervals)} turns were {_MIN_TRANSACTIONS} transactions seen: is the machine busy?"
        )
    complete = [
        t
        for interval in intervals
        for t in _transactions_within(interval, transactions)
        if t.received_at > interval.start
    ]
    ratios = [round(rate / copy, 3) for rate, copy in pairs]
    return {
        "ratio_to_copy": round(statistics.median(ratios), 3),
        "rows_per_second": round(statistics.median(rate for rate, _ in pairs)),
        "copy_rows_per_second": round(statistics.median(copy for _, copy in pairs)),
        "ratios": ratios,
        "commit_p99_seconds": round(float(np.quantile([t.committed_at - t.received_at for t in complete], 0.99)), 3),
    }


def _describe_database(dsn: str) -> str:
    with connect(dsn) as connection:
        extension = connection.execute("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'").fetchone()
        version = connection.info.server_version // 10_000
    return f"PostgreSQL {version}" + (f", TimescaleDB {extension[0]}" if extension else "")
