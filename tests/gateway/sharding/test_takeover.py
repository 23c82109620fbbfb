"""Gateways that take an area over from each other detect the same events as a single gateway."""

import psycopg
import pytest

from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings
from gateway.ingest.pipeline import Pipeline
from gateway.quality.flagger import Flagger
from gateway.store.connection import LockHeldError, Store
from tests.gateway.enrolled_node import enrol_node
from tests.gateway.ingest.test_pipeline import plume, rows

EVENTS = """
    SELECT revision, change, onset, peak_at, ended_at, peak, background, confidence
    FROM event ORDER BY onset, property_id
"""


def gateway(dsn) -> Pipeline:
    return Pipeline(Store(dsn), Flagger(), Detector(DetectionSettings()))


async def test_events_do_not_depend_on_which_gateway_processed_which_payload(postgres, database, node):
    payloads = plume(node)
    single = gateway(database)
    for payload in payloads:
        await single.process([payload])
    await single.release_areas()
    expected = rows(database, EVENTS)
    assert expected, "there is something to find"

    other = postgres.create_database(f"{database.rpartition('=')[2]}_taken_over", template="migrated")
    second = enrol_node(other)
    pair, turn = [gateway(other), gateway(other)], 0
    for number, payload in enumerate(plume(second)):
        if number % 7 == 0:
            await pair[turn].release_areas()
            turn = 1 - turn
        await pair[turn].process([payload])
    for gateway_pipeline in pair:
        await gateway_pipeline.release_areas()
    assert rows(other, EVENTS) == expected
    assert rows(other, "SELECT count(*) FROM observation") == rows(database, "SELECT count(*) FROM observation")


async def test_the_second_gateway_waits_and_leaves_no_connection_behind(database, node):
    first, second = Store(database), Store(database)
    await first.ensure_connection()
    for _ in range(3):
        with pytest.raises(LockHeldError, match="another gateway writes"):
            await second.ensure_connection()
    with psycopg.connect(database) as connection:
        gateways = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'piekwacht gateway' AND datname = %s"
        name = database.rpartition("=")[2]
        assert connection.execute(gateways, [name]).fetchone() == (1,)
    await first.close()
