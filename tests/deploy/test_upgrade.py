"""A release is installed next to the old one; a release that cannot run is never switched to."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import psycopg
import pytest

from tests.deploy.conftest import DEPLOY, ROOT

pytestmark = pytest.mark.slow
LARGE_PACKAGES = ("llvmlite==", "numba==", "numpy==", "pillow==", "pyarrow==")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """This very tree as a wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    uv = shutil.which("uv")
    command = [uv, "build", "--wheel", "--out-dir", folder] if uv else [
        sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder,
    ]  # fmt: skip
    subprocess.run([*command, ROOT], check=True, capture_output=True, cwd=ROOT)
    (wheel_path,) = folder.glob("*.whl")
    return wheel_path


# A unit is enabled if there is a file of its name in `enabled`, and installed if there is one in `units`.
_SYSTEMCTL = """#!/bin/sh
for unit; do :; done
case $1 in
    is-enabled) test -e {home}/enabled/$unit; exit ;;
    cat) test -e {home}/units/$unit.service; exit ;;
    enable) touch {home}/enabled/$unit ;;
    disable) rm {home}/enabled/$unit ;;
esac
echo "$1" >>{home}/asked
"""


@pytest.fixture
def home(tmp_path, empty_database):
    for folder in ("releases", "units", "enabled"):
        (tmp_path / folder).mkdir()
    (tmp_path / "piekwacht.toml").write_text(f'[database]\ndsn = "{empty_database}"\n')
    (tmp_path / "systemctl").write_text(_SYSTEMCTL.format(home=tmp_path))
    (tmp_path / "backup").write_text(f"#!/bin/sh\necho backup >>{tmp_path}/asked\n")
    for name in ("systemctl", "backup"):
        (tmp_path / name).chmod(0o755)
    return tmp_path


def run(home, script, *arguments):
    environment = {
        **os.environ,
        "PIEKWACHT_HOME": str(home),
        "PIEKWACHT_CONFIG": str(home / "piekwacht.toml"),
        "PIEKWACHT_BACKUP": str(home / "backup"),
        "SYSTEMCTL": str(home / "systemctl"),
        "PIEKWACHT_AS": "",
        "PIEKWACHT_UNITS": str(home / "units"),
        "PYTHON": sys.executable,
    }
    command = [DEPLOY / "systemd" / script, *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def change_version(wheel, folder, version):
    """The same wheel as another version, with its metadata changed accordingly."""
    target = folder / wheel.name.replace("0.1.0", version)
    with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(target, "w") as changed:
        for item in source.infolist():
            body = source.read(item)
            if item.filename.endswith("METADATA"):
                body = body.replace(b"\nVersion: 0.1.0", f"\nVersion: {version}".encode())
            if not item.filename.endswith("RECORD"):
                changed.writestr(item.filename.replace("0.1.0.dist-info", f"{version}.dist-info"), body)
        changed.writestr(f"piekwacht-{version}.dist-info/RECORD", "")
    return target


def write_short_lock(folder):
    """The lock without the largest packages: `migrate` needs none, and the first installation has had them all."""
    text = (DEPLOY / "gateway.lock").read_text()
    entries = re.split(r"^(?=\S)", text, flags=re.MULTILINE)
    short = folder / "short.lock"
    short.write_text("".join(entry for entry in entries if not entry.startswith(LARGE_PACKAGES)))
    assert len(short.read_text()) < len(text)
    return short


def test_an_upgrade_with_the_former_unit_name_is_refused_and_names_the_new_unit(home):
    (home / "enabled/piekwacht-beside").touch()
    refused = run(home, "upgrade", home / "any.whl", home / "any.lock")
    assert refused.returncode == 2
    assert "piekwacht-beside is called piekwacht-evaluate now" in refused.stderr
    assert not (home / "asked").exists(), "nothing was stopped"


@pytest.mark.timeout(600)
def test_install_upgrade_and_rollback_never_leave_a_broken_version(home, wheel, empty_database):
    lock = DEPLOY / "gateway.lock"
    first = run(home, "upgrade", wheel, lock)
    assert first.returncode == 0, first.stderr
    assert (home / "current").readlink() == Path("releases/0.1.0")
    assert (home / "asked").read_text().split() == ["backup", "stop"], "a backup before the schema changes, no start"

    broken = home / "piekwacht-0.2.0-py3-none-any.whl"
    broken.write_bytes(b"not a wheel")
    refused = run(home, "upgrade", broken, lock)
    assert refused.returncode == 1
    assert "releases/0.1.0 goes on" in refused.stderr
    assert (home / "current").readlink() == Path("releases/0.1.0")
    assert not (home / "releases/0.2.0").exists()
    assert (home / "asked").read_text().split() == ["backup", "stop"], "nothing that ran was touched"

    for file in ("units/piekwacht-beside.service", "units/piekwacht-evaluate.service", "enabled/piekwacht-beside"):
        (home / file).touch()
    second = run(home, "upgrade", change_version(wheel, home, "0.3.0"), write_short_lock(home))
    assert second.returncode == 0, second.stderr
    assert (home / "current").readlink() == Path("releases/0.3.0")
    actions = (home / "asked").read_text().split()[2:]
    assert actions == ["stop", "disable", "enable", "start"], "no migration, so no backup is asked for"
    assert {file.name for file in (home / "enabled").iterdir()} == {"piekwacht-evaluate"}
    assert not (home / "units/piekwacht-beside.service").exists()

    back = run(home, "rollback")
    assert back.returncode == 0, back.stderr
    assert (home / "current").readlink() == Path("releases/0.1.0")

    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute("INSERT INTO schema_migration (name, sha256) VALUES ('9999_tomorrow.sql', 'x')")
    stuck = run(home, "rollback")
    assert stuck.returncode == 1
    assert "restore the backup of before the upgrade" in stuck.stderr
    assert (home / "current").readlink() == Path("releases/0.1.0")
