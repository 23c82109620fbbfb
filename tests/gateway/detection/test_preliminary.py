"""Preliminary marks: what the state shows of a possible beginning of a peak, and what never marks."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.wire import EXCLUDED_FLAGS, Flag
from gateway.detection.detector import Detector
from gateway.detection.preliminary import LEAST_CONFIDENCE, Rise, estimate_confidence, find_marks
from gateway.detection.settings import DetectionSettings
from gateway.model.event import EventChange, EventKind
from gateway.model.observation import ObservationBatch
from tests.laws import T0, build_registry, simulate_observations

MINUTE = 60_000
DETECTOR = Detector(DetectionSettings())


def follow(values, step_ms, flags=None, registry=None):
    """The marks and the events after each reading of one datastream."""
    registry = registry or build_registry(1)
    states, steps = DETECTOR.initial(registry), []
    for i, value in enumerate(values):
        row = ObservationBatch.from_columns([0], [T0 + i * step_ms], [value], flags=[0 if flags is None else flags[i]])
        states, events = DETECTOR.detect(states, row, registry)
        steps.append((find_marks(DETECTOR, states, np.arange(1)), events))
    return steps


def clean_air(count):
    return [8.0 + 0.1 * (i % 3) for i in range(count)]


def test_the_first_reading_of_a_plume_marks_and_the_event_takes_the_place_of_the_mark():
    steps = follow([*clean_air(60), 11.5, 14.0, 18.0, 25.0], 150_000)
    assert [marks for marks, _ in steps[:60]] == [[]] * 60
    (mark,) = steps[60][0]
    assert steps[60][1] == []
    assert (mark.rise.since, mark.rise.observed_at) == (T0 + 60 * 150_000, T0 + 60 * 150_000)
    assert mark.rise.excess == pytest.approx(3.4, abs=0.1)
    assert LEAST_CONFIDENCE <= mark.confidence < 1
    opened = next(i for i, (_, events) in enumerate(steps) if events)
    (event,) = steps[opened][1]
    assert (event.kind, event.change) == (EventKind.PEAK, EventChange.OPENED)
    assert int(event.onset.timestamp() * 1_000) == mark.rise.since
    assert all(marks for marks, _ in steps[60:opened])
    assert all(marks == [] for marks, _ in steps[opened:])


@pytest.mark.parametrize("step", [60_000, 150_000])
def test_a_single_high_reading_is_taken_back_with_the_next(step):
    steps = follow([*clean_air(60), 16.0, *clean_air(10)], step)
    assert len(steps[60][0]) == 1
    assert [marks for marks, _ in steps[61:]] == [[]] * 10
    assert not any(event.kind is EventKind.PEAK for _, events in steps for event in events)


def test_on_a_fine_stream_one_lower_reading_does_not_take_a_mark_back():
    rise = [8.0, 9.5, 9.6, 8.2, 9.6, 9.7]
    steps = follow([*clean_air(300), *rise], 1_000)
    marks = [bool(marks) for marks, events in steps[300:] if not events]
    first = marks.index(True)
    assert all(marks[first:])


@pytest.mark.parametrize("flag", [flag for flag in Flag if flag & EXCLUDED_FLAGS], ids=lambda flag: flag.name)
@pytest.mark.parametrize("step", [1_000, 150_000])
def test_a_reading_that_no_mean_counts_never_marks(flag, step):
    values = [*clean_air(60), *[500.0] * 5, *clean_air(5)]
    flags = [0] * 60 + [int(flag)] * 5 + [0] * 5
    assert [marks for marks, _ in follow(values, step, flags)] == [[]] * 70


def test_a_falling_signal_marks_when_it_falls():
    registry = build_registry(1, "voc_ohm")
    steps = follow([*(100_000.0 + 50 * (i % 3) for i in range(300)), *[85_000.0] * 3], 60_000, registry=registry)
    marks = [marks[0] for marks, _ in steps if marks]
    assert marks
    assert all(mark.rise.excess > 0 for mark in marks)


def test_an_episode_of_the_area_marks_no_station():
    registry = build_registry(8)
    rng = np.random.default_rng(4)
    states = DETECTOR.initial(registry)
    has_episode = False
    for i in range(120):
        values = 8 + rng.normal(0, 0.2, 8) + (3.0 * max(0, i - 90))
        rows = ObservationBatch.from_columns(np.arange(8), np.full(8, T0 + i * MINUTE), values)
        states, events = DETECTOR.detect(states, rows, registry)
        has_episode |= any(event.kind is EventKind.REGIONAL for event in events)
        if has_episode:
            assert find_marks(DETECTOR, states, np.arange(8)) == []
    assert has_episode


def test_stations_of_guests_have_no_marks():
    own, guest = build_registry(1), build_registry(1)
    guest.stations["guest-1"] = dataclasses.replace(guest.stations.pop("s0"), id="guest-1")
    guest.datastreams[0] = dataclasses.replace(guest.datastreams[0], station="guest-1")
    values = [*clean_air(60), 16.0]
    assert follow(values, 150_000, registry=own)[-1][0]
    assert follow(values, 150_000, registry=guest)[-1][0] == []


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), step=st.sampled_from([1.0, 60.0, 150.0]))
def test_a_mark_and_an_open_event_exclude_each_other_and_a_restart_changes_no_mark(seed, step):
    registry, batch = build_registry(3), simulate_observations(3, 120, step=step, seed=seed)
    states, open_slots = DETECTOR.initial(registry), set()
    for begin in range(0, len(batch), 3):
        states, events = DETECTOR.detect(states, batch[begin : begin + 3], registry)
        for event in events:
            if event.kind is EventKind.REGIONAL:
                continue
            is_open = event.change in {EventChange.OPENED, EventChange.UPDATED}
            open_slots = open_slots | {event.datastream} if is_open else open_slots - {event.datastream}
        marks = find_marks(DETECTOR, states, np.arange(3))
        assert not open_slots & {mark.rise.slot for mark in marks}
        loaded = DETECTOR.load(registry, dict(enumerate(DETECTOR.dump(states, [0, 1, 2]))))
        assert find_marks(DETECTOR, loaded, np.arange(3)) == marks
        for mark in marks:
            assert mark.rise.since <= mark.rise.observed_at < mark.rise.expires_at
            assert LEAST_CONFIDENCE <= mark.confidence <= 1


def make_rise(ratio, log_odds=None):
    return Rise(
        slot=0, since=0, observed_at=0, excess=1.0, ratio=ratio, log_odds=log_odds, expires_at=1
    )  # fmt: skip


def test_the_confidence_rises_with_the_excess_and_with_what_the_judge_says():
    by_ratio = [estimate_confidence(make_rise(ratio)) for ratio in (-1.0, 1.0, 3.0, 6.0, 12.0, 1e9)]
    assert by_ratio == sorted(by_ratio)
    assert by_ratio[-1] == by_ratio[-2] < 0.9, "a larger excess of one reading may be a glitch as well"
    by_odds = [estimate_confidence(make_rise(5.0, odds)) for odds in (-3.0, -1.0, 0.0, 1.0)]
    assert by_odds == sorted(by_odds)
