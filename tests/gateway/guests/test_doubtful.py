"""A guest that reports 500 for days, or the same value for hours, notifies nobody and is named to the operator."""

from datetime import UTC, datetime, timedelta

import numpy as np
import psycopg
import pytest
from msgspec import json

from alerting.alert import Alert, Severity
from alerting.decide.policy import NotificationPolicy
from alerting.decide.routing import DecisionReason, Route
from edge_agent.wire import ReadingBatch, ReceivedMessage
from gateway.decoding.decode import Payload
from gateway.guests.batch import sign_batch
from gateway.operator import fleet
from gateway.operator.actor import local_actor
from tests.gateway.guests.enrolled_guest import NOTARY, enrol_guest, fetch

HOURS = 30
STEP = timedelta(minutes=5)
COUNT = HOURS * 12


@pytest.fixture
def start():
    """A whole hour, thirty hours before the newest one."""
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=HOURS)


def payloads_of_guest(guest, values, start):
    """A signed batch for each value, as the notary makes them."""
    payloads = []
    for i, value in enumerate(values):
        at = start + i * STEP
        at_ms = int(at.timestamp() * 1000)
        batch = ReadingBatch(
            v=1, node=guest.node, inc="k3v5x2m2q7ab", seq=i + 1, boot="notary", clock="synced", t0=at_ms, dt=[0],
            values={"pm2_5": [float(value)]}, received=ReceivedMessage(format="airrohr", at=at_ms, sha256="0" * 64),
        )  # fmt: skip
        topic = f"pw/v1/ijmond/{guest.node}/readings"
        payloads.append(Payload(topic=topic, body=sign_batch(batch, NOTARY), received_at=at))
    return payloads


def payloads_of_node(node, values, start):
    """A signed batch of the network's own node for each value."""
    times = [start + i * STEP for i in range(len(values))]
    return [
        node.payload(i + 1, t0=int(at.timestamp() * 1000), dt=[0], values={"pm2_5": [float(value)]}, received_at=at)
        for i, (at, value) in enumerate(zip(times, values, strict=True))
    ]


async def test_a_broken_guest_notifies_nobody_and_is_named(pipeline, node, database, start):
    random = np.random.default_rng(1)
    clean = 8 + random.normal(0, 0.3, COUNT)
    high, stuck = enrol_guest(database, "guest-hoog"), enrol_guest(database, "guest-vast", sender="esp8266-2")
    jump = np.where(np.arange(COUNT) < 40, clean, 500 + random.normal(0, 5, COUNT))
    same = np.where(np.arange(COUNT) < 40, clean + 1, 12.3)
    series = [
        payloads_of_node(node, clean, start),
        payloads_of_guest(high, jump, start),
        payloads_of_guest(stuck, same, start),
    ]
    for group in zip(*series, strict=True):
        await pipeline.process(group)
    alerts = [json.decode(text, type=Alert) for (text,) in fetch(database, "SELECT alert::text FROM alerting.inbox")]
    assert any(alert.station == "guest-hoog" and alert.severity is Severity.EXTREME for alert in alerts)
    assert {alert.station for alert in alerts} <= {"guest-hoog", "guest-vast"}
    policy = NotificationPolicy([Route(receiver="od", least_confidence=0.0)])
    decisions = [decision for alert in alerts for decision in policy.decide(alert, {}, datetime.now(UTC))]
    assert {(decision.notify, decision.reason) for decision in decisions} == {(False, DecisionReason.GUEST)}
    assert ("guest-hoog",) in fetch(database, "SELECT DISTINCT station_id FROM event")  # recorded and shown
    with psycopg.connect(database, autocommit=True) as connection:
        actor, now = local_actor("tester"), datetime.now(UTC)
        measurements = fleet.load_measurements(connection, actor, now)
        problems = {
            row.row.node: {remark.problem: remark.values for remark in row.remarks}
            for row in fleet.load_fleet(connection, actor, now, measurements)
        }
    assert problems["guest-hoog"][fleet.NodeProblem.GUEST_DIFFERS] == {
        "property": "pm2_5", "median": "500", "network": "8"
    }  # fmt: skip
    assert problems["guest-vast"][fleet.NodeProblem.DOUBTFUL_SENSOR]["flag"] == "stuck"
    assert fleet.NodeProblem.GUEST_DIFFERS not in problems["guest-vast"]
    assert not problems[node.id].keys() & {fleet.NodeProblem.GUEST_DIFFERS, fleet.NodeProblem.DOUBTFUL_SENSOR}
