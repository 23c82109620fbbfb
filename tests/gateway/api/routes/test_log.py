"""The public log over HTTP: its files, proofs of batches and evidence of values, which need no trust in the server."""

import json
from urllib.parse import unquote

import msgspec
import psycopg
import pytest

from edge_agent.wire import Flag, ReadingBatch, Signer, Verifier
from gateway.model.timestamps import format_instant, from_ms
from gateway.quality.calibration import CalibrationVersion
from gateway.service.log_worker import LogWorker
from gateway.store.calibrations import add_calibration
from gateway.transparency.checkpoint import open_checkpoint, read_checkpoint
from gateway.transparency.leaf import Leaf, LeafKind, describe_batch, hash_content
from gateway.transparency.log_folder import LogFolder, write_file
from gateway.transparency.merkle import check_inclusion, hash_leaf
from gateway.transparency.policy import Policy
from gateway.transparency.proof_file import LogProof
from gateway.transparency.settings import PublicLogSettings
from gateway.transparency.tiles import Tile, decode_entries
from gateway.verification.evidence_check import EvidenceChecker, TrustedByReader
from gateway.verification.evidence_file import EvidenceFile, HeadTimeStamp
from gateway.verification.step import StepState
from tests.gateway.api.conftest import running_api
from tests.gateway.api.observation_batches import ingest_observations
from tests.gateway.enrolled_node import T0

HOST = "piekwacht.example"


@pytest.fixture
def log_settings(tmp_path):
    (tmp_path / "keys").mkdir()
    signer = Signer.generate(f"{HOST}/log/ijmond")
    (tmp_path / "keys" / "ijmond.key").write_text(signer.export())
    return PublicLogSettings(folder=tmp_path / "log", host=HOST, key_folder=tmp_path / "keys")


@pytest.fixture
async def sequence(database, log_settings):
    worker = LogWorker(log_settings, database, [], "piekwacht test")

    async def run():
        assert not await worker.run_once()

    yield run
    await worker.aclose()


@pytest.fixture
async def log_api(database, broker, log_settings):
    async with running_api(database, broker, log_settings) as (client, _):
        yield client


def verify_proof(text, entry, policy):
    """The leaf is in the log by this proof and policy; returns the head."""
    proof = LogProof.parse(text.encode())
    checkpoint, _ = Policy.parse(policy).open(proof.checkpoint)
    check_inclusion(proof.index, checkpoint.size, hash_leaf(entry), proof.hashes, checkpoint.root)
    return checkpoint


async def test_every_batch_is_proven_by_the_files_alone(log_api, pipeline, node, sequence, log_settings):
    await ingest_observations(pipeline, node, seconds=60)
    await sequence()
    verifier = Signer.parse(log_settings.key_file_of("ijmond").read_text()).verifier
    policy = (await log_api.get("/log/ijmond/policy")).text
    for number in (1, 11, 51):
        answer = await log_api.get(f"/api/v1/batches/{node.id}/{node.inc}/{number}/proof")
        assert answer.headers["content-type"].startswith("text/plain")
        evidence = await log_api.get(f"/api/v1/batches/{node.id}/{node.inc}/{number}/evidence")
        assert evidence.headers["content-type"] == "application/vnd.piekwacht.evidence+json"
        assert evidence.headers["content-disposition"].endswith(f'{number}.piekwacht.json"')
        file = EvidenceFile.parse(evidence.content)
        signed = file.batch.decode_signed()
        entry = describe_batch(node.id, node.inc, number, signed).encode()
        head = verify_proof(answer.text, entry, policy)
        assert head == verify_proof(file.batch.proof, entry, file.policy)
        assert head == open_checkpoint((await log_api.get("/log/ijmond/checkpoint")).content, verifier)
        key = Leaf.parse(file.node_key.leaf.encode())
        verify_proof(file.node_key.proof, key.encode(), policy)
        assert ReadingBatch.decode(Verifier.parse(key.content).open(signed)).seq == number


async def test_a_batch_that_is_not_in_the_log_is_404_with_the_reason(log_api, pipeline, node, sequence, database):
    path = f"/api/v1/batches/{node.id}/{node.inc}/1/proof"
    answer = await log_api.get(path)
    assert (answer.status_code, answer.json()["detail"]) == (404, f"no batch 1 of '{node.id}' ('{node.inc}') is stored")
    await ingest_observations(pipeline, node, seconds=10)
    answer = await log_api.get(path)
    assert answer.status_code == 404
    assert "is stored and not yet in the public log" in answer.json()["detail"]
    await sequence()
    await ingest_observations(pipeline, node, seconds=10, first_seq=11)
    with psycopg.connect(database) as connection:
        connection.execute(
            "INSERT INTO log_leaf SELECT 'ijmond', size, (SELECT id FROM batch WHERE seq = 11) FROM log_state"
        )
    answer = await log_api.get(path.replace("/1/proof", "/11/proof"))
    assert answer.status_code == 404
    assert "is not in the published head" in answer.json()["detail"]


async def test_files_of_the_log_have_their_headers_and_nothing_else_is_served(log_api, pipeline, node, sequence):
    await ingest_observations(pipeline, node, seconds=60)
    assert (await log_api.get("/log/ijmond/checkpoint")).status_code == 404
    await sequence()
    checkpoint = await log_api.get("/log/ijmond/checkpoint")
    assert checkpoint.headers["content-type"] == "text/plain; charset=utf-8"
    assert checkpoint.headers["cache-control"] == "public, max-age=5"
    size = int(checkpoint.text.split("\n")[1])
    for path in (Tile(level=0, index=0, width=size).path, Tile(level=None, index=0, width=size).path):
        answer = await log_api.get(f"/log/ijmond/{path}")
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["access-control-allow-origin"] == "*"
    entries = decode_entries(answer.content, width=size)
    assert sum(Leaf.parse(entry).kind is LeafKind.BATCH for entry in entries) == 6
    for path in (
        "ijmond/tile/0/001", "ijmond/tile/0/0", "ijmond/tile/0/000.p/0", "ijmond/tile/0/x000/000", "ijmond/tile/64/000",
        "ijmond/tile/entries/000.p/256", "ijmond/tile/%2e%2e/checkpoint", "ijmond/state", "ijmond/pending", "ijmond/",
        "state/ijmond.head",
        "..%2flog%2fijmond/checkpoint", "%2e%2e/checkpoint", "IJMOND/checkpoint", "zaan/checkpoint",
        "ijmond/timestamps/7.tsr", "ijmond/timestamps/07.tsr", "ijmond/timestamps/..%2fcheckpoint",
        "ijmond/timestamps/%C2%B2.tsr", "ijmond/checkpoint.new",
    ):  # fmt: skip
        answer = await log_api.get(f"/log/{path}")
        assert answer.status_code == 404, unquote(path)


async def test_evidence_of_a_value_has_the_signed_batch_and_the_published_value(log_api, pipeline, node, sequence):
    await ingest_observations(pipeline, node, humidity=lambda second: 70.0)
    await sequence()
    at = format_instant(from_ms(T0 + 103_000))
    answer = await log_api.get("/api/v1/stations/wijk-aan-zee/evidence", params={"property": "pm2_5", "at": at})
    assert answer.status_code == 200, answer.text
    file = EvidenceFile.parse(answer.content)
    page = (await log_api.get("/api/v1/stations/wijk-aan-zee/observations",
            params={"averaging": "raw", "start": at, "end": format_instant(from_ms(T0 + 103_001))})).json()  # fmt: skip
    (shown,) = page["items"]
    claim = file.claim
    assert (claim.value, claim.observed_at, claim.published.corrected) == (98.1, at, shown["corrected"])
    assert (claim.published.value, claim.published.flags) == (shown["value"], shown["flags"])
    assert claim.published.rule == "kappa-koehler 2"
    assert {Leaf.parse(rule.leaf.encode()).fields[0].split("@")[0] for rule in file.rules} == {
        "kappa-koehler", "ranges-of-properties", "peak",
    }  # fmt: skip
    heads = set()
    for item in (*file.rules, *file.events):
        leaf = Leaf.parse(item.leaf.encode())
        assert leaf.content == hash_content(item.document.encode())
        heads.add(verify_proof(item.proof, item.leaf.encode(), file.policy).size)
    assert file.events
    for batch in file.minute_batches:
        entry = describe_batch(batch.node, batch.incarnation, batch.number, batch.decode_signed()).encode()
        heads.add(verify_proof(batch.proof, entry, file.policy).size)
    assert len(heads) == 1
    numbers = {batch.number for batch in file.minute_batches} | {file.batch.number}
    assert numbers == set(range(51, 131, 10)), "those of the minute, the one before and the one after"


def enrol_earlier(database):
    """The recording of the tests was made before the node was enrolled in this database."""
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE node_key SET since = '2026-01-01T00:00:00Z'")
        connection.execute(
            """UPDATE log_source SET body = jsonb_set(body, '{since}', '"2026-01-01T00:00:00Z"')
               WHERE kind = 'node-key'"""
        )


async def ingest_without_gap(pipeline, node):
    for number in range(1, 18):  # without a gap, as a node counts
        seconds = range((number - 1) * 10, number * 10)
        values = [8.0 + 0.1 * (s % 3) + (90.0 if 100 <= s < 120 else 0.0) for s in seconds]
        humidity = [70.0 + s % 7 for s in seconds]
        payload = node.payload(
            number,
            t0=T0 + seconds[0] * 1000,
            dt=[i * 1000 for i in range(10)],
            values={"pm2_5": values, "humidity": humidity},
            received_at=from_ms(T0 + number * 10_000),
        )
        await pipeline.process([payload])


async def test_evidence_of_a_calibrated_value_has_the_calibration_and_is_true(
    log_api, pipeline, node, sequence, database
):
    enrol_earlier(database)
    await ingest_without_gap(pipeline, node)
    calibration = CalibrationVersion(
        node=node.id, observed_property="pm2_5", version=0, valid_from=from_ms(T0).replace(minute=0, second=0),
        sensor_model="SPS30", slope=0.5, humidity_slope=0.1, source="report", author="GGD",
    )  # fmt: skip
    with psycopg.connect(database, autocommit=True) as connection:
        add_calibration(connection, calibration)
        add_calibration(connection, msgspec.structs.replace(calibration, slope=0.75))
    await sequence()
    at = format_instant(from_ms(T0 + 103_000))
    answer = await log_api.get("/api/v1/stations/wijk-aan-zee/evidence", params={"property": "pm2_5", "at": at})
    assert answer.status_code == 200, answer.text
    file = EvidenceFile.parse(answer.content)
    assert file.claim.published.rule == f"calibration/{node.id}/pm2_5 2"
    assert file.claim.published.corrected is not None
    leaves = [Leaf.parse(rule.leaf.encode()) for rule in file.rules]
    assert [leaf.fields[:3] for leaf in leaves if leaf.kind is LeafKind.CALIBRATION] == [(node.id, "pm2_5", "2")]
    policy = Policy.parse((await log_api.get("/log/ijmond/policy")).text)
    steps = EvidenceChecker(TrustedByReader(policy=policy)).check(answer.content)
    assert [(step.state, step.text) for step in steps if step.name == "correction"] == [(StepState.OK, "correction.ok")]


async def test_the_verifier_confirms_every_step_of_the_evidence(log_api, pipeline, node, sequence, database):
    enrol_earlier(database)
    await ingest_without_gap(pipeline, node)
    await sequence()
    at = format_instant(from_ms(T0 + 103_000))
    answer = await log_api.get("/api/v1/stations/wijk-aan-zee/evidence", params={"at": at})
    policy = Policy.parse((await log_api.get("/log/ijmond/policy")).text)
    steps = EvidenceChecker(TrustedByReader(policy=policy)).check(answer.content)
    assert [(step.name, step.reason) for step in steps if step.state is StepState.FALSE] == []
    confirmed = {step.name for step in steps if step.state is StepState.OK}
    assert {"node_key", "value", "published", "correction", "rule", "event", "detector"} <= confirmed
    changed = answer.content.replace(b'"value":98.1', b'"value":18.1')
    assert any(step.state is StepState.FALSE for step in EvidenceChecker(TrustedByReader(policy=policy)).check(changed))


async def test_evidence_leads_to_the_earliest_head_with_a_time_stamp(log_api, pipeline, node, sequence, log_settings):
    await ingest_observations(pipeline, node, seconds=10)
    await sequence()
    folder = LogFolder.of(log_settings, "ijmond")
    note = folder.read_checkpoint()
    size = read_checkpoint(note).size
    await ingest_observations(pipeline, node, seconds=10, first_seq=11)
    await sequence()
    write_file(folder.path / "timestamps" / f"{size}.tsr", b"token")
    write_file(folder.path / "timestamps" / f"{size}.checkpoint", note)
    path = f"/api/v1/batches/{node.id}/{node.inc}"
    stamped = EvidenceFile.parse((await log_api.get(f"{path}/1/evidence")).content)
    assert stamped.time_stamp == HeadTimeStamp(size=size, token="dG9rZW4=")
    assert LogProof.parse(stamped.batch.proof.encode()).checkpoint == note
    later = EvidenceFile.parse((await log_api.get(f"{path}/11/evidence")).content)
    assert later.time_stamp is None
    assert (await log_api.get(f"/log/ijmond/timestamps/{size}.tsr")).content == b"token"
    assert (await log_api.get(f"/log/ijmond/timestamps/{size}.checkpoint")).content == note


async def test_evidence_of_a_flagged_value_states_its_flags(log_api, pipeline, node, sequence):
    flags = {"pm2_5": [int(Flag.WARM_UP), 0]}
    await pipeline.process([node.payload(1, flags=flags)])
    await sequence()
    at = format_instant(from_ms(T0))
    answer = await log_api.get("/api/v1/stations/wijk-aan-zee/evidence", params={"at": at})
    claim = EvidenceFile.parse(answer.content).claim
    assert (claim.value, claim.flags) == (12.1, int(Flag.WARM_UP))
    assert "warm_up" in claim.published.flags
    assert claim.published.corrected is None


@pytest.mark.parametrize(
    ("path", "status", "reason"),
    [
        ("stations/wijk-aan-zee/evidence?at=2026-11-21T02:40:00.000Z", 404, "has no reading of pm2_5"),
        ("stations/nowhere/evidence?at=2026-11-21T02:40:00.000Z", 404, "no station"),
        ("stations/wijk-aan-zee/evidence?at=yesterday", 400, "is no time"),
        ("stations/wijk-aan-zee/evidence", 400, "at"),
        ("stations/wijk-aan-zee/evidence?at=2026-11-21T02:40:00.000Z&property=gold", 400, "property"),
        ("batches/ijm-001/k3v5x2m2q7ab/0/proof", 400, "number"),
        ("batches/ijm-001/k3v5x2m2q7ab/9223372036854775807/proof", 400, "number"),
        ("batches/ijm-001/k3v5x2m2q7ab/1/evidence", 404, "is stored"),
    ],
)
async def test_a_request_for_evidence_that_cannot_be_met_is_a_sentence(log_api, node, path, status, reason):
    answer = await log_api.get(f"/api/v1/{path}")
    assert (answer.status_code, reason in answer.json()["detail"]) == (status, True), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


async def test_after_retention_deleted_the_bytes_the_proof_remains(log_api, pipeline, node, sequence, database):
    await ingest_observations(pipeline, node, seconds=10)
    await sequence()
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE batch SET payload = ''")
    path = f"/api/v1/batches/{node.id}/{node.inc}/1"
    assert (await log_api.get(f"{path}/proof")).status_code == 200
    answer = await log_api.get(f"{path}/evidence")
    assert (answer.status_code, "were deleted: see the removals in the log" in answer.text) == (404, True)


async def test_without_a_public_log_its_addresses_are_404(api, pipeline, node):
    await ingest_observations(pipeline, node, seconds=10)
    for path in ("/log/ijmond/checkpoint", f"/api/v1/batches/{node.id}/{node.inc}/1/proof"):
        answer = await api.get(path)
        assert (answer.status_code, answer.json()["detail"]) == (404, "this installation has no public log")
    assert "openbaar logboek" not in (await api.get("/nl/")).text


async def test_the_foot_of_every_page_shows_the_newest_head(log_api, pipeline, node, sequence):
    await ingest_observations(pipeline, node, seconds=10)
    await sequence()
    size = int((await log_api.get("/log/ijmond/checkpoint")).text.split("\n")[1])
    for language, name in (("nl", "openbaar logboek"), ("en", "public log")):
        page = (await log_api.get(f"/{language}/about")).text
        assert f'<a href="/log/ijmond/checkpoint">{name}</a>: {size} ' in page


async def test_the_leaf_of_an_event_is_what_the_api_published(log_api, pipeline, node, sequence, database):
    await ingest_observations(pipeline, node)
    await sequence()
    (event,) = (await log_api.get("/api/v1/events")).json()["items"]
    beside = {"licence", "attribution", "plume", "falseAlarm"}  # not of the detector
    published = {name: value for name, value in event.items() if name not in beside}
    with psycopg.connect(database) as connection:
        rows = connection.execute(
            "SELECT entry, document FROM log_leaf WHERE source LIKE 'event %' ORDER BY number"
        ).fetchall()
    assert len(rows) == event["revision"]
    entry, document = rows[-1]
    assert json.loads(document) == published
    assert Leaf.parse(entry.encode()).content == hash_content(document.encode())
