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
from gateway.demo.receivers import Mailbox, ReceivedNotification, Webhook
from gateway.store.migrate import migrate
from gateway.system.child_process import Child, find_free_port, is_port_open
from gateway.system.embedded_servers import Broker, Postgres

PLUME_INTERVAL = 45  # seconds from one plume of a node to its next
NOTIFIED_PEAKS = """SELECT i.event_id, (alert ->> 'onset')::timestamptz, (alert ->> 'detected_at')::timestamptz,
    received_at
FROM alerting.inbox i JOIN alerting.decision d USING (event_id, revision)
WHERE i.revision = 1 AND alert ->> 'change' = 'opened' AND d.told"""
SUPPRESSED_PEAKS = "SELECT reason, count(*) FROM alerting.decision WHERE revision = 1 AND NOT told GROUP BY reason"


def plume_tables(number: int, seconds: float) -> str:
    """A plume every so often, each node at another second of it."""
    parts = []
    for start in range(30 + 7 * number % PLUME_INTERVAL, int(seconds), PLUME_INTERVAL):
        parts += ["[[sensor.plume]]", f"start_seconds = {start}", "duration_seconds = 20"]
        parts += ["excess = { pm2_5 = 60.0 }"]
    return "\n".join(parts) + "\n"


def print_percentiles(name: str, seconds: list[float]) -> None:
    percentiles = statistics.quantiles(seconds, n=100, method="inclusive")
    print(
        f"{name}: {len(seconds)}, p50 {percentiles[49]:.2f} s, p99 {percentiles[98]:.2f} s, most {max(seconds):.2f} s"
    )


def first_notifications(received: list[ReceivedNotification], channel: str) -> dict[str, datetime]:
    """Event -> when this server was told of it first."""
    first_received: dict[str, datetime] = {}
    for item in received:
        if item.channel == channel:
            for event in set(re.findall(r"\b[a-z2-7]{16}\b", item.body)):
                first_received.setdefault(event, item.at)
    return first_received


def main(seconds: float, count: int) -> None:
    received: list[ReceivedNotification] = []
    with tempfile.TemporaryDirectory(prefix="piekwacht-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o711)
        broker, postgres = stack.enter_context(Broker(folder)), stack.enter_context(Postgres(folder))
        dsn = postgres.create_database("piekwacht")
        migrate(dsn)
        mailbox, webhook = (stack.enter_context(receiver(received.append)) for receiver in (Mailbox, Webhook))
        signer = nodes.load_or_create_key(folder / "gateway.key", "gateway.ijmond")
        planned = nodes.plan_nodes(
            stations.choose_stations(count, None),
            folder=folder / "nodes",
            broker=broker.settings,
            gateway=signer.verifier,
            speed=1.0,
            replay=None,
        )
        config.enrol_nodes(dsn, planned)
        port = find_free_port()
        settings = config.write_settings(
            folder / "piekwacht.toml", dsn=dsn, broker=broker.settings, key_file=folder / "gateway.key", api_port=port,
            smtp_port=mailbox.port, webhook=webhook.url, replay=False,
        )  # fmt: skip
        settings.write_text(settings.read_text().replace("calm_minutes = 0.5", "calm_minutes = 0"))
        for number, node in enumerate(planned):
            agent = node.folder / "agent.toml"
            agent.write_text(agent.read_text().partition("[[sensor.plume]]")[0] + plume_tables(number, seconds))
        command = [sys.executable, "-m", "gateway", "up", "--config", settings]
        gateway = stack.enter_context(Child("the gateway", command, log=folder / "gateway.log"))
        gateway.wait_until(lambda: is_port_open("127.0.0.1", port), timeout=120)
        agents = [stack.enter_context(node.start()) for node in planned]
        time.sleep(seconds)
        for agent in agents:
            agent.stop()
        time.sleep(5)
        with psycopg.connect(dsn) as connection:
            peaks = {row[0]: row[1:] for row in connection.execute(NOTIFIED_PEAKS)}
            suppressed = dict(connection.execute(SUPPRESSED_PEAKS).fetchall())
        gateway.stop()
    print(f"{datetime.now(UTC):%Y-%m-%d}: {count} nodes, batches of 1 s, {seconds:.0f} s")
    print(f"{len(peaks)} peaks to tell of; not to be told: {suppressed}")
    for channel in ("webhook", "e-mail"):
        notified_at = first_notifications(received, channel)
        pairs = [(notified_at[event], *peaks[event]) for event in peaks if event in notified_at]
        print(f"{channel}: {len(peaks) - len(pairs)} lost")
        print_percentiles("  observed -> told ", [(at - observed).total_seconds() for at, _, observed, _ in pairs])
        print_percentiles("  committed -> told", [(at - committed).total_seconds() for at, _, _, committed in pairs])
        print_percentiles("  onset -> told    ", [(at - onset).total_seconds() for at, onset, _, _ in pairs])


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 300.0, int(sys.argv[2]) if len(sys.argv) > 2 else 8)
