"""Plumes in the API: over properties and stations, with a permanent id and the notified receivers."""

import asyncio
from datetime import UTC, datetime, timedelta

import psycopg

from tests.gateway.enrolled_node import T0

HIGH = range(100, 130)


def build_payload(node, second, *, start, high, extra=90.0, first=1):
    """Ten seconds of three properties: particulates are higher by `extra` in `high`, and a raw signal falls."""
    values = {"pm2_5": [], "pm10": [], "voc_raw": []}
    for s in range(second, second + 10):
        values["pm2_5"].append(8.0 + 0.1 * (s % 3) + (extra if s in high else 0.0))
        values["pm10"].append(12.0 + 0.2 * (s % 3) + (extra + 10 if s in high else 0.0))
        values["voc_raw"].append(30_600.0 + 5 * (s % 3) - (2_000.0 if s in high else 0.0))
    return node.payload(
        second + first,
        t0=start + second * 1000,
        dt=[i * 1000 for i in range(10)],
        values=values,
        received_at=datetime.fromtimestamp(start / 1000 + second + 10, UTC),
    )


async def ingest(pipeline, node, *, seconds=170, high=HIGH, start=T0, first=1, extra=90.0):
    """`seconds` of such readings; returns the live messages."""
    messages = []
    for second in range(0, seconds, 10):
        payload = build_payload(node, second, start=start, high=high, extra=extra, first=first)
        messages += (await pipeline.process([payload])).live_messages
    return messages


async def test_properties_that_rise_together_are_one_plume_in_api_live_feed_and_inbox(api, pipeline, node, database):
    messages = await ingest(pipeline, node)
    (plume,) = (await api.get("/api/v1/plumes")).json()["items"]
    events = (await api.get("/api/v1/events")).json()["items"]
    assert {event["plume"] for event in events} == {plume["id"]}
    assert plume["id"] in {event["id"] for event in events}
    assert set(plume["properties"]) == {"pm2_5", "pm10", "voc_raw"}
    assert plume["leading"] == plume["events"][0]["id"]
    assert plume["revision"] == sum(event["revision"] for event in events)
    live = {item.event.id: item.plume for message in messages for item in message.events}
    assert set(live.values()) == {plume["id"]}
    with psycopg.connect(database) as connection:
        rows = connection.execute("SELECT DISTINCT alert ->> 'plume' FROM alerting.inbox").fetchall()
    assert rows == [(plume["id"],)]
    alone = (await api.get(f"/api/v1/plumes/{plume['id']}")).json()
    assert {name: value for name, value in alone.items() if name not in {"licence", "attribution"}} == plume


async def test_a_plume_has_its_receivers_with_their_earliest_delivery_and_no_person(api, pipeline, node, database):
    await ingest(pipeline, node)
    (plume,) = (await api.get("/api/v1/plumes")).json()["items"]
    assert (plume["notified"], plume["acknowledgedAt"]) == ([], None)
    second = plume["events"][1]["id"]
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            """INSERT INTO alerting.outbox (event_id, revision, receiver, channel, message_id, state, created_at,
                                            finished_at)
               VALUES (%(e)s, 1, 'od', 'email:0', 'a', 'refused', '2026-11-21T01:00Z', '2026-11-21T01:00:01Z'),
                      (%(e)s, 2, 'od', 'email:0', 'b', 'delivered', '2026-11-21T01:01Z', '2026-11-21T01:01:01Z'),
                      (%(e)s, 2, 'od', 'mqtt:0', 'c', 'delivered', '2026-11-21T01:02Z', '2026-11-21T01:02:01Z'),
                      (%(e)s, 2, 'ggd', 'email:0', 'd', 'pending', '2026-11-21T01:03Z', NULL)""",
            {"e": second},
        )
        connection.execute(
            "INSERT INTO alerting.acknowledgement (event_id, who, note, via) VALUES (%s, 'anna', 'ik kijk', 'command')",
            [second],
        )
    document = (await api.get(f"/api/v1/plumes/{plume['id']}")).json()
    assert document["notified"] == [
        {"receiver": "ggd", "state": "pending", "notifiedAt": None},
        {"receiver": "od", "state": "delivered", "notifiedAt": "2026-11-21T01:01:01.000Z"},
    ]
    assert document["acknowledgedAt"] is not None
    assert document["changedAt"] >= document["acknowledgedAt"]
    assert "anna" not in str(document)
    page = (await api.get(f"/nl/plumes/{plume['id']}")).text
    assert "od ingelicht" in page
    assert "anna" not in page
    for event in plume["events"]:
        page = (await api.get(f"/nl/events/{event['id']}")).text
        assert "niemand een bericht" not in page, event["observedProperty"]


async def test_a_second_peak_is_another_plume_and_pages_follow_one_another(api, pipeline, node):
    await ingest(pipeline, node)
    await ingest(pipeline, node, start=T0 + 1_200_000, first=10_001)
    both = (await api.get("/api/v1/plumes")).json()
    assert len(both["items"]) == 2
    assert both["items"][0]["onset"] > both["items"][1]["onset"]
    assert both["nextCursor"] is None
    first = (await api.get("/api/v1/plumes?limit=1")).json()
    second = (await api.get(f"/api/v1/plumes?limit=1&cursor={first['nextCursor']}")).json()
    assert [page["items"][0]["id"] for page in (first, second)] == [item["id"] for item in both["items"]]
    between = (datetime.fromtimestamp(T0 / 1000, UTC) + timedelta(minutes=10)).isoformat().replace("+00:00", "Z")
    assert len((await api.get(f"/api/v1/plumes?start={between}")).json()["items"]) == 1
    assert len((await api.get(f"/api/v1/plumes?end={between}")).json()["items"]) == 1


async def test_filters_and_refusals(api, pipeline, node):
    await ingest(pipeline, node)
    for query, count in {
        "area=ijmond": 1, "station=wijk-aan-zee": 1, "property=voc_raw": 1, "property=no2": 0,
        "open=false": 1, "open=true": 0, "limit=1": 1,
    }.items():  # fmt: skip
        answer = await api.get(f"/api/v1/plumes?{query}")
        if answer.status_code == 400:
            assert query == "property=no2"  # a property that the registry lacks
            continue
        assert len(answer.json()["items"]) == count, query
    for query in ("area=nowhere", "station=nowhere", "cursor=x", "start=soon", "limit=0", "limit=1001", "kind=peak",
                  "start=2026-11-22T00:00:00Z&end=2026-11-21T00:00:00Z"):  # fmt: skip
        answer = await api.get(f"/api/v1/plumes?{query}")
        assert answer.status_code == 400, query
        assert answer.headers["content-type"] == "application/problem+json"
    assert (await api.get("/api/v1/plumes/nothing")).status_code == 404
    assert (await api.get("/nl/plumes/nothing")).status_code == 404
    assert (await api.get("/nl/plumes/%00")).status_code == 404


async def test_a_client_with_the_newest_copy_gets_304(api, pipeline, node):
    await ingest(pipeline, node)
    response = await api.get("/api/v1/plumes")
    assert response.headers["cache-control"] == "public, max-age=1"
    again = await api.get("/api/v1/plumes", headers={"If-None-Match": response.headers["etag"]})
    assert again.status_code == 304


async def test_a_plume_whose_events_were_all_disproved_stays_at_its_address(api, pipeline, node, database):
    await ingest(pipeline, node)
    (plume,) = (await api.get("/api/v1/plumes")).json()["items"]
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE event SET change = 'voided' WHERE id = %s", [plume["leading"]])
    corrected = (await api.get(f"/api/v1/plumes/{plume['id']}")).json()
    assert corrected["state"] == "over"
    assert corrected["leading"] != plume["leading"]
    assert len(corrected["properties"]) == 2
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE event SET change = 'voided'")
    await asyncio.sleep(1.1)  # until the cached answer is over
    assert (await api.get(f"/api/v1/plumes/{plume['id']}")).json()["state"] == "voided"
    page = (await api.get(f"/nl/plumes/{plume['id']}")).text
    assert "bij nader inzien geen piek" in page


async def test_an_event_stays_in_its_plume_when_it_is_stored_again(api, pipeline, node, database):
    await ingest(pipeline, node)
    (plume,) = (await api.get("/api/v1/plumes")).json()["items"]
    with psycopg.connect(database) as connection:
        before = dict(connection.execute("SELECT id, plume_id FROM event").fetchall())
    await ingest(pipeline, node, start=T0 + 170_000, first=20_001, high=range(60, 90))
    with psycopg.connect(database) as connection:
        after = dict(connection.execute("SELECT id, plume_id FROM event").fetchall())
    assert before.items() <= after.items()
    assert set(after.values()) == {plume["id"]}, "less than five minutes between two rises: one plume"
