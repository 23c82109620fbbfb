"""Operators enrol guests: every mistake is one sentence and changes nothing; the class stands in the id."""

from dataclasses import replace
from datetime import date

import psycopg
import pytest
from msgspec import structs

from edge_agent.wire import is_guest
from gateway.doctor.database import check_database
from gateway.errors import GatewayError
from gateway.guests.publications import find_filter_problem, matches_filter
from gateway.guests.reception import normalize_sender
from gateway.model.registry import Node, Station
from gateway.operator.actor import Actor, local_actor
from gateway.operator.errors import OperatorError
from gateway.operator.guests import add_guest, list_guests, revoke_guest, rotate_token
from gateway.store import stations
from tests.gateway.guests.enrolled_guest import NOTARY, enrol_guest, fetch, make_order

WRONG_ORDERS = [
    ({"node": "ijm-009"}, "the id of a guest begins with guest-"),
    ({"node": "guest-Duin"}, "small letters, digits and hyphens"),
    ({"area": "chemelot"}, "there is no area chemelot"),
    ({"format": "homebrew"}, "format homebrew: there are airrohr"),
    ({"format": "json"}, "the format json needs a mapping file"),
    ({"mapping": "[values.pm2_5]\npath = '$.a'"}, "the format airrohr has no mapping file"),
    ({"format": "json", "mapping": "[values.dust]\npath = '$.a'"}, "there is no such property"),
    ({"sender": "  "}, "the sender needs 1 to 200 characters"),
    ({"owner": ""}, "the owner needs 1 to 200 characters"),
    ({"consent_text": ""}, "the version of the text needs 1 to 200 characters"),
    ({"consent_on": date(2199, 1, 1)}, "which is in the future"),
    ({"latitude": 91.0}, "latitude of -90 to 90"),
    ({"topic": "pw/v1/ijmond/ijm-001/readings"}, "begins with a name other than pw"),
    ({"poll_url": "file:///etc/passwd"}, "begins with http:// or https://"),
]


@pytest.mark.parametrize(("changes", "sentence"), WRONG_ORDERS, ids=[text[:30] for _, text in WRONG_ORDERS])
def test_a_wrong_order_is_one_sentence_and_changes_nothing(database, node, changes, sentence):
    with psycopg.connect(database) as connection, pytest.raises(OperatorError, match=sentence.replace("$", r"\$")):
        add_guest(connection, local_actor("tester"), structs.replace(make_order(), **changes), NOTARY.verifier)
    assert fetch(database, "SELECT count(*) FROM guest") == [(0,)]
    assert fetch(database, "SELECT count(*) FROM node") == [(1,)]


def test_a_guest_is_enrolled_once_and_its_station_has_a_name_for_guests(database, node):
    guest = enrol_guest(database)
    with pytest.raises(OperatorError, match="is enrolled already"):
        enrol_guest(database)
    assert fetch(database, "SELECT name FROM station WHERE id = 'guest-duin'") == [("Duinweg (sensor van bewoner)",)]
    with psycopg.connect(database, autocommit=True) as connection:
        other = Actor(name="other", areas=frozenset({"chemelot"}), address="test")
        assert list_guests(connection, other) == []
        for act in (rotate_token, revoke_guest):
            with pytest.raises(OperatorError):
                act(connection, other, guest.node)
            with pytest.raises(OperatorError, match="is no guest"):
                act(connection, local_actor("tester"), node.id)
        revoke_guest(connection, local_actor("tester"), guest.node)
        with pytest.raises(OperatorError, match="is no guest, or is revoked"):
            rotate_token(connection, local_actor("tester"), guest.node)


def test_no_other_way_puts_a_guest_into_the_registry(database, node):
    enrol_guest(database)
    guest_node = Node(id="guest-duin", area="ijmond", station="guest-duin", key=node.signer.verifier)
    with psycopg.connect(database) as connection:
        for wrong in (guest_node, replace(guest_node, id="ijm-001"), replace(guest_node, station="wijk-aan-zee")):
            with pytest.raises(GatewayError, match="piekwacht guest"):
                stations.put_node(connection, wrong)
        place = Station(id="guest-duin", area="ijmond", name="x", latitude=52.0, longitude=4.0)
        with pytest.raises(GatewayError, match="piekwacht guest"):
            stations.put_station(connection, place)
    assert all(is_guest(id_) for (id_,) in fetch(database, "SELECT node_id FROM guest"))


@pytest.mark.parametrize(
    ("topic_filter", "topic", "expected"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/c", False),
        ("a/+/c", "a/b/c", True),
        ("a/+/c", "a/b/d/c", False),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("a/#", "ab/c", False),
        ("a/b/#", "a", False),
    ],
)
def test_filters_match_as_the_broker_does(topic_filter, topic, expected):
    assert matches_filter(topic_filter, topic) == expected


@pytest.mark.parametrize("topic_filter", ["", "#", "+/a", "pw/v1/#", "$SYS/#", "a/#/b", "a/b+", "a\0b"])
def test_a_filter_that_could_hold_messages_of_nodes_is_refused(topic_filter):
    assert find_filter_problem(topic_filter)


def test_doctor_names_messages_that_no_notary_takes(database, node):
    guest = enrol_guest(database)
    insert = """INSERT INTO guest_message (node_id, received_at, topic, headers, body)
                VALUES (%s, now() - %s * interval '1 minute', '', '{}', '')"""
    fetch(database, insert, guest.node, 1)
    assert [item.message for item in check_database(database) if item.check == "guests"] == [
        "no message of a guest waits"
    ]
    fetch(database, insert, guest.node, 11)
    (finding,) = [item for item in check_database(database) if item.check == "guests"]
    assert finding.message.startswith("1 messages of guests wait since ")
    assert "notary_key_file" in finding.remedy


def test_devices_are_compared_in_one_writing():
    assert normalize_sender("airrohr", "esp8266-12345") == normalize_sender("airrohr", "12345")
    assert normalize_sender("things-stack", "70B3D57ED0001234") == normalize_sender("things-stack", "70b3d57ed0001234")
    assert normalize_sender("json", "a-1") != normalize_sender("json", "1")
