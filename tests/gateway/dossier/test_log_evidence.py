"""The verifier in a dossier checks it alone: the public log proves every batch and the highest value."""

import io
import subprocess
import sys
import zipfile

import pikepdf
import pytest

from edge_agent.wire import Signer
from gateway.dossier.build import build_dossier, open_source
from gateway.dossier.request import EventRequest
from gateway.service.log_worker import LogWorker
from gateway.transparency.settings import PublicLogSettings
from gateway.verification.evidence_file import EvidenceFile
from tests.gateway.api.routes.test_log import enrol_earlier
from tests.gateway.dossier.conftest import PUBLISHER, read_json, unpack

pytestmark = pytest.mark.timeout(300)  # the first test waits for the recorded event


HOST = "piekwacht.example"


@pytest.fixture
async def logged(postgres, recorded, tmp_path):
    """(dsn, id of the peak, dossier): the recorded event in a database with a public log."""
    dsn = postgres.create_database("logged", template="recorded")
    enrol_earlier(dsn)
    keys = tmp_path / "keys"
    keys.mkdir()
    (keys / "ijmond.key").write_text(Signer.generate(f"{HOST}/log/ijmond").export())
    settings = PublicLogSettings(folder=tmp_path / "log", host=HOST, key_folder=keys)
    worker = LogWorker(settings, dsn, [], "piekwacht test")
    assert not await worker.run_once()
    await worker.aclose()
    dossier = await build_dossier(dsn, EventRequest(event=recorded[1]), PUBLISHER, open_source(settings))
    return dsn, recorded[1], dossier


@pytest.mark.slow
async def test_the_verifier_in_the_dossier_accepts_it_and_finds_a_changed_value(logged, tmp_path):
    _, peak, dossier = logged
    files = unpack(dossier.content)
    notes = [path for path in files if path.endswith(".note")]
    proofs = [path for path in files if path.startswith("data/evidence/")]
    assert len(proofs) == len(notes) + 1
    claim = EvidenceFile.parse(files[f"data/evidence/peak-{peak}.piekwacht.json"]).claim
    event = read_json(files, "event.json")
    assert (claim.station, claim.observed_property, claim.value) == ("wijk-aan-zee", "pm2_5", event["peak"])
    with pikepdf.open(io.BytesIO(files["data/dossier.pdf"])) as pdf:
        assert pdf.attachments["policy.txt"].get_file().read_bytes() == files["data/policy.txt"]
        assert f"peak-{peak}.piekwacht.json" in pdf.attachments
    with zipfile.ZipFile(io.BytesIO(dossier.content)) as archive:
        archive.extractall(tmp_path / "unpacked")
    (folder,) = (tmp_path / "unpacked").iterdir()
    done = run_verifier(folder)
    assert done.returncode == 3, done.stdout + done.stderr  # nothing is false; the policy is not the reader's own
    assert "Nothing is false" in done.stdout
    assert f"The peak of the event is this value: {event['peak']}." in done.stdout
    path = folder / f"data/evidence/peak-{peak}.piekwacht.json"
    path.write_text(path.read_text().replace(f'"value":{claim.value}', f'"value":{claim.value + 1}', 1))
    done = run_verifier(folder)
    assert done.returncode == 1, done.stdout
    assert f"changed: data/evidence/peak-{peak}.piekwacht.json" in done.stdout


def run_verifier(folder):
    command = [sys.executable, folder / "data/verify.py", folder]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder)
