"""Packages from npm for tests, pinned by a lock file; each lock file is installed once, also for later runs."""

import hashlib
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

_CACHE = Path(__file__).parents[1] / ".pytest_cache" / "npm"


def link_packages(source: Path, folder: Path) -> None:
    """Make `folder`/node_modules hold the packages of the lock file in `source`. Skips the test if there is no npm."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm on this machine")
    files = [source / "package.json", source / "package-lock.json"]
    installed = _CACHE / hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
    if not installed.exists():
        _install(npm, files, installed)
    (folder / "node_modules").symlink_to(installed / "node_modules", target_is_directory=True)


def _install(npm: str, files: list[Path], installed: Path) -> None:
    installed.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=installed.parent, ignore_cleanup_errors=True) as name:
        partial = Path(name) / "whole"
        partial.mkdir()
        for file in files:
            shutil.copy(file, partial)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run(command, cwd=partial, check=True, capture_output=True)
        with suppress(OSError):  # another process was first
            partial.rename(installed)
