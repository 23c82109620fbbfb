"""`piekwacht bench steady`: commit delay and memory growth at a steady rate of batches.

All batches are signed before the measurement, each with its time in a timetable that the sender then follows. The
sender takes little of the machine, and its own delays count. On a virtual machine other guests may take the
processors for seconds. The `ours` figures are those of batches that were due when at most 5 % was stolen, in that
second and in the three before.
"""

import argparse
import asyncio
import json
import pickle
import statistics
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
from gateway.bench.fixture import (
    TYPICAL_VALUES,
    enrol_nodes,
    processor_times,
    resident_megabytes,
    run_gateway,
    run_servers,
    sign_batch,
)
from gateway.errors import GatewayError
from gateway.mqtt.connection import open_connection
from gateway.mqtt.settings import BrokerSettings

_READINGS_PER_BATCH = 10
_SAMPLE_SECONDS = 1.0  # s between samples of the memory
_DELAY_SAMPLE = 10_000  # batches whose delay is measured
_WARM_UP_SHARE = 0.2  # of the run, excluded from the memory figure
_MIN_SLEEP_SECONDS = 0.005  # s, shortest sleep of the sender
_STEAL_INDEX = 7  # index in `processor_times`
_MAX_STOLEN_SHARE = 0.05  # of processor time; a second with more stolen time counts as disturbed,
_DISTURBED_SECONDS = 3.0  # as do so many seconds after it
_SELECT_DELAYS = """
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


def run(args: argparse.Namespace) -> int:
    """Measure and print; the last line is JSON."""
    with ExitStack() as stack:
        folder, dsn, broker = stack.enter_context(run_servers(args.dsn))
        nodes = enrol_nodes(dsn, args.nodes)
        batches = int(args.rate * args.seconds)
        first_due = _sign_batches(folder / "batches", nodes, args.rate, batches)
        child = stack.enter_context(run_gateway(folder, dsn, broker.settings, Signer.generate("gateway.bench")))
        child.wait_until(lambda: "ingest started" in child.read_log_tail(), timeout=120)
        sender = stack.enter_context(ThreadPoolExecutor(1))
        sent = sender.submit(asyncio.run, _send_batches(broker.settings, folder / "batches", args.rate, batches))
        samples = list(_sample_process(child.process.pid, sent))
        delays = _load_delays(dsn, batches, sent.result() - first_due)
    print(json.dumps(_summarize(batches, delays, samples)))  # noqa: T201 - the command's own output
    return 0


@dataclass(frozen=True, kw_only=True)
class _Sample:
    """One sample: time (s since 1970), the gateway's memory, share of processor time stolen since the last."""

    at: float
    megabytes: float
    stolen_share: float


def _sample_process(pid: int, sending: Future[float]) -> Iterator[_Sample]:
    previous = processor_times()
    while not sending.done():
        time.sleep(_SAMPLE_SECONDS)
        current = processor_times()
        ticks = [b - a for a, b in zip(previous, current, strict=True)]
        yield _Sample(
            at=time.time(), megabytes=resident_megabytes(pid), stolen_share=ticks[_STEAL_INDEX] / max(1, sum(ticks))
        )
        previous = current


def _sign_batches(path: Path, nodes: list[Signer], rate: int, batches: int) -> float:
    """Sign all batches into a file; return the time at which the first is due, s since 1970."""
    start = time.time()
    with path.open("wb") as file:
        for payload in _generate_payloads(nodes, batches, start, rate):
            pickle.dump(payload, file)
    return start


async def _send_batches(settings: BrokerSettings, path: Path, rate: int, batches: int) -> float:
    """Send each batch when it is due; return the time of the first, s since 1970."""
    async with open_connection(settings, "bench-steady", max_waiting=1) as link:
        with path.open("rb") as file:
            start = time.time()
            for number in range(batches):
                if (delay := start + number / rate - time.time()) > 0:
                    await asyncio.sleep(max(delay, _MIN_SLEEP_SECONDS))
                topic, body = pickle.load(file)  # noqa: S301 - our own
                await link.publish(topic, body, at_least_once=True)
    return start


def _generate_payloads(nodes: list[Signer], batches: int, start: float, rate: int) -> Iterator[tuple[str, bytes]]:
    """Return a batch of ten readings of the second that ends when the batch is due; nodes take turns."""
    for number in range(batches):
        signer, seq = nodes[number % len(nodes)], number // len(nodes) + 1
        factor = 1 + 0.02 * ((seq * 7 + number) % 11 - 5) / 5
        columns = {name: [round(level * factor, 2)] * _READINGS_PER_BATCH for name, level in TYPICAL_VALUES.items()}
        due = int((start + number / rate) * 1000)
        yield sign_batch(signer, seq, due - (_READINGS_PER_BATCH - 1) * 100, 100, columns)


def _count_batches(connection: psycopg.Connection) -> int:
    ((count,),) = connection.execute("SELECT count(*) FROM batch").fetchall()
    return int(count)


def _load_delays(dsn: str, batch_count: int, shift: float) -> NDArray[np.float64]:
    """Return (n, 2): time at which the newest reading was due (s since 1970), delay until COMMIT (s)."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        until = time.monotonic() + 60
        while (stored_count := _count_batches(connection)) != batch_count:
            if time.monotonic() > until:
                raise GatewayError(f"{batch_count} batches were sent and {stored_count} are stored")
            time.sleep(0.2)
        values = {"every": max(1, batch_count // _DELAY_SAMPLE), "shift": shift}
        return np.array(connection.execute(_SELECT_DELAYS, values).fetchall(), np.float64)


def _summarize(batch_count: int, delays: NDArray[np.float64], samples: Sequence[_Sample]) -> dict[str, object]:
    megabytes = [sample.megabytes for sample in samples][int(len(samples) * _WARM_UP_SHARE) :]
    fifth = max(1, len(megabytes) // 5)
    begin, end = statistics.median(megabytes[:fifth]), statistics.median(megabytes[-fifth:])
    due, delay = delays.T
    stolen_at = np.array([sample.at for sample in samples if sample.stolen_share > _MAX_STOLEN_SHARE])
    is_undisturbed = ~(
        (due[:, None] > stolen_at - _SAMPLE_SECONDS) & (due[:, None] < stolen_at + _DISTURBED_SECONDS)
    ).any(axis=1)
    p50, p99 = np.quantile(delay, [0.5, 0.99])
    return {
        "batches": batch_count,
        "commit_p50_seconds": round(float(p50), 3),
        "commit_p99_seconds": round(float(p99), 3),
        "stolen_percent": round(statistics.mean(sample.stolen_share for sample in samples) * 100, 1),
        "ours_percent": round(float(is_undisturbed.mean()) * 100, 1),
        "commit_p99_seconds_ours": round(float(np.quantile(delay[is_undisturbed], 0.99)), 3)
        if is_undisturbed.any()
        else None,
        "rss_mb": round(end, 1),
        "rss_growth": round(end / begin - 1, 3),
    }
