"""A small site that is attacked: `piekwacht up`, broker, database and nodes as processes, and a mail server.

The nodes are real agents, whose own logs of readings are the oracle: nothing lost, nothing stored twice.
"""

import asyncio
import signal
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import psycopg

from alerting import inbox
from gateway.access.accounts import Accounts
from gateway.access.identity import Role, Scope
from gateway.system.child_process import Child, find_free_port
from tests.alerting.sample_alerts import make_alert
from tests.alerting.servers import MailServer
from tests.attack.attacker import Target
from tests.faults.cluster import Cluster, Value
from tests.gateway.service.test_supervisor import find_processes, is_ingesting
from tests.waiting import wait_until

PASSWORD = "een zin van vijf woorden"
ACCOUNT = "anna@od.example"
_PAGE = 4_096  # bytes

_SETTINGS = """
[api]
port = {api_port}
public_url = "http://127.0.0.1:{api_port}"
[telemetry]
port = {metrics_port}
[alerting]
public_url = "http://127.0.0.1:{api_port}"
burst = 100_000
[alerting.smtp]
host = "localhost"
port = {smtp_port}
tls = "none"
[[alerting.receiver]]
name = "od"
email = [{{ to = ["piket@od.example"] }}]
[[alerting.route]]
receiver = "od"
"""


class AttackedSite(Cluster):
    """The site, with two nodes that read ten times per second."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.api_port, self.metrics_port = find_free_port(), find_free_port()
        self.mail = MailServer()
        self.mail.__enter__()
        ports = {"api_port": self.api_port, "metrics_port": self.metrics_port, "smtp_port": self.mail.controller.port}
        self.config.write_text(self.config.read_text() + _SETTINGS.format(**ports))
        self.key, self.totp = asyncio.run(self._add_account())
        self.up: Child | None = None
        self.processes: list[int] = []

    async def _add_account(self) -> tuple[str, str]:
        accounts = Accounts(self.dsn)
        totp = await accounts.put_account(ACCOUNT, Role.ADMIN, ["*"], PASSWORD)
        return str(await accounts.put_key(ACCOUNT, list(Scope), ["*"], purpose="attack", days=1)), totp

    @property
    def target(self) -> Target:
        return Target(api_port=self.api_port, broker_port=self.port, key=self.key, node=self.ids[0])

    def start(self) -> None:
        """Start everything and wait until readings are stored."""
        self.up = Child(
            "piekwacht up", [sys.executable, "-m", "gateway", "up", "--config", self.config], log=self.folder / "up.log"
        )
        self.up.wait_until(lambda: is_ingesting(self.metrics_port), timeout=120)
        for node in self.ids:
            self.start_agent(node)
        wait_until(lambda: self.count_batches() > 5)
        self.processes = list(find_processes(self.up).values())

    def put_alert(self, number: int) -> None:
        """Put an alert about a separate station into the inbox, as ingest does."""
        asyncio.run(self._put_alert(f"probe-{number}"))

    async def _put_alert(self, name: str) -> None:
        async with await psycopg.AsyncConnection.connect(self.dsn) as connection:
            await inbox.put_alerts(connection, [make_alert(event_id=name, station=name)])

    def read_memory(self) -> int:
        """Resident bytes of gateway, API and alerting, without their child processes."""
        total = 0
        for pid in self.processes:
            with suppress(OSError):
                total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
        return total

    def count_restarts(self) -> int:
        """How often the supervisor started a service again."""
        assert self.up is not None
        return self.up.log.read_text().count("service ended; starting it again")

    def compare_values(self) -> tuple[int, int]:
        """Return (lost, duplicates) of the readings of the nodes so far; waits until it is stored, at most 30 s."""
        generated = self.read_generated_values()
        deadline = time.monotonic() + 30
        while (lost := generated - self.read_stored_values()) and time.monotonic() < deadline:
            time.sleep(0.2)
        everything = self.read_stored_values()
        later: Counter[Value] = self.read_generated_values()
        return sum(lost.values()), sum((everything - later).values())

    def close(self) -> None:
        for agent in self.agents.values():
            agent.process.send_signal(signal.SIGTERM)
        if self.up is not None:
            self.up.stop()
        self.mail.__exit__()
        super().close()
