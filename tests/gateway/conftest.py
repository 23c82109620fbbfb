from collections.abc import AsyncIterator, Callable
from functools import cache

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


@pytest.fixture
def create_clean_database(postgres, database) -> Callable[[], str]:
    """Create a second fresh database, once, and return its DSN."""
    name = f"clean_{database.rsplit('dbname=', 1)[-1].split()[0]}"
    return cache(lambda: postgres.create_database(name, template="migrated"))


@pytest.fixture
def clean_database(create_clean_database) -> str:
    """A second fresh database."""
    return create_clean_database()
