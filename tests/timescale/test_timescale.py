"""What only TimescaleDB has, on TimescaleDB; and that nobody above the store can tell the difference."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

import gateway.api
import gateway.export
from alerting.queries import load
from tests.gateway.enrolled import enrol

pytestmark = [pytest.mark.timescale, pytest.mark.slow]

BEGAN = datetime(2026, 11, 20, 22, 0, tzinfo=UTC)
QUERIES = {
    **load(Path(gateway.api.__file__).with_name("queries.sql")),
    **load(Path(gateway.export.__file__).with_name("queries.sql")),
}
ANY = {
    "area": None, "station": "wijk-aan-zee", "property": "pm2_5", "start": BEGAN, "end": BEGAN + timedelta(days=3),
    "before": None, "before_id": None, "key": None, "given": 0, "limit": 500, "id": None, "open": None, "event": None,
    "ids": [1],
}  # fmt: skip


def fill(connection):
    """Five hours of one reading a minute over midnight, some without a value, all of one batch."""
    connection.execute("SET client_min_messages = warning")
    connection.execute(
        """INSERT INTO datastream (id, station_id, node_id, property_id) OVERRIDING SYSTEM VALUE
           VALUES (1, 'wijk-aan-zee', 'ijm-001', 'pm2_5')"""
    )
    connection.execute(
        """INSERT INTO batch VALUES (1, 'ijm-001', 'aaaaaaaaaaaa', 1, '', '', 'boot', 0, 'synced', false, %s, %s)""",
        [BEGAN, BEGAN],
    )
    connection.execute(
        """INSERT INTO observation
           SELECT d.id, %s + i * interval '20 seconds', CASE WHEN i %% 7 = 0 THEN NULL ELSE 8 + sin(i) END,
                  CASE WHEN i %% 7 = 0 THEN 8 ELSE 0 END, 1
           FROM datastream d, generate_series(0, 899) AS i""",
        [BEGAN],
    )


@pytest.fixture
def enrolled(migrated):
    enrol(migrated)


def test_observations_are_in_chunks_of_a_day(enrolled, hypertable):
    fill(hypertable)
    rows = hypertable.execute(
        "SELECT range_end - range_start FROM timescaledb_information.chunks WHERE hypertable_name = 'observation'"
    ).fetchall()
    assert rows == [(timedelta(days=1),)] * 2


def test_means_are_continuous_and_add_what_is_newer_than_their_refresh(enrolled, hypertable):
    fill(hypertable)
    names = hypertable.execute(
        "SELECT view_name, materialized_only FROM timescaledb_information.continuous_aggregates ORDER BY 1"
    ).fetchall()
    assert names == [("observation_1day", False), ("observation_1h", False), ("observation_1min", False)]
    assert hypertable.execute("SELECT sum(count), sum(valid_count) FROM observation_1day").fetchone() == (900, 771)


def test_late_data_will_be_picked_up_by_a_policy(hypertable):
    jobs = hypertable.execute(
        "SELECT count(*) FROM timescaledb_information.jobs WHERE proc_name = 'policy_refresh_continuous_aggregate'"
    ).fetchone()
    assert jobs == (3,)


@pytest.mark.parametrize("query", sorted(QUERIES))
def test_every_read_query_answers_as_on_plain_postgresql(enrolled, hypertable, database, query):
    enrol(database)
    fill(hypertable)
    with psycopg.connect(database) as plain:
        fill(plain)
        there, here = (
            c.execute(QUERIES[query], {k: v for k, v in ANY.items() if f"%({k})s" in QUERIES[query]}).fetchall()
            for c in (hypertable, plain)
        )
    if query not in OWN:
        assert [tuple(map(comparable, row)) for row in there] == [tuple(map(comparable, row)) for row in here]
    assert there or query in {"events", "sites", "alerts", "revisions"}  # this world has none


OWN = {"ready", "version", "datastreams"}  # counts and times of the server itself


def comparable(value):
    return pytest.approx(value, rel=1e-12) if isinstance(value, float) else value
