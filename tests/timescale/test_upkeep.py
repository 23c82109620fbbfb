"""Upkeep does TimescaleDB's work by our own hand: every test checks the work, and none the jobs.

The server in WebAssembly has no scheduler, so there nothing is done unless upkeep does it.
"""

import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import psycopg
import pytest

from gateway.errors import GatewayError
from gateway.store.connection import QUERIES as STORE_QUERIES
from gateway.store.connection import connect
from gateway.store.copy_observations import encode_observations
from gateway.store.removal import RemovedReadings, remove_readings
from gateway.store.retention import RetentionSettings
from gateway.store.upkeep.outcome import OutcomeState
from gateway.store.upkeep.register import register_works
from gateway.store.upkeep.run import run_upkeep
from gateway.store.upkeep.slices import floor_day
from gateway.store.upkeep.status import fetch_status
from gateway.store.upkeep.work import RHYTHMS, Work
from tests.gateway.enrolled_node import enrol_node

pytestmark = [pytest.mark.timescale, pytest.mark.slow]

DAY = timedelta(days=1)
STREAM = 78
SETTINGS = RetentionSettings(compress_after_days=7)
VIEWS = ("observation_1min", "observation_1h", "observation_1day")
MEANS = """SELECT count(*), sum(count), round(sum(mean * valid_count) / sum(valid_count)) FROM {}
           WHERE datastream_id = 78 AND bucket >= %s AND bucket < %s"""


@pytest.fixture
def server(migrated) -> Iterator[str]:
    """A database without chunks, with a datastream, and without outcomes of earlier runs."""
    enrol_node(migrated)
    with psycopg.connect(migrated, prepare_threshold=None, autocommit=True) as connection:
        clear(connection)
        connection.execute(
            """INSERT INTO datastream (id, station_id, node_id, property_id) OVERRIDING SYSTEM VALUE
               VALUES (78, 'wijk-aan-zee', 'ijm-001', 'pm10') ON CONFLICT DO NOTHING"""
        )
    yield migrated
    with psycopg.connect(migrated, prepare_threshold=None, autocommit=True) as connection:
        clear(connection)
        connection.execute("DELETE FROM datastream WHERE id IN (78, 79)")


def clear(connection):
    connection.execute("SET client_min_messages = warning")
    for table in ("observation", *VIEWS):
        connection.execute(f"SELECT drop_chunks('{table}', older_than => timestamptz '2100-01-01')")
    for view in VIEWS:
        connection.execute(f"CALL refresh_continuous_aggregate('{view}', NULL, NULL)")
    connection.execute("DELETE FROM upkeep_work")
    connection.execute("DELETE FROM storage_limit")


def midday(days_ago):
    return floor_day(datetime.now(UTC)) - days_ago * DAY + timedelta(hours=12)


def insert(dsn, start, *, value=10.0, minutes=120, statement="INSERT INTO observation"):
    """A reading a minute from `start` on."""
    fetch(
        dsn,
        f"""{statement} SELECT 78, %s + i * interval '1 minute', %s, 0, 1
            FROM generate_series(0, %s - 1) AS i""",
        [start, value, minutes],
    )


def fetch(dsn, query, values=None):
    with psycopg.connect(dsn, prepare_threshold=None, autocommit=True) as connection:
        cursor = connection.execute(query, values)
        return cursor.fetchall() if cursor.description else []


def fetch_means(dsn, start, view="observation_1h"):
    """(buckets, readings, mean) of the days around a moment."""
    return fetch(dsn, MEANS.format(view), [start - 2 * DAY, start + 2 * DAY])[0]


def run(dsn, settings=SETTINGS, *, ignore_rhythm=True):
    outcomes = {outcome.work: outcome for outcome in run_upkeep(dsn, settings, ignore_rhythm=ignore_rhythm)}
    assert [str(o) for o in outcomes.values() if o.state in {OutcomeState.FAILED, OutcomeState.UNFINISHED}] == []
    return outcomes


def count_chunks(dsn, *, compressed):
    query = """SELECT count(*) FROM timescaledb_information.chunks
               WHERE hypertable_name = 'observation' AND is_compressed = %s"""
    return fetch(dsn, query, [compressed])[0][0]


def test_readings_of_a_hundred_days_ago_enter_all_means(server):
    late = midday(100)
    insert(server, midday(3))
    run(server)
    insert(server, late)
    assert [fetch_means(server, late, view)[0] for view in VIEWS] == [0, 0, 0]  # behind what is filled
    run(server)
    assert [fetch_means(server, late, view) for view in VIEWS] == [(120, 120, 10), (2, 120, 10), (1, 120, 10)]


def test_late_readings_within_reach_enter_all_means_and_change_no_other_day(server):
    for days_ago in (20, 3):
        insert(server, midday(days_ago))
    run(server)
    insert(server, midday(20) + timedelta(seconds=30), value=30.0)
    run(server)
    for view, buckets in zip(VIEWS, (120, 2, 1), strict=True):
        assert fetch_means(server, midday(20), view) == (buckets, 240, 20)
        assert fetch_means(server, midday(3), view) == (buckets, 120, 10)


def test_means_that_were_never_filled_are_complete_before_during_and_after(server):
    """As on a server whose scheduler has never worked; the run is stopped after each span."""
    starts = [midday(days_ago) for days_ago in (60, 45, 10, 3)]
    for start in starts:
        insert(server, start)
    for view in VIEWS:  # nothing is filled: all that is stored is younger than what is filled
        assert [fetch_means(server, start, view)[1] for start in starts] == [120] * 4
    for spans in range(1, 6):
        answers = iter([False] * (1 + spans))
        list(run_upkeep(server, SETTINGS, ignore_rhythm=True, is_stopping=lambda answers=answers: next(answers, True)))
        for view in VIEWS:
            assert [fetch_means(server, start, view)[1] for start in starts] == [120] * 4
    run(server)
    for view in VIEWS:
        assert [fetch_means(server, start, view)[1] for start in starts] == [120] * 4


def test_recent_means_begin_where_the_filled_part_ends(server):
    """Else the readings between that and their reach would be in no answer until the old means are due."""
    for days_ago in (60, 3):
        insert(server, midday(days_ago))
    with connect(server) as connection:
        register_works(connection, SETTINGS)
    fetch(server, "UPDATE upkeep_work SET succeeded_at = now() WHERE work = 'old_means'")
    assert run(server, ignore_rhythm=False)[Work.OLD_MEANS].state is OutcomeState.SKIPPED
    for view in VIEWS:
        assert [fetch_means(server, midday(days_ago), view)[1] for days_ago in (60, 3)] == [120, 120]


def test_old_chunks_are_compressed_and_again_after_late_readings(server):
    for days_ago in (40, 20, 3):
        insert(server, midday(days_ago))
    assert count_chunks(server, compressed=True) == 0
    assert run(server)[Work.COMPRESSION].detail == "2 chunks compressed"
    assert (count_chunks(server, compressed=True), count_chunks(server, compressed=False)) == (2, 1)
    insert(server, midday(20) + timedelta(hours=5), value=30.0)
    assert run(server)[Work.COMPRESSION].detail == "1 chunks compressed"
    assert run(server)[Work.COMPRESSION].detail == "0 chunks compressed"
    assert fetch(server, "SELECT count(*) FROM observation WHERE datastream_id = 78") == [(480,)]


def test_old_readings_are_dropped_and_their_means_stay(server):
    for days_ago in (100, 50, 3):
        insert(server, midday(days_ago))
    run(server)
    outcomes = run(server, RetentionSettings(raw_days=60))
    assert outcomes[Work.RETENTION].detail == "1 chunks dropped"
    assert fetch(server, "SELECT count(*) FROM observation WHERE datastream_id = 78") == [(240,)]
    run(server, RetentionSettings(raw_days=60))
    for view, buckets in zip(VIEWS, (120, 2, 1), strict=True):
        assert fetch_means(server, midday(100), view) == (buckets, 120, 10)
        assert fetch_means(server, midday(50), view) == (buckets, 120, 10)


@pytest.mark.parametrize(
    "later", [RetentionSettings(raw_days=60), RetentionSettings(raw_days=400), RetentionSettings()]
)
def test_late_readings_do_not_replace_means_of_deleted_readings(server, later):
    """Also if the limit was raised or removed since: deleted means do not return."""
    insert(server, midday(100))
    insert(server, midday(3))
    run(server)
    run(server, RetentionSettings(raw_days=60))
    insert(server, midday(100) + timedelta(seconds=30), value=900.0, minutes=3)
    run(server, later)
    run(server, later)
    for view, buckets in zip(VIEWS, (120, 2, 1), strict=True):
        assert fetch_means(server, midday(100), view) == (buckets, 120, 10)


def test_late_readings_do_not_replace_coarse_means_whose_minutes_were_deleted(server):
    settings = RetentionSettings(minute_days=60)
    insert(server, midday(100))
    insert(server, midday(3))
    run(server)
    run(server, settings)
    assert fetch_means(server, midday(100), "observation_1min")[0] == 0
    insert(server, midday(100) + timedelta(seconds=30), value=900.0, minutes=3)
    run(server, settings)
    for view, buckets in zip(VIEWS[1:], (2, 1), strict=True):
        assert fetch_means(server, midday(100), view) == (buckets, 120, 10)


def fetch_removals(dsn, after):
    return fetch(dsn, "SELECT area_id, what, reason, first_at, last_at, count FROM removal WHERE id > %s", [after])


def test_a_drop_is_recorded_by_area_in_its_transaction(server):
    """Also of compressed chunks, and of means; a chunk of two areas has two records."""
    ((newest,),) = fetch(server, "SELECT coalesce(max(id), 0) FROM removal")
    with psycopg.connect(server, prepare_threshold=None, autocommit=True) as connection:
        add_second_area(connection)
    insert(server, midday(100))
    insert(server, midday(3))
    fetch(server, "INSERT INTO observation VALUES (79, %s, 5, 0, 1)", [midday(100) + timedelta(hours=3)])
    run(server)
    assert count_chunks(server, compressed=True) == 1
    run(server, RetentionSettings(raw_days=60, minute_days=70))
    removals = fetch_removals(server, newest)
    minutes = timedelta(minutes=1)
    at = midday(100) + timedelta(hours=3)
    assert sorted(row for row in removals if row[1] == "observations") == [
        ("ijmond", "observations", "retention", midday(100), midday(100) + 119 * minutes, 120),
        ("zaan", "observations", "retention", at, at, 1),
    ]
    assert sorted(row[:3] + row[5:] for row in removals if row[1] != "observations") == [
        ("ijmond", "means-1min", "retention", 120),
        ("zaan", "means-1min", "retention", 1),
    ]
    query = "SELECT body ->> 'what' FROM log_source WHERE kind = 'removed' AND area_id = 'zaan' ORDER BY id"
    assert [table for (table,) in fetch(server, query)][-2:] == ["observations", "means-1min"]
    run(server, RetentionSettings(raw_days=60, minute_days=70))
    assert fetch_removals(server, newest) == removals


def test_readings_that_are_removed_on_request_leave_the_means_too(server):
    """Also from compressed chunks; the readings of the other days stay."""
    ((newest,),) = fetch(server, "SELECT coalesce(max(id), 0) FROM removal")
    for days_ago in (45, 20, 3):
        insert(server, midday(days_ago))
    run(server)
    with connect(server) as connection:
        removed = remove_readings(connection, "wijk-aan-zee", midday(50), midday(10))
        assert removed == RemovedReadings(readings=240)
        with pytest.raises(GatewayError, match="has no reading in this period"):
            remove_readings(connection, "wijk-aan-zee", midday(50), midday(10))
    run(server)
    for view in VIEWS:
        assert [fetch_means(server, midday(days_ago), view)[1] for days_ago in (45, 20, 3)] == [None, None, 120]
    assert sum(row[5] for row in fetch_removals(server, newest)) == 240


def add_second_area(connection):
    for statement in (
        "INSERT INTO area (id, name, authority, outline) VALUES ('zaan', 'Zaan', 'OD', '{}') ON CONFLICT DO NOTHING",
        """INSERT INTO station (id, area_id, name, latitude, longitude) VALUES ('zaandam', 'zaan', 'Zaandam', 52.4, 4.8)
           ON CONFLICT DO NOTHING""",
        """INSERT INTO datastream (id, station_id, node_id, property_id) OVERRIDING SYSTEM VALUE
           VALUES (79, 'zaandam', 'ijm-001', 'pm10') ON CONFLICT DO NOTHING""",
    ):
        connection.execute(statement)


def test_a_drop_that_fails_leaves_neither_a_gap_nor_a_record(server):
    ((newest,),) = fetch(server, "SELECT coalesce(max(id), 0) FROM removal")
    insert(server, midday(100))
    with connect(server) as connection:
        register_works(connection, RetentionSettings(raw_days=60))
    with psycopg.connect(server, prepare_threshold=None) as connection:
        ((chunk,),) = connection.execute("SELECT chunk FROM overdue_chunks() WHERE work = 'retention'").fetchall()
        assert connection.execute("SELECT remove_chunk('observation', %s, 'retention')", [chunk]).fetchone() == (120,)
        connection.rollback()
    assert fetch_removals(server, newest) == []
    assert fetch(server, "SELECT count(*) FROM observation WHERE datastream_id = 78") == [(120,)]


def test_a_policy_that_would_drop_without_a_record_is_removed(server):
    fetch(server, "SELECT add_retention_policy('observation', drop_after => interval '60 days')")
    run(server)
    query = "SELECT count(*) FROM timescaledb_information.jobs WHERE proc_name = 'policy_retention'"
    assert fetch(server, query) == [(0,)]


def test_means_of_readings_deleted_by_an_earlier_limit_are_never_computed_again(server):
    with connect(server) as connection:
        register_works(connection, RetentionSettings(raw_days=60))
        register_works(connection, RetentionSettings())
    ((border,),) = fetch(server, "SELECT dropped_before FROM storage_limit WHERE relation = 'observation'")
    assert abs(datetime.now(UTC) - 60 * DAY - border) < timedelta(minutes=1)


def test_an_overdue_work_stands_still_until_upkeep_has_done_it(server):
    """Compression and retention are judged by the chunks, whatever a job reports."""
    insert(server, midday(100))
    insert(server, midday(20))
    with connect(server) as connection:
        register_works(connection, RetentionSettings(compress_after_days=7, raw_days=60))
        assert not any(status.stands_still for status in fetch_status(connection))  # chunks and limits are new
    fetch(server, "UPDATE storage_limit SET changed_at = now() - interval '2 years'")
    fetch(server, "UPDATE _timescaledb_catalog.chunk SET creation_time = now() - interval '1 year'")
    fetch(server, "UPDATE upkeep_work SET wanted_since = now() - interval '1 year', succeeded_at = now()")
    with connect(server) as connection:
        standing = {status.work: status for status in fetch_status(connection) if status.stands_still}
    assert standing.keys() == {Work.COMPRESSION, Work.RETENTION}
    assert abs(standing[Work.RETENTION].done_at - midday(39)) < DAY
    run(server, RetentionSettings(compress_after_days=7, raw_days=60))
    with connect(server) as connection:
        assert not any(status.stands_still for status in fetch_status(connection))


def test_means_that_nobody_refreshes_stand_still(server):
    with connect(server) as connection:
        register_works(connection, SETTINGS)
    if "PIEKWACHT_TEST_DSN" in os.environ:
        pytest.skip("a scheduler may refresh the means meanwhile")
    fetch(server, "UPDATE upkeep_work SET wanted_since = now() - interval '1 year'")
    with connect(server) as connection:
        standing = {status.work for status in fetch_status(connection) if status.stands_still}
    assert standing == {Work.OLD_MEANS, Work.MEANS_1MIN, Work.MEANS_1H, Work.MEANS_1DAY}
    run(server, ignore_rhythm=False)
    with connect(server) as connection:
        assert not any(status.stands_still for status in fetch_status(connection))


def test_a_run_of_which_nothing_is_due_does_nothing(server):
    insert(server, midday(3))
    run(server)
    outcomes = run(server, ignore_rhythm=False)
    daily = {work for work in outcomes if RHYTHMS[work].every}
    assert {work for work in outcomes if outcomes[work].state is OutcomeState.SKIPPED} >= daily


@pytest.mark.timeout(300)
def test_readings_are_stored_during_a_run(server):
    """Twenty batches per second, as ingest does, late readings among them; none waits long for a lock of upkeep's."""
    if "PIEKWACHT_TEST_DSN" not in os.environ:
        pytest.skip("two connections at once need a real server: PIEKWACHT_TEST_DSN")
    insert(server, midday(38), minutes=35 * 1440)
    seconds, stop = [], threading.Event()

    def store():
        with psycopg.connect(server, autocommit=True) as connection:
            while not stop.wait(0.05):
                began = datetime.now(UTC)
                at = int(midday(len(seconds) % 31 + 4).timestamp() * 1000) + 1 + len(seconds)
                rows = encode_observations(*(np.array([number]) for number in (STREAM, at, 10.0, 0, 1)))
                with connection.transaction(), connection.cursor().copy(STORE_QUERIES["copy_observations"]) as out:
                    out.write(rows)
                seconds.append((datetime.now(UTC) - began).total_seconds())

    writer = threading.Thread(target=store)
    writer.start()
    run(server)
    stop.set()
    writer.join()
    median = sorted(seconds)[len(seconds) // 2]
    print(f"{len(seconds)} commits beside a run: median {median:.3f} s, longest {max(seconds):.3f} s")
    assert len(seconds) > 10
    assert max(seconds) < 5
    run(server)
    query = "SELECT sum(count) FROM observation_1h WHERE datastream_id = 78"
    assert fetch(server, query) == fetch(server, "SELECT count(*) FROM observation WHERE datastream_id = 78")
