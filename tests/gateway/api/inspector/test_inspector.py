"""The inspector API: silences, acknowledgements and explanations, within the inspector's areas, with an audit log."""

from datetime import UTC, datetime, timedelta

import psycopg

from alerting.alert import Severity
from alerting.decide.routing import Route
from alerting.delivery.email import EmailSettings
from alerting.dispatch.inbox_worker import InboxWorker
from alerting.inbox import put_alerts
from alerting.settings import AlertingSettings, ReceiverSettings
from tests.alerting.sample_alerts import make_alert

SETTINGS = AlertingSettings(
    receiver=[ReceiverSettings(name="od", email=[EmailSettings(to=["a@b.nl"])])], route=[Route(receiver="od")]
)


async def decide_alerts(dsn, *alerts):
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        await put_alerts(connection, alerts)
        await InboxWorker(SETTINGS).decide_inbox(connection)


def silence(**changes):
    ends = datetime.now(UTC) + timedelta(hours=8)
    fields = {"area": "ijmond", "match": ['station="wijk-aan-zee"'], "reason": "onweer", "endsAt": ends.isoformat()}
    return {name: value for name, value in {**fields, **changes}.items() if value is not None}


def audit_rows(dsn):
    with psycopg.connect(dsn) as connection:
        return connection.execute("SELECT who, object, outcome FROM access.audit ORDER BY id").fetchall()


async def test_a_silence_of_a_station_withholds_notifications_until_the_inspector_ends_it(api, database, keys):
    await decide_alerts(database, make_alert())
    preview = await api.post("/api/v1/silences/preview", json=silence(), headers=keys["anna"])
    assert [item["event"] for item in preview.json()["items"]] == [make_alert().event_id]
    assert preview.json()["items"][0]["told"] == ["od"]
    assert (await api.get("/api/v1/silences", headers=keys["anna"])).json() == {"items": []}

    created = await api.post("/api/v1/silences", json=silence(), headers=keys["anna"])
    assert created.status_code == 201
    assert created.headers["cache-control"] == "no-store"
    address = created.headers["location"]
    assert created.json()["match"] == ['area="ijmond"', 'station="wijk-aan-zee"']
    assert created.json()["author"].startswith("anna/")
    assert created.json()["inForce"] is True

    await decide_alerts(database, make_alert(event_id="while-silenced", severity=Severity.EXTREME))
    explanation = await api.get("/api/v1/events/while-silenced/explanation", headers=keys["anna"])
    assert explanation.json()["ongoing"] is True
    assert "od wordt niet ingelicht: iemand heeft gevraagd" in str(explanation.json()["items"])
    assert "onweer" in str(explanation.json()["items"])

    assert (await api.delete(address, headers=keys["anna"])).status_code == 204
    assert (await api.delete(address, headers=keys["anna"])).status_code == 404
    assert (await api.get(address, headers=keys["anna"])).json()["inForce"] is False
    assert (await api.get("/api/v1/silences", headers=keys["anna"])).json() == {"items": []}
    objects = [row[1:] for row in audit_rows(database)]
    assert ('silence area="ijmond", station="wijk-aan-zee"', "allowed") in objects
    assert ("end silence 1", "allowed") in objects


ATTEMPTS = [
    (None, silence(), 401),
    ("dirk", silence(), 403),
    ("bob", silence(), 403),
    ("anna", silence(area=None), 403),
    ("anna", silence(area="chemelot"), 403),
    ("anna", silence(area=None, match=['area=~"ijmond"']), 403),
    ("anna", silence(area=None, match=['area!="chemelot"']), 403),
    ("anna", silence(area=None, match=['area="ijmond"']), 201),
    ("carla", silence(area=None), 201),
]


async def test_a_silence_reaches_no_further_than_the_areas_of_its_author(api, database, keys):
    for account, body, status in ATTEMPTS:
        response = await api.post("/api/v1/silences", json=body, headers=keys.get(account, {}))
        assert response.status_code == status, (account, body, response.text)
        if status != 201:
            assert response.headers["content-type"] == "application/problem+json"
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM alerting.silence").fetchone() == (2,)


INVALID_CHANGES = [
    ({"match": ['staton="x"']}, "no label 'staton'"),
    ({"match": ["station=x"]}, "write label"),
    ({"match": ['station=~"("']}, "matcher"),
    ({"area": None, "match": []}, "write what to silence"),
    ({"reason": "  "}, "reason: write why"),
    ({"endsAt": "morgen"}, "endsAt: 'morgen' is no time"),
    ({"endsAt": "2026-01-01T00:00:00Z"}, "ends"),
    ({"endsAt": "2099-01-01T00:00:00Z"}, "at most 92 days"),
    ({"startsAt": "2026-11-21T00:00:00"}, "startsAt: add the time zone"),
    ({"author": "iemand anders"}, "author"),
    ({"kind": "forever"}, "kind"),
    ({"area": 'x" y'}, "matcher"),
    ({"match": ['station="\0"']}, "unprintable"),
]


async def test_an_invalid_silence_is_refused_with_one_sentence(api, keys):
    for changes, detail in INVALID_CHANGES:
        response = await api.post("/api/v1/silences", json=silence(**changes), headers=keys["carla"])
        assert response.status_code == 400, (changes, response.text)
        assert detail in response.json()["detail"]


async def test_a_body_that_is_not_json_is_refused(api, keys):
    form = await api.post("/api/v1/silences", data={"reason": "x"}, headers=keys["anna"])
    assert form.status_code == 415
    broken = await api.post(
        "/api/v1/silences", content=b"{", headers={**keys["anna"], "Content-Type": "application/json"}
    )
    assert broken.status_code == 400


async def test_lists_show_only_silences_of_the_inspectors_areas(api, keys):
    await api.post("/api/v1/silences", json=silence(), headers=keys["anna"])
    await api.post("/api/v1/silences", json=silence(area=None, match=['property="pm10"']), headers=keys["carla"])
    authors = {}
    for account in ("anna", "bob", "carla"):
        listed = (await api.get("/api/v1/silences", headers=keys[account])).json()["items"]
        authors[account] = {item["author"].split("/")[0] for item in listed}
    assert authors == {"anna": {"anna", "carla"}, "bob": {"carla"}, "carla": {"anna", "carla"}}
    assert (await api.delete("/api/v1/silences/1", headers=keys["bob"])).status_code == 404
    assert (await api.delete("/api/v1/silences/2", headers=keys["anna"])).status_code == 403
    assert (await api.get("/api/v1/silences/99999999999999999999", headers=keys["anna"])).status_code == 404


async def test_an_acknowledgement_is_recorded_once_in_the_name_of_its_account(api, database, keys):
    await decide_alerts(database, make_alert())
    path = f"/api/v1/events/{make_alert().event_id}/acknowledgements"
    for _ in range(2):
        recorded = await api.post(path, json={"note": "collega\r\nBcc: x is onderweg"}, headers=keys["anna"])
        assert recorded.status_code == 201
    (item,) = (await api.get(path, headers=keys["anna"])).json()["items"]
    assert item["who"].startswith("anna/")
    assert (item["note"], item["via"]) == ("collega Bcc: x is onderweg", "account")
    assert (await api.post(path, json={}, headers=keys["bob"])).status_code == 403
    assert (await api.post(path, json={})).status_code == 401
    nothing = await api.post("/api/v1/events/nothing/acknowledgements", json={}, headers=keys["anna"])
    assert nothing.status_code == 404
    assert audit_rows(database)[0][1:] == (f"acknowledge {make_alert().event_id}", "allowed")


async def test_an_explanation_is_available_in_both_languages_and_only_to_inspectors(api, database, keys):
    await decide_alerts(database, make_alert())
    path = f"/api/v1/events/{make_alert().event_id}/explanation"
    steps = (await api.get(f"{path}?language=en", headers=keys["anna"])).json()["items"]
    assert [step["code"] for step in steps] == ["seen", "decided"]
    assert steps[1]["sentence"] == "od is told: a route leads there"
    assert (await api.get(path)).status_code == 401
    assert (await api.get(path, headers=keys["bob"])).status_code == 403
    assert (await api.get(f"{path}?language=fr", headers=keys["anna"])).status_code == 400
