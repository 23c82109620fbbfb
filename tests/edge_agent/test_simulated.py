"""The simulated sensor: its times after a stall, and its wind, fog and faults."""

import threading
import time

import msgspec
import pytest

from edge_agent.sensors.simulated import SimulatedSettings
from edge_agent.sensors.simulated_air import (
    SimulatedAir,
    SimulatedFault,
    SimulatedPlume,
    SimulatedWind,
    interpolate_wind,
)


def test_a_stall_leaves_a_gap_and_never_two_readings_of_one_time():
    readings = SimulatedSettings(interval_seconds=0.01).create_sensor().readings(threading.Event())
    times = [next(readings).observed_at for _ in range(3)]
    time.sleep(0.2)
    times += [next(readings).observed_at for _ in range(3)]
    assert len(set(times)) == len(times)
    assert times[3] - times[2] >= 200


def make_air(**parts):
    return SimulatedAir(("pm2_5", "humidity", "wind_direction", "wind_speed"), seed=3, **parts)


def simulate(air, seconds):
    return [air.simulate(float(second), 1_800_000_000.0 + second) for second in seconds]


def test_the_wind_turns_evenly_and_the_short_way_round():
    winds = [
        SimulatedWind(start_seconds=0, direction=350, speed=6),
        SimulatedWind(start_seconds=100, direction=30, speed=2),
    ]
    assert interpolate_wind(winds, [0, 100], 50) == (10, 4)
    assert interpolate_wind(winds, [0, 100], -5) == (350, 6)
    assert interpolate_wind(winds, [0, 100], 500) == (30, 2)
    values = simulate(make_air(winds=winds), range(101))
    directions = [reading["wind_direction"] for reading in values]
    assert all(0 <= value <= 360 for value in directions)
    assert not any(60 < value < 320 for value in directions)
    assert values[0]["wind_speed"] > values[100]["wind_speed"] + 2


def test_a_broken_sensor_repeats_its_value_and_works_again_after_the_fault():
    fault = SimulatedFault(start_seconds=10, duration_seconds=20, properties=("pm2_5",))
    values = [reading["pm2_5"] for reading in simulate(make_air(faults=[fault]), range(60))]
    assert len(set(values[10:30])) == 1
    assert len(set(values[:10])) > 1 < len(set(values[30:]))


def test_fog_raises_the_humidity_and_the_values_of_an_optical_sensor():
    fog = SimulatedPlume(start_seconds=100, duration_seconds=600, excess={"humidity": 15.0})
    values = simulate(make_air(plumes=[fog]), range(0, 801, 10))
    clear, foggy = values[5], values[40]
    assert foggy["humidity"] > clear["humidity"] + 8
    assert foggy["pm2_5"] > 1.3 * clear["pm2_5"]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"fault": [{"start_seconds": 0, "duration_seconds": 1, "properties": ["pm3"]}]}, "knows no 'pm3'"),
        ({"wind": [{"start_seconds": 5, "direction": 0, "speed": 1}] * 2}, "in the order of `start_seconds`"),
    ],
)
def test_a_mistake_in_the_world_is_named(settings, sentence):
    with pytest.raises(msgspec.ValidationError, match=sentence):
        msgspec.convert({"driver": "simulated", **settings}, SimulatedSettings)
