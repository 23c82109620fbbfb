"""What a backup held is all there after a restore, row for row, in every table."""

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
async def lived_in(database, tmp_path):
    """A database with readings, an event, an alert in the inbox, poison and a silence in it."""
    node = enrol_node(database)
    store = Store(database)
    pipeline = Pipeline(store, Flagger(), Detector(DetectionSettings()))
    await pipeline.process(plume(node))
    poison = node.payload(999)
    await pipeline.process([replace(poison, body=b"\x00\xff" + poison.body)])
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
    """Every row of every table as text, and where every sequence stands."""
    with psycopg.connect(dsn) as connection:
        tables = connection.execute(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname IN ('public', 'alerting')"
        ).fetchall()
        rows = {
            table: connection.execute(f"SELECT t::text FROM {table} t ORDER BY 1").fetchall() for (table,) in tables
        }
        rows["sequences"] = connection.execute(
            "SELECT schemaname, sequencename, last_value FROM pg_sequences ORDER BY 1, 2"
        ).fetchall()
    return rows


def test_every_row_and_every_silence_comes_back(run, backups, lived_in, empty_database):
    before = contents(lived_in)
    for table in ("observation", "batch", "ledger", "event", "quarantine"):
        assert before[f"public.{table}"]
    assert before["alerting.inbox"]
    assert "onderhoud é" in str(before["alerting.silence"])
    done = run("backup", PIEKWACHT_DSN=lived_in)
    assert done.returncode == 0, done.stderr
    (dump,) = backups.glob("*.dump")
    assert dump.stat().st_mode & 0o077 == 0
    done = run("restore", dump, empty_database)
    assert done.returncode == 0, done.stderr
    assert contents(empty_database) == before
    check_schema(empty_database)


def test_a_dump_that_was_damaged_is_refused_before_anything_is_touched(run, backups, lived_in, empty_database):
    run("backup", PIEKWACHT_DSN=lived_in)
    (dump,) = backups.glob("*.dump")
    body = bytearray(dump.read_bytes())
    body[len(body) // 2] ^= 1
    dump.write_bytes(body)
    done = run("restore", dump, empty_database)
    assert done.returncode == 1
    assert "its checksum differs" in done.stderr
    assert contents(empty_database) == {"sequences": []}


def test_a_database_with_tables_is_never_restored_over(run, backups, lived_in):
    run("backup", PIEKWACHT_DSN=lived_in)
    (dump,) = backups.glob("*.dump")
    done = run("restore", dump, lived_in)
    assert done.returncode == 1
    assert "give an empty one" in done.stderr


def test_a_backup_that_fails_leaves_no_file_behind(run, backups):
    done = run("backup", PIEKWACHT_DSN="host=/nonexistent dbname=x")
    assert done.returncode == 1
    assert "nothing was kept" in done.stderr
    assert list(backups.iterdir()) == []


def test_old_dumps_go_and_the_newest_stays(run, backups, lived_in):
    old = backups / "piekwacht-20200101T000000Z.dump"
    old.write_text("old")
    os.utime(old, (0, 0))
    other = backups / "something-else.dump"
    other.write_text("not ours")
    os.utime(other, (0, 0))
    assert run("backup", PIEKWACHT_DSN=lived_in).returncode == 0
    names = {path.name for path in backups.iterdir()}
    assert old.name not in names
    assert other.name in names
    assert len(names) == 3
