"""Decoding never raises: any payload gives a VerifiedBatch, or a RejectedPayload with its reason."""

import dataclasses
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from edge_agent.wire import Flag, ReceivedMessage, Signer
from gateway.decoding.decode import (
    Payload,
    RejectedPayload,
    VerifiedBatch,
    decode_payload,
    find_unplaced,
    place_observations,
)
from gateway.decoding.rejection import RejectionReason
from gateway.model.registry import Datastream, Node, ObservedProperty, Registry
from tests.gateway.enrolled_node import T0, EnrolledNode

NODE = EnrolledNode(signer=Signer.generate("ijm-001"))
PROPERTIES = ("pm2_5", "humidity")
REGISTRY = Registry(
    areas={},
    sites=[],
    stations={},
    nodes={
        "ijm-001": Node(id="ijm-001", area="ijmond", station="wijk-aan-zee", key=NODE.signer.verifier),
        "old-001": Node(id="old-001", area="ijmond", station="x", key=NODE.signer.verifier, revoked=True),
    },
    properties={p: ObservedProperty(id=p, unit="1", name={}) for p in PROPERTIES},
    datastreams=[
        Datastream(slot=i, id=10 + i, station="wijk-aan-zee", node="ijm-001", observed_property=p)
        for i, p in enumerate(PROPERTIES)
    ],
    slots={("ijm-001", p): i for i, p in enumerate(PROPERTIES)},
)


def reason_of(payload: Payload) -> RejectionReason:
    outcome = decode_payload(payload, REGISTRY)
    assert isinstance(outcome, RejectedPayload)
    return outcome.reason


def test_a_good_payload_is_verified_with_its_hash():
    outcome = decode_payload(NODE.payload(seq=7), REGISTRY)
    assert isinstance(outcome, VerifiedBatch)
    assert outcome.key == ("ijm-001", NODE.inc, 7)
    assert len(outcome.sha256) == 32


def test_each_fault_has_its_own_reason():
    good = NODE.payload()
    text, _, _ = good.body.partition(b"\n\n")
    other = EnrolledNode(signer=Signer.generate("ijm-001"))
    assert reason_of(replace(good, topic="pw/v1/ijmond/nobody/readings")) is RejectionReason.UNKNOWN_NODE
    assert reason_of(replace(good, topic="pw/v1/ijmond/old-001/readings")) is RejectionReason.REVOKED_NODE
    assert reason_of(replace(good, topic="pw/v1/chemelot/ijm-001/readings")) is RejectionReason.FOREIGN_TOPIC
    assert reason_of(replace(good, topic="something/else")) is RejectionReason.FOREIGN_TOPIC
    assert reason_of(replace(good, body=text)) is RejectionReason.UNSIGNED
    assert reason_of(other.payload()) is RejectionReason.UNSIGNED  # another key's signature is none by ours
    assert reason_of(replace(good, body=good.body.replace(b"12.1", b"99.9"))) is RejectionReason.FORGED
    assert reason_of(replace(good, body=b"x" * 2_000_000)) is RejectionReason.TOO_LONG
    assert reason_of(replace(good, body=NODE.signer.sign(b"not json\n"))) is RejectionReason.MALFORMED
    assert reason_of(NODE.payload(dt=[0, 1, 2])) is RejectionReason.MALFORMED
    assert reason_of(NODE.payload(node="ijm-002")) is RejectionReason.FOREIGN_TOPIC
    assert reason_of(NODE.payload(t0=2**51)) is RejectionReason.IMPOSSIBLE_TIME


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", '"12"', "true", "[1]", "{}"])
def test_only_finite_numbers_are_accepted_as_values(number):
    line = NODE.batch().encode().replace(b"12.1", number.encode())
    body = NODE.signer.sign(line)
    assert reason_of(replace(NODE.payload(), body=body)) is RejectionReason.MALFORMED


def test_deep_nesting_is_malformed_and_does_not_crash():
    bomb = b'{"v":1,"extra":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n"
    assert reason_of(replace(NODE.payload(), body=NODE.signer.sign(bomb))) is RejectionReason.MALFORMED


def test_unknown_fields_from_a_newer_node_are_tolerated():
    line = NODE.batch().encode().replace(b'{"v":1', b'{"v":1,"colour":"blue"')
    assert isinstance(decode_payload(replace(NODE.payload(), body=NODE.signer.sign(line)), REGISTRY), VerifiedBatch)


@given(topic=st.text(max_size=60), body=st.binary(max_size=400))
def test_nothing_makes_decode_raise(topic, body):
    now = datetime.now(UTC)
    for payload in (
        Payload(topic=topic, body=body, received_at=now),
        Payload(topic="pw/v1/ijmond/ijm-001/readings", body=body, received_at=now),
        Payload(topic="pw/v1/ijmond/ijm-001/readings", body=NODE.signer.sign(body + b"\n"), received_at=now),
    ):
        assert isinstance(decode_payload(payload, REGISTRY), RejectedPayload)


def place_payloads(*payloads: Payload):
    return place_observations([decode_payload(p, REGISTRY) for p in payloads], REGISTRY)


def test_values_are_placed_property_by_property_with_their_covariates():
    rows = place_payloads(NODE.payload(), NODE.payload(seq=2, t0=T0 + 2000))
    assert rows.datastream.tolist() == [1, 1, 0, 0, 1, 1, 0, 0]
    assert rows.batch.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert rows.observed_at.tolist() == [T0, T0 + 1000] * 2 + [T0 + 2000, T0 + 3000] * 2
    assert rows.value.tolist() == [60, 61, 12.1, 12.3] * 2
    assert rows.rh.tolist() == [60, 61] * 4
    assert np.isnan(rows.wind_speed).all()


@settings(max_examples=50, deadline=None)
@given(order=st.permutations(range(6)), names=st.permutations(["pm2_5", "humidity"]))
def test_the_order_in_which_a_node_lists_its_readings_and_properties_changes_no_row(order, names):
    """Two readings have the same time; the lower one that is valid comes first."""
    dt, pm = [0, 1000, 1000, 2000, 2000, 3000], [8.0, 9.0, 7.0, 5.0, 6.0, 8.5]
    columns = {"pm2_5": [pm[i] for i in order], "humidity": [60.0 + i for i in order]}
    flags = {"pm2_5": [4 if i == 3 else 0 for i in order]}
    rows = place_payloads(
        NODE.payload(dt=[dt[i] for i in order], values={name: columns[name] for name in names}, flags=flags)
    )
    assert rows.value.tolist() == [60.0, 61.0, 62.0, 63.0, 64.0, 65.0, 8.0, 7.0, 9.0, 6.0, 5.0, 8.5]
    assert rows.observed_at.tolist() == [*(rows.observed_at[0] + np.array(dt))] * 2


def test_a_missing_value_is_a_row_only_if_it_has_a_flag():
    values, flags = {"pm2_5": [None, None]}, {"pm2_5": [0, int(Flag.STALE)]}
    rows = place_payloads(NODE.payload(values=values, flags=flags))
    assert len(rows) == 1
    assert np.isnan(rows.value[0])
    assert rows.flags[0] == Flag.STALE


@pytest.mark.parametrize("t0", [0, T0 + 86_400_000])
def test_implausible_timestamps_are_flagged_and_not_dropped(t0):
    rows = place_payloads(NODE.payload(t0=t0))
    assert len(rows) == 4
    assert (rows.flags & Flag.TIME_SUSPECT != 0).all()


def test_unknown_properties_are_named_and_the_known_ones_stay():
    payload = NODE.payload(values={"pm2_5": [1.0, 2.0], "moonlight": [3.0, 4.0]})
    verified = decode_payload(payload, REGISTRY)
    unplaced = find_unplaced([verified.build_header(REGISTRY)])
    assert [r.detail for r in unplaced.rejections] == ["no observed property moonlight"]
    assert place_payloads(payload).value.tolist() == [1, 2]


def test_a_property_without_a_datastream_is_reported_as_missing():
    registry = dataclasses.replace(REGISTRY, slots={("ijm-001", "humidity"): 1})
    assert find_unplaced([decode_payload(NODE.payload(), registry).build_header(registry)]).missing_datastreams == (
        ("ijm-001", "pm2_5"),
    )


def test_only_batches_of_guests_hold_a_received_message():
    """A node cannot pass for a guest, nor a guest for a node: the class stands in id and content."""
    received = ReceivedMessage(format="airrohr", at=T0, sha256="0" * 64)
    for sender, content, is_accepted in (
        ("ijm-001", None, True),
        ("ijm-001", received, False),
        ("guest-duin", received, True),
        ("guest-duin", None, False),
    ):
        enrolled = EnrolledNode(signer=Signer.generate(sender))
        node = Node(id=sender, area="ijmond", station=sender, key=enrolled.signer.verifier)
        registry = dataclasses.replace(REGISTRY, nodes={sender: node})
        outcome = decode_payload(enrolled.payload(received=content), registry)
        assert isinstance(outcome, VerifiedBatch) == is_accepted
        if not is_accepted:
            assert outcome.reason is RejectionReason.MALFORMED
            assert "$.received" in outcome.detail
