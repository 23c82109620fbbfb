"""A route with a published level: the mean of the last 24 hours of the station decides, from stored readings."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from alerting.decide.routing import Route
from alerting.delivery.settings import EmailSettings
from alerting.dispatch.inbox_worker import InboxWorker
from alerting.settings import AlertingSettings, ReceiverSettings
from edge_agent.wire import Flag
from gateway.assessment.levels import LEVELS
from tests.alerting.running_dispatcher import fetch_rows, insert_alerts
from tests.alerting.sample_alerts import make_alert
from tests.gateway.enrolled_node import enrol_node
from tests.gateway.store.stored_readings import store_readings

LEVEL = "eu-information-pm2_5-day"  # 50 ug/m3


def store_hours(dsn, values, *, flags=0, until=None):
    """Hours of readings every five minutes that end with the current hour."""
    end = (until or datetime.now(UTC)).replace(minute=0, second=0, microsecond=0)
    with psycopg.connect(dsn, autocommit=True) as connection:
        start = end - timedelta(hours=len(values))
        readings = [(value, flags) for value in values for _ in range(12)]
        store_readings(connection, start, readings, step=300)


def find_levels(dsn):
    rows = fetch_rows(dsn, "SELECT alerting.levels_reached('wijk-aan-zee', 'pm2_5', now()) ORDER BY 1")
    return {id_ for (id_,) in rows}


@pytest.fixture
def enrolled(database):
    enrol_node(database)
    return database


def test_every_level_of_the_table_is_in_the_database_with_its_source(database):
    rows = fetch_rows(database, "SELECT id, value, source, edition, published FROM published_level")
    assert {row[0]: row[1:] for row in rows} == {
        level.id: (level.value, level.source, level.edition, level.published) for level in LEVELS.values()
    }


@pytest.mark.parametrize(("values", "is_reached"), [
    ([50.0] * 24, True), ([49.99] * 24, False), ([50.0] * 18, True), ([500.0] * 17, False),
    ([0.0] * 23 + [1_199.0], False),  # one hour above every level does not make a day
    ([0.0] * 23 + [1_200.0], True),
    ([500.0] * 40 + [0.0] * 24, False),  # means older than a day do not count
])  # fmt: skip
def test_the_last_24_hours_decide_with_eighteen_complete_ones(enrolled, values, is_reached):
    store_hours(enrolled, values)
    assert (LEVEL in find_levels(enrolled)) == is_reached


def test_readings_that_do_not_count_reach_no_level(enrolled):
    store_hours(enrolled, [500.0] * 24, flags=int(Flag.SENSOR_FAULT))
    assert find_levels(enrolled) == set()


def test_a_station_without_readings_reaches_no_level(enrolled):
    assert find_levels(enrolled) == set()


@pytest.mark.parametrize(("value", "decisions"), [(60.0, [("ggd", True)]), (20.0, [("od", True)])])
async def test_the_worker_routes_by_the_stored_means(enrolled, value, decisions):
    store_hours(enrolled, [value] * 24)
    chosen = AlertingSettings(
        route=[Route(receiver="ggd", at_or_above=[LEVEL]), Route(receiver="od")],
        receiver=[
            ReceiverSettings(name=name, email=[EmailSettings(to=[f"piket@{name}.example"])]) for name in ("ggd", "od")
        ],
    )
    await insert_alerts(enrolled, make_alert())
    async with await psycopg.AsyncConnection.connect(enrolled, autocommit=True) as connection:
        await InboxWorker(chosen).decide_inbox(connection)
    assert fetch_rows(enrolled, "SELECT receiver, told FROM alerting.decision") == decisions
