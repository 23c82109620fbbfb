"""Three brokers and two gateways for one area: any of them may be killed, and nothing is lost or stored twice."""

import asyncio
import os
import signal
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import aiomqtt
import psycopg
import pytest

from edge_agent.wire import Signer
from gateway.errors import StartError
from gateway.mqtt.client import create_client
from gateway.mqtt.settings import BrokerSettings
from gateway.system.child_process import Child, find_free_port
from gateway.system.embedded_servers import _find_broker_program
from tests.gateway.enrolled_node import T0, enrol_node

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
_TAKEOVER_SECONDS = 30.0


class Cluster:
    """Three nats-servers that store every MQTT message three times."""

    def __init__(self, folder: Path) -> None:
        try:
            self._program = _find_broker_program("nats-server")[1]
        except StartError as error:
            pytest.skip(str(error))
        self._folder = folder
        self.ports = [find_free_port() for _ in range(3)]
        routes = [find_free_port() for _ in range(3)]
        listed = ", ".join(f'"nats-route://127.0.0.1:{port}"' for port in routes)
        for number, (port, route) in enumerate(zip(self.ports, routes, strict=True)):
            (folder / f"nats-{number}.conf").write_text(f"""
server_name: "n{number}"
listen: "127.0.0.1:{find_free_port()}"
jetstream {{ store_dir: "{folder}/n{number}", max_mem: 64MB, max_file: 256MB }}
cluster {{ name: "piekwacht", listen: "127.0.0.1:{route}", routes: [{listed}] }}
mqtt {{ listen: "127.0.0.1:{port}", stream_replicas: 3, max_ack_pending: 1000, ack_wait: "5s" }}
""")
        self.children = [self._child(number) for number in range(3)]

    def _child(self, number: int) -> Child:
        command = [self._program, "-c", self._folder / f"nats-{number}.conf"]
        return Child(f"nats-{number}", command, log=self._folder / f"nats-{number}.log")

    def kill(self, number: int) -> None:
        os.kill(self.children[number].process.pid, signal.SIGKILL)
        self.children[number].process.wait()

    def start(self, number: int) -> None:
        self.children[number] = self._child(number)

    def wait_until_ready(self) -> None:
        """Wait until every server accepts MQTT clients: an open port closes them until the cluster has a leader."""
        for port, child in zip(self.ports, self.children, strict=True):
            child.wait_until(lambda port=port: asyncio.run(accepts_clients(port)), timeout=60)

    def leader(self) -> int:
        """Return the server that was most often elected leader of the cluster's metadata."""
        elections = {
            number: (self._folder / f"nats-{number}.log")
            .read_text()
            .count("Self is new JetStream cluster metadata leader")
            for number in range(3)
        }
        return max(elections, key=elections.__getitem__)


async def accepts_clients(port: int) -> bool:
    """Return whether an MQTT client can connect."""
    try:
        async with asyncio.timeout(5), create_client(BrokerSettings(port=port), "ready"):
            return True
    except (aiomqtt.MqttError, TimeoutError):
        return False


class Nodes:
    """Sends one batch at a time to the first broker that answers, and sends again what the database lacks."""

    def __init__(self, cluster: Cluster, dsn: str) -> None:
        self._cluster, self.dsn, self.node = cluster, dsn, enrol_node(dsn)
        self.sent_payloads: dict[int, object] = {}

    def make_payload(self) -> None:
        seq = len(self.sent_payloads) + 1
        self.sent_payloads[seq] = self.node.payload(seq, t0=T0 + seq * 1_000, dt=[0], values={"pm2_5": [8.0 + seq % 3]})

    async def send(self, payloads) -> None:
        for port in self._cluster.ports[::-1]:
            with suppress(aiomqtt.MqttError, TimeoutError):
                async with asyncio.timeout(10), create_client(BrokerSettings(port=port), "ijm-001") as connection:
                    for payload in payloads:
                        await connection.publish(payload.topic, payload.body, qos=1, timeout=5)
                return

    def read_stored_seqs(self) -> list[int]:
        with psycopg.connect(self.dsn) as connection:
            return [row[0] for row in connection.execute("SELECT seq FROM batch ORDER BY seq")]

    async def measure_time_until_stored(self, within: float) -> float:
        """Return the seconds until a new batch is stored, while batches keep arriving; fail after `within`."""
        before, started_at = len(self.read_stored_seqs()), time.monotonic()
        while len(self.read_stored_seqs()) <= before:
            assert time.monotonic() - started_at < within, "nobody took over"
            self.make_payload()
            await self.send(list(self.sent_payloads.values())[-5:])
            await asyncio.sleep(0.2)
        return time.monotonic() - started_at


@pytest.fixture
def system(tmp_path, database):
    """Yield (cluster, nodes, gateways, folder): two gateways for one area, each on its own broker."""
    with ExitStack() as stack:
        cluster = Cluster(tmp_path)
        for number in range(3):
            stack.callback(lambda number=number: cluster.children[number].stop())
        cluster.wait_until_ready()
        nodes = Nodes(cluster, database)
        (tmp_path / "gateway.key").write_text(Signer.generate("gateway.ijmond").export())
        gateways = []
        for number in range(2):
            config = tmp_path / f"gateway-{number}.toml"
            config.write_text(
                f'[database]\ndsn = "{database}"\n[broker]\nport = {cluster.ports[number]}\n'
                f'[ingest]\nkey_file = "{tmp_path}/gateway.key"\nareas = ["ijmond"]\nretry_seconds = 0.5\n'
            )
            command = [Path(sys.executable).with_name("piekwacht"), "gateway", "--config", config]
            gateways.append(
                lambda number=number, command=command: Child("gateway", command, log=tmp_path / f"g{number}.log")
            )
        running = [stack.enter_context(start()) for start in gateways]
        yield cluster, nodes, running, tmp_path


def log_contains(folder: Path, number: int, words: str) -> bool:
    return words in (folder / f"g{number}.log").read_text(errors="replace")


async def test_a_worker_and_a_broker_are_killed_and_the_other_takes_the_area_over(system):
    cluster, nodes, running, folder = system
    deadline = time.monotonic() + 60
    while not any(
        log_contains(folder, n, "ingest started") and log_contains(folder, 1 - n, "standing by") for n in (0, 1)
    ):
        assert time.monotonic() < deadline, [(folder / f"g{n}.log").read_text()[-500:] for n in (0, 1)]
        await asyncio.sleep(0.2)
    await nodes.measure_time_until_stored(30)

    leader = cluster.leader()
    cluster.kill(leader)  # the leader of the brokers, with all its clients
    durations = {"a broker": await nodes.measure_time_until_stored(_TAKEOVER_SECONDS)}
    cluster.start(leader)

    durations["its return"] = await nodes.measure_time_until_stored(_TAKEOVER_SECONDS)
    running[find_writer(folder)].process.kill()
    durations["a gateway"] = await nodes.measure_time_until_stored(_TAKEOVER_SECONDS)
    print(f"taken over after: {durations}")

    until = time.monotonic() + 60
    while set(missing := set(nodes.sent_payloads) - set(nodes.read_stored_seqs())) and time.monotonic() < until:
        await nodes.send([nodes.sent_payloads[seq] for seq in sorted(missing)])
        await asyncio.sleep(1)
    assert nodes.read_stored_seqs() == sorted(nodes.sent_payloads), "each once, none lost"
    with psycopg.connect(nodes.dsn) as connection:
        twice = "SELECT count(*) FROM (SELECT observed_at FROM observation GROUP BY 1 HAVING count(*) > 1) AS t"
        assert connection.execute(twice).fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM observation").fetchone() == (len(nodes.sent_payloads),)


def find_writer(folder: Path) -> int:
    """Return the gateway that acquired the area last, according to the logs."""
    lines = {n: (folder / f"g{n}.log").read_text(errors="replace").splitlines() for n in (0, 1)}
    last = {n: max((line[:23] for line in lines[n] if "ingest started" in line), default="") for n in (0, 1)}
    return max(last, key=last.__getitem__)
