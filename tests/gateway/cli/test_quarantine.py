"""Rejected payloads can be read, retried and, on record, deleted; none is lost or stored twice."""

import psycopg
import pytest

from edge_agent.wire import Signer
from gateway import __main__ as command
from gateway.decoding.decode import Payload
from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings
from gateway.ingest.pipeline import Pipeline
from gateway.model.registry import Node
from gateway.quality.flagger import Flagger
from gateway.store import stations
from gateway.store.connection import Store
from tests.gateway.enrolled_node import EnrolledNode


@pytest.fixture
async def pipeline(database):
    store = Store(database)
    yield Pipeline(store, Flagger(), Detector(DetectionSettings()))
    await store.close()


@pytest.fixture
def run(database, tmp_path, capsys):
    """run(*arguments) -> (exit code, output)."""
    (tmp_path / "piekwacht.toml").write_text(f'database = {{ dsn = "{database}" }}\n')

    def run(*arguments):
        code = command.main(["quarantine", "--config", str(tmp_path / "piekwacht.toml"), *map(str, arguments)])
        output = capsys.readouterr()
        return code, output.out + output.err

    return run


def rows(dsn, statement):
    with psycopg.connect(dsn) as connection:
        return connection.execute(statement).fetchall()


def register(dsn, statement):
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(statement)


def test_an_empty_list_is_a_sentence(database, run):
    assert run("list") == (0, "the quarantine is empty\n")
    assert run("list", "--reason", "forged") == (0, "no such payload is in quarantine\n")
    assert run("list", "--config", "missing.toml")[0] == 2, "the action takes the configuration too"


async def test_replay_stores_the_payloads_of_a_node_that_was_enrolled_too_late(pipeline, node, database, run):
    late_node = EnrolledNode(signer=Signer.generate("ijm-002"))
    await pipeline.process([late_node.payload(1), late_node.payload(2)])
    assert rows(database, "SELECT reason FROM quarantine") == [("unknown_node",)] * 2
    with psycopg.connect(database, autocommit=True) as connection:
        registered = Node(id="ijm-002", area="ijmond", station="wijk-aan-zee", key=late_node.signer.verifier)
        stations.put_node(connection, registered)
    assert run("replay", "--reason", "unknown_node")[1].startswith("2 payloads will be retried")
    assert "[to be retried]" in run("list")[1]
    assert await pipeline.replay_quarantined() == 2
    assert rows(database, "SELECT seq FROM batch WHERE node_id = 'ijm-002' ORDER BY seq") == [(1,), (2,)]
    assert rows(database, "SELECT count(*) FROM observation") == [(8,)]
    assert "[stored]" in run("list")[1]
    run("replay", 1)
    assert await pipeline.replay_quarantined() == 1
    assert rows(database, "SELECT outcome FROM quarantine ORDER BY id") == [("duplicate",), ("stored",)]
    assert rows(database, "SELECT count(*) FROM observation") == [(8,)]


async def test_replay_adds_the_values_of_a_property_that_was_registered_later_to_their_batch(
    pipeline, node, database, run
):
    await pipeline.process([node.payload(1, values={"pm10": [1.0, 2.0], "radon": [80.0, 81.0]})])
    assert rows(database, "SELECT count(*) FROM observation") == [(2,)]
    run("replay", 1)
    assert await pipeline.replay_quarantined() == 1
    assert rows(database, "SELECT outcome FROM quarantine") == [("unknown_property",)]
    register(database, "INSERT INTO observed_property VALUES ('radon', 'Bq/m3', 'radon', 'radon')")
    run("replay", 1)
    assert await pipeline.replay_quarantined() == 1
    assert rows(database, "SELECT outcome, (SELECT count(*) FROM quarantine) FROM quarantine") == [("stored", 1)]
    values = (
        "SELECT property_id, value, batch_id FROM observation o JOIN datastream d ON d.id = datastream_id ORDER BY 1, 2"
    )
    assert rows(database, values) == [("pm10", 1.0, 1), ("pm10", 2.0, 1), ("radon", 80.0, 1), ("radon", 81.0, 1)]
    run("replay", 1)
    assert await pipeline.replay_quarantined() == 1
    assert len(rows(database, values)) == 4


async def test_a_payload_that_is_rejected_again_stays_in_quarantine_once(pipeline, node, database, run):
    forged = node.payload(1)
    forged = Payload(topic=forged.topic, body=forged.body.replace(b"12.1", b"99.9"), received_at=forged.received_at)
    await pipeline.process([forged])
    run("replay", 1)
    assert await pipeline.replay_quarantined() == 1
    assert await pipeline.replay_quarantined() == 0
    assert rows(database, "SELECT reason, outcome FROM quarantine") == [("forged", "forged")]


async def test_show_prints_the_whole_payload_without_control_characters(pipeline, node, database, run):
    payload = node.payload(1)
    await pipeline.process([Payload(topic=payload.topic, body=b"\x1b[2Jevil\xff\n", received_at=payload.received_at)])
    code, output = run("show", 1)
    assert code == 0
    assert "\x1b" not in output
    assert "\\x1b[2Jevil\\xff" in output
    assert "unsigned: " in output


async def test_no_topic_reaches_the_terminal_unescaped_or_whole(pipeline, node, database, run):
    received_at = node.payload(1).received_at
    topics = ["pw/v1/ijmond/\x1b[2J\r\n#9 all is well/readings", "pw/v1/" + "\u202e" * 21_000]
    await pipeline.process([Payload(topic=topic, body=b"", received_at=received_at) for topic in topics])
    for words in (["list"], ["show", 1], ["show", 2]):
        code, output = run(*words)
        assert code == 0
        assert all(line.isprintable() for line in output.split("\n")), words
    assert "\\x1b[2J\\r\\n#9" in run("list")[1]
    assert max(map(len, run("list")[1].split("\n"))) < 2_000


async def test_the_beginning_of_a_too_long_payload_is_stored_and_its_replay_is_refused(pipeline, node, database, run):
    payload = node.payload(1)
    body = payload.body + b"x" * (2 << 20)
    await pipeline.process([Payload(topic=payload.topic, body=body, received_at=payload.received_at)])
    assert rows(database, "SELECT reason, length(payload) FROM quarantine") == [("too_long", 65_536)]
    ((detail,),) = rows(database, "SELECT detail FROM quarantine")
    assert detail.startswith(f"at least {len(body)} bytes, of which 65536 are stored")
    run("replay", 1)
    assert await pipeline.replay_quarantined() == 1
    assert rows(database, "SELECT outcome FROM quarantine") == [("too_long",)]


async def test_empty_needs_a_confirmation_and_stores_a_record(pipeline, node, database, run):
    payload = node.payload(1)
    await pipeline.process([Payload(topic=payload.topic, body=b"junk", received_at=payload.received_at)])
    code, output = run("empty", "--before", "2099-01-01T00:00Z")
    assert code == 2
    assert "add --yes" in output
    assert run("empty", "--before", "2000-01-01T00:00Z", "--yes")[1].startswith("0 payloads deleted")
    assert run("empty", "--before", "2099-01-01T00:00Z", "--yes")[1].startswith("1 payload deleted")
    assert rows(database, "SELECT count(*) FROM quarantine") == [(0,)]
    record = rows(database, "SELECT quarantined, reason, sha256 = sha256('junk') FROM quarantine_emptied")
    assert record == [(1, "unsigned", True)]


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [(["show", 77], 1, "no payload #77 is in quarantine"), (["replay"], 2, "give ids, or --reason")],
)
def test_a_mistake_is_one_sentence(run, words, code, sentence):
    exit_code, output = run(*words)
    assert (exit_code, output.count("\n")) == (code, 1)
    assert sentence in output
