"""What a program reads: GeoJSON, pages of observations, events; and what it is told when it asks wrongly."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from gateway.api.app import serve
from gateway.api.settings import ApiSettings
from gateway.errors import StartError
from tests.gateway.api.conftest import serving
from tests.gateway.enrolled import T0


async def fill(pipeline, node, seconds=170):
    """Clean air, and from second 100 on a plume."""
    for second in range(0, seconds, 10):
        values = [8.0 + 0.1 * (s % 3) + (90.0 if 100 <= s < 120 else 0.0) for s in range(second, second + 10)]
        payload = node.payload(
            second + 1,
            t0=T0 + second * 1000,
            dt=[i * 1000 for i in range(10)],
            values={"pm2_5": values},
            received_at=datetime.fromtimestamp(T0 / 1000 + second + 10, UTC),
        )
        await pipeline.process([payload])


async def test_stations_are_geojson_with_their_newest_minute(api, pipeline, node):
    await fill(pipeline, node, 60)
    answer = await api.get("/api/v1/stations")
    assert answer.status_code == 200
    assert answer.headers["api-version"]
    (feature,) = answer.json()["features"]
    assert feature["geometry"] == {"type": "Point", "coordinates": [4.594, 52.494]}
    newest = feature["properties"]["newest"]["pm2_5"]
    assert newest["mean"] == pytest.approx(8.1, abs=0.01)
    assert (newest["validCount"], newest["unit"], newest["averagingSeconds"]) == (60, "ug/m3", 60)
    assert newest["observedAt"].endswith("T02:40:59.000Z")


async def test_raw_observations_come_in_pages_without_gap_or_repeat_and_name_their_batch(api, pipeline, node):
    await fill(pipeline, node, 60)
    at = datetime.fromtimestamp(T0 / 1000, UTC)
    query = {"property": "pm2_5", "averaging": "raw", "limit": 7, "start": at.isoformat(),
             "end": (at + timedelta(hours=1)).isoformat()}  # fmt: skip
    seen, cursor = [], None
    while True:
        page = (
            await api.get(
                "/api/v1/stations/wijk-aan-zee/observations",
                params={**query, **({"cursor": cursor} if cursor else {})},
            )
        ).json()
        seen += page["items"]
        cursor = page["nextCursor"]
        if cursor is None:
            break
    assert len(seen) == 60
    assert len({item["observedAt"] for item in seen}) == 60
    assert seen == sorted(seen, key=lambda item: item["observedAt"], reverse=True)
    assert seen[0]["batch"] == {"node": node.id, "incarnation": node.inc, "seq": 51}


async def test_minute_means_count_what_they_are_made_of(api, pipeline, node):
    await fill(pipeline, node, 120)
    at = datetime.fromtimestamp(T0 / 1000, UTC)
    query = {"start": at.isoformat(), "end": (at + timedelta(hours=1)).isoformat()}
    items = (await api.get("/api/v1/stations/wijk-aan-zee/observations", params=query)).json()["items"]
    assert [item["validCount"] for item in items] == [60, 60]
    assert items[0]["max"] == pytest.approx(98.2)


async def test_an_event_is_listed_and_stays_at_its_address(api, pipeline, node):
    await fill(pipeline, node)
    (event,) = (await api.get("/api/v1/events", params={"area": "ijmond", "property": "pm2_5"})).json()["items"]
    assert event["excess"] == pytest.approx(90, rel=0.1)
    assert event["stationName"] == "Wijk aan Zee"
    assert (await api.get(f"/api/v1/events/{event['id']}")).json() == event
    assert (await api.get("/api/v1/events", params={"open": "true"})).json()["items"] == []


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/api/v1/stations?colour=red", 400, "'colour'"),
        ("/api/v1/stations/nowhere", 404, "nowhere"),
        ("/api/v1/stations/", 404, ""),
        ("/api/v1/stations/wijk-aan-zee/observations?property=moonlight", 400, "moonlight"),
        ("/api/v1/stations/wijk-aan-zee/observations?limit=0", 400, "limit"),
        ("/api/v1/stations/wijk-aan-zee/observations?start=yesterday", 400, "start"),
        ("/api/v1/stations/wijk-aan-zee/observations?start=2026-01-01T00:00:00", 400, "time zone"),
        (
            "/api/v1/stations/wijk-aan-zee/observations?start=2026-01-02T00:00:00Z&end=2026-01-01T00:00:00Z",
            400,
            "before",
        ),
        ("/api/v1/stations/wijk-aan-zee/observations?averaging=raw&start=2020-01-01T00:00:00Z", 400, "2 days"),
        ("/api/v1/stations/wijk-aan-zee/observations?end=0001-01-01T00:00:00Z", 400, "end"),
        ("/api/v1/stations/wijk-aan-zee/observations?cursor=nonsense", 400, "cursor"),
        ("/api/v1/events?cursor=%FF", 400, "cursor"),
        ("/api/v1/events?open=perhaps", 400, "open"),
        ("/api/v1/live?station=x", 400, "station"),
        ("/api/v1/live?lastEventId=abc", 400, "abc"),
        ("/api/v1/nothing", 404, ""),
    ],
)
async def test_a_wrong_question_is_answered_with_a_problem_that_names_it(api, node, path, status, words):
    answer = await api.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert words in answer.json()["detail"]


async def test_a_wrong_method_is_a_problem_too(api):
    answer = await api.post("/api/v1/stations")
    assert (answer.status_code, answer.headers["content-type"]) == (405, "application/problem+json")


async def test_the_description_of_the_api_is_public_and_complete(api):
    answer = await api.get("/api/v1/openapi.json")
    document = answer.json()
    assert answer.headers["access-control-allow-origin"] == "*"
    assert {"name", "url", "email"} <= document["info"]["contact"].keys()
    assert all(" " not in path and path == path.lower() for path in document["paths"])


async def test_machines_can_watch_it(api):
    assert (await api.get("/healthz")).status_code == 200
    assert (await api.get("/readyz")).json() == {"status": "ready"}
    assert "piekwacht_commit_seconds_bucket" in (await api.get("/metrics")).text


async def test_a_database_without_a_schema_is_not_ready(empty_database, broker):
    async with serving(empty_database, broker) as (client, _):
        assert (await client.get("/readyz")).status_code in {500, 503}


async def test_pages_are_whole_without_javascript_and_ask_no_other_host(api, pipeline, node):
    await fill(pipeline, node)
    for path, words in (("/", "Wat hangt er nu in de lucht?"), ("/en/", "What is in the air right now?")):
        page = await api.get(path)
        assert words in page.text
        assert "Wijk aan Zee" in page.text
        assert "http://" not in page.text.replace("http://www.w3.org", "")
        assert "https://" not in page.text
        assert "script-src 'self'" in page.headers["content-security-policy"]
        assert "unsafe" not in page.headers["content-security-policy"]
    event = (await api.get("/api/v1/events")).json()["items"][0]["id"]
    assert "Wijk aan Zee" in (await api.get(f"/events/{event}")).text
    assert (await api.get("/en/events/none")).status_code == 404


async def test_a_hostile_name_is_only_text_on_every_page(api, pipeline, node, database):
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE station SET name = '</script><script>alert(1)</script>'")
    await fill(pipeline, node)
    for path in ("/", "/en/"):
        assert "<script>alert" not in (await api.get(path)).text


async def test_a_port_in_use_is_one_sentence(database, broker):
    with pytest.raises(StartError, match=f":{broker.port} is in use"):
        await serve(ApiSettings(port=broker.port), database, broker)
