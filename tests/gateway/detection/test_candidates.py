"""Candidates of a judged stream: a short background, a plume on a small event, limits, and neighbours to wait for."""

from itertools import pairwise

import msgspec
import numpy as np
import pytest

from gateway.detection.confidence import ConfidenceReason
from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings, JudgeSettings
from gateway.model.event import EventChange, EventKind
from gateway.model.observation import ObservationBatch
from tests.laws import T0, build_registry, run_detector

DETECTOR = Detector(DetectionSettings())
SHIPPED = DetectionSettings().property["pm2_5"]
STEP = 150_000
MINUTE = 60_000
SEVERITY = (5, 15, 50, 150)


def observe(values, step=STEP):
    """(n, stations) values as rows, all stations of a moment together."""
    count, stations = values.shape
    at = np.repeat(T0 + np.arange(count) * step, stations)
    return ObservationBatch.from_columns(np.tile(np.arange(stations), count), at, values.ravel())


def make_air(count, stations=1, seed=1):
    return 8 + np.random.default_rng(seed).normal(0, 0.15, (count, stations))


def detect_peaks(values, step=STEP, detector=DETECTOR):
    """All revisions of peaks."""
    registry = build_registry(values.shape[1], severity=SEVERITY)
    return [e for e in run_detector(detector, observe(values, step), registry) if e.kind is EventKind.PEAK]


def seconds_after_start(moment):
    return moment.timestamp() - T0 / 1_000


@pytest.mark.parametrize(("excess", "opens"), [(40, True), (4, False)])
def test_a_background_of_a_few_readings_is_enough_for_an_excess_beyond_doubt(excess, opens):
    values = make_air(24)
    values[12:16] += excess
    assert bool(detect_peaks(values)) is opens


def test_a_background_of_four_readings_opens_nothing():
    values = make_air(24)
    values[4:7] += 40
    assert detect_peaks(values[:7]) == []


def test_a_plume_on_a_small_event_is_an_event_of_its_own():
    values = make_air(300)
    values[200:210] += 4
    values[204:210] += 40
    revisions = detect_peaks(values)
    opened = [event for event in revisions if event.change is EventChange.OPENED]
    ended = [event for event in revisions if event.change is EventChange.ENDED]
    assert len(opened) == len(ended) == 2
    assert ended[0].id == opened[0].id
    assert ended[0].end == opened[1].onset == opened[1].detected_at
    assert seconds_after_start(opened[1].onset) == 204 * 150
    assert opened[1].excess == pytest.approx(44, abs=3)


def test_a_plume_that_rises_within_minutes_is_one_event():
    values = make_air(300)
    values[200:206, 0] += (3, 12, 45, 30, 15, 5)
    assert len({event.id for event in detect_peaks(values)}) == 1


def test_a_large_excess_needs_a_lower_probability_than_a_small_one():
    values = make_air(2_000, seed=4)
    for begin in range(100, 1_900, 45):
        values[begin : begin + 4, 0] += (3.0, 5.6, 4.4, 2.0)
    counts = []
    for probability in (0.01, 0.99):
        judge = JudgeSettings(least_probability=0.99, least_probability_large=probability, least_probability_sure=0.99)
        settings = DetectionSettings(property={"pm2_5": msgspec.structs.replace(SHIPPED, judge=judge)})
        counts.append(len({event.id for event in detect_peaks(values, detector=Detector(settings))}))
    assert counts[0] > counts[1]


@pytest.mark.parametrize(("excess", "decided_after"), [(20, 5 * 60), (90, 2 * 60)])
def test_a_peak_among_four_stations_waits_for_the_next_readings_of_its_neighbours(excess, decided_after):
    """Five minutes after the onset, or one more reading if it is severe."""
    values = make_air(400, 4)
    values[300:330, 1] += excess
    revisions = detect_peaks(values, MINUTE)
    assert revisions[0].change is EventChange.OPENED
    assert ConfidenceReason.NEIGHBOURS_AWAITED in revisions[0].reasons
    assert revisions[0].confidence < 0.5
    decided = next(event for event in revisions if event.confidence > 0.5)
    values_until = 300 + decided_after // 60
    assert not [e for e in detect_peaks(values[:values_until], MINUTE) if e.confidence > 0.5]
    assert [e for e in detect_peaks(values[: values_until + 1], MINUTE) if e.confidence > 0.5]
    assert ConfidenceReason.NEIGHBOURS_AWAITED not in decided.reasons


def test_a_short_peak_among_four_stations_is_decided_when_it_has_come_down():
    values = make_air(400, 4)
    values[300:302, 1] += 30
    revisions = detect_peaks(values, MINUTE)
    assert [event.confidence > 0.5 for event in revisions][-1]
    sure = next(event for event in revisions if event.confidence > 0.5)
    assert sure.revision <= 3
    assert all(before.revision < after.revision for before, after in pairwise(revisions))


def test_a_peak_among_three_stations_does_not_wait():
    values = make_air(400, 3)
    values[300:330, 1] += 20
    assert detect_peaks(values, MINUTE)[0].confidence > 0.5


def test_a_fine_stream_does_not_wait():
    values = make_air(400, 6)
    values[300:330, 1] += 20
    assert detect_peaks(values, 1_000)[0].confidence > 0.5
