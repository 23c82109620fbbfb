"""The simulated sensor: its times after a stall."""

import threading
import time

from edge_agent.sensors.simulated import SimulatedSettings


def test_a_stall_leaves_a_gap_and_never_two_readings_of_one_time():
    readings = SimulatedSettings(interval_seconds=0.01).create_sensor().readings(threading.Event())
    times = [next(readings).observed_at for _ in range(3)]
    time.sleep(0.2)
    times += [next(readings).observed_at for _ in range(3)]
    assert len(set(times)) == len(times)
    assert times[3] - times[2] >= 200
