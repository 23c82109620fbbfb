"""Fixtures: a database with a recorded event for all tests that only read, and the dossier of the event."""

import asyncio
import json
import zipfile
from io import BytesIO

import psycopg
import pytest

from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings
from gateway.dossier.build import build_dossier
from gateway.dossier.request import DossierPublisher, EventRequest
from gateway.ingest.pipeline import Pipeline
from gateway.quality.flagger import Flagger
from gateway.store.connection import Store
from tests.gateway.dossier.recorded_event import decide, enrol_stations, record_event

OPERATOR = "Omgevingsdienst IJmond"
PUBLISHER = DossierPublisher(operator=OPERATOR, public_url="https://piek.example")


async def fill(dsn, **values):
    """Enrol, ingest and decide; returns the id of the peak at the first station."""
    nodes = enrol_stations(dsn)
    store = Store(dsn)
    await record_event(Pipeline(store, Flagger(), Detector(DetectionSettings())), nodes, **values)
    await store.close()
    await decide(dsn)
    with psycopg.connect(dsn) as connection:
        query = "SELECT id FROM event WHERE kind = 'peak' AND station_id = 'wijk-aan-zee' ORDER BY peak DESC LIMIT 1"
        return connection.execute(query).fetchone()[0]


def unpack(content):
    """Path -> bytes of a dossier, without its folder."""
    with zipfile.ZipFile(BytesIO(content)) as archive:
        return {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}


def read_json(files, path):
    return json.loads(files[f"data/{path}"])


@pytest.fixture(scope="session")
def recorded(postgres):
    """(dsn, id of the peak): a peak of twelve minutes. Tests only read from it."""
    dsn = postgres.create_database("recorded", template="migrated")
    return dsn, asyncio.run(fill(dsn, begin=1_500, minutes=12, after=1_500))


@pytest.fixture(scope="session")
def dossier(recorded):
    """The dossier of that peak."""
    dsn, peak = recorded
    return asyncio.run(build_dossier(dsn, EventRequest(event=peak), PUBLISHER))


@pytest.fixture(scope="session")
def files(dossier):
    """Path -> bytes of the dossier."""
    return unpack(dossier.content)


@pytest.fixture
def configuration(recorded, tmp_path):
    """A piekwacht.toml for the command."""
    path = tmp_path / "piekwacht.toml"
    path.write_text(
        f'[database]\ndsn = "{recorded[0]}"\n[api]\noperator = "{OPERATOR}"\npublic_url = "https://piek.example"\n'
    )
    return path
