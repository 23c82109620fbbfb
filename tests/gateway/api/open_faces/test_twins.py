"""The twins of Luchtmeetnet and Sensor.Community: their forms, with the values of `/api/v1`."""

from datetime import datetime, timedelta

import pytest

from tests.gateway.api.open_faces.conftest import ABSURD

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def read(client, path, status=200):
    response = await client.get(path)
    assert response.status_code == status, (path, response.text[:300])
    return response.json()


async def test_luchtmeetnet_lists_stations_in_pages(town):
    page = await read(town, "/open_api/stations?page=1")
    assert page["pagination"] == {
        "current_page": 1, "first_page": 1, "last_page": 1, "next_page": 1, "prev_page": 1, "page_list": [1],
    }  # fmt: skip
    assert page["data"][0] == {"number": "PW-beverwijk", "location": "Beverwijk"}
    station = (await read(town, "/open_api/stations/PW-wijk-aan-zee"))["data"]
    assert station["geometry"] == {"type": "point", "coordinates": [4.594, 52.494]}
    assert station["components"] == ["PM10", "PM25"]
    assert [row["formula"] for row in (await read(town, "/open_api/components"))["data"]] == ["PM10", "PM25"]
    assert (await read(town, "/open_api/components/pm25"))["data"]["formula"] == "PM25"


async def test_luchtmeetnet_never_looks_official(town):
    for path in ("stations", "stations/PW-beverwijk", "organisations", "measurements?station_number=PW-beverwijk"):
        text = (await town.get(f"/open_api/{path}")).text
        assert "RIVM" not in text
        assert "lki" not in text.lower()
        assert "NL1" not in text
    station = (await read(town, "/open_api/stations/PW-beverwijk"))["data"]
    assert station["organisation"] == "Piekwacht (sensoren, indicatief)"
    await read(town, "/open_api/lki", 404)


async def test_an_hour_of_luchtmeetnet_is_that_of_the_api(town):
    order = "order_by=timestamp_measured&order_direction=desc"
    path = f"/open_api/measurements?station_number=PW-beverwijk&formula=PM25&{order}"
    rows = (await read(town, path))["data"]
    this_hour = town.now.replace(minute=0, second=0)
    assert [row["timestamp_measured"] for row in rows] == [
        (this_hour - timedelta(hours=i)).isoformat(timespec="seconds") for i in range(4)
    ]
    means = await read(town, "/api/v1/stations/beverwijk/observations?averaging=1h&property=pm2_5")
    by_end = {datetime.fromisoformat(item["start"]) + timedelta(hours=1): item["mean"] for item in means["items"]}
    assert {datetime.fromisoformat(row["timestamp_measured"]): row["value"] for row in rows}.items() <= by_end.items()
    assert all(row["value"] < 20 for row in rows)


async def test_an_hour_with_half_of_its_readings_is_no_hour(town):
    rows = (await read(town, "/open_api/stations/PW-wijk-aan-zee/measurements?formula=PM10"))["data"]
    assert len(rows) == 3
    half = (town.now.replace(minute=0, second=0) - timedelta(hours=1)).isoformat(timespec="seconds")
    assert half not in {row["timestamp_measured"] for row in rows}


async def test_ascending_and_all_stations(town):
    rows = (await read(town, "/open_api/measurements?order_direction=asc"))["data"]
    assert [row["timestamp_measured"] for row in rows] == sorted(row["timestamp_measured"] for row in rows)
    assert {row["station_number"] for row in rows} == {"PW-beverwijk", "PW-wijk-aan-zee"}
    assert {row["formula"] for row in rows} == {"PM10", "PM25"}


@pytest.mark.parametrize(
    ("path", "status", "sentence"),
    [
        ("stations/NL10107", 404, "numbers begin with PW-"),
        ("stations?page=2", 400, "there are 1 pages"),
        ("measurements?formula=NO2", 400, "PM10, PM25"),
        ("measurements?start=2026-01-01T00:00:00Z&end=2026-01-03T00:00:00Z", 400, "at most 24 hours"),
        ("measurements?start=yesterday", 400, "is no time"),
        ("measurements?order_by=value", 400, "timestamp_measured"),
        ("measurements?station=x", 400, "unknown query parameter"),
        ("components/O3", 404, "PM10, PM25"),
    ],
)
async def test_luchtmeetnet_names_the_mistake_in_a_request(town, path, status, sentence):
    assert sentence in (await read(town, f"/open_api/{path}", status))["detail"]


async def test_sensor_community_has_texts_for_numbers(town):
    rows = await read(town, "/airrohr/v1/filter/area=52.49,4.6,10")
    assert len(rows) == 2
    row = next(row for row in rows if row["location"]["longitude"] == "4.594")
    assert row["location"]["latitude"] == "52.494"
    assert row["timestamp"] == f"{town.now - timedelta(seconds=0):%Y-%m-%d %H:%M:%S}"
    values = {value["value_type"]: value["value"] for value in row["sensordatavalues"]}
    assert values["P2"] == "21.00"  # the flagged newest reading does not count
    assert values["pressure"] == "101325.00"  # in pascal, as there
    assert str(ABSURD) not in str(rows)
    number = row["sensor"]["id"]
    assert await read(town, f"/airrohr/v1/sensor/{number}/") == [row]
    assert await read(town, f"/airrohr/v1/sensor/{number}") == [row]


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ("area=52.494,4.594,1", 1),
        ("box=52.47,4.65,52.5,4.7", 1),
        ("box=52.5,4.7,52.4,4.5", 2),
        ("country=NL", 2),
        ("country=BE,DE", 0),
        ("type=SDS011", 0),
        ("type=Piekwacht&country=NL", 2),
        ("area=52.494,4.594,1&country=BE", 0),
    ],
)
async def test_the_filters_of_sensor_community(town, filters, count):
    assert len(await read(town, f"/airrohr/v1/filter/{filters}")) == count


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("filter/area=x", 400), ("filter/area=1,2", 400), ("filter/area=95,4,1", 400), ("filter/place=x", 400),
        ("filter/area=1,2,3&area=1,2,3", 400), ("filter/box=1,2,3", 400), ("filter/country=NL?x=1", 400),
        ("sensor/999999/", 404), ("sensor/x", 404), ("filter/area=nan,4,1", 400),
    ],
)  # fmt: skip
async def test_sensor_community_names_the_mistake_in_a_request(town, path, status):
    assert (await read(town, f"/airrohr/v1/{path}", status))["detail"]
