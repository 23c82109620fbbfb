"""The newest minute of one property at one station: it ends at the newest valid value with a believable time."""

import time
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from msgspec.structs import replace

from edge_agent.wire import INVALID_FLAGS, Flag
from gateway.api.data.database import Database
from gateway.api.data.latest_values import LatestValues
from gateway.api.data.minute_window import MinuteWindow
from tests.gateway.api.observation_batches import ingest_observations


@pytest.mark.parametrize(
    ("directions", "mean"), [([350.0, 10.0], 0.0), ([80.0, 100.0], 90.0), ([359.0, 1.0, 3.0], 1.0), ([270.0], 270.0)]
)
def test_directions_have_a_circular_mean_and_no_maximum(directions, mean):
    minute = MinuteWindow("deg", [(1_000 * i, value, 0) for i, value in enumerate(directions)]).minute
    assert (minute.mean - mean + 180) % 360 - 180 == pytest.approx(0.0, abs=0.01)
    assert minute.max is None


def test_a_minute_drops_older_readings_and_counts_only_values():
    window = MinuteWindow("ug/m3", [(0, 5.0, 0), (30_000, None, 16)])
    window.add([(60_000, 7.0, 0), (30_000, 99.0, 0)])
    assert (window.minute.mean, window.minute.max, window.minute.valid_count) == (7.0, 7.0, 1)
    assert len(window.minute.flags) == 1


STALE, FAULT, SUSPECT = int(Flag.STALE), int(Flag.SENSOR_FAULT), int(Flag.TIME_SUSPECT)


@pytest.mark.parametrize("flag", [flag for flag in Flag if flag & INVALID_FLAGS])
def test_a_reading_that_does_not_count_is_a_reason_and_never_a_number(flag):
    window = MinuteWindow("ug/m3", [(0, 8.0, 0), (1_000, 987.0, int(flag))])
    minute = window.minute
    assert (minute.value, minute.mean, minute.max, minute.valid_count) == (8.0, 8.0, 8.0, 1)
    assert minute.observed_at == "1970-01-01T00:00:00.000Z"
    assert minute.excluded.flags == [flag.name.lower()]
    assert "987" not in repr(minute)
    window.add([(2_000, 9.0, 0)])
    assert (window.minute.value, window.minute.mean, window.minute.valid_count) == (9.0, 8.5, 2)
    assert (window.minute.count, window.minute.excluded) == (3, None)
    assert window.minute.flags == [flag.name.lower()]


def test_without_a_valid_value_there_is_no_number_and_no_time():
    minute = MinuteWindow("ug/m3", [(0, 987.0, FAULT), (1_000, None, STALE)]).minute
    assert (minute.value, minute.mean, minute.max, minute.observed_at) == (None, None, None, None)
    assert minute.excluded.flags == ["stale"]


def test_a_value_beyond_every_bound_does_not_count_even_without_a_flag():
    minute = MinuteWindow("ug/m3", [(0, 8.0, 0), (1_000, 2e200, 0)]).minute
    assert (minute.value, minute.mean, minute.excluded.flags) == (8.0, 8.0, ["out_of_range"])


def test_an_undated_reading_is_nowhere():
    window = MinuteWindow("ug/m3", [(0, 8.0, 0), (9_000_000, 987.0, SUSPECT), (1_000, 9.0, 0)])
    assert (window.minute.value, window.minute.count, window.minute.excluded) == (9.0, 2, None)


def test_the_reasons_of_the_last_minute_are_bounded():
    window = MinuteWindow("ug/m3", [(0, 8.0, 0)])
    for second in range(1, 1_000):
        window.add([(1_000 * second, 987.0, FAULT)])
    assert len(window._later) == 60
    assert window.minute.value == 8.0


def test_a_complete_minute_is_known_from_the_step_between_its_readings():
    seconds = [(1_000 * i, 8.0, 0) for i in range(60) if i % 7]
    assert MinuteWindow("ug/m3", seconds).minute.expected_count == 60
    assert MinuteWindow("ug/m3", seconds[:3]).minute.expected_count is None


async def test_a_stamp_ahead_of_the_clock_is_never_newest(database, pipeline, node):
    """In a live message and in the database, also if the gateway believed the stamp."""
    now = int(time.time() * 1000) // 1000 * 1000
    messages = await ingest_observations(pipeline, node, 60, start=now - 60_000, plume=())
    (observation,) = messages[-1].observations
    ahead = replace(observation, observed_at=datetime.now(UTC) + timedelta(minutes=3), value=987.0, recent=None)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            """INSERT INTO observation SELECT datastream_id, now() + interval '1 day', 987, 0, batch_id
               FROM observation LIMIT 1"""
        )
    pool = Database(database)
    async with pool.open_pool():
        latest_values = await LatestValues(pool).refresh_if_stale()
        before = latest_values.build_minute("wijk-aan-zee", "pm2_5")
        assert before.value < 10
        latest_values.apply(replace(messages[-1], observations=[ahead]))
        assert latest_values.build_minute("wijk-aan-zee", "pm2_5") == before
