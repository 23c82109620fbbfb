"""`piekwacht bench steady`: batches at a steady rate: how late they are committed, and whether memory stays flat.

All are signed before the clock starts, each with the stamps of a timetable that the sender then keeps: its own work
takes little of the machine, and where it is late, that counts. On a virtual machine others may take the processors away
for seconds; what is `ours` was due when they did not (at most 5 % in that second and in the three before).
"""

import argparse
import asyncio
import json
import pickle
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psycopg
from numpy.typing import NDArray

from edge_agent.wire import Signer
from gateway.bench.fixture import LEVELS, database, enrolled, gateway, processor_times, resident, signed
from gateway.errors import GatewayError
from gateway.mqtt.connection import linked
from gateway.mqtt.settings import BrokerSettings
from gateway.system.embedded_servers import Broker

_READINGS = 10
_LOOK = 1.0  # s between looks at the memory
_SAMPLE = 10_000  # batches to judge lateness by
_RUN_IN = 0.2  # of the time, before memory is judged
_BREATH = 0.005  # s that the sender sleeps at least
_STEAL = 7  # its place in `processor_times`
_OURS = 0.05  # of the processors may be taken from us in a second that is said to be ours,
_AFTER = 3.0  # s after one that was not
_LATENESS = """
SELECT n.newest, extract(epoch FROM b.committed_at) - n.newest
FROM batch b JOIN LATERAL (
    SELECT extract(epoch FROM max(observed_at)) + %(shift)s AS newest FROM observation o
    WHERE o.datastream_id = (SELECT min(id) FROM datastream d WHERE d.node_id = b.node_id) AND o.batch_id = b.id
      AND o.observed_at BETWEEN b.committed_at - make_interval(secs => %(shift)s + 120) AND b.committed_at
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
        batches = int(given.rate * given.seconds)
        timetable = _prepare(folder / "batches", nodes, given.rate, batches)
        child = stack.enter_context(gateway(folder, dsn, broker.settings, Signer.generate("gateway.bench")))
        child.wait_until(lambda: "taking in" in child.last_words(), timeout=120)
        sender = stack.enter_context(ThreadPoolExecutor(1))
        sending = sender.submit(asyncio.run, _send(broker.settings, folder / "batches", given.rate, batches))
        looks = list(_looks(child.process.pid, sending))
        found = _lateness(dsn, batches, sending.result() - timetable)
    print(json.dumps(_result(batches, found, looks)))  # noqa: T201 - the command's own output
    return 0


@dataclass(frozen=True, kw_only=True)
class _Look:
    """At a time (s since 1970): the gateway's memory, and what part of the processors others took since the last."""

    at: float
    megabytes: float
    stolen: float


def _looks(pid: int, until: Future[float]) -> Iterator[_Look]:
    before = processor_times()
    while not until.done():
        time.sleep(_LOOK)
        now = processor_times()
        spent = [b - a for a, b in zip(before, now, strict=True)]
        yield _Look(at=time.time(), megabytes=resident(pid), stolen=spent[_STEAL] / max(1, sum(spent)))
        before = now


def _prepare(path: Path, nodes: list[Signer], rate: int, batches: int) -> float:
    """Sign all; returns when the first is due by its own stamps, s since 1970."""
    began = time.time()
    with path.open("wb") as file:
        for one in _payloads(nodes, batches, began, rate):
            pickle.dump(one, file)
    return began


async def _send(settings: BrokerSettings, path: Path, rate: int, batches: int) -> float:
    """Each when it is due; returns when the first was, s since 1970."""
    async with linked(settings, "bench-steady", most=1) as link:
        with path.open("rb") as file:
            began = time.time()
            for number in range(batches):
                if (wait := began + number / rate - time.time()) > 0:
                    await asyncio.sleep(max(wait, _BREATH))
                topic, body = pickle.load(file)  # noqa: S301 - our own
                await link.publish(topic, body, sure=True)
    return began


def _payloads(nodes: list[Signer], batches: int, began: float, rate: int) -> Iterator[tuple[str, bytes]]:
    """Each node in turn: ten readings of the second that ends when it is due."""
    for number in range(batches):
        signer, seq = nodes[number % len(nodes)], number // len(nodes) + 1
        wave = 1 + 0.02 * ((seq * 7 + number) % 11 - 5) / 5
        columns = {name: [round(level * wave, 2)] * _READINGS for name, level in LEVELS.items()}
        due = int((began + number / rate) * 1000)
        yield signed(signer, seq, due - (_READINGS - 1) * 100, 100, columns)


def _lateness(dsn: str, sent: int, shift: float) -> NDArray[np.float64]:
    """Shape (some of the batches, 2): when its newest reading was due, s since 1970; from then to COMMIT, s."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        until = time.monotonic() + 60
        while (row := connection.execute("SELECT count(*) FROM batch").fetchone()) != (sent,):
            if time.monotonic() > until:
                raise GatewayError(f"{sent} batches were sent and {row and row[0]} are stored")
            time.sleep(0.2)
        values = {"every": max(1, sent // _SAMPLE), "shift": shift}
        return np.array(connection.execute(_LATENESS, values).fetchall(), np.float64)


def _result(sent: int, lateness: NDArray[np.float64], looks: Sequence[_Look]) -> dict[str, object]:
    settled = [look.megabytes for look in looks][int(len(looks) * _RUN_IN) :]
    fifth = max(1, len(settled) // 5)
    begin, end = statistics.median(settled[:fifth]), statistics.median(settled[-fifth:])
    due, late = lateness.T
    taken = np.array([look.at for look in looks if look.stolen > _OURS])
    ours = ~((due[:, None] > taken - _LOOK) & (due[:, None] < taken + _AFTER)).any(axis=1)
    p50, p99 = np.quantile(late, [0.5, 0.99])
    return {
        "batches": sent,
        "commit_p50_seconds": round(float(p50), 3),
        "commit_p99_seconds": round(float(p99), 3),
        "stolen_percent": round(statistics.mean(look.stolen for look in looks) * 100, 1),
        "ours_percent": round(float(ours.mean()) * 100, 1),
        "commit_p99_seconds_ours": round(float(np.quantile(late[ours], 0.99)), 3) if ours.any() else None,
        "rss_mb": round(end, 1),
        "rss_growth": round(end / begin - 1, 3),
    }
