"""Every file that the settings name is there, can be read, and keeps its secret."""

import os
from collections.abc import Iterator
from pathlib import Path

from gateway.doctor.finding import Finding, Findings
from gateway.settings import Settings, files

_SECRET = ("key", "key_file", "password_file", "secret_file")
_OTHERS = 0o007


def examine(settings: Settings) -> Iterator[Finding]:
    """One finding for each file in trouble, or one for all of them."""
    found = list(files(settings))
    troubles = [finding for path, file in found if (finding := _look(path, file)) is not None]
    yield from troubles or [
        Findings("settings").well(f"the settings can be read, and all {len(found)} files they name")
    ]


def _look(path: str, file: Path) -> Finding | None:
    say = Findings("settings")
    if not file.exists():
        return say.fault(f"{path}: {file} is not there", "put the file there, or change the setting")
    if not os.access(file, os.R_OK):
        return say.fault(f"{path}: {file} cannot be read by this user", f"chown {_us()} {file}")
    if path.rsplit(".", 1)[-1] in _SECRET and file.stat().st_mode & _OTHERS:
        return say.warning(f"{path}: everybody on this machine can read {file}", f"chmod 0600 {file}")
    return None


def _us() -> str:
    return str(os.geteuid()) if os.geteuid() else "root"
