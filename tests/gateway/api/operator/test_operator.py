"""The operator's API and pages: the fleet, the quarantine, storage, checks and the audit log, within one's areas."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from edge_agent.wire import Flag, Signer
from gateway.operator.tools import CheckResult, OperatorTools, StorageFolder
from tests.gateway.api.conftest import running_api
from tests.gateway.enrolled_node import EnrolledNode, enrol_node
from tests.gateway.guests.enrolled_guest import enrol_guest


def store_hours(dsn, node, hours, *, flagged=0, existed=timedelta(days=30)):
    """One reading a minute in the last whole hours, the newest of them stuck; of a stream that existed so long then."""
    now_hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    with psycopg.connect(dsn, autocommit=True) as connection:
        (datastream,) = connection.execute(
            """INSERT INTO datastream (station_id, node_id, property_id, created_at)
               VALUES ('wijk-aan-zee', %s, 'pm2_5', %s) RETURNING id""",
            [node, now_hour - existed],
        ).fetchone()
        connection.execute(
            """INSERT INTO observation
               SELECT %s, %s - i * interval '1 minute', 8, CASE WHEN i <= %s THEN %s ELSE 0 END, 1
               FROM generate_series(1, %s) AS i""",
            [datastream, now_hour, 60 * flagged, Flag.STUCK.value, 60 * hours],
        )


async def test_the_fleet_shows_the_reports_and_the_remarks_of_each_node(api, database, node, keys, report):
    report()
    store_hours(database, node.id, 84, flagged=12)
    (item,) = (await api.get("/api/v1/operator/nodes", headers=keys["carla"])).json()["items"]
    assert (item["id"], item["area"], item["clock"], item["spoolBatches"]) == ("ijm-001", "ijmond", "synced", 3)
    assert (item["batteryPercent"], item["agentVersion"], item["acceptedConfiguration"]) == (12.5, "0.0.9", 1)
    assert item["capture"] == pytest.approx(72 / 168)
    (measured,) = item["properties"]
    assert (measured["validCount"], measured["expectedCount"], measured["hours"]) == (72 * 60, 168 * 60, 72)
    assert [(doubt["flag"], doubt["hours"]) for doubt in measured["doubts"]] == [("stuck", 12)]
    codes = [remark["code"] for remark in item["remarks"]]
    assert codes == ["low_battery", "certificate_ends", "sensor_fault", "doubtful_sensor", "low_capture"]
    dutch = (await api.get("/api/v1/operator/nodes?language=nl", headers=keys["carla"])).json()["items"][0]["remarks"]
    assert dutch[1]["sentence"] == "Certificaat verloopt over 30 dagen: vernieuw het."


async def test_the_data_capture_of_a_new_node_begins_with_its_first_whole_hour(api, database, node, keys, report):
    report()
    store_hours(database, node.id, 5, existed=timedelta(hours=5, minutes=-1))
    document = (await api.get("/api/v1/operator/nodes/ijm-001", headers=keys["carla"])).json()
    assert document["capture"] == 1.0
    assert (document["properties"][0]["hours"], document["properties"][0]["expectedHours"]) == (4, 4)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE datastream SET created_at = now()")
    document = (await api.get("/api/v1/operator/nodes/ijm-001", headers=keys["carla"])).json()
    assert document["capture"] is None


async def test_a_node_without_messages_or_with_invalid_messages_is_listed(api, database, node, keys, report):
    (item,) = (await api.get("/api/v1/operator/nodes", headers=keys["carla"])).json()["items"]
    assert [remark["code"] for remark in item["remarks"]] == ["never_heard"]
    for health in (
        {"spool": [], "battery": "full", "sensors": 7, "certificate_until": "never"},
        {"spool": {"oldest": 10**30}},
    ):
        report(health, {"remote": "none", "version": 3}, last_seen=datetime.now(UTC) - timedelta(hours=2))
        node_document = (await api.get("/api/v1/operator/nodes/ijm-001", headers=keys["carla"])).json()
        assert [remark["code"] for remark in node_document["remarks"]] == ["silent"]
        assert node_document["spoolBatches"] is None
        page = await api.get("/operator/nodes/ijm-001", headers=keys["carla"])
        assert page.status_code == 200


async def test_guests_are_listed_with_their_owners_for_operators_of_their_area_alone(api, database, node, keys):
    guest = enrol_guest(database)
    (item,) = (await api.get("/api/v1/operator/guests", headers=keys["carla"])).json()["items"]
    assert (item["id"], item["owner"], item["consentOn"]) == (guest.node, "Jan de Vries", "2026-11-01")
    page = await api.get("/nl/operator/guests", headers=keys["carla"])
    assert page.status_code == 200
    assert "Jan de Vries, op 2026-11-01, met tekst 2026-1" in page.text
    assert guest.token not in page.text + str(item)
    assert (await api.get("/api/v1/operator/guests", headers=keys["bob"])).json()["items"] == []
    assert "Jan de Vries" not in (await api.get("/nl/operator/guests", headers=keys["bob"])).text
    for name in ("anna", "dirk"):
        assert (await api.get("/api/v1/operator/guests", headers=keys[name])).status_code == 403


async def test_an_operator_sees_the_nodes_of_own_areas_only(api, database, node, keys):
    enrol_node(database, "che-001", "geleen", "chemelot")
    nodes_by_account = {}
    for account in ("carla", "bob", "ed"):
        items = (await api.get("/api/v1/operator/nodes", headers=keys[account])).json()["items"]
        nodes_by_account[account] = {item["id"] for item in items}
    assert nodes_by_account == {"carla": {"ijm-001"}, "bob": {"che-001"}, "ed": {"ijm-001", "che-001"}}
    answer = await api.get("/api/v1/operator/nodes/che-001", headers=keys["carla"])
    assert (answer.status_code, answer.json()["detail"]) == (403, "this belongs to an area that is not yours")
    assert (await api.get("/api/v1/operator/nodes/x%00y", headers=keys["carla"])).status_code == 400
    assert (await api.get("/api/v1/operator/nodes/none", headers=keys["carla"])).status_code == 404
    page = await api.get("/nl/operator/nodes/che-001", headers=keys["carla"])
    assert page.status_code == 403
    assert "Dit hoort bij een gebied dat niet van u is." in page.text


async def test_payloads_of_own_areas_are_retried_and_the_act_is_on_record(api, database, node, keys, pipeline):
    stranger = EnrolledNode(signer=Signer.generate("ijm-009"))
    other = EnrolledNode(signer=Signer.generate("che-009"), area="chemelot")
    await pipeline.process([stranger.payload(1), stranger.payload(2), other.payload(1)])
    listed = (await api.get("/api/v1/operator/quarantine", headers=keys["carla"])).json()["items"]
    assert [item["topic"].split("/")[2] for item in listed] == ["ijmond"] * 2
    own, foreign = listed[0]["id"], 3
    full = (await api.get(f"/api/v1/operator/quarantine/{own}", headers=keys["carla"])).json()
    assert "ijm-009" in full["content"]

    retry = "/api/v1/operator/quarantine/retries"
    refused = await api.post(retry, json={"ids": [own, foreign]}, headers=keys["carla"])
    assert refused.status_code == 403
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM quarantine WHERE replay_asked_at IS NOT NULL").fetchone() == (
            0,
        )
    accepted = await api.post(retry, json={"reason": "unknown_node"}, headers=keys["carla"])
    assert (accepted.status_code, accepted.json()) == (202, {"count": 2})
    with psycopg.connect(database) as connection:
        rows = connection.execute("SELECT who, outcome, area, after FROM access.audit ORDER BY id").fetchall()
    assert [(row[0].split("/")[0], row[1], row[2]) for row in rows] == [
        ("carla", "other_area", None), ("carla", "done", "ijmond"),
    ]  # fmt: skip
    assert rows[1][3] == {"reason": "unknown_node", "payloads": [1, 2], "count": 2}

    acts = (await api.get("/api/v1/operator/audit", headers=keys["carla"])).json()["items"]
    assert [act["outcome"] for act in acts] == ["done"]
    assert (await api.get("/api/v1/operator/audit", headers=keys["bob"])).json() == {"items": []}
    assert len((await api.get("/api/v1/operator/audit", headers=keys["ed"])).json()["items"]) == 2


INVALID_RETRIES = [
    ({}, 400), ({"ids": [1], "reason": "forged"}, 400), ({"reason": "boredom"}, 400), ({"ids": [-1]}, 400),
    ({"ids": [2**70]}, 400), ({"ids": [99]}, 404), ({"ids": "1"}, 400), ({"numbers": [1]}, 400),
]  # fmt: skip


async def test_an_invalid_retry_is_refused_with_one_sentence(api, keys):
    for body, status in INVALID_RETRIES:
        answer = await api.post("/api/v1/operator/quarantine/retries", json=body, headers=keys["ed"])
        assert answer.status_code == status, (body, answer.text)
        assert answer.json()["detail"]


async def test_storage_names_the_tables_and_a_growth_once_it_is_known(database, broker, node, keys):
    tools = OperatorTools(
        read_disks=lambda: [StorageFolder(path="/", total=1000 * 10**9, free=10**9)], retention_days=[("raw_days", 60)]
    )
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            """INSERT INTO database_size
               SELECT now() - interval '2 days', pg_database_size(current_database()) - 2e6::bigint"""
        )
    async with running_api(database, broker, operator_tools=tools) as (api, _):
        report = (await api.get("/api/v1/operator/storage", headers=keys["carla"])).json()
        assert report["growth"] == pytest.approx(1e6, rel=0.5)
        assert report["daysLeft"] == pytest.approx(1e9 / report["growth"])
        assert report["databaseBytes"] > 1e6
        assert all(row["bytes"] > 0 for row in report["tables"])
        page = await api.get("/nl/operator/storage", headers=keys["carla"])
        assert "60 dagen" in page.text
        assert "per dag" in page.text


async def test_the_checks_are_those_of_the_doctor_for_operators_of_every_area(database, broker, node, keys):
    calls = []

    def examine():
        calls.append(1)
        return [CheckResult(check="disk", level="fault", message="only 1 GB <b>is</b> free", remedy="free space")]

    async with running_api(database, broker, operator_tools=OperatorTools(examine=examine)) as (api, _):
        for _ in range(3):
            findings = (await api.get("/api/v1/operator/checks", headers=keys["ed"])).json()["items"]
        assert [finding["level"] for finding in findings] == ["fault"]
        assert len(calls) == 1, "the whole installation is examined at most every 30 seconds"
        page = await api.get("/nl/operator/checks", headers=keys["ed"])
        assert "only 1 GB &lt;b&gt;is&lt;/b&gt; free" in page.text
        assert (await api.get("/api/v1/operator/checks", headers=keys["carla"])).status_code == 403
    async with running_api(database, broker) as (api, _):
        assert (await api.get("/api/v1/operator/checks", headers=keys["ed"])).status_code == 404
        assert "piekwacht doctor" in (await api.get("/operator/checks", headers=keys["ed"])).text


async def test_a_visitor_is_sent_to_sign_in_and_then_back(api, node):
    page = await api.get("/nl/operator/nodes/ijm-001?x=1")
    assert page.status_code == 401
    assert 'href="/account?to=%2Fnl%2Foperator%2Fnodes%2Fijm-001%3Fx%3D1"' in page.text
    form = await api.post("/nl/operator/quarantine/1/retry")
    assert 'href="/account?to=%2Fnl%2Foperator%2Fquarantine"' in form.text


async def test_texts_of_a_node_are_escaped_on_the_page(api, node, keys, report):
    hostile = "</p><script>alert(1)</script>"
    report({"sensors": {hostile: hostile}, "clock": hostile, "spool_trouble": hostile}, {"version": hostile})
    for path in ("/operator", "/operator/nodes/ijm-001"):
        page = (await api.get(path, headers=keys["carla"])).text
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert(1)" in page


async def test_a_page_of_an_operator_is_stored_by_no_cache(api, node, keys):
    for path in ("operator", "operator/nodes/ijm-001", "operator/quarantine", "operator/storage", "operator/audit"):
        for language in ("nl", "en"):
            page = await api.get(f"/{language}/{path}", headers=keys["ed"])
            assert page.status_code == 200, (path, page.text)
            assert page.headers["cache-control"] == "no-store"
            assert f'<html lang="{language}">' in page.text
