"""The playback of a day: frames of a minute, whole legal days, and its size."""

import gzip
import random
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from fastapi import HTTPException

from gateway.api.data.playback import choose_resolution, copy_steps
from gateway.api.routes.playback import build_peak, choose_period
from gateway.api.schemas.playback import Playback, PlaybackPeak
from gateway.model.properties import PROPERTIES
from tests.gateway.api.observation_batches import ingest_observations
from tests.gateway.api.pages.test_situation import event
from tests.gateway.enrolled_node import T0, enrol_node

MAX_BYTES = 150_000
NOW = datetime(2026, 11, 29, 12, 0, 30, tzinfo=UTC)
ZONE = "Europe/Amsterdam"


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-11-28", 24), ("2026-10-25", 25), ("2026-03-29", 23), (None, 24), ("2026-11-29", 13)]
)
def test_a_day_is_the_legal_day_as_far_as_it_is_over(day, hours):
    start, end = choose_period(day, ZONE, NOW)
    assert end - start == timedelta(hours=hours)
    assert (start.second, end.second) == (0, 0)


@pytest.mark.parametrize("day", ["2026-11-30", "2027-01-01", "gisteren", "2026-02-30", "9999-12-31", ""])
def test_an_invalid_day_has_a_sentence(day):
    with pytest.raises(HTTPException) as error:
        choose_period(day, ZONE, NOW)
    assert error.value.status_code == 400
    assert error.value.detail.startswith("day: ")


@pytest.mark.parametrize("name", PROPERTIES)
def test_a_resolution_is_a_power_of_ten_that_shows_the_smallest_peak(name):
    resolution, levels = choose_resolution(name), PROPERTIES[name].severity
    if levels is not None:
        assert resolution * 5 <= levels[0] < resolution * 50


@pytest.mark.parametrize(
    ("offset", "expected"),
    [(0, [1, 2, None, None]), (1, [None, 1, 2, None]), (-1, [2, None, None, None]), (3, [None, None, None, 1]),
     (4, [None] * 4), (-3, [None] * 4)],
)  # fmt: skip
def test_the_part_of_a_block_inside_the_period_is_copied(offset, expected):
    target = [None] * 4
    copy_steps([1, 2, None], target, offset)
    assert target == expected


def test_a_peak_covers_its_frames_and_none_outside_the_day():
    onset = datetime.fromisoformat(event().onset)
    day = (onset - timedelta(minutes=5), onset + timedelta(minutes=60))
    assert build_peak(event(), day) == PlaybackPeak(event="e1", station="a", severity="severe", first=5, last=64)
    over = msgspec.structs.replace(event(), end=(onset + timedelta(seconds=90)).isoformat())
    assert build_peak(over, day).last == 6
    outside = build_peak(over, (onset + timedelta(hours=1), onset + timedelta(hours=2)))
    assert outside.last < outside.first


async def test_the_frames_are_the_means_of_the_minutes(api, pipeline, node, database):
    other = enrol_node(database, "ijm-002", "beverwijk")
    await ingest_observations(pipeline, node)
    await ingest_observations(pipeline, other, 60, plume=range(0))
    document = (await api.get("/api/v1/playback?area=ijmond&day=2026-11-21")).json()
    start = datetime.fromisoformat(document["start"])
    assert (document["unit"], document["averaging"], document["resolution"]) == ("ug/m3", "1min", 1.0)
    assert start == datetime(2026, 11, 20, 23, tzinfo=UTC)
    frame = (T0 // 1000 - int(start.timestamp())) // 60
    steps = document["stations"]["wijk-aan-zee"]
    query = "/api/v1/stations/wijk-aan-zee/observations?start=2026-11-21T00:00:00Z&end=2026-11-21T12:00:00Z"
    means = [item["mean"] for item in reversed((await api.get(query)).json()["items"])]
    assert [round(mean) for mean in means] == steps[frame : frame + 3]
    assert len(steps) == 1440
    assert set(steps[:frame] + steps[frame + 3 :]) == {None}
    assert document["stations"]["beverwijk"][frame : frame + 2] == [8, None]
    (peak,) = document["peaks"]
    assert peak["station"] == "wijk-aan-zee"
    assert peak["first"] <= frame + 1 <= peak["last"]


@pytest.mark.parametrize(
    ("query", "detail"),
    [("day=2026-13-01", "day: '2026-13-01' is no day"), ("property=dust", "property: no property"),
     ("area=mars", "area: no area"), ("days=1", "days")],
)  # fmt: skip
async def test_a_parameter_that_is_wrong_is_named(api, node, query, detail):
    response = await api.get(f"/api/v1/playback?{query}")
    assert response.status_code == 400
    assert detail in response.json()["detail"]


async def test_without_measurements_there_are_no_stations(api, node):
    document = (await api.get("/api/v1/playback?day=2020-01-01")).json()
    assert (document["stations"], document["peaks"]) == ({}, [])


@pytest.mark.parametrize("count", [12, 100])
def test_a_day_of_all_stations_fits(count):
    """Noise as of a dust sensor, a background that changes over the day, and a dozen peaks at each station."""
    rng = random.Random(7)
    stations = {}
    for number in range(count):
        level, steps = 8.0 + rng.random(), []
        peaks = {rng.randrange(1440) for _ in range(12)}
        for minute in range(1440):
            level += rng.gauss(0, 0.15) + 0.02 * (9.0 - level)
            high = 60 * rng.random() if minute in peaks else 0.0
            steps.append(round(max(0.0, level + rng.gauss(0, 0.4) + high)))
        stations[f"station-with-a-name-{number}"] = steps
    document = Playback(
        observed_property="pm2_5", unit="ug/m3", start="2026-11-27T23:00:00.000Z", end="2026-11-28T23:00:00.000Z",
        resolution=1.0, stations=stations, peaks=[],
    )  # fmt: skip
    assert len(gzip.compress(msgspec.json.encode(document), 1)) <= MAX_BYTES
