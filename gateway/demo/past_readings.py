"""Readings of the demo's past: the simulated air, the nodes' own logs, and the signed batches of each stage.

There is a reading per minute, and per second since the last full hour. The live nodes continue with the rhythm of that
hour, so that the expected number of readings is right for every hour.
"""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from msgspec import structs

from edge_agent.batch_builder import build_batch
from edge_agent.reading_log import ReadingLog
from edge_agent.sensors.sensor import Reading
from edge_agent.sensors.simulated_air import SimulatedAir
from edge_agent.wire import ClockState, Signer, Topic, TopicKind
from gateway.demo.past_world import PastWorld
from gateway.demo.world import PROPERTIES, StationWorld

_MINUTE, _SECOND = 60_000, 1_000  # ms
_STAGE = timedelta(hours=3)
_READINGS_PER_BATCH = {_MINUTE: 5, _SECOND: 30}
_SEED_OFFSET = 1_000  # the past has other noise than the live readings
_BOOT = "before"  # an earlier boot of each node: its time since boot has nothing to do with this machine's


@dataclass(frozen=True, kw_only=True)
class PastNode:
    """One node of the past: its key, its place in the world, and its own log of readings."""

    area: str
    key: Signer
    log: Path


@dataclass(frozen=True, kw_only=True)
class SignedPayload:
    """One signed batch, and the time of its first reading (ms UTC)."""

    first_ms: int
    topic: str
    body: bytes


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Batches that arrive together, in the order of time. `late`: from the backlog of a node."""

    payloads: Sequence[SignedPayload]
    late: bool = False


def count_readings(start: datetime, end: datetime) -> int:
    """Return how many readings each node makes from `start` to `end`."""
    return sum(len(list(ticks)) for _, ticks in _plan_stages(start, end))


def create_stages(nodes: Sequence[PastNode], world: PastWorld, end: datetime, seed: int) -> Iterator[Stage]:
    """Simulate, log and sign, stage by stage; what a node delivers late is the last stage.

    The same arguments and keys give the same bytes, so that a repetition changes nothing.
    """
    makers = [
        _NodeMaker(node, station, world.start, seed + _SEED_OFFSET + number)
        for number, (node, station) in enumerate(zip(nodes, world.stations, strict=True))
    ]
    late_payloads: list[SignedPayload] = []
    for step_ms, ticks in _plan_stages(world.start, end):
        payloads: list[SignedPayload] = []
        for number, maker in enumerate(makers):
            late_seconds = world.late_seconds if number == world.late_station else None
            on_time, late = maker.make(ticks, _READINGS_PER_BATCH[step_ms], late_seconds)
            payloads += on_time
            late_payloads += late
        yield Stage(payloads=sorted(payloads, key=lambda payload: (payload.first_ms, payload.topic)))
    if late_payloads:
        yield Stage(payloads=late_payloads, late=True)


def _plan_stages(start: datetime, end: datetime) -> Iterator[tuple[int, range]]:
    """Yield (step, times) of each stage, in ms UTC."""
    full_hour = end.replace(minute=0, second=0, microsecond=0)
    begin = start
    while begin < full_hour:
        until = min(begin + _STAGE, full_hour)
        yield _MINUTE, range(_to_ms(begin), _to_ms(until), _MINUTE)
        begin = until
    if full_hour < end:
        yield _SECOND, range(_to_ms(max(start, full_hour)), _to_ms(end), _SECOND)


def _to_ms(moment: datetime) -> int:
    return int(moment.timestamp()) * 1000


class _NodeMaker:
    """Makes the batches of one node, with rising numbers of one incarnation."""

    def __init__(self, node: PastNode, station: StationWorld, start: datetime, seed: int) -> None:
        self._node, self._start_ms, self._seq = node, _to_ms(start), 0
        self._topic = str(Topic(area=node.area, node=node.key.name, kind=TopicKind.READINGS))
        self._air = SimulatedAir(
            PROPERTIES, seed=seed, plumes=station.plumes, winds=station.winds, faults=station.faults
        )
        digest = hashlib.sha256(f"{node.key.name} {self._start_ms} {seed}".encode()).digest()
        self._incarnation = base64.b32encode(digest[:8]).decode().lower()[:12]

    def make(
        self, ticks: range, size: int, late_seconds: tuple[float, float] | None
    ) -> tuple[list[SignedPayload], list[SignedPayload]]:
        """Return the batches that arrive on time, and those of the backlog."""
        runs = [[self._read(at) for at in ticks[i : i + size]] for i in range(0, len(ticks), size)]
        with ReadingLog(self._node.log) as log:
            log.write(runs)
        on_time: list[SignedPayload] = []
        late: list[SignedPayload] = []
        for readings in runs:
            elapsed = (readings[0].observed_at - self._start_ms) / 1000
            is_late = late_seconds is not None and late_seconds[0] <= elapsed < late_seconds[1]
            (late if is_late else on_time).append(self._sign(readings, hist=is_late))
        return on_time, late

    def _read(self, at: int) -> Reading:
        elapsed = at - self._start_ms
        values = self._air.simulate(elapsed / 1000, at / 1000)
        return Reading(observed_at=at, mono=elapsed + 1, clock=ClockState.SYNCED, values=values)

    def _sign(self, readings: Sequence[Reading], *, hist: bool) -> SignedPayload:
        self._seq += 1
        batch = build_batch(readings, node=self._node.key.name, inc=self._incarnation, seq=self._seq, hist=hist)
        body = self._node.key.sign(structs.replace(batch, boot=_BOOT).encode())
        return SignedPayload(first_ms=batch.t0, topic=self._topic, body=body)
