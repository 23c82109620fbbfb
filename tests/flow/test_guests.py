"""Sensors of others at a running installation: posts, publications and polls become readings, whatever is killed."""

import asyncio
import base64
import http.server
import json
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager

import httpx
import paho.mqtt.client as paho
import psycopg
import pytest

from edge_agent.wire import ReadingBatch, Signer, split_note
from gateway.__main__ import main
from gateway.system.child_process import Child, find_free_port, is_port_open
from tests.gateway.adapters.messages import SAMPLES
from tests.gateway.enrolled_node import enrol_node
from tests.gateway.guests.enrolled_guest import fetch, post_of_airrohr
from tests.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


class Installation:
    """Gateway and API as processes, each of which can be killed."""

    def __init__(self, folder, database, broker):
        self.folder, self.database, self.port = folder, database, find_free_port()
        self.config = folder / "piekwacht.toml"
        for name in ("gateway", "notary"):
            (folder / f"{name}.key").write_text(Signer.generate(f"{name}.ijmond").export())
        self.config.write_text(f"""
database = {{ dsn = "{database}" }}
broker = {{ port = {broker.port} }}
ingest = {{ key_file = "gateway.key", notary_key_file = "notary.key", areas = ["ijmond"], retry_seconds = 0.2 }}
guests = {{ poll_seconds = 10, messages_per_minute = 60000 }}
api = {{ port = {self.port} }}
""")
        self.gateway, self.api = self.start("gateway"), self.start_api()

    def start(self, service):
        command = [sys.executable, "-m", "gateway", service, "--config", self.config]
        return Child(service, command, log=self.folder / f"{service}.log")

    def start_api(self):
        return self.start("api").wait_until(lambda: is_port_open("127.0.0.1", self.port), timeout=60)

    def enrol(self, capsys, node, *arguments):
        """Run `piekwacht guest add`; return the token that it prints."""
        words = [
            "guest",
            "add",
            node,
            "--area",
            "ijmond",
            "--name",
            node,
            "--at",
            "52.49,4.6",
            "--owner",
            "J. de Vries",
        ]
        words += ["--consent-on", "2026-11-01", "--consent-text", "2026-1", "--config", str(self.config), *arguments]
        assert main(words) == 0
        return capsys.readouterr().out.splitlines()[0].rpartition(" ")[2]

    def bodies(self, node):
        """The bodies in the stored batches of a guest, with how often each is there."""
        rows = fetch(self.database, "SELECT payload FROM batch WHERE node_id = %s", node)
        batches = [ReadingBatch.decode(split_note(payload)[0]) for (payload,) in rows]
        return Counter(base64.b64decode(batch.received.body) for batch in batches)

    def count(self, node):
        """How many values of a guest are stored."""
        query = "SELECT count(*) FROM observation o JOIN datastream d ON d.id = o.datastream_id WHERE d.node_id = %s"
        return fetch(self.database, query, node)[0][0]

    def stop(self):
        for child in (self.api, self.gateway):
            child.stop()


@pytest.fixture
def installation(tmp_path, database, broker):
    enrol_node(database)
    site = Installation(tmp_path, database, broker)
    yield site
    site.stop()


@contextmanager
def purple_air():
    """A server that answers as the page of a PurpleAir does."""
    body = SAMPLES["purpleair"][0].body

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/json?live=true"
    server.shutdown()
    server.server_close()
    thread.join()


def publish(port, topic, body):
    """Publish at QoS 1, and wait for the broker's acknowledgement."""
    client = paho.Client(paho.CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", port)
    client.loop_start()
    client.publish(topic, body, qos=1).wait_for_publish(10)
    client.disconnect()
    client.loop_stop()


async def post_until_told(site, token, acknowledged, stop):
    """Post different bodies one after the other; note those that were answered with 200."""
    number = 0
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{site.port}", verify=False, timeout=5) as client:
        while not stop.is_set():
            number += 1
            body = post_of_airrohr(pm2_5=f"{number / 100:.2f}")
            try:
                answer = await client.post(f"/api/v1/guests/{token}", content=body)
            except httpx.HTTPError:
                await asyncio.sleep(0.1)
                continue
            if answer.status_code == 200:
                acknowledged.append(body)


async def test_what_was_answered_is_stored_once_though_api_and_gateway_are_killed(installation, capsys):
    site = installation
    token = site.enrol(capsys, "guest-duin", "--format", "airrohr", "--sender", "esp8266-12345")
    acknowledged, stop = [], asyncio.Event()
    posting = asyncio.create_task(post_until_told(site, token, acknowledged, stop))
    for _ in range(2):
        seen = len(acknowledged)
        async with asyncio.timeout(60):
            while len(acknowledged) < seen + 40:
                await asyncio.sleep(0.02)
        for child in (site.api, site.gateway):
            child.process.kill()
            child.process.wait()
        site.gateway = site.start("gateway")
        site.api = await asyncio.to_thread(site.start_api)
    stop.set()
    await posting
    assert len(acknowledged) >= 80
    inbox = "SELECT count(*) FROM guest_message"
    await asyncio.to_thread(wait_until, lambda: fetch(site.database, inbox) == [(0,)], 90)
    stored = site.bodies("guest-duin")
    assert set(acknowledged) - set(stored) == set()
    assert max(stored.values()) == 1
    assert site.count("guest-duin") == len(stored)


def test_publications_and_polls_become_readings_too(installation, broker, capsys):
    site = installation
    with purple_air() as url:
        topic = "airgradient/readings/ecda3b1eaaaf"
        site.enrol(capsys, "guest-air", "--format", "airgradient", "--sender", "ecda3b1eaaaf", "--topic", topic)
        site.enrol(capsys, "guest-paars", "--format", "purpleair", "--sender", "84:f3:eb:11:22:33", "--poll", url)
        (site.folder / "esp.toml").write_text('[values.pm2_5]\npath = "pm25"\n')
        mapping = ["--mapping", str(site.folder / "esp.toml"), "--topic", "keuken/sensor/+/state"]
        site.enrol(capsys, "guest-esp", "--format", "esphome", "--sender", "keuken", *mapping)
        deadline = time.monotonic() + 90
        while not (site.count("guest-air") and site.count("guest-esp")) and time.monotonic() < deadline:
            publish(broker.port, topic, SAMPLES["airgradient"][0].body)  # until the gateway has subscribed
            publish(broker.port, "keuken/sensor/pm25/state", b"7.5")
            publish(broker.port, "keuken/sensor/lamp/state", b"1")
            time.sleep(4)
        wait_until(lambda: site.count("guest-paars"), 60)
    assert site.count("guest-air")
    ((payload,),) = fetch(site.database, "SELECT payload FROM batch WHERE node_id = 'guest-esp' LIMIT 1")
    batch = ReadingBatch.decode(split_note(payload)[0])
    assert batch.received.topic == "keuken/sensor/pm25/state"
    assert batch.values == {"pm2_5": [7.5]}
    assert json.loads(fetch(site.database, "SELECT body FROM guest_original LIMIT 1")[0][0])["SensorId"]
    assert fetch(site.database, "SELECT reason, topic, detail FROM quarantine") == []


def test_operators_see_rotate_and_revoke_guests(installation, capsys):
    site = installation
    token = site.enrol(capsys, "guest-duin", "--format", "airrohr", "--sender", "esp8266-12345")

    def post(used):
        return httpx.post(f"http://127.0.0.1:{site.port}/api/v1/guests/{used}", content=post_of_airrohr(), verify=False)

    assert post(token).status_code == 200
    wait_until(lambda: site.count("guest-duin"), 60)
    config = ["--config", str(site.config)]
    assert main(["guest", "list", *config]) == 0
    listed = capsys.readouterr().out
    assert "guest-duin" in listed
    assert "airrohr esp8266-12345  heard" in listed
    assert "J. de Vries, 2026-11-01 (text 2026-1)" in listed
    assert token not in listed
    assert main(["guest", "rotate", "guest-duin", *config]) == 0
    other = capsys.readouterr().out.splitlines()[0].rpartition(" ")[2]
    wait_until(lambda: post(token).status_code == 401, 20, pause=1.0)
    assert post(other).status_code == 200
    assert main(["guest", "revoke", "guest-duin", *config]) == 0
    wait_until(lambda: post(other).status_code == 401, 20, pause=1.0)
    assert fetch(site.database, "SELECT latitude FROM station WHERE id = %s", "guest-duin") == [(52.49,)]
    audited = fetch(site.database, "SELECT action, object FROM access.audit ORDER BY id")
    assert audited == [(action, "node guest-duin") for action in ("enrol", "rotate-token", "revoke")]
    with psycopg.connect(site.database) as connection:
        for table in ("guest", "access.audit"):
            text = str(connection.execute(f"SELECT * FROM {table}").fetchall())
            assert token not in text
            assert other not in text
