"""What is no peak of one station is named for what it is; what stood around a peak is told with it."""

from dataclasses import replace

import numpy as np
import pytest

from edge_agent.wire import Flag
from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings
from gateway.model.event import EventChange, EventKind, Wind
from gateway.model.observation import ObservationBatch
from gateway.model.registry import Datastream, Site, Station
from tests.laws import T0, build_registry, run_detector

DETECTOR = Detector(DetectionSettings())
STEP = 60_000


def network(values, registry, **columns):
    """values (readings, streams), all streams at the same times -> the events of each kind."""
    readings, streams = values.shape
    at = np.repeat(T0 + np.arange(readings) * STEP, streams)
    columns = {name: np.broadcast_to(column, values.shape).ravel() for name, column in columns.items()}
    batch = ObservationBatch.from_columns(np.tile(np.arange(streams), readings), at, values.ravel(), **columns)
    found = {}
    for event in run_detector(DETECTOR, batch, registry):
        found.setdefault(event.kind, []).append(event)
    return found


def calm(readings, streams, seed=1):
    return 8 + np.random.default_rng(seed).normal(0, 0.3, (readings, streams))


@pytest.mark.parametrize("streams", [3, 8, 40])
def test_what_all_stations_see_is_one_event_of_the_area(streams):
    values = calm(400, streams)
    values[200:260] += np.minimum(np.arange(60) / 10, 1)[:, None] * 30
    found = network(values, build_registry(streams))
    assert len({e.id for e in found[EventKind.REGIONAL]}) == 1
    assert found[EventKind.REGIONAL][-1].change is EventChange.ENDED
    assert "all_neighbours" in found[EventKind.REGIONAL][0].reasons
    standing = {e.id: e for e in found.get(EventKind.PEAK, [])}
    assert all(e.change is EventChange.MERGED for e in standing.values())
    assert {e.merged_into for e in standing.values()} <= {found[EventKind.REGIONAL][0].id}


def test_fog_is_named_and_told_when_it_grows_beyond_what_fog_can_do():
    values, humidity = calm(400, 1), np.full((400, 1), int(Flag.HUMIDITY), np.int32)
    values[200:230] += 10
    found = network(values, build_registry(1), flags=humidity)
    assert EventKind.PEAK not in found
    assert "humidity" in found[EventKind.HUMIDITY][0].reasons
    assert found[EventKind.HUMIDITY][0].confidence < 0.2
    values[210:230] += 60
    found = network(values, build_registry(1), flags=humidity)
    assert found[EventKind.PEAK][0].id == found[EventKind.HUMIDITY][0].id


def test_a_sensor_that_sticks_high_is_taken_back():
    values = calm(400, 1)
    values[200:300] = 60.0
    stuck = np.where(np.arange(400) >= 230, int(Flag.STUCK), 0)[:, None] * (values == 60.0)
    found = network(values, build_registry(1), flags=stuck)
    assert found[EventKind.PEAK][-1].change is EventChange.VOIDED
    assert "stuck" in found[EventKind.PEAK][-1].reasons
    assert found[EventKind.PEAK][-1].confidence < 0.1
    assert len({e.id for e in found[EventKind.PEAK]}) == 1


def twins():
    """Two sensors at one station."""
    registry = build_registry(1)
    second = Datastream(slot=1, id=1, station="s0", node="other", observed_property="pm2_5")
    return replace(registry, datastreams=[*registry.datastreams, second])


def test_a_sensor_that_its_twin_contradicts_alarms_nobody():
    values = calm(400, 2)
    values[200:230, 0] += 40
    found = network(values, twins())
    assert {e.change for e in found.get(EventKind.PEAK, [])} <= {
        EventChange.OPENED,
        EventChange.UPDATED,
        EventChange.VOIDED,
    }
    assert all(e.change is EventChange.VOIDED for e in found.get(EventKind.PEAK, [])[-1:])
    assert "twin_disagrees" in found[EventKind.SENSOR][0].reasons
    values[200:230, 1] += 38
    found = network(values, twins())
    assert EventKind.SENSOR not in found
    assert "twin_agrees" in found[EventKind.PEAK][-1].reasons


def test_neighbours_wind_and_the_site_upwind_are_told_with_the_event():
    registry = build_registry(24)
    here = registry.stations["s5"]
    west = Site(id="x", area="a", name="Terrein X", operator="X", latitude=here.latitude, longitude=4.5)
    south = Site(id="y", area="a", name="Terrein Y", operator="Y", latitude=here.latitude - 0.1, longitude=4.6)
    names = {**registry.stations, "s5": Station(id="s5", area="a", name="De Pijp", latitude=52.05, longitude=4.6)}
    registry = replace(registry, sites=[south, west], stations=names)
    values = calm(400, 24)
    values[200:212, 5] += 76
    values[200:212, 4] += 40
    values[200:212, 6] += 40
    found = network(values, registry, wind_direction=np.full((400, 1), 265.0), wind_speed=np.full((400, 1), 4.0))
    event = [e for e in found[EventKind.PEAK] if e.station == "s5"][-1]
    assert event.change is EventChange.ENDED
    assert set(event.neighbours.stations) == {"s4", "s6"}
    assert event.wind == Wind(direction=265.0, spread=0.0, speed=4.0, readings=event.wind.readings)
    assert [site.id for site in event.upwind] == ["x"]
    assert event.upwind[0].bearing == pytest.approx(270, abs=0.1)
    assert event.upwind[0].distance == pytest.approx(6_839, rel=0.01)
    assert event.words["nl"].startswith("PM2,5 bij De Pijp steeg naar 83,9 µg/m³ (losse meting), ")
    assert "; 2 van 23 buren stegen ook binnen 15 minuten; " in event.words["nl"]
    assert "12 minuten lang" in event.words["nl"]
    assert event.words["nl"].endswith("wind uit het westen, van Terrein X.")
    assert "for 12 minutes" in event.words["en"]
    assert event.words["en"].endswith("wind from the west, from Terrein X.")


def test_wind_that_turned_all_around_names_no_site():
    values = calm(400, 1)
    values[200:240] += 40
    turning = (np.arange(400) * 47.0 % 360)[:, None]
    found = network(values, build_registry(1), wind_direction=turning, wind_speed=np.full((400, 1), 4.0))
    assert found[EventKind.PEAK][-1].wind is None
    assert found[EventKind.PEAK][-1].upwind == ()
