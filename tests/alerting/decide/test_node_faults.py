"""Copied nodes and wrong clocks reach the operator once, and end; nobody else is notified."""

import asyncio
import re
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from msgspec import structs

from alerting import inbox
from alerting.alert import NETWORK_KINDS, Change
from alerting.decide.no_data import NoDataSettings, end_network_alert
from alerting.decide.node_faults import NodeFault, build_node_alerts, describe_duration
from alerting.decide.policy import NotificationPolicy
from alerting.decide.routing import Route
from alerting.delivery.email import EmailSettings
from alerting.dispatch import no_data_monitor
from alerting.settings import ReceiverSettings
from tests.alerting.running_dispatcher import (
    change,
    fetch_rows,
    run_dispatchers,
    wait_until,
    wait_until_delivered,
    wait_until_present,
)
from tests.alerting.servers import MailServer
from tests.gateway.enrolled_node import enrol_node

NOW = datetime(2026, 11, 21, 3, tzinfo=UTC)
DAY_MS = 86_400_000


def fault(kind="copied", **fields):
    place = {"node": "ijm-001", "area": "ijmond", "station": "Wijk aan Zee", "latitude": 52.494, "longitude": 4.594}
    return NodeFault(kind=kind, **{**place, "since": NOW, "clock_error_ms": None, **fields})


def test_a_copied_node_is_named_with_the_remedy():
    (alert,) = build_node_alerts([fault()], NOW)
    assert alert.sentence["nl"].startswith(
        "Twee kaarten van node ijm-001 (Wijk aan Zee) sturen tegelijk, sinds za 21-11"
    )
    assert alert.sentence["en"].endswith("Stop one of them and enrol it as another node")
    assert end_network_alert(alert, 2, NOW).sentence["en"] == (
        "Node ijm-001 (Wijk aan Zee): no second card has sent for an hour"
    )


@pytest.mark.parametrize(
    ("error_ms", "text"),
    [
        (-14 * DAY_MS, "is 14 days behind"),
        (3 * 3_600_000, "is 3 hours ahead"),
        (121_000, "is 2 minutes ahead"),
        (-90 * 60_000, "is 90 minutes behind"),
    ],
)
def test_the_error_of_a_clock_is_in_the_sentence(error_ms, text):
    (alert,) = build_node_alerts([fault("wrong_clock", clock_error_ms=error_ms)], NOW)
    assert text in alert.sentence["en"]
    assert (
        end_network_alert(alert, 2, NOW).sentence["nl"].startswith("De klok van node ijm-001 (Wijk aan Zee) loopt weer")
    )


def test_a_duration_never_needs_a_singular():
    assert describe_duration(1, "nl") == "2 minuten"
    assert describe_duration(DAY_MS, "nl") == "24 uur"


@pytest.mark.parametrize("kind", sorted(NETWORK_KINDS))
def test_every_network_alert_notifies_only_the_network_receiver(kind):
    (alert,) = build_node_alerts([fault(kind)], NOW)
    policy = NotificationPolicy([Route(receiver="inspectorate")], network_receiver="network")
    assert [(decision.receiver, decision.notify) for decision in policy.decide(alert, {}, NOW)] == [("network", True)]


def test_the_query_of_open_network_alerts_lists_every_kind():
    query = no_data_monitor._QUERIES["select_open_network_alerts"]
    kinds = re.search(r"IN \((.*?)\)", str(query)).group(1)
    assert {kind.strip(" '") for kind in kinds.split(",")} == NETWORK_KINDS


CHANGES = (
    "SELECT revision, alert ->> 'change' FROM alerting.inbox WHERE alert ->> 'kind' = '{}' ORDER BY 1, received_at"
)
COPIED = """INSERT INTO node_copy (node_id, first_at, last_at, conflicts, incarnations, began_at)
            VALUES ('ijm-001', now() - interval '9 days', now(), 3, '{a,b}', now() - interval '1 minute')"""
WRONG_CLOCK = """INSERT INTO node_status (node_id, last_seen, undated_since, clock_error_ms)
                 VALUES ('ijm-001', now(), now() - interval '16 minutes', -1209600000)"""
FAULTS = {
    "copied": (
        COPIED,
        "UPDATE node_copy SET last_at = now() - interval '61 minutes'",
        "UPDATE node_copy SET last_at = now(), began_at = now()",
    ),
    "wrong_clock": (
        WRONG_CLOCK,
        "UPDATE node_status SET undated_since = NULL",
        "UPDATE node_status SET undated_since = now() - interval '17 minutes'",
    ),
}


def with_network_receiver(settings, server):
    """An inspectorate that gets all peaks, and the receiver for the network."""
    chosen = settings(mail=server)
    channels = [EmailSettings(to=["beheer@od.example"])] if server else []
    network = ReceiverSettings(name="network", email=channels)
    no_data = NoDataSettings(receiver="network")
    return structs.replace(chosen, receiver=[*chosen.receiver, network], no_data=no_data)


@pytest.mark.parametrize("kind", FAULTS)
async def test_the_operator_alone_is_notified_once_of_each_episode_and_of_its_end(
    database, settings, kind, monkeypatch
):
    # else each step would wait up to 15 s for the next check
    monkeypatch.setattr("alerting.dispatch.decision_worker._NETWORK_CHECK_INTERVAL", 0.0)
    enrol_node(database)
    change(database, "INSERT INTO node_status (node_id, last_seen) SELECT 'ijm-001', now() WHERE %s = 'copied'", kind)
    begins, ends, again = FAULTS[kind]
    with MailServer() as server:
        async with run_dispatchers(with_network_receiver(settings, server), database, workers=2):
            for step, statement in enumerate([begins, ends, again], start=1):
                change(database, statement)
                await wait_until(lambda step=step: len(server.received) == step)
                await wait_until_delivered(database)
    assert {tuple(envelope.rcpt_tos) for envelope in server.received} == {("beheer@od.example",)}
    assert sorted(fetch_rows(database, CHANGES.format(kind))) == sorted(
        [(1, Change.OPENED.value), (2, Change.ENDED.value), (1, Change.OPENED.value)]
    )


WAITING = "SELECT FROM pg_locks WHERE NOT granted"


async def test_an_alert_that_another_worker_opens_during_a_check_is_not_ended(database, settings):
    enrol_node(database)
    (opened,) = build_node_alerts([fault()], NOW)
    with MailServer() as server:
        chosen = with_network_receiver(settings, server)
    async with (
        await psycopg.AsyncConnection.connect(database, autocommit=True) as checking,
        await psycopg.AsyncConnection.connect(database) as other,
    ):
        await other.execute("LOCK TABLE alerting.inbox IN ACCESS EXCLUSIVE MODE")
        check = asyncio.create_task(no_data_monitor.check_network(chosen, checking))
        await wait_until_present(database, WAITING)
        await inbox.put_alerts(other, [opened])
        await other.commit()
        await check
    assert fetch_rows(database, CHANGES.format("copied")) == [(1, Change.OPENED.value)]


MOMENT = "UPDATE node_status SET undated_since = now() - interval '{} minutes' WHERE node_id = 'ijm-001'"
OPENED = "SELECT alert -> 'place' ->> 'name' FROM alerting.inbox WHERE alert ->> 'kind' = 'wrong_clock'"


async def test_a_clock_that_was_wrong_for_a_moment_and_a_revoked_node_alert_nobody(database, settings):
    for node, station in (("ijm-001", "wijk-aan-zee"), ("ijm-002", "velsen")):
        enrol_node(database, node, station)
        change(database, f"INSERT INTO node_status VALUES ('{node}', now())")
    change(database, "UPDATE node_status SET clock_error_ms = 7200000, undated_since = now() - interval '9 days'")
    change(database, "UPDATE node SET revoked_at = now() WHERE id = 'ijm-002'")
    with MailServer() as server:
        chosen = with_network_receiver(settings, server)
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
        for minutes, names in ((14, []), (16, [("ijm-001 (Wijk aan Zee)",)])):
            await connection.execute(MOMENT.format(minutes))
            for _ in range(2):  # the same fault is one alert
                await no_data_monitor.check_network(chosen, connection)
                assert fetch_rows(database, OPENED) == names


def test_an_alert_of_one_start_has_one_id_whenever_it_is_checked():
    first, later = (build_node_alerts([fault()], NOW + timedelta(seconds=s))[0] for s in (0, 15))
    assert first.event_id == later.event_id
    (other,) = build_node_alerts([fault(since=NOW + timedelta(hours=2))], NOW)
    assert other.event_id != first.event_id
