"""A mistake on the command line or in the configuration: one sentence, the right exit code, never a traceback."""

import subprocess
import sys

import pytest

from gateway.__main__ import _COMMANDS, _FORMER_COMMANDS, build_parser
from gateway.system.child_process import find_free_port


def piekwacht(*arguments, cwd=None):
    return subprocess.run(
        [sys.executable, "-m", "gateway", *arguments], capture_output=True, text=True, timeout=60, cwd=cwd
    )


def assert_fails(result, code, *texts):
    """The exit code, and one line on standard error with these texts."""
    assert result.returncode == code, result.stderr
    assert result.stderr.count("\n") == 1, result.stderr
    assert "Traceback" not in result.stderr
    for text in texts:
        assert text in result.stderr


@pytest.fixture
def settings(tmp_path, postgres):
    """Writes a piekwacht.toml."""

    def write(text):
        path = tmp_path / "piekwacht.toml"
        path.write_text(text)
        return str(path)

    return write


def test_the_error_for_an_unknown_key_names_its_file_path_and_the_nearest_valid_key(settings):
    path = settings('[database]\ndsn = ""\n[broker]\nprot = 1883\n')
    assert_fails(piekwacht("migrate", "--config", path), 2, path, "`broker.prot`", "`port`")


def test_the_error_for_a_wrong_type_names_the_key(settings):
    assert_fails(piekwacht("migrate", "--config", settings("[database]\ndsn = 5\n")), 2, "database.dsn", "str")


def test_the_error_for_invalid_toml_names_the_line(settings):
    assert_fails(piekwacht("migrate", "--config", settings("[database\n")), 2, "not TOML", "line 1")


def test_the_error_for_a_missing_file_names_the_file(tmp_path):
    assert_fails(piekwacht("up", "--config", str(tmp_path / "none.toml")), 2, "none.toml", "cannot be read")


def test_an_unavailable_database_is_one_line(settings):
    path = settings(f'[database]\ndsn = "host=127.0.0.1 port={find_free_port()} dbname=x"\n')
    assert_fails(piekwacht("migrate", "--config", path), 1, "no database", "[database] dsn")
    assert_fails(piekwacht("up", "--config", path), 1, "no database")


def test_a_database_without_schema_is_one_line_that_names_the_command(settings, empty_database):
    assert_fails(
        piekwacht("up", "--config", settings(f'[database]\ndsn = "{empty_database}"\n')), 1, "piekwacht migrate"
    )


def test_an_unavailable_broker_is_one_line(settings, database, tmp_path):
    key = tmp_path / "gateway.key"
    assert piekwacht("key", "gateway.x", str(key)).returncode == 0
    path = settings(
        f'[database]\ndsn = "{database}"\n[broker]\nport = {find_free_port()}\n[ingest]\nkey_file = "{key}"\n'
    )
    assert_fails(piekwacht("gateway", "--config", path), 1, "no broker", "[broker]")


def test_a_port_in_use_is_one_line(settings, database, broker):
    path = settings(f'[database]\ndsn = "{database}"\n[broker]\nport = {broker.port}\n[api]\nport = {broker.port}\n')
    assert_fails(piekwacht("api", "--config", path), 1, f"{broker.port}", "in use")
    assert_fails(piekwacht("demo", "--port", str(broker.port)), 1, f"{broker.port}", "in use")


def test_a_key_file_is_never_overwritten_and_only_its_owner_can_read_it(tmp_path):
    path = tmp_path / "gateway.key"
    assert piekwacht("key", "gateway.x", str(path)).stdout.startswith("gateway.x+")
    assert path.stat().st_mode & 0o777 == 0o600
    assert_fails(piekwacht("key", "gateway.x", str(path)), 1, "gateway.key", "new file")


def test_a_former_command_is_an_error_that_names_the_present_one():
    names = {name for name, _, _ in _COMMANDS}
    for former, present in _FORMER_COMMANDS.items():
        assert former not in names
        assert present.split()[0] in names  # with its action, if it has one
    result = piekwacht("beside", "--config", "any.toml")
    assert result.returncode == 2
    assert result.stderr.endswith("error: the command `beside` is called `evaluate` now\n")


@pytest.mark.parametrize("name", [name for name, _, _ in _COMMANDS])
def test_every_command_has_a_help_of_its_arguments(name, capsys):
    with pytest.raises(SystemExit) as end:
        build_parser(name).parse_args([name, "--help"])
    assert end.value.code == 0
    assert f"usage: piekwacht {name}" in capsys.readouterr().out


_ASSERT_LIGHT = """
import contextlib, io, sys
import gateway.settings
from gateway.__main__ import main
heavy = {"numpy", "numba"}
assert not heavy & set(sys.modules), "gateway.settings"
for command in [text.replace("FILE", sys.argv[1]).split() for text in sys.argv[2:]]:
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            code = main(command)
        except SystemExit as end:
            code = end.code
    assert code in {0, 1}, command  # 2 would be an unknown command
    assert not heavy & set(sys.modules), command
"""


def test_settings_and_small_commands_load_no_arrays_and_no_kernels(settings, database):
    path = settings(f'[database]\ndsn = "{database}"\n')
    small = [
        "--help",
        "migrate --config FILE --check",
        "upkeep --config FILE run",
        "quarantine --config FILE list",
        "node list --config FILE",
        "access list --config FILE",
        "alerts --config FILE check",
        "doctor --config FILE",
    ]
    result = subprocess.run(
        [sys.executable, "-c", _ASSERT_LIGHT, path, *small], capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 0, result.stderr
