"""No status or health message of a node keeps anything else from being stored."""

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import json

from edge_agent.wire import Signer, Topic, TopicKind
from gateway.ingest.commit import commit_with_retry
from gateway.ingest.micro_batch import MicroBatch
from gateway.model.registry import Node, Registry
from gateway.operator.node_report import describe_report
from gateway.store.nodes import NodeMessage, merge_messages
from tests.gateway.cli.test_quarantine import rows
from tests.gateway.doctor.test_nodes import list_nodes
from tests.gateway.enrolled_node import EnrolledNode, enrol_node

NODE = EnrolledNode(signer=Signer.generate("ijm-001"))
RECEIVED_AT = NODE.payload(1).received_at
REGISTRY = Registry(
    areas={}, sites=[], stations={}, properties={}, datastreams=[], slots={},
    nodes={"ijm-001": Node(id="ijm-001", area="ijmond", station="x", key=NODE.signer.verifier)},
)  # fmt: skip
BODIES = {
    "NUL": b'{"a":"x\\u0000y"}',
    "a backslash before the letters of NUL": b'{"a":"\\\\u0000"}',
    "two backslashes before NUL": b'{"a":"\\\\\\\\\\u0000"}',
    "NUL in a name": b'{"\\u0000":1}',
    "deep": b'{"a":' + b"[" * 900 + b"]" * 900 + b"}",
    "deeper": b'{"a":' + b"[" * 8_000 + b"]" * 8_000 + b"}",
    "many digits": b'{"a":' + b"9" * 16_000 + b"}",
    "a large exponent": b'{"a":1e308}',
    "a larger one": b'{"a":1e999}',
    "half a pair of surrogates": b'{"a":"\\ud800"}',
    "one name twice": b'{"a":1,"a":2}',
    "no text": b"\xff",
    "long": b'{"a":"' + b"x" * 2_000_000 + b'"}',
    "terminal codes": b'{"sensors":{"\\u001b[2J":"\\r\\n\\u202e"}}',
    "sensors as a number": b'{"sensors":5}',
    "refused values as a list": b'{"refused_values":[1]}',
    "a renewal in the year 300000": b'{"renewal":{"renewed_at":9223372036854775807,"reason":"x"}}',
    "a renewal without a reason": b'{"renewal":{"renewed_at":1}}',
    "remote as a text": b'{"remote":"x"}',
    "a certificate until now": b'{"certificate_until":5}',
    "ten thousand sensors": json.encode({"sensors": {f"s{n}": "x" for n in range(1_000)}}),
}
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text('\0\\u0"a\u2028', max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("\0\\u0a", max_size=4), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text("\0\\u0a", max_size=6), VALUES, max_size=4)


def node_message(body, kind=TopicKind.HEALTH):
    topic = Topic(area="ijmond", node="ijm-001", kind=kind)
    return NodeMessage(topic=topic, body=body, received_at=RECEIVED_AT, retained=False)


@pytest.fixture(scope="module")
def jsonb(postgres):
    """Converts a text to jsonb and back; the server raises if it is none."""
    with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        yield lambda text: connection.execute("SELECT %s::jsonb", [text]).fetchone()[0]


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(OBJECTS)
def test_every_object_is_one_that_the_database_holds_equal_but_for_nul(jsonb, content):
    entry = merge_messages([node_message(json.encode(content))], [], REGISTRY).get("ijm-001")
    if entry is not None:
        stored = jsonb(entry.health)
        assert isinstance(stored, dict)
        if "\0" not in repr(content) and "\\x00" not in repr(content):
            assert with_floats(stored) == with_floats(json.decode(json.encode(content)))


def with_floats(value):
    """The same object with every number as a float: the database writes 3.2e16 as an integer."""
    match value:
        case dict():
            return {key: with_floats(item) for key, item in value.items()}
        case list():
            return [with_floats(item) for item in value]
        case bool() | None | str():
            return value
    return float(value)


@pytest.fixture
def printed_nodes(database, tmp_path, capsys):
    """The lines of `piekwacht node list`, when called."""
    return lambda: list_nodes(database, tmp_path, capsys)


@pytest.mark.parametrize("name", BODIES)
async def test_a_hostile_message_is_stored_or_ignored_and_all_nodes_are_listed(
    pipeline, node, database, printed_nodes, name
):
    enrol_node(database, "ijm-002", "heemskerk")
    for kind in (TopicKind.HEALTH, TopicKind.STATUS):
        await pipeline.process([node.payload(1)], [node_message(BODIES[name], kind)])
    assert rows(database, "SELECT count(*) FROM batch") == [(1,)]
    lines = printed_nodes()
    assert [line.split()[0] for line in lines] == ["ijm-001", "ijm-002"]
    assert all(line.isprintable() and len(line) < 3_000 for line in lines)


@given(OBJECTS, OBJECTS)
def test_any_message_of_a_node_gives_remarks_and_no_error(status, health):
    wrapped = {"sensors": health, "refused_values": status, "renewal": health, "remote": status, **health}
    assert all(isinstance(remark, str) for remark in describe_report({"remote": wrapped, **status}, wrapped))


async def test_a_message_that_the_database_refuses_costs_no_other_message(pipeline, node, database, caplog):
    """Batches and the messages of other nodes are stored beside it."""
    enrol_node(database, "ijm-002", "heemskerk")
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "ALTER TABLE node_status ADD CONSTRAINT no_evil CHECK (health IS NULL OR NOT health ? 'evil')"
        )
    other = Topic(area="ijmond", node="ijm-002", kind=TopicKind.HEALTH)
    messages = [
        node_message(b'{"evil":1}'),
        NodeMessage(topic=other, body=b'{"good":1}', received_at=RECEIVED_AT, retained=False),
    ]
    payloads = [node.payload(1), node.payload(2)]
    speculation = await pipeline.speculate(payloads)
    micro_batch = MicroBatch(messages=[], payloads=payloads, node_messages=messages, speculation=speculation)
    await commit_with_retry(pipeline, micro_batch, retry=0.1, hold=1.0)
    assert rows(database, "SELECT seq FROM batch ORDER BY seq") == [(1,), (2,)]
    assert rows(database, "SELECT node_id FROM node_status WHERE health IS NOT NULL") == [("ijm-002",)]
    assert rows(database, "SELECT count(*) FROM quarantine") == [(0,)]
    assert "status of a node not stored" in [record.getMessage() for record in caplog.records]
