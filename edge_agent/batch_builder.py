"""Build signed batches from readings: in columns, one sensor per batch. Pure, but for the clock of a gap record.

The spool calls the factories once it knows the number of a batch; what was sent once never changes.
"""

import math
from collections.abc import Iterable, Sequence

import msgspec

from edge_agent import clock
from edge_agent.sensors.sensor import Reading
from edge_agent.spool import BatchFactory, Loss, SignedBatch
from edge_agent.wire import ClockState, ReadingBatch, Signer

_MAX_MERGED_READINGS = 1000  # readings in one merged batch


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
        pos=[position for position in positions if position is not None] if None not in positions else None,
    )


def merge_batches(batches: Iterable[ReadingBatch]) -> list[ReadingBatch]:
    """Merge neighbouring batches of one sensor under one clock of one boot: the same readings in fewer bytes."""
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
        pos=None if first.pos is None else [position for batch in run for position in batch.pos or []],
    )


def build_gap_record(inc: str, seq: int, loss: Loss, *, signer: Signer) -> SignedBatch:
    """Return a loss as a batch: `lost_readings` is their number at the first lost stamp, and 0 at the last."""
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


def change_incarnation(payload: bytes, incarnation: str, *, signer: Signer) -> bytes:
    """Return a signed batch with the same number and readings under another incarnation."""
    batch = ReadingBatch.decode(signer.verifier.open(payload))
    return signer.sign(msgspec.structs.replace(batch, inc=incarnation).encode())


def _compact_number(value: float | None) -> float | None:
    """Return 30512.0 as 30512: the same number, shorter in JSON. -0.0 stays -0.0."""
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
    """Merge held batches; return one function per merged batch, which the spool calls. `hist` is set."""

    def make_factory(batch: ReadingBatch) -> BatchFactory:
        def create_batch(inc: str, seq: int) -> SignedBatch:
            merged = msgspec.structs.replace(batch, inc=inc, seq=seq, hist=True)
            return SignedBatch(batch=merged, payload=signer.sign(merged.encode()))

        return create_batch

    return [make_factory(batch) for batch in merge_batches(ReadingBatch.decode(text) for text in held_batches)]
