"""The law of removals: every statement that removes data records that in its transaction, and the log has a leaf."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from alerting.sql import load_queries
from gateway.__main__ import main
from gateway.operator.database import QUERIES as OPERATOR_QUERIES
from gateway.store import retention
from gateway.store.removal import RemovedReadings, remove_readings
from gateway.store.retention import RetentionSettings
from gateway.transparency.leaf import LeafKind
from tests.gateway.store.test_retention import fill
from tests.gateway.transparency.logs import open_log

REPO = Path(__file__).resolve().parents[3]
REMOVES = re.compile(
    r"\b(?:DELETE\s+FROM|TRUNCATE(?:\s+TABLE)?)\s+(?:public\.)?([\w.]+)|SET\s+(payload)\s*=|\b(drop_chunks?)\(",
    re.IGNORECASE,
)

# Rows whose removal is recorded, by table (payload: the signed bytes of a batch).
RECORDED = {
    "observation",
    "payload",
    "shadow_event",
    "selftest_peak",
    "selftest_exposure",
    "selftest_hour",
    "quarantine",
}
# Rows that move within one statement.
MOVED = {("gateway/store/queries.sql", "move_observations")}
# Tables without data: state of running processes, which is written again, or a list of finished work.
STATE = {
    "access.session": "a sign-in that ended",
    "access.used_challenge": "a challenge that has expired",
    "area_lease": "which worker has an area now",
    "gateway_worker": "which workers run now",
    "log_source": "a row that has its leaf",
    "checkpoint": "states of a detector, computed again from the readings",
    "gap": "a span that waits for a repair",
    "upkeep_work": "the works that the settings demand",
    "guest_message": "a message whose readings are in a signed batch, or that quarantine took within its limits",
    "track": "a track, cut again from its positions, which go with the signed bytes",
    "guest_seen": "the key of a message, by which a repetition is known for some seconds",
    "alerting.gone": "an address that refuses mails",
    "alerting.refusal": "an address that refused a message for a while",
    "alerting.watch": "a timer of an alert",
    "alerting.saved_filter": "a selection that an inspector no longer wants",
    "head": "memory of a witness",
    "conflict": "memory of a witness",
}  # fmt: skip


# Schemas without a measurement: addresses and subscriptions of residents, which are theirs to delete and in no log.
PERSONAL_SCHEMAS = {"subscriptions"}


def list_removals() -> Iterator[tuple[str, str, str, str]]:
    """(file, name of the query, its text, table) of every statement that takes rows away."""
    for package in ("gateway", "alerting"):
        for path in sorted((REPO / package).rglob("*.sql")):
            if "migrations" in path.parts:
                continue
            for name, text in load_queries(path).items():
                for match in REMOVES.finditer(text):
                    yield str(path.relative_to(REPO)), name, text, next(filter(None, match.groups()))


def test_every_statement_that_removes_data_records_it():
    tables = set()
    for file, name, text, table in list_removals():
        tables.add(table)
        if table in STATE or table.partition(".")[0] in PERSONAL_SCHEMAS or (file, name) in MOVED:
            continue
        assert table in RECORDED, f"{file}, {name}: {table} is neither recorded nor state"
        assert "INSERT INTO removal" in text or "INSERT INTO quarantine_emptied" in text, f"{file}, {name}"
    assert tables >= RECORDED, "a name in the list that is not used any more"


def test_chunks_are_dropped_by_the_function_that_records_them_alone():
    for path in sorted((REPO / "gateway").rglob("*")):
        if path.suffix in {".sql", ".py"} and re.search(r"\b(drop_chunks?\(|add_retention_policy\()", path.read_text()):
            assert path.name == "0191_removal_of_chunks.timescale.sql", path


def read_removals(dsn):
    with psycopg.connect(dsn) as connection:
        query = "SELECT area_id, what, reason, sum(count)::int FROM removal GROUP BY 1, 2, 3"
        return sorted(connection.execute(query).fetchall())


@pytest.fixture
def pruned(database, enrolled_datastream):
    """A database in which every limit has removed something, and a person has emptied the quarantine."""
    fill(database)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE observation SET datastream_id = %s", [enrolled_datastream])
        connection.execute("INSERT INTO observation VALUES (999999, now() - interval '90 days', 1, 0, 1)")
        connection.execute("""
            INSERT INTO shadow_event
            SELECT 'calmer', i::text, 1, 'd', 'opened', 'peak', 'wijk-aan-zee', 'pm2_5', at, NULL, at, '{}'
            FROM generate_series(1, 100) AS i, LATERAL (SELECT now() - i * interval '1 day' AS at)""")
        connection.execute("""
            INSERT INTO selftest_hour (area_id, detector, hour)
            SELECT 'ijmond', 'd', now() - i * interval '1 day' FROM generate_series(1, 100) AS i""")
        connection.execute("""
            INSERT INTO quarantine (received_at, topic, reason, detail, payload)
            SELECT now(), 'pw/v1/' || area || '/n/readings', 'malformed', '', ''
            FROM unnest('{ijmond,nowhere}'::text[]) AS area""")
        limits = RetentionSettings(raw_days=50, evidence_days=80, shadow_days=50, selftest_days=80)
        retention.prune_old_rows(connection, limits)
        values = {"before": "infinity", "reason": None, "by": "anna", "areas": None}
        connection.execute(OPERATOR_QUERIES["delete_quarantine"], values)
        now = datetime.now(UTC)
        assert remove_readings(connection, "wijk-aan-zee", now - timedelta(days=20), now) == RemovedReadings(
            readings=19, batches=19
        )
    return database


@pytest.fixture
def enrolled_datastream(database, node):
    with psycopg.connect(database, autocommit=True) as connection:
        ((id_,),) = connection.execute(
            """INSERT INTO datastream (station_id, node_id, property_id) VALUES ('wijk-aan-zee', %s, 'pm2_5')
               RETURNING id""",
            [node.id],
        ).fetchall()
    return id_


EXPECTED = [
    ("*", "observations", "retention", 1),
    ("*", "quarantined-payloads", "emptied-by-a-person", 1),
    ("ijmond", "observations", "on-request", 19),
    ("ijmond", "observations", "retention", 51),
    ("ijmond", "quarantined-payloads", "emptied-by-a-person", 1),
    ("ijmond", "selftest-hours", "retention", 21),
    ("ijmond", "shadow-events", "retention", 51),
    ("ijmond", "signed-bytes", "on-request", 19),
    ("ijmond", "signed-bytes", "retention", 21),
]


def test_every_way_to_remove_on_plain_postgresql_is_recorded_and_has_its_leaf(pruned, tmp_path):
    assert read_removals(pruned) == EXPECTED
    log = open_log(pruned, tmp_path / "log")
    while log.step().has_more:
        pass
    removed = [leaf for leaf in log.leaves() if leaf.kind is LeafKind.REMOVED]
    counts: dict[str, int] = {}
    for leaf in removed:
        counts[leaf.fields[0]] = counts.get(leaf.fields[0], 0) + int(leaf.fields[2])
    assert counts == {
        "observations": 71, "quarantined-payloads": 2, "selftest-hours": 21, "shadow-events": 51, "signed-bytes": 40
    }  # fmt: skip
    with psycopg.connect(pruned) as connection:
        rows = connection.execute("SELECT document FROM log_leaf WHERE source LIKE 'removed %'").fetchall()
    assert all(json.loads(text)["from"] <= json.loads(text)["until"] for (text,) in rows)


def test_the_record_of_removals_is_never_changed(pruned):
    for change in ("DELETE FROM removal", "UPDATE removal SET count = 1", "TRUNCATE removal"):
        with (
            psycopg.connect(pruned) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege, match="is a record"),
        ):
            connection.execute(change)


def test_a_removal_that_is_rolled_back_has_no_record(database, enrolled_datastream):
    fill(database)
    with psycopg.connect(database) as connection:
        retention.prune_old_rows(connection, RetentionSettings(raw_days=50))
        connection.rollback()
    assert read_removals(database) == []


def run_command(dsn, tmp_path, *arguments):
    (tmp_path / "piekwacht.toml").write_text(f"[database]\ndsn = {json.dumps(dsn)}\n")
    return main(["readings", "--config", str(tmp_path / "piekwacht.toml"), "remove", *arguments])


def test_the_command_removes_a_period_and_needs_a_confirmation(database, enrolled_datastream, tmp_path, capsys):
    fill(database)
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE observation SET datastream_id = %s", [enrolled_datastream])
    now = datetime.now(UTC)
    period = ["--from", (now - timedelta(days=30)).isoformat(), "--to", (now - timedelta(days=10)).isoformat()]
    assert run_command(database, tmp_path, "wijk-aan-zee", *period) == 2
    assert "add --yes to confirm" in capsys.readouterr().err
    assert run_command(database, tmp_path, "nowhere", *period, "--yes") == 1
    assert "no station 'nowhere' is registered" in capsys.readouterr().err
    assert run_command(database, tmp_path, "wijk-aan-zee", *period, "--yes") == 0
    assert "20 readings of wijk-aan-zee deleted, and the signed bytes of 20 batches" in capsys.readouterr().out
    assert run_command(database, tmp_path, "wijk-aan-zee", *period, "--yes") == 1
    assert "has no reading in this period" in capsys.readouterr().err
    assert read_removals(database) == [
        ("ijmond", "observations", "on-request", 20), ("ijmond", "signed-bytes", "on-request", 20)
    ]  # fmt: skip
