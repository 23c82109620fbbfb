"""A new property is one row of the registry: that row alone names, colours and limits it, and peaks are detected."""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import httpx
import pytest

from edge_agent.wire import Signer
from gateway.mqtt.client import create_client
from gateway.system.child_process import Child, find_free_port, is_port_open
from tests.gateway.enrolled_node import enrol_node

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
ROOT = Path(__file__).resolve().parents[2]
ROW = """
[[property]]
id = "h2s"
unit = "[ppb]"
name = { nl = "waterstofsulfide", en = "hydrogen sulphide" }
short_name = { nl = "H2S", en = "H2S" }
lower = 0
upper = 500
severity = [5, 15, 50, 150]
colour_steps = [2, 5, 10, 20, 40]
shown = true
detection = { noise_absolute = 0.75 }
"""


@pytest.fixture
def up(tmp_path, empty_database, broker):
    """`piekwacht up` from a copy of the packages whose registry has the row; yields (address, environment)."""
    for package in ("alerting", "edge_agent", "gateway"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "gateway/model/properties.toml").open("a", encoding="utf-8") as file:
        file.write(ROW)
    port = find_free_port()
    (tmp_path / "gateway.key").write_text(Signer.generate("gateway.ijmond").export())
    (tmp_path / "gateway.key").chmod(0o600)
    config = tmp_path / "piekwacht.toml"
    config.write_text(
        textwrap.dedent(f"""\
            [database]
            dsn = "{empty_database}"
            [broker]
            host = "{broker.host}"
            port = {broker.port}
            [ingest]
            key_file = "gateway.key"
            [api]
            port = {port}
            public_url = "http://127.0.0.1:{port}"
        """)
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONSAFEPATH": "1"}
    piekwacht = [sys.executable, "-m", "gateway"]
    subprocess.run([*piekwacht, "migrate", "--config", config], check=True, env=environment)
    log = tmp_path / "up.log"
    node = enrol_node(empty_database)
    with Child("piekwacht", [*piekwacht, "up", "--config", config], log=log, environment=environment) as child:
        child.wait_until(lambda: is_port_open("127.0.0.1", port) and "ingest started" in log.read_text(), timeout=150)
        yield f"http://127.0.0.1:{port}", node


async def test_a_row_alone_gives_a_property_its_unit_name_colours_page_limits_and_detection(up, broker):
    address, node = up
    began = time.time_ns() // 1_000_000 - 241_000
    async with create_client(broker, "ijm-001") as connection:
        for second in range(240):
            value = 900.0 if second == 239 else 3.0 + 0.1 * (second % 3) + (40.0 if 40 <= second < 55 else 0.0)
            payload = node.payload(second + 1, t0=began + second * 1000, dt=[0], values={"h2s": [value]})
            await connection.publish(payload.topic, payload.body, qos=1)
    async with httpx.AsyncClient(base_url=address, timeout=10, verify=False) as client:
        peak = {"end": None}
        async with asyncio.timeout(60):
            while peak["end"] is None:
                await asyncio.sleep(0.2)
                events = (await client.get("/api/v1/events?property=h2s")).json()["items"]
                peak = next((event for event in events if event["kind"] == "peak"), peak)
        assert peak["unit"] == "[ppb]"
        assert "H2S bij Wijk aan Zee steeg naar 43,2 ppb (losse meting)" in peak["around"]["words"]["nl"]
        assert "waterstofsulfide" in (await client.get("/nl/stations/wijk-aan-zee?property=h2s")).text
        home = (await client.get("/")).text
        boot = json.loads(re.search(r'<script[^>]*id="boot"[^>]*>(.*?)</script>', home, re.DOTALL)[1])
        assert boot["colourSteps"]["h2s"] == [2, 5, 10, 20, 40]
        query = {"property": "h2s", "averaging": "raw", "limit": 1}
        async with asyncio.timeout(30):  # the API knows a new datastream once it has read the registry again
            while not (
                observations := await client.get("/api/v1/stations/wijk-aan-zee/observations", params=query)
            ).json()["items"]:
                await asyncio.sleep(0.5)
        assert observations.json()["items"][0]["flags"] == ["out_of_range"], observations.text
