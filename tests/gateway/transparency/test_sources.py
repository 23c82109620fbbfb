"""Leaves that are not of batches: keys of nodes, events, detectors, rules, deliveries and removals."""

import json
from datetime import UTC, datetime

import psycopg
import pytest

from edge_agent.wire import Signer
from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings
from gateway.model.registry import Node, Station
from gateway.quality.humidity_correction import CORRECTION_RULES
from gateway.store import retention, stations
from gateway.store.migrate import load_migrations, migrate, select_for_server
from gateway.store.retention import RetentionSettings
from gateway.transparency.leaf import LeafKind, hash_content
from gateway.transparency.sources import DeliveryRecord, SourceRow, plan_leaves
from tests.gateway.enrolled_node import enrol_node
from tests.gateway.store.test_migrate import migrate_first
from tests.gateway.transparency.logs import TestLog, add_batches, check_tree, open_log


@pytest.fixture
def log(database, node, tmp_path) -> TestLog:
    return open_log(database, tmp_path / "log")


def leaves_of(log, kind):
    while log.step().has_more:
        pass
    check_tree(log)
    return [leaf for leaf in log.leaves() if leaf.kind is kind]


def read_document(log, leaf):
    """The stored document of a leaf, whose hash the leaf has."""
    with psycopg.connect(log.dsn) as connection:
        query = "SELECT document FROM log_leaf WHERE entry = %s"
        ((document,),) = connection.execute(query, [leaf.encode().decode()]).fetchall()
    assert hash_content(document.encode()) == leaf.content
    return json.loads(document)


def test_every_change_of_a_key_is_a_leaf_and_ends_the_key_before(log, node):
    second = Signer.generate(node.id)
    with psycopg.connect(log.dsn, autocommit=True) as connection:
        stations.put_node(connection, Node(id=node.id, area="ijmond", station="wijk-aan-zee", key=node.signer.verifier))
        stations.put_node(connection, Node(id=node.id, area="ijmond", station="wijk-aan-zee", key=second.verifier))
        station = Station(id="dorp", area="ijmond", name="Dorp", latitude=52.4, longitude=4.6)
        stations.put_station(connection, station)
        stations.put_node(connection, Node(id=node.id, area="ijmond", station="dorp", key=second.verifier))
        stations.revoke_node(connection, node.id)
        connection.execute("UPDATE node SET enrolled_at = now()")
    keys = [(leaf.fields, leaf.content) for leaf in leaves_of(log, LeafKind.NODE_KEY)]
    first_key, second_key = str(node.signer.verifier), str(second.verifier)
    assert [(fields[1], fields[3] == "-", key) for fields, key in keys] == [
        ("wijk-aan-zee", True, first_key),
        ("wijk-aan-zee", False, first_key),
        ("wijk-aan-zee", True, second_key),
        ("wijk-aan-zee", False, second_key),
        ("dorp", True, second_key),
        ("dorp", False, second_key),
    ]
    assert all(keys[i][0][2] == keys[i + 1][0][2] for i in (0, 2, 4)), "an end names the begin that it ends"


def test_the_key_of_a_new_node_is_valid_from_the_moment_that_the_operator_states(log, node):
    since = datetime(2026, 11, 1, 8, tzinfo=UTC)
    key = Signer.generate("ijm-002").verifier
    with psycopg.connect(log.dsn, autocommit=True) as connection:
        for _ in range(2):
            new = Node(id="ijm-002", area="ijmond", station="wijk-aan-zee", key=key)
            stations.put_node(connection, new, since=since)
        moved = Station(id="dorp", area="ijmond", name="Dorp", latitude=52.4, longitude=4.6)
        stations.put_station(connection, moved)
        stations.put_node(connection, Node(id="ijm-002", area="ijmond", station="dorp", key=key), since=since)
    keys = [leaf.fields[1:] for leaf in leaves_of(log, LeafKind.NODE_KEY) if leaf.fields[0] == "ijm-002"]
    assert keys[0] == ("wijk-aan-zee", "2026-11-01T08:00:00.000Z", "-")
    assert [fields[0] for fields in keys] == ["wijk-aan-zee", "wijk-aan-zee", "dorp"]
    assert keys[2][1] == keys[1][2], "at the second station since it moved"


def test_a_key_that_a_person_changes_with_sql_is_a_leaf_too(log, node):
    log.step()
    other = Signer.generate(node.id)
    with psycopg.connect(log.dsn) as connection:
        connection.execute("UPDATE node SET verifier_key = %s", [str(other.verifier)])
    assert [leaf.content for leaf in leaves_of(log, LeafKind.NODE_KEY)][-1] == str(other.verifier)


def test_rules_and_detectors_are_leaves_once_and_again_when_they_change(log):
    detector = Detector(DetectionSettings())
    with psycopg.connect(log.dsn, autocommit=True) as connection:
        connection.execute("INSERT INTO detector VALUES (%s, %s::jsonb)", [detector.name, detector.parameters_json])
        (leaf,) = leaves_of(log, LeafKind.DETECTOR)
        assert (leaf.fields, read_document(log, leaf)) == ((detector.name,), json.loads(detector.parameters_json))
        rules = leaves_of(log, LeafKind.CORRECTION_RULE)
        assert [leaf.fields[0] for leaf in rules] == [*(r.name for r in CORRECTION_RULES), "ranges-of-properties"]
        assert read_document(log, rules[0])["parameters"] == dict(CORRECTION_RULES[0].parameters)
        connection.execute("UPDATE observed_property SET upper = upper + 1 WHERE id = 'pm2_5'")
        assert len(leaves_of(log, LeafKind.CORRECTION_RULE)) == len(rules) + 1


INSERT_EVENT = """
INSERT INTO event (id, revision, change, kind, datastream_id, area_id, station_id, property_id, severity, onset,
                   peak_at, detected_at, peak, background, excess, noise, confidence, reasons, detector, detected_late)
VALUES ('r7zq4ogyzxa5hm3t', 1, 'opened', 'peak', %s, 'ijmond', 'wijk-aan-zee', 'pm2_5', 'minor', now(), now(), now(),
        50, 10, 40, 1, 0.9, '{}', 'peak@6#0', false)
"""


def add_notification(connection):
    connection.execute(
        "INSERT INTO datastream (station_id, node_id, property_id) VALUES ('wijk-aan-zee', 'ijm-001', 'pm2_5')"
    )
    ((id_,),) = connection.execute("SELECT id FROM datastream").fetchall()
    connection.execute(INSERT_EVENT, [id_])
    connection.execute(
        """INSERT INTO alerting.outbox (event_id, revision, receiver, channel, message_id)
           VALUES ('r7zq4ogyzxa5hm3t', 1, 'omgevingsdienst', 'email:secret@example.org', 'm')"""
    )


def deliver(connection, attempt, outcome):
    connection.execute(
        """INSERT INTO alerting.delivery (outbox_id, attempt, began_at, outcome, detail, sha256)
           SELECT id, %s, now(), %s, 'to secret@example.org', sha256('mail') FROM alerting.outbox""",
        [attempt, outcome],
    )


def test_deliveries_are_a_chain_of_hashes_without_addresses(log):
    with psycopg.connect(log.dsn, autocommit=True) as connection:
        add_notification(connection)
        deliver(connection, 1, "retry")
        first = leaves_of(log, LeafKind.DELIVERY)
        deliver(connection, 2, "retry")
        deliver(connection, 3, "delivered")
        parts = leaves_of(log, LeafKind.DELIVERY)
    assert [leaf.fields for leaf in parts] == [("1",), ("3",)]
    documents = [read_document(log, leaf) for leaf in parts]
    assert [document["previous"] for document in documents] == ["", first[0].content]
    assert [d["outcome"] for document in documents for d in document["deliveries"]] == ["retry", "retry", "delivered"]
    assert documents[0]["deliveries"][0]["channel"] == "email"
    assert "example.org" not in json.dumps(documents)


def prune(dsn):
    with psycopg.connect(dsn, autocommit=True) as connection:
        retention.prune_old_rows(connection, RetentionSettings(evidence_days=60))


def test_every_removal_by_retention_or_a_person_is_a_leaf_with_its_reason(log):
    add_batches(log.dsn, range(1, 6))
    log.step()
    with psycopg.connect(log.dsn, autocommit=True) as connection:
        connection.execute("UPDATE batch SET committed_at = now() - interval '90 days' WHERE seq <= 3")
        connection.execute(
            """INSERT INTO quarantine_emptied (emptied_by, quarantined, received_at, topic, reason, sha256)
               SELECT 'anna', n, now(), 'pw/v1/ijmond/ijm-001/readings', 'malformed', '' FROM generate_series(1, 7) n"""
        )
    prune(log.dsn)
    removed = leaves_of(log, LeafKind.REMOVED)
    assert [leaf.fields for leaf in removed] == [
        ("quarantined-payloads", "emptied-by-a-person", "7"),
        ("signed-bytes", "retention", "3"),
    ]
    document = read_document(log, removed[1])
    assert datetime.fromisoformat(document["until"]) < datetime.now(UTC)
    prune(log.dsn)
    assert len(leaves_of(log, LeafKind.REMOVED)) == 2, "nothing removed, no leaf"


def test_removals_of_one_kind_that_wait_together_are_one_leaf():
    body = '{"what": "observations", "reason": "retention", "from": null, "until": "2026-01-0%dT00:00:00Z", "count": 5}'
    rows = [SourceRow(id=n, kind="removed", body=body % n) for n in (1, 3, 2)]
    (new,), _ = plan_leaves(rows, DeliveryRecord())
    assert new.leaf.fields == ("observations", "retention", "15")
    assert json.loads(new.document or "")["until"] == "2026-01-03T00:00:00.000Z"


def test_an_existing_database_enters_the_log_with_its_whole_history(postgres, tmp_path):
    dsn = postgres.create_database("before_the_log")
    migrate_first(dsn, sum(m.name < "0180" for m in select_for_server(load_migrations(), timescale=False)))
    enrol_node(dsn)
    add_batches(dsn, range(1, 1001))
    with psycopg.connect(dsn, autocommit=True) as connection:
        assert connection.execute("SELECT to_regclass('log_leaf')").fetchone() == (None,)
        migrate_first_properties(connection)
        add_notification(connection)
        for revision in (1, 2):
            connection.execute(
                "INSERT INTO event_revision (event_id, revision, body) VALUES ('r7zq4ogyzxa5hm3t', %s, %s::jsonb)",
                [revision, json.dumps(EVENT_BODY)],
            )
        deliver(connection, 1, "delivered")
    assert "0180_public_log.sql" in migrate(dsn)
    log = open_log(dsn, tmp_path / "log")
    while log.step(max_batches=300).has_more:
        pass
    kinds = [leaf.kind for leaf in log.leaves()]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        LeafKind.CORRECTION_RULE: 2,
        LeafKind.NODE_KEY: 1,
        LeafKind.EVENT: 2,
        LeafKind.DELIVERY: 1,
        LeafKind.BATCH: 1000,
    }
    check_tree(log)


def migrate_first_properties(connection):
    connection.execute(
        """INSERT INTO observed_property (id, unit, name_nl, name_en) VALUES ('pm2_5', 'ug/m3', 'a', 'b')
           ON CONFLICT DO NOTHING"""
    )


EVENT_BODY = {
    "id": "r7zq4ogyzxa5hm3t",
    "revision": 1,
    "change": "opened",
    "datastream": 0,
    "station": "wijk-aan-zee",
    "observed_property": "pm2_5",
    "kind": "peak",
    "onset": "2026-11-21T02:40:00Z",
    "peak_at": "2026-11-21T02:40:00Z",
    "detected_at": "2026-11-21T02:40:00Z",
    "peak": 50,
    "background": 10.5,
    "excess": 39.5,
    "noise": 1.0,
    "confidence": 0.9,
    "detector": "peak@6#0",
}
