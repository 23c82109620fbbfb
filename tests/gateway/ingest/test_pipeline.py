"""One transaction per micro-batch stores all of it or nothing, and a redelivery changes nothing."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import psycopg
import pytest

from edge_agent.wire import digest_payload
from gateway.decoding.rejection import RejectionReason
from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings
from gateway.detection.stored_states import STATE
from gateway.ingest.pipeline import Pipeline
from gateway.quality.flagger import Flagger
from gateway.quality.kernels import STATE as QUALITY_STATE
from gateway.store.connection import Store
from tests.gateway.enrolled_node import T0, enrol_node


@pytest.fixture
async def store(database):
    opened = Store(database)
    yield opened
    await opened.close()


@pytest.fixture
def pipeline(store):
    return Pipeline(store, Flagger(), Detector(DetectionSettings()))


def rows(dsn, statement):
    with psycopg.connect(dsn) as connection:
        return connection.execute(statement).fetchall()


def stored(dsn):
    return rows(
        dsn,
        """SELECT d.property_id, (extract(epoch FROM o.observed_at) * 1000)::bigint, o.value, b.seq
           FROM observation o JOIN datastream d ON d.id = o.datastream_id JOIN batch b ON b.id = o.batch_id
           ORDER BY b.seq, d.property_id, o.observed_at""",
    )


def one_second_batch(node, seq, *, second, values, **fields):
    """One second's batch at `second` after T0."""
    at = T0 + second * 1000
    return node.payload(
        seq, t0=at, dt=[0], values={"pm2_5": [values]}, received_at=datetime.fromtimestamp(at / 1000 + 1, UTC), **fields
    )


def plume(node, first=1):
    """Eighty seconds of clean air with an unmistakable plume in them."""
    return [
        one_second_batch(node, first + s, second=s, values=8.0 + 0.1 * (s % 3) + (90.0 if 40 <= s < 55 else 0.0))
        for s in range(80)
    ]


async def test_a_payload_becomes_rows_that_lead_back_to_their_signed_bytes(pipeline, node, database):
    payload = node.payload(seq=3)
    committed = await pipeline.process([payload])
    assert stored(database) == [
        ("humidity", T0, 60.0, 3),
        ("humidity", T0 + 1000, 61.0, 3),
        ("pm2_5", T0, 12.1, 3),
        ("pm2_5", T0 + 1000, 12.3, 3),
    ]
    assert rows(database, "SELECT payload FROM batch") == [(payload.body,)]
    assert [r.ranges for r in committed.stored_ranges] == [[(3, 3)]]
    assert {o.observed_property for o in committed.live_messages[0].observations} == {"pm2_5", "humidity"}


async def test_every_field_of_a_batch_is_stored_beside_its_bytes(pipeline, node, database):
    received = datetime(2026, 11, 21, 3, 0, 0, 123_457, UTC)
    one = node.payload(seq=2**61, boot="boot-A~1", mono=-5, clock="stepped", received_at=received)
    other = node.payload(seq=4, boot="b", mono=2**40, clock="synced", hist=True, received_at=received)
    await pipeline.process([one, other])
    stored_batches = rows(
        database,
        """SELECT node_id, incarnation, seq, boot, mono, clock, hist, received_at, sha256 = sha256(payload), payload,
                  committed_at BETWEEN now() - interval '1 minute' AND now() FROM batch ORDER BY seq DESC""",
    )
    assert stored_batches == [
        (node.id, node.inc, 2**61, "boot-A~1", -5, "stepped", False, received, True, one.body, True),
        (node.id, node.inc, 4, "b", 2**40, "synced", True, received, True, other.body, True),
    ]


async def test_a_redelivery_changes_nothing_and_is_still_answered(pipeline, node, database):
    payloads = [node.payload(seq=1), node.payload(seq=2, t0=T0 + 2000)]
    await pipeline.process(payloads)
    before = stored(database)
    again = await pipeline.process([*reversed(payloads), *payloads])
    assert stored(database) == before
    assert [r.ranges for r in again.stored_ranges] == [[(1, 2)]]
    assert again.live_messages == []


async def test_duplicates_and_reordering_change_neither_events_nor_alerts(postgres, node, database, pipeline):
    for payload in plume(node):
        await pipeline.process([payload])
    other = postgres.create_database(database.rpartition("=")[2] + "again", template="migrated")
    twin = enrol_node(other)
    store = Store(other)
    disturbed_pipeline = Pipeline(store, Flagger(), Detector(DetectionSettings()))
    sent = []
    for payload in plume(twin):
        sent.append(payload)
        await disturbed_pipeline.process([payload, *sent[-3:], payload])
    await store.close()
    facts = "SELECT id, revision, change, onset, peak_at, ended_at, peak, background, confidence FROM event ORDER BY id"
    assert rows(database, facts) == rows(other, facts)
    assert len(rows(database, facts)) == 1
    alerts = "SELECT event_id, revision FROM alerting.inbox ORDER BY 1, 2"
    assert rows(database, alerts) == rows(other, alerts) != []


async def test_state_survives_a_restart_at_any_moment(postgres, node, database, pipeline):
    for payload in plume(node):
        await pipeline.process([payload])
    other = postgres.create_database(database.rpartition("=")[2] + "restart", template="migrated")
    twin = enrol_node(other)
    for payload in plume(twin):
        store = Store(other)
        await Pipeline(store, Flagger(), Detector(DetectionSettings())).process([payload])
        await store.close()
    facts = "SELECT id, revision, change, onset, peak_at, ended_at, peak, background, confidence FROM event ORDER BY id"
    assert rows(database, facts) == rows(other, facts) != []


async def test_each_node_has_the_states_of_its_own_datastreams(pipeline, node, database):
    other = enrol_node(database, "ijm-002", "wijk-aan-zee-2")
    readings = {"ijm-001": ({"pm10": [21.0], "pm2_5": [8.0]}, T0), "ijm-002": ({"pm2_5": [9.0]}, T0 + 5000)}
    payloads = [
        sender.payload(1, t0=at, dt=[0], values=values)
        for sender, (values, at) in zip([node, other], readings.values(), strict=True)
    ]
    await pipeline.process(payloads)
    properties = dict(rows(database, "SELECT id, property_id FROM datastream"))
    stored_states = rows(database, "SELECT node_id, component, datastreams, state FROM node_state")
    assert len(stored_states) == 4
    for node_id, component, datastreams, state in stored_states:
        values, at = readings[node_id]
        names = [properties[id_] for id_ in datastreams]
        assert set(names) == set(values)
        if component == "quality":
            records = np.frombuffer(state, QUALITY_STATE)
            assert records["value"].tolist() == [values[name][0] for name in names]
        else:
            records = np.frombuffer(state, STATE)["stream"]
        assert records["at"].tolist() == [at] * len(names)


async def test_a_failed_transaction_leaves_no_trace_and_can_be_run_again(pipeline, node, database):
    await pipeline.process([node.payload(seq=1)])
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("ALTER TABLE batch ADD CONSTRAINT no_more CHECK (seq < 2)")
    with pytest.raises(psycopg.errors.CheckViolation):
        await pipeline.process([node.payload(seq=2, t0=T0 + 2000)])
    assert len(stored(database)) == 4
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("ALTER TABLE batch DROP CONSTRAINT no_more")
    committed = await pipeline.process([node.payload(seq=2, t0=T0 + 2000)])
    assert len(stored(database)) == 8
    assert committed.stored_ranges[0].ranges == [(1, 2)]


async def test_the_first_checkpoint_is_saved_again_if_its_transaction_failed(pipeline, node, database):
    """Without it, nothing that is stored before the next hour could be detected again."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("ALTER TABLE batch ADD CONSTRAINT no_more CHECK (seq < 1)")
    with pytest.raises(psycopg.errors.CheckViolation):
        await pipeline.process([node.payload(seq=1)])
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("ALTER TABLE batch DROP CONSTRAINT no_more")
    await pipeline.process([])  # a transaction without batches saves none
    await pipeline.process([node.payload(seq=1)])
    await pipeline.process([node.payload(seq=2, t0=T0 + 2000)])
    checkpoints = "SELECT before_batch = (SELECT min(id) FROM batch) FROM checkpoint"
    assert rows(database, checkpoints) == [(True,)]


async def test_a_stored_key_with_other_bytes_is_quarantined_as_tampered(pipeline, node, database):
    await pipeline.process([node.payload(seq=1)])
    await pipeline.process([node.payload(seq=1, values={"pm2_5": [0.1, 0.1]})])
    assert rows(database, "SELECT reason FROM quarantine") == [(RejectionReason.TAMPERED,)]
    assert len(stored(database)) == 4


def digests(committed):
    return {seq: digest for ranges in committed.stored_ranges for seq, digest in ranges.hashes}


async def test_every_answer_names_the_bytes_that_hold_the_number(pipeline, node):
    first, copy = node.payload(seq=1), node.payload(seq=1, values={"pm2_5": [0.1, 0.1]})
    for payloads in ([first], [first], [copy], [copy, first]):
        assert digests(await pipeline.process(payloads)) == {1: digest_payload(first.body)}


async def test_a_number_of_a_quarantined_batch_is_taken_too(pipeline, node, database):
    impossible, copy = node.payload(seq=1, t0=2**51), node.payload(seq=1)
    assert digests(await pipeline.process([impossible])) == {1: digest_payload(impossible.body)}
    assert digests(await pipeline.process([impossible])) == {1: digest_payload(impossible.body)}
    assert digests(await pipeline.process([copy]))[1] not in {digest_payload(copy.body), ""}
    assert stored(database) == [], "it is sent again under another key"


async def test_a_number_of_a_stored_batch_is_not_taken_by_one_for_quarantine(pipeline, node):
    first, impossible = node.payload(seq=1), node.payload(seq=1, t0=2**51)
    await pipeline.process([first])
    assert digests(await pipeline.process([impossible])) == {1: digest_payload(first.body)}


async def test_two_cards_that_send_at_once_are_recorded(pipeline, node, database):
    other = replace(node, inc="abcdefghijkl")
    at = [{"t0": T0 + i * 10_000, "clock": "synced"} for i in range(4)]
    await pipeline.process([node.payload(seq=i + 1, **at[i]) for i in range(2)])
    await pipeline.process([other.payload(seq=1, boot="boot-2", **at[2])])
    assert rows(database, "SELECT * FROM node_copy") == [], "a new card begins after the old one"
    await pipeline.process([node.payload(seq=3, **at[3])])
    await pipeline.process([other.payload(seq=2, boot="boot-2", t0=T0 + 35_000, clock="synced")])
    assert rows(database, "SELECT node_id, conflicts, incarnations FROM node_copy") == [], (
        "clocks may differ by seconds"
    )
    await pipeline.process([node.payload(seq=4, t0=T0 + 60_000, clock="synced")])
    assert rows(database, "SELECT node_id, conflicts, incarnations FROM node_copy") == [
        (node.id, 0, sorted([node.inc, other.inc]))
    ]
    await pipeline.process([node.payload(seq=1, values={"pm2_5": [0.1, 0.1]})])
    assert rows(database, "SELECT conflicts FROM node_copy") == [(1,)]


async def test_a_forged_payload_is_quarantined_and_the_valid_one_beside_it_is_stored(pipeline, node, database):
    bad = node.payload(seq=1)
    bad = type(bad)(topic=bad.topic, body=b"\x00" + bad.body, received_at=bad.received_at)
    await pipeline.process([bad, node.payload(seq=2)])
    assert rows(database, "SELECT reason, payload FROM quarantine") == [(RejectionReason.FORGED, bad.body)]
    assert {r[3] for r in stored(database)} == {2}


async def test_an_unknown_property_is_quarantined_and_the_known_ones_are_stored(pipeline, node, database):
    committed = await pipeline.process([node.payload(seq=1, values={"pm10": [1.0, 2.0], "moonlight": [3.0, 4.0]})])
    assert [r[:3] for r in stored(database)] == [("pm10", T0, 1.0), ("pm10", T0 + 1000, 2.0)]
    assert rows(database, "SELECT reason, detail FROM quarantine") == [
        (RejectionReason.UNKNOWN_PROPERTY, "no observed property moonlight")
    ]
    assert committed.stored_ranges[0].ranges == [(1, 1)]


async def test_a_batch_with_impossible_times_is_quarantined_and_counts_as_received(pipeline, node, database):
    committed = await pipeline.process([node.payload(seq=1, t0=2**51)])
    assert rows(database, "SELECT reason FROM quarantine") == [(RejectionReason.IMPOSSIBLE_TIME,)]
    assert committed.stored_ranges[0].ranges == [(1, 1)]
    assert stored(database) == []


async def test_a_node_enrolled_or_revoked_while_running_is_noticed(pipeline, node, database):
    await pipeline.process([node.payload(seq=1)])
    later = enrol_node(database, node="ijm-002", station="velsen-noord")
    assert (await pipeline.process([later.payload(seq=1)])).stored_ranges
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE node SET revoked_at = now() WHERE id = 'ijm-001'")
    await pipeline.process([node.payload(seq=2)])
    assert rows(database, "SELECT reason FROM quarantine") == [(RejectionReason.REVOKED_NODE,)]


async def test_a_wrong_clock_raises_no_alert(pipeline, node, database):
    years = int(timedelta(days=5 * 365).total_seconds() * 1000)
    for payload in plume(node):
        await pipeline.process([payload])
    for shift, first in ((years, 200), (-10 * years, 400)):
        for s in range(80):
            value = 8.0 + (90.0 if 40 <= s < 55 else 0.0)
            await pipeline.process(
                [
                    one_second_batch(node, first + s, second=s + shift // 1000, values=value)
                    if shift < 0
                    else node.payload(first + s, t0=T0 + shift + s * 1000, dt=[0], values={"pm2_5": [value]})
                ]
            )
    assert len(rows(database, "SELECT id FROM event")) == 1
    assert len(stored(database)) == 240


async def test_two_gateways_never_write_for_the_same_area(database, node):
    first, second = Store(database), Store(database)
    await first.ensure_connection()
    with pytest.raises(psycopg.OperationalError, match="another gateway writes"):
        await second.ensure_connection()
    await first.close()
    await second.ensure_connection()
    await second.close()
