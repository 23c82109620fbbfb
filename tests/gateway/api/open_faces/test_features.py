"""OGC API Features, judged by owslib on a real server."""

import asyncio

import pytest
from owslib.ogcapi.features import Features

from gateway.api.features.projections import CRS84, MERCATOR, RD, WGS84, from_rd

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def read(client, path, status=200):
    response = await client.get(path)
    assert response.status_code == status, (path, response.text[:300])
    return response.json()


async def test_owslib_reads_collections_and_items(town):
    def judge():
        service = Features(f"{town.root}/ogc")
        conformance = service.conformance()["conformsTo"]
        collections = service.collections()["collections"]
        stations = service.collection_items("stations", limit=1)
        inside = service.collection_items("stations", bbox=[4.5, 52.4, 4.6, 52.6])
        first = service.collection_item("stations", stations["features"][0]["id"])
        return service.links, conformance, collections, stations, inside, first, service.feature_collections()

    links, conformance, collections, stations, inside, first, names = await asyncio.to_thread(judge)
    assert {"self", "service-desc", "conformance", "data"} <= {link["rel"] for link in links}
    assert "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core" in conformance
    assert "http://www.opengis.net/spec/ogcapi-features-2/1.0/conf/crs" in conformance
    assert [collection["id"] for collection in collections] == names == ["stations", "hourly", "events"]
    assert (stations["numberMatched"], stations["numberReturned"]) == (2, 1)
    assert [feature["id"] for feature in inside["features"]] == ["wijk-aan-zee"]
    assert first["geometry"] == stations["features"][0]["geometry"]


@pytest.mark.parametrize("collection", ["stations", "hourly"])
async def test_pages_lead_to_every_feature_once(town, collection):
    whole = await read(town, f"/ogc/collections/{collection}/items?limit=10000")
    path, ids = f"/ogc/collections/{collection}/items?limit=3", []
    while path:
        page = await read(town, path)
        ids += [feature["id"] for feature in page["features"]]
        path = next((link["href"] for link in page["links"] if link["rel"] == "next"), None)
    assert ids == [feature["id"] for feature in whole["features"]]
    assert len(set(ids)) == len(ids) == whole["numberMatched"]
    for id_ in ids[:3]:
        item = await read(town, f"/ogc/collections/{collection}/items/{id_}")
        assert item["properties"] == whole["features"][ids.index(id_)]["properties"]


async def test_a_station_is_that_of_the_api_and_an_hour_too(town):
    feature = await read(town, "/ogc/collections/stations/items/beverwijk")
    station = await read(town, "/api/v1/stations/beverwijk")
    assert feature["properties"] == station["properties"]
    assert feature["geometry"] == station["geometry"]
    hours = (await read(town, "/ogc/collections/hourly/items?limit=10000"))["features"]
    means = await read(town, "/api/v1/stations/beverwijk/observations?averaging=1h&property=pm2_5")
    by_start = {item["start"]: (item["mean"], item["validCount"]) for item in means["items"]}
    shown = [
        f["properties"] for f in hours
        if (f["properties"]["station"], f["properties"]["observedProperty"]) == ("beverwijk", "pm2_5")
    ]  # fmt: skip
    assert shown
    for properties in shown:
        assert by_start[properties["start"]] == (properties["mean"], properties["validCount"])


@pytest.mark.parametrize("projection", [CRS84, WGS84, RD, MERCATOR], ids=lambda projection: projection.code)
async def test_every_coordinate_system_of_answers_and_boxes(town, projection):
    path = f"/ogc/collections/stations/items?crs={projection.uri}"
    for _ in range(2):  # computed, then from the cache
        response = await town.get(path)
        assert response.headers["content-crs"] == f"<{projection.uri}>"
    positions = {f["id"]: f["geometry"]["coordinates"] for f in response.json()["features"]}
    x, y = projection.write(4.594, 52.494)
    assert positions["wijk-aan-zee"] == [x, y]
    margin = 0.001 if projection.decimals else 100
    box = f"{x - margin},{y - margin},{x + margin},{y + margin}"
    inside = await read(town, f"{path}&bbox={box}&bbox-crs={projection.uri}")
    assert [feature["id"] for feature in inside["features"]] == ["wijk-aan-zee"]


async def test_a_position_in_metres_is_no_more_precise_than_the_published_one(town):
    page = await read(town, f"/ogc/collections/stations/items?crs={RD.uri}")
    for feature in page["features"]:
        longitude, latitude = from_rd(*feature["geometry"]["coordinates"])
        assert longitude == pytest.approx(round(longitude, 3), abs=2e-5)
        assert latitude == pytest.approx(round(latitude, 3), abs=2e-5)


@pytest.mark.parametrize(
    ("path", "status", "sentence"),
    [
        ("collections/nothing", 404, "stations, hourly, events"),
        ("collections/stations/items/nothing", 404, "no station"),
        ("collections/hourly/items/1.x", 404, "no hour"),
        ("collections/events/items/x", 404, "no event"),
        ("collections/stations/items?bbox=1,2,3", 400, "four numbers"),
        ("collections/stations/items?bbox=5,53,4,52", 400, "lower corner"),
        ("collections/stations/items?crs=EPSG:28992", 400, "there are"),
        ("collections/stations/items?limit=0", 400, "limit"),
        ("collections/stations/items?offset=-1", 400, "offset"),
        ("collections/stations/items?colour=red", 400, "unknown query parameter"),
        ("collections/events/items?datetime=yesterday", 400, "is no time"),
        ("collections/events/items?datetime=../..", 400, "datetime"),
        ("collections/hourly/items?datetime=2026-01-01T00:00:00Z/..", 400, "at most 24 hours"),
        ("collections?f=html", 400, "there is json"),
    ],
)
async def test_the_mistake_in_a_request_is_named(town, path, status, sentence):
    assert sentence in (await read(town, f"/ogc/{path}", status))["detail"]


async def test_the_description_names_every_address(town):
    document = await read(town, "/ogc/api")
    assert document["openapi"].startswith("3.0")
    for path in document["paths"]:
        if "{" not in path:
            await read(town, f"/ogc{path}".rstrip("/") or "/ogc")
    assert (await read(town, "/ogc/")) == (await read(town, "/ogc"))
