"""The buffer loses no reading, keeps the order of each sensor, and wakes the loop only if there is something to do."""

import threading
import time

from edge_agent import reading_buffer
from edge_agent.reading_buffer import ReadingBuffer

NEVER = float("inf")


def put_later(buffer, items, seconds):
    thread = threading.Timer(seconds, lambda: [buffer.put(item) for item in items])
    thread.start()
    return thread


def take_for(buffer, timeout, **options):
    started_at = time.monotonic()
    items = buffer.take(timeout, **{"due_at": NEVER, "many": 100, **options})
    return items, time.monotonic() - started_at


def test_a_reading_before_the_commit_is_due_does_not_wake_the_loop():
    buffer = ReadingBuffer()
    put_later(buffer, [1, 2], 0.05)
    items, seconds = take_for(buffer, 0.6)
    assert items == [1, 2]
    assert seconds >= 0.6


def test_a_reading_wakes_the_loop_if_the_commit_is_due():
    buffer = ReadingBuffer()
    put_later(buffer, [1], 0.05)
    items, seconds = take_for(buffer, 30.0, due_at=0.0)
    assert items == [1]
    assert seconds < 10.0


def test_a_waiting_reading_is_taken_at_once_if_the_commit_is_due():
    buffer = ReadingBuffer()
    buffer.put(1)
    assert take_for(buffer, 30.0, due_at=0.0)[0] == [1]


def test_many_readings_wake_the_loop():
    buffer = ReadingBuffer()
    put_later(buffer, range(100), 0.05)
    items, seconds = take_for(buffer, 30.0)
    assert items == list(range(len(items)))
    assert seconds < 10.0


def test_the_end_of_a_sensor_wakes_the_loop():
    buffer = ReadingBuffer()
    threading.Timer(0.05, buffer.wake).start()
    items, seconds = take_for(buffer, 30.0)
    assert items == []
    assert seconds < 10.0


def test_a_sensor_that_is_faster_than_the_spool_waits_and_loses_nothing(monkeypatch):
    monkeypatch.setattr(reading_buffer, "_CAPACITY", 10)
    buffer, readings = ReadingBuffer(), []
    threads = [
        threading.Thread(target=lambda name=name: [buffer.put((name, n)) for n in range(1000)]) for name in "abc"
    ]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 60
    while len(readings) < 3000 and time.monotonic() < deadline:
        portion = buffer.take(1.0, due_at=NEVER, many=100)
        assert len(portion) <= 10
        readings += portion
    for name in "abc":
        assert [n for sensor, n in readings if sensor == name] == list(range(1000))
