"""Recordings made to mislead the detector: gaps at every limit, winds that say nothing, neighbours of other plumes."""

import numpy as np
import pytest

from edge_agent.wire import Flag
from gateway.detection.analyzer import Analyzer
from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings
from gateway.model.event import EventChange, EventKind
from gateway.model.observation import ObservationBatch
from gateway.model.timestamps import from_ms, to_ms
from gateway.quality.flagger import Flagger
from tests.gateway.detection.test_corroboration import place_stations
from tests.laws import T0, build_registry, run_detector

DETECTOR = Detector(DetectionSettings())
ANALYZER = Analyzer(flagger=Flagger(), detector=DETECTOR)
MINUTE = 60_000
HOUR = 60 * MINUTE
QUIET = 8 + np.random.default_rng(7).normal(0, 0.2, 400)


def peaks(values, at, registry=None, **columns):
    batch = ObservationBatch.from_columns(np.zeros(len(at), int), at, np.asarray(values, float), **columns)
    registry = registry or build_registry(1)
    return [e for e in run_detector(DETECTOR, batch, registry) if e.kind is EventKind.PEAK]


def times_with_gaps(count, step, gaps):
    """Times of `count` readings; gaps: reading -> the gap in ms before it."""
    steps = np.full(count, step)
    for reading, gap in gaps.items():
        steps[reading] = gap
    return T0 + np.cumsum(steps)


@pytest.mark.parametrize("step", [1_000, 10_000, MINUTE, 5 * MINUTE, 20 * MINUTE])
@pytest.mark.parametrize("excess_ms", [-1, 0, 1, MINUTE])
@pytest.mark.parametrize("limit", ["silence", "restart"])
def test_a_gap_around_a_limit_ends_the_event_exactly_above_it(step, excess_ms, limit):
    gap = (max(15 * MINUTE, 3 * step) if limit == "silence" else max(2 * HOUR, 6 * step)) + excess_ms
    values = QUIET[:140].copy()
    last = 61 if step == 20 * MINUTE else 69
    values[60 : last + 1] += 60
    at = times_with_gaps(140, step, {last + 1: gap})
    events = peaks(values, at)
    assert events[0].change is EventChange.OPENED
    ended = next(e for e in events if e.change is EventChange.ENDED)
    is_silent = gap > max(15 * MINUTE, 3 * step)
    assert ("no_data" in ended.reasons) == is_silent
    if is_silent:
        assert ended.end == from_ms(at[last])


@pytest.mark.parametrize("first", [14, 15, 16, 40, 110])
@pytest.mark.parametrize("second", [16, 41, 44, 100, 119, 300])
def test_one_gap_does_not_excuse_the_next_one(first, second):
    """A peak between two gaps: a reading at a minute's interval, however long the gap before it was."""
    values = QUIET[:140].copy()
    values[60:62] += 60
    at = times_with_gaps(140, MINUTE, {60: first * MINUTE, 62: second * MINUTE})
    for event in peaks(values, at):
        assert to_ms(event.end or event.peak_at) <= at[61]
    between = values.copy()
    between[61] = 8.0  # one high reading after the first gap, one low, then the second gap: nothing opens after it
    assert all(to_ms(e.onset) < at[62] for e in peaks(between, at))


@pytest.mark.parametrize("gap", [14, 20, 119, 121, 10_000])
@pytest.mark.parametrize("phase", ["rise", "top", "fall", "after"])
def test_a_silence_in_any_phase_of_a_plume_leaves_no_event_across_it(gap, phase):
    values = QUIET[:160].copy()
    shape = np.array([0.6, 1.2, 3, 10, 30, 60, 60, 40, 20, 10, 5, 2, 1, 0.5])
    values[60:74] += shape
    cut = 60 + {"rise": 3, "top": 6, "fall": 9, "after": 20}[phase]
    at = times_with_gaps(160, MINUTE, {cut: gap * MINUTE})
    for event in peaks(values, at):
        begin, end = to_ms(event.onset), to_ms(event.end or event.peak_at)
        assert gap <= 15 or not (begin <= at[cut - 1] and end >= at[cut])
        if event.end is not None and begin < at[cut - 1] <= end:
            assert "no_data" in event.reasons or gap <= 15


@pytest.mark.parametrize("step_seconds", [1, 60, 150])
def test_the_first_events_of_a_new_background_say_so_at_every_interval(step_seconds):
    values = QUIET[:200].copy()
    values[100 + 26 : 100 + 31] += 60
    at = times_with_gaps(200, step_seconds * 1_000, {100: 12 * HOUR})
    first = peaks(values, at)[0]
    assert to_ms(first.onset) >= at[124]
    assert "new_background" in first.reasons


WINDS = {
    "calm": (np.full(200, 90.0), np.full(200, 0.3)),
    "no direction": (np.full(200, np.nan), np.full(200, 4.0)),
    "no speed": (np.full(200, 90.0), np.full(200, np.nan)),
    "all round": (np.arange(200) * 77.0 % 360, np.full(200, 4.0)),
    "to and fro": (np.where(np.arange(200) % 2 == 0, 90.0, 270.0), np.full(200, 4.0)),
    "before the peak only": (np.where(np.arange(200) < 110, 90.0, np.nan), np.full(200, 4.0)),
    "after the peak only": (np.where(np.arange(200) > 140, 90.0, np.nan), np.full(200, 4.0)),
    "outside its range": (np.full(200, 990.0), np.full(200, 4.0)),
}


@pytest.mark.parametrize("wind", WINDS)
def test_no_direction_is_said_from_a_wind_that_says_none(wind):
    direction, speed = WINDS[wind]
    values = QUIET[:200].copy()
    values[120:126] += 60
    batch = ObservationBatch.from_columns(
        np.zeros(200, int), T0 + np.arange(200) * MINUTE, values, wind_direction=direction, wind_speed=speed
    )
    _, _, events = ANALYZER.analyze(ANALYZER.initial(build_registry(1)), batch)
    found = [e for e in events if e.kind is EventKind.PEAK]
    assert found
    assert all(e.wind is None and e.upwind == () for e in found)
    assert not any("wind" in e.words["nl"] or "wind" in e.words["en"] for e in found)


def test_a_wind_during_the_peak_is_said_even_if_it_is_of_another_station():
    values = QUIET[:200].copy()
    values[120:126] += 60
    at = np.repeat(T0 + np.arange(200) * MINUTE, 2)
    both = np.column_stack([QUIET[200:], values]).ravel()
    columns = {
        "wind_direction": np.tile([90.0, np.nan], 200),
        "wind_speed": np.tile([4.0, np.nan], 200),
    }
    batch = ObservationBatch.from_columns(np.tile([0, 1], 200), at, both, **columns)
    found = [e for e in run_detector(DETECTOR, batch, build_registry(2)) if e.datastream == 1]
    assert found[-1].wind.direction == pytest.approx(90, abs=0.5)


@pytest.mark.parametrize("kind", [EventKind.REGIONAL, EventKind.SENSOR])
def test_the_wind_of_an_earlier_peak_is_not_that_of_a_later_event(kind):
    """Wind on the day of the first peak only; a day later a rise of all stations, or a fault of the sensor."""
    count = 8 if kind is EventKind.REGIONAL else 1
    rng = np.random.default_rng(3)
    values, flags = 8 + rng.normal(0, 0.2, (2_000, count)), np.zeros((2_000, count), np.int32)
    values[100:106, :] += np.where(np.arange(count) == 0, 60, 0)
    for slot in range(1, count):
        values[100 + 30 * slot : 106 + 30 * slot, slot] += 60
    if kind is EventKind.REGIONAL:
        values[1_700:1_760] += 30
    else:
        values[1_700:1_704], flags[1_700:1_704] = 900, Flag.SENSOR_FAULT
    has_wind = np.repeat(np.arange(2_000) < 500, count)
    batch = ObservationBatch.from_columns(
        np.tile(np.arange(count), 2_000),
        np.repeat(T0 + np.arange(2_000) * MINUTE, count),
        values.ravel(),
        flags=flags.ravel(),
        wind_direction=np.where(has_wind, 90.0, np.nan),
        wind_speed=np.where(has_wind, 4.0, np.nan),
    )
    events = run_detector(DETECTOR, batch, build_registry(count))
    assert any(e.wind is not None for e in events if e.kind is EventKind.PEAK)
    later = [e for e in events if e.kind is kind]
    assert later
    assert all(e.wind is None and e.upwind == () for e in later)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 9, 10, 20])
@pytest.mark.parametrize("apart", [25, 60])
def test_neighbours_in_other_plumes_corroborate_nothing(count, apart):
    """Every station has its own plume, the next one `apart` minutes later."""
    length = 80 + apart * count
    values = 8 + np.random.default_rng(1).normal(0, 0.05, (length, count))
    for slot in range(count):
        values[50 + apart * slot : 56 + apart * slot, slot] += 60
    batch = ObservationBatch.from_columns(
        np.tile(np.arange(count), length), np.repeat(T0 + np.arange(length) * MINUTE, count), values.ravel()
    )
    registry = place_stations([(300 * slot, 0) for slot in range(count)])
    found = [e for e in run_detector(DETECTOR, batch, registry) if e.kind is EventKind.PEAK]
    assert len({e.station for e in found}) == count
    for event in found:
        assert event.neighbours.risen == 0, event
        assert event.neighbours.stations == ()
        assert ("stegen" in event.words["nl"] or "steeg ook" in event.words["nl"]) == (event.neighbours.fresh > 0), (
            event
        )


def test_of_many_neighbours_that_rose_the_nearest_are_named():
    """Twelve neighbours rise with the station; the nearest are the last in the registry."""
    places = [(0, 0), *((100 * (13 - i), 0) for i in range(1, 13)), *((0, 400 + 100 * i) for i in range(20))]
    values = 8 + np.random.default_rng(1).normal(0, 0.05, (140, len(places)))
    values[120, 0] += 60
    values[121:126, :13] += 60
    batch = ObservationBatch.from_columns(
        np.tile(np.arange(len(places)), 140), np.repeat(T0 + np.arange(140) * MINUTE, len(places)), values.ravel()
    )
    found = [e for e in run_detector(DETECTOR, batch, place_stations(places)) if e.datastream == 0]
    ended = next(e for e in found if e.change is EventChange.ENDED)
    assert ended.neighbours.risen == 12
    assert ended.neighbours.stations == tuple(f"s{i}" for i in range(12, 4, -1))


@pytest.mark.parametrize("kind", ["peak", "gap"])
def test_a_falling_signal_is_said_to_fall(kind):
    registry = build_registry(1, "voc_raw")
    values = 30_000 + np.random.default_rng(2).normal(0, 8, 200)
    values[120:126] -= 2_000
    at = times_with_gaps(200, MINUTE, {126: 3 * HOUR} if kind == "gap" else {})
    for event in peaks(values, at, registry):
        assert event.peak < event.background
        assert event.excess == pytest.approx(event.background - event.peak)
        assert "daalde" in event.words["nl"]
        assert "fell" in event.words["en"]
        assert "steeg" not in event.words["nl"]
