"""Laws that every detector must keep, whatever its settings. A test hands a detector in; a broken law fails it."""

import math
from dataclasses import replace

import numpy as np

from gateway.model.event import EventChange, EventKind
from gateway.model.observation import ObservationBatch
from gateway.model.properties import PROPERTIES
from gateway.model.registry import Datastream, ObservedProperty, Registry, Station

T0 = 1_795_228_800_000


def build_registry(count: int, observed_property: str = "pm2_5", severity: tuple | None = None) -> Registry:
    """`count` stations with one datastream each."""
    row = PROPERTIES.get(observed_property)
    names_in_text = row.names_in_text if row is not None else {}
    return Registry(
        areas={},
        sites=[],
        stations={
            f"s{i}": Station(id=f"s{i}", area="a", name=f"S{i}", latitude=52 + i / 100, longitude=4.6)
            for i in range(count)
        },
        nodes={},
        properties={
            observed_property: ObservedProperty(
                id=observed_property, unit="ug/m3", name={}, names_in_text=names_in_text, severity_levels=severity
            )
        },
        datastreams=[
            Datastream(slot=i, id=i, station=f"s{i}", node=f"s{i}", observed_property=observed_property)
            for i in range(count)
        ],
        slots={(f"s{i}", observed_property): i for i in range(count)},
    )


def simulate_observations(count: int, readings: int, step: float = 60.0, seed: int = 1) -> ObservationBatch:
    """Rows of `count` streams with wandering backgrounds and a few plumes, by time."""
    rng = np.random.default_rng(seed)
    base = 8 + np.cumsum(rng.normal(0, 0.05, (readings, count)), axis=0) + rng.normal(0, 0.4, (readings, count))
    for stream in range(count):
        for begin in rng.integers(30, max(31, readings - 20), max(1, readings // 150)):
            base[begin : begin + 12, stream] += rng.uniform(10, 60)
    at = np.repeat(T0 + (np.arange(readings) * step * 1000).astype(np.int64), count)
    return ObservationBatch.from_columns(np.tile(np.arange(count), readings), at, base.ravel().clip(0).round(1))


def run_detector(detector, batch, registry, cuts=()):
    """All event revisions, with the batch cut at `cuts` and the states saved and loaded at each cut."""
    states, events = detector.initial(registry), []
    for begin, end in zip([0, *cuts], [*cuts, len(batch)], strict=True):
        states, new_events = detector.detect(states, batch[begin:end], registry)
        events += new_events
        slots = np.arange(len(registry.datastreams))
        states = detector.load(registry, dict(enumerate(map(bytes, detector.dump(states, slots)))))
    return events


def check_detector(detector) -> None:
    """The whole battery."""
    _check_batch_split_invariance(detector)
    _check_states_unmodified(detector)
    _check_revision_sequence(detector)
    _check_no_false_events(detector)
    _check_hostile_values(detector)
    _check_causality(detector)
    _check_bad_input(detector)


def _check_batch_split_invariance(detector):
    rng = np.random.default_rng(2)
    for streams in (3, 8, 24):  # no neighbours, a small group, a large one
        registry, batch = build_registry(streams), simulate_observations(streams, 300)
        whole = run_detector(detector, batch, registry)
        assert whole, "the weather holds plumes that any detector finds"
        for _ in range(3):
            cuts = sorted({int(c) for c in rng.integers(1, len(batch), 12)})
            assert run_detector(detector, batch, registry, cuts) == whole


def _check_states_unmodified(detector):
    registry, batch = build_registry(2), simulate_observations(2, 200)
    states, _ = detector.detect(detector.initial(registry), batch[:200], registry)
    slots = np.arange(2)
    before = detector.dump(states, slots).tobytes()
    first = detector.detect(states, batch[200:], registry)
    assert detector.dump(states, slots).tobytes() == before
    assert detector.detect(states, batch[200:], registry)[1] == first[1]


def _check_revision_sequence(detector):
    revisions_by_event = {}
    for event in run_detector(detector, simulate_observations(4, 600), build_registry(4)):
        revisions_by_event.setdefault(event.id, []).append(event)
    for revisions in revisions_by_event.values():
        assert [e.revision for e in revisions] == list(range(1, len(revisions) + 1))
        is_transient = (
            revisions[0].kind in {EventKind.GLITCH, EventKind.SENSOR} and revisions[0].change is EventChange.ENDED
        )
        assert is_transient or revisions[0].change is EventChange.OPENED
        assert all(e.change is EventChange.UPDATED for e in revisions[1:-1])
        assert len({(e.onset, e.detected_at, e.station, e.detector) for e in revisions}) == 1
        for e in revisions:
            assert e.onset <= e.peak_at
            assert e.onset <= e.detected_at
            assert e.end is None or e.onset <= e.end
            assert 0 <= e.confidence <= 1
            assert math.isclose(e.excess, abs(e.peak - e.background))


def _check_no_false_events(detector):
    registry = build_registry(1)
    at = T0 + np.arange(5_000) * 60_000
    for values in (np.full(5_000, 7.0), np.zeros(5_000), np.linspace(5, 25, 5_000)):
        assert run_detector(detector, ObservationBatch.from_columns(np.zeros(5_000, int), at, values), registry) == []


def _check_hostile_values(detector):
    registry, clean = build_registry(1), simulate_observations(1, 400)
    expected = run_detector(detector, clean, registry)
    for bad, time_fault in (
        (np.nan, None),
        (np.inf, None),
        (-np.inf, None),
        (500.0, "backwards"),
        (500.0, "same"),
    ):
        extra = np.sort(np.random.default_rng(3).integers(100, 300, 50))
        rows = np.sort(np.concatenate([np.arange(len(clean)), extra]))
        is_extra = np.concatenate([[False], rows[1:] == rows[:-1]])
        batch = clean[rows]
        value, at = batch.value.copy(), batch.observed_at.copy()
        value[is_extra] = bad
        at[is_extra] -= 3_600_000 if time_fault == "backwards" else 0
        assert run_detector(detector, replace(batch, value=value, observed_at=at), registry) == expected
    at = np.full(10_000, T0)
    assert (
        run_detector(
            detector,
            ObservationBatch.from_columns(np.zeros(10_000, int), at, np.random.default_rng(4).random(10_000) * 500),
            registry,
        )
        == []
    )


def _check_causality(detector):
    registry, batch = build_registry(2), simulate_observations(2, 500)
    for event in run_detector(detector, batch, registry):
        past = batch[batch.observed_at <= int(event.detected_at.timestamp() * 1000)]
        assert event.id in {e.id for e in run_detector(detector, past, registry)}


def _check_bad_input(detector):
    """Gaps of weeks, a swapped sensor, a clock that stands still, values at the limits of a float."""
    rng, registry = np.random.default_rng(5), build_registry(1)
    values = (8 + rng.normal(0, 0.3, 600)).round(1)
    at = T0 + np.arange(600) * 60_000

    def detect_peaks(values, at):
        new_events = run_detector(detector, ObservationBatch.from_columns(np.zeros(len(at), int), at, values), registry)
        states, _ = detector.detect(
            detector.initial(registry), ObservationBatch.from_columns(np.zeros(len(at), int), at, values), registry
        )
        assert all(np.isfinite(states.streams[name]).all() for name in ("background", "variance", "cusum", "gain"))
        return [e for e in new_events if e.kind is EventKind.PEAK]

    weeks = at + np.where(np.arange(600) >= 300, 21 * 86_400_000, 0)
    assert detect_peaks(values, weeks) == []
    assert detect_peaks(np.where(np.arange(600) >= 300, values + 0.8, values), weeks) == []
    for step in (25.0, -6.0):  # a swapped sensor: at most one event, which is over when its level is the new background
        swapped = detect_peaks(values + np.where(np.arange(600) >= 300, step, 0.0), at)
        assert len({e.id for e in swapped}) <= (1 if step > 0 else 0)
        assert all(e.change is EventChange.ENDED for e in swapped[-1:])
    huge = values.copy()
    huge[300] = 1e308
    huge[301] = -1e308
    assert detect_peaks(huge, at) == []
    assert detect_peaks(np.full(600, 1e-320), at) == []
    assert detect_peaks(values, np.full(600, T0)) == []
    assert detect_peaks(values, at[::-1].copy()) == []
