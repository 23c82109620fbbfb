"""Tracks without a database: background, flags, cells, and the public part of a resident's ride."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.averaging import AveragingRule, average_values
from gateway.model.geodesy import METRES_PER_DEGREE
from gateway.model.mobile_station import Vehicle
from gateway.tracks.background import HALF_WINDOW_MS, MIN_READINGS, QUANTILE, compute_background
from gateway.tracks.cells import CELL_METRES, find_passes, number_cells, outline_cell
from gateway.tracks.plan import Carrier, name_track, plan_tracks
from gateway.tracks.positions import Positions, TrackFlag, cut_tracks, judge_positions, measure_distance, read_positions
from gateway.tracks.privacy import find_public
from tests.gateway.tracks.rides import LATITUDE, ride_east


def background_naively(times, values):
    """One window after the other, with numpy's own quantile."""
    result = np.full(len(times), np.nan)
    for row, at in enumerate(times):
        near = values[(np.abs(times - at) <= HALF_WINDOW_MS) & np.isfinite(values)]
        if len(near) >= MIN_READINGS:
            result[row] = np.quantile(near, QUANTILE)
    return result


@given(st.integers(0, 2**32 - 1), st.integers(0, 300), st.floats(0, 0.5))
def test_the_background_is_the_quantile_of_every_window(seed, size, gaps):
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.integers(1, 4_000, size)).astype(np.int64)
    values = np.where(rng.random(size) < gaps, np.nan, rng.integers(0, 20, size).astype(float))
    assert np.allclose(compute_background(times, values), background_naively(times, values), equal_nan=True)


def test_a_plume_of_a_minute_hardly_raises_the_background():
    ride = ride_east(600)
    values = np.full(600, 5.0)
    values[300:360] = 80.0
    assert compute_background(ride.times, values)[330] == 5.0


def test_a_track_ends_where_ten_minutes_have_no_position():
    first, second = ride_east(60), ride_east(60, start_ms=int(ride_east(60).times[-1]) + 600_001)
    both = Positions(**{name: np.concatenate([getattr(first, name), getattr(second, name)]) for name in vars(first)})
    assert [len(track) for track in cut_tracks(both)] == [60, 60]
    assert len(cut_tracks(ride_east(60))) == 1
    assert cut_tracks(ride_east(0)) == []


@pytest.mark.parametrize(
    ("speed", "flag"), [(0.5, TrackFlag.OWN_EXHAUST), (8.0, 0), (20.0, TrackFlag.TOO_FAST), (80.0, TrackFlag.LEAP)]
)
def test_speed_and_exhaust_are_flagged(speed, flag):
    flags = judge_positions(ride_east(60, speed=speed), Vehicle.CAR, has_exhaust=True)
    assert set((flags & flag if flag else flags).tolist()) == {int(flag)}
    without = judge_positions(ride_east(60, speed=0.5), Vehicle.BICYCLE, has_exhaust=False)
    assert not without.any()


def test_two_sensors_with_one_receiver_give_no_leap():
    """The positions of a second sensor follow some milliseconds later, the next fix lies 10 m farther."""
    ride = ride_east(60, speed=10.0)
    twice = Positions(
        times=np.sort(np.concatenate([ride.times - 5, ride.times])),
        **{name: np.repeat(getattr(ride, name), 2) for name in ("latitude", "longitude", "altitude")},
    )
    assert twice.speeds[4:] == pytest.approx(np.full(116, 10.0), rel=0.35)
    assert not (judge_positions(twice, Vehicle.CAR, has_exhaust=True) & TrackFlag.LEAP).any()


def test_exhaust_counts_for_ten_seconds_after_a_stop():
    still, moving = ride_east(30, speed=0.0), ride_east(60, speed=8.0)
    ride = Positions(
        times=np.concatenate([still.times, moving.times + 30_000]),
        **{
            name: np.concatenate([getattr(still, name), getattr(moving, name)])
            for name in ("latitude", "longitude", "altitude")
        },
    )
    flags = judge_positions(ride, Vehicle.CAR, has_exhaust=True)
    assert flags[:41].all()
    assert not flags[45:].any()


@given(st.floats(-80, 80), st.floats(-179, 179))
def test_a_cell_has_50_m_and_holds_its_positions(latitude, longitude):
    place = Positions(
        times=np.zeros(1, np.int64),
        latitude=np.array([latitude]),
        longitude=np.array([longitude]),
        altitude=np.zeros(1),
    )
    north, east = number_cells(place)
    ring = outline_cell(int(north[0]), int(east[0]))
    (west, south), (right, top) = ring[0], ring[2]
    rounding = 2e-6
    assert west - rounding <= longitude <= right + rounding
    assert south - rounding <= latitude <= top + rounding
    assert (top - south) * METRES_PER_DEGREE == pytest.approx(CELL_METRES, abs=0.3)
    middle = math.radians((south + top) / 2)
    assert (right - west) * METRES_PER_DEGREE * math.cos(middle) == pytest.approx(CELL_METRES, abs=0.3)


def test_a_pass_is_one_visit_whatever_its_number_of_readings():
    ride = ride_east(300, speed=10.0)
    values = np.arange(300.0)
    passes = list(
        find_passes(
            ride, values, np.full(300, np.nan), lambda numbers: average_values(numbers, AveragingRule.ARITHMETIC)
        )
    )
    assert len(passes) == pytest.approx(300 * 10 / CELL_METRES, abs=2)
    assert sum(item.readings for item in passes) == 300
    assert sum(item.readings * item.mean for item in passes) == pytest.approx(values.sum())
    assert {item.background for item in passes} == {None}


def test_a_return_after_five_minutes_is_a_second_pass():
    ride, values = ride_east(10, speed=0.0), np.ones(10)
    later = ride_east(10, speed=0.0, start_ms=int(ride.times[-1]) + 300_001)
    both = Positions(**{name: np.concatenate([getattr(ride, name), getattr(later, name)]) for name in vars(ride)})
    twice = find_passes(
        both, np.ones(20), np.ones(20), lambda numbers: average_values(numbers, AveragingRule.ARITHMETIC)
    )
    once = find_passes(ride, values, values, lambda numbers: average_values(numbers, AveragingRule.ARITHMETIC))
    assert [item.readings for item in twice] == [10, 10]
    assert [item.readings for item in once] == [10]


@pytest.mark.parametrize("station", [f"mobile-bicycle-{number}" for number in range(20)])
def test_the_first_and_last_200_m_of_a_resident_are_hidden(station):
    ride = ride_east(200, speed=5.0)
    is_public = find_public(ride, station)
    assert is_public.any()
    for end in (ride[:1], ride[-1:]):
        assert measure_distance(end, ride[is_public]).min() >= 200
    assert not find_public(ride_east(60, speed=5.0), station).any()


def test_a_resident_s_passes_near_home_and_a_drone_s_passes_are_in_no_cell():
    ride = ride_east(600, speed=5.0)
    readings = {"pm2_5": (ride.times, np.full(600, 8.0)), "humidity": (ride.times, np.full(600, 60.0))}
    bicycle = Carrier(vehicle=Vehicle.BICYCLE, has_exhaust=False, is_private=True)
    (track,) = plan_tracks("mobile-b", bicycle, ride, readings)
    assert {name for name, _ in track.passes} == {"pm2_5"}
    assert sum(item.readings for _, item in track.passes) == len(track.shown) < 600
    assert {item.mean for _, item in track.passes} == {8.0}
    assert track.id == name_track("mobile-b", int(track.shown.times[0])) != name_track("mobile-b", int(ride.times[0]))
    drone = Carrier(vehicle=Vehicle.DRONE, has_exhaust=False, is_private=False)
    (flight,) = plan_tracks("mobile-d", drone, ride, readings)
    assert len(flight.shown) == 600
    assert flight.passes == []


def test_readings_without_a_place_on_earth_give_no_position():
    assert list(read_positions(b"no batch")) == []
    assert ride_east(1).latitude[0] == LATITUDE


def test_levels_in_decibels_are_averaged_by_their_energy():
    assert average_values([40.0, 80.0], AveragingRule.ENERGY) == pytest.approx(76.99, abs=0.01)
    assert average_values([5000.0, 5000.0], AveragingRule.ENERGY) == pytest.approx(5000.0)
    assert average_values([40.0, 80.0], AveragingRule.ARITHMETIC) == 60.0
    assert math.isnan(average_values([], AveragingRule.ENERGY))
