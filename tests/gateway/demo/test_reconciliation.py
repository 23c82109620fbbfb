"""The reconciliation of a demo is right although a full disk or a kill cut the nodes' own logs."""

import json
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from edge_agent.reading_log import ReadingLog
from edge_agent.sensors.sensor import Reading
from edge_agent.wire import ClockState
from gateway.demo.reconciliation import reconcile
from tests.gateway.store.stored_readings import store_readings

NODE = "ijm-001"
START = datetime(2026, 11, 21, 2, 40, tzinfo=UTC)
START_MS = round(START.timestamp() * 1000)
COUNT = 6
LINES = [
    json.dumps({"observed_at": START_MS + second * 1000, "values": {"pm2_5": 8.0 + second}}).encode() + b"\n"
    for second in range(COUNT)
]


@pytest.fixture
def stored(database, node):
    """Six stored readings, one per second."""
    with psycopg.connect(database, autocommit=True) as connection:
        store_readings(connection, START, [(8.0 + second, 0) for second in range(COUNT)])
    return database


def account_for(database, path, content):
    path.write_bytes(content)
    result = reconcile(database, {NODE: path}, live=False)
    return result.readings, result.unlogged, result.lost, result.duplicates


@pytest.fixture
def path(tmp_path):
    return tmp_path / "generated.jsonl"


def test_a_complete_log_accounts_for_every_reading(stored, path):
    assert account_for(stored, path, b"".join(LINES)) == (COUNT, 0, 0, 0)


@pytest.mark.parametrize("length", range(1, len(LINES[-1])))
def test_a_last_line_cut_anywhere_costs_that_line_alone(stored, path, length):
    content = b"".join(LINES[:-1]) + LINES[-1][:length]
    is_whole = length == len(LINES[-1]) - 1  # only its end of line is missing
    assert account_for(stored, path, content) == ((COUNT, 0, 0, 0) if is_whole else (COUNT - 1, 1, 0, 0))


def test_a_line_cut_in_the_middle_of_the_log_costs_that_line_alone(stored, path):
    content = b"".join(LINES[:2]) + LINES[2][:20] + b"\n" + b"".join(LINES[3:])
    assert account_for(stored, path, content) == (COUNT - 1, 1, 0, 0)


def test_an_agent_that_starts_again_after_a_cut_line_continues_below_it(stored, path):
    path.write_bytes(b"".join(LINES[:2]) + LINES[2][:20])
    with ReadingLog(path) as log:
        for second in range(3, COUNT):
            log.write([[make_reading(second)]])
    assert account_for(stored, path, path.read_bytes()) == (COUNT - 1, 1, 0, 0)


def make_reading(second):
    at = START_MS + second * 1000
    return Reading(observed_at=at, mono=second * 1000, clock=ClockState.SYNCED, values={"pm2_5": 8.0 + second})


def test_a_reading_that_is_logged_but_not_stored_is_lost_and_a_cut_log_hides_no_loss(stored, path):
    later = json.dumps({"observed_at": START_MS + 60_000, "values": {"pm2_5": 9.0}}).encode() + b"\n"
    assert account_for(stored, path, b"".join(LINES) + later) == (COUNT + 1, 0, 1, 0)
    assert account_for(stored, path, b"".join(LINES[:-1]) + later + LINES[-1][:9]) == (COUNT, 1, 1, 0)


def test_a_reading_stored_twice_is_a_duplicate_also_if_its_line_is_cut(stored, path):
    with psycopg.connect(stored, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO observation SELECT datastream_id, observed_at, value, flags, batch_id FROM observation "
            "WHERE observed_at = %s",
            [START + timedelta(seconds=COUNT - 1)],
        )
    assert account_for(stored, path, b"".join(LINES)) == (COUNT, 0, 0, 1)
    assert account_for(stored, path, b"".join(LINES[:-1]) + LINES[-1][:9]) == (COUNT - 1, 1, 0, 1)


def test_omitted_lines_are_counted_as_the_log_states(stored, path):
    content = b"".join(LINES[:2]) + b'{"omitted":2}\n' + b"".join(LINES[4:])
    assert account_for(stored, path, content) == (COUNT - 2, 2, 0, 0)
