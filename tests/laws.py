"""Laws that every detector must keep, whatever its settings. A test hands a detector in; a broken law fails it."""

import math
from dataclasses import replace

import numpy as np

from gateway.model.event import Change, Kind
from gateway.model.observation import ObservationBatch
from gateway.model.registry import Datastream, ObservedProperty, Registry, Station

T0 = 1_795_228_800_000


def registry_of(count: int, observed_property: str = "pm2_5", severity: tuple | None = None) -> Registry:
    """`count` stations with one datastream each."""
    return Registry(
        areas={},
        sites=[],
        stations={
            f"s{i}": Station(id=f"s{i}", area="a", name=f"S{i}", latitude=52 + i / 100, longitude=4.6)
            for i in range(count)
        },
        nodes={},
        properties={
            observed_property: ObservedProperty(id=observed_property, unit="ug/m3", name={}, severity=severity)
        },
        datastreams=[
            Datastream(slot=i, id=i, station=f"s{i}", node=f"s{i}", observed_property=observed_property)
            for i in range(count)
        ],
        slots={(f"s{i}", observed_property): i for i in range(count)},
    )


def weather(count: int, readings: int, step: float = 60.0, seed: int = 1) -> ObservationBatch:
    """Rows of `count` streams with wandering backgrounds and a few plumes, by time."""
    rng = np.random.default_rng(seed)
    base = 8 + np.cumsum(rng.normal(0, 0.05, (readings, count)), axis=0) + rng.normal(0, 0.4, (readings, count))
    for stream in range(count):
        for begin in rng.integers(30, max(31, readings - 20), max(1, readings // 150)):
            base[begin : begin + 12, stream] += rng.uniform(10, 60)
    at = np.repeat(T0 + (np.arange(readings) * step * 1000).astype(np.int64), count)
    return ObservationBatch.of(np.tile(np.arange(count), readings), at, base.ravel().clip(0).round(1))


def run(detector, batch, registry, cuts=()):
    """All event revisions, with the batch cut at `cuts` and the states saved and loaded at each cut."""
    states, events = detector.initial(registry), []
    for begin, end in zip([0, *cuts], [*cuts, len(batch)], strict=True):
        states, found = detector.detect(states, batch[begin:end], registry)
        events += found
        slots = list(range(len(registry.datastreams)))
        states = detector.load(registry, dict(zip(slots, detector.dump(states, slots), strict=True)))
    return events


def check_detector(detector) -> None:
    """The whole battery."""
    _splitting_changes_nothing(detector)
    _the_given_states_stay(detector)
    _revisions_tell_one_story(detector)
    _nothing_is_found_in_nothing(detector)
    _hostile_values_leave_no_trace(detector)
    _the_future_is_unknown(detector)
    _bad_input_makes_no_event(detector)


def _splitting_changes_nothing(detector):
    rng = np.random.default_rng(2)
    for streams in (3, 8, 24):  # no neighbours, a small group, a large one
        registry, batch = registry_of(streams), weather(streams, 300)
        whole = run(detector, batch, registry)
        assert whole, "the weather holds plumes that any detector finds"
        for _ in range(3):
            cuts = sorted({int(c) for c in rng.integers(1, len(batch), 12)})
            assert run(detector, batch, registry, cuts) == whole


def _the_given_states_stay(detector):
    registry, batch = registry_of(2), weather(2, 200)
    states, _ = detector.detect(detector.initial(registry), batch[:200], registry)
    slots = [0, 1]
    before = detector.dump(states, slots)
    first = detector.detect(states, batch[200:], registry)
    assert detector.dump(states, slots) == before
    assert detector.detect(states, batch[200:], registry)[1] == first[1]


def _revisions_tell_one_story(detector):
    stories = {}
    for event in run(detector, weather(4, 600), registry_of(4)):
        stories.setdefault(event.id, []).append(event)
    for story in stories.values():
        assert [e.revision for e in story] == list(range(1, len(story) + 1))
        noted = story[0].kind in {Kind.GLITCH, Kind.SENSOR} and story[0].change is Change.ENDED
        assert noted or story[0].change is Change.OPENED
        assert all(e.change is Change.UPDATED for e in story[1:-1])
        assert len({(e.onset, e.detected_at, e.station, e.detector) for e in story}) == 1
        for e in story:
            assert e.onset <= e.peak_at
            assert e.onset <= e.detected_at
            assert e.end is None or e.onset <= e.end
            assert 0 <= e.confidence <= 1
            assert math.isclose(e.excess, abs(e.peak - e.background))


def _nothing_is_found_in_nothing(detector):
    registry = registry_of(1)
    at = T0 + np.arange(5_000) * 60_000
    for values in (np.full(5_000, 7.0), np.zeros(5_000), np.linspace(5, 25, 5_000)):
        assert run(detector, ObservationBatch.of(np.zeros(5_000, int), at, values), registry) == []


def _hostile_values_leave_no_trace(detector):
    registry, clean = registry_of(1), weather(1, 400)
    expected = run(detector, clean, registry)
    for bad, when in (
        (np.nan, None),
        (np.inf, None),
        (-np.inf, None),
        (500.0, "backwards"),
        (500.0, "same"),
    ):
        extra = np.sort(np.random.default_rng(3).integers(100, 300, 50))
        rows = np.sort(np.concatenate([np.arange(len(clean)), extra]))
        second = np.concatenate([[False], rows[1:] == rows[:-1]])
        batch = clean[rows]
        value, at = batch.value.copy(), batch.observed_at.copy()
        value[second] = bad
        at[second] -= 3_600_000 if when == "backwards" else 0
        assert run(detector, replace(batch, value=value, observed_at=at), registry) == expected
    at = np.full(10_000, T0)
    assert (
        run(
            detector,
            ObservationBatch.of(np.zeros(10_000, int), at, np.random.default_rng(4).random(10_000) * 500),
            registry,
        )
        == []
    )


def _the_future_is_unknown(detector):
    registry, batch = registry_of(2), weather(2, 500)
    for event in run(detector, batch, registry):
        seen = batch[batch.observed_at <= int(event.detected_at.timestamp() * 1000)]
        assert event.id in {e.id for e in run(detector, seen, registry)}


def _bad_input_makes_no_event(detector):
    """Gaps of weeks, a swapped sensor, a clock that stands still, values at the edge of what a float holds."""
    rng, registry = np.random.default_rng(5), registry_of(1)
    values = (8 + rng.normal(0, 0.3, 600)).round(1)
    at = T0 + np.arange(600) * 60_000

    def events(values, at):
        found = run(detector, ObservationBatch.of(np.zeros(len(at), int), at, values), registry)
        states, _ = detector.detect(
            detector.initial(registry), ObservationBatch.of(np.zeros(len(at), int), at, values), registry
        )
        assert all(np.isfinite(states.streams[name]).all() for name in ("background", "variance", "evidence", "gain"))
        return [e for e in found if e.kind is Kind.PEAK]

    weeks = at + np.where(np.arange(600) >= 300, 21 * 86_400_000, 0)
    assert events(values, weeks) == []
    assert events(np.where(np.arange(600) >= 300, values + 0.8, values), weeks) == []
    for step in (25.0, -6.0):  # a swapped sensor: at most one event, which is over when its level is the new background
        swapped = events(values + np.where(np.arange(600) >= 300, step, 0.0), at)
        assert len({e.id for e in swapped}) <= (1 if step > 0 else 0)
        assert all(e.change is Change.ENDED for e in swapped[-1:])
    huge = values.copy()
    huge[300] = 1e308
    huge[301] = -1e308
    assert events(huge, at) == []
    assert events(np.full(600, 1e-320), at) == []
    assert events(values, np.full(600, T0)) == []
    assert events(values, at[::-1].copy()) == []
