"""Neighbours rose too only if their own rise began within the time that a plume travels."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings
from gateway.model.event import EventChange, EventKind
from gateway.model.geodesy import offset_metres
from gateway.model.observation import ObservationBatch
from gateway.model.registry import Datastream, Registry, Station
from gateway.model.timestamps import to_ms
from tests.laws import T0, build_registry, run_detector
from tests.naive import rises, travel_window

DETECTOR = Detector(DetectionSettings())
MINUTE = 60_000
READINGS = 200
PLUME_AT = 120  # reading


def place_stations(places):
    """A registry with a station at each (east, north) in metres."""
    registry = build_registry(len(places))
    stations = {
        f"s{i}": Station(
            id=f"s{i}", area="a", name=f"S{i}", latitude=52 + north / 111_195.0, longitude=4.6 + east / 68_458.0
        )
        for i, (east, north) in enumerate(places)
    }
    return replace(registry, stations=stations)


def last_peak(registry, begins, wind=None, minutes=5):
    """The last revision of the peak at s0, if station i rises `begins[i]` minutes after s0 (None: not at all)."""
    values = 8 + np.random.default_rng(1).normal(0, 0.05, (READINGS, len(begins)))
    for i, begin in enumerate(begins):
        if begin is not None:
            values[PLUME_AT + begin : PLUME_AT + begin + minutes, i] += 60
    at = np.repeat(T0 + np.arange(READINGS) * MINUTE, len(begins))
    columns = (
        {} if wind is None else {"wind_direction": np.full(len(at), wind[0]), "wind_speed": np.full(len(at), wind[1])}
    )
    batch = ObservationBatch.from_columns(np.tile(np.arange(len(begins)), READINGS), at, values.ravel(), **columns)
    events = [e for e in run_detector(DETECTOR, batch, registry) if e.datastream == 0 and e.kind is EventKind.PEAK]
    onset = T0 + PLUME_AT * MINUTE
    (last,) = [e for e in events if e.change is EventChange.ENDED and abs(to_ms(e.onset) - onset) <= 2 * MINUTE]
    return last, values


RING = [(0, 0), (300, 0), (-300, 0), (0, 300), (0, -300), (600, 0), (-600, 0), (900, 0), (-900, 0), (4_000, 0)]


def test_a_rise_long_before_is_no_corroboration():
    """Stations of 300 m around, without wind: five minutes, and both sampling intervals."""
    last, _ = last_peak(place_stations(RING[:4]), [0, -25, -25, -25])
    assert (last.neighbours.risen, last.neighbours.fresh) == (0, 3)
    assert last.neighbours.window == pytest.approx(300 + 120, abs=2)
    last, _ = last_peak(place_stations(RING[:4]), [0, 1, None, -2])
    assert (last.neighbours.risen, set(last.neighbours.stations)) == (2, {"s1", "s3"})
    assert "; 2 van 3 buren stegen ook binnen 8 minuten" in last.words["nl"]
    assert "2 of 3 neighbours rose too within 8 minutes" in last.words["en"]


def test_with_wind_a_station_downwind_rises_later_and_none_upwind_does():
    """Wind from the west of 1 m/s: 600 m further east after ten minutes."""
    registry = place_stations([(0, 0), (600, 0), (-600, 0)])
    later, _ = last_peak(registry, [0, 10, None], wind=(270.0, 1.0), minutes=15)
    assert later.neighbours.stations == ("s1",)
    earlier, _ = last_peak(registry, [0, None, 10], wind=(270.0, 1.0), minutes=15)
    assert earlier.neighbours.stations == ()
    assert earlier.neighbours.fresh == 2


def test_a_station_that_no_plume_reaches_in_a_quarter_of_an_hour_does_not_count_in_the_total():
    last, _ = last_peak(place_stations([(0, 0), (300, 0), (9_000, 0)]), [0, 1, None], wind=(270.0, 2.0))
    assert (last.neighbours.risen, last.neighbours.fresh) == (1, 1)


def test_a_twin_is_no_neighbour():
    registry = place_stations([(0, 0), (300, 0)])
    twin = Datastream(slot=2, id=2, station="s0", node="twin", observed_property="pm2_5")
    registry = replace(registry, datastreams=[*registry.datastreams, twin])
    last, _ = last_peak(registry, [0, None, 0])
    assert (last.neighbours.risen, last.neighbours.fresh) == (0, 1)


@settings(max_examples=25, deadline=None)
@given(
    begins=st.lists(st.one_of(st.none(), st.integers(-40, 12)), min_size=9, max_size=9),
    wind=st.one_of(st.none(), st.tuples(st.sampled_from([0.0, 90.0, 200.0, 270.0]), st.sampled_from([0.8, 2.0, 6.0]))),
)
def test_the_neighbours_that_rose_are_those_of_a_plain_count(begins, wind):
    registry: Registry = place_stations(RING)
    try:
        last, values = last_peak(registry, [0, *begins], wind)
    except ValueError:
        return  # merged into an episode, or its onset is another: nothing to compare
    onset, times = to_ms(last.onset), T0 + np.arange(READINGS) * MINUTE
    here, expected, total, windows = registry.stations["s0"], set(), 0, []
    for i, station in enumerate(registry.stations.values()):
        if i == 0:
            continue
        vector = offset_metres(here.latitude, here.longitude, station.latitude, station.longitude)
        window = travel_window(vector, wind, 2 * MINUTE)
        if window is None:
            continue
        seen = times <= to_ms(last.end)  # the second reading below ends the event, before its neighbours' turn
        if times[seen][-1] < onset + window[0]:
            continue  # no plume can have come there yet
        total += 1
        windows.append(max(-window[0], window[1]))
        beginnings = rises(times[seen], values[seen, i] > 20)
        # at the very edge of the window the last bit of a distance decides
        assume(all(abs(at - onset - edge) > 10 for at in beginnings[-2:] for edge in window))
        if any(window[0] <= at - onset <= window[1] for at in beginnings[-2:]):
            expected.add(station.id)
    assert set(last.neighbours.stations) == expected
    assert (last.neighbours.risen, last.neighbours.fresh) == (len(expected), total)
    assert last.neighbours.window == pytest.approx(max(windows) / 1000, abs=1)
