"""Roles and areas are respected by every route; the routes are listed from the application, so a new one is judged too.

Private facts of the IJmond are planted wherever a table holds private text. Nobody without the role, and nobody of
another area, gets one of them from any address, nor changes a row of any table.
"""

import asyncio
import json
import re
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg import sql

from alerting.decide.routing import Route
from alerting.delivery.email import EmailSettings
from alerting.dispatch.inbox_worker import InboxWorker
from alerting.inbox import put_alerts
from alerting.settings import AlertingSettings, ReceiverSettings
from gateway.access.accounts import Accounts
from gateway.access.identity import Role, Scope
from gateway.operator.tools import CheckResult, OperatorTools
from tests.alerting.sample_alerts import make_alert
from tests.gateway.api.conftest import running_api
from tests.gateway.api.http.test_every_route import SAFE, list_routes

MARK = "zeepaardje"  # in every private fact
EXACT = "4.594321"
EVENT = make_alert().event_id
RECEIVERS = AlertingSettings(
    receiver=[ReceiverSettings(name="od", email=[EmailSettings(to=[f"{MARK}@od.nl"])])], route=[Route(receiver="od")]
)
PARAMETERS = [
    ("/operator/nodes/{id}", "ijm-001"), ("quarantine/{id}", "1"), ("quarantine/{number}", "1"), ("/silences/{", "1"),
    ("/maintenance/{", "1"), ("/stations/{id}", "wijk-aan-zee"), ("/widget/{id}", "wijk-aan-zee"),
    ("/areas/{id}", "ijmond"), ("/events/{id}", EVENT), ("/datastreams/{id}", "1"),
]  # fmt: skip
ENDS = (datetime.now(UTC) + timedelta(hours=8)).isoformat()
BODIES = {
    "/api/v1/silences": {"area": "ijmond", "match": [], "reason": "x", "endsAt": ENDS},
    "/api/v1/silences/preview": {"area": "ijmond", "match": [], "reason": "x", "endsAt": ENDS},
    "/api/v1/operator/quarantine/retries": {"ids": [1]},
    "/api/v1/operator/nodes": {
        "site": "ijmond", "node": "ijm-001", "station": "wijk-aan-zee", "board": "pi4", "kit": "x", "replace": True,
    },
}  # fmt: skip
CONFIGURATION = "[batch]\ninterval_seconds = 10\n"
FIT = {"observedProperty": "pm2_5", "start": "2026-11-01T00:00:00Z", "end": "2026-11-20T00:00:00Z", "station": "here"}
WORK = {"reason": "x", "model": "x", "revision": 0}
BODIES |= {
    "/api/v1/operator/nodes/{id}/maintenance": {"endsAt": ENDS, "reason": "x"},
    "/api/v1/operator/nodes/{id}/sensor-changes": {
        "properties": ["pm2_5"], "changedAt": ENDS, "model": "x", "reason": "x",
    },
    "/api/v1/operator/nodes/{id}/fits": FIT,
    "/api/v1/operator/nodes/{id}/certificates": {},
    "/api/v1/operator/nodes/{id}/configurations": {"toml": CONFIGURATION},
    "/api/v1/operator/nodes/{id}/revocation": {},
    "/api/v1/operator/guests": {
        "id": "guest-x", "area": "ijmond", "name": "x", "latitude": 52.5, "longitude": 4.6, "format": "airrohr",
        "sender": "x", "owner": "x", "consentOn": "2026-11-01", "consentText": "x",
    },
    "/api/v1/plumes/{id}/false-alarms": {"cause": "work"},
    "/api/v1/plumes/{id}/known-sources": {"name": "x", "legalBasis": "x", "until": ENDS[:10], "level": 1},
    "/api/v1/operator/nodes/{id}/calibrations": {"fit": FIT, "validFrom": ENDS, "sensorModel": "x", "author": "x"},
}  # fmt: skip
FORMS = {
    "maintenance": {**WORK, "hours": 2},
    "sensor": {**WORK, "properties": "pm2_5"},
    "calibration": {
        **WORK,
        "property": "pm2_5",
        "station": "here",
        "start": "2026-11-01",
        "end": "2026-11-20",
        "valid_from": "2026-11-21T00:00",
        "author": "x",
    },
    "silences": {"event": EVENT, "what": "station", "hours": "8", "reason": "x"},
    "renew": {"revision": 0},
    "revoke": {"revision": 0},
    "configure": {"revision": 0, "configuration": CONFIGURATION, "confirmed": "true"},
    "retry": {"reason": "unknown_node"},
    "guests": {
        "node": "guest-x",
        "area": "ijmond",
        "name": "x",
        "place": "52.5, 4.6",
        "format": "airrohr",
        "sender": "x",
        "owner": "x",
        "consent_on": "2026-11-01",
        "consent_text": "x",
    },
    "enrol": BODIES["/api/v1/operator/nodes"],
}
OPEN_TO_ANYBODY = ("/account", "/waarschuw-mij", "/acknowledge")  # they begin a session, or need a token of a mail
UNGUARDED = {"audit", "session", "code_attempts"}


def fill(path):
    for part, value in PARAMETERS:
        if part in path:
            path = re.sub(r"\{\w+\}", value, path)
    return re.sub(r"\{(\w+)(:path)?\}", "0", path) or "/"


@pytest.fixture
async def world(database, broker, node, pipeline):
    """(client, headers by account): private facts of the IJmond, and staff of both areas."""
    await pipeline.process([node.payload(1), node.payload(2, received_at=datetime.now(UTC))])
    settings = RECEIVERS
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
        await put_alerts(connection, [make_alert()])
        await InboxWorker(settings).decide_inbox(connection)
        for statement in (
            "UPDATE station SET longitude = 4.594321 WHERE id = 'wijk-aan-zee'",
            f"""INSERT INTO quarantine (received_at, topic, reason, detail, payload)
                VALUES (now(), 'pw/v1/ijmond/ijm-009/readings', 'unknown_node', '{MARK}', '{MARK}')""",
            f"""INSERT INTO alerting.silence (match, author, reason, starts_at, ends_at, changed_by)
                VALUES (ARRAY['area="ijmond"'], '{MARK}', '{MARK}', now(), now() + interval '1 day', 'x')""",
            f"""UPDATE node_status SET status = '{{"version": "{MARK}"}}',
                    health = '{{"sensors": {{"{MARK}": "{MARK}"}}, "spool_trouble": "{MARK}"}}'""",
            f"""INSERT INTO maintenance_window (node_id, starts_at, ends_at, reason, created_by)
                VALUES ('ijm-001', now() + interval '1 day', now() + interval '2 days', '{MARK}', '{MARK}')""",
            f"""INSERT INTO sensor_change (node_id, properties, changed_at, model, reason, recorded_by)
                VALUES ('ijm-001', ARRAY['pm2_5'], now(), '{MARK}', '{MARK}', '{MARK}')""",
            f"""INSERT INTO access.audit (who, action, object, area, address, outcome)
                VALUES ('{MARK}', 'enrol', 'node ijm-001', 'ijmond', '{MARK}', 'done')""",
        ):
            await connection.execute(statement)
    accounts, headers = Accounts(database), {"anonymous": {}}
    for name, role, area in (
        ("resident", Role.RESIDENT, "*"), ("inspector-elsewhere", Role.INSPECTOR, "chemelot"),
        ("operator-elsewhere", Role.OPERATOR, "chemelot"), ("inspector", Role.INSPECTOR, "ijmond"),
        ("operator", Role.OPERATOR, "ijmond"), ("admin", Role.ADMIN, "*"),
    ):  # fmt: skip
        await accounts.put_account(name, role, [area], None)
        key = await accounts.put_key(name, list(Scope), ["*"], purpose="test", days=1)
        headers[name] = {"Authorization": f"Bearer {key}"}
    tools = OperatorTools(examine=lambda: [CheckResult(check="disk", level="ok", message=MARK, remedy="")])
    async with running_api(database, broker, operator_tools=tools) as (client, _):
        yield client, headers


def list_once():
    """Every route without the prefix of a language, which leads to the same function."""
    return {(method, re.sub(r"^/(nl|en)(?=/)", "", path)) for method, path in list_routes()}


def reads():
    return sorted({path for method, path in list_once() if method == "GET"})


def changes():
    return sorted((method, path) for method, path in list_once() if method not in SAFE)


@pytest.mark.timeout(400)
async def test_no_private_fact_of_an_area_reaches_anybody_of_another_area_or_role(world):
    client, headers = world
    seen_by = {name: set() for name in headers}
    for path in reads():
        for name, credentials in headers.items():
            answer = await client.get(fill(path), headers=credentials)
            assert answer.status_code < 500, (path, name, answer.text)
            if MARK in answer.text or EXACT in answer.text:
                seen_by[name].add(path)
    assert seen_by["anonymous"] == seen_by["resident"] == set()
    assert seen_by["inspector-elsewhere"] == seen_by["operator-elsewhere"] == set()
    inspector_paths = {"/api/v1/silences", "/inspector/duty", "/api/v1/stations/{id}/exact-location"}
    assert inspector_paths <= seen_by["inspector"], "the law would see a leak"
    assert not any("operator" in path for path in seen_by["inspector"])
    operator_paths = {"/api/v1/operator/nodes", "/operator/nodes/{id}", "/operator/quarantine", "/operator/audit"}
    assert operator_paths <= seen_by["operator"], "as above"
    assert seen_by["inspector"] < seen_by["admin"]
    assert "/operator/checks" not in seen_by["operator"], "findings are of the whole installation"


async def test_a_private_page_without_the_right_is_refused_or_leads_to_signing_in(world):
    client, headers = world
    private = [
        path
        for path in reads()
        if re.search("inspector|operator|silences|known-sources|answers|acknowledgements|explanation|exact", path)
    ]
    assert len(private) >= 20
    for path in private:
        anonymous = await client.get(fill(path))
        resident = await client.get(fill(path), headers=headers["resident"])
        if anonymous.status_code == 303:
            assert anonymous.headers["Location"].startswith("/account?to="), path
            assert resident.status_code == 403, path
        else:
            assert (anonymous.status_code, resident.status_code) in {(401, 403), (400, 400)}, path


async def test_the_live_stream_and_the_exports_have_public_facts_only(world):
    client, headers = world
    for name in ("anonymous", "inspector-elsewhere", "operator-elsewhere"):
        for path in ("/feeds/today.csv", "/api/v1/datastreams/1/observations?format=csv"):
            answer = await client.get(path, headers=headers[name])
            assert MARK not in answer.text
            assert EXACT not in answer.text
        received = b""
        try:
            async with asyncio.timeout(1), client.stream("GET", "/api/v1/live", headers=headers[name]) as stream:
                async for chunk in stream.aiter_bytes():
                    received += chunk
        except TimeoutError:
            pass
        assert b"event:" in received or b"retry:" in received or b":" in received
        assert MARK.encode() not in received
        assert EXACT.encode() not in received


def snapshot(dsn):
    """The rows of every table but those of sign-ins, of rates and of the audit log, by table."""
    with psycopg.connect(dsn) as connection:
        tables = connection.execute(
            """SELECT schemaname, tablename FROM pg_tables
               WHERE schemaname NOT IN ('pg_catalog', 'information_schema') AND tablename <> ALL(%s) ORDER BY 1, 2""",
            [sorted(UNGUARDED)],
        ).fetchall()
        count = sql.SQL("SELECT count(*), md5(string_agg(t::text, ' ' ORDER BY t::text)) FROM {} AS t")
        return {
            name: connection.execute(count.format(sql.Identifier(*name))).fetchone()
            for name in map(tuple, tables)
            if name != ("access", "account")
        }


def content_of(path):
    """Keyword arguments of a request that would be right, so that only the right is missing."""
    if path.startswith("/api/"):
        return {"json": BODIES.get(path, {"note": "x"})}
    return {"data": FORMS.get(path.rsplit("/", 1)[-1], {"note": "x"})}


async def test_nobody_of_another_area_or_role_changes_a_row(world, database):
    client, headers = world
    before = snapshot(database)
    for method, path in changes():
        if path.startswith(OPEN_TO_ANYBODY):
            continue
        for name in ("anonymous", "resident", "inspector-elsewhere", "operator-elsewhere"):
            answer = await client.request(method, fill(path), headers=headers[name], **content_of(path))
            allowed = (400, 401, 403, 404, 415)
            is_own = path.endswith(("/preview", "quarantine/retry"))  # of the own area: nothing there
            assert answer.status_code in allowed or (is_own and answer.status_code in {200, 303}), (name, method, path)
            assert MARK not in answer.text, (name, method, path)
    assert snapshot(database) == before


def acts_of(dsn):
    with psycopg.connect(dsn) as connection:
        return connection.execute("SELECT split_part(who, '/', 1), outcome FROM access.audit ORDER BY id").fetchall()


async def test_every_change_by_an_operator_and_every_refused_one_is_in_the_audit_log(world, database):
    client, headers = world
    routes = [
        (method, path) for method, path in changes() if "operator" in path and not path.startswith(("/nl", "/en"))
    ]
    assert len(routes) >= 5
    for method, path in routes:
        for name in ("operator", "inspector", "operator-elsewhere"):
            before = len(acts_of(database))
            answer = await client.request(method, fill(path), headers=headers[name], **content_of(path))
            added = acts_of(database)[before:]
            is_empty = name == "operator-elsewhere" and path.endswith("quarantine/retry")  # nothing there to retry
            assert len(added) == (0 if is_empty else 1), (name, method, path, answer.text)
            if name == "operator":
                is_done = answer.status_code < 400
                assert (added[0][1] == "done") == is_done, (method, path, added, answer.text)
            elif not is_empty:
                assert added[0][0] == name
                assert added[0][1] != "done", (name, method, path)


async def test_a_change_by_a_session_without_an_origin_is_refused(world, database):
    client, _ = world
    token = (await Accounts(database).sign_in_as("operator", 600.0))[1]
    del client.headers["sec-fetch-site"]
    for method, path in changes():
        if "operator" in path:
            headers = {"Cookie": f"piekwacht={token}"}
            answer = await client.request(method, fill(path), headers=headers, **content_of(path))
            assert answer.status_code == 403, (method, path)
            assert "Origin" in answer.json()["detail"]
    assert json.dumps(acts_of(database)).count("done") == 1, "only the planted entry"
