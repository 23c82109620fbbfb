"""Two stations with four hours of readings up to now, behind a real server that all tests of a module share."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest_asyncio

from edge_agent.wire import Flag
from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings
from gateway.ingest.pipeline import Pipeline
from gateway.quality.flagger import Flagger
from gateway.store.connection import Store
from gateway.system.child_process import find_free_port
from gateway.system.embedded_servers import Broker
from tests.gateway.api.conftest import running_api
from tests.gateway.enrolled_node import enrol_node

ABSURD = 987.625
STATIONS = {"wijk-aan-zee": (52.4941, 4.5942), "beverwijk": (52.4823, 4.6571)}


async def ingest_hours(dsn, now):
    """A reading each minute; of the hour before last only each second minute at the first station."""
    store = Store(dsn)
    pipeline = Pipeline(store, Flagger(), Detector(DetectionSettings()))
    this_hour = now.replace(minute=0, second=0, microsecond=0)
    first = this_hour - timedelta(hours=4)
    for number, station in enumerate(STATIONS):
        node = enrol_node(dsn, f"ijm-{number:03}", station)
        seq = 0
        for hour in range(5):
            start = first + timedelta(hours=hour)
            minutes = [m for m in range(60) if start + timedelta(minutes=m) < now - timedelta(minutes=2)]
            if hour == 2 and number == 0:
                minutes = minutes[::2]
            if not minutes:
                continue
            seq += 1
            count = len(minutes)
            values = {
                "pm2_5": [8.0 + number + hour] * count, "pm10": [16.0 + hour] * count, "humidity": [60.0] * count,
                "temperature": [11.5] * count, "pressure": [1013.25] * count,
            }  # fmt: skip
            values["pm2_5"][-1] = ABSURD
            payload = node.payload(
                seq,
                t0=int(start.timestamp() * 1000),
                dt=[60_000 * m for m in minutes],
                values=values,
                flags={"pm2_5": [0] * (count - 1) + [int(Flag.SENSOR_FAULT)]},
                received_at=start + timedelta(minutes=minutes[-1], seconds=1),
            )
            await pipeline.process([payload])
        payload = node.payload(
            seq + 1,
            t0=int(now.timestamp() * 1000) - 50_000,
            dt=[10_000 * i for i in range(6)],
            values={"pm2_5": [21.0 + number] * 5 + [ABSURD], "pressure": [1013.25] * 6},
            flags={"pm2_5": [0] * 5 + [int(Flag.SENSOR_FAULT)]},
            received_at=now,
        )
        await pipeline.process([payload])
    await store.close()
    with psycopg.connect(dsn, autocommit=True) as connection:
        for station, (latitude, longitude) in STATIONS.items():
            connection.execute(
                "UPDATE station SET latitude = %s, longitude = %s, name = %s WHERE id = %s",
                [latitude, longitude, station.replace("-", " ").title(), station],
            )


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def town(postgres, tmp_path_factory):
    """A client of the API of these stations; `now`: when their last reading was."""
    dsn = postgres.create_database(f"town_{find_free_port()}", template="migrated")
    now = datetime.now(UTC).replace(microsecond=0)
    await ingest_hours(dsn, now)
    port = find_free_port()
    url = f"http://127.0.0.1:{port}"
    settings = {"port": port, "public_url": url, "no_data_after_seconds": 3_600.0}
    with Broker(tmp_path_factory.mktemp("broker")) as broker:
        async with running_api(dsn, broker.settings, **settings) as (client, _):
            client.root, client.now, client.dsn = url, now, dsn
            yield client
