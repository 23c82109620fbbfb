"""Backlog of the ingest benchmarks: signed batches that wait in a session of the broker until a consumer starts."""

import time
from collections.abc import Iterator, Sequence

import numpy as np

from edge_agent.wire import Signer
from gateway.bench.fixture import AREA, TYPICAL_VALUES, sign_batch
from gateway.mqtt.connection import open_connection
from gateway.mqtt.settings import BrokerSettings

READINGS_PER_BATCH = 10
ROWS_PER_BATCH = READINGS_PER_BATCH * len(TYPICAL_VALUES)
MAX_BATCHES_PER_SECOND = 7_000  # batches per second that are prepared: more than a gateway can store
_START_MS = time.time_ns() // 1_000_000
_MAX_ROUNDS = 8_000  # batches of one node that are of the past
_TYPICAL = np.array(list(TYPICAL_VALUES.values()))


def first_reading_ms(seq: int) -> int:
    """Return the time of the first reading of batch `seq` of any node, in ms UTC."""
    return _START_MS + (seq - _MAX_ROUNDS) * READINGS_PER_BATCH * 1000


async def subscribe(settings: BrokerSettings, session: str) -> None:
    """Create a session on the broker, so that the broker collects batches for it."""
    async with open_connection(settings, session, max_waiting=1) as connection:
        await connection.subscribe([f"pw/v1/{AREA}/+/readings"])


async def publish_batches(
    settings: BrokerSettings, nodes: Sequence[Signer], batches: int, *, first_round: int = 1
) -> None:
    """Sign, send, and wait until the broker has every batch; `first_round` is the number of each node's first batch."""
    async with open_connection(settings, "bench-publisher", max_waiting=1) as connection:
        for topic, body in _generate_payloads(nodes, batches, first_round):
            await connection.publish(topic, body, at_least_once=True)
        await connection.subscribe(["bench/nothing"])  # its answer shows that the broker has read everything before


def _generate_payloads(nodes: Sequence[Signer], batches: int, first_round: int) -> Iterator[tuple[str, bytes]]:
    """Return batches node by node, round by round, as a network sends them; values vary a little."""
    noise = np.random.default_rng(first_round)
    for number in range(batches):
        signer, seq = nodes[number % len(nodes)], number // len(nodes) + first_round
        values = np.round(_TYPICAL * (1 + 0.02 * noise.standard_normal((READINGS_PER_BATCH, len(TYPICAL_VALUES)))), 2)
        columns = {name: values[:, i].tolist() for i, name in enumerate(TYPICAL_VALUES)}
        yield sign_batch(signer, seq, first_reading_ms(seq), 1000, columns)
