"""Features that only TimescaleDB has, and that every read query gives the same rows as on plain PostgreSQL."""

import csv
import gzip
import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

import gateway.api
import gateway.export
from alerting.sql import load_queries
from gateway.store import retention
from gateway.store.connection import QUERIES as STORE_QUERIES
from gateway.store.means import fill_means
from gateway.store.retention import RetentionSettings
from tests.gateway.enrolled_node import enrol_node

pytestmark = [pytest.mark.timescale, pytest.mark.slow]

START = datetime(2026, 11, 20, 22, 0, tzinfo=UTC)
QUERIES = {
    **load_queries(Path(gateway.api.__file__).parent / "data" / "queries.sql"),
    **load_queries(Path(gateway.export.__file__).with_name("queries.sql")),
}
ANY = {
    "area": None, "station": "wijk-aan-zee", "property": "pm2_5", "start": START, "end": START + timedelta(days=3),
    "before": None, "before_id": None, "key": None, "offset": 0, "limit": 500, "id": None, "open": None, "event": None,
    "ids": [1], "kinds": None, "time_zone": "Europe/Amsterdam", "at": START, "node": "ijm-001",
    "incarnation": "aaaaaaaaaaaa", "number": 1, "leaf": 0, "prefix": "detector", "patterns": ["none"],
    "resolution": 0.1, "days": 4,
    "kind": None, "plumes": ["none"], "plume_ids": None,
    "properties": None, "sites": None,
    "areas": None, "wind": None, "like": None, "state": None, "account": "anna",
}  # fmt: skip
EMPTY = {  # queries without rows in this test's data
    "select_calibrations",
    "select_calibrated_datastreams",
    "select_events",
    "select_plumes",
    "select_plume_notifications",
    "select_plume_changes",
    "select_plume_acknowledgements",
    "select_inspected_plumes",
    "select_peak_days",
    "select_saved_filters",
    "select_sites",
    "select_alerts",
    "select_revisions",
    "summarise_selftest_peaks",
    "summarise_selftest_exposure",
    "select_humidity_datastreams",
    "select_upkeep",  # test_upkeep.py has its rows
    "select_node_key_leaf",  # the log has no leaves here
    "select_newest_leaf",
    "select_event_leaves",
    "select_delivery_leaves",
    "select_mobile_stations",
    "select_tracks",
    "select_track",
    "select_grid_cells",
    "select_private_carriers",
    "select_measured_events",
    "select_event_places",
    "select_site_reports",
    "select_site_reports_at",
    "select_site_values",
    "select_laboratory_samples",
    "select_complaint_comparisons",
    "select_complaint_count",
    "select_context",
}


def fill(connection):
    """Five hours of one reading a minute over midnight, some without a value, all of one batch."""
    connection.execute("SET client_min_messages = warning")
    connection.execute(
        """INSERT INTO datastream (id, station_id, node_id, property_id) OVERRIDING SYSTEM VALUE
           VALUES (1, 'wijk-aan-zee', 'ijm-001', 'pm2_5')"""
    )
    connection.execute(
        """INSERT INTO batch VALUES (1, 'ijm-001', 'aaaaaaaaaaaa', 1, '', '', 'boot', 0, 'synced', false, %s, %s)""",
        [START, START],
    )
    connection.execute(
        """INSERT INTO observation
           SELECT d.id, %s + i * interval '20 seconds', CASE WHEN i %% 7 = 0 THEN NULL ELSE 8 + sin(i) END,
                  CASE WHEN i %% 7 = 0 THEN 8 ELSE 0 END, 1
           FROM datastream d, generate_series(0, 899) AS i""",
        [START],
    )


@pytest.fixture
def enrolled(migrated):
    enrol_node(migrated)


def test_observations_are_in_chunks_of_a_day(enrolled, hypertable):
    fill(hypertable)
    rows = hypertable.execute(
        "SELECT range_end - range_start FROM timescaledb_information.chunks WHERE hypertable_name = 'observation'"
    ).fetchall()
    assert rows == [(timedelta(days=1),)] * 2


def test_means_are_continuous_aggregates_that_include_data_after_the_last_refresh(enrolled, hypertable):
    fill(hypertable)
    names = hypertable.execute(
        "SELECT view_name, materialized_only FROM timescaledb_information.continuous_aggregates ORDER BY 1"
    ).fetchall()
    assert names == [("observation_1day", False), ("observation_1h", False), ("observation_1min", False)]
    days = "SELECT sum(count), sum(valid_count) FROM observation_1day WHERE datastream_id = 1"
    assert hypertable.execute(days).fetchone() == (900, 771)


def test_a_policy_refreshes_means_of_late_data(hypertable):
    jobs = hypertable.execute(
        "SELECT count(*) FROM timescaledb_information.jobs WHERE proc_name = 'policy_refresh_continuous_aggregate'"
    ).fetchone()
    assert jobs == (3,)


def policies(connection):
    return connection.execute(
        """SELECT j.proc_name, j.hypertable_name, j.config ->> 'drop_after', j.config ->> 'compress_after'
           FROM timescaledb_information.jobs j WHERE proc_name IN ('policy_compression', 'policy_retention')
           ORDER BY 1, 2"""
    ).fetchall()


def test_policies_follow_the_settings_and_none_of_them_deletes(migrated):
    retention_settings = RetentionSettings(compress_after_days=3, raw_days=60, minute_days=400, chunk_hours=12)
    with psycopg.connect(migrated, prepare_threshold=None) as connection:  # as an earlier version or a person did
        connection.execute("SELECT add_retention_policy('observation', drop_after => interval '60 days')")
        connection.execute("SELECT add_retention_policy('observation_1min', drop_after => interval '400 days')")
    assert retention.apply_policies(migrated, retention_settings) == retention.apply_policies(
        migrated, retention_settings
    )
    with psycopg.connect(migrated, prepare_threshold=None) as connection:
        rows = policies(connection)
        assert sorted(((name, drop, compress) for name, _, drop, compress in rows), key=str) == [
            ("policy_compression", None, "3 days")
        ]
    retention.apply_policies(migrated, RetentionSettings(compress_after_days=None))
    with psycopg.connect(migrated, prepare_threshold=None) as connection:
        assert policies(connection) == []


@pytest.mark.parametrize("recording", ["pm_dust_1s.csv.gz", "pm_rtp_2019_1min.csv.gz", "controlled_releases.csv.gz"])
def test_a_recording_is_compressed(enrolled, hypertable, recordings, recording):
    """Rows of real sensors. Each day of a sensor counts as a separate sensor on one day, which fills one chunk.

    With single sensors a chunk is mostly the 8 KiB pages that each of its tables has at least.
    """
    hypertable.execute("SET client_min_messages = warning")
    with gzip.open(recordings / recording, "rt") as file:
        rows = list(itertools.islice(csv.DictReader(file), 100_000))
    sensors = {(row["station"], row["time"][:10]): 0 for row in rows}
    sensors = {key: number for number, key in enumerate(sensors, start=1)}
    columns = (
        [sensors[row["station"], row["time"][:10]] for row in rows],
        ["2026-11-20" + row["time"][10:] for row in rows],
        [float(row["value"]) if row["value"] not in {"", "NaN", "nan"} else None for row in rows],
        [i // 10 for i in range(len(rows))],
    )
    for first in range(0, len(rows), 1000):  # large messages crash the server in WebAssembly
        hypertable.execute(
            """INSERT INTO observation SELECT d, t, v, 0, b
               FROM unnest(%s::int[], %s::timestamptz[], %s::float8[], %s::bigint[]) AS u(d, t, v, b)""",
            [column[first : first + 1000] for column in columns],
        )
    size = "SELECT sum(pg_total_relation_size(c)) FROM show_chunks('observation') c"
    before = hypertable.execute(size).fetchone()[0]
    hypertable.execute("SELECT compress_chunk(c) FROM show_chunks('observation') c")
    stats = "SELECT after_compression_total_bytes FROM hypertable_compression_stats('observation')"
    after = hypertable.execute(stats).fetchone()[0]
    print(f"{recording}: {len(rows)} rows of {len(sensors)} days: {before} -> {after} bytes, {before / after:.1f} x")
    assert before / after > 8


@pytest.mark.parametrize("query", sorted(QUERIES))
def test_every_read_query_gives_the_same_rows_as_on_plain_postgresql(enrolled, hypertable, database, query):
    enrol_node(database)
    fill(hypertable)
    with psycopg.connect(database) as plain:
        fill(plain)
        timescale_rows, plain_rows = (
            c.execute(QUERIES[query], {k: v for k, v in ANY.items() if f"%({k})s" in QUERIES[query]}).fetchall()
            for c in (hypertable, plain)
        )
    if query not in SERVER_DEPENDENT:
        assert [tuple(map(comparable, row)) for row in timescale_rows] == [
            tuple(map(comparable, row)) for row in plain_rows
        ]
    assert timescale_rows or query in EMPTY


def test_directions_are_averaged_as_directions_on_both_servers(enrolled, hypertable, database):
    """Minute 1: around north. Minute 2: opposite directions. Minute 3: no values."""
    enrol_node(database)
    values = [350, 10, 20, 340, 0, 180, 0, 180, None, None, None, None]
    with psycopg.connect(database) as plain:
        for connection in (hypertable, plain):
            fill(connection)
            connection.execute(
                """INSERT INTO datastream (id, station_id, node_id, property_id) OVERRIDING SYSTEM VALUE
                   VALUES (2, 'wijk-aan-zee', 'ijm-001', 'wind_direction')"""
            )
            connection.execute(
                """INSERT INTO observation SELECT 2, %s + i * interval '15 seconds', v, 0, 1
                   FROM unnest(%s::float8[]) WITH ORDINALITY AS u(v, j), LATERAL (SELECT j - 1 AS i) n""",
                [START, values],
            )
            means = """SELECT valid_count, mean, min, max FROM {}('{{1, 2}}', %s, %s{})
                       WHERE datastream_id = 2 ORDER BY bucket"""
            minutes, hours, days = (
                connection.execute(
                    means.format(name, zone), [START.replace(hour=0) - timedelta(days=1), START + timedelta(hours=3)]
                ).fetchall()
                for name, zone in (("means_1min", ""), ("means_1h", ""), ("means_1day", ", 'Europe/Amsterdam'"))
            )
            assert [count for count, *_ in minutes] == [4, 4, 0]
            assert minutes[0][1] % 360 == pytest.approx(0, abs=1e-9) or minutes[0][1] == pytest.approx(360)
            assert [row[1:] for row in minutes[1:]] == [(None, None, None)] * 2
            assert hours == days
            assert hours[0][0] == 8
            assert min(hours[0][1], 360 - hours[0][1]) == pytest.approx(0, abs=1e-9)


def test_levels_are_averaged_by_their_rule_on_both_servers(enrolled, hypertable, database):
    """A minute of 60 dB with one second of 90 dB; a minute without values."""
    enrol_node(database)
    values = [60.0, 60.0, 90.0, 60.0, None, None, None, None]
    with psycopg.connect(database) as plain:
        for connection in (hypertable, plain):
            fill(connection)
            connection.execute(
                """INSERT INTO datastream (id, station_id, node_id, property_id) OVERRIDING SYSTEM VALUE
                   VALUES (2, 'wijk-aan-zee', 'ijm-001', 'sound_laeq')"""
            )
            connection.execute(
                """INSERT INTO observation SELECT 2, %s + i * interval '15 seconds', v, 0, 1
                   FROM unnest(%s::float8[]) WITH ORDINALITY AS u(v, j), LATERAL (SELECT j - 1 AS i) n""",
                [START, values],
            )
            for name, zone in (("means_1min", ""), ("means_1h", ""), ("means_1day", ", 'Europe/Amsterdam'")):
                query = f"""SELECT datastream_id, valid_count, mean, min, max FROM {name}('{{1, 2}}', %s, %s{zone})
                            ORDER BY bucket, datastream_id"""
                period = [START.replace(hour=0) - timedelta(days=1), START + timedelta(hours=3)]
                rows = [row[1:] for row in connection.execute(query, period).fetchall() if row[0] == 2]
                assert rows[0] == (4, pytest.approx(83.992, abs=0.001), 60.0, 90.0)
                assert rows[1:] == ([(0, None, None, None)] if name == "means_1min" else [])


SERVER_DEPENDENT = {
    "count_migrations",
    "select_versions",
    "select_datastreams",
    "select_upkeep",
}  # counts and times of the server itself


def comparable(value):
    return pytest.approx(value, rel=1e-12) if isinstance(value, float) else value


def store_hostile_readings(connection):
    """Over two legal days: valid ones, and for every flag an absurd one; others without a flag, as stored before."""
    connection.execute(
        """INSERT INTO observation
           SELECT 1, %s + i * interval '97 seconds', CASE WHEN i %% 3 = 0 THEN 987.625 ELSE 8 + i %% 5 END,
                  CASE WHEN i %% 3 = 0 THEN 1 << (i / 3 %% 15) ELSE 0 END, 1
           FROM generate_series(0, 199) AS i""",
        [START],
    )
    connection.execute(
        """INSERT INTO observation SELECT 1, %s + n * interval '41 minutes', v, 0, 1
           FROM unnest('{2e200, -2e200, Infinity, NaN, 1e10}'::float8[]) WITH ORDINALITY AS u(v, n)""",
        [START],
    )


@pytest.mark.parametrize("zone", ["Europe/Amsterdam", "UTC", "America/New_York", "America/St_Johns", "Atlantic/Azores"])
@pytest.mark.parametrize("averaging", ["1min", "1h", "1day"])
def test_means_of_valid_values_are_the_same_as_on_plain_postgresql(enrolled, hypertable, database, averaging, zone):
    enrol_node(database)
    period = {"ids": [1], "start": START - timedelta(days=1), "end": START + timedelta(days=2), "time_zone": zone}
    with psycopg.connect(database) as plain:
        answers = []
        for connection in (hypertable, plain):
            fill(connection)
            store_hostile_readings(connection)
            answers.append(connection.execute(QUERIES[f"export_{averaging}"], period).fetchall())
    timescale_rows, plain_rows = ([tuple(map(comparable, row)) for row in rows] for rows in answers)
    assert timescale_rows == plain_rows
    assert all(row[7] is None or row[7] < 20 or row[9] for row in answers[0])


def test_recreated_means_are_filled_from_the_oldest_reading_and_stay_complete(enrolled, migrated):
    """As after the migration of a database with readings of two months: longer than any policy looks back."""
    policy = "SELECT remove_continuous_aggregate_policy(%s::regclass, if_exists => true)"
    views = ("observation_1min", "observation_1h", "observation_1day")
    hours = "SELECT count(*), sum(count), sum(valid_count), max(max) FROM means_1h('{77}', %s, %s)"
    start = datetime(2026, 6, 1, tzinfo=UTC)
    period = [start, start + timedelta(days=70)]
    with psycopg.connect(migrated, prepare_threshold=None, autocommit=True) as connection:
        connection.execute("SET client_min_messages = warning")
        connection.execute(
            """INSERT INTO datastream (id, station_id, node_id, property_id) OVERRIDING SYSTEM VALUE
               VALUES (77, 'wijk-aan-zee', 'ijm-001', 'pm10')"""
        )
        connection.execute(
            """INSERT INTO observation
               SELECT 77, %s + i * interval '30 minutes', CASE WHEN i %% 2 = 0 THEN 8 ELSE 987 END,
                      CASE WHEN i %% 2 = 0 THEN 0 ELSE 512 END, 1 FROM generate_series(0, 60 * 48 - 1) AS i""",
            [start],
        )
        try:
            for view in views:
                connection.execute(policy, [view])
            expected = (60 * 24, 60 * 48, 60 * 24, 8.0)
            assert connection.execute(hours, period).fetchone() == expected  # nothing is filled yet
            fill_means(connection)
            assert connection.execute(hours, period).fetchone() == expected
            stored = connection.execute(
                """SELECT format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name)
                   FROM timescaledb_information.continuous_aggregates WHERE view_name = 'observation_1day'"""
            ).fetchone()[0]
            days = f"SELECT count(*), min(bucket) FROM {stored} WHERE datastream_id = 77"
            assert connection.execute(days).fetchone() == (61, start - timedelta(hours=2))
            fill_means(connection)  # policies are there: nothing to do
            assert connection.execute("SELECT count(*) FROM timescaledb_information.jobs WHERE proc_name = "
                                      "'policy_refresh_continuous_aggregate'").fetchone() == (3,)  # fmt: skip
        finally:
            connection.execute("DELETE FROM observation WHERE datastream_id = 77")
            connection.execute("DELETE FROM datastream WHERE id = 77")
            for view in views:
                connection.execute("CALL refresh_continuous_aggregate(%s::regclass, %s, %s)", [view, *period])


DATED_START = datetime(2026, 11, 20, 12, tzinfo=UTC)
MEANS_OF_MINUTES = """SELECT bucket, count, mean FROM observation_1min WHERE datastream_id = 1 ORDER BY bucket"""


def insert_undated(connection, start):
    """Two minutes of undated readings, one a second, stamped from `start` on, all of batch 7."""
    connection.execute(
        """INSERT INTO observation (datastream_id, observed_at, value, flags, batch_id)
           SELECT 1, %s + n * interval '1 second', n, 16384, 7 FROM generate_series(0, 119) AS n""",
        [start],
    )


def move_to(connection, stamped, *, shift):
    until = stamped + timedelta(minutes=2)
    connection.execute(STORE_QUERIES["allow_large_moves"])
    return connection.execute(
        STORE_QUERIES["move_observations"],
        {
            "datastreams": [1], "batches": [7], "shifts": [shift // timedelta(milliseconds=1)], "undated": 16384,
            "since": stamped, "until": until, "moved_since": stamped, "moved_until": until,
        },
    ).fetchall()  # fmt: skip


@pytest.mark.parametrize("compressed", [False, True], ids=["plain chunk", "compressed chunk"])
def test_undated_rows_move_between_chunks_and_the_means_follow(enrolled, hypertable, compressed):
    shift = timedelta(days=14)
    hypertable.execute("SET client_min_messages = warning")
    insert_undated(hypertable, DATED_START - shift)
    if compressed:
        hypertable.execute("SELECT compress_chunk(c) FROM show_chunks('observation') c")
    spans = move_to(hypertable, DATED_START - shift, shift=shift)
    assert spans == [(1, DATED_START, DATED_START + timedelta(seconds=119))]
    moved = hypertable.execute(
        """SELECT count(*), min(observed_at), max(stamped_at), max(flags), sum(value) FROM observation
           WHERE datastream_id = 1"""
    ).fetchone()
    assert moved == (120, DATED_START, DATED_START - shift + timedelta(seconds=119), 0, 7140.0)
    assert hypertable.execute(MEANS_OF_MINUTES).fetchall() == [
        (DATED_START, 60, 29.5),
        (DATED_START + timedelta(minutes=1), 60, 89.5),
    ]
