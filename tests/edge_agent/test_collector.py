"""Readings become batches: none is lost, and no batch contains a clock step."""

import itertools
import math
import struct

from hypothesis import given
from hypothesis import strategies as st

from edge_agent import clock
from edge_agent.batch_builder import make_batch_factory, make_merge_factories, merge_batches
from edge_agent.collector import BatchSettings, Collector
from edge_agent.sensors.sensor import Reading
from edge_agent.wire import ClockState, ReadingBatch, Signer

SIGNER = Signer.generate("ijm-001")
finite = st.floats(allow_nan=False, allow_infinity=False)


def reading(wall: int, mono: int, value: float | None = 1.0, **flags: int) -> Reading:
    return Reading(observed_at=wall, mono=mono, clock=ClockState.SYNCED, values={"pm10": value}, flags=flags)


def batch_of(readings, *, hist: bool = False) -> ReadingBatch:
    return make_batch_factory(readings, signer=SIGNER, hist=hist)("a" * 12, 1).batch


def build_batch(readings) -> ReadingBatch:
    return ReadingBatch.decode(
        SIGNER.verifier.open(make_batch_factory(readings, signer=SIGNER, hist=False)("a" * 12, 1).payload)
    )


@given(st.lists(st.tuples(st.integers(0, 10**6), st.none() | finite, st.integers(0, 1023)), min_size=1, max_size=20))
def test_readings_are_sent_unchanged_to_the_last_bit(rows):
    readings = [reading(at, at, value, pm10=flag) for at, value, flag in rows]
    batch = build_batch(readings)
    assert [batch.t0 + dt for dt in batch.dt] == [at for at, _, _ in rows]
    for got, (_, value, _) in zip(batch.values["pm10"], rows, strict=True):
        assert (got is None) == (value is None)
        assert value is None or struct.pack(">d", got) == struct.pack(">d", value)
    assert batch.flags.get("pm10", [0] * len(rows)) == [flag for _, _, flag in rows]


def test_a_whole_number_is_written_without_its_point_and_minus_zero_keeps_its_sign():
    payload = make_batch_factory([reading(0, 0, 30512.0)], signer=SIGNER, hist=False)("a" * 12, 1).payload
    assert b'"pm10":[30512]' in payload
    assert math.copysign(1, build_batch([reading(0, 0, -0.0)]).values["pm10"][0]) == -1


def test_a_property_is_none_at_readings_that_lack_it():
    first = Reading(observed_at=0, mono=0, clock=ClockState.SYNCED, values={"pm10": 1.5})
    second = Reading(observed_at=1, mono=1, clock=ClockState.SYNCED, values={"co2": 431.0}, flags={"co2": 4})
    batch = batch_of([first, second])
    assert batch.values == {"pm10": [1.5, None], "co2": [None, 431.0]}
    assert batch.flags == {"co2": [0, 4]}


def test_a_place_is_sent_only_where_every_reading_has_one():
    here = (52.478, 4.604, 3.0)
    placed = Reading(observed_at=0, mono=0, clock=ClockState.SYNCED, values={"pm10": 1.5}, position=here)
    assert build_batch([placed]).pos == [here]
    assert batch_of([placed, reading(1, 1)]).pos is None


def test_a_batch_is_due_after_its_interval_or_when_many_wait_and_never_without_readings():
    collector = Collector(BatchSettings(interval_seconds=60, max_readings=3), now=0.0)
    assert not collector.is_due(1000.0)
    assert collector.seconds_until_due(1000.0) == 60
    collector.add("a", reading(0, 0))
    assert not collector.is_due(59.0)
    assert collector.is_due(60.0)
    collector.add("b", reading(0, 0))
    collector.add("b", reading(1, 1))
    assert collector.is_due(0.0)
    assert [len(run) for run in collector.take_runs(0.0)] == [1, 2]
    assert not collector.is_due(1000.0)


STEPS = st.sampled_from([0, 0, 0, 200, -200, 3_600_000, -3_600_000, 5 * 365 * 86_400_000])


@given(st.lists(STEPS, min_size=1, max_size=30), st.integers(1, 30))
def test_a_clock_step_begins_a_new_batch_and_loses_no_reading(steps, cut):
    collector = Collector(BatchSettings(), now=0.0)
    offset, mono, readings, runs = 0, 0, [], []
    for i, step in enumerate(steps):
        offset, mono = offset + step, mono + 1000
        readings.append(reading(mono + offset, mono))
        collector.add("it", readings[-1])
        if i % cut == 0:
            runs += collector.take_runs(0.0)
    runs += collector.take_runs(0.0)
    assert [r.observed_at for run in runs for r in run] == [r.observed_at for r in readings]
    for run in runs:
        offsets = [r.observed_at - r.mono for r in run]
        assert all(abs(b - a) <= clock.STEP_MS for a, b in itertools.pairwise(offsets))
    stepped = sum(abs(step) > clock.STEP_MS for step in steps[1:])
    assert sum(batch_of(run).clock is ClockState.STEPPED for run in runs) == stepped


def test_the_clock_has_a_boot_id_and_a_synchronisation_state():
    moment = clock.now()
    assert moment.clock in {ClockState.SYNCED, ClockState.UNSYNCED}
    assert clock.now().mono >= moment.mono
    assert clock.boot_id() == clock.boot_id() != ""


def list_values(batches) -> list[tuple]:
    """Every value with its stamp, flag, clock and boot."""
    return [
        (name, batch.t0 + dt, value, batch.flags.get(name, [0] * len(batch.dt))[i], batch.clock, batch.boot)
        for batch in batches
        for name, column in batch.values.items()
        for i, (dt, value) in enumerate(zip(batch.dt, column, strict=True))
    ]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["pm10", "co2"]),
            st.integers(0, 3_000),
            st.sampled_from([0, 0, 0, 90_000]),
            st.sampled_from(list(ClockState)),
            st.sampled_from([0, 4]),
        ),
        max_size=12,
    )
)
def test_merged_batches_hold_the_same_values_and_no_clock_step(steps):
    batches, at, offset = [], 0, 10**9
    for name, gap, step, trust, flag in steps:
        at, offset = at + gap, offset + step
        reading = Reading(observed_at=offset + at, mono=at, clock=trust, values={name: float(at)}, flags={name: flag})
        batches.append(batch_of([reading]))
    whole = merge_batches(batches)
    assert sorted(list_values(whole)) == sorted(list_values(batches))
    assert len(whole) <= len(batches)
    for batch in whole:
        assert batch.dt == sorted(batch.dt)


def test_readings_that_waited_for_a_broker_become_few_batches_of_history():
    minutes = [batch_of([reading(60_000 * i + s, 60_000 * i + s, float(i)) for s in (0, 10_000)]) for i in range(30)]
    (sign,) = make_merge_factories([batch.encode() for batch in minutes], signer=SIGNER)
    numbered = sign("b" * 12, 77)
    batch = ReadingBatch.decode(SIGNER.verifier.open(numbered.payload))
    assert (batch.inc, batch.seq, batch.hist, len(batch.dt)) == ("b" * 12, 77, True, 60)
