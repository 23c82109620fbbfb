"""From the inbox to real servers on loopback: deliveries, retries, and the record of each attempt."""

import email
import email.policy
import hashlib
import json
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from alerting.alert import Change, Place
from alerting.decide.reason_detail import describe_detail
from alerting.delivery.channel import Delivery, DeliveryOutcome
from alerting.delivery.retry import FinalState, NextAttempt, plan_next_attempt
from alerting.dispatch import delivery_worker, outbox
from alerting.dispatch.inbox_worker import InboxWorker
from alerting.message.email_content import render_email
from alerting.message.notification import Notification
from tests.alerting.conftest import SECRET
from tests.alerting.running_dispatcher import (
    fetch_rows,
    insert_alerts,
    run_dispatchers,
    skip_retry_delay,
    wait_until_delivered,
)
from tests.alerting.sample_alerts import ONSET, make_alert, make_ended_alert
from tests.alerting.servers import MailServer, WebServer


async def test_an_event_reaches_mail_and_webhook_and_its_end_too(database, settings):
    with MailServer() as mail, WebServer() as web:
        async with run_dispatchers(settings(mail=mail, web=web), database):
            await insert_alerts(database, make_alert())
            await wait_until_delivered(database)
            await insert_alerts(database, make_alert(2, change=Change.UPDATED), make_ended_alert(3))
            await wait_until_delivered(database)
    subjects = [e.content.decode() for e in mail.received]
    assert len(subjects) == len(web.requests) == 2
    assert [json.loads(body)["data"]["revision"] for _, body in web.requests] == [1, 3]
    assert fetch_rows(database, "SELECT revision, told, reason FROM alerting.decision ORDER BY 1") == [
        (1, True, "routed"),
        (2, False, "not_worse"),
        (3, True, "routed"),
    ]


async def test_a_webhook_is_verified_by_the_standards_own_library(database, settings):
    with WebServer() as web:
        async with run_dispatchers(settings(web=web), database):
            await insert_alerts(database, make_alert())
            await wait_until_delivered(database)
    headers, body = web.requests[0]
    lowered = {name.lower(): value for name, value in headers.items()}
    assert Webhook(SECRET).verify(body, lowered)["data"]["event_id"] == make_alert().event_id
    assert lowered["content-type"].startswith("application/cloudevents+json")


async def test_a_webhook_that_is_replayed_later_or_changed_is_refused(database, settings, monkeypatch):
    """By the standard's own library, as a receiver uses it; a replay within its five minutes shows by its id."""
    with WebServer() as web:
        async with run_dispatchers(settings(web=web), database):
            await insert_alerts(database, make_alert())
            await insert_alerts(database, make_alert(event_id="another", station="heemskerk"))
            await wait_until_delivered(database)
    (headers, body), (other_headers, other_body) = (
        ({name.lower(): value for name, value in headers.items()}, body) for headers, body in web.requests
    )
    assert headers["webhook-id"] != other_headers["webhook-id"]
    receiver = Webhook(SECRET)
    for changed in (
        (other_body, headers),
        (body, {**headers, "webhook-id": other_headers["webhook-id"]}),
        (body, {**headers, "webhook-timestamp": str(int(headers["webhook-timestamp"]) - 1)}),
        (body.replace(b"84.0", b"0.4"), headers),
        (body, {**headers, "webhook-signature": other_headers["webhook-signature"]}),
    ):
        with pytest.raises(WebhookVerificationError):
            receiver.verify(*changed)
    later = datetime.now(UTC) + timedelta(minutes=6)
    monkeypatch.setattr(
        "standardwebhooks.webhooks.datetime", type("Later", (datetime,), {"now": lambda *_, **__: later})
    )
    with pytest.raises(WebhookVerificationError, match="too old"):
        receiver.verify(body, headers)


async def test_an_alert_that_is_inserted_twice_notifies_once(database, settings):
    with MailServer() as mail:
        async with run_dispatchers(settings(mail=mail), database, workers=3):
            for _ in range(3):
                await insert_alerts(database, make_alert(), make_alert())
            await wait_until_delivered(database)
    assert len(mail.received) == 1


async def test_a_busy_mail_server_gets_a_retry_with_the_same_message_id(database, settings):
    with MailServer("451 try later", "250 OK") as mail:
        async with run_dispatchers(settings(mail=mail), database):
            await insert_alerts(database, make_alert())
            await skip_retry_delay(database)
            await wait_until_delivered(database)
    assert fetch_rows(database, "SELECT attempt, outcome FROM alerting.delivery ORDER BY 1") == [
        (1, "failed"),
        (2, "delivered"),
    ]
    assert b"Mogelijk een herhaling" not in mail.received[0].content.replace(b"=\r\n", b"")  # it was refused: no repeat


async def test_a_webhook_that_answers_410_is_not_retried(database, settings):
    with WebServer(410) as web:
        async with run_dispatchers(settings(web=web), database):
            await insert_alerts(database, make_alert())
            await wait_until_delivered(database)
        assert len(web.requests) == 1
    assert fetch_rows(database, "SELECT state FROM alerting.outbox") == [("refused",)]


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(500, "failed"), (429, "failed"), (404, "failed"), (400, "failed"), (302, "failed"), (0, "unknown")],
)
async def test_a_failed_webhook_is_retried_with_the_same_id(database, settings, status, outcome):
    with WebServer(status, 204) as web:
        async with run_dispatchers(settings(web=web), database):
            await insert_alerts(database, make_alert())
            await skip_retry_delay(database)
            await wait_until_delivered(database)
        assert len(web.requests) == 2
    ids = {headers["webhook-id"] for headers, _ in web.requests}
    assert len(ids) == 1
    assert fetch_rows(database, "SELECT outcome FROM alerting.delivery ORDER BY attempt") == [
        (outcome,),
        ("delivered",),
    ]


async def test_a_webhook_on_a_private_address_is_refused_without_a_connection(database, settings):
    with WebServer() as web:
        async with run_dispatchers(settings(web=web, allow_private=False), database):
            await insert_alerts(database, make_alert())
            await wait_until_delivered(database)
        assert web.requests == []
    ((state, detail),) = fetch_rows(
        database, "SELECT o.state, d.detail FROM alerting.outbox o JOIN alerting.delivery d ON d.outbox_id = o.id"
    )
    assert (state, describe_detail(detail, "en")) == ("refused", "localhost is no public address")


async def test_a_worker_without_its_lease_cannot_finish_an_attempt_that_another_took_over(database, settings):
    with WebServer() as web:
        chosen = settings(web=web)
        await insert_alerts(database, make_alert())
        async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
            await InboxWorker(chosen).decide_inbox(connection)
            slow = await outbox.acquire_lease(chosen, connection)
            await connection.execute("UPDATE alerting.outbox SET lease_until = now() - interval '1 second'")
            quick = await outbox.acquire_lease(chosen, connection)
            assert (slow.id, slow.fencing_token + 1) == (quick.id, quick.fencing_token)
            await delivery_worker.record_delivery(
                slow, Delivery(outcome=DeliveryOutcome.REFUSED, detail=""), ONSET, None, connection
            )
            assert fetch_rows(database, "SELECT state FROM alerting.outbox") == [("sending",)]
            await delivery_worker.record_delivery(
                quick, Delivery(outcome=DeliveryOutcome.DELIVERED, detail=""), ONSET, None, connection
            )
    assert fetch_rows(database, "SELECT state FROM alerting.outbox") == [("delivered",)]


async def test_the_notification_of_a_dead_worker_is_delivered_by_the_next(database, settings):
    with WebServer() as web:
        chosen = settings(web=web)
        await insert_alerts(database, make_alert())
        async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
            await InboxWorker(chosen).decide_inbox(connection)
            await outbox.acquire_lease(chosen, connection)  # and dies
            await connection.execute("UPDATE alerting.outbox SET lease_until = now() - interval '1 second'")
        async with run_dispatchers(chosen, database):
            await wait_until_delivered(database)
        assert len(web.requests) == 1


async def test_a_subject_arrives_unchanged_and_the_stored_hash_is_of_the_received_bytes(database, settings):
    place = Place(name="Wijk aan Zee, Bosweg én de Dorpsduinen ë (5× é)", latitude=52.5, longitude=4.6)
    alert = make_alert(place=place)
    with MailServer() as server:
        async with run_dispatchers(settings(mail=server), database):
            await insert_alerts(database, alert)
            await wait_until_delivered(database)
    (envelope,) = server.received
    assert envelope.rcpt_tos == ["piket@od.example"]
    subject = email.message_from_bytes(envelope.content, policy=email.policy.default)["subject"]
    assert subject == render_email(Notification(alert=alert, id="x"), public_url="").subject
    assert fetch_rows(database, "SELECT sha256 FROM alerting.delivery") == [
        (hashlib.sha256(envelope.content).digest(),)
    ]


async def test_every_attempt_stores_the_hash_of_the_sent_bytes(database, settings):
    with WebServer() as web:
        async with run_dispatchers(settings(web=web), database):
            await insert_alerts(database, make_alert())
            await wait_until_delivered(database)
    assert fetch_rows(database, "SELECT sha256 FROM alerting.delivery") == [
        (hashlib.sha256(web.requests[0][1]).digest(),)
    ]


def test_retry_delays_are_those_of_standard_webhooks_and_end():
    failed = Delivery(outcome=DeliveryOutcome.FAILED, detail="")
    pauses = [plan_next_attempt(failed, attempts=n, now=ONSET) for n in range(1, 10)]
    assert [round((p.at - ONSET).total_seconds()) for p in pauses if isinstance(p, NextAttempt)] == [
        5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400,
    ]  # fmt: skip
    assert plan_next_attempt(failed, attempts=10, now=ONSET) == FinalState(state=DeliveryOutcome.REFUSED)
    unknown = Delivery(outcome=DeliveryOutcome.UNKNOWN, detail="")
    assert plan_next_attempt(unknown, attempts=10, now=ONSET) == FinalState(state=DeliveryOutcome.UNKNOWN)
