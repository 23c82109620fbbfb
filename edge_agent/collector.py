"""Readings gather here until they are a batch: in columns, one batch a sensor, cut where the clock was set."""

import math
from collections.abc import Iterable, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from edge_agent import clock
from edge_agent.sensors.sensor import Reading
from edge_agent.spool import BatchFactory, Loss, SignedBatch
from edge_agent.wire import ClockState, ReadingBatch, Signer

_MAX_MERGED_READINGS = 1000  # readings in one joined batch


class BatchSettings(Struct, frozen=True, kw_only=True):
    """`[batch]`: how readings become batches and how batches leave.

    interval_seconds       time between commits, each with one batch per sensor: a power cut loses at most this
    max_readings           number of waiting readings that also starts a commit
    resend_seconds         a batch that the gateway does not confirm is sent again after this, then after twice as
                           long, and so on
    drain_seconds          time to wait for confirmations when the agent stops
    offline_seconds        readings of a node without a broker for longer than this go to the backlog lane
    backlog_per_second     token bucket of the backlog lane, in batches per second
    forget_seconds         minimum time between deletions of confirmed batches: each deletion is written to the card
    merge_seconds          without a broker, committed readings become one batch per sensor only at this interval:
                           fewer bytes
    backlog_start_seconds  the backlog begins a random part of this after connecting, so that a fleet spreads its
                           return
    """

    interval_seconds: Annotated[float, Meta(gt=0, le=3600)] = 60.0
    max_readings: Annotated[int, Meta(ge=1, le=10_000)] = 1000
    resend_seconds: Annotated[float, Meta(gt=0)] = 30.0
    drain_seconds: Annotated[float, Meta(ge=0)] = 10.0
    offline_seconds: Annotated[float, Meta(ge=0)] = 120.0
    forget_seconds: Annotated[float, Meta(ge=0)] = 600.0
    merge_seconds: Annotated[float, Meta(ge=0, le=3600)] = 1800.0
    backlog_per_second: Annotated[float, Meta(gt=0)] = 50.0
    backlog_start_seconds: Annotated[float, Meta(ge=0)] = 1.0


class Collector:
    """Readings that are not stored yet."""

    def __init__(self, settings: BatchSettings, *, now: float) -> None:
        self._settings = settings
        self._due_at = now + settings.interval_seconds
        self._pending: dict[str, list[Reading]] = {}
        self._offsets: dict[str, int] = {}  # sensor -> wall time minus time since boot, ms
        self._pending_count = 0

    def add(self, sensor: str, reading: Reading) -> None:
        """Take one reading in."""
        self._pending.setdefault(sensor, []).append(reading)
        self._pending_count += 1

    def is_due(self, now: float) -> bool:
        """Whether it is time to store; `now` is monotonic seconds."""
        return bool(self._pending_count) and (now >= self._due_at or self._pending_count >= self._settings.max_readings)

    def take_runs(self, now: float) -> list[list[Reading]]:
        """All that waits, one list a sensor."""
        runs = [
            run for sensor, readings in self._pending.items() for run in self._split_at_clock_steps(sensor, readings)
        ]
        self._pending, self._pending_count = {}, 0
        self._due_at = now + self._settings.interval_seconds
        return runs

    def seconds_until_due(self, now: float) -> float:
        """Seconds until the next commit; without readings there is none."""
        return max(0.0, self._due_at - now) if self._pending_count else self._settings.interval_seconds

    def _split_at_clock_steps(self, sensor: str, readings: Sequence[Reading]) -> list[list[Reading]]:
        """Cut where the clock was set: within a batch, stamps and time since boot run together."""
        runs: list[list[Reading]] = []
        for reading in readings:
            offset = reading.observed_at - reading.mono
            stepped = abs(offset - self._offsets.get(sensor, offset)) > clock.STEP_MS
            self._offsets[sensor] = offset
            if stepped:
                runs.append([msgspec.structs.replace(reading, clock=ClockState.STEPPED)])
            elif runs:
                runs[-1].append(reading)
            else:
                runs.append([reading])
        return runs


def build_batch(readings: Sequence[Reading], *, node: str, inc: str, seq: int, hist: bool) -> ReadingBatch:
    """Readings of one sensor -> a batch. A property that a reading lacks is None there."""
    first = readings[0]
    property_names = list(dict.fromkeys(name for reading in readings for name in reading.values))
    positions = [reading.position for reading in readings]
    flags = {name: [reading.flags.get(name, 0) for reading in readings] for name in property_names}
    return ReadingBatch(
        v=1,
        node=node,
        inc=inc,
        seq=seq,
        boot=clock.boot_id(),
        mono=first.mono,
        clock=_worst_clock(readings),
        hist=hist,
        t0=first.observed_at,
        dt=[reading.observed_at - first.observed_at for reading in readings],
        values={name: [_compact_number(reading.values.get(name)) for reading in readings] for name in property_names},
        flags={name: column for name, column in flags.items() if any(column)},
        pos=[place for place in positions if place is not None] if None not in positions else None,
    )


def merge_batches(batches: Iterable[ReadingBatch]) -> list[ReadingBatch]:
    """Neighbouring batches of one sensor under one clock of one boot, as one: the same readings in fewer bytes."""
    runs: list[list[ReadingBatch]] = []
    open_runs: dict[tuple[object, ...], list[ReadingBatch]] = {}
    for batch in batches:
        key = (tuple(sorted(batch.values)), batch.boot, batch.clock, batch.pos is None)
        run = open_runs.get(key)
        if (
            run is None
            or _has_clock_step(run[-1], batch)
            or sum(len(b.dt) for b in run) + len(batch.dt) > _MAX_MERGED_READINGS
        ):
            run = open_runs[key] = []
            runs.append(run)
        run.append(batch)
    return [_merge_run(run) for run in runs]


def _has_clock_step(before: ReadingBatch, after: ReadingBatch) -> bool:
    return abs((after.t0 - after.mono) - (before.t0 - before.mono)) > clock.STEP_MS or after.t0 < before.t0


def _merge_run(run: Sequence[ReadingBatch]) -> ReadingBatch:
    first = run[0]
    flagged_names = {name for batch in run for name in batch.flags}
    return msgspec.structs.replace(
        first,
        dt=[batch.t0 - first.t0 + dt for batch in run for dt in batch.dt],
        values={name: [value for batch in run for value in batch.values[name]] for name in first.values},
        flags={n: [f for batch in run for f in batch.flags.get(n, [0] * len(batch.dt))] for n in sorted(flagged_names)},
        pos=None if first.pos is None else [place for batch in run for place in batch.pos or []],
    )


def build_gap_record(inc: str, seq: int, loss: Loss, *, signer: Signer) -> SignedBatch:
    """A loss as a batch: `lost_readings` is their number at the first lost stamp, and 0 at the last."""
    moment = clock.now()
    batch = ReadingBatch(
        v=1,
        node=signer.name,
        inc=inc,
        seq=seq,
        boot=clock.boot_id(),
        mono=moment.mono - (moment.wall - loss.first_at),
        clock=moment.clock,
        hist=True,
        t0=loss.first_at,
        dt=[0, loss.last_at - loss.first_at],
        values={"lost_readings": [float(loss.readings), 0.0]},
    )
    return SignedBatch(batch=batch, payload=signer.sign(batch.encode()))


def _compact_number(value: float | None) -> float | None:
    """30512.0 as 30512, which JSON writes shorter and means the same; -0.0 stays what it is."""
    if value is None or not value.is_integer() or abs(value) >= 2**53:
        return value
    return int(value) if value or math.copysign(1.0, value) > 0 else value


def _worst_clock(readings: Sequence[Reading]) -> ClockState:
    order = (ClockState.STEPPED, ClockState.UNSYNCED, ClockState.SYNCED)
    return min((reading.clock for reading in readings), key=order.index)


def make_batch_factory(readings: Sequence[Reading], *, signer: Signer, hist: bool) -> BatchFactory:
    """Return the function that the spool calls once the number is known; `hist` is fixed here."""

    def create_batch(inc: str, seq: int) -> SignedBatch:
        batch = build_batch(readings, node=signer.name, inc=inc, seq=seq, hist=hist)
        return SignedBatch(batch=batch, payload=signer.sign(batch.encode()))

    return create_batch


def make_merge_factories(held_batches: Sequence[bytes], *, signer: Signer) -> list[BatchFactory]:
    """Join held readings; return the function that the spool calls per batch. `hist` is set."""

    def make_factory(batch: ReadingBatch) -> BatchFactory:
        def create_batch(inc: str, seq: int) -> SignedBatch:
            merged = msgspec.structs.replace(batch, inc=inc, seq=seq, hist=True)
            return SignedBatch(batch=merged, payload=signer.sign(merged.encode()))

        return create_batch

    return [make_factory(batch) for batch in merge_batches(ReadingBatch.decode(text) for text in held_batches)]
