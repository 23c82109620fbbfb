"""An event that a running gateway detected is proven by its dossier alone, and what is changed afterwards is named."""

import asyncio
import json
import re
import subprocess
import sys
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from edge_agent.wire import Signer
from gateway.demo.witnesses import start_witnesses
from gateway.mqtt.client import create_client
from gateway.system.child_process import Child, find_free_port, is_port_open
from tests.gateway.enrolled_node import enrol_node

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SECONDS = 150
ENDED = "SELECT id FROM event WHERE change = 'ended' AND kind = 'peak' AND NOT detected_late ORDER BY onset LIMIT 1"
LOGGED = """
SELECT l.number < s.signed_size
FROM log_leaf l JOIN event e ON l.source = 'event ' || e.id || ' ' || e.revision
JOIN log_state s ON s.area_id = l.area_id WHERE e.id = %s
"""


def run(*arguments):
    return subprocess.run([sys.executable, "-m", "gateway", *map(str, arguments)], capture_output=True, text=True)


@pytest.fixture
def live_event(tmp_path, database, broker):
    """(DSN, id of an event) of a gateway with a public log and two witnesses, which has stopped."""
    port, log = find_free_port(), tmp_path / "gateway.log"
    (tmp_path / "gateway.key").write_text(Signer.generate("gateway.ijmond").export())
    log_key = Signer.generate("piekwacht.example/log/ijmond")
    (tmp_path / "ijmond.key").write_text(log_key.export())
    node = enrol_node(database, since=datetime.now(UTC) - timedelta(hours=1))
    with ExitStack() as stack:
        (tmp_path / "policy").write_text(start_witnesses(stack, tmp_path / "witnesses", [log_key.verifier]))
        (tmp_path / "piekwacht.toml").write_text(f"""
            [database]
            dsn = "{database}"
            [broker]
            port = {broker.port}
            [ingest]
            key_file = "gateway.key"
            [api]
            port = {port}
            [public_log]
            folder = "log"
            host = "piekwacht.example"
            key_folder = "."
            policy = "policy"
            interval_seconds = 5
        """)
        command = [sys.executable, "-m", "gateway", "up", "--config", tmp_path / "piekwacht.toml"]
        child = stack.enter_context(Child("piekwacht", command, log=log))
        child.wait_until(lambda: is_port_open("127.0.0.1", port) and "ingest started" in log.read_text(), timeout=90)
        asyncio.run(publish_peak(broker, node))
        event = wait_for_event(database)
    return database, event


async def publish_peak(broker, node):
    """Two and a half minutes of readings up to about now, with a peak in them.

    They begin half a minute before a whole one, so that the minute of the peak is complete.
    """
    latest = time.time_ns() // 1_000_000 - (SECONDS + 1) * 1_000
    start = (latest - 30_000) // 60_000 * 60_000 + 30_000
    async with create_client(broker, node.id) as connection:
        for s in range(SECONDS):
            value = 8.0 + 0.1 * (s % 3) + (90.0 if 40 <= s < 60 else 0.0)
            values = {"pm2_5": [value], "humidity": [70.0 + s % 7]}
            payload = node.payload(s + 1, t0=start + s * 1_000, dt=[0], values=values)
            await connection.publish(payload.topic, payload.body, qos=1)


def wait_for_event(dsn):
    """The id of the peak, once its newest revision is in a signed head."""
    until = time.monotonic() + 60
    with psycopg.connect(dsn, autocommit=True) as connection:
        while True:
            row = connection.execute(ENDED).fetchone()
            if row is not None and connection.execute(LOGGED, row).fetchone() == (True,):
                time.sleep(6)  # the witnesses have signed that head as well
                return row[0]
            assert time.monotonic() < until, connection.execute("SELECT id, kind, change FROM event").fetchall()
            time.sleep(0.5)


CHANGES = {
    "a reading": (
        """UPDATE batch SET payload = convert_to(replace(convert_from(payload, 'UTF8'), '98.1', '38.1'), 'UTF8')
           WHERE seq = 50""",
        "signed batch 50",
    ),
    "a parameter": (
        """UPDATE log_leaf SET document = replace(document, '"threshold"', '"Threshold"')
           WHERE source LIKE 'detector %'""",
        "another hash than its leaf",
    ),
    "a value of the event": (
        """UPDATE log_leaf SET document = regexp_replace(document, '"peak":[0-9.]+', '"peak":12.5')
           WHERE source LIKE 'event %'""",
        "another hash than its leaf",
    ),
}


def change_database(dsn, statement):
    """Change rows that are records, as the owner of the server can."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        assert connection.execute(statement).rowcount >= 1


def verify_dossier(folder, dsn, event):
    """(exit code, steps) of the dossier of the event by the policy of the witnesses."""
    config, file = folder / "dossier.toml", folder / "dossier.zip"
    config.write_text(re.sub('dsn = ".*"', f'dsn = "{dsn}"', (folder / "piekwacht.toml").read_text()))
    made = run("dossier", event, "--config", config, "-o", file)
    assert made.returncode == 0, made.stderr
    verdict = run("verify", file, "--policy", folder / "policy", "--language", "en", "--json")
    return verdict.returncode, json.loads(verdict.stdout)["steps"]


def test_the_dossier_of_a_live_event_is_true_in_every_step_and_a_change_is_named(live_event, postgres, tmp_path):
    database, event = live_event
    code, steps = verify_dossier(tmp_path, database, event)
    assert [step for step in steps if step["state"] != "ok"] == []
    assert {"leaves", "state", "detector", "detection", "witnesses"} <= {step["step"] for step in steps}
    assert code == 0

    name = database.rpartition("dbname=")[2]
    for number, (change, (statement, sentence)) in enumerate(CHANGES.items()):
        copy = postgres.create_database(f"{name}_changed_{number}", template=name)
        change_database(copy, statement)
        code, steps = verify_dossier(tmp_path, copy, event)
        false = [step["sentence"] for step in steps if step["state"] == "false"]
        assert code == 1, change
        assert any(sentence in text for text in false), (change, false)
