"""A recording of real sensors through the whole system: real agents, broker, database, detector, deliveries.

The stored set must equal the recording to the last value, and the releases labelled in it must have raised alerts.
"""

import csv
import gzip
import sys
import time
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from gateway.demo import config, nodes, reconciliation, stations
from gateway.demo.receivers import Mailbox, ReceivedNotification, Webhook
from gateway.system.child_process import Child, find_free_port, is_port_open
from gateway.system.embedded_servers import Broker

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

COVARIATES = {
    "rh": "humidity",
    "temperature": "temperature",
    "wind_speed": "wind_speed",
    "wind_direction": "wind_direction",
}


def milliseconds(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def values_in(recording: Path) -> Counter:
    """(station, property, ms, value) of every number in the file."""
    values = Counter()
    with gzip.open(recording, "rt") as file:
        for row in csv.DictReader(file):
            at = milliseconds(row["time"])
            values[row["station"], row["property"], at, float(row["value"])] += 1
            for column, name in COVARIATES.items():
                if row.get(column):
                    values[row["station"], name, at, float(row[column])] += 1
    return values


@pytest.fixture
def replayed(database, recordings, open_folder):
    """The controlled releases, played through agents and gateway; yields what inspectors received."""
    recording = recordings / "controlled_releases.csv.gz"
    received: list[ReceivedNotification] = []
    port = find_free_port()
    with Broker(open_folder) as broker, Mailbox(received.append) as mailbox, Webhook(received.append) as webhook:
        key_file = open_folder / "gateway.key"
        signer = nodes.load_or_create_key(key_file, "gateway.ijmond")
        demo_stations = stations.choose_stations(12, recording)
        planned = nodes.create_nodes(demo_stations, open_folder / "nodes")
        sensors = nodes.describe_replay_sensors(demo_stations, recording, speed=20_000)
        nodes.write_agent_settings(planned, sensors, broker.settings, signer.verifier)
        for node in planned:
            agent = node.folder / "agent.toml"
            agent.write_text(agent.read_text().replace('stamps = "now"', 'stamps = "recorded"'))
        config.enrol_nodes(database, planned)
        settings = config.write_settings(
            open_folder / "piekwacht.toml",
            dsn=database,
            broker=broker.settings,
            key_file=key_file,
            api_port=port,
            smtp_port=mailbox.port,
            webhook=webhook.url,
            replay=True,
        )
        up = [sys.executable, "-m", "gateway", "up", "--config", settings]
        with Child("gateway", up, log=open_folder / "gateway.log") as gateway:
            gateway.wait_until(lambda: is_port_open("127.0.0.1", port), timeout=60)
            agents = [
                Child(
                    node.id,
                    [sys.executable, "-m", "edge_agent", "run", "--config", node.folder / "agent.toml", "--until-done"],
                    log=node.folder / "agent.log",
                )
                for node in planned
            ]
            try:
                assert [agent.process.wait(180) for agent in agents] == [0] * len(agents)
            finally:
                for agent in agents:
                    agent.stop()
            time.sleep(3)  # the last alerts are on their way
        yield recording, planned, received


def test_what_is_stored_is_the_recording_and_its_releases_raised_alerts(replayed, database, recordings):
    recording, planned, received = replayed
    drawn_up = reconciliation.reconcile(database, {node.id: node.readings_log for node in planned}, live=False)
    assert (drawn_up.lost, drawn_up.duplicates) == (0, 0)

    names = {node.station.id: node.station.name for node in planned}
    with psycopg.connect(database) as connection:
        stored = Counter(
            (names[station], name, at, value)
            for station, name, at, value in connection.execute(
                """SELECT d.station_id, d.property_id, (extract(epoch FROM o.observed_at) * 1000)::bigint, o.value
                   FROM observation o JOIN datastream d ON d.id = o.datastream_id"""
            )
        )
        alerts = [row[0] for row in connection.execute("SELECT detected_at FROM event WHERE property_id = 'ch4'")]
    assert stored == values_in(recording)

    with (recordings / "controlled_releases_truth.csv").open() as file:
        releases = [(row["onset"], row["end"]) for row in csv.DictReader(file)]
    missed = [
        (onset, end)
        for onset, end in releases
        if not any(
            datetime.fromisoformat(onset) <= at <= datetime.fromisoformat(end) + timedelta(minutes=2) for at in alerts
        )
    ]
    assert missed == []
    assert {r.channel for r in received} == {"e-mail", "webhook"}
