"""A site that ran before its log, or before states had leaves: the next event is proven in every step."""

import subprocess
import sys

import psycopg
import pytest

from edge_agent.wire import Signer
from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings
from gateway.dossier.build import build_dossier, open_source
from gateway.dossier.request import EventRequest
from gateway.ingest.pipeline import Pipeline
from gateway.quality.flagger import Flagger
from gateway.store.connection import Store
from gateway.transparency.settings import PublicLogSettings
from gateway.verification.dossier_check import check_dossier
from gateway.verification.dossier_files import ZipFiles
from gateway.verification.evidence_check import EvidenceChecker, TrustedByReader
from gateway.verification.membership import read_policy
from tests.gateway.api.routes.test_log import enrol_earlier
from tests.gateway.dossier.conftest import PUBLISHER, unpack
from tests.gateway.dossier.recorded_event import enrol_stations, record_event
from tests.gateway.dossier.test_detection_again import HOST, run_log

pytestmark = pytest.mark.timeout(300)
RECORDING = {"begin": 1_500, "minutes": 4, "after": 300}
UPGRADE = 1_260  # s: four minutes before the event
HIDE = "ALTER TABLE checkpoint RENAME TO hidden; CREATE TABLE checkpoint (LIKE hidden INCLUDING ALL)"
SHOW = "DROP TABLE checkpoint; ALTER TABLE hidden RENAME TO checkpoint"


async def ingest(dsn, nodes, span):
    """Run one process of ingest over these seconds of the recording."""
    store = Store(dsn)
    pipeline = Pipeline(store, Flagger(), Detector(DetectionSettings()))
    await record_event(pipeline, nodes, **RECORDING, span=span)
    await store.close()


def find_event(dsn):
    with psycopg.connect(dsn) as connection:
        query = "SELECT id FROM event WHERE kind = 'peak' AND station_id = 'wijk-aan-zee' ORDER BY peak DESC LIMIT 1"
        return connection.execute(query).fetchone()[0]


@pytest.fixture
def settings(tmp_path):
    (tmp_path / "ijmond.key").write_text(Signer.generate(f"{HOST}/log/ijmond").export())
    return PublicLogSettings(folder=tmp_path / "log", host=HOST, key_folder=tmp_path)


@pytest.mark.parametrize("before", ["no log", "log without states"])
async def test_the_event_after_an_upgrade_is_proven_in_every_step(database, settings, tmp_path, before):
    nodes = enrol_stations(database)
    enrol_earlier(database)
    await ingest(database, nodes, (0, UPGRADE))
    if before == "log without states":
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute(HIDE)
            await run_log(database, settings)
            connection.execute(SHOW)
    await ingest(database, nodes, (UPGRADE, None))
    await run_log(database, settings)

    dossier = await build_dossier(database, EventRequest(event=find_event(database)), PUBLISHER, open_source(settings))
    policy = unpack(dossier.content)["data/policy.txt"].decode()
    steps = check_dossier(ZipFiles(dossier.content), EvidenceChecker(TrustedByReader(policy=read_policy(policy))))
    (state,) = [step for step in steps if step.name == "state"]
    (detection,) = [step for step in steps if step.name == "detection"]
    assert (state.state, detection.state) == ("ok", "ok"), [step.describe() for step in steps if step.state != "ok"]
    assert not [step for step in steps if step.state == "false"]
    assert list_unchecked(dossier.content, tmp_path / "unpacked") == {
        "completeness",  # the recording has a gap
        "detection",  # the program has no detector
        "detector",
        "witnesses",  # the policy demands none
    }


def list_unchecked(content, folder):
    """Names of the steps that verify.py of the dossier did not check; none is false."""
    for path, file in unpack(content).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(file)
    done = subprocess.run(
        [sys.executable, "data/verify.py", ".", "--policy", "data/policy.txt"],
        capture_output=True,
        text=True,
        cwd=folder,
    )
    assert done.returncode == 3, done.stdout
    return {line.split()[2] for line in done.stdout.splitlines() if line.startswith("not checked")}
