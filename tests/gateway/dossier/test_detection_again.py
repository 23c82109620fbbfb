"""`piekwacht verify` runs the detector again over the batches in a dossier, and names what differs."""

import asyncio
import json
import zipfile
from base64 import b64decode, b64encode
from datetime import UTC, datetime, timedelta
from io import BytesIO
from itertools import groupby

import numpy as np
import psycopg
import pytest
from msgspec.structs import replace

from edge_agent.wire import Signer
from gateway.detection.detector import Detector
from gateway.detection.stored_states import STATE
from gateway.dossier import detection_inputs
from gateway.dossier.build import build_dossier, open_source
from gateway.dossier.request import EventRequest, PeriodRequest
from gateway.service.log_worker import LogWorker
from gateway.transparency.settings import PublicLogSettings
from gateway.verification.detection_check import check_detection
from gateway.verification.dossier_check import check_dossier
from gateway.verification.dossier_files import ZipFiles
from gateway.verification.evidence_check import EvidenceChecker, TrustedByReader
from gateway.verification.membership import read_policy
from tests.gateway.api.routes.test_log import enrol_earlier
from tests.gateway.dossier.conftest import PUBLISHER, read_json, unpack
from tests.gateway.dossier.relogged import change_values, relog
from tests.gateway.enrolled_node import T0
from tests.gateway.verification.detection_text import DetectionFile, parts_of

HOST = "piekwacht.example"
pytestmark = pytest.mark.timeout(300)  # the first test waits for the recorded event


async def run_log(dsn, settings):
    worker = LogWorker(settings, dsn, [], "piekwacht test")
    assert not await worker.run_once()
    await worker.aclose()


@pytest.fixture(scope="module")
def logged(postgres, recorded, tmp_path_factory):
    """(dsn, settings of the log) of the recorded event in a database with a public log."""
    folder = tmp_path_factory.mktemp("log")
    dsn = postgres.create_database("detected_again", template="recorded")
    enrol_earlier(dsn)
    (folder / "ijmond.key").write_text(Signer.generate(f"{HOST}/log/ijmond").export())
    settings = PublicLogSettings(folder=folder / "log", host=HOST, key_folder=folder)
    asyncio.run(run_log(dsn, settings))
    return dsn, settings


@pytest.fixture(scope="module")
def dossier(recorded, logged):
    """The dossier of the recorded event, as bytes."""
    dsn, settings = logged
    return asyncio.run(build_dossier(dsn, EventRequest(event=recorded[1]), PUBLISHER, open_source(settings))).content


@pytest.fixture(scope="module")
def logged_files(dossier):
    return unpack(dossier)


@pytest.fixture(scope="module")
def detection(recorded, logged_files):
    """The detection file, decoded."""
    return DetectionFile.parse(logged_files[f"data/detection/{recorded[1]}.piekwacht-detection.json"])


def check(content, policy):
    """Steps of a detection file by this policy: name -> step, the last of each name."""
    checker = EvidenceChecker(TrustedByReader(policy=read_policy(policy)))
    return {step.name: step for step in check_detection(parts_of(content), checker).steps}


def false_steps(steps):
    return {name: step.describe() for name, step in steps.items() if step.state == "false"}


def test_the_detector_gives_every_revision_of_the_event_again(dossier, logged_files):
    policy = read_policy(logged_files["data/policy.txt"].decode())
    steps = check_dossier(ZipFiles(dossier), EvidenceChecker(TrustedByReader(policy=policy)))
    assert {step.state for step in steps if step.name in {"leaves", "state", "detector", "rule", "event"}} == {"ok"}
    assert not [step for step in steps if step.state == "false"]
    (detection,) = [step for step in steps if step.name == "detection"]
    event = read_json(logged_files, "event.json")
    assert detection.state == "ok"
    assert f"up to revision {event['revision']}" in detection.describe()
    assert detection.compared["peak"] == str(event["peak"])
    assert detection.compared["confidence"] == str(event["confidence"])


def test_leaves_stand_in_the_order_of_their_causes(logged):
    with psycopg.connect(logged[0]) as connection:
        query = "SELECT coalesce(split_part(source, ' ', 1), 'batch'), source FROM log_leaf ORDER BY number"
        leaves = connection.execute(query).fetchall()
    order = [kind for kind, _ in groupby(kind for kind, _ in leaves)]
    assert order == ["correction-rule", "detector", "node-key", "detector-state", "batch", "event"]
    ((number, source),) = [(n, source) for n, (kind, source) in enumerate(leaves) if kind == "detector-state"]
    assert int(source.split()[-1]) == number + 1


def test_a_state_that_was_logged_after_its_batches_is_not_called_proven(detection):
    steps = check(*relog(detection, state=detection.state.document, is_late=True))
    assert (steps["state"].state, steps["state"].text) == ("not checked", "state.late")


def test_a_log_that_has_the_state_before_the_event_proves_the_whole_detection(detection):
    content, policy = relog(detection, state=detection.state.document)
    steps = check(content, policy)
    assert {step.state for step in steps.values()} == {"ok"}


def test_a_state_without_a_leaf_is_a_statement_of_the_operator(detection):
    steps = check(*relog(detection))
    assert (steps["state"].state, steps["detection"].state) == ("not checked", "ok")


def test_a_changed_peak_with_its_own_hash_is_not_in_the_log(detection, logged_files):
    (event,) = detection.events
    last = event.revisions[-1]
    changed = replace(last, document=change_values(last.document, peak=99.5))
    events = [replace(event, revisions=[*event.revisions[:-1], changed])]
    steps = check(replace(detection, events=events).encode(), logged_files["data/policy.txt"].decode())
    assert "another hash than its leaf" in false_steps(steps)["event"]
    assert steps["detection"].text == "detection.inputs"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("peak", 99.5),
        ("onset", "2026-11-21T03:05:04.000Z"),
        ("confidence", 0.98),
        ("reasons", []),
        ("kind", "regional"),
        ("severity", "minor"),
        ("severity", "extreme"),
    ],
)
def test_a_value_that_the_operator_changed_in_his_own_log_is_named(detection, name, value):
    documents = [item.document for item in detection.events[0].revisions]
    documents[-1] = change_values(documents[-1], **{name: value})
    steps = check(*relog(detection, events=documents))
    assert f"`{name}` is {json.dumps(value)} in the log" in false_steps(steps)["detection"]


def test_levels_of_severity_that_the_operator_changed_in_his_own_log_are_named(detection):
    ranges = json.loads(detection.ranges.document)
    for row in ranges["properties"]:
        row["severity"] = None
    steps = check(*relog(detection, ranges=json.dumps(ranges)))
    assert "by the detector" in false_steps(steps)["detection"]


def test_a_revision_that_the_detector_did_not_make_is_named(detection):
    documents = [item.document for item in detection.events[0].revisions]
    documents[0] = change_values(documents[0], background=1.5)
    assert (
        "revision 1: `background` is 1.5 in the log"
        in false_steps(check(*relog(detection, events=documents)))["detection"]
    )


def test_another_setting_of_the_detector_is_named(detection):
    settings = json.loads(detection.detector.document)
    settings["property"]["pm2_5"]["threshold"] = 4.0
    steps = check(*relog(detection, detector=json.dumps(settings)))
    assert "parameters in the log are not those" in false_steps(steps)["detector"]


def test_readings_that_are_left_out_of_the_file_are_named(detection, logged_files):
    policy = logged_files["data/policy.txt"].decode()
    for leaves in (detection.leaves[:200] + detection.leaves[201:], detection.leaves[:-1], detection.leaves[1:]):
        steps = check(replace(detection, leaves=leaves).encode(), policy)
        assert "leaves" in false_steps(steps)
    emptied = [*detection.leaves[:200], replace(detection.leaves[200], signed=None), *detection.leaves[201:]]
    steps = check(replace(detection, leaves=emptied).encode(), policy)
    assert "no leaf of a known kind" in false_steps(steps)["leaves"]


def test_readings_that_the_operator_left_out_of_his_own_log_give_another_event(detection):
    steps = check(*relog(detection, leaves=detection.leaves[:500] + detection.leaves[520:]))
    assert "by the detector" in false_steps(steps)["detection"]


def test_a_batch_that_no_node_signed_is_named(detection):
    leaf = detection.leaves[300]
    payload = b64decode(leaf.signed)
    forged = replace(leaf, signed=b64encode(payload.replace(b'"pm2_5":[8', b'"pm2_5":[9', 1)).decode())
    assert forged != leaf
    steps = check(*relog(detection, leaves=[*detection.leaves[:300], forged, *detection.leaves[301:]]))
    assert "signed batch" in false_steps(steps)["leaves"]


def test_a_batch_that_is_declared_late_gives_another_event(detection):
    leaves = [replace(leaf, late=True) if 480 < i < 540 else leaf for i, leaf in enumerate(detection.leaves)]
    steps = check(*relog(detection, leaves=leaves))
    assert "detection" in false_steps(steps)


def change_state(detection, change):
    document = json.loads(detection.state.document)
    states = np.frombuffer(b64decode(document["detection"]), STATE).copy()
    change(states)
    document["detection"] = b64encode(states.tobytes()).decode()
    return replace(detection.state, document=json.dumps(document))


def test_a_state_that_names_a_datastream_outside_it_is_refused(detection):
    def point_outside(states):
        states["group"]["slot"] = 10**9

    steps = check(*relog(replace(detection, state=change_state(detection, point_outside))))
    assert "a group names a datastream that the states do not have" in false_steps(steps)["detection"]


def test_another_state_with_the_leaf_of_the_true_one_is_named(detection):
    def raise_background(states):
        states["stream"]["background"] += 5.0

    content, policy = relog(detection, state=detection.state.document)
    file = DetectionFile.parse(content)
    forged = replace(file, state=replace(file.state, document=change_state(detection, raise_background).document))
    assert "another hash than its leaf" in false_steps(check(forged.encode(), policy))["state"]


@pytest.mark.parametrize("noise", [b"", b"\x00" * 100, b"\xff" * 20_000])
def test_a_state_of_random_bytes_ends_in_a_sentence(detection, noise):
    document = json.loads(detection.state.document)
    document["detection"] = b64encode(noise).decode()
    file = replace(detection, state=replace(detection.state, document=json.dumps(document)))
    assert "the state is not one of this detector" in false_steps(check(*relog(file)))["detection"]


def test_a_file_of_another_detector_version_names_the_version_to_install(detection, monkeypatch):
    monkeypatch.setattr(Detector, "__init__", name_differently(Detector.__init__))
    steps = check(*relog(detection))
    assert (steps["detection"].state, steps["detection"].text) == ("not checked", "detection.version")
    assert "this program has peak@99#" in steps["detection"].describe()
    assert "Install the version" in steps["detection"].describe()


def name_differently(original):
    def initialize(self, settings):
        original(self, settings)
        self.name = f"peak@99#{self.name.partition('#')[2]}"

    return initialize


@pytest.mark.parametrize(
    "content", [b'{"format":"piekwacht/detection@v1"}', b'{"format":"piekwacht/detection@v2"}', b"{}"]
)
def test_a_file_that_is_no_detection_file_is_one_false_step(content):
    result = check_detection(parts_of(content), EvidenceChecker(TrustedByReader()))
    assert [(step.name, str(step.state)) for step in result.steps] == [("file", "false")]
    assert "the detection file cannot be read" in result.steps[0].describe()


async def test_the_dossier_of_a_period_proves_the_detection_of_each_event(recorded, logged):
    dsn, settings = logged
    start = datetime.fromtimestamp(T0 / 1000, UTC)
    request = PeriodRequest(station="wijk-aan-zee", start=start, end=start + timedelta(hours=2))
    dossier = await build_dossier(dsn, request, PUBLISHER, open_source(settings))
    files = unpack(dossier.content)
    events = {item["id"] for item in read_json(files, "events.json")["items"]}
    steps = check_dossier(
        ZipFiles(dossier.content),
        EvidenceChecker(TrustedByReader(policy=read_policy(files["data/policy.txt"].decode()))),
    )
    detections = [step for step in steps if step.name == "detection"]
    assert len(events) > 1
    assert recorded[1] in events
    assert len([name for name in files if "/detection/" in name]) == 1, "one state, one file"
    assert [(step.state, len(events)) for step in detections] == [("ok", len(events))] * len(events)
    assert all(any(id_ in step.describe() for step in detections) for id_ in events)


async def test_an_event_whose_batches_were_deleted_has_no_detection_file(recorded, logged):
    dsn, settings = logged
    with psycopg.connect(dsn, autocommit=True) as connection:
        before = connection.execute("SELECT id, payload FROM batch ORDER BY id LIMIT 1").fetchone()
        connection.execute("UPDATE batch SET payload = '' WHERE id = %s", [before[0]])
        try:
            dossier = await build_dossier(dsn, EventRequest(event=recorded[1]), PUBLISHER, open_source(settings))
        finally:
            connection.execute("UPDATE batch SET payload = %s WHERE id = %s", [before[1], before[0]])
    with zipfile.ZipFile(BytesIO(dossier.content)) as archive:
        assert not [name for name in archive.namelist() if "/detection/" in name]


@pytest.mark.parametrize("limit", ["MAX_LEAVES", "MAX_DETECTION_BYTES", "_MAX_FILES_BYTES"])
async def test_an_event_beyond_a_limit_of_the_verifiers_has_no_detection_file(recorded, logged, monkeypatch, limit):
    monkeypatch.setattr(detection_inputs, limit, 200)
    dsn, settings = logged
    dossier = await build_dossier(dsn, EventRequest(event=recorded[1]), PUBLISHER, open_source(settings))
    files = unpack(dossier.content)
    assert not [name for name in files if "/detection/" in name]
    assert "Gebeurtenissen waaraan de detector niet opnieuw kan rekenen: 1." in files["data/dossier.html"].decode()
