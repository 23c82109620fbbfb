"""Fixtures: a turn of the notary, as ingest runs it."""

from functools import partial

import pytest

from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings
from gateway.ingest.commit import store_payloads
from gateway.ingest.pipeline import Pipeline
from gateway.quality.flagger import Flagger
from gateway.store.connection import Store
from tests.gateway.guests.enrolled_guest import make_notary


@pytest.fixture
async def notarise(database):
    """Run one turn on the connection of a pipeline; return the outcome of the pipeline."""
    store = Store(database)
    pipeline, notary = Pipeline(store, Flagger(), Detector(DetectionSettings())), make_notary(store)

    async def run():
        return await notary.run_turn(partial(store_payloads, pipeline))

    yield run
    await store.close()
