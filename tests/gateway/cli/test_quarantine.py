"""What was refused can be read, tried again and, with a name under it, taken away; nothing of it is lost on the way."""

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
    """run(*words) -> (exit code, what was printed)."""
    (tmp_path / "piekwacht.toml").write_text(f'database = {{ dsn = "{database}" }}\n')

    def run(*words):
        code = command.main(["quarantine", "--config", str(tmp_path / "piekwacht.toml"), *map(str, words)])
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


def rows(dsn, statement):
    with psycopg.connect(dsn) as connection:
        return connection.execute(statement).fetchall()


def register(dsn, statement):
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(statement)


async def test_a_node_that_was_enrolled_too_late_loses_nothing(pipeline, node, database, run):
    late = EnrolledNode(signer=Signer.generate("ijm-002"))
    await pipeline.process([late.payload(1), late.payload(2)])
    assert rows(database, "SELECT reason FROM quarantine") == [("unknown_node",)] * 2
    with psycopg.connect(database, autocommit=True) as connection:
        known = Node(id="ijm-002", area="ijmond", station="wijk-aan-zee", key=late.signer.verifier)
        stations.put_node(connection, known)
    assert run("replay", "--reason", "unknown_node")[1].startswith("2 payloads will be tried again")
    assert "[to be tried again]" in run("list")[1]
    assert await pipeline.replay() == 2
    assert rows(database, "SELECT seq FROM batch WHERE node_id = 'ijm-002' ORDER BY seq") == [(1,), (2,)]
    assert rows(database, "SELECT count(*) FROM observation") == [(8,)]
    assert "[stored]" in run("list")[1]
    run("replay", 1)
    assert await pipeline.replay() == 1
    assert rows(database, "SELECT outcome FROM quarantine ORDER BY id") == [("duplicate",), ("stored",)]
    assert rows(database, "SELECT count(*) FROM observation") == [(8,)]


async def test_a_property_that_became_known_later_joins_the_batch_it_came_in(pipeline, node, database, run):
    await pipeline.process([node.payload(1, values={"pm10": [1.0, 2.0], "radon": [80.0, 81.0]})])
    assert rows(database, "SELECT count(*) FROM observation") == [(2,)]
    run("replay", 1)
    assert await pipeline.replay() == 1
    assert rows(database, "SELECT outcome FROM quarantine") == [("unknown_property",)]
    register(database, "INSERT INTO observed_property VALUES ('radon', 'Bq/m3', 'radon', 'radon')")
    run("replay", 1)
    assert await pipeline.replay() == 1
    assert rows(database, "SELECT outcome, (SELECT count(*) FROM quarantine) FROM quarantine") == [("stored", 1)]
    values = (
        "SELECT property_id, value, batch_id FROM observation o JOIN datastream d ON d.id = datastream_id ORDER BY 1, 2"
    )
    assert rows(database, values) == [("pm10", 1.0, 1), ("pm10", 2.0, 1), ("radon", 80.0, 1), ("radon", 81.0, 1)]
    run("replay", 1)
    assert await pipeline.replay() == 1
    assert len(rows(database, values)) == 4


async def test_what_is_still_wrong_stays_and_is_not_doubled(pipeline, node, database, run):
    forged = node.payload(1)
    forged = Payload(topic=forged.topic, body=forged.body.replace(b"12.1", b"99.9"), received_at=forged.received_at)
    await pipeline.process([forged])
    run("replay", 1)
    assert await pipeline.replay() == 1
    assert await pipeline.replay() == 0
    assert rows(database, "SELECT reason, outcome FROM quarantine") == [("forged", "forged")]


async def test_a_payload_is_shown_whole_and_cannot_steer_the_terminal(pipeline, node, database, run):
    payload = node.payload(1)
    await pipeline.process([Payload(topic=payload.topic, body=b"\x1b[2Jevil\xff\n", received_at=payload.received_at)])
    code, said = run("show", 1)
    assert code == 0
    assert "\x1b" not in said
    assert "\\x1b[2Jevil\\xff" in said
    assert "unsigned: " in said


async def test_emptying_asks_twice_and_leaves_a_record(pipeline, node, database, run):
    payload = node.payload(1)
    await pipeline.process([Payload(topic=payload.topic, body=b"junk", received_at=payload.received_at)])
    code, said = run("empty", "--before", "2099-01-01")
    assert code == 2
    assert "add --yes" in said
    assert run("empty", "--before", "2000-01-01", "--yes")[1].startswith("0 payloads are deleted")
    assert run("empty", "--before", "2099-01-01", "--yes")[1].startswith("1 payloads are deleted")
    assert rows(database, "SELECT count(*) FROM quarantine") == [(0,)]
    record = rows(database, "SELECT quarantined, reason, sha256 = sha256('junk') FROM quarantine_emptied")
    assert record == [(1, "unsigned", True)]


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [(["show", 77], 1, "there is no #77 in quarantine"), (["replay"], 2, "say which: ids, or --reason")],
)
def test_a_mistake_is_one_sentence(run, words, code, sentence):
    got, said = run(*words)
    assert (got, said.count("\n")) == (code, 1)
    assert sentence in said
