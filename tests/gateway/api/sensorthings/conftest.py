"""A small network behind a real server, shared by all tests of a module: two areas, three stations, four properties."""

from datetime import UTC, datetime

import psycopg
import pytest_asyncio

from edge_agent.wire import Flag
from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings
from gateway.ingest.pipeline import Pipeline
from gateway.model.registry import Area
from gateway.quality.flagger import Flagger
from gateway.store import stations
from gateway.store.connection import Store
from gateway.system.child_process import find_free_port
from gateway.system.embedded_servers import Broker
from tests.gateway.api.conftest import running_api
from tests.gateway.enrolled_node import OUTLINE, T0, enrol_node

NODES = (
    ("ijm-001", "wijk-aan-zee", "ijmond"),
    ("ijm-002", "beverwijk", "ijmond"),
    ("dor-001", "dordrecht", "dordrecht"),
)
PLACES = {"wijk-aan-zee": (52.4941, 4.5942), "beverwijk": (52.4823, 4.6571), "dordrecht": (51.8133, 4.6901)}
SECONDS = 120
ABSURD = 987.625


async def ingest_network(dsn):
    """Two minutes of readings of every node; of the first one a reading in ten does not count."""
    nodes = [enrol_node(dsn, *names) for names in NODES]
    with psycopg.connect(dsn, autocommit=True) as connection:
        stations.put_area(connection, Area(id="dordrecht", name="Dordrecht", authority="OZHZ", outline=OUTLINE))
        for station, (latitude, longitude) in PLACES.items():
            connection.execute(
                "UPDATE station SET name = %s, latitude = %s, longitude = %s WHERE id = %s",
                [station.replace("-", " ").title(), latitude, longitude, station],
            )
    store = Store(dsn)
    pipeline = Pipeline(store, Flagger(), Detector(DetectionSettings()))
    for number, node in enumerate(nodes):
        for start in range(0, SECONDS, 10):
            seconds = range(start, start + 10)
            values = {
                "pm2_5": [8.0 + number + 0.5 * (s % 7) for s in seconds],
                "humidity": [60.0 + s % 3 for s in seconds],
            }
            if number != 1:
                values["temperature"] = [-1.0 + 0.25 * (s % 9) for s in seconds]
            flags = {}
            if number == 0:
                values["pm2_5"][-1] = ABSURD
                flags = {"pm2_5": [0] * 9 + [int(Flag.SENSOR_FAULT)]}
            payload = node.payload(
                start + 1,
                t0=T0 + start * 1000,
                dt=[1000 * i for i in range(10)],
                values=values,
                flags=flags,
                received_at=datetime.fromtimestamp(T0 / 1000 + start + 10, UTC),
            )
            await pipeline.process([payload])
    await store.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def network(postgres, tmp_path_factory):
    """A client of the API of this network; `public_url` is its own address."""
    name = f"sensorthings_{find_free_port()}"
    dsn = postgres.create_database(name, template="migrated")
    await ingest_network(dsn)
    port = find_free_port()
    url = f"http://127.0.0.1:{port}"
    with Broker(tmp_path_factory.mktemp("broker")) as broker:
        async with running_api(dsn, broker.settings, port=port, public_url=url) as (client, _):
            client.dsn, client.root = dsn, url
            yield client
