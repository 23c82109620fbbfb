"""Every code at every stage has one outcome; real servers close the connection at any point."""

import asyncio
import itertools
import socket
import struct
from contextlib import asynccontextmanager, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from alerting.delivery import http_client
from alerting.delivery.channel import WAITING_OUTCOMES, DeliveryOutcome
from alerting.delivery.http_client import outcome_from_status
from alerting.delivery.settings import SmtpSettings
from alerting.delivery.smtp import SmtpStage, outcome_from_answer, send
from alerting.delivery.status_line import read_status
from tests.alerting.delivery.test_addressees import scripted_smtp
from tests.alerting.running_dispatcher import (
    fetch_rows,
    insert_alerts,
    run_dispatchers,
    skip_retry_delay,
    wait_until_delivered,
    wait_until_present,
)
from tests.alerting.sample_alerts import make_alert
from tests.alerting.servers import MailServer, serve

DELIVERED, REFUSED, GONE = DeliveryOutcome.DELIVERED, DeliveryOutcome.REFUSED, DeliveryOutcome.GONE
FAILED, UNKNOWN = DeliveryOutcome.FAILED, DeliveryOutcome.UNKNOWN
MAIL = b"Subject: x\r\n\r\nx\r\n.dot\r\n"


# --- laws


@given(st.sampled_from(SmtpStage), st.integers(-1, 999))
def test_an_smtp_answer_ends_a_notification_only_if_it_is_about_the_mail_or_the_addressee(stage, code):
    outcome = outcome_from_answer(stage, code)
    if outcome is DELIVERED:
        assert stage is SmtpStage.CONTENT
        assert code // 100 == 2
    if outcome is REFUSED:
        assert stage is not SmtpStage.SESSION
        assert code // 100 == 5
    if outcome is UNKNOWN:  # only what went out can have arrived
        assert stage is SmtpStage.CONTENT
        assert code // 100 not in {2, 4, 5}
    if stage is SmtpStage.CONTENT and code // 100 == 2:
        assert outcome is DELIVERED
    if stage is SmtpStage.SESSION or code // 100 == 4:
        assert outcome in WAITING_OUTCOMES


def write_response(status, interim, version, newline):
    head = newline.join([f"HTTP/1.1 {code} x".encode() + newline for code in interim])
    return (head + newline if interim else b"") + f"HTTP/{version} {status}".encode()


@given(
    st.integers(200, 599),
    st.lists(st.sampled_from([100, 102, 103]), max_size=3),
    st.sampled_from(["1.1", "1.0"]),
    st.sampled_from([b"\r\n", b"\n"]),
    st.binary(max_size=20),
)
def test_the_status_of_the_final_response_is_read_whatever_follows(status, interim, version, newline, remainder):
    response = write_response(status, interim, version, newline) + b" OK" + newline + remainder
    assert read_status(response) == status


@given(st.binary(max_size=60), st.integers(0, 30))
def test_no_bytes_break_the_reading_of_a_status(received, cut):
    status = read_status(b"HTTP/1.1 200 OK\r\n"[:cut] + received)
    assert status is None or 100 <= status <= 999


# --- HTTP servers that break off


@asynccontextmanager
async def raw_http(answer, *, then="close", host="127.0.0.1"):
    """Yield port and requests of a server that answers with these bytes, and then closes, resets or hangs."""
    requests, opened = [], []

    async def talk(reader, writer):
        opened.append(writer)
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        await writer.drain()
        if then == "hang":
            return
        await asyncio.sleep(0.05)
        if then == "reset":
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.close()

    async with await asyncio.start_server(talk, host, 0) as server:
        yield server.sockets[0].getsockname()[1], requests
        for writer in opened:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


async def post(port, seconds=1.0, host="127.0.0.1"):
    url = f"http://{host}:{port}/hook"
    return await http_client.post(url, content=b"{}", headers={}, timeout=seconds, allow_private=True)


ANSWERS = [
    (b"HTTP/1.1 200 OK\r\n", DELIVERED),
    (b"HTTP/1.1 200 OK\r\nContent-Type: text", DELIVERED),
    (b"HTTP/1.1 200 OK\r\nno header\r\n\r\n", DELIVERED),
    (b"HTTP/1.1 202 Accepted\r\nContent-Length: 100\r\n\r\nhalf", DELIVERED),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\n", DELIVERED),
    (b"HTTP/1.0 204 No Content\r\n\r\n", DELIVERED),
    (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 201 Created\r\n", DELIVERED),
    (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 500 x\r\nContent-Length: 0\r\n\r\n", FAILED),
    (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", FAILED),
    (b"HTTP/1.1 401 x\r\n", FAILED),
    (b"HTTP/1.1 302 x\r\nLocation: /\r\n", FAILED),
    (b"HTTP/1.1 410 Gone\r\n", GONE),
    (b"HTTP/1.1 2", UNKNOWN),
    (b"HTTP/1.1 100 Continue\r\n\r\n", UNKNOWN),
    (b"ICY 200 OK\r\n\r\n", UNKNOWN),
    (b"220 mail.example ESMTP\r\n", UNKNOWN),
    (b"", UNKNOWN),
]


@pytest.mark.parametrize("then", ["close", "reset", "hang"])
@pytest.mark.parametrize(("answer", "outcome"), ANSWERS)
async def test_the_status_line_alone_decides_however_the_response_ends(answer, outcome, then, monkeypatch):
    monkeypatch.setattr(http_client, "_BODY_TIMEOUT", 0.3)
    async with raw_http(answer, then=then) as (port, requests):
        assert (await post(port, 0.4)).outcome is outcome
    assert len(requests) == 1


async def test_headers_that_arrive_byte_by_byte_for_ever_end_with_the_status(monkeypatch):
    monkeypatch.setattr(http_client, "_BODY_TIMEOUT", 0.3)

    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nX: ")
        while not writer.is_closing():
            writer.write(b"a")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with serve(talk) as port:
        assert (await post(port, 0.5)).outcome is DELIVERED


async def test_a_name_whose_first_address_refuses_is_reached_at_the_other(monkeypatch):
    def getaddrinfo(_host, port, *_args, **_options):
        return [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", port, 0, 0)),
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]  # fmt: skip

    async with (
        raw_http(b"HTTP/1.1 200 OK\r\n\r\n") as (port, requests),
        scripted_smtp(b"250", b"250", b"354", b"250 q") as mail_port,
    ):
        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        assert (await post(port, host="inspectorate.example")).outcome is DELIVERED
        done = await send_mail(mail_port, host="inspectorate.example")
    assert len(requests) == 1
    assert done.outcome is DELIVERED


# --- mail servers


async def send_mail(port, *, host="127.0.0.1", names=("ann@a.example",), **changes):
    smtp = SmtpSettings(**{"host": host, "port": port, "tls": "none", "timeout": 1, **changes})
    return await send(MAIL, sender="p@p.example", addressees=list(names), smtp=smtp)


STEPS = [b"250 mail", b"250 rcpt", b"354 data", b"250 queued"]


@pytest.mark.parametrize(
    ("step", "answer"),
    list(itertools.product(range(4), [b"421 x", b"450 x", b"550 x", b"200 x", b"999 x", b"x", b"\xff\xff", None])),
)
async def test_every_answer_at_every_step_has_the_expected_outcome(step, answer):
    script = [*STEPS[:step], answer]
    async with scripted_smtp(*script) as port:
        outcome = (await send_mail(port)).outcome
    if step == 3:
        expected = {b"421": FAILED, b"450": FAILED, b"550": REFUSED, b"200": DELIVERED}
        assert outcome is expected.get((answer or b"")[:3], UNKNOWN)
    else:
        assert outcome is (REFUSED if step == 1 and answer == b"550 x" else FAILED)


async def test_a_server_that_needs_longer_for_the_mail_than_for_a_command_gets_it_once(database, settings):
    class SlowServer(MailServer):
        async def handle_DATA(self, server, session, envelope):  # noqa: N802 - aiosmtpd's name
            await asyncio.sleep(3)  # longer than the timeout of a command, which is two seconds here
            return await super().handle_DATA(server, session, envelope)

    with SlowServer() as server:
        async with run_dispatchers(settings(mail=server), database):
            await insert_alerts(database, make_alert())
            await wait_until_delivered(database)
    assert len(server.received) == 1
    assert fetch_rows(database, "SELECT attempt, outcome FROM alerting.delivery") == [(1, "delivered")]


async def test_a_server_that_never_answers_a_mail_leaves_the_outcome_unknown_after_its_timeout():
    async with scripted_smtp(b"250", b"250", b"354", b"250-and then nothing") as port:
        done = await send_mail(port, answer_timeout=0.3)
    assert done.outcome is UNKNOWN


async def test_a_server_that_is_slow_at_every_command_is_abandoned_before_the_mail_is_sent(monkeypatch):
    monkeypatch.setattr(
        "alerting.delivery.smtp.SESSION_SECONDS", 0.5
    )  # else the test would wait as long as a session may
    names = [f"n{number}@a.example" for number in range(100)]

    async def talk(reader, writer):
        writer.write(b"220 ready\r\n")
        while await reader.readline():
            await asyncio.sleep(0.05)
            writer.write(b"250 OK\r\n")

    async with serve(talk) as port:
        done = await send_mail(port, names=names)
    assert {entry.outcome for entry in done.addressees} == {FAILED}


async def test_a_login_that_is_refused_for_a_while_loses_no_alert(database, settings):
    with MailServer(recipients={"piket@od.example": ["530 5.7.0 log in first", "250 OK"]}) as server:
        async with run_dispatchers(settings(mail=server), database):
            await insert_alerts(database, make_alert())
            await skip_retry_delay(database)
            await wait_until_delivered(database)
    assert fetch_rows(database, "SELECT outcome FROM alerting.delivery ORDER BY attempt") == [
        ("failed",),
        ("delivered",),
    ]


async def test_an_answer_that_is_no_utf8_is_recorded_and_stops_nothing(database, settings):
    script = [b"250", b"550 utilisateur inconnu \xe9\x00"]
    async with scripted_smtp(*script) as port:
        with MailServer() as server:
            chosen = settings(mail=server)
            chosen = structs.replace(chosen, smtp=SmtpSettings(port=port, tls="none", timeout=2))
            async with run_dispatchers(chosen, database):
                await insert_alerts(database, make_alert())
                await wait_until_present(database, "SELECT 1 FROM alerting.delivery")
    ((outcome, detail),) = fetch_rows(database, "SELECT outcome, detail FROM alerting.addressee_outcome")
    assert (outcome, detail.startswith("550 utilisateur inconnu")) == ("refused", True)


def test_every_http_status_except_2xx_and_410_waits():
    for status in range(100, 1000):
        outcome = outcome_from_status(status)
        assert (outcome in WAITING_OUTCOMES) == (status // 100 != 2 and status != 410)
