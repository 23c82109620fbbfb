"""The judge of candidates: its file, its answers, a station's own limit, and peaks at the beginning of an episode."""

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.detection.confidence import ConfidenceReason
from gateway.detection.detector import Detector, rows_from_batch
from gateway.detection.judge import JUDGE_FILE, JudgeFile, build_judge, load_judge
from gateway.detection.kernels.judge import (
    FEATURES,
    HIGHEST_OFFSET,
    LOWEST_OFFSET,
    TRACE_COLUMNS,
    doubt,
    sum_trees,
)
from gateway.detection.records import EVENT, STREAM, allocate_changes
from gateway.detection.settings import DetectionSettings, JudgeSettings, PeakSettings
from gateway.model.event import EventChange, EventKind
from gateway.model.observation import ObservationBatch
from tests.laws import T0, build_registry, run_detector

DETECTOR = Detector(DetectionSettings())
SHIPPED = DetectionSettings().property["pm2_5"]
WITHOUT_JUDGE = Detector(DetectionSettings(property={"pm2_5": msgspec.structs.replace(SHIPPED, judge=None)}))
MINUTE = 60_000
LARGER_IS_LIKELIER = [FEATURES.index(name) for name in ("excess", "noise_ratio", "z")]
RESTLESS = FEATURES.index("restlessness")
features = st.lists(st.floats(-50, 200), min_size=len(FEATURES), max_size=len(FEATURES))


def observe(values, step=MINUTE):
    """One stream."""
    return ObservationBatch.from_columns(np.zeros(len(values), np.int32), T0 + np.arange(len(values)) * step, values)


def opened(detector, values, step=MINUTE):
    events = run_detector(detector, observe(values, step), build_registry(1))
    return [e for e in events if e.kind is EventKind.PEAK and e.change is EventChange.OPENED]


def restless_air(readings, bumps, seed=1):
    """Clean air with small bumps of four readings at the given places."""
    values = 8 + np.random.default_rng(seed).normal(0, 0.15, readings)
    for begin in bumps:
        values[begin : begin + 4] += (1.2, 2.0, 1.6, 0.9)
    return values


def test_the_shipped_judge_has_the_features_of_the_kernel():
    judge = load_judge()
    assert len(judge.roots) == 201
    assert judge.feature.max() < len(FEATURES)
    file = msgspec.json.decode(JUDGE_FILE.read_bytes(), type=JudgeFile)
    with pytest.raises(ValueError, match=r"judge\.json has the features"):
        build_judge(msgspec.structs.replace(file, features=[*file.features[1:], file.features[0]]))


@settings(deadline=None)
@given(features, st.sampled_from(LARGER_IS_LIKELIER), st.floats(0, 100))
def test_a_larger_excess_is_never_less_likely(values, place, growth):
    smaller = np.array([*values, 0, 0], float)
    larger = smaller.copy()
    larger[place] += growth
    assert sum_trees(load_judge(), larger) >= sum_trees(load_judge(), smaller) - 1e-9


@settings(deadline=None)
@given(features, st.floats(0, 100))
def test_a_more_restless_station_is_never_more_likely(values, growth):
    calm = np.array([*values, 0, 0], float)
    restless = calm.copy()
    restless[RESTLESS] += growth
    assert sum_trees(load_judge(), restless) <= sum_trees(load_judge(), calm) + 1e-9


@settings(deadline=None)
@given(st.floats(-30, 30))
def test_doubt_is_the_probability_that_it_is_not_true(log_odds):
    assert doubt(log_odds) == pytest.approx(1 / (1 + math.exp(log_odds)), abs=0.01)


def test_the_state_of_a_datastream_fits_four_cache_lines():
    assert STREAM.itemsize + EVENT.itemsize <= 256


def test_a_station_with_many_small_excesses_needs_a_larger_one():
    """The same bump after three calm days, and after three days with one every hour."""
    days = 3 * 24 * 60
    bump = days + 30
    calm = restless_air(days + 60, [bump])
    restless = restless_air(days + 60, [*range(60, days, 60), bump])
    last_after_calm = [e for e in opened(DETECTOR, calm) if e.detected_at.timestamp() * 1_000 >= T0 + days * MINUTE]
    last_after_restless = [
        e for e in opened(DETECTOR, restless) if e.detected_at.timestamp() * 1_000 >= T0 + days * MINUTE
    ]
    assert len(last_after_calm) == 1
    assert last_after_restless == []
    assert len(opened(WITHOUT_JUDGE, restless)) > 60


def test_the_limit_of_a_station_stays_within_its_bounds_and_follows_its_events():
    readings = 12 * 24 * 60
    rng = np.random.default_rng(3)
    values = restless_air(readings, rng.integers(60, readings - 60, 400))
    registry, batch = build_registry(1), observe(values)
    states, offsets = DETECTOR.initial(registry), []
    for begin in range(0, readings, 24 * 60):
        states, _ = DETECTOR.detect(states, batch[begin : begin + 24 * 60], registry)
        offsets.append(float(states.arrays.events["limit_offset"][0]))
    assert all(LOWEST_OFFSET <= offset <= HIGHEST_OFFSET for offset in offsets)
    assert max(offsets) > 0


def test_an_operator_who_accepts_fewer_false_alarms_gets_fewer_events():
    readings = 12 * 24 * 60
    values = restless_air(readings, np.random.default_rng(3).integers(60, readings - 60, 150))
    counts = [
        len(opened(Detector(DetectionSettings(property={"pm2_5": PeakSettings(judge=judge)})), values))
        for judge in (JudgeSettings(false_alarms=0.05), JudgeSettings(false_alarms=2.0))
    ]
    assert counts[0] < counts[1]


def test_an_event_needs_the_smallest_excess_of_the_settings_though_a_candidate_needs_less():
    values = restless_air(400, [200])
    values[200:206] += 20
    detector = Detector(DetectionSettings(property={"pm2_5": PeakSettings(smallest=30.0, judge=JudgeSettings())}))
    assert opened(detector, values) == []
    values[200:206] += 20
    assert len(opened(detector, values)) == 1


@pytest.mark.parametrize("step", [1_000, 10_000, 29_999])
def test_a_fine_stream_has_no_judge(step):
    values = restless_air(600, [])
    values[400:440] += 30
    ours, theirs = opened(DETECTOR, values, step), opened(WITHOUT_JUDGE, values, step)
    assert len(ours) == 1
    for name in ("onset", "detected_at", "excess", "noise", "confidence"):
        assert getattr(ours[0], name) == getattr(theirs[0], name)


def test_the_confidence_of_a_clear_event_stays_high_after_its_highest_reading():
    values = restless_air(400, [])
    values[200:212] += np.array([2, 8, 20, 30, 30, 25, 20, 15, 10, 5, 3, 1])
    events = run_detector(DETECTOR, observe(values), build_registry(1))
    revisions = [event for event in events if event.kind is EventKind.PEAK]
    confidences = [event.confidence for event in revisions]
    assert len(confidences) > 2
    assert min(confidences) > 0.95


def test_the_trace_has_the_features_of_every_judged_reading():
    values = restless_air(400, [])
    values[200:212] += 20
    batch, registry = observe(values), build_registry(1)
    trace = np.zeros((len(batch), TRACE_COLUMNS))
    states = DETECTOR.initial(registry)
    DETECTOR.advance(states, rows_from_batch(batch)._replace(trace=trace), allocate_changes(len(batch), 1))
    judged = np.flatnonzero(trace[:, len(FEATURES)])
    assert judged[0] in {200, 201}
    assert trace[judged, FEATURES.index("excess")].max() == pytest.approx(20, abs=1.5)
    assert (trace[judged, FEATURES.index("minutes")] >= 0).all()


def shared_rise(stations, *, minutes, lag, seed=1, step=MINUTE):
    """All stations rise by about 20 within some minutes, each a little later than the one before."""
    rng = np.random.default_rng(seed)
    values = 8 + rng.normal(0, 0.2, (600, stations))
    for station in range(stations):
        since = np.maximum(0, np.arange(600) - 300 - lag * station)
        values[:, station] += 20 * rng.uniform(0.8, 1.2) * np.minimum(1, since / minutes)
    at = np.repeat(T0 + np.arange(600) * step, stations)
    return ObservationBatch.from_columns(np.tile(np.arange(stations), 600), at, values.ravel())


@pytest.mark.parametrize(
    ("stations", "minutes"), [(n, m) for n in (2, 3, 4, 6, 12, 30) for m in (2, 10, 40) if (n, m) != (2, 40)]
)
def test_what_all_stations_see_at_once_is_never_a_sure_peak_of_one_of_them(stations, minutes):
    """Of two stations in a slow rise, the background of one may follow it while the other is still above."""
    events = run_detector(DETECTOR, shared_rise(stations, minutes=minutes, lag=0), build_registry(stations))
    peaks = [event for event in events if event.kind is EventKind.PEAK and event.change is not EventChange.MERGED]
    assert all(event.confidence < 0.5 for event in peaks), [(e.station, e.change, e.confidence) for e in peaks]
    assert all(ConfidenceReason.PERHAPS_EPISODE in event.reasons for event in peaks)


@pytest.mark.parametrize("step", [1_000, MINUTE])
def test_a_peak_that_stands_out_among_rising_neighbours_is_decided(step):
    batch = shared_rise(6, minutes=40, lag=0, step=step)
    value = batch.value.reshape(600, 6)
    value[303:310, 2] += 60
    events = run_detector(DETECTOR, batch, build_registry(6))
    own = [event for event in events if event.kind is EventKind.PEAK and event.station == "s2"]
    assert max(event.confidence for event in own) > 0.5


@pytest.mark.parametrize("step", [1_000, 10_000, MINUTE])
def test_an_undecided_peak_is_decided_when_it_grows_above_its_neighbours(step):
    """Both stations rise at once; then one of them goes on to twenty times as much."""
    values = 8 + np.random.default_rng(1).normal(0, 0.2, (600, 2))
    values[300:340] += 6
    values[308:330, 1] += 120
    at = np.repeat(T0 + np.arange(600) * step, 2)
    batch = ObservationBatch.from_columns(np.tile(np.arange(2), 600), at, values.ravel())
    own = [event for event in run_detector(DETECTOR, batch, build_registry(2)) if event.station == "s1"]
    assert ConfidenceReason.PERHAPS_EPISODE in own[0].reasons
    assert max(event.confidence for event in own) > 0.5
