"""Guests have a low weight: what they report changes nothing that others detect, and four of them count as one."""

from dataclasses import replace

import numpy as np
import pytest
from msgspec import structs

from gateway.detection.detector import Detector
from gateway.detection.neighbours import build_neighbour_groups
from gateway.detection.settings import DetectionSettings
from gateway.ingest.alert_mapping import is_seen_by_guests_only
from gateway.model.event import EventKind
from gateway.model.observation import ObservationBatch
from gateway.model.registry import Station
from tests.laws import T0, build_registry, run_detector

DETECTOR = Detector(DetectionSettings())
MINUTE = 60_000
READINGS = 240


def mixed_registry(own, guests):
    """Stations 300 m apart in a row: `own` of the network, then `guests`."""
    registry = build_registry(own + guests)
    names = [f"s{i}" for i in range(own)] + [f"guest-{i}" for i in range(guests)]
    stations = {
        name: Station(id=name, area="a", name=name, latitude=52 + i * 300 / 111_195.0, longitude=4.6)
        for i, name in enumerate(names)
    }
    datastreams = [replace(d, station=name) for d, name in zip(registry.datastreams, names, strict=True)]
    return replace(registry, stations=stations, datastreams=datastreams)


def run(values, registry, winds=None):
    """Events of a matrix of values, a row per minute and a column per station. `winds`: direction of each station."""
    count = values.shape[1]
    at = np.repeat(T0 + np.arange(len(values)) * MINUTE, count)
    columns = {}
    if winds is not None:
        columns = {"wind_direction": np.tile(winds, len(values)), "wind_speed": np.full(len(at), 3.0)}
    batch = ObservationBatch.from_columns(np.tile(np.arange(count), len(values)), at, values.ravel(), **columns)
    return run_detector(DETECTOR, batch, registry)


def quiet(count):
    return 8 + np.random.default_rng(2).normal(0, 0.05, (READINGS, count))


def without_neighbours(events):
    return [structs.replace(e, neighbours=None, words={}) for e in events if not e.station.startswith("guest-")]


@pytest.mark.parametrize("report", ["high", "stuck", "noise", "huge"])
def test_whatever_guests_report_the_events_of_others_stay_the_same(report):
    own, guests = 5, 7
    values = quiet(own + guests)
    values[150:160, 0] += 60  # a plume at one station
    values[200:215, :own] += 40  # an episode of all
    winds = np.array([270.0] + [np.nan] * (own - 1) + [90.0] * guests, np.float64)
    alone = run(values[:, :own], mixed_registry(own, 0), winds[:own])
    assert {event.kind for event in alone} >= {EventKind.PEAK, EventKind.REGIONAL}
    reports = {
        "high": 500.0,
        "stuck": 12.0,
        "huge": 9e8,
        "noise": np.random.default_rng(3).uniform(0, 900, (140, guests)),
    }
    values[100:, own:] = reports[report]
    together = run(values, mixed_registry(own, guests), winds)
    assert without_neighbours(together) == without_neighbours(alone)


def test_guests_alone_never_make_an_episode():
    values = quiet(9)
    values[150:170] += 60
    events = run(values, mixed_registry(0, 9))
    assert events
    assert EventKind.REGIONAL not in {event.kind for event in events}
    assert all(is_seen_by_guests_only(event) for event in events)


@pytest.mark.parametrize(("guests", "weight"), [(1, 0), (3, 0), (4, 1), (8, 2)])
def test_four_guests_count_as_one_neighbour_and_each_is_named(guests, weight):
    values = quiet(1 + guests)
    values[150:160] += 60
    events = [event for event in run(values, mixed_registry(1, guests)) if event.station == "s0"]
    last = events[-1].neighbours
    assert (last.risen, last.fresh) == (weight, weight)
    assert len(last.stations) == min(guests, 8)
    assert not any(is_seen_by_guests_only(event) for event in events)


def test_a_guest_that_another_station_confirms_is_not_alone():
    values = quiet(4)
    values[150:160, [0, 3]] += 60
    events = [event for event in run(values, mixed_registry(3, 1)) if event.station == "guest-0"]
    assert events[-1].neighbours.risen == 1
    assert not is_seen_by_guests_only(events[-1])
    alone = quiet(4)
    alone[150:160, 3] += 60
    events = [event for event in run(alone, mixed_registry(3, 1)) if event.station == "guest-0"]
    assert events
    assert all(is_seen_by_guests_only(event) for event in events)


def test_guests_come_last_in_their_group_and_are_no_twins():
    registry = mixed_registry(2, 2)
    place = registry.stations["s0"]
    same_place = replace(registry.stations["guest-0"], latitude=place.latitude, longitude=place.longitude)
    groups = build_neighbour_groups(replace(registry, stations={**registry.stations, "guest-0": same_place}))
    assert list(groups.twin_of) == [-1] * 4
    assert list(groups.members) == [0, 1, 2, 3]
    assert list(groups.own_ends) == [2]
