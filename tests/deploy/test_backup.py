"""A restore of a backup has every row of every table."""

import os
import subprocess

import psycopg
import pytest
from msgspec.structs import replace

from gateway.__main__ import main
from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings
from gateway.ingest.pipeline import Pipeline
from gateway.quality.flagger import Flagger
from gateway.store.connection import Store
from gateway.store.migrate import check_schema
from gateway.system.embedded_servers import _locate_programs
from tests.deploy.conftest import DEPLOY
from tests.gateway.enrolled_node import enrol_node
from tests.gateway.ingest.test_pipeline import plume

SCRIPTS = DEPLOY / "systemd"


@pytest.fixture
def backups(tmp_path):
    folder = tmp_path / "backups"
    folder.mkdir()
    return folder


@pytest.fixture
def run(backups):
    """Run one of the scripts with the server's own pg_dump, pg_restore and psql."""
    path = f"{_locate_programs(None)}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PIEKWACHT_BACKUPS": str(backups)}

    def call(script, *arguments, **more):
        command = [SCRIPTS / script, *map(str, arguments)]
        return subprocess.run(command, env={**environment, **more}, capture_output=True, text=True)

    return call


@pytest.fixture
async def filled_database(database, tmp_path):
    """A database with readings, an event, an alert in the inbox, a quarantined payload and a silence."""
    node = enrol_node(database)
    store = Store(database)
    pipeline = Pipeline(store, Flagger(), Detector(DetectionSettings()))
    await pipeline.process(plume(node))
    malformed = node.payload(999)
    await pipeline.process([replace(malformed, body=b"\x00\xff" + malformed.body)])
    await store.close()
    settings = tmp_path / "piekwacht.toml"
    settings.write_text(f'[database]\ndsn = "{database}"\n')
    silence = [
        "alerts",
        "--config",
        str(settings),
        "silence",
        'area="ijmond"',
        "--for",
        "8h",
        "--reason",
        "onderhoud é",
    ]
    assert main(silence) == 0
    return database


def contents(dsn):
    """Return every row of every table as text, and the last value of every sequence."""
    with psycopg.connect(dsn) as connection:
        tables = connection.execute(
            """SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
               WHERE schemaname IN ('public', 'alerting', 'subscriptions')"""
        ).fetchall()
        rows = {
            table: connection.execute(f"SELECT t::text FROM {table} t ORDER BY 1").fetchall() for (table,) in tables
        }
        rows["sequences"] = connection.execute(
            "SELECT schemaname, sequencename, last_value FROM pg_sequences ORDER BY 1, 2"
        ).fetchall()
    return rows


def test_every_row_and_every_silence_is_restored(run, backups, filled_database, empty_database):
    before = contents(filled_database)
    for table in ("observation", "batch", "ledger", "event", "quarantine"):
        assert before[f"public.{table}"]
    assert before["alerting.inbox"]
    assert "onderhoud é" in str(before["alerting.silence"])
    result = run("backup", PIEKWACHT_DSN=filled_database)
    assert result.returncode == 0, result.stderr
    (dump,) = backups.glob("*.dump")
    assert dump.stat().st_mode & 0o077 == 0
    result = run("restore", dump, empty_database)
    assert result.returncode == 0, result.stderr
    assert contents(empty_database) == before
    check_schema(empty_database)


def test_a_damaged_dump_is_rejected_before_anything_changes(run, backups, filled_database, empty_database):
    run("backup", PIEKWACHT_DSN=filled_database)
    (dump,) = backups.glob("*.dump")
    body = bytearray(dump.read_bytes())
    body[len(body) // 2] ^= 1
    dump.write_bytes(body)
    result = run("restore", dump, empty_database)
    assert result.returncode == 1
    assert "its checksum differs" in result.stderr
    assert contents(empty_database) == {"sequences": []}


def test_a_restore_into_a_database_with_tables_is_rejected(run, backups, filled_database):
    run("backup", PIEKWACHT_DSN=filled_database)
    (dump,) = backups.glob("*.dump")
    result = run("restore", dump, filled_database)
    assert result.returncode == 1
    assert "give an empty one" in result.stderr


def test_a_backup_that_fails_leaves_no_file_behind(run, backups):
    result = run("backup", PIEKWACHT_DSN="host=/nonexistent dbname=x")
    assert result.returncode == 1
    assert "nothing was kept" in result.stderr
    assert list(backups.iterdir()) == []


def test_old_dumps_are_deleted_and_the_newest_stays(run, backups, filled_database):
    old = backups / "piekwacht-20200101T000000Z.dump"
    old.write_text("old")
    os.utime(old, (0, 0))
    other = backups / "something-else.dump"
    other.write_text("not ours")
    os.utime(other, (0, 0))
    assert run("backup", PIEKWACHT_DSN=filled_database).returncode == 0
    names = {path.name for path in backups.iterdir()}
    assert old.name not in names
    assert other.name in names
    assert len(names) == 3


def test_the_key_of_notices_in_browsers_is_copied_for_one_reader(run, backups, filled_database, tmp_path):
    key = tmp_path / "vapid.pem"
    key.write_text("a key")
    for _ in range(2):  # a copy is there already the second time
        result = run("backup", PIEKWACHT_DSN=filled_database, PIEKWACHT_VAPID_KEY=str(key))
        assert result.returncode == 0, result.stderr
    copy = backups / "vapid.pem"
    assert copy.read_text() == "a key"
    assert copy.stat().st_mode & 0o077 == 0
    assert not list(backups.glob("*.part"))


def test_a_key_that_cannot_be_copied_fails_the_backup_and_names_the_remedy(run, backups, filled_database, tmp_path):
    (tmp_path / "vapid.pem").mkdir()  # root reads every file, but cp no folder
    result = run("backup", PIEKWACHT_DSN=filled_database, PIEKWACHT_VAPID_KEY=str(tmp_path / "vapid.pem"))
    assert result.returncode == 1
    assert "chown piekwacht" in result.stderr
    assert len(list(backups.glob("*.dump"))) == 1
