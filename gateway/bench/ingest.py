"""`piekwacht bench ingest`: signed batches from a broker's queue to committed rows, beside the database's own COPY.

Both in one run on one machine, into the same table of the same server. The batches are signed before
the clock starts and wait in the persistent session of a gateway that is not there yet; then a real
`piekwacht gateway` takes them in: signatures, ledger, quality, detection, live feed, all of it. COPY
is measured before and after with rows ready made, in transactions as large as the gateway's own.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import psycopg

from edge_agent.wire import Signer
from gateway.bench.stage import AREA, LEVELS, client, database, enrolled, gateway, resident, signed
from gateway.broker import BrokerSettings
from gateway.embedded import Broker
from gateway.errors import GatewayError
from gateway.ingest import session_name
from gateway.processes import Child
from gateway.records import encode
from gateway.store.connection import QUERIES
from gateway.store.migrate import connect

_LEVEL = np.array(list(LEVELS.values()))
_READINGS = 10  # in a batch
_ROWS = _READINGS * len(LEVELS)
_COPY_ROWS = 80_000  # in one transaction: what the gateway's micro-batches of 1,000 hold
_GUESS = 3_000  # batches a second that are made ready: more than any machine here takes in
_FEWEST = 3  # transactions that a rate is worth naming for
_PATIENCE = 300  # s until the last node has been heard


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.add_argument("--seconds", type=float, default=20.0, help="how long to take in (20)")
    parser.add_argument("--nodes", type=int, default=100, help="nodes the batches come from (100)")
    parser.add_argument("--dsn", help="an empty database to use, such as one with TimescaleDB; else an embedded one")


def run(given: argparse.Namespace) -> int:
    """Measure and print; the last line is JSON."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="piekwacht-bench-")))
        folder.chmod(0o755)
        dsn = database(stack, folder, given.dsn)
        broker = stack.enter_context(Broker(folder / "broker"))
        nodes = enrolled(dsn, given.nodes)
        key = Signer.generate("gateway.bench")
        _subscribe(broker.settings, session_name(key, [AREA]))
        sent = _publish(broker.settings, nodes, batches=given.nodes + int(given.seconds * _GUESS))
        before = _copy(dsn, given.seconds / 2)
        with gateway(folder, dsn, broker.settings, key) as child:
            rss = _watch(dsn, child, sent, given.nodes, given.seconds)
        batches, seconds = _rate(dsn, given.nodes)
        after = _copy(dsn, given.seconds / 2)
        result = _result(dsn, batches * _ROWS / seconds, statistics.median([*before, *after]), rss)
    print(f"{batches} batches of {_READINGS} readings x {len(LEVELS)} properties from {given.nodes} nodes")  # noqa: T201 - the command's own output
    print(json.dumps(result))  # noqa: T201
    return 0


def _payloads(nodes: list[Signer], batches: int) -> Iterator[tuple[str, bytes]]:
    """Node after node, round after round, as a network sends them: the values wander a little."""
    noise = np.random.default_rng(1)
    began = time.time_ns() // 1_000_000 - batches // len(nodes) * _READINGS * 1000
    for number in range(batches):
        signer, seq = nodes[number % len(nodes)], number // len(nodes) + 1
        values = np.round(_LEVEL * (1 + 0.02 * noise.standard_normal((_READINGS, len(LEVELS)))), 2)
        columns = {name: values[:, i].tolist() for i, name in enumerate(LEVELS)}
        yield signed(signer, seq, began + seq * _READINGS * 1000, 1000, columns)


def _subscribe(settings: BrokerSettings, session: str) -> None:
    """As the gateway that will come: its session collects from now on."""
    subscriber = client(settings, session, clean=False)
    done: list[int] = []
    subscriber.on_subscribe = lambda *_: done.append(1)
    subscriber.subscribe(f"pw/v1/{AREA}/+/readings", 1)
    until = time.monotonic() + 10
    while not done:
        if time.monotonic() > until:
            raise GatewayError("the broker does not answer a subscription")
        time.sleep(0.01)
    subscriber.disconnect()
    subscriber.loop_stop()


def _publish(settings: BrokerSettings, nodes: list[Signer], batches: int) -> int:
    """Sign, send, and wait until the broker has every batch; returns their number."""
    publisher = client(settings, "bench-publisher", clean=True)
    waiting = [publisher.publish(topic, body, qos=1) for topic, body in _payloads(nodes, batches)]
    for message in waiting:
        message.wait_for_publish(60)
    publisher.disconnect()
    publisher.loop_stop()
    return len(waiting)


def _watch(dsn: str, child: Child, sent: int, nodes: int, seconds: float) -> float:
    """Until so long after every node has told something, or until nothing is left. Returns the gateway's MB."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        until = time.monotonic() + _PATIENCE
        while (known := _stored(connection))[0] < nodes:
            if time.monotonic() > until:
                raise GatewayError(f"the gateway took in {known[0]} batches: {child.last_words()}")
            time.sleep(0.05)
        time.sleep(seconds)  # looking costs the database, too
        while (now := _stored(connection))[0] < sent and now[1] - known[1] < _FEWEST:
            time.sleep(0.5)
    return resident(child.process.pid)


def _rate(dsn: str, nodes: int) -> tuple[int, float]:
    """(batches, seconds) from the COMMIT by which every node had told something to the last one.

    What a micro-batch holds was received at one moment.
    """
    with psycopg.connect(dsn, autocommit=True) as connection:
        rows = connection.execute(
            "SELECT max(committed_at), count(*), sum(count(*)) OVER (ORDER BY max(committed_at))"
            " FROM batch GROUP BY received_at ORDER BY max(committed_at)"
        ).fetchall()
    rows = [row for row in rows if row[2] >= nodes]
    if len(rows) < _FEWEST:
        raise GatewayError(f"only {len(rows)} transactions were seen: give it more --seconds")
    return sum(row[1] for row in rows[1:]), (rows[-1][0] - rows[0][0]).total_seconds()


def _stored(connection: psycopg.Connection) -> tuple[int, int]:
    """(batches, transactions)."""
    row = connection.execute("SELECT count(*), count(DISTINCT received_at) FROM batch").fetchone()
    return (int(row[0]), int(row[1])) if row else (0, 0)


def _copy(dsn: str, seconds: float) -> list[float]:
    """Rows a second of each transaction, into the gateway's own table; the rows are taken away again."""
    rng, rates = np.random.default_rng(2), list[float]()
    now = time.time_ns() // 1_000_000
    with connect(dsn) as connection:
        until = time.monotonic() + seconds
        while time.monotonic() < until or len(rates) < 5:
            stream = encode(
                np.repeat(np.arange(1, _COPY_ROWS // _READINGS + 1), _READINGS) + 1_000_000,
                now + len(rates) * 10_000 + np.tile(np.arange(_READINGS) * 1000, _COPY_ROWS // _READINGS),
                rng.normal(10, 1, _COPY_ROWS),
                np.zeros(_COPY_ROWS, np.int32),
                np.full(_COPY_ROWS, -1),
            )
            began = time.perf_counter()
            with connection.transaction(), connection.cursor().copy(QUERIES["copy_observations"]) as out:
                out.write(stream)
            rates.append(_COPY_ROWS / (time.perf_counter() - began))
        connection.execute("DELETE FROM observation WHERE batch_id = -1")
        connection.execute("VACUUM observation")  # now, and not by itself beside what is measured next
    return rates


def _result(dsn: str, rate: float, copy_rate: float, rss: float) -> dict[str, object]:
    with connect(dsn) as connection:
        row = connection.execute(
            """SELECT percentile_disc(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM committed_at - received_at))
               FROM batch"""
        ).fetchone()
        extension = connection.execute("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'").fetchone()
        version = connection.info.server_version // 10_000
    return {
        "ratio_to_copy": round(rate / copy_rate, 3),
        "rows_per_second": round(rate),
        "copy_rows_per_second": round(copy_rate),
        "commit_p99_seconds": round(float(row[0]), 3) if row and row[0] is not None else None,
        "rss_mb": round(rss, 1),
        "database": f"PostgreSQL {version}" + (f", TimescaleDB {extension[0]}" if extension else ""),
    }
