"""Tracks and cells as the API and the pages show them, to the public and to an inspector."""

import numpy as np
import pytest

from gateway.access.accounts import Accounts
from gateway.access.identity import Role, Scope
from gateway.model.mobile_station import Vehicle
from tests.gateway.api.conftest import running_api
from tests.gateway.enrolled_node import T0
from tests.gateway.tracks.rides import DAY_MS, build_payload, enrol_vehicle, ride_east
from tests.gateway.tracks.test_follower import follow


async def drive(dsn, pipeline, vehicle, days, *, speed=8.0, seconds=300):
    """Ride the same way on each day; the value of PM2.5 is 10 + the day, with one plume."""
    for day in days:
        ride = ride_east(seconds, speed=speed, start_ms=T0 + day * DAY_MS)
        values = np.full(seconds, 10.0 + day)
        values[seconds // 2 : seconds // 2 + 10] = 60.0
        values[3] = 5_000.0  # out of range: it counts nowhere
        await pipeline.process([build_payload(vehicle, day + 1, ride, values)])
    await follow(dsn)


@pytest.fixture
async def inspector(database):
    """Headers of an inspector of the area."""
    accounts = Accounts(database)
    await accounts.put_account("anna", Role.INSPECTOR, ["ijmond"], None)
    key = await accounts.put_key("anna", [Scope.READ_EXACT_LOCATION], ["ijmond"], purpose="test", days=1)
    return {"Authorization": f"Bearer {key}"}


async def test_a_track_is_geojson_and_a_moving_feature_with_the_same_values(database, broker, node, pipeline):
    await drive(database, pipeline, enrol_vehicle(database), [0])
    async with running_api(database, broker) as (client, _):
        (summary,) = (await client.get("/api/v1/tracks")).json()["items"]
        assert (summary["vehicle"], summary["positions"], summary["metres"]) == ("car", 300, 2392)
        track = (await client.get(f"/api/v1/tracks/{summary['id']}")).json()
        observed = track["properties"]["observed"]["pm2_5"]
        assert (
            len(track["geometry"]["coordinates"]) == len(track["properties"]["times"]) == len(observed["values"]) == 300
        )
        assert observed["values"][:5] == [10.0, 10.0, 10.0, None, 10.0]
        assert observed["background"][150] == 10.0
        assert track["geometry"]["coordinates"][0][1:] == [52.48, 1.5]
        moving = (await client.get(f"/api/v1/tracks/{summary['id']}/moving-feature")).json()
        assert moving["temporalGeometry"]["type"] == "MovingPoint"
        assert moving["temporalGeometry"]["datetimes"] == track["properties"]["times"]
        (series,) = moving["temporalProperties"]
        assert series["pm2_5"]["values"] == [value for value in observed["values"] if value is not None]
        assert len(series["datetimes"]) == 299


async def test_a_car_is_no_station_and_has_no_mean(database, broker, node, pipeline):
    await drive(database, pipeline, enrol_vehicle(database), [0])
    async with running_api(database, broker) as (client, _):
        for path in ("/api/v1/stations", "/api/v1/datastreams", "/sta/v1.1/Things", "/sta/v1.1/Observations",
                     "/sta/v1.1/Datastreams", "/airrohr/v1/filter/country=NL", "/ogc/collections/stations/items",
                     "/open_api/stations", "/feeds/now.geojson", "/feeds/today.csv"):  # fmt: skip
            answer = await client.get(path)
            assert answer.status_code == 200, path
            assert "mobile-" not in answer.text, path
            assert "Vehicle car-1" not in answer.text, path
        assert (await client.get("/api/v1/stations/mobile-car-1/observations")).status_code == 404


async def test_cells_are_public_from_four_days_on(database, broker, node, pipeline, inspector):
    car = enrol_vehicle(database)
    await drive(database, pipeline, car, [0, 1, 2])
    address = "/api/v1/grid-cells?area=ijmond&property=pm2_5"
    async with running_api(database, broker) as (client, _):
        assert (await client.get(address)).json()["features"] == []
        assert (await client.get(f"{address}&all=true")).status_code == 401
        early = (await client.get(f"{address}&all=true", headers=inspector)).json()["features"]
        assert {cell["properties"]["days"] for cell in early} == {3}
    await drive(database, pipeline, car, [3])
    async with running_api(database, broker) as (client, _):
        cells = (await client.get(address)).json()["features"]
        assert (await client.get("/api/v1/grid-cells")).json()["features"] == cells
        assert cells[0]["properties"]["area"] == "ijmond"
        assert (await client.get("/api/v1/grid-cells?all=true", headers=inspector)).status_code == 403
        assert len(cells) == len(early) == pytest.approx(300 * 8 / 50, abs=2)
        properties = cells[1]["properties"]
        assert (properties["passes"], properties["days"]) == (4, 4)
        assert properties["value"] == properties["background"] == 11.5  # the median of 10, 11, 12 and 13
        assert cells[0]["geometry"]["coordinates"][0][0] == cells[0]["geometry"]["coordinates"][0][-1]


async def test_the_home_of_a_resident_is_in_no_public_answer(database, broker, node, pipeline, inspector):
    bicycle = enrol_vehicle(database, "bicycle-1", Vehicle.BICYCLE, exhaust=False, private=True)
    await drive(database, pipeline, bicycle, range(4), speed=5.0)
    async with running_api(database, broker) as (client, _):
        (summary, *_) = (await client.get("/api/v1/tracks")).json()["items"]
        address = f"/api/v1/tracks/{summary['id']}"
        public, exact = (await client.get(address)).json(), await client.get(f"{address}?exact=true", headers=inspector)
        assert exact.headers["Cache-Control"] == "no-store"
        whole = exact.json()["geometry"]["coordinates"]
        assert len(whole) == 300
        shown = public["geometry"]["coordinates"]
        assert len(shown) == summary["positions"] < 220
        assert shown[0] in whole
        assert whole.index(shown[0]) * 5 >= 200
        assert public["properties"]["times"][0] == summary["start"]
        assert (await client.get(f"{address}?exact=true")).status_code == 401
        west = min(ring[0] for cell in (await client.get("/api/v1/grid-cells?area=ijmond")).json()["features"]
                   for ring in cell["geometry"]["coordinates"][0])  # fmt: skip
        assert (west - whole[0][0]) * 111_195 * np.cos(np.radians(52.48)) > 200 - 50
        refused = await client.get(f"/api/v1/batches/bicycle-1/{bicycle.inc}/1/evidence")
        assert refused.status_code == 403
        assert "only its proof is public" in refused.json()["detail"]


async def test_pages_show_tracks_in_both_languages(database, broker, node, pipeline):
    drone = enrol_vehicle(database, "drone-1", Vehicle.DRONE, exhaust=False)
    await drive(database, pipeline, drone, [0])
    async with running_api(database, broker) as (client, _):
        (summary,) = (await client.get("/api/v1/tracks")).json()["items"]
        page = (await client.get(f"/nl/tracks/{summary['id']}")).text
        assert "Hoogte: 1" in page or "Hoogte: 2" in page
        assert "60,0" in page
        assert 'class="track-part c1"' in page
        assert summary["id"] in (await client.get("/en/tracks")).text
        assert 'id="show-tracks"' in (await client.get("/")).text
        assert (await client.get("/nl/tracks/none")).status_code == 404


@pytest.mark.parametrize(
    ("query", "part"),
    [
        ("/api/v1/tracks?area=nowhere", "no area 'nowhere'"),
        ("/api/v1/tracks?station=wijk-aan-zee", "no mobile station"),
        ("/api/v1/tracks?after=x", "cursor"),
        ("/api/v1/tracks?cursor=!!", "cursor"),
        ("/api/v1/grid-cells?area=nowhere", "no area 'nowhere'"),
        ("/api/v1/grid-cells?area=ijmond&property=x", "no property 'x'"),
        ("/api/v1/grid-cells?area=ijmond&all=perhaps", "all"),
        ("/api/v1/tracks/x?format=kml", "format"),
        ("/api/v1/tracks/x/moving-feature?exact=maybe", "exact"),
    ],
)
async def test_a_wrong_question_gets_one_sentence(database, broker, node, query, part):
    async with running_api(database, broker) as (client, _):
        answer = await client.get(query)
        assert answer.status_code == 400
        assert part in answer.json()["detail"]
        assert (await client.get("/api/v1/tracks/none")).status_code == 404
