"""Web Push from the event to the browser: content, encryption, signature and the answers of the push service."""

import asyncio
import json
import shutil
import subprocess
import time
from base64 import b64encode, urlsafe_b64encode
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec import structs

from alerting.alert import Change, Severity
from alerting.decide.false_alarm import FalseAlarmCause
from alerting.record.plume_answers import PlumeAnswerStore, SeenPlume
from tests.alerting.running_dispatcher import fetch_rows, insert_alerts, wait_until
from tests.alerting.sample_alerts import make_alert, make_ended_alert
from tests.alerting.subscriptions.conftest import EVERYTHING, change, run_service, subscribe, wait_until_settled
from tests.alerting.subscriptions.push_service import Browser, read_claims
from tests.npm import link_packages

RESULTS = "SELECT reason, outcome, answer FROM subscriptions.delivery WHERE reason <> 'welcome' ORDER BY ended_at"


async def test_a_plume_is_notified_and_its_rise_its_end_and_its_correction(
    database, settings, alerting, contacts, push_service
):
    browser = Browser("/a")
    await subscribe(contacts, push_service, browser)
    async with run_service(settings(), alerting(), database):
        for alert in (
            make_alert(severity=Severity.MINOR),
            make_alert(2, change=Change.UPDATED, severity=Severity.MINOR),
            make_alert(3, change=Change.UPDATED, severity=Severity.EXTREME),
            make_ended_alert(4, severity=Severity.EXTREME),
            make_alert(5, change=Change.VOIDED),
            make_alert(6, change=Change.VOIDED),
        ):
            await insert_alerts(database, alert)
            await wait_until_settled(database)
    assert fetch_rows(database, RESULTS) == [
        (reason, "delivered", "HTTP 201") for reason in ("first", "worse", "ended", "corrected")
    ]
    received = push_service.received_by(browser)
    assert [message["title"] for message in received] == [
        "Berichten staan aan",
        "Piek PM2,5 bij Wijk aan Zee: licht",
        "Piek PM2,5 bij Wijk aan Zee: zeer ernstig",
        "Piek voorbij: PM2,5 bij Wijk aan Zee",
        "Correctie: geen piek bij Wijk aan Zee",
    ]
    assert "geen wettelijke norm" in received[1]["body"]
    assert received[1]["url"] == "https://lucht.example/nl/plumes/7ckljx4okjr6urfo"
    assert len({message["id"] for message in received}) == 5


async def test_a_push_is_signed_for_the_service_and_carries_topic_urgency_and_ttl(
    database, settings, alerting, contacts, push_service
):
    browser = Browser("/a")
    await subscribe(contacts, push_service, browser)
    async with run_service(settings(), alerting(), database):
        await insert_alerts(database, make_alert())
        await wait_until_settled(database)
    welcome, first = push_service.pushes
    assert {name: first.headers.get(name) for name in ("topic", "urgency", "ttl", "content-encoding")} == {
        "topic": "7ckljx4okjr6urfo",
        "urgency": "high",
        "ttl": "14400",
        "content-encoding": "aes128gcm",
    }
    assert "topic" not in welcome.headers
    claims = read_claims(first)
    assert (claims["aud"], claims["sub"]) == (push_service.origin, "mailto:beheer@piekwacht.example")
    assert time.time() < claims["exp"] <= time.time() + 24 * 3600
    assert b"PM2" not in first.body


@pytest.mark.parametrize(
    ("answers", "results", "contacts_left"),
    [
        ([404], [("gone", "HTTP 404")], 0),
        ([410], [("gone", "HTTP 410")], 0),
        ([413], [("refused", "HTTP 413")], 1),
        ([403], [("refused", "HTTP 403")], 1),
        ([503, 201], [("failed", "HTTP 503"), ("delivered", "HTTP 201")], 1),
        ([(429, {"retry-after": "120"}), 201], [("failed", "HTTP 429"), ("delivered", "HTTP 201")], 1),
        ([0, 201], [("unknown", "HTTP without answer"), ("delivered", "HTTP 201")], 1),
        ([307], [("refused", "HTTP 307")], 1),
    ],
    ids=str,
)
async def test_answers_of_a_push_service(  # noqa: PLR0917 - fixtures
    database, settings, alerting, contacts, push_service, answers, results, contacts_left
):
    browser = Browser("/a")
    await subscribe(contacts, push_service, browser)
    change(database, "DELETE FROM subscriptions.notice")  # no welcome
    push_service.answers["/a"] = list(answers)
    async with run_service(settings(), alerting(), database):
        await insert_alerts(database, make_alert())
        await wait_until(lambda: fetch_rows(database, RESULTS))
        if len(results) > 1:
            waits = "SELECT extract(epoch FROM next_attempt_at - now())::int FROM subscriptions.notice"
            ((seconds,),) = fetch_rows(database, waits)
            assert seconds in (range(110, 121) if answers[0] == (429, {"retry-after": "120"}) else range(6))
            change(database, "UPDATE subscriptions.notice SET next_attempt_at = now()")
            await wait_until(lambda: len(fetch_rows(database, RESULTS)) == 2)
    assert [row[1:] for row in fetch_rows(database, RESULTS)] == results
    assert fetch_rows(database, "SELECT count(*) FROM subscriptions.contact") == [(contacts_left,)]
    ids = {browser.decrypt(push.body)["id"] for push in push_service.pushes}
    assert len(ids) == 1  # a repeat has the same id


async def test_a_service_that_hangs_delays_no_other_browser(database, settings, alerting, contacts, push_service):
    slow, *responsive = (Browser(f"/{n}") for n in range(10))
    push_service.answers[slow.path] = [0]
    await subscribe(contacts, push_service, slow, *responsive)
    change(database, "DELETE FROM subscriptions.notice")
    async with run_service(settings(), alerting(), database):
        await insert_alerts(database, make_alert())
        await wait_until(lambda: all(push_service.received_by(browser) for browser in responsive), within=0.9)


async def test_quiet_hours_give_one_notice_at_their_end(database, settings, alerting, contacts, push_service):
    browser = Browser("/a")
    await subscribe(contacts, push_service, browser)
    change(
        database,
        """UPDATE subscriptions.subscription SET quiet_from = local.time - interval '1 hour',
               quiet_until = local.time + interval '1 hour'
           FROM (SELECT (now() AT TIME ZONE 'Europe/Amsterdam')::time) AS local (time)""",
    )
    end = make_ended_alert().end
    async with run_service(settings(), alerting(), database):
        await insert_alerts(database, make_alert(severity=Severity.EXTREME))
        await insert_alerts(database, make_alert(event_id="second", station="beverwijk", severity=Severity.MINOR))
        await insert_alerts(database, make_alert(event_id="third", station="velsen"))
        await insert_alerts(database, make_alert(2, event_id="third", station="velsen", change=Change.VOIDED))
        await wait_until_settled(database)
        await insert_alerts(database, make_ended_alert(2, severity=Severity.EXTREME, end=end + timedelta(minutes=1)))
        await wait_until_settled(database)
        assert fetch_rows(database, RESULTS) == []
        change(database, "UPDATE subscriptions.held_plume SET release_at = now()")
        await wait_until(lambda: fetch_rows(database, RESULTS))
        await insert_alerts(database, make_alert(3, change=Change.VOIDED))
        await wait_until_settled(database)
        change(database, "UPDATE subscriptions.held_plume SET release_at = now()")
        await wait_until(lambda: len(fetch_rows(database, RESULTS)) == 2)
    summary, correction = push_service.received_by(browser)[1:]
    assert summary["title"] == "2 pieken in uw stille uren of van de laatste dag"
    assert summary["body"].count("\n") == 1
    assert "en nu nog" in summary["body"]
    assert "duurde 13 minuten" in summary["body"]
    assert "Correctie: geen piek" in correction["body"]


async def test_a_false_alarm_of_an_inspector_corrects_the_notice_and_a_withdrawal_is_a_peak_again(
    database, settings, alerting, contacts, push_service
):
    browser = Browser("/a")
    await subscribe(contacts, push_service, browser)
    async with run_service(settings(), alerting(), database):
        await insert_alerts(database, make_alert())
        await wait_until_settled(database)
        store = PlumeAnswerStore(database)
        seen_plume = SeenPlume(stations=["wijk-aan-zee"], severity=Severity.SEVERE)
        plume = make_alert().event_id
        await store.state_false_alarm(plume, FalseAlarmCause.SENSOR_FAULT, "geheime opmerking", "anna", seen_plume)
        await wait_until(lambda: len(fetch_rows(database, RESULTS)) == 2)
        await insert_alerts(database, make_alert(2, change=Change.UPDATED), make_ended_alert(3))
        await wait_until_settled(database)
        assert len(fetch_rows(database, RESULTS)) == 2
        await store.withdraw_false_alarm(plume, "anna")
        await wait_until(lambda: len(fetch_rows(database, RESULTS)) == 3)
    assert [reason for reason, _, _ in fetch_rows(database, RESULTS)] == ["first", "corrected", "late"]
    correction = push_service.received_by(browser)[2]
    assert correction["title"] == "Correctie: geen piek bij Wijk aan Zee"
    texts = [content for (content,) in fetch_rows(database, "SELECT content FROM subscriptions.sent_text")]
    assert any("Een inspecteur heeft dit vastgesteld. Oorzaak: de sensor mat verkeerd." in text for text in texts)
    assert not any("geheime" in text or "anna" in text for text in texts)


async def test_a_subscription_to_another_place_gets_nothing(database, settings, alerting, contacts, push_service):
    browser = Browser("/a")
    elsewhere = structs.replace(EVERYTHING, place=structs.replace(EVERYTHING.place, id="moerdijk"))
    await subscribe(contacts, push_service, browser, subscription=elsewhere)
    async with run_service(settings(), alerting(), database):
        await insert_alerts(database, make_alert())
        await wait_until_settled(database)
    assert fetch_rows(database, RESULTS) == []


async def test_nothing_is_queued_while_nobody_subscribes(database):
    await insert_alerts(database, make_alert())
    assert fetch_rows(database, "SELECT * FROM subscriptions.queue") == []


async def test_npm_web_push_decrypts_verifies_and_makes_the_same_headers(  # noqa: PLR0917 - fixtures
    database, settings, alerting, contacts, push_service, tmp_path
):
    folder = Path(__file__).parent / "web_push"
    link_packages(folder, tmp_path)
    shutil.copy(folder / "judge.js", tmp_path)
    browser = Browser("/a")
    await subscribe(contacts, push_service, browser)
    async with run_service(settings(), alerting(), database):
        await insert_alerts(database, make_alert())
        await wait_until(lambda: len(push_service.pushes) == 2)
    push = push_service.pushes[1]
    secret = browser.private_key.private_numbers().private_value.to_bytes(32)
    document = {
        "body": b64encode(push.body).decode(),
        "headers": push.headers,
        "endpoint": push_service.url(browser),
        "privateKey": b64encode(secret).decode(),
        "authSecret": urlsafe_b64encode(browser.secret).decode().rstrip("="),
    }
    command = ["node", "judge.js"]
    judged = await asyncio.to_thread(
        subprocess.run, command, cwd=tmp_path, input=json.dumps(document), capture_output=True, text=True
    )
    assert judged.returncode == 0, judged.stderr
    result = json.loads(judged.stdout)
    assert result["payload"] == browser.decrypt(push.body)
    assert result["isSigned"] is True
    assert result["claims"]["aud"] == push_service.origin
    assert result["claims"]["sub"] == "mailto:beheer@piekwacht.example"
    assert result["length"] == len(push.body)
    assert {name: push.headers.get(name) for name in result["headers"]} == result["headers"]


async def test_a_browser_whose_endpoint_changes_keeps_its_subscriptions(
    database, settings, alerting, contacts, push_service
):
    browser, renewed, stranger = Browser("/a"), Browser("/b"), Browser("/c")
    await subscribe(contacts, push_service, browser)
    await contacts.renew_browser(push_service.url(stranger), push_service.url(stranger), stranger.keys, "localhost")
    await contacts.renew_browser(push_service.url(browser), push_service.url(renewed), renewed.keys, "localhost")
    async with run_service(settings(), alerting(), database):
        await insert_alerts(database, make_alert())
        await wait_until(lambda: len(push_service.received_by(renewed)) == 2)
    assert {push.path for push in push_service.pushes} == {"/b"}
    addresses = fetch_rows(database, "SELECT address FROM subscriptions.contact")
    assert addresses == [(push_service.url(renewed),)]


async def test_an_endpoint_that_belongs_to_another_browser_is_not_taken_over(database, contacts, push_service):
    browser, other = Browser("/a"), Browser("/b")
    await subscribe(contacts, push_service, browser, other)
    await contacts.renew_browser(push_service.url(browser), push_service.url(other), browser.keys, "localhost")
    keys = dict(fetch_rows(database, "SELECT address, push_key FROM subscriptions.contact"))
    assert {address: bytes(key) for address, key in keys.items()} == {
        push_service.url(subscriber): subscriber.keys.key for subscriber in (browser, other)
    }
