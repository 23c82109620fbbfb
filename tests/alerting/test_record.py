"""The record of what was decided, sent and answered is added to and never changed."""

import hashlib

import psycopg
import pytest

from tests.alerting.alerts import alert
from tests.alerting.dispatching import dispatching, put, rows, settled
from tests.alerting.servers import WebServer


@pytest.fixture
async def told(database, settings):
    with WebServer() as web:
        async with dispatching(settings(web=web), database):
            await put(database, alert())
            await settled(database)
    with psycopg.connect(database) as connection:
        connection.execute("INSERT INTO alerting.acknowledgement (event_id, who, note) VALUES ('e', 'Jansen', '')")
        connection.execute(
            """INSERT INTO alerting.silence (match, author, reason, ends_at, changed_by)
               VALUES (ARRAY['area="a"'], 'Jansen', 'onderhoud', now() + interval '1 hour', 'Jansen')"""
        )
    return web.requests[0][1]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE alerting.delivery SET outcome = 'failed'",
        "DELETE FROM alerting.delivery",
        "TRUNCATE alerting.delivery CASCADE",
        "UPDATE alerting.decision SET told = false",
        "DELETE FROM alerting.decision WHERE event_id = 'nothing'",
        "UPDATE alerting.acknowledgement SET who = 'somebody else'",
        "DELETE FROM alerting.acknowledgement",
        "UPDATE alerting.inbox SET alert = '{}'",
        "DELETE FROM alerting.inbox",
        "DELETE FROM alerting.outbox",
        "UPDATE alerting.silence SET reason = 'another'",
        "DELETE FROM alerting.silence",
    ],
)
async def test_nothing_recorded_can_be_changed_or_removed(database, told, statement):
    with psycopg.connect(database) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege, match="record"):
        connection.execute(statement)


async def test_a_delivery_keeps_hash_size_and_rules_of_what_was_sent(database, told):
    ((sha256, size, rules),) = rows(database, "SELECT sha256, bytes, rules FROM alerting.delivery")
    assert (sha256, size) == (hashlib.sha256(told).digest(), len(told))
    assert rows(database, "SELECT rules FROM alerting.decision") == [(rules,)]
    assert len(rules) == 12
