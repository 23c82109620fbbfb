"""The worker of the public log: its failures are counted and named once, and it continues by itself."""

import asyncio
import logging

import psycopg
import pytest
from prometheus_client import REGISTRY

from edge_agent.wire import Signer
from gateway.doctor.finding import FindingLevel
from gateway.doctor.public_log import check_log
from gateway.service.log_task import run_logs
from gateway.service.log_worker import LogWorker
from gateway.settings import DatabaseSettings, Settings
from gateway.transparency.settings import PublicLogSettings
from tests.gateway.transparency.logs import TestLog, add_batches, check_tree

AREA = "ijmond"


@pytest.fixture
def log_settings(tmp_path):
    (tmp_path / "keys").mkdir()
    settings = PublicLogSettings(
        folder=tmp_path / "log", host="piekwacht.example", key_folder=tmp_path / "keys", interval_seconds=0.05
    )
    settings.key_file_of(AREA).write_text(Signer.generate(settings.origin_of(AREA)).export())
    return settings


@pytest.fixture
async def worker(database, node, log_settings):
    worker = LogWorker(log_settings, database, [], "piekwacht test")
    yield worker
    await worker.aclose()


def failures():
    return REGISTRY.get_sample_value("piekwacht_log_failures_total", {"area": AREA}) or 0


def read_findings(database, log_settings):
    settings = Settings(database=DatabaseSettings(dsn=database), public_log=log_settings)
    return [(finding.level, finding.message) for finding in check_log(settings)]


async def test_a_log_follows_the_batches_while_the_block_runs(database, node, log_settings):
    log = TestLog(database, log_settings.folder, Signer.parse(log_settings.key_file_of(AREA).read_text()))
    async with run_logs(log_settings, database, [AREA], "piekwacht test"):
        for number in range(1, 4):
            add_batches(database, [number])
            async with asyncio.timeout(20):
                while log.files.read_checkpoint() is None or len(check_tree(log)) < 3 + number:
                    await asyncio.sleep(0.05)
        async with asyncio.timeout(20):  # the metric follows the file
            while REGISTRY.get_sample_value("piekwacht_log_size", {"area": AREA}) != 6:
                await asyncio.sleep(0.05)
    with psycopg.connect(database) as connection:
        locks = connection.execute(
            "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND classid = 7431104"
        ).fetchall()
    assert locks == []


async def test_a_missing_key_is_one_error_with_the_remedy_and_the_log_continues_with_it(worker, log_settings, caplog):
    caplog.set_level(logging.INFO, "gateway.transparency")
    before = failures()
    key = log_settings.key_file_of(AREA)
    text = key.read_text()
    key.unlink()
    for _ in range(3):
        assert not await worker.run_once()
    assert failures() - before == 3
    errors = [record for record in caplog.records if record.levelname == "ERROR"]
    assert len(errors) == 1
    assert f"run `piekwacht key piekwacht.example/log/ijmond {key}`" in errors[0].error
    key.write_text(text)
    await worker.run_once()
    assert [record.message for record in caplog.records][-1] == "public log continues"


async def test_the_key_of_another_log_is_refused(worker, log_settings, caplog):
    log_settings.key_file_of(AREA).write_text(Signer.generate("piekwacht.example/log/zaan").export())
    await worker.run_once()
    assert "is the key of piekwacht.example/log/zaan" in caplog.records[-1].error


async def test_the_doctor_names_the_fault_of_a_log(worker, database, log_settings):
    assert read_findings(database, None)[0][0] is FindingLevel.NOTE
    assert "no area has a public log yet" in read_findings(database, log_settings)[0][1]
    await worker.run_once()
    ((level, message),) = read_findings(database, log_settings)
    assert (level, "has a signed head of 3 leaves" in message) == (FindingLevel.OK, True)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE log_state SET signed_at = now() - interval '2 hours'")
        ((level, message),) = read_findings(database, log_settings)
        assert (level, "was last complete 7200 s ago" in message) == (FindingLevel.FAULT, True)
        connection.execute("UPDATE log_state SET signed_at = now(), size = 1")
        ((level, message),) = read_findings(database, log_settings)
        assert (level, "and 3 are signed" in message) == (FindingLevel.FAULT, True)
        connection.execute("UPDATE log_state SET size = 3")
    state = log_settings.state_file_of(AREA)
    state.write_bytes(state.read_bytes()[:-10])
    assert "cannot be checked" in read_findings(database, log_settings)[0][1]
    state.unlink()
    assert "lacks the file with its last head" in read_findings(database, log_settings)[0][1]
