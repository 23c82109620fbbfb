"""`piekwacht bench ingest`: signed batches from a broker's queue to committed rows, beside the database's own COPY.

Both in one run on one machine, into the same table of the same server. The batches are signed before
the clock starts and wait in the persistent session of a gateway that is not there yet; then a real
`piekwacht gateway` takes them in: signatures, ledger, quality, detection, live feed, all of it. Every
few seconds it is halted (SIGSTOP), and COPY is measured.
"""

import argparse
import asyncio
import json
import os
import signal
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psycopg

from edge_agent.wire import Signer
from gateway.bench.fixture import AREA, LEVELS, database, enrolled, family, gateway, resident, signed
from gateway.errors import GatewayError
from gateway.ingest.consumer import session_name
from gateway.mqtt.connection import linked
from gateway.mqtt.settings import BrokerSettings
from gateway.store.connection import QUERIES
from gateway.store.copy_observations import encode
from gateway.store.migrate import connect
from gateway.system.child_process import Child
from gateway.system.embedded_servers import Broker

_LEVEL = np.array(list(LEVELS.values()))
_READINGS = 10  # in a batch
_ROWS = _READINGS * len(LEVELS)
_BATCHES = 1_000  # in one transaction, ours and COPY's
_GUESS = 4_500  # batches a second that are made ready: more than any machine here takes in
_TURN = 3.0  # s of taking in between COPYs: the machine's slower and quicker seconds meet both
_SLOW = 30.0  # s after which a turn ends, however few transactions it saw
_SWALLOW = 0.3  # s
_NOBODY = 1_000_000  # from here on, datastreams that no node has
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
        asyncio.run(_subscribe(broker.settings, session_name(key, [AREA])))
        batches = given.nodes + int((given.seconds + _TURN) * _GUESS)
        asyncio.run(_publish(broker.settings, nodes, batches))
        with gateway(folder, dsn, broker.settings, key) as child:
            _wait_for_all(dsn, child, given.nodes)
            turns = _turns(dsn, child, given.nodes, given.seconds)
            rss = resident(child.process.pid)
        result = _measured(turns, _transactions(dsn)) | {"rss_mb": round(rss, 1), "database": _database(dsn)}
    print(f"{len(turns)} turns of {_TURN} s, batches of {_ROWS} values from {given.nodes} nodes")  # noqa: T201 - the command's own output
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


async def _subscribe(settings: BrokerSettings, session: str) -> None:
    """As the gateway that will come: its session collects from now on."""
    async with linked(settings, session, most=1) as link:
        await link.subscribe([f"pw/v1/{AREA}/+/readings"])


async def _publish(settings: BrokerSettings, nodes: list[Signer], batches: int) -> None:
    """Sign, send, and wait until the broker has every batch."""
    async with linked(settings, "bench-publisher", most=1) as link:
        for topic, body in _payloads(nodes, batches):
            await link.publish(topic, body, sure=True)
        await link.subscribe(["bench/nothing"])  # who answers this has read all before it


def _wait_for_all(dsn: str, child: Child, nodes: int) -> None:
    """Until every node has told something: its datastreams are there, and the kernels are loaded."""
    until = time.monotonic() + _PATIENCE
    with psycopg.connect(dsn, autocommit=True) as connection:
        while (known := _stored(connection)) < nodes:
            if time.monotonic() > until:
                raise GatewayError(f"the gateway took in {known} batches: {child.last_words()}")
            time.sleep(0.05)


def _stored(connection: psycopg.Connection) -> int:
    row = connection.execute("SELECT count(*) FROM batch").fetchone()
    return int(row[0]) if row else 0


@contextmanager
def _halted(child: Child) -> Iterator[None]:
    """The gateway and its decoding process stand still, and the database has swallowed what it was given."""
    pids = family(child.process.pid)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(_SWALLOW)
    try:
        yield
    finally:
        for pid in reversed(pids):
            os.kill(pid, signal.SIGCONT)


@dataclass(frozen=True, kw_only=True)
class _Turn:
    """Some seconds of taking in, by the clock, and the COPYs before and after them in rows a second."""

    began: float
    ended: float
    copies: list[float]


def _turns(dsn: str, child: Child, nodes: int, seconds: float) -> list[_Turn]:
    turns, number = list[_Turn](), max(round(seconds / _TURN), 1)
    with connect(dsn) as connection:
        copier = _Copier(connection, nodes)
        with _halted(child):
            before = copier.rates(_TURN / 2)
        for _ in range(number):
            began = time.time()
            time.sleep(_TURN)  # looking would cost the database, too
            while _seen(connection, began) < _FEWEST and time.time() < began + _SLOW:
                time.sleep(0.5)
            ended = time.time()
            with _halted(child):
                after = copier.rates(_TURN / 2)
            turns.append(_Turn(began=began, ended=ended, copies=before + after))
            before = after
    return turns


def _seen(connection: psycopg.Connection, since: float) -> int:
    """The gateway's transactions since then."""
    query = "SELECT count(DISTINCT received_at) FROM batch WHERE committed_at > to_timestamp(%s)"
    row = connection.execute(query, [since]).fetchone()
    return int(row[0]) if row else 0


class _Copier:
    """The database's own COPY: rows ready made, in transactions and with as many rows of a datastream as ours."""

    def __init__(self, connection: psycopg.Connection, nodes: int) -> None:
        self._connection, self._noise = connection, np.random.default_rng(2)
        self._each = max(_BATCHES // nodes, 1) * _READINGS
        self._at = time.time_ns() // 1_000_000

    def rates(self, seconds: float) -> list[float]:
        """Rows a second of each transaction, into the gateway's own table."""
        rates, until = list[float](), time.monotonic() + seconds
        while time.monotonic() < until or len(rates) < _FEWEST:
            rows, stream = self._stream()
            began = time.perf_counter()
            with self._connection.transaction(), self._connection.cursor().copy(QUERIES["copy_observations"]) as out:
                out.write(stream)
            rates.append(rows / (time.perf_counter() - began))
        self._connection.execute("VACUUM observation")  # now, and not by itself beside what is measured next
        return rates

    def _stream(self) -> tuple[int, bytes]:
        """How many rows, and they."""
        streams = _BATCHES * _ROWS // self._each
        rows = streams * self._each
        self._at += self._each * 1000
        return rows, encode(
            np.repeat(np.arange(streams), self._each) + _NOBODY,
            self._at + np.tile(np.arange(self._each) * 1000, streams),
            self._noise.normal(10, 1, rows),
            np.zeros(rows, np.int32),
            np.full(rows, -1),
        )


@dataclass(frozen=True, kw_only=True)
class _Transaction:
    """One of the gateway's: what it holds was received at one moment. Times by the clock, in s."""

    received_at: float
    committed_at: float
    batches: int


def _transactions(dsn: str) -> list[_Transaction]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        rows = connection.execute(
            "SELECT extract(epoch FROM received_at), extract(epoch FROM max(committed_at)), count(*)"
            " FROM batch GROUP BY received_at ORDER BY 2"
        )
        return [_Transaction(received_at=float(a), committed_at=float(b), batches=n) for a, b, n in rows]


def _within(turn: _Turn, transactions: Sequence[_Transaction]) -> list[_Transaction]:
    return [t for t in transactions if turn.began < t.committed_at < turn.ended]


def _rate(transactions: Sequence[_Transaction]) -> float:
    """Rows a second from the first COMMIT to the last: what was under way before the first counts for nothing."""
    first, *others = transactions
    return sum(t.batches for t in others) * _ROWS / (others[-1].committed_at - first.committed_at)


def _measured(turns: Sequence[_Turn], transactions: Sequence[_Transaction]) -> dict[str, object]:
    """Each turn against the COPYs beside it, as the machine's own speed changes by the second; medians of these."""
    pairs = [
        (_rate(ours), statistics.median(turn.copies))
        for turn in turns
        if len(ours := _within(turn, transactions)) >= _FEWEST
    ]
    if not pairs:
        raise GatewayError(f"in none of {len(turns)} turns were {_FEWEST} transactions seen: is the machine busy?")
    whole = [t for turn in turns for t in _within(turn, transactions) if t.received_at > turn.began]
    ratios = [round(rate / copy, 3) for rate, copy in pairs]
    return {
        "ratio_to_copy": round(statistics.median(ratios), 3),
        "rows_per_second": round(statistics.median(rate for rate, _ in pairs)),
        "copy_rows_per_second": round(statistics.median(copy for _, copy in pairs)),
        "ratios": ratios,
        "commit_p99_seconds": round(float(np.quantile([t.committed_at - t.received_at for t in whole], 0.99)), 3),
    }


def _database(dsn: str) -> str:
    with connect(dsn) as connection:
        extension = connection.execute("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'").fetchone()
        version = connection.info.server_version // 10_000
    return f"PostgreSQL {version}" + (f", TimescaleDB {extension[0]}" if extension else "")
