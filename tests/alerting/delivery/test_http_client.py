"""Answers over HTTP: the status line alone decides, every address is tried, and a server may request a pause."""

import json
import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.delivery import http_client
from alerting.delivery.channel import DeliveryOutcome
from alerting.delivery.http_client import outcome_from_status, parse_retry_after
from tests.alerting.running_dispatcher import (
    fetch_rows,
    insert_alerts,
    run_dispatchers,
    skip_retry_delay,
    wait_until_delivered,
    wait_until_present,
)
from tests.alerting.sample_alerts import ONSET, make_alert
from tests.alerting.servers import WebServer

PAUSE = "SELECT extract(epoch FROM next_attempt_at - now())::float8 FROM alerting.outbox"


async def post(url, *, allow_private=True):
    return await http_client.post(url, content=b"{}", headers={}, timeout=1.0, allow_private=allow_private)


async def test_a_peer_that_answers_404_for_a_while_gets_the_alert_afterwards(database, settings):
    with WebServer(404, 200) as web:
        async with run_dispatchers(settings(web=web), database):
            await insert_alerts(database, make_alert())
            await skip_retry_delay(database)
            await wait_until_delivered(database)
    assert fetch_rows(database, "SELECT state FROM alerting.outbox") == [("delivered",)]
    assert len({headers["webhook-id"] for headers, _ in web.requests}) == 1


@pytest.mark.parametrize(
    ("answer", "shortest", "longest"),
    [
        ((429, {"retry-after": "1800"}), 1790, 1800),
        ((503, {"retry-after": "in 20 minutes"}), 1190, 1200),
        ((429, {"retry-after": "3600"}), 3590, 3600),
        ((429, {"retry-after": "999999999999999999"}), 3590, 3600),
        ((503, {"retry-after": "soon"}), 0, 5),
        ((429, {}), 0, 5),
    ],
)
async def test_the_pause_requested_by_a_peer_is_obeyed_up_to_an_hour(database, settings, answer, shortest, longest):
    if answer[1].get("retry-after") == "in 20 minutes":
        answer[1]["retry-after"] = format_datetime(datetime.now(UTC) + timedelta(minutes=20), usegmt=True)
    with WebServer(answer) as web:
        async with run_dispatchers(settings(web=web), database):
            await insert_alerts(database, make_alert())
            await wait_until_present(database, "SELECT 1 FROM alerting.delivery")
    ((pause,),) = fetch_rows(database, PAUSE)
    assert shortest - 10 <= pause <= longest


@pytest.mark.parametrize(
    "headers",
    [
        {"content-length": "1000", "body": "half of it"},
        {"transfer-encoding": "chunked", "body": "5\r\nhal"},
        {"transfer-encoding": "chunked", "body": "not a length\r\n"},
        {"content-encoding": "gzip", "body": "no gzip"},
    ],
)
async def test_an_answer_whose_body_is_cut_off_counts_by_its_status(headers):
    with WebServer((202, headers)) as web:
        assert (await post(web.url)).outcome is DeliveryOutcome.DELIVERED
    with WebServer((410, headers)) as web:
        assert (await post(web.url)).outcome is DeliveryOutcome.GONE


@given(st.integers(100, 999))
def test_every_status_except_2xx_and_410_is_retried(status):
    outcome = outcome_from_status(status)
    assert (outcome is DeliveryOutcome.DELIVERED) == (status // 100 == 2)
    assert (outcome is DeliveryOutcome.GONE) == (status == 410)
    assert outcome in {DeliveryOutcome.DELIVERED, DeliveryOutcome.GONE, DeliveryOutcome.FAILED}


async def test_a_redirect_is_never_followed(database, settings):
    with WebServer() as elsewhere, WebServer((307, {"location": elsewhere.url})) as web:
        assert (await post(web.url)).outcome is DeliveryOutcome.FAILED
    assert elsewhere.requests == []


def resolve_to(monkeypatch, *addresses):
    """Let every name lead to these addresses."""

    def getaddrinfo(_host, port, *_args, **_options):
        return [
            (socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in addresses
        ]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@pytest.mark.parametrize("unreachable", [["127.0.0.2"], ["::1"], ["127.0.0.3", "::1", "127.0.0.2"]])
async def test_if_an_address_does_not_connect_the_next_one_is_tried(monkeypatch, unreachable):
    with WebServer() as web:
        resolve_to(monkeypatch, *unreachable, "127.0.0.1")
        assert (await post(web.url)).outcome is DeliveryOutcome.DELIVERED
    assert len(web.requests) == 1


async def test_an_answer_of_one_address_is_never_repeated_at_the_next(monkeypatch):
    with WebServer(0) as web:
        resolve_to(monkeypatch, "127.0.0.1", "127.0.0.1", "127.0.0.2")
        assert (await post(web.url)).outcome is DeliveryOutcome.UNKNOWN
    assert len(web.requests) == 1


async def test_private_addresses_are_skipped_and_a_name_without_a_public_address_is_refused(monkeypatch):
    with WebServer() as web:
        resolve_to(monkeypatch, "127.0.0.1", "2a00::1")  # nobody is there
        assert (await post(web.url, allow_private=False)).outcome is DeliveryOutcome.FAILED
        resolve_to(monkeypatch, "127.0.0.1", "10.0.0.1", "::ffff:127.0.0.1")
        done = await post(web.url, allow_private=False)
    assert done.outcome is DeliveryOutcome.REFUSED
    assert json.loads(done.detail)["code"] == "private"
    assert web.requests == []


@given(st.text(max_size=40))
def test_no_header_breaks_the_reading_of_a_pause(text):
    retry_at = parse_retry_after(text, ONSET)
    assert retry_at is None or retry_at.tzinfo is not None


def test_a_pause_is_read_as_seconds_or_as_a_date():
    assert parse_retry_after("120", ONSET) == ONSET + timedelta(minutes=2)
    assert parse_retry_after(format_datetime(ONSET, usegmt=True), ONSET) == ONSET
    assert parse_retry_after("-5", ONSET) is None
