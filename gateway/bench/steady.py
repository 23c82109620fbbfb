"""`piekwacht bench steady`: batches at a steady rate: how late they are committed, and whether memory stays flat.

Each batch is stamped and signed as it is sent, so that its way from the sender's clock to COMMIT is measured whole.
"""

import argparse
import json
import statistics
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import paho.mqtt.client as paho
import psycopg

from edge_agent.wire import Signer
from gateway.bench.stage import LEVELS, client, database, enrolled, gateway, resident, signed
from gateway.broker import BrokerSettings
from gateway.embedded import Broker
from gateway.errors import GatewayError

_READINGS = 10
_LOOK = 1.0  # s between looks at the memory
_SAMPLE = 10_000  # batches to judge lateness by
_RUN_IN = 0.2  # of the time, before memory is judged
_LATENCY = """
SELECT percentile_disc(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY extract(epoch FROM b.committed_at) - n.newest)
FROM batch b JOIN LATERAL (
    SELECT extract(epoch FROM max(observed_at)) AS newest FROM observation o
    WHERE o.datastream_id = (SELECT min(id) FROM datastream d WHERE d.node_id = b.node_id) AND o.batch_id = b.id
      AND o.observed_at BETWEEN b.committed_at - interval '2 minutes' AND b.committed_at
) n ON true
WHERE mod(b.id, %(every)s) = 0 AND n.newest IS NOT NULL
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.add_argument("--rate", type=int, default=1_000, help="batches a second (1000)")
    parser.add_argument("--seconds", type=float, default=60.0, help="for how long (60)")
    parser.add_argument("--nodes", type=int, default=1_000, help="nodes the batches come from (1000)")
    parser.add_argument("--dsn", help="an empty database to use, such as one with TimescaleDB; else an embedded one")


def run(given: argparse.Namespace) -> int:
    """Measure and print; the last line is JSON."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="piekwacht-bench-")))
        folder.chmod(0o755)
        dsn = database(stack, folder, given.dsn)
        broker = stack.enter_context(Broker(folder / "broker"))
        nodes = enrolled(dsn, given.nodes)
        child = stack.enter_context(gateway(folder, dsn, broker.settings, Signer.generate("gateway.bench")))
        child.wait_until(lambda: "taking in" in child.last_words(), timeout=120)
        sending = threading.Thread(target=_send, args=(broker.settings, nodes, given.rate, given.seconds))
        sending.start()
        memory = []
        while sending.is_alive():
            memory.append(resident(child.process.pid))
            time.sleep(_LOOK)
        print(json.dumps(_result(dsn, int(given.rate * given.seconds), memory)))  # noqa: T201 - the command's own output
    return 0


def _send(settings: BrokerSettings, nodes: list[Signer], rate: int, seconds: float) -> None:
    sender = client(settings, "bench-steady", clean=True)
    began = time.monotonic()
    waiting = deque[paho.MQTTMessageInfo]()
    for number, (topic, body) in enumerate(_payloads(nodes, int(rate * seconds))):
        time.sleep(max(0.0, began + number / rate - time.monotonic()))
        waiting.append(sender.publish(topic, body, qos=1))
        while waiting[0].is_published() and len(waiting) > 1:
            waiting.popleft()
    for message in waiting:
        message.wait_for_publish(60)
    sender.disconnect()
    sender.loop_stop()


def _payloads(nodes: list[Signer], batches: int) -> Iterator[tuple[str, bytes]]:
    """Each node in turn: ten readings of the second that ends now."""
    for number in range(batches):
        signer, seq = nodes[number % len(nodes)], number // len(nodes) + 1
        wave = 1 + 0.02 * ((seq * 7 + number) % 11 - 5) / 5
        columns = {name: [round(level * wave, 2)] * _READINGS for name, level in LEVELS.items()}
        yield signed(signer, seq, time.time_ns() // 1_000_000 - (_READINGS - 1) * 100, 100, columns)


def _result(dsn: str, sent: int, memory: list[float]) -> dict[str, object]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        until = time.monotonic() + 60
        while (row := connection.execute("SELECT count(*) FROM batch").fetchone()) != (sent,):
            if time.monotonic() > until:
                raise GatewayError(f"{sent} batches were sent and {row and row[0]} are stored")
            time.sleep(0.2)
        found = connection.execute(_LATENCY, {"every": max(1, sent // _SAMPLE)}).fetchone()
    settled = memory[int(len(memory) * _RUN_IN) :]
    fifth = max(1, len(settled) // 5)
    begin, end = statistics.median(settled[:fifth]), statistics.median(settled[-fifth:])
    p50, p99 = found[0] if found else (0.0, 0.0)
    return {
        "batches": sent,
        "commit_p50_seconds": round(float(p50), 3),
        "commit_p99_seconds": round(float(p99), 3),
        "rss_mb": round(end, 1),
        "rss_growth": round(end / begin - 1, 3),
    }
