"""The API for programs: GeoJSON, pages of observations, events, and the errors for invalid requests."""

import asyncio
import re
import socket
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from gateway.api.app import open_listener, serve
from gateway.api.settings import ApiSettings
from gateway.errors import StartError
from tests.gateway.api.conftest import running_api
from tests.gateway.api.observation_batches import ingest_observations
from tests.gateway.enrolled_node import T0


async def read_item(api, path):
    """A single item as its collection has it, which states licence and attribution once."""
    document = (await api.get(path)).json()
    assert document.pop("licence").startswith("https://creativecommons.org")
    assert document.pop("attribution") == "Piekwacht"
    return document


async def test_stations_are_geojson_with_their_newest_minute(api, pipeline, node):
    await ingest_observations(pipeline, node, 60)
    response = await api.get("/api/v1/stations")
    assert response.status_code == 200
    assert response.headers["api-version"]
    (feature,) = response.json()["features"]
    assert feature["geometry"] == {"type": "Point", "coordinates": [4.594, 52.494]}
    newest = feature["properties"]["newest"]["pm2_5"]
    assert newest["mean"] == pytest.approx(8.1, abs=0.01)
    assert (newest["validCount"], newest["unit"], newest["averagingSeconds"]) == (60, "ug/m3", 60)
    assert newest["observedAt"].endswith("T02:40:59.000Z")


async def test_a_client_that_sends_a_body_too_slowly_is_disconnected_without_a_log_line(
    database, broker, monkeypatch, caplog
):
    monkeypatch.setattr("gateway.api.live.protocol._BODY_TIMEOUT", 0.3)
    async with running_api(database, broker) as (client, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
        writer.write(b"POST /acknowledge/x HTTP/1.1\r\nHost: here\r\nContent-Length: 10\r\n\r\n12345")
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        writer.close()
        whole = await client.post("/acknowledge/x", content=b"0123456789")
        await asyncio.sleep(0.4)
        assert (await client.get("/healthz")).status_code == 200, "the same connection, after a complete body"
        assert whole.status_code < 500
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize(
    ("pieces", "status"),
    [
        ([b"", b"Content-Length: 4\r\n\r\n", b"a", b"=bc"], b"404"),
        ([b"", b"Content-Length: 40000\r\n\r\n", b"a" * 20_000], b"413"),
        ([b"Expect: 100-continue\r\n", b"Content-Length: 4\r\n\r\n"], b"100"),
        ([b"", b"Content-Length: 4\r\n\r\n", b"a=bcGET /healthz HTTP/1.1\r\nHost: here\r\n\r\n"], b"404"),
        ([b"", b"Transfer-Encoding: chunked\r\n\r\n", b"2\r\na=\r\n", b"1\r\nb\r\n0\r\n\r\n"], b"404"),
    ],
    ids=["in pieces", "too long", "expects 100", "pipelined", "chunked"],
)
async def test_a_body_is_held_until_it_is_complete(database, broker, pieces, status):
    async with running_api(database, broker) as (client, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
        writer.write(b"POST /acknowledge/x HTTP/1.1\r\nHost: here\r\n")
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.05)
        async with asyncio.timeout(5):
            assert (await reader.readline()).split()[1] == status
            if b"healthz" in pieces[-1]:
                assert await reader.readuntil(b"HTTP/1.1 200")
        writer.close()


async def test_pages_of_raw_observations_have_no_gap_or_repeat_and_name_the_batch(api, pipeline, node):
    await ingest_observations(pipeline, node, 60)
    at = datetime.fromtimestamp(T0 / 1000, UTC)
    query = {"property": "pm2_5", "averaging": "raw", "limit": 7, "start": at.isoformat(),
             "end": (at + timedelta(hours=1)).isoformat()}  # fmt: skip
    observations, cursor = [], None
    while True:
        page = (
            await api.get(
                "/api/v1/stations/wijk-aan-zee/observations",
                params={**query, **({"cursor": cursor} if cursor else {})},
            )
        ).json()
        observations += page["items"]
        cursor = page["nextCursor"]
        if cursor is None:
            break
    assert len(observations) == 60
    assert len({item["observedAt"] for item in observations}) == 60
    assert observations == sorted(observations, key=lambda item: item["observedAt"], reverse=True)
    assert observations[0]["batch"] == {"node": node.id, "incarnation": node.inc, "seq": 51}


async def test_minute_means_count_their_readings(api, pipeline, node):
    await ingest_observations(pipeline, node, 120)
    at = datetime.fromtimestamp(T0 / 1000, UTC)
    query = {"start": at.isoformat(), "end": (at + timedelta(hours=1)).isoformat()}
    items = (await api.get("/api/v1/stations/wijk-aan-zee/observations", params=query)).json()["items"]
    assert [item["validCount"] for item in items] == [60, 60]
    assert items[0]["max"] == pytest.approx(98.2)


async def test_an_event_is_listed_and_has_a_permanent_address(api, pipeline, node):
    await ingest_observations(pipeline, node)
    (event,) = (await api.get("/api/v1/events", params={"area": "ijmond", "property": "pm2_5"})).json()["items"]
    assert event["excess"] == pytest.approx(90, rel=0.1)
    assert event["stationName"] == "Wijk aan Zee"
    assert await read_item(api, f"/api/v1/events/{event['id']}") == event
    assert (await api.get("/api/v1/events", params={"open": "true"})).json()["items"] == []


async def test_a_damaged_context_costs_no_event_its_place_in_the_list(api, pipeline, node, database):
    await ingest_observations(pipeline, node)
    whole = (await api.get("/api/v1/events")).json()["items"]
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("""UPDATE event SET around = '{"wind": {"direction": "north"}}'""")
    (damaged,) = (await api.get("/api/v1/events", params={"limit": 1000})).json()["items"]
    assert damaged["around"]["words"]["en"] == "The stored surroundings cannot be read."
    assert [{**damaged, "around": None}] == [{**event, "around": None} for event in whole]
    for address in (
        f"/nl/events/{damaged['id']}",
        "/nl/events",
        "/feeds/events.atom",
        f"/feeds/events/{damaged['id']}.cap",
    ):
        assert (await api.get(address)).status_code == 200, address


INVALID_REQUESTS = [
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
    ("/api/v1/live?colour=x", 400, "colour"),
    ("/api/v1/live?lastEventId=abc", 400, "abc"),
    ("/api/v1/live?lastEventId=1&lastEventId=2", 400, "lastEventId"),
    ("/api/v1/nothing", 404, ""),
    ("/api/v1/areas/nowhere", 404, "nowhere"),
    ("/api/v1/sites/nowhere", 404, "nowhere"),
    ("/api/v1/datastreams/x", 404, "'x'"),
    ("/api/v1/datastreams/99999999999999999999", 404, "9999"),
    ("/api/v1/datastreams/1/observations", 404, "'1'"),
    ("/api/v1/observed-properties/moonlight", 404, "moonlight"),
    ("/api/v1/alerts/-1", 404, "-1"),
    ("/api/v1/events/nothing/revisions", 404, "nothing"),
    ("/api/v1/stations?area=nowhere", 400, "ijmond"),
    ("/api/v1/events?station=nowhere", 400, "wijk-aan-zee"),
    ("/api/v1/events?station=a&station=b", 400, "station"),
    ("/api/v1/events?area=%00", 400, "area"),
    ("/api/v1/events/%00", 400, "id"),
    ("/api/v1/events?start=9999-12-31T23:59:59-23:59", 400, "start"),
    ("/api/v1/events?start=2026-02-30T00:00:00Z", 400, "start"),
    ("/api/v1/events?start=2026-01-02T00:00:00Z&end=2026-01-01T00:00:00Z", 400, "start: must be before end"),
    ("/api/v1/events?limit=100000000000000000000000", 400, "limit"),
    ("/api/v1/events?cursor=MjAyNg", 400, "cursor"),
    ("/api/v1/stations/wijk-aan-zee/observations?format=xml", 400, "format"),
    ("/api/v1/stations/wijk-aan-zee/observations?format=csv&averaging=raw&start=2020-01-01T00:00:00Z", 400, "31"),
    ("/api/v1/stations/wijk-aan-zee/observations?averaging=1w", 400, "averaging"),
    (f"/api/v1/stations?area={'x' * 10_000}", 414, "4096"),
]


async def test_an_invalid_request_gets_a_problem_that_names_the_cause(api, node):
    for path, status, detail in INVALID_REQUESTS:
        response = await api.get(path)
        assert response.status_code == status, path
        assert response.headers["content-type"] == "application/problem+json", path
        assert response.json()["status"] == status, path
        assert detail in response.json()["detail"], path


async def test_a_wrong_method_gets_a_problem_that_names_the_allowed_ones(api):
    methods = {
        "POST": "/api/v1/stations",
        "DELETE": "/api/v1/events/x",
        "PUT": "/api/v1/live",
        "PATCH": "/",
        "TRACE": "/en/",
    }
    for method, path in methods.items():
        response = await api.request(method, path)
        assert (response.status_code, response.headers["content-type"]) == (405, "application/problem+json")
        assert repr(method) in response.json()["detail"]
        assert "GET" in response.headers["allow"]


async def test_a_body_that_is_too_large_is_refused(api):
    response = await api.request("GET", "/api/v1/stations", content=b"x" * 70_000)
    assert (response.status_code, response.json()["status"]) == (413, 413)


async def test_a_response_has_an_etag_and_names_its_licence(api, pipeline, node):
    await ingest_observations(pipeline, node)
    for path in ("/api/v1", "/api/v1/areas", "/api/v1/stations", "/api/v1/observed-properties", "/api/v1/events",
                 "/api/v1/datastreams", "/api/v1/alerts", "/api/v1/sites"):  # fmt: skip
        first = await api.get(path)
        assert first.status_code == 200, path
        assert first.text.count("https://creativecommons.org") == first.text.count('"attribution"') == 1, path
        assert first.json()["licence"].startswith("https://creativecommons.org")
        assert first.json()["attribution"] == "Piekwacht"
        assert 'rel="license"' in first.headers["link"]
        again = await api.get(path, headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b""), path
        assert (await api.head(path)).headers["etag"] == first.headers["etag"]
    events = await api.get("/api/v1/events")
    since = {"If-Modified-Since": events.headers["last-modified"]}
    assert (await api.get("/api/v1/events", headers=since)).status_code == 304


async def test_places_are_geojson_and_datastreams_name_their_property(api, pipeline, node):
    await ingest_observations(pipeline, node)
    (area,) = (await api.get("/api/v1/areas")).json()["features"]
    assert (area["id"], area["geometry"]["type"]) == ("ijmond", "Polygon")
    assert await read_item(api, "/api/v1/areas/ijmond") == area
    (stream,) = (await api.get("/api/v1/datastreams", params={"station": "wijk-aan-zee"})).json()["items"]
    assert (stream["observedProperty"], stream["unit"], stream["node"]) == ("pm2_5", "ug/m3", node.id)
    assert await read_item(api, f"/api/v1/datastreams/{stream['id']}") == stream
    observed_property = await api.get("/api/v1/observed-properties/pm2_5")
    assert observed_property.json()["name"] == {"nl": "fijnstof PM2,5", "en": "particulates PM2.5"}


async def test_earlier_revisions_of_an_event_stay_available(api, pipeline, node):
    await ingest_observations(pipeline, node)
    (event,) = (await api.get("/api/v1/events")).json()["items"]
    items = (await api.get(f"/api/v1/events/{event['id']}/revisions")).json()["items"]
    assert [item["revision"] for item in items] == list(range(1, event["revision"] + 1))
    assert items[0]["change"] == "opened"


async def test_notified_receivers_are_public_and_their_addresses_are_not(api, pipeline, node, database):
    await ingest_observations(pipeline, node)
    (event,) = (await api.get("/api/v1/events")).json()["items"]
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            """INSERT INTO alerting.outbox (event_id, revision, receiver, channel, message_id, state, finished_at)
               VALUES (%s, 1, 'omgevingsdienst', 'email:0', '<1@example.org>', 'delivered', now())""",
            [event["id"]],
        )
    (alert,) = (await api.get("/api/v1/alerts", params={"event": event["id"]})).json()["items"]
    assert (alert["receiver"], alert["channel"], alert["state"]) == ("omgevingsdienst", "email", "delivered")
    assert "example.org" not in str(alert)
    assert await read_item(api, f"/api/v1/alerts/{alert['id']}") == alert


async def test_the_openapi_document_is_public_and_complete(api):
    response = await api.get("/api/v1/openapi.json")
    document = response.json()
    assert response.headers["access-control-allow-origin"] == "*"
    assert {"name", "url", "email"} <= document["info"]["contact"].keys()
    for path, operations in document["paths"].items():
        assert path == path.lower()
        for operation in operations.values():
            assert operation["tags"]
            assert {"400", "404"} <= operation["responses"].keys()
            successes = [response for status, response in operation["responses"].items() if status.startswith("2")]
            assert successes
            for media in successes[0].get("content", {}).values():
                assert "example" in media or "$ref" not in media["schema"]


async def test_health_readiness_and_metrics_are_served(api):
    assert (await api.get("/healthz")).status_code == 200
    assert (await api.get("/readyz")).json() == {"status": "ready"}
    assert "piekwacht_commit_seconds_bucket" in (await api.get("/metrics")).text


async def test_a_database_without_a_schema_is_not_ready(empty_database, broker):
    async with running_api(empty_database, broker) as (client, _):
        assert (await client.get("/readyz")).status_code in {500, 503}


async def test_pages_are_complete_without_javascript_and_load_nothing_from_other_hosts(api, pipeline, node):
    await ingest_observations(pipeline, node)
    for path, title in (("/", "Wat hangt er nu in de lucht?"), ("/en/", "What is in the air right now?")):
        page = await api.get(path)
        assert title in page.text
        assert "Wijk aan Zee" in page.text
        loaded = re.sub(
            r'<link rel="alternate"[^>]*>', "", page.text
        )  # names other pages, which a browser does not load
        for address in re.findall(r'(?:src|srcset|action|<link[^>]*href)="([^"]*)"', loaded):
            assert address.startswith("/"), address
        assert "script-src 'self'" in page.headers["content-security-policy"]
        assert "unsafe" not in page.headers["content-security-policy"]
    event = (await api.get("/api/v1/events")).json()["items"][0]["id"]
    assert "Wijk aan Zee" in (await api.get(f"/events/{event}")).text
    assert (await api.get("/en/events/none")).status_code == 404


async def test_a_hostile_name_is_only_text_on_every_page(api, pipeline, node, database):
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE station SET name = '</script><script>alert(1)</script>'")
    await ingest_observations(pipeline, node)
    for path in ("/", "/en/"):
        assert "<script>alert" not in (await api.get(path)).text


async def test_a_port_in_use_is_reported_in_one_sentence(database, broker):
    with pytest.raises(StartError, match=f":{broker.port} is in use"):
        await serve(ApiSettings(port=broker.port), database, broker)


def test_a_small_response_is_sent_without_delay():
    """asyncio sets TCP_NODELAY only if the socket has the protocol TCP; without it a response takes 40 ms longer."""
    with open_listener("127.0.0.1", 0) as listening:
        assert listening.proto == socket.IPPROTO_TCP
