"""One turn of one consumer on new servers: a measurement, or kills while it drains a backlog."""

import asyncio
import os
import random
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg

from edge_agent.wire import Signer
from gateway.bench.backlog import ROWS_PER_BATCH, first_reading_ms, publish_batches, subscribe
from gateway.bench.fixture import Servers, enrol_nodes, run_servers
from tests.benchmarks.peers.contenders import Contender
from tests.benchmarks.peers.measurement import Measurement, database_process, measure

_WARM_UP_ROUNDS = 30  # batches of each node: kernels are compiled, datastreams created, the decoding process loaded
_MIN_WARM_UP_BATCHES = 3_000
_SETTLE_SECONDS = 12.0  # s until a consumer has done what it does only once, such as checking its machine
_TIMEOUT = 300.0  # s
_IDLE_SECONDS = 10.0  # s without new values after which nothing more is expected


@dataclass(frozen=True, kw_only=True)
class _Stage:
    """Servers with enrolled nodes, and a session on the broker that collects their batches."""

    contender: Contender
    servers: Servers
    connection: psycopg.Connection
    signers: Sequence[Signer]

    def publish(self, rounds: int, first_round: int = 1) -> int:
        """Publish so many batches of each node; return the number of values."""
        batches = rounds * len(self.signers)
        asyncio.run(publish_batches(self.servers.broker.settings, self.signers, batches, first_round=first_round))
        return batches * ROWS_PER_BATCH

    def is_stored(self, seq: int) -> bool:
        """Whether batch `seq` of the last node is stored; batches are stored in the order of the broker."""
        values = {"node": self.signers[-1].name, "seq": seq, "at": first_reading_ms(seq)}
        ((count,),) = self.connection.execute(self.contender.is_stored, values).fetchall()
        return bool(count)

    def wait_until_stored(self, seq: int) -> None:
        """Wait for batch `seq` of the last node."""
        deadline = time.monotonic() + _TIMEOUT
        while not self.is_stored(seq):
            if time.monotonic() > deadline:
                raise SystemExit(f"{self.contender.name} did not store batch {seq} of each node in {_TIMEOUT:.0f} s")
            time.sleep(0.2)

    def count(self, query: str) -> int:
        """Return what the query counts."""
        ((count,),) = self.connection.execute(query).fetchall()
        return int(count)


@contextmanager
def _prepare(contender: Contender, nodes: int) -> Iterator[_Stage]:
    with run_servers(None) as servers, psycopg.connect(servers.dsn, autocommit=True) as connection:
        signers = enrol_nodes(servers.dsn, nodes)
        if contender.schema:
            connection.execute(contender.schema)
        asyncio.run(subscribe(servers.broker.settings, contender.session))
        yield _Stage(contender=contender, servers=servers, connection=connection, signers=signers)


def run_measurement(contender: Contender, nodes: int, batches: int) -> Measurement:
    """Warm up, then measure while the consumer drains a backlog."""
    warm_up = max(_WARM_UP_ROUNDS if nodes <= 1_000 else 1, _MIN_WARM_UP_BATCHES // nodes)
    rounds = max(int(batches * contender.share) // nodes, 1)
    with _prepare(contender, nodes) as stage:
        stage.publish(warm_up)
        with contender.start(stage.servers) as child:
            stage.wait_until_stored(warm_up)
            time.sleep(_SETTLE_SECONDS)
            others = {"database": database_process(stage.connection), "broker": stage.servers.broker.pid}
            return measure(
                child.process.pid,
                others,
                publish=lambda: stage.publish(rounds, first_round=warm_up + 1),
                is_stored=lambda: stage.is_stored(warm_up + rounds),
            )


def kill_while_draining(contender: Contender, nodes: int, batches: int, kills: int) -> dict[str, int]:
    """Kill the consumer at random moments; return the values that are missing and those that are there twice."""
    moments = random.Random(1)
    rounds = max(batches // nodes, kills + 2)
    with _prepare(contender, nodes) as stage:
        expected = stage.publish(rounds)
        for number in range(1, kills + 1):
            with contender.start(stage.servers) as child:
                _wait_for_values(stage, expected * number // (kills + 2))
                time.sleep(moments.uniform(0, 0.3))
                os.kill(child.process.pid, signal.SIGKILL)
                child.process.wait()
        with contender.start(stage.servers):
            _wait_for_values(stage, expected)
        stored, twice = stage.count(contender.count), stage.count(contender.duplicates)
    return {"kills": kills, "lost": expected - (stored - twice), "twice": twice}


def _wait_for_values(stage: _Stage, expected: int) -> None:
    """Wait until so many values are stored, or nothing has been added for a while: a consumer may lose some."""
    last, changed_at = -1, time.monotonic()
    while last < expected and time.monotonic() < changed_at + _IDLE_SECONDS:
        count = stage.count(stage.contender.count)
        if count != last:
            last, changed_at = count, time.monotonic()
        time.sleep(0.5)
