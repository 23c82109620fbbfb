"""The detector takes validity from the three classes of flags, for every flag."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.wire import DOUBTFUL_FLAGS, EXCLUDED_FLAGS, INVALID_FLAGS, Flag
from gateway.detection.analyzer import Analyzer
from gateway.detection.confidence import assess_confidence
from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings
from gateway.ingest.alert_mapping import build_alerts
from gateway.model.event import EventChange, EventKind, Neighbours
from gateway.model.observation import ObservationBatch
from gateway.quality.flagger import Flagger
from tests.laws import T0, build_registry, simulate_observations

ANALYZER = Analyzer(flagger=Flagger(), detector=Detector(DetectionSettings()))
REGISTRY = build_registry(1)


def analyze(batch):
    """Events of rows whose flags are as given."""
    return ANALYZER.analyze(ANALYZER.initial(REGISTRY), batch)[2]


def inject(clean, places, flag, value):
    """Rows with a flagged absurd value half a second after each of some readings."""
    at = np.concatenate([clean.observed_at, clean.observed_at[places] + 500])
    order = np.argsort(at, kind="stable")
    values = np.concatenate([clean.value, np.full(len(places), value)])
    flags = np.concatenate([clean.flags, np.full(len(places), int(flag), np.int32)])
    return ObservationBatch.from_columns(np.zeros(len(at), int), at[order], values[order], flags=flags[order])


def facts(events):
    """What an event says of the air: all but hashes, and without the events of the sensor itself."""
    return [
        (e.id, e.revision, e.change, e.onset, e.end, e.peak, e.background, e.confidence)
        for e in events
        if e.kind is not EventKind.SENSOR
    ]


@settings(max_examples=60, deadline=None)
@given(
    flag=st.sampled_from(list(EXCLUDED_FLAGS)),
    value=st.sampled_from([-50.0, 0.0, 65_535.0, 1e300]),
    places=st.lists(st.integers(60, 380), min_size=1, max_size=20, unique=True),
)
def test_a_value_with_an_excluded_flag_changes_no_event_of_the_air(flag, value, places):
    if flag is Flag.STUCK:
        return  # it voids an open event: the next test
    clean = simulate_observations(1, 400)
    events = analyze(clean)
    assert facts(events), "the recording has peaks"
    with_invalid = analyze(inject(clean, np.array(sorted(places)), flag, value))
    assert facts(with_invalid) == facts(events)
    assert all(event.confidence < 0.1 for event in with_invalid if event.kind is EventKind.SENSOR)
    assert [alert for alert in build_alerts(with_invalid, REGISTRY, {}) if alert.kind == "sensor"] == []


@pytest.mark.parametrize("flag", list(INVALID_FLAGS))
def test_an_event_of_invalid_readings_alone_is_of_the_sensor_and_raises_no_alarm(flag):
    values, flags = 8 + np.random.default_rng(1).normal(0, 0.3, 300), np.zeros(300, np.int32)
    values[150:200] += 100
    flags[150:200] = flag
    at = T0 + np.arange(300) * 1_000
    (event,) = analyze(ObservationBatch.from_columns(np.zeros(300, int), at, values, flags=flags))
    assert (event.kind, event.change) == (EventKind.SENSOR, EventChange.ENDED)
    assert flag.name.lower() in event.reasons
    assert event.confidence < 0.1
    assert build_alerts([event], REGISTRY, {}) == []


@pytest.mark.parametrize("flag", list(INVALID_FLAGS))
def test_invalid_readings_teach_nothing(flag):
    values, flags = 8 + np.random.default_rng(1).normal(0, 0.3, 300), np.zeros(300, np.int32)
    values[200:], flags[200:] = 60.0, flag
    batch = ObservationBatch.from_columns(np.zeros(300, int), T0 + np.arange(300) * 1_000, values, flags=flags)
    detector = ANALYZER.detector
    before, _ = detector.detect(detector.initial(REGISTRY), batch[:200], REGISTRY)
    after, _ = detector.detect(before, batch[200:], REGISTRY)
    for name in ("background", "variance", "at", "count", "residual"):
        assert after.streams[name] == before.streams[name]


def confidence(flags, **changes):
    values = {
        "change": EventChange.ENDED, "kind": EventKind.PEAK, "excess": 60.0, "background": 8.0, "noise": 1.0,
        "neighbours": Neighbours(fresh=0, risen=0), "agrees": 0, "disagrees": 0, "minutes": 5.0, "waited": None,
    }  # fmt: skip
    return assess_confidence(**{**values, **changes}, flags=int(flags))


@pytest.mark.parametrize("flag", list(DOUBTFUL_FLAGS))
@pytest.mark.parametrize("excess", [2.0, 10.0, 60.0, 1e4])
def test_every_doubtful_flag_lowers_the_confidence_of_any_event_and_is_named(flag, excess):
    said, without = confidence(flag, excess=excess), confidence(0, excess=excess)
    assert said.value < without.value
    assert flag.name.lower() in said.reasons
