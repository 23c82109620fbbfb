"""The units have only the rights they need, and the scripts beside them are valid."""

import subprocess
from pathlib import Path

import pytest

from tests.deploy.conftest import DEPLOY

UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
SCRIPTS = [DEPLOY / "systemd" / name for name in ("backup", "restore", "install", "upgrade", "rollback")]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_every_unit_is_hardened_to_an_exposure_of_two_at_most(judge, unit):
    judge("systemd-analyze", "security", "--offline=true", "--threshold=20", unit)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_every_unit_is_read_by_systemd_without_a_complaint(judge, unit, tmp_path):
    """The commands are not installed, so `true` replaces them; systemd reports unknown directives."""
    lines = [line for line in unit.read_text().splitlines() if not line.startswith("ExecStart=")]
    lines.insert(lines.index("[Service]") + 1, "ExecStart=/usr/bin/true")
    copy = tmp_path / unit.name
    copy.write_text("\n".join(lines).replace("Requires=piekwacht-migrate.service\n", ""))
    judge("systemd-analyze", "verify", "--man=no", copy)


def test_the_units_start_exactly_these_commands():
    started = {line.split()[1] for unit in UNITS for line in unit.read_text().splitlines() if "/bin/piekwacht " in line}
    assert started == {"gateway", "api", "alerting", "evaluate", "migrate", "upkeep", "witness", "subscriptions",
                       "context"}  # fmt: skip


def test_only_services_that_compile_may_make_memory_executable():
    free = {unit.stem for unit in UNITS if "MemoryDenyWriteExecute=yes" not in unit.read_text()}
    assert free == {"piekwacht-gateway", "piekwacht-evaluate"}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_sh_parses_every_script(judge, script):
    judge("sh", "-n", script)
    assert script.stat().st_mode & 0o111


def test_install_copies_every_file_and_does_not_overwrite_edited_settings(tmp_path):
    command, environment = [DEPLOY / "systemd/install"], {"DESTDIR": str(tmp_path), "PATH": "/usr/bin:/bin"}
    subprocess.run(command, env=environment, check=True, capture_output=True)
    settings = tmp_path / "etc/piekwacht/piekwacht.toml"
    settings.write_text("mine")
    subprocess.run(command, env=environment, check=True, capture_output=True)
    assert settings.read_text() == "mine"
    installed = {path.name for path in (tmp_path / "etc/systemd/system").iterdir()}
    assert installed == {unit.name for unit in UNITS} | {
        "piekwacht-backup.timer", "piekwacht-context.timer", "piekwacht-upkeep.timer"
    }  # fmt: skip
    assert (tmp_path / "opt/piekwacht/bin/backup").stat().st_mode & 0o111
    assert (tmp_path / "usr/local/bin/piekwacht").readlink() == Path("/opt/piekwacht/current/bin/piekwacht")
