"""Inspectors answer a plume as a whole, on real servers: from the button to the mail of a receiver."""

import asyncio
import re
import time
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy

import psycopg
import pytest

from alerting.decide.inhibition import KnownSource
from alerting.decide.routing import Route
from alerting.delivery.settings import EmailSettings, SmtpSettings, ZakenSettings
from alerting.dispatch.decision_store import DecisionStore
from alerting.settings import AlertingSettings, ReceiverSettings
from tests.alerting.running_dispatcher import (
    fetch_rows,
    run_dispatchers,
    wait_until,
    wait_until_delivered,
)
from tests.alerting.servers import MailServer
from tests.alerting.zaken_server import ZakenApi
from tests.gateway.api.conftest import running_api
from tests.gateway.api.observation_batches import ingest_observations

NOW_MS = int(time.time() * 1000)


def make_settings(server, **changes):
    receivers = [ReceiverSettings(name="od", email=[EmailSettings(to=["piket@od.example"])])]
    return AlertingSettings(
        receiver=[*receivers, *changes.pop("receivers", [])],
        route=[Route(receiver="od", least_confidence=0.0, remind_minutes=60)],
        smtp=SmtpSettings(port=server.controller.port, tls="none", timeout=5),
        **changes,
    )


@pytest.fixture
def mail_server():
    with MailServer() as server:
        yield server


def subjects(server):
    return [str(read_mail(envelope)["Subject"]) for envelope in server.received]


def read_mail(envelope):
    return message_from_bytes(envelope.content, policy=policy.default)


def read_text(envelope):
    return read_mail(envelope).get_body(("plain",)).get_content()


async def read_plume_version(api, plume, headers):
    page = await api.get(f"/nl/inspector/plumes/{plume}", headers=headers)
    assert page.status_code == 200, page.text
    return re.search(r'name="seen" value="([^"]+)"', page.text)[1]


async def state_false_alarm(api, plume, headers, **changes):
    fields = {
        "cause": "sensor_fault",
        "note": "natte sensor",
        "seen": await read_plume_version(api, plume, headers),
        **changes,
    }
    return await api.post(f"/nl/inspector/plumes/{plume}/false-alarm", data=fields, headers=headers)


async def test_a_false_alarm_corrects_every_notified_receiver_and_stays_silent(  # noqa: PLR0917 - fixtures
    api, plume, keys, database, mail_server, pipeline, node
):
    async with run_dispatchers(make_settings(mail_server), database):
        await wait_until_delivered(database)
        assert len(mail_server.received) == 1
        answer = await state_false_alarm(api, plume, keys["anna"])
        assert answer.status_code == 303, answer.text
        assert answer.headers["location"] == f"/nl/inspector/plumes/{plume}?notice=false-alarm#main"
        await wait_until(lambda: len(mail_server.received) == 2)
        assert subjects(mail_server)[1].startswith("Correctie: geen piek")
        text = " ".join(read_text(mail_server.received[1]).split())
        assert "vals alarm (de sensor mat verkeerd): natte sensor" in text
        assert "anna" in text
        assert "Op grond van latere gegevens" not in text
        # the peak goes on and ends; nobody is notified of it again
        began = int(time.time() * 1000)
        await ingest_observations(pipeline, node, 900, start=began, first_seq=1_001, plume=range(20))
        await wait_until_delivered(database)
        await asyncio.sleep(0.5)
        assert len(mail_server.received) == 2
    reasons = {reason for (reason,) in fetch_rows(database, "SELECT reason FROM alerting.decision")}
    assert "false_alarm" in reasons
    assert fetch_rows(database, "SELECT count(*) FROM alerting.watch") == [(0,)]


async def test_a_false_alarm_is_voided_on_every_public_face_and_the_cause_is_public_but_not_the_person(
    api, plume, keys, database
):
    before = (await api.get(f"/api/v1/plumes/{plume}")).json()
    await state_false_alarm(api, plume, keys["anna"])
    document = before
    async with asyncio.timeout(10):
        while document["state"] != "voided":  # the answer from before is served for a moment
            await asyncio.sleep(0.2)
            document = (await api.get(f"/api/v1/plumes/{plume}")).json()
    assert document["revision"] == before["revision"] + 1  # a CAP reader takes it for a new message
    for path in (f"plumes/{plume}", f"events/{document['leading']}"):
        cap = (await api.get(f"/feeds/{path}.cap")).text
        assert "<msgType>Cancel</msgType>" in cap, path
        identifier = re.search("<identifier>([^<]+)</identifier>", cap)[1]
        assert identifier not in cap.partition("<references>")[2], path
    assert document["falseAlarm"]["cause"] == "sensor_fault"
    events = (await api.get("/api/v1/events")).json()["items"]
    assert {event["change"] for event in events} == {"voided"}
    assert all(event["falseAlarm"]["cause"] == "sensor_fault" for event in events)
    assert (await api.get("/api/v1/plumes?open=true")).json()["items"] == []
    assert (await api.get("/api/v1/events?open=true")).json()["items"] == []
    for path in (f"plumes/{plume}", f"events/{document['leading']}"):
        page = (await api.get(f"/nl/{path}")).text
        assert "Een inspecteur heeft op" in page, path
        assert "de sensor mat verkeerd" in page, path
        assert "natte sensor" not in page, path
        assert "anna" not in page, path


async def test_a_withdrawn_false_alarm_is_a_peak_again_and_its_receivers_are_notified(
    api, plume, keys, database, mail_server
):
    async with run_dispatchers(make_settings(mail_server), database):
        await wait_until_delivered(database)
        await state_false_alarm(api, plume, keys["anna"])
        await wait_until(lambda: len(mail_server.received) == 2)
        withdrawn = await api.post(f"/nl/inspector/plumes/{plume}/false-alarm/withdraw", headers=keys["anna"])
        assert withdrawn.status_code == 303
        await wait_until(lambda: len(mail_server.received) == 3)
    assert subjects(mail_server)[2].startswith("Toch een piek: ")
    assert (await api.get(f"/api/v1/plumes/{plume}")).json()["state"] == "ongoing"
    again = await api.post(f"/nl/inspector/plumes/{plume}/false-alarm/withdraw", headers=keys["anna"])
    assert again.status_code == 404


async def test_a_rise_after_a_false_alarm_at_another_severity_notifies_again(api, plume, keys, database, mail_server):
    async with run_dispatchers(make_settings(mail_server), database):
        await wait_until_delivered(database)
        await state_false_alarm(api, plume, keys["anna"])
        await wait_until(lambda: len(mail_server.received) == 2)
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute(
                "INSERT INTO alerting.inbox (event_id, revision, alert) SELECT event_id, revision + 1, alert || "
                """'{"severity": "extreme", "change": "updated"}' || jsonb_build_object('revision', revision + 1) """
                "FROM alerting.inbox ORDER BY revision DESC LIMIT 1"
            )
            connection.execute("NOTIFY piekwacht_alerting")
        await wait_until(lambda: len(mail_server.received) == 3)


async def test_the_second_of_two_inspectors_reads_the_name_of_the_first(api, plume, keys, database):
    path = f"/nl/inspector/plumes/{plume}"
    answers = await asyncio.gather(
        api.post(f"{path}/acknowledge", data={"note": "ik rijd erheen"}, headers=keys["anna"]),
        api.post(f"{path}/acknowledge", data={"note": "ik bel het bedrijf"}, headers=keys["carla"]),
    )
    notices = sorted(answer.headers["location"].partition("notice=")[2] for answer in answers)
    assert notices == ["acknowledged#main", "acknowledged-before#main"]
    page = (await api.get(f"{path}?notice=acknowledged-before", headers=keys["anna"])).text
    assert re.search(r'role="status">(anna|carla)[^<]* was u voor en is hier sinds \d\d:\d\d mee bezig', page)
    assert "ik rijd erheen" in page
    assert "ik bel het bedrijf" in page
    assert len({row[0] for row in fetch_rows(database, "SELECT who FROM alerting.acknowledgement")}) == 1
    await state_false_alarm(api, plume, keys["carla"])
    second = await state_false_alarm(
        api, plume, keys["anna"], seen=await compute_plume_version(api, plume, keys["anna"])
    )
    assert second.headers["location"].endswith("notice=false-alarm-before#main")


async def compute_plume_version(api, plume, headers):
    document = (await api.get(f"/api/v1/plumes/{plume}")).json()
    return ".".join([document["severity"], document["state"], *sorted(s["id"] for s in document["stations"])])


async def test_a_judgement_about_a_plume_that_changed_is_refused_with_one_sentence(api, plume, keys, database):
    answer = await state_false_alarm(api, plume, keys["anna"], seen="minor.ongoing.elsewhere")
    assert answer.status_code == 409
    assert "De piek veranderde terwijl u keek. Er is niets vastgelegd." in answer.text
    assert fetch_rows(database, "SELECT count(*) FROM alerting.false_alarm") == [(0,)]


def source_fields(plume_version, **changes):
    until = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
    fields = {
        "name": "Fakkel",
        "legal_basis": "vergunning 12-34",
        "until": until,
        "level": "250,5",
        "seen": plume_version,
    }
    return {**fields, **changes}


async def test_a_known_source_withholds_later_peaks_until_somebody_ends_it(api, plume, keys, database, mail_server):
    path = f"/nl/inspector/plumes/{plume}"
    plume_version = await read_plume_version(api, plume, keys["anna"])
    named = await api.post(f"{path}/known-source", data=source_fields(plume_version), headers=keys["anna"])
    assert named.headers["location"].endswith("notice=known-source#main"), named.text
    page = (await api.get(path, headers=keys["anna"])).text
    assert "Bekende bron: anna" in page
    assert "Fakkel</strong> (vergunning 12-34)" in page
    async with run_dispatchers(make_settings(mail_server), database):
        await wait_until_delivered(database)
        assert mail_server.received == []
        ended = await api.post("/nl/inspector/known-sources/1/end", headers=keys["anna"])
        assert ended.status_code == 303
    assert (await api.post("/nl/inspector/known-sources/1/end", headers=keys["anna"])).status_code == 404
    rows = fetch_rows(database, "SELECT DISTINCT reason, detail FROM alerting.decision")
    assert [reason for reason, _ in rows] == ["known_source"]
    assert "vergunning 12-34" in rows[0][1]
    assert "anna" in rows[0][1]


BAD_SOURCES = [
    ({"name": " "}, "which source"),
    ({"legal_basis": ""}, "legal_basis"),
    ({"until": "2020-01-01"}, "passed already"),
    ({"until": "morgen"}, "year-month-day"),
    ({"until": "2099-01-01"}, "at most a year"),
    ({"level": "-1"}, "excess"),
    ({"level": "nan"}, "excess"),
    ({"level": "veel"}, "a number"),
]


async def test_a_known_source_without_a_part_is_refused_with_one_sentence(api, plume, keys, database):
    plume_version = await read_plume_version(api, plume, keys["anna"])
    for changes, sentence in BAD_SOURCES:
        answer = await api.post(
            f"/nl/inspector/plumes/{plume}/known-source",
            data=source_fields(plume_version, **changes),
            headers=keys["anna"],
        )
        assert answer.status_code == 400, changes
        assert sentence in answer.text, changes
    assert fetch_rows(database, "SELECT count(*) FROM alerting.known_source") == [(0,)]


async def test_the_policy_of_the_workers_has_the_sources_of_inspectors_beside_those_of_the_configuration(
    api, plume, keys, database, mail_server
):
    plume_version = await read_plume_version(api, plume, keys["anna"])
    await api.post(
        f"/nl/inspector/plumes/{plume}/known-source", data=source_fields(plume_version), headers=keys["anna"]
    )
    today = datetime.now(UTC).date()
    configured = KnownSource(name="a", match=['area="ijmond"'], legal_basis="b", owner="c", until=today, level=1.0)
    store = DecisionStore(make_settings(mail_server, known_source=[configured]))
    async with await psycopg.AsyncConnection.connect(database) as connection:
        await store.lock_and_refresh(connection)
        labels = {"area": "ijmond", "property": "pm2_5", "station": "wijk-aan-zee"}
        assert [source.name for source in store.policy.sources.find_matching(labels)] == ["a", "Fakkel"]


async def test_the_button_opens_one_zaak_and_the_page_shows_its_outcome(  # noqa: PLR0917 - fixtures
    database, broker, pipeline, node, keys, mail_server, tmp_path
):
    secret = tmp_path / "secret"
    secret.write_text("geheim-van-dertig-tekens-of-meer")
    with ZakenApi(secret.read_text()) as zaken:
        channel = ZakenSettings(
            url=zaken.url, zaaktype="https://catalogi.example/zaaktypen/1", bronorganisatie="123456782",
            verantwoordelijke_organisatie="123456782", client_id="piekwacht", secret_file=secret,
        )  # fmt: skip
        settings = make_settings(
            mail_server, allow_private=True, receivers=[ReceiverSettings(name="zaaksysteem", zaken=[channel])]
        )
        async with running_api(database, broker, alerting=settings) as (api, _):
            began = int(time.time() * 1000) - 900_000
            await ingest_observations(pipeline, node, 900, start=began, plume=range(800, 900))
            (document,) = (await api.get("/api/v1/plumes")).json()["items"]
            path = f"/nl/inspector/plumes/{document['id']}"
            async with run_dispatchers(settings, database):
                await wait_until_delivered(database)
                answers = [
                    await api.post(f"{path}/zaak", data={"receiver": "zaaksysteem"}, headers=keys["anna"])
                    for _ in range(2)
                ]
                await wait_until_delivered(database)
            assert [answer.headers["location"].partition("notice=")[2] for answer in answers] == [
                "zaak#main", "zaak-before#main",
            ]  # fmt: skip
            page = (await api.get(path, headers=keys["anna"])).text
            assert re.search(r"<strong>zaaksysteem</strong> · Zaken API · .*? · bezorgd", page)
            missing = await api.post(f"{path}/zaak", data={"receiver": "od"}, headers=keys["anna"])
            assert missing.status_code == 404


async def test_notes_are_added_and_never_changed(api, plume, keys, database):
    path = f"/nl/inspector/plumes/{plume}"
    for text in ("rook gezien", "rook gezien", "<b>x</b>\r\ny"):
        await api.post(f"{path}/notes", data={"text": text}, headers=keys["anna"])
    page = (await api.get(path, headers=keys["anna"])).text
    assert page.count("noteerde: rook gezien") == 1
    assert "&lt;b&gt;x&lt;/b&gt; y" in page
    assert (await api.post(f"{path}/notes", data={"text": " \n"}, headers=keys["anna"])).status_code == 400
    for statement in ("UPDATE alerting.note SET text = 'x'", "DELETE FROM alerting.note"):
        with psycopg.connect(database) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)


ACTIONS = ["acknowledge", "false-alarm", "false-alarm/withdraw", "known-source", "zaak", "notes", "dossier"]


async def test_only_an_inspector_of_the_area_reads_and_answers_a_plume(api, plume, keys, database):
    fields = {**source_fields("x"), "cause": "other", "text": "x", "receiver": "od"}
    path = f"/nl/inspector/plumes/{plume}"
    visitor = await api.get(path)
    assert (visitor.status_code, visitor.headers["location"]) == (303, f"/account?to={path}")
    for account, status in (("bob", 403), ("dirk", 403)):
        assert (await api.get(path, headers=keys[account])).status_code == status
        for action in ACTIONS:
            answer = await api.post(f"{path}/{action}", data=fields, headers=keys[account])
            assert answer.status_code == status, (account, action)
            assert "Uw rol of uw gebieden gaan hier niet over" in answer.text
    for action in ACTIONS:
        answer = await api.post(f"{path}/{action}", data=fields)
        assert answer.status_code == 401, action
        assert f'href="/account?to={path}' in answer.text
    assert (await api.get("/nl/inspector/plumes/nothing", headers=keys["anna"])).status_code == 404
    with psycopg.connect(database) as connection:
        for table in ("acknowledgement", "false_alarm", "known_source", "note"):
            assert connection.execute(f"SELECT count(*) FROM alerting.{table}").fetchone() == (0,), table


async def test_every_answer_is_in_the_audit_log(api, plume, keys, database):
    path = f"/nl/inspector/plumes/{plume}"
    await api.post(f"{path}/acknowledge", data={}, headers=keys["anna"])
    await api.post(f"{path}/notes", data={"text": "x"}, headers=keys["anna"])
    await state_false_alarm(api, plume, keys["anna"])
    await api.post(f"{path}/false-alarm/withdraw", headers=keys["anna"])
    objects = [row[0] for row in fetch_rows(database, "SELECT object FROM access.audit ORDER BY id")]
    assert objects == [f"{action} {plume}" for action in ("acknowledge", "note", "false alarm", "withdraw false alarm")]
