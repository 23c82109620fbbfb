"""A service logs the faults of its machine in the same sentences as the doctor."""

import logging
import os
import subprocess
import sys
from datetime import UTC, datetime

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gateway import settings
from gateway.doctor import checks, startup
from gateway.enrolment.authority import CertificateAuthority, private_pem
from gateway.system.child_process import find_free_port
from tests.gateway.doctor.test_doctor import EXAMPLE


def run_command(tmp_path, *arguments):
    command = [sys.executable, "-m", "gateway", *arguments, "--config", str(tmp_path / "piekwacht.toml")]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def write_authority(year, folder):
    """Create an authority of that year with a certificate; return [broker.tls]."""
    authority = CertificateAuthority.create(folder / "ca", "one", datetime(year, 1, 1, tzinfo=UTC))
    key = ec.generate_private_key(ec.SECP256R1())
    (folder / "key.pem").write_bytes(private_pem(key))
    (folder / "ours.pem").write_bytes(authority.issue("gateway", key.public_key(), datetime(year, 1, 2, tzinfo=UTC)))
    return '[broker.tls]\nca = "ca/ca.pem"\ncertificate = "ours.pem"\nkey = "key.pem"\n'


def write_settings(tmp_path, dsn, more=""):
    (tmp_path / "piekwacht.toml").write_text(f'[database]\ndsn = "{dsn}"\n[broker]\nport = {find_free_port()}\n{more}')


def read_log(tmp_path, caplog):
    with caplog.at_level(logging.ERROR, "gateway.doctor.startup"):
        startup.log_faults(settings.read(tmp_path / "piekwacht.toml"), ["gateway", "api"])
    return [record.getMessage() for record in caplog.records]


def test_every_command_reports_a_cut_off_configuration_in_the_same_words(tmp_path):
    text = EXAMPLE.read_text()
    (tmp_path / "piekwacht.toml").write_text(text[: text.index("[alerting.smtp]") + 9])
    result = run_command(tmp_path, "doctor")
    assert result.returncode == 2
    for part in ("gateway", "alerting"):
        assert run_command(tmp_path, part).stderr == result.stderr


def test_a_newer_schema_is_reported_by_doctor_and_service(tmp_path, database):
    write_settings(tmp_path, database)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("INSERT INTO schema_migration (name, sha256) VALUES ('9999_tomorrow.sql', 'x')")
    sentence = "9999_tomorrow.sql, this version does not: install a newer piekwacht"
    assert sentence in run_command(tmp_path, "doctor", "--only", "database").stdout
    result = run_command(tmp_path, "api")
    assert result.returncode == 1
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1


def test_an_expired_authority_is_reported_by_doctor_and_service(tmp_path, database):
    key = tmp_path / "gateway.key"
    write_settings(tmp_path, database, f'{write_authority(2016, tmp_path)}[ingest]\nkey_file = "{key}"\n')
    subprocess.run([sys.executable, "-m", "gateway", "key", "gateway.x", key], check=True, capture_output=True)
    sentence = "the authority's certificate expired on 2026-01-01: create a new authority and enrol every node again"
    assert sentence in run_command(tmp_path, "doctor", "--only", "certificates").stdout
    assert sentence in run_command(tmp_path, "gateway").stderr


def test_a_clock_before_the_authority_is_logged(tmp_path, database, caplog):
    """An authority of 2040 stands for a clock that is years behind."""
    write_settings(tmp_path, database, write_authority(2040, tmp_path))
    messages = read_log(tmp_path, caplog)
    assert any("before the certificate authority was created: set it" in message for message in messages)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a full disk needs root")
def test_a_full_disk_is_logged(tmp_path, database, caplog, monkeypatch):
    write_settings(tmp_path, database)
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], check=True)
    try:
        monkeypatch.setattr(checks, "DISKS", (disk,))
        messages = read_log(tmp_path, caplog)
    finally:
        subprocess.run(["umount", disk], check=True)
    assert any(
        f"are free at {disk}: free space or enlarge the disk, before the database stops" in message
        for message in messages
    )


def test_without_faults_nothing_is_logged(tmp_path, database, caplog):
    write_settings(tmp_path, database)
    assert [message for message in read_log(tmp_path, caplog) if "are free at" not in message] == []
