"""A commit gives the same bytes at any time and on any machine; a changed release is never installed."""

import os
import shutil
import subprocess

import pytest

from gateway.__main__ import main
from tests.deploy.conftest import ROOT


@pytest.fixture
def key(tmp_path, capsys):
    """(private key's file, public key's file), made by the command that a maintainer uses."""
    private, public = tmp_path / "release.key", tmp_path / "release.pub"
    assert main(["key", "piekwacht.release", str(private)]) == 0
    public.write_text(capsys.readouterr().out)
    return private, public


@pytest.fixture
def release(tmp_path, key):
    """A signed folder of two files."""
    folder = tmp_path / "0.2.0"
    folder.mkdir()
    (folder / "piekwacht-0.2.0-py3-none-any.whl").write_bytes(b"a wheel")
    (folder / "gateway.lock").write_text("a lock\n")
    assert main(["release", "sign", str(folder), "--key", str(key[0])]) == 0
    return folder


def verify(folder, public):
    return main(["release", "verify", str(folder), "--key", str(public)])


def test_verification_accepts_signed_files_and_names_changed_ones(release, key, capsys):
    assert verify(release, key[1]) == 0
    assert "2 files are what piekwacht.release signed" in capsys.readouterr().out
    (release / "gateway.lock").write_text("another lock\n")
    assert verify(release, key[1]) == 1
    assert "gateway.lock is not what piekwacht.release signed" in capsys.readouterr().err


@pytest.mark.parametrize("forged", ["the sums", "another key", "no signature", "a missing file", "no text at all"])
def test_a_forged_release_is_refused(release, key, tmp_path, capsys, forged):
    note = release / "SHA256SUMS.note"
    if forged == "the sums":
        note.write_bytes(note.read_bytes().replace(b"  gateway.lock", b"  gateway.evil"))
    elif forged == "another key":
        other = tmp_path / "other.key"
        assert main(["key", "piekwacht.release", str(other)]) == 0
        assert main(["release", "sign", str(release), "--key", str(other)]) == 0
    elif forged == "no signature":
        note.write_bytes((release / "SHA256SUMS").read_bytes())
    elif forged == "no text at all":
        note.write_bytes(b"\xff\xfe")
    else:
        (release / "gateway.lock").unlink()
    capsys.readouterr()
    assert verify(release, key[1]) == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl on this machine")
def test_openssl_and_sha256sum_alone_verify_a_release(release):
    command = "openssl pkeyutl -verify -rawin -pubin -inkey release.pem -in SHA256SUMS -sigfile SHA256SUMS.sig"
    assert subprocess.run(command.split(), cwd=release, capture_output=True).returncode == 0
    assert subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=release).returncode == 0
    (release / "SHA256SUMS").write_text("other\n")
    assert subprocess.run(command.split(), cwd=release, capture_output=True).returncode != 0


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_same_commit_gives_the_same_bytes(tmp_path, key):
    copy = tmp_path / "copy"
    subprocess.run(["git", "clone", "-q", "--depth", "1", f"file://{ROOT}", copy], check=True)
    (copy / ".venv").symlink_to(ROOT / ".venv")
    sums = []
    for day in ("today", "tomorrow"):
        environment = {**os.environ, "PIEKWACHT_OUT": str(tmp_path / day), "PIEKWACHT_DEB": "no"}
        command = [copy / "deploy/supply/release", "--key", key[0]]
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        (folder,) = (tmp_path / day).iterdir()
        assert verify(folder, key[1]) == 0
        names = {path.suffix for path in folder.iterdir()}
        assert {".whl", ".gz", ".lock", ".json", ".note", ".sig"} <= names
        sums.append((folder / "SHA256SUMS").read_text())
    assert sums[0] == sums[1]
