"""Wind and humidity that do not count name no direction, no site and no fog."""

from dataclasses import replace

import numpy as np
import pytest

from edge_agent.wire import DOUBTFUL_FLAGS, EXCLUDED_FLAGS, Flag
from gateway.detection.analyzer import Analyzer
from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings
from gateway.model.event import EventKind
from gateway.model.observation import ObservationBatch
from gateway.model.registry import Datastream, ObservedProperty, Site
from gateway.quality.flagger import Flagger
from tests.laws import T0, build_registry

ANALYZER = Analyzer(flagger=Flagger(), detector=Detector(DetectionSettings()))
NAMES = ("pm2_5", "wind_speed", "wind_direction", "humidity")
READINGS = 200


def build_station():
    """One node with four datastreams, and a facility west of it."""
    registry = build_registry(1)
    limits = {"wind_speed": (0, 75), "wind_direction": (0, 360), "humidity": (0, 100)}
    properties = {n: ObservedProperty(id=n, unit="1", name={}, lower=lo, upper=up) for n, (lo, up) in limits.items()}
    streams = [Datastream(slot=i, id=i, station="s0", node="s0", observed_property=n) for i, n in enumerate(NAMES)]
    site = Site(id="x", area="a", name="Terrein X", operator="X", latitude=52.0, longitude=4.5)
    return replace(registry, sites=[site], properties={**registry.properties, **properties}, datastreams=streams)


def last_event(flags=0, only=NAMES[1:], **measured):
    """The peak's last revision; `flags` are those of the rows of the properties `only` during the peak."""
    columns = {"wind_speed": 4.0, "wind_direction": 270.0, "humidity": 60.0} | measured
    pm = 8 + np.random.default_rng(1).normal(0, 0.3, READINGS)
    pm[120:140] += 12
    varied = np.where(np.arange(READINGS) % 2, 0.0, 0.01)
    by_name = {"pm2_5": pm, **{name: np.full(READINGS, value) + varied for name, value in columns.items()}}
    high = np.arange(READINGS) >= 90
    rows = ObservationBatch.from_columns(
        np.repeat(np.arange(4), READINGS),
        np.tile(T0 + np.arange(READINGS) * 60_000, 4),
        np.concatenate([by_name[name] for name in NAMES]),
        flags=np.concatenate([np.where(high, int(flags) * (name in only), 0) for name in NAMES]),
        batch=np.tile(np.arange(READINGS), 4),
        rh=np.tile(by_name["humidity"], 4),
        wind_speed=np.tile(by_name["wind_speed"], 4),
        wind_direction=np.tile(by_name["wind_direction"], 4),
    )
    rows = rows[np.argsort(rows.observed_at, kind="stable")]
    registry = build_station()
    events = ANALYZER.analyze(ANALYZER.initial(registry), rows)[2]
    return [e for e in events if e.observed_property == "pm2_5" and e.kind is not EventKind.GLITCH][-1]


def test_valid_wind_names_the_facility():
    event = last_event()
    assert (event.wind.direction, [site.id for site in event.upwind]) == (pytest.approx(270, abs=0.1), ["x"])


@pytest.mark.parametrize("only", ["wind_direction", "wind_speed"])
@pytest.mark.parametrize("flag", [flag for flag in EXCLUDED_FLAGS if flag is not Flag.TIME_SUSPECT])
def test_invalid_wind_gives_no_direction_and_no_site(flag, only):
    event = last_event(flag, only=(only,))
    assert (event.wind, event.upwind) == (None, ())
    assert "wind" not in event.words["nl"]
    assert "Terrein X" not in event.words["nl"]


@pytest.mark.parametrize("flag", list(DOUBTFUL_FLAGS))
def test_doubtful_wind_counts(flag):
    assert last_event(flag, only=("wind_direction", "wind_speed")).wind is not None


@pytest.mark.parametrize("measured", [{"wind_direction": 990.0}, {"wind_speed": 0.2}, {"wind_speed": float("nan")}])
def test_calm_and_impossible_wind_gives_no_direction(measured):
    assert last_event(**measured).wind is None


def test_humid_air_is_named_unless_the_humidity_does_not_count():
    assert last_event(humidity=95.0).kind is EventKind.HUMIDITY
    assert last_event(Flag.SENSOR_FAULT, only=("humidity",), humidity=95.0).kind is EventKind.PEAK
    assert last_event(humidity=120.0).kind is EventKind.PEAK
