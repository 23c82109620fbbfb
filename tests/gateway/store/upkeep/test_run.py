"""Upkeep on plain PostgreSQL: rows are pruned, runs exclude each other, failures are stored and stop nothing."""

import argparse
from datetime import timedelta

import psycopg
import pytest

from gateway.cli import upkeep as command
from gateway.doctor.upkeep import check_upkeep
from gateway.errors import StartError
from gateway.store.retention import RetentionSettings
from gateway.store.upkeep.outcome import OutcomeState
from gateway.store.upkeep.register import register_works
from gateway.store.upkeep.run import run_upkeep
from gateway.store.upkeep.status import fetch_status
from gateway.store.upkeep.work import RHYTHMS, Work
from tests.gateway.enrolled_node import enrol_node

SETTINGS = RetentionSettings(raw_days=50, evidence_days=80)


@pytest.fixture
def filled(database):
    enrol_node(database)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO observation SELECT 1, now() - i * interval '1 day', i, 0, i FROM generate_series(1, 100) AS i"
        )
    return database


def count_observations(dsn):
    with psycopg.connect(dsn) as connection:
        return connection.execute("SELECT count(*) FROM observation").fetchone()[0]


def fetch(dsn):
    with psycopg.connect(dsn) as connection:
        return fetch_status(connection)


def set_back(dsn, interval):
    with psycopg.connect(dsn) as connection:
        connection.execute(
            "UPDATE upkeep_work SET wanted_since = now() - %s::interval, succeeded_at = now() - %s::interval",
            [interval, interval],
        )


def test_on_plain_postgresql_rows_are_pruned_and_nothing_else_is_due(filled):
    (outcome,) = run_upkeep(filled, SETTINGS)
    assert (outcome.work, outcome.state) == (Work.PRUNING, OutcomeState.DONE)
    assert outcome.detail.startswith("51 observations deleted")
    assert count_observations(filled) == 49
    (outcome,) = run_upkeep(filled, SETTINGS)
    assert outcome.state is OutcomeState.SKIPPED
    (outcome,) = run_upkeep(filled, SETTINGS, ignore_rhythm=True)
    assert outcome.state is OutcomeState.DONE


def test_without_retention_there_is_nothing_to_do_and_nothing_stands_still(filled):
    assert list(run_upkeep(filled, SETTINGS))
    assert list(run_upkeep(filled, RetentionSettings())) == []
    assert fetch(filled) == []
    assert count_observations(filled) == 49


def test_a_run_beside_another_is_refused(filled):
    with psycopg.connect(filled, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(7431117)")
        with pytest.raises(StartError, match="another `piekwacht upkeep run` is under way"):
            list(run_upkeep(filled, SETTINGS))
    assert count_observations(filled) == 100
    assert list(run_upkeep(filled, SETTINGS))


def test_a_failure_is_stored_with_its_error_until_a_run_succeeds(filled):
    with psycopg.connect(filled, autocommit=True) as connection:
        connection.execute(
            """CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no space left'; END $$;
               CREATE TRIGGER refuse BEFORE DELETE ON observation FOR EACH ROW EXECUTE FUNCTION refuse()"""
        )
        (outcome,) = run_upkeep(filled, SETTINGS)
        assert (outcome.state, "no space left" in outcome.detail) == (OutcomeState.FAILED, True)
        (status,) = fetch(filled)
        assert "no space left" in status.last_error
        connection.execute("DROP TRIGGER refuse ON observation")
    (outcome,) = run_upkeep(filled, SETTINGS)  # a failure is tried again by the next run, due or not
    assert outcome.state is OutcomeState.DONE
    (status,) = fetch(filled)
    assert status.last_error is None


def test_a_lost_connection_ends_the_run_with_one_sentence(filled):
    with psycopg.connect(filled, autocommit=True) as connection:
        connection.execute(
            """CREATE FUNCTION leave() RETURNS trigger LANGUAGE plpgsql AS
               $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN OLD; END $$;
               CREATE TRIGGER leave BEFORE DELETE ON observation FOR EACH ROW EXECUTE FUNCTION leave()"""
        )
    with pytest.raises(StartError, match="no database"):
        list(run_upkeep(filled, SETTINGS))


def test_the_doctor_names_an_overdue_work_with_its_time(filled):
    assert [finding.level for finding in check_upkeep(filled)] == ["ok"]
    with psycopg.connect(filled, autocommit=True) as connection:
        register_works(connection, SETTINGS)
    assert [finding.level for finding in check_upkeep(filled)] == ["ok"]  # wanted since now
    set_back(filled, RHYTHMS[Work.PRUNING].limit + timedelta(minutes=1))
    (finding,) = check_upkeep(filled)
    assert finding.level == "fault"
    assert finding.message.startswith("pruning stands still since 20")
    assert list(run_upkeep(filled, SETTINGS))
    assert [finding.level for finding in check_upkeep(filled)] == ["ok"]


def test_the_doctor_does_not_check_upkeep_in_a_database_of_an_older_version(filled):
    with psycopg.connect(filled, autocommit=True) as connection:
        connection.execute("DROP FUNCTION upkeep_done()")
    assert list(check_upkeep(filled)) == []


def test_a_database_of_an_older_version_is_refused_in_one_sentence(filled):
    with psycopg.connect(filled, autocommit=True) as connection:
        connection.execute("DELETE FROM schema_migration WHERE name LIKE '0171%'")
    with pytest.raises(StartError, match="run `piekwacht migrate`"):
        list(run_upkeep(filled, SETTINGS))


def run_command(settings_path, *arguments):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args(["--config", str(settings_path), *arguments]))


def test_the_command_prints_outcomes_and_a_table_and_ends_with_1_if_a_work_is_overdue(filled, tmp_path, capsys):
    path = tmp_path / "piekwacht.toml"
    path.write_text(f'[database]\ndsn = "{filled}"\n[retention]\nraw_days = 50\n')
    assert run_command(path, "run") == 0
    assert "pruning: done: 51 observations deleted" in capsys.readouterr().out
    assert run_command(path, "status") == 0
    set_back(filled, timedelta(days=4))
    assert run_command(path, "status") == 1
    header, row = capsys.readouterr().out.splitlines()[-2:]
    assert header.split() == ["work", "done", "up", "to", "(UTC)", "limit", "state"]
    assert row.startswith("pruning ")
    assert row.endswith("stands still")
