"""Nodes, broker, database and gateway as processes, each of which can be killed, and an oracle outside them.

The oracle is the nodes' own log of every reading, written before anything is stored.
"""

import json
import os
import signal
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Self

import psycopg

from edge_agent.wire import Signer
from gateway.model.registry import Area, Node, Station
from gateway.store import stations
from gateway.store.migrate import migrate
from gateway.system.child_process import Child, find_free_port
from gateway.system.embedded_servers import Broker, Postgres
from tests.gateway.enrolled_node import OUTLINE
from tests.waiting import wait_until

PROPERTIES = ("pm2_5", "pm10", "humidity")
Value = tuple[str, str, int, float]  # node, property, ms UTC, value

_AGENT = """
[node]
id = "{node}"
area = "ijmond"
key_file = "node.key"
[gateway]
keys = ["{gateway}"]
[broker]
port = {port}
keepalive_seconds = 5
connect_seconds = 2
[spool]
path = "spool.sqlite"
[batch]
interval_seconds = 0.3
resend_seconds = 4
forget_seconds = 1
offline_seconds = 2
merge_seconds = 3
drain_seconds = 60
[log]
generated = "generated.jsonl"
[[sensor]]
driver = "simulated"
interval_seconds = 0.1
seed = {seed}
properties = ["pm2_5", "pm10", "humidity"]
"""


class Cluster:
    """A small site on loopback."""

    def __init__(self, folder: Path, *, nodes: int = 2, node_port: int | None = None) -> None:
        self.folder = folder
        self.postgres = Postgres(folder / "db")
        self.dsn = self.postgres.create_database("piekwacht")
        migrate(self.dsn)
        self.port = find_free_port()
        self.broker = Broker(folder / "broker", port=self.port)
        self.key = Signer.generate("gateway.ijmond")
        (folder / "gateway.key").write_text(self.key.export())
        self.config = folder / "piekwacht.toml"
        self.config.write_text(f"""
database = {{ dsn = "{self.dsn}" }}
broker = {{ port = {self.port} }}
[ingest]
key_file = "gateway.key"
areas = ["ijmond"]
window_seconds = 0.02
retry_seconds = 0.2
hold_seconds = 2.0
""")
        self.ids = [f"ijm-{i:03}" for i in range(nodes)]
        for i, node in enumerate(self.ids):
            self._create_node(node, seed=i, port=node_port or self.port)
        self.agents: dict[str, Child] = {}
        self.gateway: Child | None = None

    def _create_node(self, node: str, *, seed: int, port: int) -> None:
        folder = self.folder / node
        folder.mkdir()
        key = Signer.generate(node)
        (folder / "node.key").write_text(key.export())
        (folder / "agent.toml").write_text(_AGENT.format(node=node, gateway=self.key.verifier, port=port, seed=seed))
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            stations.put_area(connection, Area(id="ijmond", name="IJmond", authority="OD", outline=OUTLINE))
            position = {"latitude": 52.49, "longitude": 4.59}
            stations.put_station(connection, Station(id=node, area="ijmond", name=node, **position))
            stations.put_node(connection, Node(id=node, area="ijmond", station=node, key=key.verifier))

    def start_agent(self, node: str) -> None:
        command = [sys.executable, "-m", "edge_agent", "run", "--config", self.folder / node / "agent.toml"]
        self.agents[node] = Child(node, command, log=self.folder / node / "agent.log")

    def start_gateway(self, *failpoint: object) -> Child:
        """Start a gateway; with `failpoint`, one that dies at that point of tests.faults.failpoints."""
        module = ["tests.faults.failpoints", *map(str, failpoint)] if failpoint else ["gateway"]
        command = [sys.executable, "-m", *module, "gateway", "--config", self.config]
        self.gateway = Child("gateway", command, log=self.folder / "gateway.log")
        return self.gateway

    def revive_gateway(self) -> None:
        """Start a gateway again that ended by itself: one that starts while the database is down does, with a sentence.

        The unit of systemd has `Restart=always`, and `piekwacht up` does the same.
        """
        assert self.gateway is not None
        if not self.gateway.is_running:
            assert "no database" in self.gateway.read_log_tail(1), self.gateway.read_log_tail()
            self.start_gateway()

    def restart(self, process: str) -> None:
        """Kill a process with SIGKILL and start it again, as a service manager would."""
        if process == "database":
            kill(self.postgres.pid)
            self.postgres.stop()
            self.postgres = Postgres(self.folder / "db")
        elif process == "broker":
            kill(self.broker.pid)
            self.broker.stop()
            self.broker = Broker(self.folder / "broker", port=self.port)
        elif process == "gateway":
            assert self.gateway is not None
            kill(self.gateway.process.pid)
            self.gateway.stop()
            self.start_gateway()
        else:
            kill(self.agents[process].process.pid)
            self.agents[process].stop()
            self.start_agent(process)

    def _log_path(self, node: str) -> Path:
        return self.folder / node / "generated.jsonl"

    def read_generated_values(self) -> Counter[Value]:
        """Count every value that the nodes generated, according to their logs."""
        lines = [
            (node, json.loads(line))
            for node in self.ids
            for line in self._log_path(node).read_text().splitlines()
            if line.endswith("}")
        ]
        return Counter((n, p, e["observed_at"], v) for n, e in lines for p, v in e["values"].items() if v is not None)

    def read_stored_values(self) -> Counter[Value]:
        """Count every value in the database."""
        with psycopg.connect(self.dsn, connect_timeout=5) as connection:
            return Counter(
                connection.execute(
                    """SELECT d.node_id, d.property_id, (extract(epoch FROM o.observed_at) * 1000)::bigint, o.value
                       FROM observation o JOIN datastream d ON d.id = o.datastream_id
                       WHERE o.value IS NOT NULL AND d.property_id <> 'lost_readings'"""
                ).fetchall()
            )

    def count_batches(self) -> int:
        with psycopg.connect(self.dsn, connect_timeout=5) as connection:
            return connection.execute("SELECT count(*) FROM batch").fetchone()[0]

    def find_batches(self, value: Value) -> list[tuple[object, ...]]:
        """Return the batches that contain a value."""
        with psycopg.connect(self.dsn) as connection:
            return connection.execute(
                """SELECT b.id, b.incarnation, b.seq, b.hist, convert_from(b.payload, 'UTF8'), value, o.observed_at
                   FROM observation o JOIN datastream d ON d.id = o.datastream_id JOIN batch b ON b.id = o.batch_id
                   WHERE d.node_id = %s AND d.property_id = %s AND extract(epoch FROM o.observed_at) * 1000 = %s""",
                value[:3],
            ).fetchall()

    def read_logs(self) -> str:
        """Return the end of the log of each process, and whether it runs."""
        children = [*self.agents.values(), *([self.gateway] if self.gateway else [])]
        tails = [f"{child.name}, running: {child.is_running}\n{child.read_log_tail(12)}" for child in children]
        broker_log = (self.folder / "broker" / "broker.log").read_text()
        return "\n".join([*tails, f"broker\n{broker_log[-2000:]}"])

    def finish_and_check(self, *, uncommitted: int = 0) -> None:
        """Let the nodes send everything, and compare the database with the oracle: nothing lost, nothing stored twice.

        `uncommitted`: values that killed nodes may have generated without committing them to their spools.
        """
        before = {
            node: self._log_path(node).stat().st_size for node in self.agents
        }  # a node that was just killed is still starting
        wait_until(lambda: all(self._log_path(node).stat().st_size > size for node, size in before.items()))
        for agent in self.agents.values():
            agent.process.send_signal(signal.SIGTERM)
        for agent in self.agents.values():
            code = agent.process.wait(90)  # one SIGTERM only: a second one may arrive while the interpreter shuts down
            assert code == 0, f"{agent.read_log_tail(5)} | {self.gateway and self.gateway.read_log_tail(5)}"
            assert "0 batches remain in the spool" in agent.read_log_tail(), agent.read_log_tail()
        generated, stored = self.read_generated_values(), self.read_stored_values()
        duplicates = list((stored - generated).items())
        assert not duplicates, (
            f"{len(duplicates)} values are stored more often than generated: {self.find_batches(duplicates[0][0])}"
        )
        lost = generated - stored
        assert sum(lost.values()) <= uncommitted, f"{sum(lost.values())} of {sum(generated.values())} values are lost"
        with psycopg.connect(self.dsn) as connection:
            assert connection.execute("SELECT reason, detail FROM quarantine").fetchall() == []

    def close(self) -> None:
        for child in (*self.agents.values(), *([self.gateway] if self.gateway else [])):
            child.process.kill()
            child.stop()
        self.broker.stop()
        self.postgres.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def kill(pid: int) -> None:
    with suppress(ProcessLookupError):  # it has ended already
        os.kill(pid, signal.SIGKILL)
