"""A gap ends events at their last reading, drops evidence and starts an old background anew, however it is noticed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.wire import Flag
from gateway.detection.detector import Detector, has_silent_events
from gateway.detection.settings import DetectionSettings
from gateway.model.event import EventChange, EventKind
from gateway.model.observation import ObservationBatch
from gateway.model.timestamps import from_ms, to_ms
from tests.laws import T0, build_registry, run_detector

DETECTOR = Detector(DetectionSettings())
MINUTE = 60_000
HOUR = 60 * MINUTE


def build_stream(values, at, slot=0, **columns):
    return ObservationBatch.from_columns(np.full(len(at), slot), at, np.asarray(values, float), **columns)


def join(*batches):
    """Rows of several datastreams, by time."""
    columns = {
        name: np.concatenate([getattr(b, name) for b in batches]) for name in ("datastream", "observed_at", "value")
    }
    order = np.argsort(columns["observed_at"], kind="stable")
    return ObservationBatch.from_columns(**{name: column[order] for name, column in columns.items()})


def quiet(count, seed=1):
    return 8 + np.random.default_rng(seed).normal(0, 0.2, count)


def peak_then_gap(gap_ms, after=60, step=MINUTE):
    """Clean air, a peak of ten readings that is still high at the last reading, a gap, clean air."""
    values = quiet(70 + after)
    values[60:70] += 40
    at = T0 + np.arange(70 + after) * step
    at[70:] += gap_ms - step
    return build_stream(values, at)


def peaks(events):
    return [event for event in events if event.kind is EventKind.PEAK]


@pytest.mark.parametrize("gap", [16 * MINUTE, HOUR, 3 * HOUR, 30 * 24 * HOUR])
def test_an_open_event_ends_at_its_last_reading_before_a_silence(gap):
    (*_, ended) = peaks(run_detector(DETECTOR, peak_then_gap(gap), build_registry(1)))
    assert ended.change is EventChange.ENDED
    assert ended.end == from_ms(T0 + 69 * MINUTE)
    assert "no_data" in ended.reasons
    assert "daarna kwamen er geen metingen meer" in ended.words["nl"]


def test_a_short_gap_ends_nothing():
    events = peaks(run_detector(DETECTOR, peak_then_gap(14 * MINUTE), build_registry(1)))
    assert all("no_data" not in event.reasons for event in events)
    assert events[-1].end > from_ms(T0 + 69 * MINUTE)


@pytest.mark.parametrize("interval", [20 * MINUTE, 20 * MINUTE + 1, HOUR])
def test_readings_more_than_twenty_minutes_apart_open_no_event(interval):
    """An hourly mean shows no short peak, and its background would be the hour before."""
    values = quiet(80)
    values[60:63] += 60
    at = T0 + np.arange(80) * interval
    events = peaks(run_detector(DETECTOR, build_stream(values, at), build_registry(1)))
    assert bool(events) == (interval == 20 * MINUTE)
    assert all("no_data" not in event.reasons for event in events)


@pytest.mark.parametrize("gap", [20 * MINUTE, 10 * 24 * HOUR])
def test_evidence_from_before_a_silence_opens_no_event_after_it(gap):
    """Each of two readings around the gap is half of what opens an event."""
    values = quiet(60)
    values[40] += 2.2
    values[41] += 2.2
    at = T0 + np.arange(60) * MINUTE
    assert peaks(run_detector(DETECTOR, build_stream(values, at), build_registry(1)))
    at[41:] += gap
    assert not peaks(run_detector(DETECTOR, build_stream(values, at), build_registry(1)))


def test_after_hours_of_silence_the_background_starts_anew_and_the_event_says_so():
    values = np.concatenate([quiet(60) - 3, quiet(90, 2) + 7])
    at = T0 + np.arange(150) * MINUTE
    at[60:] += 30 * 24 * HOUR
    assert run_detector(DETECTOR, build_stream(values, at), build_registry(1)) == []
    values[60 + 26 : 60 + 30] += 60  # just after the 24 readings of the warm-up
    opened = peaks(run_detector(DETECTOR, build_stream(values, at), build_registry(1)))
    assert opened, "a real peak after the warm-up is detected"
    assert all(event.onset >= from_ms(at[60 + 24]) for event in opened)
    assert "new_background" in opened[0].reasons


def test_an_event_soon_after_a_new_background_is_doubted():
    values = quiet(200)
    values[100:103] += 30
    times = {age: T0 + np.cumsum(np.where(np.arange(200) == 50, 5 * HOUR, age)) for age in (10_000, MINUTE)}
    young, old = (
        peaks(run_detector(DETECTOR, build_stream(values, times[age]), build_registry(1)))[0] for age in times
    )
    assert "new_background" in young.reasons
    assert "new_background" not in old.reasons


def test_invalid_readings_before_a_gap_end_with_the_last_of_them():
    values, flags = quiet(120), np.zeros(120, np.int32)
    values[60:64], flags[60:64] = 900.0, Flag.SENSOR_FAULT
    at = T0 + np.arange(120) * MINUTE
    at[64:] += 30 * 24 * HOUR
    (event,) = run_detector(DETECTOR, build_stream(values, at, flags=flags), build_registry(1))
    assert (event.kind, event.end) == (EventKind.SENSOR, from_ms(T0 + 63 * MINUTE))
    assert "no_data" in event.reasons


def test_an_episode_of_a_silent_area_ends_at_its_last_reading():
    rng = np.random.default_rng(1)
    values = 8 + rng.normal(0, 0.3, (300, 8)) + 30 * (np.arange(300) >= 150)[:, None]
    at = T0 + np.arange(300) * MINUTE
    at[180:] += 5 * HOUR
    batch = ObservationBatch.from_columns(np.tile(np.arange(8), 300), np.repeat(at, 8), values.ravel())
    (*_, ended) = [e for e in run_detector(DETECTOR, batch, build_registry(8)) if e.kind is EventKind.REGIONAL]
    assert (ended.change, ended.end) == (EventChange.ENDED, from_ms(at[179]))
    assert "no_data" in ended.reasons


def last_of_silent(events):
    (ended,) = [event for event in events if "no_data" in event.reasons]
    return ended


@settings(max_examples=25, deadline=None)
@given(
    gap=st.integers(16 * MINUTE, 90 * 24 * HOUR),
    others=st.integers(0, 9),
    step=st.sampled_from([10_000, MINUTE, 150_000]),
)
def test_a_silence_ends_an_event_alike_by_the_clock_by_a_neighbour_and_by_the_next_reading(gap, others, step):
    registry = build_registry(10)
    mine = peak_then_gap(gap, after=2, step=step)
    before, after = mine[:70], mine[70:]
    end = T0 + (70 + gap // step) * step
    around = [
        build_stream(quiet(len(at), 10 + slot), at, slot)
        for slot in range(1, 1 + others)
        for at in [np.arange(T0 + slot, min(end, T0 + 70 * step + 2 * HOUR), step)]
    ]
    by_all = last_of_silent(run_detector(DETECTOR, join(before, *around, after), registry))
    until = T0 + 69 * step + 15 * MINUTE
    states, live = DETECTOR.detect(
        DETECTOR.initial(registry), join(before, *(rows[rows.observed_at <= until] for rows in around)), registry
    )
    assert not [event for event in live if "no_data" in event.reasons]
    assert not has_silent_events(states.arrays, until)
    _, by_clock = DETECTOR.end_silent_events(states, until + MINUTE, registry)
    assert last_of_silent(by_clock) == by_all
    assert by_all.end == from_ms(T0 + 69 * step)


def test_ending_a_silent_event_by_the_clock_leaves_the_same_state_for_later_events():
    registry, rows = build_registry(1), peak_then_gap(HOUR, after=120)
    values = rows.value.copy()
    values[120:130] += 50
    rows = ObservationBatch.from_columns(rows.datastream, rows.observed_at, values)
    whole = run_detector(DETECTOR, rows, registry)
    states, first = DETECTOR.detect(DETECTOR.initial(registry), rows[:70], registry)
    states, by_clock = DETECTOR.end_silent_events(states, int(rows.observed_at[69]) + 16 * MINUTE, registry)
    _, then = DETECTOR.detect(states, rows[70:], registry)
    assert [*first, *by_clock, *then] == whole
    assert len({event.id for event in whole}) == 2


def test_a_clock_that_stands_before_every_limit_ends_nothing():
    registry = build_registry(1)
    states, _ = DETECTOR.detect(DETECTOR.initial(registry), peak_then_gap(HOUR)[:70], registry)
    unchanged, events = DETECTOR.end_silent_events(states, T0 + 84 * MINUTE, registry)
    assert (unchanged is states, events) == (True, [])


@settings(max_examples=40, deadline=None)
@given(
    gaps=st.lists(st.tuples(st.integers(30, 380), st.sampled_from([10, 20, 100, 300, 3000])), max_size=4),
    seed=st.integers(0, 50),
)
def test_no_event_reaches_across_a_silence_wherever_the_gaps_are(gaps, seed):
    rng = np.random.default_rng(seed)
    values = quiet(400, seed)
    for begin in rng.integers(30, 390, 6):
        values[begin : begin + 8] += rng.uniform(3, 60)
    step = np.full(400, MINUTE)
    for place, minutes in gaps:
        step[place] = minutes * MINUTE
    at = T0 + np.cumsum(step)
    silences = [(at[i - 1], at[i]) for i in range(2, 400) if step[i] > max(15 * MINUTE, 3 * min(step[i - 1], HOUR))]
    events = run_detector(DETECTOR, build_stream(values, at), build_registry(1))
    for event in events:
        begin, end = to_ms(event.onset), to_ms(event.end or event.peak_at)
        assert not [1 for last, first in silences if begin <= last and end >= first], event
