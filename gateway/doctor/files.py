"""Check of the files that the settings name: each exists, is readable, and secrets are not readable by others."""

import os
from collections.abc import Iterator
from pathlib import Path

from gateway.doctor.finding import Finding, FindingFactory
from gateway.settings import Settings, list_files

_SECRET_SETTINGS = ("key", "key_file", "password_file", "secret_file")
_OTHERS_PERMISSIONS = 0o007


def check_files(settings: Settings) -> Iterator[Finding]:
    """Return one finding per file with a problem, or one for all files."""
    named_files = list(list_files(settings))
    problems = [finding for path, file in named_files if (finding := _check_file(path, file)) is not None]
    yield from problems or [
        FindingFactory("settings").ok(f"the settings can be read, and all {len(named_files)} files they name")
    ]


def _check_file(setting: str, file: Path) -> Finding | None:
    finding = FindingFactory("settings")
    if not file.exists():
        return finding.fault(f"{setting}: {file} does not exist", "put the file there, or change the setting")
    if not os.access(file, os.R_OK):
        return finding.fault(f"{setting}: {file} cannot be read by this user", f"chown {_owner()} {file}")
    if setting.rsplit(".", 1)[-1] in _SECRET_SETTINGS and file.stat().st_mode & _OTHERS_PERMISSIONS:
        return finding.warning(f"{setting}: every user of this machine can read {file}", f"chmod 0600 {file}")
    return None


def _owner() -> str:
    return str(os.geteuid()) if os.geteuid() else "root"
