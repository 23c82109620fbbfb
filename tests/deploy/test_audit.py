"""An audit that could not reach the advisory source neither passes nor fails, and states so."""

import shutil
import subprocess

import pytest

from tests.deploy.conftest import DEPLOY

VULNERABLE = "echo 'Found 1 known vulnerability in 1 package'; exit 1"
NONE = "echo 'No known vulnerabilities found'"
UNKNOWN = f"{NONE}; echo 'msgspec  Dependency not found on PyPI and could not be audited: msgspec (0.21.1)'"
AWAY = "echo 'ConnectionError: Failed to resolve host' >&2; exit 1"


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        (VULNERABLE, 1, "Found 1 known"),
        (NONE, 0, "No known"),
        (UNKNOWN, 3, "it knows nothing of 1"),
        (AWAY, 3, "resolve"),
    ],
    ids=["known", "none", "a source without advisories", "no source"],
)
def test_the_exit_code_of_audit_follows_the_result_of_pip_audit(tmp_path, answer, code, words):
    script = shutil.copy(DEPLOY / "supply/audit", tmp_path)
    (tmp_path / "run").write_text(f"#!/bin/sh\n{answer}\n")
    (tmp_path / "run").chmod(0o755)
    done = subprocess.run([script, "some.lock"], capture_output=True, text=True)
    assert done.returncode == code
    assert words in done.stdout + done.stderr
    assert ("could not reach the advisory source" in done.stderr) == (code == 3)
