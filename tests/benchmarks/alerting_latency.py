"""From the reading that gave a peak away to the inspector's servers, through everything. Run as a module.

python -m tests.benchmarks.alerting_latency [SECONDS] [NODES]

Real agents with simulated sensors (a batch a second, as in the demo), broker, gateway, PostgreSQL, alerting; a mail and
a web server on loopback that note when they were told. `observed`: the time of the reading at which the detector was
sure, set by the node; `onset`: when the plume began to rise, which includes the seconds the detector waits.
"""

import re
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from gateway.demo import config, nodes, stations
from gateway.demo.receivers import Mailbox, Received, Webhook
from gateway.store.migrate import migrate
from gateway.system.child_process import Child, answers, free_port
from gateway.system.embedded_servers import Broker, Postgres

EVERY = 45  # seconds from one plume of a node to its next
SEEN = """SELECT i.event_id, (alert ->> 'onset')::timestamptz, (alert ->> 'detected_at')::timestamptz, received_at
FROM alerting.inbox i JOIN alerting.decision d USING (event_id, revision)
WHERE i.revision = 1 AND alert ->> 'change' = 'opened' AND d.told"""
WITHHELD = "SELECT reason, count(*) FROM alerting.decision WHERE revision = 1 AND NOT told GROUP BY reason"


def plumes(number: int, seconds: float) -> str:
    """A plume every so often, each node at another second of it."""
    parts = []
    for start in range(30 + 7 * number % EVERY, int(seconds), EVERY):
        parts += ["[[sensor.plume]]", f"start_seconds = {start}", "duration_seconds = 20"]
        parts += ["excess = { pm2_5 = 60.0 }"]
    return "\n".join(parts) + "\n"


def report(name: str, seconds: list[float]) -> None:
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    print(f"{name}: {len(seconds)}, p50 {cuts[49]:.2f} s, p99 {cuts[98]:.2f} s, most {max(seconds):.2f} s")


def told(received: list[Received], channel: str) -> dict[str, datetime]:
    """Event -> when this server was told of it first."""
    found: dict[str, datetime] = {}
    for one in received:
        if one.channel == channel:
            for event in set(re.findall(r"\b[a-z2-7]{16}\b", one.body)):
                found.setdefault(event, one.at)
    return found


def main(seconds: float, count: int) -> None:
    received: list[Received] = []
    with tempfile.TemporaryDirectory(prefix="piekwacht-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o711)
        broker, postgres = stack.enter_context(Broker(folder)), stack.enter_context(Postgres(folder))
        dsn = postgres.create_database("piekwacht")
        migrate(dsn)
        mailbox, webhook = (stack.enter_context(one(received.append)) for one in (Mailbox, Webhook))
        signer = nodes.kept_key(folder / "gateway.key", "gateway.ijmond")
        planned = nodes.plan(
            stations.choose(count, None), folder=folder / "nodes", broker=broker.settings, gateway=signer.verifier,
            speed=1.0, replay=None,
        )  # fmt: skip
        config.enrol(dsn, planned)
        port = free_port()
        settings = config.write_settings(
            folder / "piekwacht.toml", dsn=dsn, broker=broker.settings, key_file=folder / "gateway.key", api_port=port,
            smtp_port=mailbox.port, webhook=webhook.url, replay=False,
        )  # fmt: skip
        settings.write_text(settings.read_text().replace("calm_minutes = 0.5", "calm_minutes = 0"))
        for number, node in enumerate(planned):
            agent = node.folder / "agent.toml"
            agent.write_text(agent.read_text().partition("[[sensor.plume]]")[0] + plumes(number, seconds))
        command = [sys.executable, "-m", "gateway", "up", "--config", settings]
        gateway = stack.enter_context(Child("the gateway", command, log=folder / "gateway.log"))
        gateway.wait_until(lambda: answers("127.0.0.1", port), timeout=120)
        agents = [stack.enter_context(node.start()) for node in planned]
        time.sleep(seconds)
        for agent in agents:
            agent.stop()
        time.sleep(5)
        with psycopg.connect(dsn) as connection:
            seen = {row[0]: row[1:] for row in connection.execute(SEEN)}
            withheld = dict(connection.execute(WITHHELD).fetchall())
        gateway.stop()
    print(f"{datetime.now(UTC):%Y-%m-%d}: {count} nodes, batches of 1 s, {seconds:.0f} s")
    print(f"{len(seen)} peaks to tell of; not to be told: {withheld}")
    for channel in ("webhook", "e-mail"):
        times = told(received, channel)
        both = [(times[event], *seen[event]) for event in seen if event in times]
        print(f"{channel}: {len(seen) - len(both)} lost")
        report("  observed -> told ", [(at - observed).total_seconds() for at, _, observed, _ in both])
        report("  committed -> told", [(at - committed).total_seconds() for at, _, _, committed in both])
        report("  onset -> told    ", [(at - onset).total_seconds() for at, onset, _, _ in both])


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 300.0, int(sys.argv[2]) if len(sys.argv) > 2 else 8)
