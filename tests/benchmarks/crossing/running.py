"""Piekwacht as it runs, beside Prometheus and Alertmanager: from a reading over the level to what people see.

Each station is an area with one node, so that no neighbour and no plume of another station plays a part. Every second
each node publishes one signed reading to the broker, and the same value stands at `/metrics`. Agents are left out on
both sides: they add the same time. Half of the stations have one plume, the others none.
"""

import asyncio
import base64
import json
import secrets
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import numpy as np

from edge_agent.wire import ClockState, ReadingBatch, Signer, Topic, TopicKind
from gateway.demo.receivers import Webhook
from gateway.model.registry import Area, Node, Station
from gateway.mqtt.client import create_client
from gateway.store import stations
from gateway.store.connection import connect
from gateway.store.migrate import migrate
from gateway.system.child_process import Child, find_free_port, is_port_open
from gateway.system.embedded_servers import Broker, Postgres
from tests.benchmarks.crossing import prometheus
from tests.benchmarks.crossing.series import describe_waits, fixed_limit, make_calm_values, make_live_values

_HISTORY_SECONDS = 1_200
_HISTORY_BATCH = 300  # readings
_SETTLING_SECONDS = 8  # until what was sent has arrived everywhere
_OUTLINE = {"type": "Polygon", "coordinates": [[[4, 52], [6, 52], [6, 54], [4, 52]]]}
MARK, EVENT, WEBHOOK = "preliminary mark", "event in the live feed", "webhook"


class Moments:
    """When each station was first seen at each step, of the monotonic clock; safe between threads."""

    def __init__(self):
        self.first = defaultdict(dict)
        self.mark_count, self._marked = defaultdict(int), set()

    def note(self, step, station):
        self.first[step].setdefault(station, time.monotonic())

    def note_marks(self, marked):
        """All stations that have a mark now."""
        for station in marked - self._marked:
            self.mark_count[station] += 1
            self.note(MARK, station)
        self._marked = marked


def print_running(seconds, count):
    moments, crossed_at = _measure(seconds, count)
    peer = [prometheus.AT_ONCE, prometheus.FOR_5_SECONDS] if prometheus.find_programs() else []
    # an event that opens with its first reading needs no mark
    for station, at in moments.first[EVENT].items():
        moments.first[MARK][station] = min(at, moments.first[MARK].get(station, at))
    print("| step | median, s | 95 %, s | longest, s | missed | stations without a plume |")
    print("| --- | --- | --- | --- | --- | --- |")
    for step in (MARK, EVENT, WEBHOOK, *peer):
        first = moments.first[step]
        waits = [max(0.0, first[id_] - at) if id_ in first else None for id_, at in crossed_at.items()]
        false = len(first.keys() - crossed_at.keys())
        name = f"{step} of Alertmanager" if step in peer else step
        print(f"| {' | '.join([name, *describe_waits(waits), str(false)])} |")
    marks = sum(moments.mark_count.values())
    taken_back = marks - len(moments.mark_count.keys() & moments.first[EVENT].keys())
    print(f"{marks} marks, of which {taken_back} were taken back; {count} stations, {seconds} s")
    if not peer:
        print("Prometheus and Alertmanager are not installed here (Debian: prometheus, prometheus-alertmanager)")


def _measure(seconds, count):
    plan, moments = _plan_stations(seconds, count), Moments()
    present = dict.fromkeys(plan.series, 8.0)
    with tempfile.TemporaryDirectory(prefix="piekwacht-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o711)  # PostgreSQL runs as `nobody` if we are root
        broker, postgres = stack.enter_context(Broker(folder)), stack.enter_context(Postgres(folder))
        webhook = stack.enter_context(Webhook(lambda item: _note_webhook(moments, item)))
        dsn, port = postgres.create_database("piekwacht"), find_free_port()
        nodes = _enrol(dsn, plan.series)
        config = _write_settings(folder, dsn=dsn, broker=broker.settings, webhook=webhook.url, port=port)
        command = [sys.executable, "-m", "gateway", "up", "--config", config]
        services = stack.enter_context(Child("piekwacht up", command, log=folder / "up.log"))
        services.wait_until(lambda: is_port_open("127.0.0.1", port), timeout=180)
        if prometheus.find_programs():
            stack.enter_context(_run_peer(stack, folder, present, moments))
        crossed_at = asyncio.run(_send_all(plan, nodes, broker.settings, _Seen(moments, present, port)))
    return moments, crossed_at


class _Plan(NamedTuple):
    """Values of each station per second, and the second of its crossing if it has a plume."""

    series: dict
    crossings: dict


class _Seen(NamedTuple):
    """The moments to fill, the present value of each station, and the port of the API."""

    moments: Moments
    present: dict
    port: int


def _plan_stations(seconds, count):
    rng, plan = np.random.default_rng(7), _Plan({}, {})
    for i in range(count):
        id_ = f"bench-{i:03}"
        if i % 2:
            plan.series[id_] = make_calm_values(rng, seconds)
        else:
            plan.series[id_], plan.crossings[id_] = make_live_values(rng, seconds, seconds // 2)
    return plan


async def _send_all(plan, nodes, broker, seen):
    rng = np.random.default_rng(8)
    async with _follow_live(seen.port, seen.moments), create_client(broker, "bench-nodes") as client:
        for node in nodes.values():
            await _send_history(client, node, rng)
        await asyncio.sleep(_SETTLING_SECONDS)
        seen.moments.first.clear()
        seen.moments.mark_count.clear()
        crossed_at = await _send_live(client, nodes, plan, seen.present)
        await asyncio.sleep(_SETTLING_SECONDS)
    return crossed_at


def _run_peer(stack, folder, present, moments):
    exporter = stack.enter_context(prometheus.Exporter(present))
    receiver = stack.enter_context(prometheus.AlertReceiver(moments.note))
    peer_folder = folder / "peer"
    peer_folder.mkdir()
    return prometheus.run_peer(peer_folder, exporter=exporter.url, webhook=receiver.url, limit=fixed_limit())


def _enrol(dsn, ids):
    """A node per station, each in an area with the same name."""
    migrate(dsn)
    signers = {id_: Signer.generate(id_) for id_ in ids}
    with connect(dsn) as connection, connection.transaction():
        for id_, signer in signers.items():
            stations.put_area(connection, Area(id=id_, name=id_, authority="Bench", outline=_OUTLINE))
            stations.put_station(connection, Station(id=id_, area=id_, name=id_, latitude=52.5, longitude=4.6))
            stations.put_node(connection, Node(id=id_, area=id_, station=id_, key=signer.verifier))
    return {id_: _NodeBatches(signer) for id_, signer in signers.items()}


class _NodeBatches:
    """Signed batches of one node."""

    def __init__(self, signer):
        self._signer, self._seq = signer, 0

    def sign(self, t0, values):
        """(topic, payload) of readings one second apart from `t0` (ms UTC) on."""
        self._seq += 1
        name = self._signer.name
        batch = ReadingBatch(
            v=1, node=name, inc="b" * 12, seq=self._seq, boot="bench", clock=ClockState.SYNCED, mono=self._seq,
            t0=t0, dt=[1_000 * i for i in range(len(values))], values={"pm2_5": [float(value) for value in values]},
        )  # fmt: skip
        return str(Topic(area=name, node=name, kind=TopicKind.READINGS)), self._signer.sign(batch.encode())


async def _send_history(client, node, rng):
    """The readings of the last minutes, so that backgrounds are settled."""
    values = make_calm_values(rng, _HISTORY_SECONDS)
    begin = int(time.time() * 1_000) - 1_000 * _HISTORY_SECONDS
    for first in range(0, _HISTORY_SECONDS, _HISTORY_BATCH):
        topic, payload = node.sign(begin + 1_000 * first, values[first : first + _HISTORY_BATCH])
        await client.publish(topic, payload, qos=1)


async def _send_live(client, nodes, plan, present):
    """Publish a reading per node and second; return the moment of the reading that crossed, by station."""
    crossed_at, started_at = {}, time.monotonic()
    for second in range(len(next(iter(plan.series.values())))):
        await asyncio.sleep(max(0.0, started_at + second - time.monotonic()))
        at, now_ms = time.monotonic(), int(time.time() * 1_000)
        for id_, values in plan.series.items():
            present[id_] = float(values[second])
            if plan.crossings.get(id_) == second:
                crossed_at[id_] = at
        for id_, node in nodes.items():
            topic, payload = node.sign(now_ms, [plan.series[id_][second]])
            await client.publish(topic, payload, qos=0)
    return crossed_at


def _write_settings(folder, *, dsn, broker, webhook, port):
    key = folder / "gateway.key"
    key.write_text(Signer.generate("gateway.bench").export())
    secret = folder / "webhook.secret"
    secret.touch(mode=0o600)
    secret.write_text("whsec_" + base64.b64encode(secrets.token_bytes(24)).decode())
    config = folder / "piekwacht.toml"
    config.write_text(f"""
database = {{ dsn = "{dsn}" }}
broker = {{ host = "{broker.host}", port = {broker.port} }}
ingest = {{ key_file = "{key}" }}
api = {{ host = "127.0.0.1", port = {port}, public_url = "http://127.0.0.1:{port}" }}

[alerting]
public_url = "http://127.0.0.1:{port}"
allow_private = true
burst = 500

[[alerting.receiver]]
name = "bench"
webhook = [{{ url = "{webhook}", secret_file = "{secret}" }}]

[[alerting.route]]
receiver = "bench"
match = ['property="pm2_5"']
""")
    return config


def _note_webhook(moments, item):
    document = json.loads(item.body)
    for station in set(_find_stations(document)):
        moments.note(WEBHOOK, station)


def _find_stations(document):
    """Ids of stations anywhere in a document."""
    if isinstance(document, dict):
        document = list(document.values())
    if isinstance(document, list):
        for part in document:
            yield from _find_stations(part)
    elif isinstance(document, str) and document.startswith("bench-") and len(document) == len("bench-000"):
        yield document


@asynccontextmanager
async def _follow_live(port, moments):
    """Note marks and events of the live feed until the block ends."""

    async def follow():
        url = f"http://127.0.0.1:{port}/api/v1/live"
        async with httpx.AsyncClient(timeout=None) as http, http.stream("GET", url) as response:
            name = ""
            async for line in response.aiter_lines():
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    _note_frame(moments, name, json.loads(line.removeprefix("data: ")))

    task = asyncio.create_task(follow())
    try:
        yield
    finally:
        task.cancel()


def _note_frame(moments, name, data):
    if name == "preliminary":
        moments.note_marks({mark["station"] for mark in data})
    elif name == "event" and data["kind"] == "peak":
        moments.note(EVENT, data["station"])
