"""What a person who mistypes something reads: one sentence, the right exit code, never a traceback."""

import subprocess
import sys

import pytest

from gateway.system.child_process import find_free_port


def piekwacht(*arguments, cwd=None):
    return subprocess.run(
        [sys.executable, "-m", "gateway", *arguments], capture_output=True, text=True, timeout=60, cwd=cwd
    )


def says(result, code, *words):
    assert result.returncode == code, result.stderr
    assert result.stderr.count("\n") == 1, result.stderr
    assert "Traceback" not in result.stderr
    for word in words:
        assert word in result.stderr


@pytest.fixture
def settings(tmp_path, postgres):
    """Writes a piekwacht.toml."""

    def write(text):
        path = tmp_path / "piekwacht.toml"
        path.write_text(text)
        return str(path)

    return write


def test_an_unknown_key_is_named_with_its_file_path_and_nearest_valid_key(settings):
    path = settings('[database]\ndsn = ""\n[broker]\nprot = 1883\n')
    says(piekwacht("migrate", "--config", path), 2, path, "`broker.prot`", "`port`")


def test_a_wrong_type_is_named(settings):
    says(piekwacht("migrate", "--config", settings("[database]\ndsn = 5\n")), 2, "database.dsn", "str")


def test_text_that_is_no_toml_is_named_with_its_line(settings):
    says(piekwacht("migrate", "--config", settings("[database\n")), 2, "not TOML", "line 1")


def test_a_missing_file_is_named(tmp_path):
    says(piekwacht("up", "--config", str(tmp_path / "none.toml")), 2, "none.toml", "cannot be read")


def test_a_database_that_does_not_answer_is_one_line(settings):
    path = settings(f'[database]\ndsn = "host=127.0.0.1 port={find_free_port()} dbname=x"\n')
    says(piekwacht("migrate", "--config", path), 1, "no database", "[database] dsn")
    says(piekwacht("up", "--config", path), 1, "no database")


def test_a_database_without_the_schema_names_the_command_that_makes_it(settings, empty_database):
    says(piekwacht("up", "--config", settings(f'[database]\ndsn = "{empty_database}"\n')), 1, "piekwacht migrate")


def test_no_broker_is_one_line(settings, database, tmp_path):
    key = tmp_path / "gateway.key"
    assert piekwacht("key", "gateway.x", str(key)).returncode == 0
    path = settings(
        f'[database]\ndsn = "{database}"\n[broker]\nport = {find_free_port()}\n[ingest]\nkey_file = "{key}"\n'
    )
    says(piekwacht("gateway", "--config", path), 1, "no broker", "[broker]")


def test_a_port_in_use_is_one_line(settings, database, broker):
    path = settings(f'[database]\ndsn = "{database}"\n[broker]\nport = {broker.port}\n[api]\nport = {broker.port}\n')
    says(piekwacht("api", "--config", path), 1, f"{broker.port}", "in use")
    says(piekwacht("demo", "--port", str(broker.port)), 1, f"{broker.port}", "in use")


def test_a_key_file_is_never_overwritten_and_is_for_its_owner_alone(tmp_path):
    path = tmp_path / "gateway.key"
    assert piekwacht("key", "gateway.x", str(path)).stdout.startswith("gateway.x+")
    assert path.stat().st_mode & 0o777 == 0o600
    says(piekwacht("key", "gateway.x", str(path)), 1, "gateway.key", "new file")


_LIGHT = """
import contextlib, io, sys
import gateway.settings
from gateway.__main__ import main
heavy = {"numpy", "numba"}
assert not heavy & set(sys.modules), "gateway.settings"
for words in [w.replace("FILE", sys.argv[1]).split() for w in sys.argv[2:]]:
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            code = main(words)
        except SystemExit as end:
            code = end.code
    assert code in {0, 1}, words  # 2 would be words that no command knows
    assert not heavy & set(sys.modules), words
"""


def test_settings_and_small_commands_load_no_arrays_and_no_kernels(settings, database):
    path = settings(f'[database]\ndsn = "{database}"\n')
    small = [
        "--help",
        "migrate --config FILE --check",
        "prune --config FILE",
        "quarantine --config FILE list",
        "node list --config FILE",
        "access list --config FILE",
        "alerts --config FILE check",
        "doctor --config FILE",
    ]
    result = subprocess.run(
        [sys.executable, "-c", _LIGHT, path, *small], capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 0, result.stderr
