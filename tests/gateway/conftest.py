from collections.abc import AsyncIterator

import pytest

from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings
from gateway.ingest.pipeline import Pipeline
from gateway.quality.flagger import Flagger
from gateway.store.connection import Store
from tests.gateway.enrolled_node import EnrolledNode, enrol_node


@pytest.fixture
def node(database) -> EnrolledNode:
    """One enrolled node in a fresh database."""
    return enrol_node(database)


@pytest.fixture
async def pipeline(database, node) -> AsyncIterator[Pipeline]:
    """The pipeline of ingest on the same database."""
    store = Store(database)
    yield Pipeline(store, Flagger(), Detector(DetectionSettings()))
    await store.close()
