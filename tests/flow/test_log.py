"""An operator follows one reading through the log by its ids, from the broker to the mail."""

import asyncio
import json
import sys
import time

import pytest

from edge_agent.wire import Signer
from gateway.mqtt.client import create_client
from gateway.system.child_process import Child, find_free_port, is_port_open
from tests.alerting.servers import MailServer
from tests.gateway.enrolled_node import enrol_node

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture
def system(tmp_path, database, broker):
    """(a function that reads the log, the mail server, the broker's settings) of a small site with a log in JSON."""
    port, log = find_free_port(), tmp_path / "log"
    (tmp_path / "gateway.key").write_text(Signer.generate("gateway.ijmond").export())
    with MailServer() as mail:
        (tmp_path / "piekwacht.toml").write_text(f"""
            [database]
            dsn = "{database}"
            [broker]
            port = {broker.port}
            [ingest]
            key_file = "gateway.key"
            [api]
            port = {port}
            public_url = "http://127.0.0.1:{port}"
            [alerting]
            public_url = "http://127.0.0.1:{port}"
            [alerting.smtp]
            host = "localhost"
            port = {mail.controller.port}
            tls = "none"
            sender = "Piekwacht <piekwacht@example.org>"
            [[alerting.receiver]]
            name = "piket"
            email = [{{ to = ["piket@example.org"] }}]
            [[alerting.route]]
            receiver = "piket"
            [log]
            format = "json"
            level = "debug"
        """)
        command = [sys.executable, "-m", "gateway", "up", "--config", tmp_path / "piekwacht.toml"]
        with Child("piekwacht", command, log=log) as child:
            child.wait_until(
                lambda: is_port_open("127.0.0.1", port) and "ingest started" in log.read_text(), timeout=90
            )
            yield lambda: [json.loads(line) for line in log.read_text().splitlines()], mail, broker


async def test_a_reading_is_traceable_from_batch_to_mail_by_ids(system, database):
    read, mail, broker = system
    node = enrol_node(database)
    started_at = time.time_ns() // 1_000_000 - 81_000
    async with create_client(broker, "ijm-001") as connection:
        for s in range(80):
            value = 8.0 + 0.1 * (s % 3) + (90.0 if 40 <= s < 55 else 0.0)
            payload = node.payload(s + 1, t0=started_at + s * 1000, dt=[0], values={"pm2_5": [value]})
            await connection.publish(payload.topic, payload.body, qos=1)
        forged = bytearray(payload.body)
        forged[20] ^= 1
        await connection.publish(payload.topic, bytes(forged), qos=1)
    until = time.monotonic() + 60
    while not (mail.received and any(line["event"] == "delivery succeeded" for line in read())):
        assert time.monotonic() < until, read()[-5:]
        await asyncio.sleep(0.2)

    lines = read()
    peak = next(line for line in lines if line["event"] == "batch stored" and line["seq"] == 46)
    assert (peak["node"], peak["area"], peak["readings"]) == ("ijm-001", "ijmond", 1)
    opened = next(
        line for line in lines if line["event"] == "event opened" and line["first_batch_id"] <= peak["batch_id"]
    )
    notified = next(
        line for line in lines if line["event"] == "receiver notified" and line["event_id"] == opened["event_id"]
    )
    assert notified["receiver"] == "piket"
    delivered = next(
        line for line in lines if line["event"] == "delivery succeeded" and line["event_id"] == opened["event_id"]
    )
    assert delivered["notification_id"] in mail.received[0].content.decode()
    assert any(line["event"] == "payload quarantined" and line["reason"] == "forged" for line in lines)
    assert all({"timestamp", "level", "logger", "event"} <= set(line) for line in lines)
