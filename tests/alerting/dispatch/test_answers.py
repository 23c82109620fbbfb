"""Commands, acknowledgements, a storm, failing channels and the heartbeat: on real servers."""

import asyncio
import json
import re

import msgspec
import psycopg
import pytest
from jinja2 import DictLoader, Environment

from alerting.alert import Change
from alerting.decide.routing import Route
from alerting.dispatch import heartbeat
from alerting.inbox import put_alerts
from alerting.message.email_content import render_email
from alerting.message.notification import Notification
from alerting.settings import HeartbeatSettings
from gateway.__main__ import main
from tests.alerting.running_dispatcher import (
    change,
    fetch_rows,
    insert_alerts,
    run_dispatchers,
    wait_until,
    wait_until_delivered,
    wait_until_present,
)
from tests.alerting.sample_alerts import make_alert, make_ended_alert
from tests.alerting.servers import MailServer, WebServer
from tests.gateway.enrolled_node import enrol_node


@pytest.fixture
def command(database, tmp_path, capsys):
    (tmp_path / "piekwacht.toml").write_text(
        f"""[database]
dsn = "{database}"
[[alerting.receiver]]
name = "od"
email = [{{ to = ["piket@od.example"] }}]
[[alerting.route]]
receiver = "od"
match = ['area="ijmond"']
"""
    )

    def run(*words):
        code = main(["alerts", "--config", str(tmp_path / "piekwacht.toml"), *words])
        output = capsys.readouterr()
        return code, output.out + output.err

    return run


async def test_explain_lists_decisions_deliveries_and_acknowledgements(database, settings, command):
    with MailServer() as server:
        async with run_dispatchers(settings(mail=server), database):
            await insert_alerts(database, make_alert(), make_alert(2, change=Change.UPDATED))
            await wait_until_delivered(database)
    assert command("ack", make_alert().event_id, "--who", "Jansen", "--note", "ga kijken")[0] == 0
    code, text = await asyncio.to_thread(command, "explain", make_alert().event_id)
    assert code == 0
    for words in (
        "Peak rises: PM2.5 at Wijk aan Zee: 84.0 µg/m³", "od is told: a route leads there",
        "routed, revision 1, rules ",
        "od is not told: was told already", "not_worse, revision 2", "e-mail to od: delivered", "email:0",
        "sha256 ", "Jansen is on it (on the command line): ga kijken",
    ):  # fmt: skip
        assert words in text
    _, dutch = await asyncio.to_thread(command, "explain", make_alert().event_id, "--language", "nl")
    assert "od wordt ingelicht: een regel leidt" in dutch
    assert re.search(r"^(ma|di|wo|do|vr|za|zo)\w* \d\d-\d\d-\d{4} \d\d:\d\d:\d\d  ", dutch, re.MULTILINE), "local times"
    assert await asyncio.to_thread(command, "silences") == (0, "nothing is silenced\n")
    assert (await asyncio.to_thread(command, "explain", "nothing"))[0] == 1
    assert command("ack", "nothing") == (1, "piekwacht: alerting has no event 'nothing'\n")


async def test_a_silence_from_the_command_line_holds_and_ends(database, settings, command):
    code, text = command("silence", 'station="wijk-aan-zee"', "--for", "8h", "--reason", "onderhoud", "--who", "Jansen")
    assert (code, text[:10]) == (0, "silence 1 ")
    with MailServer() as server:
        async with run_dispatchers(settings(mail=server), database):
            await insert_alerts(database, make_alert())
            await wait_until_delivered(database)
            assert server.received == []
            assert (await asyncio.to_thread(command, "unsilence", "1", "--who", "Jansen"))[0] == 0
            await insert_alerts(database, make_alert(2, change=Change.UPDATED))
            await wait_until_delivered(database)
    assert len(server.received) == 1
    assert fetch_rows(database, "SELECT reason FROM alerting.decision ORDER BY revision") == [
        ("silenced",),
        ("routed",),
    ]
    assert command("silence", 'colour="red"', "--for", "8h", "--reason", "x")[0] == 1
    assert command("silence", 'area="a"', "--for", "soon", "--reason", "x")[0] == 1


async def test_maintenance_notifies_nobody_and_is_stored_with_author_and_reason(database, settings, command):
    enrol_node(database)
    works = ("maintenance", "--for", "4h", "--reason", "filter vervangen", "--who", "Jansen")
    code, text = command(*works, "--station", "wijk-aan-zea")
    assert code == 1
    assert "no station 'wijk-aan-zea'; the nearest station is 'wijk-aan-zee'" in text
    assert command(*works, "--station", "wijk-aan-zee")[0] == 0
    assert command(*works, "--station", "wijk-aan-zee", "--from", "2099-01-01T08:00+01:00")[0] == 0
    for begin in ("soon", "2099-01-01T08:00"):
        with pytest.raises(SystemExit, match="2"):
            command(*works, "--station", "wijk-aan-zee", "--from", begin)
    with MailServer() as server:
        async with run_dispatchers(settings(mail=server), database):
            await insert_alerts(database, make_alert())
            await wait_until_delivered(database)
    assert server.received == []
    assert fetch_rows(database, "SELECT reason FROM alerting.decision") == [("maintenance",)]
    code, text = await asyncio.to_thread(command, "silences")
    assert "maintenance 1 by Jansen" in text
    assert '2099-01-01T07:00:00Z to 2099-01-01T11:00:00Z: station="wijk-aan-zee": filter vervangen' in text


def test_check_names_matchers_and_files_that_cannot_work(database, command, tmp_path):
    enrol_node(database)
    assert command("check") == (0, "in order: 1 receiver and 1 route\n")
    config = tmp_path / "piekwacht.toml"
    config.write_text(
        config.read_text().replace('area="ijmond"', 'area="ijmand"')
        + """[[alerting.receiver]]
name = "zaken"
webhook = [{ url = "https://zaken.example/", secret_file = "not.there" }]
"""
    )
    code, text = command("check")
    assert code == 1
    assert "alerting.route[0].match: area=\"ijmand\" matches no area; the nearest is 'ijmond'" in text
    assert "alerting.receiver[1].webhook[0].secret_file: " in text
    (tmp_path / "not.there").write_text("whsec_ this is no base64")
    code, text = command("check")
    assert code == 1
    assert "holds no secret of Standard Webhooks" in text


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('inside = "POINT(4 52)"', "route[0]: no polygon"),
        ('inside_file = "not.there"', "route[0].inside_file"),
        ('hours = ["monday"]', "route[0]: hours 'monday'"),
        ('escalate_to = "do"', "route[0].escalate_to: no receiver 'do'; the nearest receiver is 'od'"),
        ('least_severity = "bad"', "least_severity"),
        ("matsch = []", "match"),
    ],
)  # fmt: skip
def test_a_route_that_cannot_work_is_refused_by_every_command(command, tmp_path, line, words):
    (tmp_path / "piekwacht.toml").write_text((tmp_path / "piekwacht.toml").read_text() + line + "\n")
    code, text = command("check")
    assert code != 0
    assert words in text
    assert "Traceback" not in text


def test_route_prints_the_receivers_of_an_alert_without_delivering(command, tmp_path):
    (tmp_path / "alert.json").write_bytes(msgspec.json.encode(make_alert()))
    assert command("route", "--event", str(tmp_path / "alert.json")) == (0, "od is notified: routed\n")
    (tmp_path / "alert.json").write_text("{}")
    assert command("route", "--event", str(tmp_path / "alert.json"))[0] == 1


async def test_a_receiver_is_reminded_until_somebody_acknowledges(database, settings, command):
    with MailServer() as server:
        chosen = settings(mail=server, route=[Route(receiver="od", remind_minutes=10, escalate_to="od")])
        async with run_dispatchers(chosen, database):
            await insert_alerts(database, make_alert())
            await wait_until_delivered(database)
            change(database, "UPDATE alerting.watch SET last_at = now() - interval '11 minutes'")
            await wait_until(lambda: len(server.received) == 2)
            assert b"Herinnering" in server.received[1].content
            command("ack", make_alert().event_id)
            change(database, "UPDATE alerting.watch SET last_at = now() - interval '11 minutes'")
            await asyncio.sleep(2.5)
            assert len(server.received) == 2
            await insert_alerts(database, make_ended_alert())
            await wait_until_delivered(database)
    assert len(server.received) == 3
    assert fetch_rows(database, "SELECT * FROM alerting.watch") == []


async def test_a_storm_is_gathered_and_no_alert_is_lost(database, settings):
    alerts = [make_alert(event_id=f"event{n}", station=f"s{n}") for n in range(1000)]
    with MailServer() as server, WebServer() as web:
        chosen = settings(mail=server, web=web, burst=5, gather_seconds=1.0)
        async with run_dispatchers(chosen, database, workers=2):
            for start in range(0, 1000, 100):
                async with await psycopg.AsyncConnection.connect(database) as connection:
                    await put_alerts(connection, alerts[start : start + 100])
            await wait_until_delivered(database, within=60)
    assert 6 <= len(server.received) <= 12
    assert 6 <= len(web.requests) <= 12
    assert any(b"meldingen van" in envelope.content for envelope in server.received)
    messages = [json.loads(body) for _, body in web.requests]
    assert sum(message["data"].get("count", 1) for message in messages) == 1000
    assert all(len(body) <= 65_536 for _, body in web.requests)
    query = "SELECT count(DISTINCT event_id) FROM alerting.outbox WHERE state IN ('delivered', 'gathered')"
    assert fetch_rows(database, query) == [(1000,)]


async def test_a_webhook_that_hangs_delays_no_mail(database, settings):
    with MailServer() as server, WebServer(-1) as web:
        async with run_dispatchers(settings(mail=server, web=web), database):
            await insert_alerts(database, *[make_alert(event_id=f"event{n}", station=f"s{n}") for n in range(5)])
            await wait_until(lambda: len(server.received) == 5, within=4)


async def test_a_webhook_that_answers_410_gets_nothing_until_it_is_enabled(database, settings, command):
    with WebServer(410, 204) as web:
        async with run_dispatchers(settings(web=web), database):
            for name in ("one", "two"):
                await insert_alerts(database, make_alert(event_id=name, station=name))
                await wait_until_delivered(database)
            assert len(web.requests) == 1
            assert command("enable", web.url)[0] == 0
            await insert_alerts(database, make_alert(event_id="three", station="three"))
            await wait_until_delivered(database)
    assert len(web.requests) == 2


async def test_an_unreadable_secret_stops_no_other_channel(database, settings, tmp_path):
    with MailServer() as server, WebServer() as web:
        chosen = settings(mail=server, web=web)
        (tmp_path / "secret").unlink()
        async with run_dispatchers(chosen, database):
            await insert_alerts(database, make_alert())
            await wait_until_present(database, "SELECT 1 FROM alerting.delivery WHERE outcome = 'failed'")
            await wait_until(lambda: len(server.received) == 1)
    details = fetch_rows(database, "SELECT detail FROM alerting.delivery WHERE outcome = 'failed'")
    assert all("secret" in detail for (detail,) in details)


async def test_an_unreadable_alert_does_not_block_the_next(database, settings):
    change(database, "INSERT INTO alerting.inbox (event_id, revision, alert) VALUES ('odd', 1, '{}')")
    with MailServer() as server:
        async with run_dispatchers(settings(mail=server), database):
            await insert_alerts(database, make_alert())
            await wait_until_delivered(database)
    assert len(server.received) == 1
    assert fetch_rows(database, "SELECT reason FROM alerting.decision WHERE event_id = 'odd'") == [("unreadable",)]


def test_a_broken_template_gives_a_plain_text_mail():
    broken = Environment(loader=DictLoader({"alert.txt": "{{ nothing.at.all }}", "alert.html": "{% if %}"}))
    contents = render_email(Notification(alert=make_alert(), id="x"), public_url="https://p.example", templates=broken)
    assert contents.html is None
    assert "https://p.example/events/7ckljx4okjr6urfo" in contents.text
    assert contents.subject.startswith("Piek PM2,5")


async def test_the_heartbeat_is_sent_only_while_nothing_waits_too_long(database):
    with WebServer(200) as web:
        settings = HeartbeatSettings(url=web.url, stale_seconds=60)
        assert await heartbeat.post_heartbeat(settings, database)
        await insert_alerts(database, make_alert())
        assert await heartbeat.post_heartbeat(settings, database)
        change(database, "UPDATE alerting.inbox SET received_at = now() - interval '2 minutes'")
        assert not await heartbeat.post_heartbeat(settings, database)
    assert len(web.requests) == 2


async def test_a_record_verifies_until_it_is_changed(database, settings, command, tmp_path):
    with MailServer() as server:
        async with run_dispatchers(settings(mail=server), database):
            await insert_alerts(database, make_alert())
            await wait_until_delivered(database)
    file, folder = tmp_path / "record.json", tmp_path / "sent"
    code, text = await asyncio.to_thread(command, "record", "--event", make_alert().event_id, "--output", str(file))
    assert (code, "3 entries" in text) == (0, True)
    code, text = command("verify", str(file), "--messages", str(folder))
    assert (code, "in order: 3 entries, 1 messages" in text) == (0, True)
    (mail_file,) = folder.iterdir()
    assert (
        mail_file.read_bytes() == server.received[0].content.rstrip(b"\r\n") or b"Message-ID" in mail_file.read_bytes()
    )
    assert mail_file.suffix == ".eml"
    file.write_text(file.read_text().replace("routed", "silenced", 1))
    assert command("verify", str(file)) == (
        1, "entry 2 was changed, or an entry before it was changed, left out or inserted\n"
    )  # fmt: skip
    assert command("verify", str(tmp_path / "nothing"))[0] == 1
    assert (await asyncio.to_thread(command, "record", "--event", "nothing"))[0] == 1
