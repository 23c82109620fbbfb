"""From the inbox to real servers on loopback: who gets what, how often, and what is written down."""

import asyncio
import hashlib
import json
import threading
from contextlib import asynccontextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg
import pytest
from aiosmtpd.controller import Controller
from standardwebhooks import Webhook

from alerting import dispatcher, inbox
from alerting.alert import Change
from alerting.delivery.channel import Attempt, Finished, Outcome, Retry, after
from alerting.routing import Route
from alerting.settings import AlertingSettings, EmailSettings, ReceiverSettings, SmtpSettings, WebhookSettings
from gateway.processes import free_port
from tests.alerting.alerts import BEGAN, alert, ended

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class MailServer:
    """Answers each mail with the next of `answers`, the last one for ever; keeps what it took."""

    def __init__(self, *answers):
        self.answers, self.taken = list(answers or ["250 OK"]), []
        self.controller = Controller(self, hostname="127.0.0.1", port=free_port())

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802 - aiosmtpd's name
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer.startswith("250"):
            self.taken.append(envelope)
        return answer

    def __enter__(self):
        self.controller.start()
        return self

    def __exit__(self, *_):
        self.controller.stop()


class WebServer:
    """Answers each POST with the next of `statuses`, the last one for ever; 0: hangs up without an answer."""

    def __init__(self, *statuses):
        self.statuses, self.requests = list(statuses or [204]), []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                outer.requests.append((dict(self.headers), body))
                status = outer.statuses.pop(0) if len(outer.statuses) > 1 else outer.statuses[0]
                if status == 0:
                    self.connection.close()
                    return
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("location", outer.url)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://localhost:{self.server.server_port}/hook"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def settings(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text(SECRET)

    def make(*, mail=None, web=None, **more):
        return AlertingSettings(
            **{"allow_private": True, "route": [Route(receiver="od")], **more},
            smtp=SmtpSettings(port=mail.controller.port if mail else free_port(), tls="none", timeout=2),
            receiver=[
                ReceiverSettings(
                    name="od",
                    email=[EmailSettings(to=["piket@od.example"])] if mail else [],
                    webhook=[WebhookSettings(url=web.url, secret_file=secret, timeout=2)] if web else [],
                )
            ],
        )

    return make


async def put(dsn, *alerts):
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        await inbox.put(connection, alerts)


def rows(dsn, statement):
    with psycopg.connect(dsn) as connection:
        return connection.execute(statement).fetchall()


@asynccontextmanager
async def dispatching(settings, dsn, workers=1):
    tasks = [asyncio.create_task(dispatcher.run(settings, dsn)) for _ in range(workers)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def until(condition, within=5.0):
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.02)


async def settled(dsn):
    await until(lambda: rows(dsn, "SELECT 1 FROM alerting.inbox WHERE dispatched_at IS NULL") == [])
    await until(lambda: rows(dsn, "SELECT 1 FROM alerting.outbox WHERE state IN ('pending', 'sending')") == [])


async def hurry(dsn):
    """Wait for the first attempt to have failed, and do not wait for the second."""
    await until(lambda: rows(dsn, "SELECT 1 FROM alerting.delivery"))
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("UPDATE alerting.outbox SET next_attempt_at = now() WHERE state = 'pending'")
        connection.execute("NOTIFY piekwacht_alerting")


async def test_an_event_reaches_mail_and_webhook_and_its_end_too(database, settings):
    with MailServer() as mail, WebServer() as web:
        async with dispatching(settings(mail=mail, web=web), database):
            await put(database, alert())
            await settled(database)
            await put(database, alert(2, change=Change.UPDATED), ended(3))
            await settled(database)
    subjects = [e.content.decode() for e in mail.taken]
    assert len(subjects) == len(web.requests) == 2
    assert [json.loads(body)["data"]["revision"] for _, body in web.requests] == [1, 3]
    assert rows(database, "SELECT revision, told, reason FROM alerting.decision ORDER BY 1") == [
        (1, True, "routed"),
        (2, False, "not_worse"),
        (3, True, "routed"),
    ]


async def test_a_webhook_is_verified_by_the_standards_own_library(database, settings):
    with WebServer() as web:
        async with dispatching(settings(web=web), database):
            await put(database, alert())
            await settled(database)
    headers, body = web.requests[0]
    lowered = {name.lower(): value for name, value in headers.items()}
    assert Webhook(SECRET).verify(body, lowered)["data"]["event_id"] == alert().event_id
    assert lowered["content-type"].startswith("application/cloudevents+json")


async def test_the_same_alert_put_twice_is_told_once(database, settings):
    with MailServer() as mail:
        async with dispatching(settings(mail=mail), database, workers=3):
            for _ in range(3):
                await put(database, alert(), alert())
            await settled(database)
    assert len(mail.taken) == 1


async def test_a_busy_mail_server_is_tried_again_with_the_same_message_id(database, settings):
    with MailServer("451 try later", "250 OK") as mail:
        async with dispatching(settings(mail=mail), database):
            await put(database, alert())
            await hurry(database)
            await settled(database)
    assert rows(database, "SELECT attempt, outcome FROM alerting.delivery ORDER BY 1") == [
        (1, "failed"),
        (2, "delivered"),
    ]
    assert b"Mogelijk een herhaling" in mail.taken[0].content.replace(b"=\r\n", b"")


@pytest.mark.parametrize(("status", "outcome"), [(410, "refused"), (400, "refused"), (302, "refused")])
async def test_a_webhook_that_says_no_for_good_is_not_asked_again(database, settings, status, outcome):
    with WebServer(status) as web:
        async with dispatching(settings(web=web), database):
            await put(database, alert())
            await settled(database)
        assert len(web.requests) == 1
    assert rows(database, "SELECT state FROM alerting.outbox") == [(outcome,)]


@pytest.mark.parametrize(("status", "outcome"), [(500, "failed"), (429, "failed"), (0, "unknown")])
async def test_a_webhook_that_fails_is_tried_again_later_with_the_same_id(database, settings, status, outcome):
    with WebServer(status, 204) as web:
        async with dispatching(settings(web=web), database):
            await put(database, alert())
            await hurry(database)
            await settled(database)
        assert len(web.requests) == 2
    ids = {headers["webhook-id"] for headers, _ in web.requests}
    assert len(ids) == 1
    assert rows(database, "SELECT outcome FROM alerting.delivery ORDER BY attempt") == [(outcome,), ("delivered",)]


async def test_a_webhook_inside_our_own_walls_is_refused_without_a_connection(database, settings):
    with WebServer() as web:
        async with dispatching(settings(web=web, allow_private=False), database):
            await put(database, alert())
            await settled(database)
        assert web.requests == []
    ((state, detail),) = rows(
        database, "SELECT o.state, d.detail FROM alerting.outbox o JOIN alerting.delivery d ON d.outbox_id = o.id"
    )
    assert (state, detail) == ("refused", "localhost is no public address")


async def test_a_worker_whose_lease_ran_out_cannot_finish_what_another_took_over(database, settings):
    with WebServer() as web:
        chosen = settings(web=web)
        await put(database, alert())
        async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
            await dispatcher.decide_waiting(chosen, connection)
            claim = dispatcher._QUERIES["claim"]
            slow = await (await connection.execute(claim)).fetchone()
            await connection.execute("UPDATE alerting.outbox SET lease_until = now() - interval '1 second'")
            quick = await (await connection.execute(claim)).fetchone()
            assert (slow[0], slow[5] + 1) == (quick[0], quick[5])
            finish = dispatcher._QUERIES["finish"]
            done = {"id": slow[0], "next": None}
            late = await connection.execute(finish, {**done, "state": "refused", "fence": slow[5]})
            assert late.rowcount == 0
            assert (await connection.execute(finish, {**done, "state": "delivered", "fence": quick[5]})).rowcount == 1


async def test_what_a_dead_worker_had_claimed_is_sent_by_the_next(database, settings):
    with WebServer() as web:
        chosen = settings(web=web)
        await put(database, alert())
        async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
            await dispatcher.decide_waiting(chosen, connection)
            await connection.execute(dispatcher._QUERIES["claim"])  # and dies
            await connection.execute("UPDATE alerting.outbox SET lease_until = now() - interval '1 second'")
        async with dispatching(chosen, database):
            await settled(database)
        assert len(web.requests) == 1


async def test_every_attempt_keeps_the_hash_of_what_was_sent(database, settings):
    with WebServer() as web:
        async with dispatching(settings(web=web), database):
            await put(database, alert())
            await settled(database)
    assert rows(database, "SELECT sha256 FROM alerting.delivery") == [(hashlib.sha256(web.requests[0][1]).digest(),)]


def test_the_pauses_are_those_of_standard_webhooks_and_end():
    failed = Attempt(outcome=Outcome.FAILED, detail="")
    pauses = [after(failed, attempts=n, now=BEGAN) for n in range(1, 10)]
    assert [round((p.at - BEGAN).total_seconds()) for p in pauses if isinstance(p, Retry)] == [
        5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400,
    ]  # fmt: skip
    assert after(failed, attempts=10, now=BEGAN) == Finished(state=Outcome.REFUSED)
    unknown = Attempt(outcome=Outcome.UNKNOWN, detail="")
    assert after(unknown, attempts=10, now=BEGAN) == Finished(state=Outcome.UNKNOWN)
