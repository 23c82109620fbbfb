"""`piekwacht bench ingest`: signed batches from a broker's queue to committed rows, beside the database's own COPY.

Both in one run on one machine, into the same table of the same server. The batches are signed before
the clock starts and wait in the persistent session of a gateway that is not there yet; then a real
`piekwacht gateway` takes them in: signatures, ledger, quality, detection, live feed, all of it. COPY
is measured before and after with rows ready made, in transactions as large as the gateway's own.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import paho.mqtt.client as paho
import psycopg
from paho.mqtt.enums import CallbackAPIVersion

from edge_agent.wire import Clock, Kind, ReadingBatch, Signer, Topic
from gateway.broker import BrokerSettings
from gateway.embedded import Broker, Postgres
from gateway.errors import GatewayError
from gateway.ingest import session_name
from gateway.processes import Child
from gateway.registry import Area, Node, Station
from gateway.store import stations
from gateway.store.connection import QUERIES
from gateway.store.migrate import connect, migrate
from gateway.store.observations import encode

_PROPERTIES = ("pm1", "pm2_5", "pm4", "pm10", "voc_raw", "nox_raw", "temperature", "humidity")
_LEVEL = np.array([6, 9, 11, 15, 30_500, 16_500, 11, 78], float)
_READINGS = 10  # in a batch
_ROWS = _READINGS * len(_PROPERTIES)
_COPY_ROWS = 80_000  # in one transaction: what the gateway's micro-batches of 1,000 hold
_GUESS = 3_000  # batches a second that are made ready: more than any machine here takes in
_FEWEST = 3  # transactions that a rate is worth naming for
AREA = "bench"


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
        dsn = given.dsn or stack.enter_context(Postgres(folder)).create_database("bench")
        migrate(dsn)
        broker = stack.enter_context(Broker(folder / "broker"))
        nodes = enrolled(dsn, given.nodes)
        key = Signer.generate("gateway.bench")
        _subscribe(broker.settings, session_name(key, [AREA]))
        sent = _publish(broker.settings, nodes, batches=int(given.seconds * _GUESS))
        before = _copy(dsn, given.seconds / 2)
        with gateway(folder, dsn, broker.settings, key) as child:
            rss = _watch(dsn, child, sent, given.seconds)
        batches, seconds = _rate(dsn)
        after = _copy(dsn, given.seconds / 2)
        result = _result(dsn, batches * _ROWS / seconds, statistics.median([*before, *after]), rss)
    print(f"{batches} batches of {_READINGS} readings x {len(_PROPERTIES)} properties from {given.nodes} nodes")  # noqa: T201 - the command's own output
    print(json.dumps(result))  # noqa: T201
    return 0


def enrolled(dsn: str, count: int) -> list[Signer]:
    """Nodes at stations some hundred metres apart."""
    signers = [Signer.generate(f"bench-{i:05}") for i in range(count)]
    outline = {"type": "Polygon", "coordinates": [[[4, 52], [6, 52], [6, 54], [4, 52]]]}
    with connect(dsn) as connection, connection.transaction():
        stations.put_area(connection, Area(id=AREA, name="Bench", authority="Bench", outline=outline))
        for i, signer in enumerate(signers):
            place = {"latitude": 52 + i // 100 * 0.005, "longitude": 4 + i % 100 * 0.005}
            stations.put_station(connection, Station(id=signer.name, area=AREA, name=signer.name, **place))
            node = Node(id=signer.name, area=AREA, station=signer.name, key=signer.verifier)
            stations.put_node(connection, node)
    return signers


def _payloads(nodes: list[Signer], batches: int) -> Iterator[tuple[str, bytes]]:
    """Node after node, round after round, as a network sends them: the values wander a little."""
    noise = np.random.default_rng(1)
    began = time.time_ns() // 1_000_000 - batches // len(nodes) * _READINGS * 1000
    for number in range(batches):
        signer, seq = nodes[number % len(nodes)], number // len(nodes) + 1
        values = np.round(_LEVEL * (1 + 0.02 * noise.standard_normal((_READINGS, len(_LEVEL)))), 2)
        batch = ReadingBatch(
            v=1,
            node=signer.name,
            inc="b" * 12,
            seq=seq,
            boot="bench",
            clock=Clock.SYNCED,
            mono=seq * 10_000,
            t0=began + seq * _READINGS * 1000,
            dt=list(range(0, _READINGS * 1000, 1000)),
            values={name: values[:, i].tolist() for i, name in enumerate(_PROPERTIES)},
        )
        topic = Topic(area=AREA, node=signer.name, kind=Kind.READINGS)
        yield str(topic), signer.sign(batch.encode())


def client(settings: BrokerSettings, name: str, *, clean: bool) -> paho.Client:
    """A paho client, at work in a thread of its own."""
    made = paho.Client(CallbackAPIVersion.VERSION2, name, clean_session=clean)
    made.max_inflight_messages_set(1000)
    made.connect(settings.host, settings.port)
    made.loop_start()
    return made


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


@contextmanager
def gateway(folder: Path, dsn: str, broker: BrokerSettings, key: Signer) -> Iterator[Child]:
    """The real one, as a process."""
    (folder / "gateway.key").write_text(key.export())
    config = folder / "piekwacht.toml"
    config.write_text(f"""
database = {{ dsn = "{dsn}" }}
broker = {{ host = "{broker.host}", port = {broker.port} }}
ingest = {{ key_file = "gateway.key", areas = ["{AREA}"] }}
""")
    command: list[str | Path] = [sys.executable, "-m", "gateway", "gateway", "--config", config]
    with Child("gateway", command, log=folder / "gateway.log") as child:
        yield child


def _watch(dsn: str, child: Child, sent: int, seconds: float) -> float:
    """Until so long after the first commit, or until nothing is left. Returns the gateway's MB."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        until = time.monotonic() + 120
        while _stored(connection)[0] == 0:
            if time.monotonic() > until:
                raise GatewayError(f"the gateway took nothing in: {child.last_words()}")
            time.sleep(0.05)
        until = time.monotonic() + seconds
        while (now := _stored(connection))[0] < sent and (time.monotonic() < until or now[1] < _FEWEST):
            time.sleep(0.5)  # looking costs the database, too
    return resident(child.process.pid)


def _rate(dsn: str) -> tuple[int, float]:
    """(batches, seconds) from the first COMMIT to the last. What a micro-batch holds was received at one moment."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        rows = connection.execute(
            "SELECT max(committed_at), count(*) FROM batch GROUP BY received_at ORDER BY max(committed_at)"
        ).fetchall()
    if len(rows) < _FEWEST:
        raise GatewayError(f"only {len(rows)} transactions were seen: give it more --seconds")
    return sum(count for _, count in rows[1:]), (rows[-1][0] - rows[0][0]).total_seconds()


def resident(pid: int) -> float:
    """MB that a process holds in memory."""
    lines = dict(line.split(":	", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(lines["VmRSS"].split()[0]) / 1024


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
