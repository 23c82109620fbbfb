"""Fixtures: a database with a recorded event, and the dossier of it."""

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

PUBLISHER = DossierPublisher(operator="Omgevingsdienst IJmond", public_url="https://piek.example")


async def fill(dsn, **values):
    """Enrol, ingest and decide; returns the id of the peak at the first station."""
    nodes = enrol_stations(dsn)
    store = Store(dsn)
    await record_event(Pipeline(store, Flagger(), Detector(DetectionSettings())), nodes, **values)
    await store.close()
    await decide(dsn)
    return find_peak(dsn)


def find_peak(dsn):
    with psycopg.connect(dsn) as connection:
        query = "SELECT id FROM event WHERE kind = 'peak' AND station_id = 'wijk-aan-zee' ORDER BY peak DESC LIMIT 1"
        return connection.execute(query).fetchone()[0]


def unpack(content):
    """Path -> bytes of a dossier, without its folder."""
    with zipfile.ZipFile(BytesIO(content)) as archive:
        return {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}


@pytest.fixture
async def peak(database):
    """Id of a short peak in a fresh database."""
    return await fill(database, begin=1_500, minutes=12, after=900)


@pytest.fixture
async def dossier(database, peak):
    """The dossier of that peak, as path -> bytes."""
    return unpack((await build_dossier(database, EventRequest(event=peak), PUBLISHER)).content)


def read_json(dossier, path):
    return json.loads(dossier[f"data/{path}"])
