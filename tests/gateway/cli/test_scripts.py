"""Commands that scripts read: lists as JSON, and completion of the commands in a shell."""

import json
import subprocess

import psycopg
import pytest

from gateway import __main__ as command


@pytest.fixture
def run(database, tmp_path, capsys):
    """run(*arguments) -> the output of the command."""
    (tmp_path / "piekwacht.toml").write_text(f'database = {{ dsn = "{database}" }}\n')

    def run(*arguments):
        command.main([*arguments, "--config", str(tmp_path / "piekwacht.toml")])
        return capsys.readouterr().out

    return run


def test_a_node_has_an_entry_with_its_station(run, node):
    (entry,) = json.loads(run("node", "list", "--json"))
    assert (entry["node"], entry["area"], entry["station"], entry["revoked_at"]) == (
        node.id, "ijmond", "wijk-aan-zee", None,
    )  # fmt: skip


@pytest.mark.parametrize(
    "arguments", ["node list", "alerts silences", "quarantine list", "access audit"], ids=lambda text: text
)
def test_an_empty_list_is_an_empty_list(run, arguments):
    assert json.loads(run(*arguments.split(), "--json")) == []


def test_a_silence_has_its_matchers_and_times(run):
    run("alerts", "silence", 'station="wijk-aan-zee"', "--for", "2h", "--reason", "maintenance", "--who", "anna")
    (entry,) = json.loads(run("alerts", "silences", "--json"))
    assert (entry["match"], entry["author"], entry["not_applied"]) == (['station="wijk-aan-zee"'], "anna", None)
    assert entry["starts_at"] < entry["ends_at"]


def test_the_works_of_upkeep_have_a_limit(run):
    works = json.loads(run("upkeep", "status", "--json"))
    assert all(work["limit_seconds"] > 0 and work["stands_still"] in {True, False} for work in works)


def test_the_size_of_the_database_is_the_sum_that_its_tables_fit_into(run, database):
    storage = json.loads(run("upkeep", "storage", "--json"))
    with psycopg.connect(database) as connection:
        (size,) = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    assert storage["database_bytes"] == pytest.approx(size, rel=0.2)
    assert 0 < sum(table["bytes"] for table in storage["tables"]) < storage["database_bytes"]
    assert all(0 < disk["free"] <= disk["total"] for disk in storage["disks"])
    assert storage["growth_per_day"] is None, "nothing is known of the day before"
    text = run("upkeep", "storage")
    assert "growth: not known yet" in text
    assert all(table["name"] in text for table in storage["tables"])


def test_accounts_are_listed_without_secrets(run):
    lists = json.loads(run("access", "list", "--json"))
    assert lists == {"accounts": [], "keys": [], "passkeys": []}


def test_a_shell_completes_every_command_and_its_actions(capsys, tmp_path):
    command.main(["completion", "bash"])
    script = tmp_path / "completion"
    script.write_text(capsys.readouterr().out)
    completion = (
        f'source {script}; COMP_WORDS=(piekwacht node r); COMP_CWORD=2; _shtab_piekwacht; echo "${{COMPREPLY[@]}}"'
    )
    done = subprocess.run(["/bin/bash", "-c", completion], capture_output=True, text=True)
    assert set(done.stdout.split()) == {"renew", "replace-sensor", "revoke"}, done.stderr
